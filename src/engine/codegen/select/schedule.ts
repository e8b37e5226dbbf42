import type { IrBlock, IrFunction, IrInstruction } from "../../ir/module.ts";
import { forEachOperand, type Uses } from "./uses.ts";

/** Registers that a block can use without spilling; of them those that survive a call. */
const REGISTERS = 9;
const SAVED_REGISTERS = 4;
/** Longer blocks stay as they are: moving instructions one by one costs the square of it. */
const MAX_LENGTH = 2000;

/**
 * Order of the instructions of blocks in which more values are alive than there are registers: a computation whose operands
 * live on anyway is done right before its first use, one that ends two or more operands as soon as they are there. Loads, stores
 * and calls keep their order. Other blocks stay as the optimiser left them.
 */
export function scheduleBlocks(fn: IrFunction, uses: Uses): readonly IrBlock[] {
  if (fn.blocks.every((b) => b.instructions.length <= REGISTERS)) return fn.blocks;
  const liveOut = liveness(fn, uses);
  return fn.blocks.map((block, at) => {
    const out = liveOut[at] as ReadonlySet<number>;
    const { instructions } = block;
    if (instructions.length > MAX_LENGTH || !isCrowded(instructions, out, uses)) return block;
    const order = new Scheduler([...instructions], out, uses);
    order.hoist();
    order.sink();
    return { instructions: order.list, records: block.records };
  });
}

/** Values that take a register: computed ones, not addresses in the frame nor what is folded into its uses. */
function takesRegister(index: number, uses: Uses): boolean {
  const definition = uses.definitions[index];
  return definition === undefined || (definition.op !== "alloca" && uses.folded[index] === 0);
}

function eachLocal(insn: IrInstruction, uses: Uses, each: (index: number) => void): void {
  forEachOperand(insn, (value) => {
    if (value.kind !== "local") return;
    if (takesRegister(value.index, uses)) each(value.index);
    else {
      const definition = uses.definitions[value.index];
      if (definition !== undefined && definition.op !== "alloca") eachLocal(definition, uses, each);
    }
  });
}

function successorsOf(block: IrBlock): number[] {
  const last = block.instructions.at(-1);
  switch (last?.op) {
    case "br":
      return [last.target];
    case "condbr":
      return [last.taken, last.otherwise];
    case "switch":
      return [last.otherwise, ...last.cases.map((c) => c.block)];
    case "call":
      return last.fallthrough === null ? [] : [last.fallthrough, ...last.indirect];
    default:
      return [];
  }
}

function liveness(fn: IrFunction, uses: Uses): Set<number>[] {
  const out: Set<number>[] = fn.blocks.map(() => new Set());
  // What phis take from a block is live at its end.
  fn.blocks.forEach((block) => {
    for (const insn of block.instructions) {
      if (insn.op !== "phi") break;
      for (const { value, block: from } of insn.incoming) if (value.kind === "local") out[from]?.add(value.index);
    }
  });
  const into: Set<number>[] = fn.blocks.map(() => new Set());
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = fn.blocks.length - 1; at >= 0; at--) {
      const block = fn.blocks[at] as IrBlock;
      const live = out[at] as Set<number>;
      for (const to of successorsOf(block)) for (const v of into[to] ?? []) live.add(v);
      const now = new Set(live);
      for (let i = block.instructions.length - 1; i >= 0; i--) {
        const insn = block.instructions[i] as IrInstruction;
        now.delete(insn.result);
        if (insn.op !== "phi" && !isFolded(insn, uses)) eachLocal(insn, uses, (v) => now.add(v));
      }
      const before = into[at] as Set<number>;
      if (now.size !== before.size) {
        into[at] = now;
        changed = true;
      }
    }
  }
  return out;
}

function isFolded(insn: IrInstruction, uses: Uses): boolean {
  return insn.result >= 0 && uses.folded[insn.result] === 1;
}

function isCall(insn: IrInstruction): boolean {
  return (
    insn.op === "call" &&
    !("kind" in insn.callee && insn.callee.kind === "global" && insn.callee.name.startsWith("llvm."))
  );
}

function isCrowded(list: readonly IrInstruction[], out: ReadonlySet<number>, uses: Uses): boolean {
  const live = new Set(out);
  for (let i = list.length - 1; i >= 0; i--) {
    const insn = list[i] as IrInstruction;
    if (insn.op === "phi") break;
    live.delete(insn.result);
    if (live.size > REGISTERS || (isCall(insn) && live.size > SAVED_REGISTERS)) return true;
    if (!isFolded(insn, uses)) eachLocal(insn, uses, (v) => live.add(v));
  }
  return live.size > REGISTERS;
}

/** Free to be anywhere between its operands and its first use. */
export function isMovable(insn: IrInstruction): boolean {
  return (insn.op === "binary" && !/div|rem/.test(insn.operator)) || (insn.op === "cast" && insn.result >= 0);
}

class Scheduler {
  readonly list: IrInstruction[];
  readonly #out: ReadonlySet<number>;
  readonly #uses: Uses;

  constructor(list: IrInstruction[], out: ReadonlySet<number>, uses: Uses) {
    this.list = list;
    this.#out = out;
    this.#uses = uses;
  }

  #operands(insn: IrInstruction): Set<number> {
    const found = new Set<number>();
    if (insn.op !== "phi") eachLocal(insn, this.#uses, (v) => found.add(v));
    return found;
  }

  /** Place of the last instruction that uses the value; the block's length when it lives on behind it. */
  #lastUse(value: number): number {
    if (this.#out.has(value)) return this.list.length;
    for (let i = this.list.length - 1; i >= 0; i--) {
      const insn = this.list[i] as IrInstruction;
      if (!isFolded(insn, this.#uses) && this.#operands(insn).has(value)) return i;
    }
    return -1;
  }

  #move(from: number, to: number): void {
    const [insn] = this.list.splice(from, 1);
    if (insn !== undefined) this.list.splice(to, 0, insn);
  }

  /** What ends two or more values is done as soon as it can be. */
  hoist(): void {
    for (let i = 0; i < this.list.length; i++) {
      const insn = this.list[i] as IrInstruction;
      if (!isMovable(insn) || isFolded(insn, this.#uses)) continue;
      const operands = this.#operands(insn);
      const ended = [...operands].filter((v) => this.#lastUse(v) === i);
      if (ended.length < 2) continue;
      let to = i;
      while (to > 0) {
        const before = this.list[to - 1] as IrInstruction;
        // In front of another use of what it ends it would end it no more.
        if (!isFolded(before, this.#uses) && ended.some((v) => this.#operands(before).has(v))) break;
        if (before.op === "phi" || before.op === "alloca" || this.#defines(before, insn)) break;
        to--;
      }
      if (to < i) this.#move(i, to);
    }
  }

  /** `before` defines something that `insn` needs, directly or through what is folded into it. */
  #defines(before: IrInstruction, insn: IrInstruction): boolean {
    if (before.result < 0) return false;
    let found = this.#operands(insn).has(before.result);
    forEachOperand(insn, (value) => {
      if (value.kind === "local" && value.index === before.result) found = true;
    });
    return found;
  }

  /** What ends nothing is done as late as it can be. */
  sink(): void {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const insn = this.list[i] as IrInstruction;
      if (!isMovable(insn) || isFolded(insn, this.#uses) || this.#out.has(insn.result)) continue;
      let to = i + 1;
      while (to < this.list.length) {
        const next = this.list[to] as IrInstruction;
        if (this.#operands(next).has(insn.result) || this.#defines(insn, next)) break;
        to++;
      }
      if (to <= i + 1 || to >= this.list.length) continue;
      const extended = [...this.#operands(insn)].filter((v) => this.#lastUse(v) < to);
      if (extended.length === 0) this.#move(i, to - 1);
    }
  }
}
