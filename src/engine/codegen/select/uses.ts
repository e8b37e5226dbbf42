import type { IrFunction, IrInstruction, IrValue } from "../../ir/module.ts";

/** Who defines and who uses each SSA value. */
export interface Uses {
  readonly definitions: readonly (IrInstruction | undefined)[];
  /** How many operands name the value. */
  readonly count: Uint32Array;
  /** The instruction of the last use found; the only one when `count` is 1. */
  readonly user: readonly (IrInstruction | undefined)[];
  /** Block of the definition; -1 for parameters. */
  readonly home: Int32Array;
  /** Block of the last use found. */
  readonly userBlock: Int32Array;
  /** Uses that need the value in a register of its own: not as the address of a load or store, not as a condition. */
  readonly plain: Uint32Array;
  /** Instructions that have no code of their own: they are folded into each of their uses. */
  readonly folded: Uint8Array;
}

export function forEachOperand(
  insn: IrInstruction,
  each: (value: IrValue, role: "plain" | "address" | "condition") => void,
): void {
  switch (insn.op) {
    case "binary":
    case "icmp":
      each(insn.a, "plain");
      each(insn.b, "plain");
      return;
    case "cast":
    case "freeze":
    case "extractvalue":
      each(insn.value, "plain");
      return;
    case "select":
      each(insn.condition, "condition");
      each(insn.a, "plain");
      each(insn.b, "plain");
      return;
    case "phi":
      for (const { value } of insn.incoming) each(value, "plain");
      return;
    case "alloca":
      if (insn.count !== null) each(insn.count, "plain");
      return;
    case "load":
      each(insn.address, "address");
      return;
    case "store":
      each(insn.value, "plain");
      each(insn.address, "address");
      return;
    case "gep":
      each(insn.base, "plain");
      for (const index of insn.indices) each(index, "plain");
      return;
    case "insertvalue":
      each(insn.value, "plain");
      each(insn.element, "plain");
      return;
    case "atomicrmw":
      each(insn.address, "address");
      each(insn.value, "plain");
      return;
    case "cmpxchg":
      each(insn.address, "address");
      each(insn.expected, "plain");
      each(insn.desired, "plain");
      return;
    case "call":
      if ("kind" in insn.callee) each(insn.callee, "plain");
      for (const arg of insn.args) each(arg.value, "plain");
      return;
    case "ret":
      if (insn.value !== null) each(insn.value, "plain");
      return;
    case "condbr":
      each(insn.condition, "condition");
      return;
    case "switch":
      each(insn.value, "plain");
      return;
  }
}

export function findUses(fn: IrFunction): Uses {
  const n = fn.valueCount;
  const definitions: (IrInstruction | undefined)[] = new Array(n);
  const user: (IrInstruction | undefined)[] = new Array(n);
  const count = new Uint32Array(n);
  const plain = new Uint32Array(n);
  const home = new Int32Array(n).fill(-1);
  const userBlock = new Int32Array(n).fill(-1);
  fn.blocks.forEach((block, at) => {
    for (const insn of block.instructions) {
      if (insn.result >= 0) {
        definitions[insn.result] = insn;
        home[insn.result] = at;
      }
      forEachOperand(insn, (value, role) => {
        if (value.kind !== "local") {
          return;
        }
        count[value.index] = (count[value.index] as number) + 1;
        if (role === "plain") plain[value.index] = (plain[value.index] as number) + 1;
      });
    }
  });
  const uses: Uses = { definitions, count, user, home, userBlock, plain, folded: new Uint8Array(n) };
  dropDead(fn, uses);
  // The users that are left, now that the dead ones are known.
  fn.blocks.forEach((block, at) => {
    for (const insn of block.instructions) {
      if (isDead(uses, insn)) continue;
      forEachOperand(insn, (value) => {
        if (value.kind !== "local") return;
        user[value.index] = insn;
        userBlock[value.index] = at;
      });
    }
  });
  findFolded(fn, uses);
  return uses;
}

/** No effect besides the result: without uses it needs no code. */
function isPure(insn: IrInstruction): boolean {
  switch (insn.op) {
    case "binary":
    case "cast":
    case "icmp":
    case "select":
    case "phi":
    case "freeze":
    case "gep":
    case "extractvalue":
    case "insertvalue":
      return true;
    case "load":
      return !insn.volatile && insn.ordering === null;
    default:
      return false;
  }
}

export function isDead(uses: Uses, insn: IrInstruction): boolean {
  return insn.result >= 0 && uses.count[insn.result] === 0 && isPure(insn);
}

function dropDead(fn: IrFunction, uses: Uses): void {
  const work: IrInstruction[] = [];
  for (const block of fn.blocks) for (const insn of block.instructions) if (isDead(uses, insn)) work.push(insn);
  for (let insn = work.pop(); insn !== undefined; insn = work.pop()) {
    forEachOperand(insn, (value, role) => {
      if (value.kind !== "local") return;
      const left = (uses.count[value.index] as number) - 1;
      uses.count[value.index] = left;
      if (role === "plain") uses.plain[value.index] = (uses.plain[value.index] as number) - 1;
      const definition = uses.definitions[value.index];
      if (left === 0 && definition !== undefined && isPure(definition)) work.push(definition);
    });
  }
}

const isBit = (value: IrValue): boolean => value.type.kind === "int" && value.type.bits === 1;

/** `select c, x, false` and `select c, true, x` of bits: a logical and, or. */
export function logicalSelect(insn: IrInstruction): "and" | "or" | null {
  if (insn.op !== "select" || !isBit(insn.a)) return null;
  if (insn.b.kind === "int" && insn.b.value === 0n) return "and";
  return insn.a.kind === "int" && insn.a.value === 1n ? "or" : null;
}

/** Backwards, so that whoever folds is known before what it folds. */
function findFolded(fn: IrFunction, uses: Uses): void {
  const { folded, plain, count } = uses;
  const release = (value: IrValue): void => {
    if (value.kind === "local") plain[value.index] = (plain[value.index] as number) - 1;
  };
  for (let at = fn.blocks.length - 1; at >= 0; at--) {
    const { instructions } = fn.blocks[at] as { instructions: readonly IrInstruction[] };
    for (let i = instructions.length - 1; i >= 0; i--) {
      const insn = instructions[i] as IrInstruction;
      if (insn.result < 0 || plain[insn.result] !== 0 || count[insn.result] === 0) {
        // The address of a variable part is computed, but its constant part and its base's go to the uses.
        if (insn.op === "gep") release(insn.base);
        continue;
      }
      if (insn.op === "gep") {
        folded[insn.result] = 1;
        release(insn.base);
      } else if (insn.op === "icmp") {
        folded[insn.result] = 1;
      } else if (insn.type.kind === "int" && insn.type.bits === 1) {
        const single = count[insn.result] === 1 && uses.userBlock[insn.result] === at;
        if (insn.op === "cast" && insn.cast === "trunc") folded[insn.result] = 1;
        else if (insn.op === "freeze" && single) {
          folded[insn.result] = 1;
          release(insn.value);
        } else if (insn.op === "binary" && /^(and|or|xor)$/.test(insn.operator)) {
          const not = insn.operator === "xor" && insn.b.kind === "int";
          if (!single || (insn.operator === "xor" && !not)) continue;
          folded[insn.result] = 1;
          release(insn.a);
          release(insn.b);
        } else if (single && logicalSelect(insn) !== null && insn.op === "select") {
          folded[insn.result] = 1;
          release(insn.a);
          release(insn.b);
        }
      }
    }
  }
}
