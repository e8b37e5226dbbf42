import { describe, expect, it } from "vitest";
import { makePrng, nextBelow } from "../base/prng.ts";
import * as op from "../isa/opcodes.ts";
import { scalarReg } from "./register.ts";
import type { Scalar } from "./scalar.ts";
import * as math from "./scalar-math.ts";
import * as shifts from "./scalar-shifts.ts";
import { abstractOf, anyValue, contains, s32, s64, show, u32, u64 } from "./testing/abstract-scalars.ts";
import { decide, opposite, refine } from "./walk/branches.ts";

/**
 * Soundness: whatever concrete values an abstract scalar stands for, the result of an operation stands for their concrete results. Seeds
 * are fixed, and printed by the failing assertion.
 */
const ROUNDS = 1500;
type Concrete = (a: bigint, b: bigint) => bigint;
const BINARY: readonly [string, (d: Scalar, x: Scalar) => void, Concrete][] = [
  ["add", math.addScalar, (a, b) => a + b],
  ["sub", math.subScalar, (a, b) => a - b],
  ["mul", math.mulScalar, (a, b) => a * b],
  ["and", math.andScalar, (a, b) => a & b],
  ["or", math.orScalar, (a, b) => a | b],
  ["xor", math.xorScalar, (a, b) => a ^ b],
];

describe("operations on abstract scalars are sound", () => {
  it("ranges and bits that are made to agree lose no value", () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const dice = makePrng(seed);
      const members = Array.from({ length: 1 + nextBelow(dice, 4) }, () => anyValue(dice));
      const s = abstractOf(members, dice);
      for (const x of members) if (!contains(s, x)) expect.fail(`seed ${seed}: ${x} not in ${show(s)}`);
    }
  });

  for (const [name, abstract, concrete] of BINARY) {
    for (const wide of [true, false]) {
      it(`${name}${wide ? "" : "32"}`, () => {
        for (let seed = 1; seed <= ROUNDS; seed++) {
          const dice = makePrng(seed);
          const as = Array.from({ length: 1 + nextBelow(dice, 3) }, () => anyValue(dice));
          const bs = Array.from({ length: 1 + nextBelow(dice, 3) }, () => anyValue(dice));
          const a = abstractOf(as, dice);
          const b = abstractOf(bs, dice);
          const d = a.copy();
          abstract(d, b);
          if (wide) d.sync();
          else d.zeroExtend32();
          for (const x of as)
            for (const y of bs) {
              const result = wide ? u64(concrete(x, y)) : u32(concrete(x, y));
              if (!contains(d, result))
                expect.fail(
                  `seed ${seed}: ${x} ${name} ${y} = ${result} not in ${show(d)}; from ${show(a)} and ${show(b)}`,
                );
            }
        }
      });
    }
  }

  const SHIFTS: readonly [string, boolean, (d: Scalar, n: number) => void, (a: bigint, n: bigint) => bigint][] = [
    ["shl", true, shifts.shlScalar, (a, n) => u64(a << n)],
    ["shr", true, shifts.shrScalar, (a, n) => a >> n],
    ["sar", true, shifts.sarScalar, (a, n) => u64(s64(a) >> n)],
    ["shl32", false, shifts.shlScalar32, (a, n) => u32(a << n)],
    ["shr32", false, shifts.shrScalar32, (a, n) => u32(a) >> n],
    ["sar32", false, shifts.sarScalar32, (a, n) => u32(s32(a) >> n)],
  ];
  for (const [name, wide, abstract, concrete] of SHIFTS) {
    it(name, () => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const dice = makePrng(seed);
        const as = Array.from({ length: 1 + nextBelow(dice, 3) }, () => anyValue(dice));
        const n = nextBelow(dice, wide ? 64 : 32);
        const a = abstractOf(as, dice);
        const d = a.copy();
        abstract(d, n);
        if (wide) d.sync();
        else d.zeroExtend32();
        for (const x of as) {
          const result = concrete(x, BigInt(n));
          if (!contains(d, result))
            expect.fail(`seed ${seed}: ${x} ${name} ${n} = ${result} not in ${show(d)}; from ${show(a)}`);
        }
      }
    });
  }

  const UNARY: readonly [string, (s: Scalar) => Scalar, (a: bigint) => bigint][] = [
    ["zero-extend", (s) => s.zeroExtend32(), (a) => u32(a)],
    ...[1, 2, 4].map(
      (k) =>
        [`truncate ${k}`, (s: Scalar) => s.truncate(k), (a: bigint) => BigInt.asUintN(8 * k, a)] as [
          string,
          (s: Scalar) => Scalar,
          (a: bigint) => bigint,
        ],
    ),
    ...[1, 2, 4].map(
      (k) =>
        [`sign-extend ${k}`, (s: Scalar) => s.signExtend64(k).sync(), (a: bigint) => u64(BigInt.asIntN(8 * k, a))] as [
          string,
          (s: Scalar) => Scalar,
          (a: bigint) => bigint,
        ],
    ),
    ...[1, 2].map(
      (k) =>
        [
          `sign-extend ${k} to 32`,
          (s: Scalar) => s.signExtend32(k).zeroExtend32(),
          (a: bigint) => u32(BigInt.asIntN(8 * k, a)),
        ] as [string, (s: Scalar) => Scalar, (a: bigint) => bigint],
    ),
    [
      "bswap64",
      (s) => {
        shifts.swapScalar(s, 64);
        return s.sync();
      },
      (a) => {
        let r = 0n;
        for (let i = 0n; i < 8n; i++) r |= ((a >> (8n * i)) & 0xffn) << (8n * (7n - i));
        return r;
      },
    ],
  ];
  for (const [name, abstract, concrete] of UNARY) {
    it(name, () => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const dice = makePrng(seed);
        const as = Array.from({ length: 1 + nextBelow(dice, 3) }, () => anyValue(dice));
        const a = abstractOf(as, dice);
        const d = abstract(a.copy());
        for (const x of as)
          if (!contains(d, concrete(x))) expect.fail(`seed ${seed}: ${name} ${x} not in ${show(d)}; from ${show(a)}`);
      }
    });
  }
});

const RELATIONS: readonly [string, number, (a: bigint, b: bigint, wide: boolean) => boolean][] = [
  ["==", op.BPF_JEQ, (a, b) => a === b],
  ["!=", op.BPF_JNE, (a, b) => a !== b],
  [">", op.BPF_JGT, (a, b) => a > b],
  [">=", op.BPF_JGE, (a, b) => a >= b],
  ["<", op.BPF_JLT, (a, b) => a < b],
  ["<=", op.BPF_JLE, (a, b) => a <= b],
  ["&", op.BPF_JSET, (a, b) => (a & b) !== 0n],
  ["s>", op.BPF_JSGT, (a, b, w) => (w ? s64(a) > s64(b) : s32(a) > s32(b))],
  ["s>=", op.BPF_JSGE, (a, b, w) => (w ? s64(a) >= s64(b) : s32(a) >= s32(b))],
  ["s<", op.BPF_JSLT, (a, b, w) => (w ? s64(a) < s64(b) : s32(a) < s32(b))],
  ["s<=", op.BPF_JSLE, (a, b, w) => (w ? s64(a) <= s64(b) : s32(a) <= s32(b))],
];

describe("comparisons of abstract scalars are sound", () => {
  for (const [name, code, concrete] of RELATIONS) {
    for (const wide of [true, false]) {
      it(`${name}${wide ? "" : " of 32 bits"}`, () => {
        for (let seed = 1; seed <= ROUNDS; seed++) {
          const dice = makePrng(seed);
          const as = Array.from({ length: 1 + nextBelow(dice, 3) }, () => anyValue(dice));
          const bs = Array.from({ length: 1 + nextBelow(dice, 2) }, () => anyValue(dice));
          const a = abstractOf(as, dice);
          const b = abstractOf(bs, dice);
          const decided = decide(scalarReg(a), scalarReg(b), code, !wide);
          const holds = [a.copy(), b.copy()] as const;
          const fails = [a.copy(), b.copy()] as const;
          refine(holds[0], holds[1], code, !wide);
          refine(fails[0], fails[1], opposite(code), !wide);
          for (const x of as)
            for (const y of bs) {
              const outcome = wide ? concrete(x, y, true) : concrete(u32(x), u32(y), false);
              const where = `seed ${seed}: ${x} ${name} ${y}; from ${show(a)} and ${show(b)}`;
              if (decided !== null && decided !== outcome) expect.fail(`${where}: decided ${decided}`);
              const [p, q] = outcome ? holds : fails;
              if (!contains(p, x)) expect.fail(`${where}: left side not in ${show(p)}`);
              if (!contains(q, y)) expect.fail(`${where}: right side not in ${show(q)}`);
            }
        }
      });
    }
  }
});
