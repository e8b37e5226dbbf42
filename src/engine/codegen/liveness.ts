import { reachable } from "./control-flow.ts";
import {
  FIRST_VIRTUAL,
  FRAME_POINTER,
  forEachDef,
  forEachTermUse,
  forEachUse,
  keepInsns,
  type MachineFunction,
  type MachineInsn,
  type Mark,
  NO_MARKS,
  successors,
} from "./machine.ts";

/** For each block, a set of registers as bits: those that are live where it ends. */
export interface Liveness {
  readonly order: readonly number[];
  readonly words: number;
  readonly liveOut: readonly Uint32Array[];
}

export function isSet(bits: Uint32Array, n: number): boolean {
  return (((bits[n >>> 5] as number) >>> (n & 31)) & 1) === 1;
}

function setBit(bits: Uint32Array, n: number): void {
  bits[n >>> 5] = (bits[n >>> 5] as number) | (1 << (n & 31));
}

export function computeLiveness(fn: MachineFunction): Liveness {
  const order = reachable(fn);
  const words = (fn.nextRegister + 31) >>> 5;
  const none = new Uint32Array(0);
  const gen: Uint32Array[] = fn.blocks.map(() => none);
  const kill: Uint32Array[] = fn.blocks.map(() => none);
  const liveIn: Uint32Array[] = fn.blocks.map(() => none);
  const liveOut: Uint32Array[] = fn.blocks.map(() => none);
  for (const id of order) {
    const g = new Uint32Array(words);
    const k = new Uint32Array(words);
    const block = fn.blocks[id];
    if (block === undefined) continue;
    const use = (reg: number): void => {
      if (reg !== FRAME_POINTER && !isSet(k, reg)) setBit(g, reg);
    };
    const def = (reg: number): void => setBit(k, reg);
    for (const insn of block.insns) {
      forEachUse(insn, use);
      forEachDef(insn, def);
    }
    forEachTermUse(block.term, use);
    if (block.term.kind === "asm") for (const reg of block.term.code.defs) def(reg);
    gen[id] = g;
    kill[id] = k;
    liveIn[id] = Uint32Array.from(g);
    liveOut[id] = new Uint32Array(words);
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = order.length - 1; i >= 0; i--) {
      const id = order[i] as number;
      const out = liveOut[id] as Uint32Array;
      const block = fn.blocks[id];
      if (block === undefined) continue;
      for (const to of successors(block.term)) {
        const from = liveIn[to] as Uint32Array;
        for (let w = 0; w < words; w++) out[w] = (out[w] as number) | (from[w] as number);
      }
      const into = liveIn[id] as Uint32Array;
      const g = gen[id] as Uint32Array;
      const k = kill[id] as Uint32Array;
      for (let w = 0; w < words; w++) {
        const next = ((g[w] as number) | ((out[w] as number) & ~(k[w] as number))) >>> 0;
        if (next !== (into[w] as number)) {
          into[w] = next;
          changed = true;
        }
      }
    }
  }
  return { order, words, liveOut };
}

/** True when the instruction does nothing but write its register. */
function isPure(insn: MachineInsn): boolean {
  switch (insn.op) {
    case "mov":
    case "zext":
    case "movsx":
    case "imm":
    case "wide":
    case "address":
    case "frame":
    case "alu":
    case "alui":
    case "neg":
    case "swap":
      return true;
    default:
      return false;
  }
}

/** Removes instructions whose result nobody reads, and marks of registers that nobody reads any more. */
export function removeDead(fn: MachineFunction): void {
  for (let changed = true; changed; ) {
    changed = false;
    const { order, liveOut } = computeLiveness(fn);
    for (const id of order) {
      const block = fn.blocks[id];
      const live = liveOut[id];
      if (block === undefined || live === undefined) continue;
      forEachTermUse(block.term, (reg) => reg !== FRAME_POINTER && setBit(live, reg));
      block.marks = liveMarks(block.marks, live) ?? NO_MARKS;
      const wanted = new Uint8Array(block.insns.length);
      let dead = 0;
      for (let i = block.insns.length - 1; i >= 0; i--) {
        const insn = block.insns[i] as MachineInsn;
        let keep = !isPure(insn);
        if (!keep) forEachDef(insn, (reg) => (keep = keep || isSet(live, reg)));
        if (keep) {
          wanted[i] = 1;
          forEachDef(insn, (reg) => {
            live[reg >>> 5] = (live[reg >>> 5] as number) & ~(1 << (reg & 31));
          });
          forEachUse(insn, (reg) => reg !== FRAME_POINTER && setBit(live, reg));
        } else dead++;
        if (insn.marks !== undefined) insn.marks = liveMarks(insn.marks, live) ?? NO_MARKS;
      }
      if (dead === 0) continue;
      changed = true;
      keepInsns(block, (_, i) => wanted[i] === 1);
    }
  }
}

/** A virtual register holds its value for certain only as long as it is wanted. */
function liveMarks(marks: readonly Mark[] | undefined, live: Uint32Array): readonly Mark[] | undefined {
  const isLost = (mark: Mark): boolean =>
    mark.kind === "holds" &&
    mark.holder.kind === "register" &&
    mark.holder.reg >= FIRST_VIRTUAL &&
    !isSet(live, mark.holder.reg);
  return marks?.some(isLost) ? marks.filter((mark) => !isLost(mark)) : marks;
}
