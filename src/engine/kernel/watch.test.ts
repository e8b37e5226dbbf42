import { describe, expect, it } from "vitest";
import { makePrng, nextU32 } from "../base/prng.ts";
import { numberText } from "./watch.ts";

function plain(bytes: Uint8Array, signed: boolean): string {
  const hex = [...bytes].reverse().map((b) => b.toString(16).padStart(2, "0"));
  const value = BigInt(`0x${hex.join("")}`);
  return String(signed ? BigInt.asIntN(8 * bytes.length, value) : value);
}

describe("the number that is told of a store", () => {
  it("is that of its bytes, signed or not, at the ends of every size and in between (seed 11)", () => {
    const prng = makePrng(11);
    for (const size of [1, 2, 4, 8]) {
      const samples = [0, 1, 0x7f, 0x80, 0xff].map((top) => new Uint8Array(size).fill(0xff).fill(top, size - 1));
      for (let i = 0; i < 50; i++) samples.push(Uint8Array.from({ length: size }, () => nextU32(prng) & 255));
      samples.push(new Uint8Array(size), new Uint8Array(size).fill(1, 0, 1));
      samples.push(Uint8Array.of(255, 255, 255, 255, 255, 255, 0x1f, 0).slice(0, size));
      for (const bytes of samples)
        for (const signed of [true, false])
          expect(numberText(bytes, signed), `${bytes} ${signed}`).toBe(plain(bytes, signed));
    }
  });
});
