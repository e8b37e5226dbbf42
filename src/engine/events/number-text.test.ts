import { describe, expect, it } from "vitest";
import { makePrng, nextU32 } from "../base/prng.ts";
import { numberText, registerText } from "./number-text.ts";

const EDGES = [0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0x1f_ffff, 0x20_0000, 0x80, 0x8000];

function words(): [number, number][] {
  const prng = makePrng(3);
  const some = Array.from({ length: 200 }, () => [nextU32(prng) | 0, nextU32(prng) | 0] as [number, number]);
  return [...EDGES.flatMap((low) => EDGES.map((high) => [low, high] as [number, number])), ...some];
}

const unsigned = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

describe("numbers of two words (seed 3)", () => {
  it("in decimal, of every size", () => {
    for (const [low, high] of words()) {
      for (const size of [1, 2, 3, 4, 5, 6, 7, 8]) {
        const bits = 8 * size;
        const value = BigInt.asUintN(bits, unsigned(low, high));
        expect(numberText(low, high, size, false), `${low} ${high} ${size}`).toBe(String(value));
        expect(numberText(low, high, size, true), `${low} ${high} ${size}`).toBe(String(BigInt.asIntN(bits, value)));
      }
    }
  });

  it("as a register: in decimal when small or a small negative, else in hex", () => {
    for (const [low, high] of words()) {
      const value = unsigned(low, high);
      const signed = BigInt.asIntN(64, value);
      const small = high === 0 || (signed < 0n && signed >= -0x8000_0000n);
      expect(registerText(low, high)).toBe(small ? String(signed) : `0x${value.toString(16)}`);
    }
  });
});
