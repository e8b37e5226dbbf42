import { skipModifiersAndTypedefs, typeAt } from "../../btf/layout.ts";
import { isLdImm64 } from "../../isa/instruction.ts";
import type { VerifierProgram } from "../types.ts";
import { failure, type PassFailure } from "./outcome.ts";
import type { FunctionMarks } from "./subprograms.ts";

/** func_info records one by one, before anything is known of the program (pass 2). */
export function checkFunctionRecords(program: VerifierProgram): PassFailure | null {
  const records = program.functions;
  if (records === null) return null;
  const bytes = program.functionRecordBytes ?? 8;
  if (bytes < 8 || bytes > 252 || bytes % 4 !== 0)
    return failure("EINVAL", `invalid func info rec size ${bytes}`, "func-info", null);
  let previous = 0;
  for (let i = 0; i < records.length; i++) {
    const { insn, type } = records[i]!;
    const unended = (message: string): PassFailure => ({
      ...failure("EINVAL", message, "func-info", null),
      unended: true,
    });
    if (i === 0 && insn !== 0) return unended(`nonzero insn_off ${insn} for the first func info record`);
    if (i > 0 && insn <= previous)
      return unended(`same or smaller insn offset (${insn}) than previous func info record (${previous})`);
    if (program.btf === null || typeAt(program.btf, type).kind !== "func")
      return unended(`invalid type id ${type} in func info`);
    previous = insn;
  }
  return null;
}

/** func_info against the functions found, then line_info (pass 5). */
export function checkProgramInfo(
  program: VerifierProgram,
  starts: readonly number[],
  marks: readonly FunctionMarks[],
): PassFailure | null {
  if (program.functions === null && program.lines === null) {
    for (let k = 1; k < starts.length; k++) {
      if (marks[k]!.hasLdAbs)
        return failure("EINVAL", "LD_ABS is not allowed in subprogs without BTF", "func-info", starts[k]!);
      if (marks[k]!.hasTailCall)
        return failure("EINVAL", "tail_call is not allowed in subprogs without BTF", "func-info", starts[k]!);
    }
    return null;
  }
  return checkFunctionLayout(program, starts, marks) ?? checkLineRecords(program, starts);
}

function checkFunctionLayout(
  program: VerifierProgram,
  starts: readonly number[],
  marks: readonly FunctionMarks[],
): PassFailure | null {
  const records = program.functions;
  if (records === null || records.length === 0) return null;
  if (records.length !== starts.length)
    return failure("EINVAL", "number of funcs in func_info doesn't match number of subprogs", "func-info", null);
  for (let k = 0; k < records.length; k++) {
    if (records[k]!.insn !== starts[k])
      return failure(
        "EINVAL",
        "func_info BTF section doesn't match subprog layout in BPF program",
        "func-info",
        starts[k]!,
      );
    const btf = program.btf!;
    const func = typeAt(btf, records[k]!.type);
    const proto = func.kind === "func" ? typeAt(btf, func.type) : null;
    const returned = proto?.kind === "func_proto" ? typeAt(btf, skipModifiersAndTypedefs(btf, proto.returnType)) : null;
    const scalar = returned?.kind === "int" || returned?.kind === "enum";
    if (k > 0 && !scalar && marks[k]!.hasLdAbs)
      return failure("EINVAL", "LD_ABS is only allowed in functions that return 'int'.", "func-info", starts[k]!);
    if (k > 0 && !scalar && marks[k]!.hasTailCall)
      return failure("EINVAL", "tail_call is only allowed in functions that return 'int'.", "func-info", starts[k]!);
  }
  return null;
}

function checkLineRecords(program: VerifierProgram, starts: readonly number[]): PassFailure | null {
  const lines = program.lines;
  if (lines === null || lines.length === 0) return null;
  let previous = 0;
  let next = 0;
  for (let i = 0; i < lines.length; i++) {
    const at = lines[i]!.insn;
    if ((i > 0 && at <= previous) || at >= program.insns.length)
      return failure(
        "EINVAL",
        `Invalid line_info[${i}].insn_off:${at} (prev_offset:${previous} prog->len:${program.insns.length})`,
        "line-info",
        null,
      );
    if (program.insns[at]!.opcode === 0)
      return failure("EINVAL", `Invalid insn code at line_info[${i}].insn_off`, "line-info", at);
    if (next < starts.length) {
      if (at === starts[next]) next++;
      else if (starts[next]! < at)
        return failure("EINVAL", `missing bpf_line_info for func#${next}`, "line-info", starts[next]!);
    }
    previous = at;
  }
  if (next < starts.length)
    return failure(
      "EINVAL",
      `missing bpf_line_info for ${starts.length - next} funcs starting from func#${next}`,
      "line-info",
      starts[next]!,
    );
  return null;
}

/** True for the slot that follows the first of a two-slot load. */
export function isSecondSlot(program: VerifierProgram, at: number): boolean {
  return at > 0 && isLdImm64(program.insns[at - 1]!) && program.insns[at]!.opcode === 0;
}
