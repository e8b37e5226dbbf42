import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_CALL,
  BPF_EXIT,
  BPF_HELPER_CALL,
  BPF_JA,
  BPF_JMP,
  BPF_JMP32,
  BPF_PSEUDO_CALL,
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

/** Slots that may follow the one at `at` in its function, fall-through first. */
export function successors(insns: readonly Instruction[], at: number, out: number[]): number {
  const insn = insns[at]!;
  const cls = insn.opcode & CLASS_MASK;
  if (insn.opcode === LD_IMM64) {
    out[0] = at + 2;
    return 1;
  }
  if (cls !== BPF_JMP && cls !== BPF_JMP32) {
    out[0] = at + 1;
    return 1;
  }
  const op = insn.opcode & OP_MASK;
  if (op === BPF_EXIT) return 0;
  if (insn.opcode === JA || insn.opcode === JA32) {
    out[0] = at + 1 + (insn.opcode === JA32 ? insn.imm : insn.off);
    return 1;
  }
  out[0] = at + 1;
  if (op === BPF_CALL) return 1;
  out[1] = at + 1 + insn.off;
  return 2;
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
  const stack: number[] = [0];
  seen[0] = 1;
  const mark = (at: number, bits: number): void => {
    if (at < n) marks[at] = marks[at]! | bits;
  };
  const visit = (at: number): void => {
    if (at < n && seen[at] === 0) {
      seen[at] = 1;
      stack.push(at);
    }
  };
  const edges: { from: Subprogram; to: Subprogram }[] = [];
  while (stack.length > 0) {
    const at = stack.pop()!;
    const insn = insns[at]!;
    const cls = insn.opcode & CLASS_MASK;
    const op = insn.opcode & OP_MASK;
    const size = insn.opcode === LD_IMM64 ? 2 : 1;
    const own = subprograms[subprogramOf[at]!]!;
    const enter = (): void => {
      const target = at + insn.imm + 1;
      mark(at, PRUNE_POINT);
      mark(target, PRUNE_POINT | JUMP_POINT);
      visit(target);
      edges.push({ from: own, to: subprograms[subprogramOf[target]!]! });
    };
    if (isPseudoFunc(insn)) {
      mark(at + 2, PRUNE_POINT | JUMP_POINT);
      enter();
      visit(at + 2);
      continue;
    }
    if (cls !== BPF_JMP && cls !== BPF_JMP32) {
      visit(at + size);
      continue;
    }
    switch (op) {
      case BPF_EXIT:
        continue;
      case BPF_CALL: {
        markCall(program, at, own, mark);
        mark(at + 1, PRUNE_POINT | JUMP_POINT);
        if (isPseudoCall(insn)) enter();
        visit(at + 1);
        continue;
      }
      case BPF_JA: {
        const target = at + 1 + (cls === BPF_JMP ? insn.off : insn.imm);
        mark(target, PRUNE_POINT | JUMP_POINT);
        visit(target);
        continue;
      }
      default: {
        mark(at, PRUNE_POINT);
        if (insn.opcode === MAY_GOTO && insn.src === 0) mark(at, FORCE_CHECKPOINT | IS_MAY_GOTO);
        const target = at + 1 + insn.off;
        mark(target, PRUNE_POINT | JUMP_POINT);
        visit(target);
        visit(at + 1);
      }
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

function markCall(
  program: VerifierProgram,
  at: number,
  own: Subprogram,
  mark: (at: number, bits: number) => void,
): void {
  const insn = program.insns[at]!;
  const back = callsBack(program, at);
  if (back === "async") mark(at, PRUNE_POINT);
  if (back === "sync") mark(at, CALLS_CALLBACK | FORCE_CHECKPOINT | PRUNE_POINT | JUMP_POINT);
  if (insn.src === BPF_HELPER_CALL) {
    if (calls.helperMightSleep(insn.imm)) own.mightSleep = true;
    if (calls.helperChangesPacket(insn.imm)) own.changesPacketData = true;
  } else if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const name = program.kfuncs.get(at);
    if (name === undefined) return;
    if (calls.isIteratorNext(name)) mark(at, PRUNE_POINT | FORCE_CHECKPOINT | ITERATOR_NEXT);
    if (calls.kfuncMightSleep(name)) own.mightSleep = true;
    if (calls.kfuncChangesPacket(name)) own.changesPacketData = true;
    if (name === "bpf_throw") own.mightThrow = true;
  } else if (insn.src !== BPF_PSEUDO_CALL) {
    return;
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
export function postOrder(insns: readonly Instruction[], start: number, end: number): Int32Array {
  const order: number[] = [];
  const state = new Uint8Array(end - start);
  const stack: number[] = [start];
  const next: number[] = [];
  state[0] = 1;
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    if (state[top - start] === 2) {
      order.push(top);
      stack.pop();
      continue;
    }
    state[top - start] = 2;
    const count = successors(insns, top, next);
    for (let i = 0; i < count; i++) {
      const s = next[i]!;
      if (s >= start && s < end && state[s - start] === 0) {
        state[s - start] = 1;
        stack.push(s);
      }
    }
  }
  return Int32Array.from(order);
}
