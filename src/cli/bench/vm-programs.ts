import { readFileSync } from "node:fs";
import { MAP_TYPES } from "../../engine/abi/types.ts";
import type { Btf } from "../../engine/btf/types.ts";
import { encodeInstructions, type Instruction } from "../../engine/isa/instruction.ts";
import { loadObject } from "../../engine/loader/load-object.ts";
import type { FunctionRecord, MapSpec, ProgramSpec } from "../../engine/loader/spec.ts";

/** A program that both sides can load; its map loads name maps by index in `maps`. */
export interface BenchProgram {
  readonly name: string;
  readonly group: "alu" | "mixed" | "maps";
  /** What a unit is called. */
  readonly unit: string;
  /** What the ratio to Linux is to be, and must be. */
  readonly target: number;
  readonly floor: number;
  readonly insns: readonly Instruction[];
  readonly maps: readonly MapSpec[];
  /** Types and functions, for programs with callbacks. */
  readonly types?: { readonly btf: Btf; readonly functions: readonly FunctionRecord[] };
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
  return {
    name,
    group: "alu",
    unit: "instruction",
    target: 1,
    floor: 0.85,
    insns,
    maps: [],
    fill: null,
    units: 10 + rounds * (body.length + 2),
  };
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
    .map((p) => ({
      name: p.name,
      group: "mixed",
      unit: "run",
      target: 1.1,
      floor: 0.6,
      insns: placed(p),
      maps,
      fill,
      units: 1,
    }));
}

const KEYS = 1024;
const ITERATIONS = 8192;

function mapSpec(type: number, name: string): MapSpec {
  return {
    name,
    type,
    keySize: 4,
    valueSize: 8,
    maxEntries: KEYS,
    flags: 0,
    mapExtra: 0n,
    keyType: 0,
    valueType: 0,
    inner: null,
    globalData: null,
    frozen: false,
    slots: [],
    pinByName: false,
  };
}

/** r6 counts from 0; the key stands at r10 - 4, a value at r10 - 16. `call` finds the map in r1 and the key's address in r2. */
function overKeys(call: readonly Instruction[]): Instruction[] {
  const body = [
    insn(0xbf, 1, 6),
    insn(0x57, 1, 0, 0, KEYS - 1),
    insn(0x63, 10, 1, -4),
    insn(0x18, 1, 1),
    insn(0),
    insn(0xbf, 2, 10),
    insn(0x07, 2, 0, 0, -4),
    ...call,
    insn(0x07, 6, 0, 0, 1),
  ];
  return [
    insn(0xb7, 6),
    insn(0x7a, 10, 0, -16, 7),
    ...body,
    insn(0xa5, 6, 0, -(body.length + 1), ITERATIONS),
    insn(0xb7, 0),
    insn(0x95),
  ];
}

const UPDATE = [insn(0xbf, 3, 10), insn(0x07, 3, 0, 0, -16), insn(0xb7, 4), insn(0x85, 0, 0, 0, 2)];
const INCREMENT = [
  insn(0x85, 0, 0, 0, 1),
  insn(0x15, 0, 0, 3, 0),
  insn(0x79, 1, 0),
  insn(0x07, 1, 0, 0, 1),
  insn(0x7b, 0, 1),
];
/** Loops over maps, and bpf_loop. */
export function mapPrograms(): BenchProgram[] {
  const over = (
    name: string,
    type: number,
    call: readonly Instruction[],
    target: number,
    floor: number,
  ): BenchProgram => ({
    name,
    group: "maps",
    unit: "iteration",
    target,
    floor,
    insns: overKeys(call),
    maps: [mapSpec(type, "map")],
    fill: overKeys(UPDATE),
    units: ITERATIONS,
  });
  return [
    over("array lookup, increment", MAP_TYPES.array, INCREMENT, 0.8, 0.6),
    over("hash lookup, increment", MAP_TYPES.hash, INCREMENT, 1, 0.7),
    over("hash update", MAP_TYPES.hash, UPDATE, 1, 0.7),
    over(
      "hash lookup and update",
      MAP_TYPES.hash,
      [...INCREMENT, insn(0x18, 1, 1), insn(0), insn(0xbf, 2, 10), insn(0x07, 2, 0, 0, -4), ...UPDATE],
      1,
      0.7,
    ),
    callbackLoop(),
    contextFields(),
  ];
}

/** A number, the packet's ends and a byte of it, and a store: of each one in a round. */
function contextFields(): BenchProgram {
  const body = [
    insn(0x61, 1, 6),
    insn(0x0f, 8, 1),
    insn(0x61, 2, 6, 76),
    insn(0x61, 3, 6, 80),
    insn(0xbf, 4, 2),
    insn(0x07, 4, 0, 0, 14),
    insn(0x2d, 4, 3, 5),
    insn(0x71, 1, 2, 12),
    insn(0x0f, 8, 1),
    insn(0x63, 6, 8, 8),
    insn(0x07, 7, 0, 0, 1),
  ];
  const rounds = [...body, insn(0xa5, 7, 0, -(body.length + 1), ITERATIONS)];
  return {
    name: "context fields, packet",
    group: "maps",
    unit: "iteration",
    target: 1,
    floor: 0.7,
    insns: [insn(0xbf, 6, 1), insn(0xb7, 7), insn(0xb7, 8), ...rounds, insn(0xb7, 0), insn(0x95)],
    maps: [],
    fill: null,
    units: ITERATIONS,
  };
}

/** `fixtures/loop.bpf.c`. */
function callbackLoop(): BenchProgram {
  const loaded = loadObject(readFileSync(new URL("./fixtures/loop.bpf.o", import.meta.url)), "loop");
  if (!loaded.ok) throw new Error(loaded.error.map((d) => d.message).join("\n"));
  const { btf, programs } = loaded.value;
  const [program] = programs;
  if (program === undefined || btf === null) throw new Error("loop.bpf.o has no program with types");
  return {
    name: "bpf_loop, empty callback",
    group: "maps",
    unit: "callback",
    target: 1,
    floor: 0.7,
    insns: program.insns,
    maps: [],
    types: { btf, functions: program.functions },
    fill: null,
    units: 100_000,
  };
}

export const encoded = (insns: readonly Instruction[]): Uint8Array => encodeInstructions(insns);
