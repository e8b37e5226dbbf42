import { assembleLines } from "../../src/engine/assembler/assemble-lines.ts";
import { formatDiagnostic } from "../../src/engine/base/diagnostic.ts";
import type { Instruction } from "../../src/engine/isa/instruction.ts";

export interface CaseFunction {
  readonly insn: number;
  readonly name: string;
  readonly linkage: "main" | "static" | "global";
  /** `(…)` of the header, "" without. */
  readonly parameters: string;
  readonly returnsVoid: boolean;
}

export interface AssembledCase {
  readonly insns: readonly Instruction[];
  readonly functions: readonly CaseFunction[];
  readonly mapLoads: readonly { readonly insn: number; readonly map: string }[];
  readonly kfuncs: ReadonlyMap<number, string>;
}

/** Assembles the lines of a recorded case; kfunc calls get the BTF id that the line or `kfuncId` gives. Throws on a line it does not know. */
export function assembleCase(lines: readonly string[], kfuncId: (name: string) => number): AssembledCase {
  const read = assembleLines(lines, "case");
  if (!read.ok) throw new Error(read.error.map(formatDiagnostic).join("\n"));
  const insns = read.value.insns.slice();
  const kfuncs = new Map<number, string>();
  for (const { insn, name, btfId } of read.value.kfuncs) {
    kfuncs.set(insn, name);
    insns[insn] = { ...insns[insn]!, imm: btfId ?? kfuncId(name) };
  }
  const isVoid = new Set(lines.map((l) => /^\w+ void (\w+)/.exec(l)?.[1]));
  const functions = read.value.functions.map((f) => ({ ...f, returnsVoid: isVoid.has(f.name) }));
  return { insns, functions, mapLoads: read.value.maps, kfuncs };
}
