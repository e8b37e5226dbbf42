import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_CALL,
  BPF_EXIT,
  BPF_HELPER_CALL,
  BPF_JA,
  BPF_JMP,
  BPF_JMP32,
  BPF_PSEUDO_KFUNC_CALL,
  CALL,
  CLASS_MASK,
  JA,
  JA32,
  LD_IMM64,
  MAY_GOTO,
  OP_MASK,
} from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import type { Subprogram } from "../state.ts";
import type { VerifierProgram } from "../types.ts";
import { failure, type PassFailure } from "./outcome.ts";
import { isPseudoCall, isPseudoFunc } from "./subprograms.ts";

/** Marks of a slot, combined. */
export const PRUNE_POINT = 1;
export const JUMP_POINT = 2;
export const FORCE_CHECKPOINT = 4;
/** A helper or kfunc that calls a callback before it returns. */
export const CALLS_CALLBACK = 8;
export const ITERATOR_NEXT = 16;
export const IS_MAY_GOTO = 32;

/** Slots that may follow each slot in its function: fall-through (or only) first, then the jump's target; -1: none. */
export interface FlowGraph {
  readonly first: Int32Array;
  readonly second: Int32Array;
}

/** Jumps were checked to stay inside their functions. */
export function flowGraph(insns: readonly Instruction[]): FlowGraph {
  const n = insns.length;
  const first = new Int32Array(n).fill(-1);
  const second = new Int32Array(n).fill(-1);
  for (let at = 0; at < n; at++) {
    const insn = insns[at]!;
    const cls = insn.opcode & CLASS_MASK;
    if (insn.opcode === LD_IMM64) first[at] = at + 2;
    else if (cls !== BPF_JMP && cls !== BPF_JMP32) first[at] = at + 1;
    else {
      const op = insn.opcode & OP_MASK;
      if (op === BPF_EXIT) continue;
      if (insn.opcode === JA || insn.opcode === JA32) first[at] = at + 1 + (insn.opcode === JA32 ? insn.imm : insn.off);
      else {
        first[at] = at + 1;
        if (op !== BPF_CALL) second[at] = at + 1 + insn.off;
      }
    }
  }
  return { first, second };
}

/** Slots before each slot in its function: those of slot k are `list[start[k]]` to before `list[start[k + 1]]`. */
export interface Predecessors {
  readonly start: Int32Array;
  readonly list: Int32Array;
}

export function predecessorsOf({ first, second }: FlowGraph): Predecessors {
  const n = first.length;
  const start = new Int32Array(n + 2);
  for (const next of [first, second]) for (let i = 0; i < n; i++) if (next[i]! >= 0) start[next[i]! + 1]!++;
  for (let i = 0; i <= n; i++) start[i + 1] = start[i + 1]! + start[i]!;
  const list = new Int32Array(start[n]!);
  const fill = start.slice();
  for (const next of [first, second]) {
    for (let i = 0; i < n; i++) {
      const to = next[i]!;
      if (to < 0 || to >= n) continue;
      list[fill[to]!] = i;
      fill[to] = fill[to]! + 1;
    }
  }
  return { start, list };
}

/** True for a helper or kfunc call that runs a callback before it returns. */
export function callsBack(program: VerifierProgram, at: number): "sync" | "async" | null {
  const insn = program.insns[at];
  if (insn === undefined || insn.opcode !== CALL) return null;
  if (insn.src === BPF_HELPER_CALL) return calls.helperCallsBack(insn.imm);
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const name = program.kfuncs.get(at);
    return name === undefined ? null : calls.kfuncCallsBack(name);
  }
  return null;
}

/**
 * Every slot is reached from slot 0 along jumps, calls and function addresses (pass 7). Sets the marks of prune points and
 * what the functions are known to do.
 */
export function checkControlFlow(
  program: VerifierProgram,
  subprograms: readonly Subprogram[],
  subprogramOf: Int32Array,
  marks: Uint8Array,
): PassFailure | null {
  const { insns } = program;
  const n = insns.length;
  const seen = new Uint8Array(n);
  const stack = new Int32Array(n);
  let height = 1;
  seen[0] = 1;
  const edges: { from: Subprogram; to: Subprogram }[] = [];
  while (height > 0) {
    const at = stack[--height]!;
    const insn = insns[at]!;
    const cls = insn.opcode & CLASS_MASK;
    let fall = at + (insn.opcode === LD_IMM64 ? 2 : 1);
    let target = -1;
    if (insn.opcode === LD_IMM64) {
      if (isPseudoFunc(insn)) {
        target = at + insn.imm + 1;
        marks[at] = marks[at]! | PRUNE_POINT;
        if (fall < n) marks[fall] = marks[fall]! | PRUNE_POINT | JUMP_POINT;
      }
    } else if (cls === BPF_JMP || cls === BPF_JMP32) {
      switch (insn.opcode & OP_MASK) {
        case BPF_EXIT:
          continue;
        case BPF_CALL:
          markCall(program, at, subprograms[subprogramOf[at]!]!, marks);
          if (fall < n) marks[fall] = marks[fall]! | PRUNE_POINT | JUMP_POINT;
          if (isPseudoCall(insn)) {
            target = at + insn.imm + 1;
            marks[at] = marks[at]! | PRUNE_POINT;
          }
          break;
        case BPF_JA:
          target = at + 1 + (cls === BPF_JMP ? insn.off : insn.imm);
          fall = n;
          break;
        default:
          marks[at] = marks[at]! | PRUNE_POINT;
          if (insn.opcode === MAY_GOTO && insn.src === 0) marks[at] = marks[at]! | FORCE_CHECKPOINT | IS_MAY_GOTO;
          target = at + 1 + insn.off;
      }
    }
    if (target >= 0) {
      marks[target] = marks[target]! | PRUNE_POINT | JUMP_POINT;
      const from = subprogramOf[at]!;
      const to = subprogramOf[target]!;
      if (from !== to || isPseudoCall(insn)) edges.push({ from: subprograms[from]!, to: subprograms[to]! });
      if (seen[target] === 0) {
        seen[target] = 1;
        stack[height++] = target;
      }
    }
    if (fall < n && seen[fall] === 0) {
      seen[fall] = 1;
      stack[height++] = fall;
    }
  }
  for (let i = 0; i < n; i++) {
    if (seen[i] === 0) return failure("EINVAL", `unreachable insn ${i}`, "unreachable-insn", i);
    if (insns[i]!.opcode === LD_IMM64) {
      if (seen[i + 1] !== 0)
        return failure("EINVAL", `jump into the middle of ldimm64 insn ${i}`, "jump-into-ldimm64", i);
      i++;
    }
  }
  spreadEffects(edges);
  return null;
}

function markCall(program: VerifierProgram, at: number, own: Subprogram, marks: Uint8Array): void {
  const insn = program.insns[at]!;
  const back = callsBack(program, at);
  if (back === "async") marks[at] = marks[at]! | PRUNE_POINT;
  if (back === "sync") marks[at] = marks[at]! | CALLS_CALLBACK | FORCE_CHECKPOINT | PRUNE_POINT | JUMP_POINT;
  if (insn.src === BPF_HELPER_CALL) {
    if (calls.helperMightSleep(insn.imm)) own.mightSleep = true;
    if (calls.helperChangesPacket(insn.imm)) own.changesPacketData = true;
  } else if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const name = program.kfuncs.get(at);
    if (name === undefined) return;
    if (calls.isIteratorNext(name)) marks[at] = marks[at]! | PRUNE_POINT | FORCE_CHECKPOINT | ITERATOR_NEXT;
    if (calls.kfuncMightSleep(name)) own.mightSleep = true;
    if (calls.kfuncChangesPacket(name)) own.changesPacketData = true;
    if (name === "bpf_throw") own.mightThrow = true;
  }
}

/** A caller does what its callees do. */
function spreadEffects(edges: readonly { from: Subprogram; to: Subprogram }[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const { from, to } of edges) {
      if (to.mightSleep && !from.mightSleep) changed = from.mightSleep = true;
      if (to.changesPacketData && !from.changesPacketData) changed = from.changesPacketData = true;
      if (to.mightThrow && !from.mightThrow) changed = from.mightThrow = true;
    }
  }
}

/** Post order of one function: the order in which an explicit-stack search finishes its slots. */
export function postOrder(graph: FlowGraph, start: number, end: number): Int32Array {
  const { first, second } = graph;
  const order = new Int32Array(end - start);
  let count = 0;
  const state = new Uint8Array(end - start);
  const stack = new Int32Array(end - start);
  let height = 1;
  stack[0] = start;
  state[0] = 1;
  while (height > 0) {
    const top = stack[height - 1]!;
    if (state[top - start] === 2) {
      order[count++] = top;
      height--;
      continue;
    }
    state[top - start] = 2;
    const a = first[top]!;
    if (a >= start && a < end && state[a - start] === 0) {
      state[a - start] = 1;
      stack[height++] = a;
    }
    const b = second[top]!;
    if (b >= start && b < end && state[b - start] === 0) {
      state[b - start] = 1;
      stack[height++] = b;
    }
  }
  return order.subarray(0, count);
}
