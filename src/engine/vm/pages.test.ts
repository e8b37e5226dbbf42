import { describe, expect, it } from "vitest";
import { makePrng, nextBelow } from "../base/prng.ts";
import { GuestMemory } from "./memory.ts";
import { keepPages, putPages } from "./pages.ts";

const SEED = 99;

describe("kept pages", () => {
  it(`give back what was kept, and share what did not change (seed ${SEED})`, () => {
    const prng = makePrng(SEED);
    const bytes = new Uint8Array(100_000);
    let kept = keepPages(bytes, 70_001, null);
    expect(new Set(kept.pages).size).toBe(1);
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 5; i++) bytes[nextBelow(prng, bytes.length)] = nextBelow(prng, 256);
      const next = keepPages(bytes, 70_001, kept);
      expect(next.pages.filter((page, i) => page !== kept.pages[i]).length).toBeLessThanOrEqual(5);
      kept = next;
      const copy = new Uint8Array(100_000).fill(7);
      putPages(kept, copy, 90_000);
      expect(copy.slice(0, 70_001)).toEqual(bytes.slice(0, 70_001));
      expect(copy[89_999]).toBe(0);
      expect(copy[90_000]).toBe(7);
    }
  });

  it("memory is the same after a restore, wherever it went in between", () => {
    const memory = new GuestMemory();
    const first = memory.allocate(5000, "map-value", "a", null) as number;
    memory.bytes.fill(3, first, first + 5000);
    const checkpoint = memory.checkpoint();
    const second = memory.allocate(300_000, "map-value", "b", null) as number;
    memory.bytes.fill(9, second, second + 300_000);
    memory.free(first, 5);
    memory.checkpoint();
    memory.restore(checkpoint);
    expect(memory.readable(first, 5000)).toBe(true);
    expect(memory.bytes[first + 4999]).toBe(3);
    expect(memory.readable(second, 1)).toBe(false);
    expect(memory.objectAt(first)?.freedAt).toBe(null);
    expect(memory.allocate(300_000, "map-value", "c", null)).toBe(second);
    expect(memory.bytes.slice(second, second + 300_000).every((b) => b === 0)).toBe(true);
  });
});
