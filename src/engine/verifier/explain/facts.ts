import { helperById } from "../../abi/helpers.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { isLdImm64 } from "../../isa/instruction.ts";
import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_CALL,
  BPF_DW,
  BPF_EXIT,
  BPF_HELPER_CALL,
  BPF_JA,
  BPF_JMP,
  BPF_JMP32,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MOV,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_STX,
  BPF_X,
  CALL,
  CLASS_MASK,
  OP_MASK,
  R10,
} from "../../isa/opcodes.ts";
import type { LineRecord, ProgramVariable } from "../../loader/spec.ts";
import type { Rejection, VerifierProgram } from "../types.ts";

/** What an explanation can say of the place at fault. */
export interface Facts {
  readonly rejection: Rejection;
  readonly program: VerifierProgram;
  /** The C line of the fault. */
  readonly line: LineRecord | null;
  /** Where the value at fault came from: the call or load behind the copies that led to the fault; null when unknown. */
  readonly source: number | null;
  /** The C line of {@link source}. */
  readonly origin: LineRecord | null;
  /** The call at fault: `bpf_timer_init`; "" when it is none. */
  readonly callee: string;
  /** C variable in the register at fault, or that was assigned at the origin; "" when neither table nor line tells. */
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

/** The variable that a register holds before an instruction, plus whatever constant; "" when none does, or several do. */
function variableIn(variables: readonly ProgramVariable[], insn: number, register: number): string {
  const names = new Set<string>();
  for (const { name, ranges } of variables) {
    for (const { first, last, place } of ranges) {
      if (first <= insn && insn <= last && place.kind === "register" && place.register === register) names.add(name);
    }
  }
  return names.size === 1 ? ([...names][0] as string) : "";
}

/** The variable whose value an instruction makes: it is in the instruction's register from the next one on. */
function variableMadeBy(variables: readonly ProgramVariable[], program: VerifierProgram, insn: number): string {
  const made = program.insns[insn];
  if (made === undefined) return "";
  const next = insn + (isLdImm64(made) ? 2 : 1);
  return variableIn(variables, next, made.opcode === CALL ? 0 : made.dst);
}

export function factsOf(
  rejection: Rejection,
  program: VerifierProgram,
  variables: readonly ProgramVariable[] = [],
): Facts {
  const callee = calleeAt(program, rejection.insn);
  const register = rejection.register ?? 0;
  const source = sourceOf(rejection, program);
  const origin = lineAt(program, source);
  const named =
    (source === null ? "" : variableMadeBy(variables, program, source)) ||
    (rejection.insn === null || rejection.register === null
      ? ""
      : variableIn(variables, rejection.insn, rejection.register));
  return {
    rejection,
    program,
    line: lineAt(program, rejection.insn),
    source,
    origin,
    callee,
    variable: named || (origin === null ? "" : assignedVariable(origin.text)),
    argument: callee !== "" && register >= 1 && register <= 5 ? register : 0,
  };
}

const MOVE = BPF_ALU64 | BPF_MOV | BPF_X;
const ADD = BPF_ALU64 | BPF_ADD | BPF_K;
const FILL = BPF_LDX | BPF_MEM | BPF_DW;
const SPILL = BPF_STX | BPF_MEM | BPF_DW;
/** Copies followed back. */
const MAX_COPIES = 12;

/** Follows copies, constant additions, spills and fills backwards over the failing path. */
function sourceOf(rejection: Rejection, program: VerifierProgram): number | null {
  const { path } = rejection;
  let at = rejection.origin;
  if (at === null) return null;
  let index = path.lastIndexOf(at);
  for (let copies = 0; copies < MAX_COPIES && index >= 0; copies++) {
    const insn = program.insns[at]!;
    let before: number;
    if (insn.opcode === MOVE && insn.src !== R10) {
      before = findWrite(program, path, index, insn.src);
    } else if (insn.opcode === ADD) {
      before = findWrite(program, path, index, insn.dst);
    } else if (insn.opcode === FILL && insn.src === R10) {
      before = findSpill(program, path, index, insn.off);
      const spill = before < 0 ? undefined : program.insns[path[before]!];
      if (spill !== undefined) before = findWrite(program, path, before, spill.src);
    } else {
      break;
    }
    if (before < 0) break;
    index = before;
    at = path[index]!;
  }
  return at;
}

/** Index in the path of the last instruction before `index` that writes the register; -1: none. */
function findWrite(program: VerifierProgram, path: readonly number[], index: number, register: number): number {
  for (let i = index - 1; i >= 0; i--) {
    const insn = program.insns[path[i]!];
    if (insn !== undefined && writes(insn, register)) return i;
  }
  return -1;
}

function findSpill(program: VerifierProgram, path: readonly number[], index: number, off: number): number {
  for (let i = index - 1; i >= 0; i--) {
    const insn = program.insns[path[i]!];
    if (insn?.opcode === SPILL && insn.dst === R10 && insn.off === off) return i;
  }
  return -1;
}

function writes(insn: Instruction, register: number): boolean {
  if (insn.opcode === CALL) return register <= 5;
  const kind = insn.opcode & CLASS_MASK;
  return (kind === BPF_ALU || kind === BPF_ALU64 || kind === BPF_LDX || kind === BPF_LD) && insn.dst === register;
}

/** Calls on the failing path whose name passes `wanted`, oldest first. */
export function callsOnPath({ rejection, program }: Facts, wanted: (name: string) => boolean): number[] {
  return rejection.path.filter((at) => {
    const name = calleeAt(program, at);
    return name !== "" && wanted(name);
  });
}

export interface Branch {
  readonly insn: number;
  readonly taken: boolean;
  /** Instruction that the path goes on with. */
  readonly next: number;
}

/** Calls that have a callback run later, when the decisions before them no longer count. */
const SETS_CALLBACK = /^bpf_(timer|wq)_set_callback(_impl)?$/;

/** Conditional jumps on the failing path, oldest first; of a callback that runs later, its own alone. */
export function branchesOf({ rejection, program }: Facts): Branch[] {
  const branches: Branch[] = [];
  const { path } = rejection;
  const entered = path.findLastIndex(
    (at, i) => path[i + 1] !== undefined && path[i + 1] !== at + 1 && SETS_CALLBACK.test(calleeAt(program, at)),
  );
  for (let i = entered + 1; i + 1 < path.length; i++) {
    const at = path[i]!;
    const insn = program.insns[at];
    if (insn === undefined || isLdImm64(insn)) continue;
    const kind = insn.opcode & CLASS_MASK;
    const op = insn.opcode & OP_MASK;
    const isJump = kind === BPF_JMP || kind === BPF_JMP32;
    if (!isJump || op === BPF_JA || op === BPF_CALL || op === BPF_EXIT || insn.off === 0) continue;
    const next = path[i + 1]!;
    if (next === at + 1) branches.push({ insn: at, taken: false, next });
    else if (next === at + 1 + insn.off) branches.push({ insn: at, taken: true, next });
  }
  return branches;
}
