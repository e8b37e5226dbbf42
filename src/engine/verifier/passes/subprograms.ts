import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_ABS,
  BPF_CALL,
  BPF_EXIT,
  BPF_IND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  CALL,
  CLASS_MASK,
  EXIT,
  JA,
  JA32,
  LD_IMM64,
  MODE_MASK,
  OP_MASK,
} from "../../isa/opcodes.ts";
import type { VerifierProgram } from "../types.ts";
import { failure, type PassFailure } from "./outcome.ts";

const MAX_SUBPROGRAMS = 256;
const TAIL_CALL = 12;
const GPL_LICENSES = new Set([
  "GPL",
  "GPL v2",
  "GPL and additional rights",
  "Dual BSD/GPL",
  "Dual MIT/GPL",
  "Dual MPL/GPL",
]);

export function isGplCompatible(license: string): boolean {
  return GPL_LICENSES.has(license);
}

export function isPseudoCall(insn: Instruction): boolean {
  return insn.opcode === CALL && insn.src === BPF_PSEUDO_CALL;
}

export function isPseudoFunc(insn: Instruction): boolean {
  return insn.opcode === LD_IMM64 && insn.src === BPF_PSEUDO_FUNC;
}

/** Starts of all functions in ascending order, 0 first: targets of calls and of function addresses. */
export function findSubprograms(program: VerifierProgram): { starts: number[] } | PassFailure {
  const { insns } = program;
  const starts = new Set<number>([0]);
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i]!;
    if (isPseudoCall(insn) || isPseudoFunc(insn)) {
      const target = i + insn.imm + 1;
      if (target < 0 || target >= insns.length)
        return failure("EINVAL", "call to invalid destination", "call-destination", i);
      if (starts.has(target)) continue;
      if (starts.size >= MAX_SUBPROGRAMS) return failure("E2BIG", "too many subprograms", "too-many-subprograms", i);
      starts.add(target);
    } else if (insn.opcode === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL) {
      const refused = checkKfuncReference(program, insn, i);
      if (refused) return refused;
    }
  }
  return { starts: [...starts].sort((a, b) => a - b) };
}

function checkKfuncReference(program: VerifierProgram, insn: Instruction, at: number): PassFailure | null {
  if (!isGplCompatible(program.license))
    return failure("EINVAL", "cannot call kernel function from non-GPL compatible program", "kfunc-license", at);
  const name = program.kfuncs.get(at);
  // Id 0 and offset 0 is a call that the program promises never to reach.
  if (name === undefined && insn.imm === 0 && insn.off === 0) return null;
  if (insn.off !== 0) {
    const before =
      insn.off < 0
        ? "negative offset disallowed for kernel module function call"
        : "kfunc offset > 0 without fd_array is invalid";
    const errno = insn.off < 0 ? "EINVAL" : "EPROTO";
    return { ...failure(errno, "failed to find BTF for kernel function", "kfunc-offset", at), before };
  }
  if (name === undefined)
    return failure("EINVAL", `kernel btf_id ${insn.imm >>> 0} is not a function`, "kfunc-unknown", at);
  return null;
}

export interface FunctionMarks {
  hasTailCall: boolean;
  hasLdAbs: boolean;
}

/** Jumps stay inside their function, and each function ends in a jump or exit. */
export function checkJumpRanges(
  insns: readonly Instruction[],
  starts: readonly number[],
  marks: readonly FunctionMarks[],
): PassFailure | null {
  let current = 0;
  for (let i = 0; i < insns.length; i++) {
    while (current + 1 < starts.length && starts[current + 1]! <= i) current++;
    const start = starts[current]!;
    const end = starts[current + 1] ?? insns.length;
    const insn = insns[i]!;
    const cls = insn.opcode & CLASS_MASK;
    const mode = insn.opcode & MODE_MASK;
    if (insn.opcode === CALL && insn.src === 0 && insn.imm === TAIL_CALL) marks[current]!.hasTailCall = true;
    if (cls === BPF_LD && (mode === BPF_ABS || mode === BPF_IND)) marks[current]!.hasLdAbs = true;
    const op = insn.opcode & OP_MASK;
    if ((cls === BPF_JMP || cls === BPF_JMP32) && op !== BPF_EXIT && op !== BPF_CALL) {
      const target = i + 1 + (insn.opcode === JA32 ? insn.imm : insn.off);
      if (target < start || target >= end)
        return failure("EINVAL", `jump out of range from insn ${i} to ${target}`, "jump-out-of-range", i);
    }
    if (i === end - 1 && insn.opcode !== EXIT && insn.opcode !== JA && insn.opcode !== JA32)
      return failure("EINVAL", "last insn is not an exit or jmp", "last-insn", i);
  }
  return null;
}
