import { typeAt } from "../btf/layout.ts";
import type { BtfId } from "../btf/types.ts";
import { INSTRUCTION_BYTES, type Instruction } from "../isa/instruction.ts";
import { BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE } from "../isa/opcodes.ts";
import type { ObjectFunction } from "./functions.ts";
import type { ObjectFile, Problems } from "./object-file.ts";
import type { FunctionRecord, LineRecord, MapReference, ProgramSpec, ProgramVariable } from "./spec.ts";

/** The linked code of a program: its entry function and every subprogram that it reaches. */
export type LinkedCode = Pick<
  ProgramSpec,
  "insns" | "mapReferences" | "kfuncReferences" | "functions" | "lines" | "variables"
>;

/** Functions by `section:slot`, to find what a call means. */
export type FunctionIndex = ReadonlyMap<string, ObjectFunction>;

export function indexFunctions(functions: readonly ObjectFunction[]): FunctionIndex {
  return new Map(functions.map((f) => [`${f.section.index}:${f.slot}`, f]));
}

/** Links `entry`; subprograms stand in the order of their first use, depth first, as libbpf appends them. */
export function linkProgram(
  object: ObjectFile,
  entry: ObjectFunction,
  index: FunctionIndex,
  problems: Problems,
): LinkedCode {
  const starts = new Map<ObjectFunction, number>();
  const order: ObjectFunction[] = [];
  let length = 0;
  const place = (f: ObjectFunction): void => {
    starts.set(f, length);
    order.push(f);
    length += f.insns.length;
    for (const slot of [...f.references.keys()].sort((a, b) => a - b)) {
      const reference = f.references.get(slot);
      if (reference?.kind !== "call" && reference?.kind !== "function") continue;
      const target = index.get(`${reference.section}:${reference.slot}`);
      if (target === undefined) {
        problems.error(`function '${f.name}', instruction ${slot}: it refers to no function's beginning`);
      } else if (!starts.has(target)) {
        place(target);
      }
    }
  };
  place(entry);

  const insns: Instruction[] = [];
  const mapReferences: MapReference[] = [];
  const kfuncReferences: { insn: number; name: string }[] = [];
  const functions: FunctionRecord[] = [];
  const lines: LineRecord[] = [];
  const variables: ProgramVariable[] = [];
  for (const f of order) {
    const start = starts.get(f) as number;
    const own: Instruction[] = [...f.insns];
    for (const [slot, reference] of [...f.references].sort((a, b) => a[0] - b[0])) {
      const insn = own[slot] as Instruction;
      const high = own[slot + 1];
      const load = (src: number, low: number, highImm: number): void => {
        own[slot] = { ...insn, src, imm: low };
        if (high !== undefined) own[slot + 1] = { ...high, imm: highImm };
      };
      switch (reference.kind) {
        case "map":
          load(BPF_PSEUDO_MAP_FD, 0, 0);
          mapReferences.push({ insn: start + slot, map: reference.map, offset: null });
          break;
        case "data":
          load(BPF_PSEUDO_MAP_VALUE, 0, reference.offset);
          mapReferences.push({ insn: start + slot, map: reference.map, offset: reference.offset });
          break;
        case "zero":
          load(0, 0, 0);
          break;
        case "kfunc":
          own[slot] = { ...insn, src: BPF_PSEUDO_KFUNC_CALL, imm: 0 };
          kfuncReferences.push({ insn: start + slot, name: reference.name });
          break;
        case "call":
        case "function": {
          const target = index.get(`${reference.section}:${reference.slot}`);
          const distance = target === undefined ? 0 : (starts.get(target) as number) - (start + slot) - 1;
          if (reference.kind === "call") own[slot] = { ...insn, imm: distance };
          else load(BPF_PSEUDO_FUNC, distance, 0);
          break;
        }
      }
    }
    insns.push(...own);
    functions.push({ insn: start, name: f.name, type: functionType(object, f) });
    for (const variable of object.variables.get(`${f.section.name}:${f.slot}`) ?? []) {
      const ranges = variable.ranges
        .filter(({ first, last }) => first <= last && last < f.insns.length)
        .map((range) => ({ ...range, first: start + range.first, last: start + range.last }));
      variables.push({ ...variable, function: f.name, ranges });
    }
    for (const line of object.ext.lines) {
      const slot = line.offset / INSTRUCTION_BYTES - f.slot;
      if (line.section !== f.section.name || slot < 0 || slot >= f.insns.length) continue;
      const { file, line: number, column, text } = line;
      lines.push({ insn: start + slot, file, line: number, column, text });
    }
  }
  lines.sort((a, b) => a.insn - b.insn);
  return { insns, mapReferences, kfuncReferences, functions, lines, variables };
}

function functionType(object: ObjectFile, f: ObjectFunction): BtfId {
  const record = object.ext.functions.find(
    (r) => r.section === f.section.name && r.offset === f.slot * INSTRUCTION_BYTES,
  );
  if (record === undefined || object.btf === null) return 0;
  return typeAt(object.btf.btf, record.type).kind === "func" ? record.type : 0;
}
