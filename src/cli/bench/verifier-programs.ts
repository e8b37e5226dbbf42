import { PROG_TYPES } from "../../engine/abi/types.ts";
import { assembleLines } from "../../engine/assembler/assemble-lines.ts";
import { formatDiagnostic } from "../../engine/base/diagnostic.ts";
import type { Btf, BtfType } from "../../engine/btf/types.ts";
import type { Instruction } from "../../engine/isa/instruction.ts";
import type { FunctionRecord } from "../../engine/loader/spec.ts";

/** A program that costs the verifier work: how much, the kernel says. */
export interface VerifierBench {
  readonly name: string;
  readonly type: number;
  readonly insns: readonly Instruction[];
  readonly btf: Btf;
  readonly functions: readonly FunctionRecord[];
}

/** The one map that the programs name, as `map[m]`: an array of 64 values of 64 bytes. */
export const BENCH_MAP = { name: "m", keySize: 4, valueSize: 64, maxEntries: 64 } as const;

function bench(name: string, lines: readonly string[], type: keyof typeof PROG_TYPES = "socket_filter"): VerifierBench {
  const read = assembleLines(lines, name);
  if (!read.ok) throw new Error(read.error.map(formatDiagnostic).join("\n"));
  const types: BtfType[] = [
    { kind: "void" },
    { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" },
    { kind: "func_proto", returnType: 1, params: [] },
  ];
  const functions = read.value.functions.map((f) => {
    types.push({ kind: "func", name: f.name, type: 2, linkage: f.linkage === "static" ? "static" : "global" });
    return { insn: f.insn, name: f.name, type: types.length - 1 };
  });
  return { name, type: PROG_TYPES[type], insns: read.value.insns, btf: { types }, functions };
}

const repeat = (count: number, make: (i: number) => readonly string[]): string[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();

/** Shapes of programs from 10,000 to 1,000,000 processed instructions. */
export function verifierBenches(): VerifierBench[] {
  return [
    bench("counted loop", ["main f:", "r6 = 0", "a:", "r6 += 1", "if r6 < 400000 goto a", "r0 = 0", "exit"]),
    bench("straight arithmetic", [
      "main f:",
      "call bpf_get_prandom_u32#7",
      "r6 = r0",
      ...repeat(4000, (i) => [
        `r6 += ${i}`,
        "r7 = r6",
        "r7 &= 0xffff",
        "r7 <<= 3",
        "r8 = r7",
        "r8 |= 5",
        "w8 += w7",
        "r8 ^= 0x55",
        "r6 >>= 1",
        "r6 *= 3",
      ]),
      "r0 = 0",
      "exit",
    ]),
    bench("loop over an array", [
      "main f:",
      "r6 = map_value[m1]+0 ll",
      "r7 = 0",
      "a:",
      "r1 = r7",
      "r1 &= 63",
      "r2 = r6",
      "r2 += r1",
      "r3 = *(u8 *)(r2 +0)",
      "r3 += 1",
      "*(u8 *)(r2 +0) = r3",
      "r7 += 1",
      "if r7 < 20000 goto a",
      "r0 = 0",
      "exit",
    ]),
    bench("branches that meet", [
      "main f:",
      "call bpf_get_prandom_u32#7",
      "r6 = r0",
      "r9 = 0",
      ...repeat(600, (i) => [
        `if r6 > ${i * 7} goto b${i}`,
        "r7 = 1",
        "r8 = 2",
        "r9 = 3",
        "*(u64 *)(r10 -8) = r7",
        `goto c${i}`,
        `b${i}:`,
        "r7 = 4",
        "r8 = 5",
        "r9 = 6",
        "*(u64 *)(r10 -8) = r8",
        `c${i}:`,
        "r7 = 0",
        "r8 = 0",
        "*(u64 *)(r10 -16) = r7",
        "r6 = *(u64 *)(r10 -8)",
        "call bpf_get_prandom_u32#7",
        "r6 = r0",
      ]),
      "r0 = 0",
      "exit",
    ]),
    bench("paths that do not meet", [
      "main f:",
      "call bpf_get_prandom_u32#7",
      "r6 = r0",
      "r7 = 0",
      "r8 = r10",
      "r8 += -512",
      ...repeat(12, (i) => [`if r6 & ${1 << i} goto b${i}`, `r7 += ${1 << i}`, `b${i}:`]),
      "r7 &= 255",
      "r8 += r7",
      "*(u8 *)(r8 +0) = 0",
      "r0 = 0",
      "exit",
    ]),
    bench("lookups", [
      "main f:",
      "r6 = 0",
      "a:",
      "*(u32 *)(r10 -4) = r6",
      "r2 = r10",
      "r2 += -4",
      "r1 = map[m] ll",
      "call bpf_map_lookup_elem#1",
      "if r0 == 0 goto n",
      "r1 = *(u64 *)(r0 +8)",
      "r1 += 1",
      "*(u64 *)(r0 +8) = r1",
      "n:",
      "r6 += 1",
      "if r6 < 3000 goto a",
      "r0 = 0",
      "exit",
    ]),
    bench("calls of a function", [
      "main f:",
      "r6 = 0",
      "a:",
      "r1 = r6",
      "r2 = 7",
      "call s",
      "r6 += 1",
      "if r6 < 10000 goto a",
      "r0 = 0",
      "exit",
      "static s:",
      "r3 = r1",
      "r3 += r2",
      "*(u64 *)(r10 -8) = r3",
      "r4 = *(u64 *)(r10 -8)",
      "r0 = r4",
      "exit",
    ]),
    bench("spills in a loop", [
      "main f:",
      "r6 = 0",
      "a:",
      "*(u64 *)(r10 -8) = r6",
      "*(u64 *)(r10 -16) = r6",
      "*(u32 *)(r10 -24) = r6",
      "r1 = *(u64 *)(r10 -8)",
      "r2 = *(u64 *)(r10 -16)",
      "r1 += r2",
      "*(u64 *)(r10 -32) = r1",
      "r3 = *(u32 *)(r10 -24)",
      "r6 += 1",
      "if r6 < 10000 goto a",
      "r0 = 0",
      "exit",
    ]),
    bench(
      "packet headers",
      [
        "main f:",
        "r6 = r1",
        ...repeat(700, (i) => [
          "r2 = *(u32 *)(r6 +76)",
          "r3 = *(u32 *)(r6 +80)",
          "r4 = r2",
          "r4 += 34",
          `if r4 > r3 goto n${i}`,
          "r5 = *(u16 *)(r2 +12)",
          `if r5 != 8 goto n${i}`,
          "r5 = *(u8 *)(r2 +14)",
          "r5 &= 15",
          "r5 <<= 2",
          "r7 = *(u32 *)(r2 +26)",
          "r8 = *(u32 *)(r2 +30)",
          "r7 ^= r8",
          `n${i}:`,
          "r7 = 0",
          "r8 = 0",
        ]),
        "r0 = 0",
        "exit",
      ],
      "sched_cls",
    ),
    bench("nested loops", [
      "main f:",
      "r6 = 0",
      "a:",
      "r7 = 0",
      "b:",
      "r8 = r7",
      "r8 *= 3",
      "r7 += 1",
      "if r7 < 100 goto b",
      "r6 += 1",
      "if r6 < 500 goto a",
      "r0 = 0",
      "exit",
    ]),
  ];
}
