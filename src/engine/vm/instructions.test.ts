import { describe, expect, it } from "vitest";
import { type Instruction, ldImm64Value } from "../isa/instruction.ts";
import { ENGINES, EngineBench } from "./testing/engines.ts";
import { evaluate } from "./testing/reference.ts";

/**
 * Every instruction of the conformance groups of RFC 9669, one program for each, over operands at the edges; the engines against
 * the plain evaluator, and the corner cases of section 4.1 spelled out.
 */
const BYTES = 4096;
const SCRATCH = 3072;

const VALUES: readonly bigint[] = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
  0xffff_ffff_8000_0000n,
  0x0123_4567_89ab_cdefn,
];
const IMMEDIATES = [0, 1, -1, 7, 31, 32, 33, 63, 64, 0x7fffffff, -0x80000000, 0x1234, -0x1234];

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const wide = (dst: number, value: bigint): Instruction[] => [
  insn(0x18, dst, 0, 0, Number(BigInt.asIntN(32, value))),
  insn(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n))),
];

const bench = new EngineBench(BYTES);
const REFERENCE_BASE = 0x5000_0000_0000n;

/** Runs `body` (r9 points to the memory) on the reference and on every engine; the memory afterwards must be the same. */
function agree(body: readonly Instruction[], name: string): void {
  const program = [insn(0xbf, 9, 1), ...body, insn(0xb7, 0), insn(0x95)];
  const memory = new Uint8Array(BYTES).map((_, i) => (i * 73 + 11) & 255);
  const expected = memory.slice();
  const registers = [0n, REFERENCE_BASE, BigInt(BYTES)];
  const reference = evaluate(program, [{ base: REFERENCE_BASE, bytes: expected }], registers, (slot) =>
    ldImm64Value(program[slot] as Instruction, program[slot + 1] as Instruction),
  );
  expect(reference, name).toMatchObject({ ok: true });
  for (const engine of ENGINES) {
    const run = bench.run(engine, bench.executable(program), memory);
    expect(run.result, `${name} on ${engine}`).toEqual({ ok: true, r0: 0n });
    expect(Buffer.from(run.memory).toString("hex"), `${name} on ${engine}`).toBe(Buffer.from(expected).toString("hex"));
  }
}

const pairs = VALUES.flatMap((a) => VALUES.map((b) => [a, b] as const));
const store = (r: number, index: number): Instruction => insn(0x7b, 9, r, (8 * index) % SCRATCH);

/** One operation over all operand pairs, in programs that fit the memory. */
function overPairs(name: string, operation: (a: bigint, b: bigint) => Instruction[], result = 1): void {
  for (let from = 0; from < pairs.length; from += SCRATCH / 8) {
    const body = pairs
      .slice(from, from + SCRATCH / 8)
      .flatMap(([a, b], i) => [...wide(1, a), ...wide(2, b), ...operation(a, b), store(result, i)]);
    agree(body, name);
  }
}

const hex = (n: number): string => `0x${n.toString(16).padStart(2, "0")}`;
const ARITHMETIC = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12];

describe.each([
  ["base64, divmul64", 7],
  ["base32, divmul32", 4],
])("%s", (_, group) => {
  for (const kind of ARITHMETIC) {
    const signed = kind === 3 || kind === 9 ? [0, 1] : kind === 11 ? (group === 7 ? [0, 8, 16, 32] : [0, 8, 16]) : [0];
    it.each(signed)(`operation ${kind} by register, off %i`, (off) => {
      overPairs(hex((kind << 4) | 8 | group), () => [insn((kind << 4) | 8 | group, 1, 2, off)]);
    });
    it.each(kind === 3 || kind === 9 ? [0, 1] : [0])(`operation ${kind} by immediate, off %i`, (off) => {
      const body = VALUES.flatMap((a, i) =>
        IMMEDIATES.flatMap((imm, k) => [
          ...wide(1, a),
          insn((kind << 4) | group, 1, 0, off, imm),
          store(1, i * IMMEDIATES.length + k),
        ]),
      );
      agree(body, hex((kind << 4) | group));
    });
  }

  it("negation and byte order", () => {
    const operations = [
      insn(0x80 | group, 1),
      ...[16, 32, 64].map((bits) => insn(0xd0 | group, 1, 0, 0, bits)),
      ...(group === 4 ? [16, 32, 64].map((bits) => insn(0xdc, 1, 0, 0, bits)) : []),
    ];
    agree(
      operations.flatMap((op, k) => VALUES.flatMap((a, i) => [...wide(1, a), op, store(1, k * VALUES.length + i)])),
      "unary",
    );
  });
});

describe.each([
  ["64-bit jumps", 5],
  ["32-bit jumps", 6],
])("%s", (_, group) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13])("comparison %i", (kind) => {
    const marks = (jump: Instruction): Instruction[] => [insn(0xb7, 3, 0, 0, 1), jump, insn(0xb7, 3, 0, 0, 2)];
    overPairs(hex((kind << 4) | 8 | group), () => marks(insn((kind << 4) | 8 | group, 1, 2, 1)), 3);
    const byImmediate = VALUES.flatMap((a, i) =>
      IMMEDIATES.flatMap((imm, k) => [
        ...wide(1, a),
        ...marks(insn((kind << 4) | group, 1, 0, 1, imm)),
        store(3, i * IMMEDIATES.length + k),
      ]),
    );
    agree(byImmediate, hex((kind << 4) | group));
  });

  it("unconditional, forwards and backwards", () => {
    const ja = (distance: number): Instruction =>
      group === 5 ? insn(0x05, 0, 0, distance) : insn(0x06, 0, 0, 0, distance);
    // A loop of three rounds whose condition stands at its end, entered by a jump.
    agree(
      [
        insn(0xb7, 1),
        ja(2),
        insn(0x07, 1, 0, 0, 1),
        store(1, 1),
        insn(0xb5, 1, 0, -3, 2),
        store(1, 0),
        ja(1),
        store(9, 0),
      ],
      "ja",
    );
  });
});

describe("loads and stores", () => {
  const WIDTHS = [0x00, 0x08, 0x10, 0x18] as const;
  const BYTES_OF = [4, 2, 1, 8];

  it("of every width, aligned and not, from memory and stack", () => {
    const body: Instruction[] = [...wide(2, 0x8899_aabb_ccdd_eeffn)];
    let index = 0;
    WIDTHS.forEach((width, w) => {
      for (const off of [0, 1, 3, 7, 8, 13]) {
        const place = SCRATCH + 32 * w + off;
        body.push(insn(0x63 | width, 9, 2, place), insn(0x62 | width, 9, 0, place + 256, -0x1234567));
        body.push(insn(0x63 | width, 10, 2, -64 + off), insn(0x62 | width, 10, 0, -32 + off, 0x76543210));
        for (const [base, at] of [
          [9, place],
          [9, place + 256],
          [10, -64 + off],
          [10, -32 + off],
        ] as const) {
          body.push(insn(0x61 | width, 1, base, at), store(1, index++));
          if ((BYTES_OF[w] as number) < 8) body.push(insn(0x81 | width, 1, base, at), store(1, index++));
        }
      }
    });
    agree(body, "memory");
  });

  it("through a register with a negative offset", () => {
    agree([insn(0xbf, 3, 9), insn(0x07, 3, 0, 0, 64), insn(0x79, 1, 3, -60), insn(0x7b, 3, 1, -64)], "negative offset");
  });

  it("64-bit immediates", () => {
    agree(
      VALUES.flatMap((a, i) => [...wide(1, a), store(1, i)]),
      "ld_imm64",
    );
  });
});

describe.each([
  ["atomic64", 0xdb, 8],
  ["atomic32", 0xc3, 4],
])("%s", (_, opcode, bytes) => {
  it.each([0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110])("operation 0x%s", (operation) => {
    const body: Instruction[] = [];
    let index = 0;
    for (const [a, b] of pairs.filter((_, i) => i % 3 === 0)) {
      const place = SCRATCH + ((bytes * index) % 512);
      // Memory a; operand b; r0 is sometimes what is there.
      body.push(...wide(0, index % 2 === 0 ? a : b), ...wide(1, a), ...wide(2, b), insn(0x7b, 9, 1, place));
      body.push(operation === 0x100 ? insn(opcode, 2, 9, place, operation) : insn(opcode, 9, 2, place, operation));
      body.push(store(0, index), store(2, index + 1), insn(0x79, 1, 9, place), store(1, index + 2));
      index += 3;
    }
    agree(body, hex(operation));
  });
});

it("load-acquire and store-release of 8 and 16 bits", () => {
  const body = [0xcb, 0xd3].flatMap((opcode, i) => [
    ...wide(2, 0x1122_3344_5566_7788n),
    insn(opcode, 9, 2, SCRATCH + 16 * i, 0x110),
    insn(opcode, 3, 9, SCRATCH + 16 * i, 0x100),
    store(3, i),
  ]);
  agree(body, "acquire and release");
});

describe("calls", () => {
  it("of functions: five arguments, own registers and stack", () => {
    const program = [
      insn(0xbf, 9, 1),
      ...[1, 2, 3, 4, 5].map((r) => insn(0xb7, r, 0, 0, 10 * r)),
      insn(0xb7, 6, 0, 0, 77),
      insn(0x7a, 10, 0, -8, 55),
      insn(0x85, 0, 1, 0, 5),
      store(0, 0),
      store(6, 1),
      insn(0x79, 1, 10, -8),
      store(1, 2),
      insn(0x95),
      // r0 = r1 + r2 + r3 + r4 + r5 + r6 (0 here)
      insn(0x7a, 10, 0, -8, 1),
      insn(0xbf, 0, 1),
      ...[2, 3, 4, 5, 6].map((r) => insn(0x0f, 0, r)),
      insn(0xb7, 6, 0, 0, 1),
      insn(0x95),
    ];
    for (const engine of ENGINES) {
      const { result, memory } = bench.run(engine, bench.executable(program), new Uint8Array(BYTES));
      const view = new DataView(memory.buffer);
      expect(result, engine).toEqual({ ok: true, r0: 150n });
      expect(
        [0, 8, 16].map((at) => view.getBigUint64(at, true)),
        engine,
      ).toEqual([150n, 77n, 55n]);
    }
  });

  it("of more than 16 functions deep overflow the stack", () => {
    const program = [insn(0x85, 0, 1, 0, -1), insn(0x95)];
    for (const engine of ["interpreter", "jit-checked"] as const) {
      const { result } = bench.run(engine, bench.executable(program), new Uint8Array(BYTES));
      expect(result, engine).toMatchObject({ ok: false, trap: { what: "stack-overflow" }, pc: 0 });
    }
  });

  it("may_goto grants a bounded number of rounds", () => {
    const program = [insn(0xb7, 0), insn(0xe5, 0, 0, 2), insn(0x07, 0, 0, 0, 1), insn(0x05, 0, 0, -3), insn(0x95)];
    for (const engine of ["jit", "interpreter"] as const) {
      const { result } = bench.run(engine, bench.executable(program), new Uint8Array(BYTES));
      expect(result, engine).toEqual({ ok: true, r0: 8n * 1024n * 1024n });
    }
  });
});

describe("packet", () => {
  const packet = Uint8Array.of(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88);
  it.each([
    ["LD_ABS word", [insn(0x20, 0, 0, 0, 1)], 0x22334455n],
    ["LD_ABS half", [insn(0x28, 0, 0, 0, 2)], 0x3344n],
    ["LD_ABS byte", [insn(0x30, 0, 0, 0, 7)], 0x88n],
    ["LD_IND word", [insn(0xb7, 3, 0, 0, 2), insn(0x40, 0, 3, 0, 1)], 0x44556677n],
    ["LD_IND byte", [insn(0xb7, 3, 0, 0, -2), insn(0x50, 0, 3, 0, 2)], 0x11n],
    ["LD_ABS outside", [insn(0x20, 0, 0, 0, BYTES - 2), insn(0xb7, 0, 0, 0, 9)], 0n],
  ])("%s", (_, body, expected) => {
    for (const engine of ENGINES) {
      const program = bench.executable([...body, insn(0x95)]);
      const memory = new Uint8Array(BYTES);
      memory.set(packet);
      expect(bench.run(engine, program, memory).result, engine).toEqual({ ok: true, r0: expected });
    }
  });
});

describe("what RFC 9669 says of the corners", () => {
  const MIN = 0x8000_0000_0000_0000n;
  it.each([
    ["x / 0 = 0", [...wide(0, 5n), insn(0xb7, 2), insn(0x3f, 0, 2)], 0n],
    ["x % 0 = x", [...wide(0, 0x1_0000_0005n), insn(0xb7, 2), insn(0x9f, 0, 2)], 0x1_0000_0005n],
    ["(u32) x % 0 = (u32) x", [...wide(0, 0x1_0000_0005n), insn(0xb7, 2), insn(0x9c, 0, 2)], 5n],
    ["LLONG_MIN s/ -1 = LLONG_MIN", [...wide(0, MIN), insn(0xb7, 2, 0, 0, -1), insn(0x3f, 0, 2, 1)], MIN],
    ["LLONG_MIN s% -1 = 0", [...wide(0, MIN), insn(0xb7, 2, 0, 0, -1), insn(0x9f, 0, 2, 1)], 0n],
    ["INT_MIN s/ -1 = INT_MIN, zero-extended", [...wide(0, 0x8000_0000n), insn(0x34, 0, 0, 1, -1)], 0x8000_0000n],
    ["-13 s/ 3 = -4", [insn(0xb7, 0, 0, 0, -13), insn(0x37, 0, 0, 1, 3)], 2n ** 64n - 4n],
    ["-13 s% 3 = -1", [insn(0xb7, 0, 0, 0, -13), insn(0x97, 0, 0, 1, 3)], 2n ** 64n - 1n],
    ["64-bit shifts use 6 bits", [insn(0xb7, 0, 0, 0, 1), insn(0xb7, 2, 0, 0, 65), insn(0x6f, 0, 2)], 2n],
    ["32-bit shifts use 5 bits", [insn(0xb7, 0, 0, 0, 1), insn(0x64, 0, 0, 0, 33)], 2n],
    ["32-bit results are zero-extended", [insn(0xb7, 0, 0, 0, -1), insn(0x04, 0, 0, 0, 1)], 0n],
    ["w0 = (s8)w1 is zero-extended", [insn(0xb7, 1, 0, 0, 0x80), insn(0xbc, 0, 1, 8)], 0xffff_ff80n],
    ["r0 = (s32)r1", [...wide(1, 0x8000_0000n), insn(0xbf, 0, 1, 32)], 0xffff_ffff_8000_0000n],
    ["bswap16 clears the rest", [...wide(0, 0x1122_3344_5566_7788n), insn(0xd7, 0, 0, 0, 16)], 0x8877n],
    ["be64", [...wide(0, 0x1122_3344_5566_7788n), insn(0xdc, 0, 0, 0, 64)], 0x8877_6655_4433_2211n],
    ["le32 truncates", [...wide(0, 0x1122_3344_5566_7788n), insn(0xd4, 0, 0, 0, 32)], 0x5566_7788n],
  ])("%s", (_, body, expected) => {
    for (const engine of ENGINES) {
      const { result } = bench.run(engine, bench.executable([...body, insn(0x95)]), new Uint8Array(BYTES));
      expect(result, engine).toEqual({ ok: true, r0: expected });
    }
  });
});

describe("broken programs trap alike", () => {
  it.each([
    ["a jump out of the program", [insn(0x05, 0, 0, 100), insn(0x95)]],
    ["an unknown opcode", [insn(0xb7, 0), insn(0xff, 1, 2), insn(0x95)]],
    ["a jump into a 64-bit load", [insn(0x05, 0, 0, 1), ...wide(1, 5n), insn(0x95)]],
    ["a fall off the end", [insn(0xb7, 0)]],
    ["a write beyond memory", [insn(0xb7, 4, 0, 0, 3), insn(0x7b, 1, 4, BYTES - 4), insn(0x95)]],
    ["a read at NULL", [insn(0xb7, 3), insn(0x79, 0, 3, 8), insn(0x95)]],
    ["an atomic at NULL", [insn(0xb7, 3), insn(0xdb, 3, 1, 8, 1), insn(0x95)]],
    ["a read below the stack", [insn(0x79, 0, 10, -520), insn(0x95)]],
    ["an unknown helper", [insn(0x85, 0, 0, 0, 4711), insn(0x95)]],
    ["an endless loop", [insn(0x05, 0, 0, -1)]],
  ])("%s", (_, program) => {
    bench.vm.fuel = 100_000;
    const on = (engine: (typeof ENGINES)[number]) =>
      bench.run(engine, bench.executable(program), new Uint8Array(BYTES)).result;
    const expected = on("interpreter");
    expect(expected.ok).toBe(false);
    expect(on("jit-checked")).toEqual(expected);
    bench.vm.fuel = 1_000_000_000;
  });
});
