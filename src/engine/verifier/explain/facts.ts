import { helperById } from "../../abi/helpers.ts";
import { isLdImm64 } from "../../isa/instruction.ts";
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
  OP_MASK,
} from "../../isa/opcodes.ts";
import type { LineRecord } from "../../loader/spec.ts";
import type { Rejection, VerifierProgram } from "../types.ts";

/** What an explanation can say of the place at fault. */
export interface Facts {
  readonly rejection: Rejection;
  readonly program: VerifierProgram;
  /** The C line of the fault. */
  readonly line: LineRecord | null;
  /** The C line where the value at fault was last written. */
  readonly origin: LineRecord | null;
  /** The call at fault: `bpf_timer_init`; "" when it is none. */
  readonly callee: string;
  /** C variable that was assigned at the origin; "" when the line does not tell. */
  readonly variable: string;
  /** The argument at fault, counted from 1; 0 when the fault is no argument. */
  readonly argument: number;
}

/** The record that covers `insn`. */
export function lineAt(program: VerifierProgram, insn: number | null): LineRecord | null {
  if (insn === null || program.lines === null) return null;
  let found: LineRecord | null = null;
  for (const record of program.lines) {
    if (record.insn > insn) break;
    found = record;
  }
  return found;
}

function calleeAt(program: VerifierProgram, insn: number | null): string {
  const call = insn === null ? undefined : program.insns[insn];
  if (call === undefined || insn === null || call.opcode !== CALL) return "";
  if (call.src === BPF_HELPER_CALL) return helperById(call.imm)?.name ?? "";
  if (call.src === BPF_PSEUDO_KFUNC_CALL) return program.kfuncs.get(insn) ?? "";
  const target = insn + 1 + call.imm;
  return program.functions?.find((f) => f.insn === target)?.name ?? "";
}

/** `val` of `val = bpf_map_lookup_elem(…)`, also with a type before it. */
function assignedVariable(text: string): string {
  return /(?:^|[\s*(])([A-Za-z_]\w*)\s*=(?!=)/.exec(text)?.[1] ?? "";
}

export function factsOf(rejection: Rejection, program: VerifierProgram): Facts {
  const callee = calleeAt(program, rejection.insn);
  const register = rejection.register ?? 0;
  const origin = lineAt(program, rejection.origin);
  return {
    rejection,
    program,
    line: lineAt(program, rejection.insn),
    origin,
    callee,
    variable: origin === null ? "" : assignedVariable(origin.text),
    argument: callee !== "" && register >= 1 && register <= 5 ? register : 0,
  };
}

export interface Branch {
  readonly insn: number;
  readonly taken: boolean;
}

/** Conditional jumps on the failing path, oldest first. */
export function branchesOf({ rejection, program }: Facts): Branch[] {
  const branches: Branch[] = [];
  const { path } = rejection;
  for (let i = 0; i + 1 < path.length; i++) {
    const at = path[i]!;
    const insn = program.insns[at];
    if (insn === undefined || isLdImm64(insn)) continue;
    const kind = insn.opcode & CLASS_MASK;
    const op = insn.opcode & OP_MASK;
    const isJump = kind === BPF_JMP || kind === BPF_JMP32;
    if (!isJump || op === BPF_JA || op === BPF_CALL || op === BPF_EXIT || insn.off === 0) continue;
    const next = path[i + 1]!;
    if (next === at + 1) branches.push({ insn: at, taken: false });
    else if (next === at + 1 + insn.off) branches.push({ insn: at, taken: true });
  }
  return branches;
}
