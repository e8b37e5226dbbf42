import { describe, expect, it } from "vitest";
import { makePrng, nextBelow, nextU32 } from "../../base/prng.ts";
import { dequeueHrtimer, enqueueHrtimer, hrtimersInOrder, makeHrtimerQueue, popHrtimer } from "./hrtimer-queue.ts";
import {
  bucketFor,
  bucketJiffy,
  collectWheel,
  dequeueWheel,
  enqueueWheel,
  forwardWheel,
  makeWheel,
  nextWheelJiffy,
} from "./wheel.ts";

const SEED = 20210412;

describe("hrtimer queue", () => {
  it(`serves as a sorted list does (seed ${SEED})`, () => {
    const prng = makePrng(SEED);
    const queue = makeHrtimerQueue();
    let model: { index: number; key: number; order: number }[] = [];
    let order = 0;
    for (let i = 0; i < 6000; i++) {
      const index = nextBelow(prng, 300);
      const queued = model.some((t) => t.index === index);
      switch (nextBelow(prng, 3)) {
        case 0:
          if (!queued) {
            const key = nextBelow(prng, 50) - 2;
            model.push({ index, key, order });
            enqueueHrtimer(queue, index, key, order++);
          }
          break;
        case 1:
          expect(dequeueHrtimer(queue, index)).toBe(queued);
          model = model.filter((t) => t.index !== index);
          break;
        default: {
          model.sort((a, b) => a.key - b.key || a.order - b.order);
          expect(popHrtimer(queue)).toBe(model.shift()?.index ?? -1);
        }
      }
      if (i % 500 === 0) {
        model.sort((a, b) => a.key - b.key || a.order - b.order);
        expect(hrtimersInOrder(queue).map((t) => t.index)).toEqual(model.map((t) => t.index));
      }
      expect(queue.live).toBe(model.length);
    }
  });

  it("clears away what was cancelled", () => {
    const queue = makeHrtimerQueue();
    for (let i = 0; i < 100_000; i++) {
      enqueueHrtimer(queue, i % 10, i, i);
      dequeueHrtimer(queue, i % 10);
    }
    expect(queue.size).toBeLessThan(3000);
  });
});

/** The wheel told jiffy by jiffy, from its definition: at each, the buckets whose turn it is, coarsest first, newest first. */
class NaiveWheel {
  clk = 0;
  timers: { index: number; bucket: number }[] = [];

  jiffy(): number[] {
    const due: number[] = [];
    for (let level = 8; level >= 0; level--) {
      const grain = 8 ** level;
      if (this.clk % grain !== 0) continue;
      const bucket = level * 64 + ((this.clk / grain) % 64);
      const here = this.timers.filter((t) => t.bucket === bucket).reverse();
      this.timers = this.timers.filter((t) => t.bucket !== bucket);
      due.push(...here.map((t) => t.index));
    }
    this.clk++;
    return due;
  }
}

describe("timer wheel", () => {
  it.each([100, 250, 1000])(`HZ %i: serves as the plain model does (seed ${SEED})`, (hz) => {
    const prng = makePrng(SEED + hz);
    const wheel = makeWheel();
    const model = new NaiveWheel();
    const queued = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const index = nextBelow(prng, 200);
      const kind = nextBelow(prng, 4);
      if (kind < 2 && !queued.has(index)) {
        const ahead = [64, 600, 5000, 300_000][nextBelow(prng, 4)] as number;
        const expires = wheel.clk + nextBelow(prng, ahead) - 2;
        model.timers.push({ index, bucket: bucketFor(wheel.clk, expires, hz) });
        enqueueWheel(wheel, index, expires, hz);
        queued.add(index);
      } else if (kind === 2) {
        expect(dequeueWheel(wheel, index)).toBe(queued.delete(index));
        model.timers = model.timers.filter((t) => t.index !== index);
      } else {
        const until = wheel.clk + nextBelow(prng, 40);
        const expected: number[] = [];
        while (model.clk <= until) expected.push(...model.jiffy());
        expect(collectWheel(wheel, until)).toEqual(expected);
        for (const timer of expected) queued.delete(timer);
      }
      expect(wheel.clk).toBe(model.clk);
      expect(wheel.count).toBe(queued.size);
    }
  });

  it("is never early, and late by at most an eighth of the distance and one jiffy", () => {
    const prng = makePrng(SEED);
    for (let i = 0; i < 20_000; i++) {
      const clk = nextU32(prng);
      const distance = nextBelow(prng, 2 ** (1 + nextBelow(prng, 29)));
      const served = bucketJiffy(clk, bucketFor(clk, clk + distance, 250));
      const lateness = served - (clk + distance);
      if (distance > 1_000_000_000 / 2) continue;
      expect(lateness).toBeGreaterThan(0);
      expect(lateness).toBeLessThanOrEqual(Math.max(1, distance / 7 + 1));
    }
  });

  it("jumps ahead when it is idle, but not over what waits", () => {
    const wheel = makeWheel();
    forwardWheel(wheel, 1000);
    expect(wheel.clk).toBe(1000);
    enqueueWheel(wheel, 1, 1010, 250);
    expect(nextWheelJiffy(wheel)).toBe(1011);
    forwardWheel(wheel, 2000);
    expect(wheel.clk).toBe(1011);
    expect(collectWheel(wheel, 1011)).toEqual([1]);
  });
});
