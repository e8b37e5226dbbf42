import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_FETCH,
  BPF_LD,
  BPF_LDX,
  BPF_STX,
  CALL,
  CLASS_MASK,
  EXIT,
  MODE_MASK,
} from "../isa/opcodes.ts";
import { isPseudoCall } from "./passes/subprograms.ts";
import type { VerifierState } from "./state.ts";
import type { VerifierProgram } from "./types.ts";
import type { Walker } from "./walk/walker.ts";

/** Longer paths keep this many slots at either end. */
const PATH_END = 2000;

/** Slots walked from the entry of the walk to the instruction at fault, newest last. */
export function pathTo(w: Walker): number[] {
  const newestFirst: number[] = [];
  const tail: number[] = [];
  const add = (at: number): void => {
    if (newestFirst.length < PATH_END) newestFirst.push(at);
    else {
      tail.push(at);
      if (tail.length > 2 * PATH_END) tail.splice(0, PATH_END);
    }
  };
  let state: VerifierState | null = w.state;
  let at = w.state.insnIdx;
  while (state !== null && at >= 0) {
    const { history } = state;
    let left = history.length;
    for (;;) {
      if (w.insns[at]?.opcode !== 0) add(at);
      if (at === state.firstInsn && (left === 0 || (left === 1 && history[0]!.insn === at))) break;
      if (left > 0 && history[left - 1]!.insn === at) at = history[--left]!.from;
      else at--;
      if (at < 0) break;
    }
    if (at < 0) break;
    state = state.parent;
    if (state !== null) at = state.lastInsn;
  }
  return [...tail.slice(-PATH_END).reverse(), ...newestFirst.reverse()];
}

/** The newest slot of the path, before its end, that writes register `n` of the frame in which the path ends. */
export function originOf(program: VerifierProgram, path: readonly number[], n: number): number | null {
  let depth = 0;
  const wanted = n;
  for (let i = path.length - 2; i >= 0; i--) {
    const at = path[i]!;
    const insn = program.insns[at]!;
    const next = path[i + 1]!;
    if (insn.opcode === EXIT) {
      depth++;
      continue;
    }
    if (isPseudoCall(insn) && next !== at + 1) {
      if (depth === 0 && (wanted < 1 || wanted > 5)) return at;
      depth = Math.max(0, depth - 1);
      continue;
    }
    if (depth > 0) continue;
    const cls = insn.opcode & CLASS_MASK;
    if (insn.opcode === CALL) {
      if (wanted <= 5) return at;
      continue;
    }
    const writes =
      cls === BPF_ALU || cls === BPF_ALU64 || cls === BPF_LDX || cls === BPF_LD
        ? insn.dst
        : cls === BPF_STX && (insn.opcode & MODE_MASK) === BPF_ATOMIC && (insn.imm & BPF_FETCH) !== 0
          ? insn.src
          : -1;
    if (writes === wanted) return at;
  }
  return null;
}
