import type { Errno } from "../abi/errno.ts";
import { helperById } from "../abi/helpers.ts";
import { progTypeName } from "../abi/types.ts";
import { formatInstruction } from "../isa/format.ts";
import type { Instruction } from "../isa/instruction.ts";
import { isLdImm64 } from "../isa/instruction.ts";
import { BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL } from "../isa/opcodes.ts";
import type { ProgramSpec } from "../loader/spec.ts";
import { explain } from "../verifier/explain/explain.ts";
import type { VerifyResult } from "../verifier/types.ts";
import type { JudgedProgram } from "./load-collection.ts";
import type { DisassembledLine, Explanation, ProgramReport } from "./types.ts";

/** What the verifier says of a program, for the page and the CLI. */
export function reportProgram({ spec, program, result }: JudgedProgram): ProgramReport {
  const base = {
    name: spec.name,
    section: spec.section,
    type: progTypeName(spec.type) ?? `type ${spec.type}`,
    stats: result.stats,
    variables: spec.variables,
  };
  switch (result.verdict) {
    case "accept":
      return {
        ...base,
        verdict: "accept",
        errno: null,
        errorLine: null,
        rejection: null,
        explanation: null,
        log: result.log,
        functions: result.program.functions,
        disassembly: disassemble(spec, result),
        xlated: result.program.xlated(),
      };
    case "reject":
      return {
        ...base,
        verdict: "reject",
        errno: result.rejection.errno,
        errorLine: result.rejection.message,
        rejection: result.rejection,
        explanation: explain(result.rejection, program, spec.variables),
        log: result.log,
        functions: [],
        disassembly: disassemble(spec, result),
        xlated: [],
      };
    case "unsupported":
      return {
        ...base,
        verdict: "unsupported",
        errno: null,
        errorLine: result.message,
        rejection: null,
        explanation: notModelled(result.message, result.insn, spec),
        log: result.log,
        functions: [],
        disassembly: disassemble(spec, result),
        xlated: [],
      };
    case "cancelled":
      return {
        ...base,
        verdict: "unsupported",
        errno: null,
        errorLine: "verification was stopped",
        rejection: null,
        explanation: null,
        log: "",
        functions: [],
        disassembly: disassemble(spec, result),
        xlated: [],
      };
  }
}

/** A program that never got to the verifier, because one of its maps could not be made. */
export function reportUnloaded(spec: ProgramSpec, errno: Errno, errorLine: string): ProgramReport {
  return {
    name: spec.name,
    section: spec.section,
    type: progTypeName(spec.type) ?? `type ${spec.type}`,
    verdict: "reject",
    errno,
    errorLine,
    rejection: null,
    explanation: null,
    log: "",
    stats: { insnsProcessed: 0, maxStatesPerInsn: 0, totalStates: 0, peakStates: 0 },
    functions: [],
    disassembly: [],
    xlated: [],
    variables: [],
  };
}

function notModelled(message: string, insn: number | null, spec: ProgramSpec): Explanation {
  return {
    title: "Not modelled here",
    causes: [{ text: message, insn, line: insn === null ? null : lineOf(spec, insn) }],
    fix: null,
  };
}

export function lineOf(spec: ProgramSpec, insn: number): number | null {
  let line: number | null = null;
  for (const record of spec.lines) {
    if (record.insn > insn) break;
    line = record.line;
  }
  return line;
}

function disassemble(spec: ProgramSpec, result: VerifyResult): DisassembledLine[] {
  const lines: DisassembledLine[] = [];
  const maps = new Map(spec.mapReferences.map((r) => [r.insn, r]));
  const kfuncs = new Map(spec.kfuncReferences.map((k) => [k.insn, k.name]));
  const functions = new Map(spec.functions.map((f) => [f.insn, f.name]));
  const names = {
    call: (insn: Instruction, at: number) =>
      insn.src === BPF_PSEUDO_KFUNC_CALL
        ? (kfuncs.get(at) ?? `kfunc#${insn.imm}`)
        : `${helperById(insn.imm)?.name ?? "unknown"}#${insn.imm}`,
    wide: (insn: Instruction, value: bigint, at: number) => {
      const reference = maps.get(at);
      if (reference) return `map[${reference.map}]${reference.offset === null ? "" : `+${reference.offset}`}`;
      if (insn.src === BPF_PSEUDO_FUNC) return `&${functions.get(at + 1 + insn.imm) ?? `pc${insn.imm + 1}`}`;
      return `0x${value.toString(16)} ll`;
    },
  };
  const place = placesOf(spec);
  const walked = result.verdict === "reject" ? new Set(result.rejection.path) : null;
  const fault = result.verdict === "reject" ? result.rejection.insn : null;
  spec.insns.forEach((insn, at) => {
    if (at > 0 && isLdImm64(spec.insns[at - 1] as Instruction)) return;
    const { file, line } = place(at);
    const state =
      result.verdict === "accept"
        ? result.program.reached[at]
          ? "verified"
          : "unreached"
        : at === fault
          ? "refused"
          : walked?.has(at)
            ? "verified"
            : "unreached";
    lines.push({ insn: at, text: formatInstruction(insn, spec.insns[at + 1], at, names), file, line, state });
  });
  return lines;
}

function placesOf(spec: ProgramSpec): (insn: number) => { readonly file: string; readonly line: number } {
  let at = 0;
  return (insn) => {
    while (at < spec.lines.length && (spec.lines[at]?.insn ?? 0) <= insn) at++;
    const record = spec.lines[at - 1];
    return { file: record?.file ?? "", line: record?.line ?? 0 };
  };
}
