import { describe, expect, it } from "vitest";
import { makePrng, nextBelow } from "../base/prng.ts";
import { type LastWrite, LastWrites } from "./last-writes.ts";

describe("the last writes of values", () => {
  it("are those of a plain table, also in copies that go their own ways (seed 9)", () => {
    const prng = makePrng(9);
    const pairs: { own: LastWrites; plain: Map<number, LastWrite> }[] = [{ own: new LastWrites(), plain: new Map() }];
    for (let seq = 0; seq < 20_000; seq++) {
      const { own, plain } = pairs[nextBelow(prng, pairs.length)] as (typeof pairs)[number];
      const valueAt = 0x1_0000 + 8 * nextBelow(prng, 300);
      const chance = nextBelow(prng, 100);
      if (chance < 70) {
        own.note(valueAt, 2 * seq, seq % 7, seq);
        plain.set(valueAt, { at: 2 * seq, by: seq % 7, seq });
      } else if (chance < 80) {
        own.forget(valueAt);
        plain.delete(valueAt);
      } else if (chance < 99) {
        expect(own.get(valueAt)).toEqual(plain.get(valueAt) ?? null);
        expect(own.seqOf(valueAt)).toBe(plain.get(valueAt)?.seq ?? -1);
      } else {
        if (pairs.length === 4) pairs.splice(nextBelow(prng, 4), 1);
        pairs.push({ own: own.clone(), plain: new Map(plain) });
      }
    }
    for (const { own, plain } of pairs)
      for (let i = 0; i < 300; i++) expect(own.get(0x1_0000 + 8 * i)).toEqual(plain.get(0x1_0000 + 8 * i) ?? null);
  });
});
