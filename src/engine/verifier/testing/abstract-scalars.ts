import { nextBelow, nextU32, type Prng } from "../../base/prng.ts";
import { Scalar } from "../scalar.ts";

export const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
export const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);
export const u32 = (x: bigint): bigint => BigInt.asUintN(32, x);
export const s32 = (x: bigint): bigint => BigInt.asIntN(32, x);

const EDGES = [0n, 1n, 2n, 7n, 255n, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 32n];

/** A value of 64 bits, near an edge more often than not. */
export function anyValue(dice: Prng): bigint {
  const raw = (BigInt(nextU32(dice)) << 32n) | BigInt(nextU32(dice));
  switch (nextBelow(dice, 6)) {
    case 0:
      return raw;
    case 1:
      return u64(-EDGES[nextBelow(dice, EDGES.length)]!);
    case 2:
      return EDGES[nextBelow(dice, EDGES.length)]!;
    case 3:
      return raw & 0xffn;
    case 4:
      return raw & 0xffffffffn;
    default:
      return u64(s64(raw) >> BigInt(nextBelow(dice, 64)));
  }
}

/** An abstract scalar that contains all `members`, with some slack, and is consistent in itself. */
export function abstractOf(members: readonly bigint[], dice: Prng): Scalar {
  const s = new Scalar();
  const sorted = (f: (x: bigint) => bigint): bigint[] => members.map(f).sort((a, b) => Number(a > b) - Number(a < b));
  const least = (f: (x: bigint) => bigint): bigint => sorted(f)[0]!;
  const most = (f: (x: bigint) => bigint): bigint => sorted(f).at(-1)!;
  const words = (x: bigint): [number, number] => [Number(BigInt.asIntN(32, x >> 32n)), Number(BigInt.asIntN(32, x))];
  if (nextBelow(dice, 3) > 0) {
    [s.uminHi, s.uminLo] = words(least(u64));
    [s.umaxHi, s.umaxLo] = words(most(u64));
  }
  if (nextBelow(dice, 3) > 0) {
    [s.sminHi, s.sminLo] = words(least(s64));
    [s.smaxHi, s.smaxLo] = words(most(s64));
  }
  if (nextBelow(dice, 3) > 0) {
    s.u32min = Number(s32(least(u32)));
    s.u32max = Number(s32(most(u32)));
  }
  if (nextBelow(dice, 3) > 0) {
    s.s32min = Number(least(s32));
    s.s32max = Number(most(s32));
  }
  if (nextBelow(dice, 3) > 0) {
    const and = members.reduce((a, b) => a & b);
    const or = members.reduce((a, b) => a | b);
    [s.mHi, s.mLo] = words(and ^ or);
    [s.vHi, s.vLo] = words(and);
  }
  return s.sync();
}

export function contains(s: Scalar, x: bigint): boolean {
  return (
    s.bigUmin <= x &&
    x <= s.bigUmax &&
    s.bigSmin <= s64(x) &&
    s64(x) <= s.bigSmax &&
    BigInt(s.u32min >>> 0) <= u32(x) &&
    u32(x) <= BigInt(s.u32max >>> 0) &&
    BigInt(s.s32min) <= s32(x) &&
    s32(x) <= BigInt(s.s32max) &&
    (x & ~s.bigMask) === s.bigValue
  );
}

export const show = (s: Scalar): string =>
  `u64=[${s.bigUmin},${s.bigUmax}] s64=[${s.bigSmin},${s.bigSmax}] u32=[${s.u32min >>> 0},${s.u32max >>> 0}] s32=[${s.s32min},${s.s32max}] var_off=(${s.bigValue.toString(16)};${s.bigMask.toString(16)})`;
