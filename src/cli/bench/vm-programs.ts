import { readFileSync } from "node:fs";
import { encodeInstructions, type Instruction } from "../../engine/isa/instruction.ts";
import { loadObject } from "../../engine/loader/load-object.ts";
import type { MapSpec, ProgramSpec } from "../../engine/loader/spec.ts";

/** A program that both sides can load; its map loads name maps by index in `maps`. */
export interface BenchProgram {
  readonly name: string;
  readonly group: "alu" | "mixed";
  readonly insns: readonly Instruction[];
  readonly maps: readonly MapSpec[];
  /** Runs once before, to fill the maps; null: nothing. */
  readonly fill: readonly Instruction[] | null;
  /** What is counted in a run: instructions or iterations; null where it is not known. */
  readonly units: number;
}

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });

/** `body` (registers r1..r5, r0; r6 counts) `rounds` times. */
function loop(name: string, body: readonly Instruction[], rounds: number): BenchProgram {
  const insns = [
    ...[0, 1, 2, 3, 4, 5].map((r) => insn(0xb7, r, 0, 0, 3 * r + 1)),
    insn(0x7b, 10, 1, -8),
    insn(0x7b, 10, 2, -16),
    insn(0xb7, 6, 0, 0, rounds),
    ...body,
    insn(0x07, 6, 0, 0, -1),
    insn(0x55, 6, 0, -(body.length + 2), 0),
    insn(0x95),
  ];
  return { name, group: "alu", insns, maps: [], fill: null, units: 10 + rounds * (body.length + 2) };
}

export function aluPrograms(): BenchProgram[] {
  return [
    loop("ALU chain", [insn(0x0f, 0, 1), insn(0xaf, 0, 6), insn(0x67, 0, 0, 0, 3)], 8000),
    loop(
      "ALU and stack",
      [
        insn(0x0f, 0, 1),
        insn(0xaf, 2, 0),
        insn(0x7b, 10, 0, -8),
        insn(0x67, 2, 0, 0, 3),
        insn(0x79, 3, 10, -16),
        insn(0x0f, 3, 2),
        insn(0x7b, 10, 3, -16),
        insn(0x04, 4, 0, 0, 7),
      ],
      4000,
    ),
    loop(
      "four independent chains",
      [
        insn(0x0f, 0, 6),
        insn(0xaf, 1, 6),
        insn(0x07, 2, 0, 0, 77),
        insn(0x1f, 3, 6),
        insn(0xa7, 0, 0, 0, 0x55),
        insn(0x07, 1, 0, 0, 3),
        insn(0xaf, 2, 6),
        insn(0x07, 3, 0, 0, -9),
      ],
      4000,
    ),
  ];
}

/** FNV, CRC, sip, sort and parse of `fixtures/mixed.bpf.c`. */
export function mixedPrograms(): BenchProgram[] {
  const bytes = readFileSync(new URL("./fixtures/mixed.bpf.o", import.meta.url));
  const loaded = loadObject(bytes, "mixed");
  if (!loaded.ok) throw new Error(loaded.error.map((d) => d.message).join("\n"));
  const { maps, programs } = loaded.value;
  const index = new Map(maps.map((map, i) => [map.name, i]));
  const placed = (program: ProgramSpec): Instruction[] => {
    const insns = program.insns.slice();
    for (const reference of program.mapReferences) {
      const first = insns[reference.insn] as Instruction;
      const second = insns[reference.insn + 1] as Instruction;
      insns[reference.insn] = { ...first, imm: index.get(reference.map) as number };
      insns[reference.insn + 1] = { ...second, imm: reference.offset ?? 0 };
    }
    return insns;
  };
  const fill = placed(programs.find((p) => p.name === "fill") as ProgramSpec);
  return programs
    .filter((p) => p.name !== "fill")
    .map((p) => ({ name: p.name, group: "mixed", insns: placed(p), maps, fill, units: 1 }));
}

export const encoded = (insns: readonly Instruction[]): Uint8Array => encodeInstructions(insns);
