import { describe, expect, it } from "vitest";
import type { KernelEvent } from "../../protocol/engine-types.ts";
import { EVENTS, SNAPSHOT } from "../dev/fixture.ts";
import { namesOf } from "../text/names.ts";
import { sliceOf } from "./EventList.tsx";
import { holdersOf } from "./holders.ts";
import { pendingTimers, shareLeft } from "./timer-order.ts";

const many = (n: number): KernelEvent[] =>
  Array.from({ length: n }, (_, seq) => ({ seq, at: seq, cpu: null, kind: "rcu-wait", what: "x" }));

describe("event list", () => {
  it("shows a short recording whole", () => {
    const events = many(500);
    expect(sliceOf(events, 400, 0)).toEqual({ events, before: 0 });
  });

  it("shows what is around now of a long one, from a round number on", () => {
    const events = many(50_000);
    const { events: shown, before } = sliceOf(events, 50_000, 0);
    expect(before % 1000).toBe(0);
    expect(shown[0]?.seq).toBe(before);
    expect(shown.at(-1)?.seq).toBe(49_999);
    const next = sliceOf(many(50_100), 50_100, 0);
    expect(next.before).toBe(before);
    expect(sliceOf(events, 50_000, 2000).before).toBe(before - 2000);
    expect(sliceOf(events, 10, 0).before).toBe(0);
  });
});

describe("holders", () => {
  const names = namesOf(SNAPSHOT, EVENTS);

  it("says who holds a program, its timers in one line", () => {
    const holders = holdersOf(SNAPSHOT.graph, "prog:3", names);
    expect(holders.map((h) => h.name)).toEqual(["fd 3", "xdp eth0", "4 timers"]);
  });

  it("knows user references from others, and leaves out what only points", () => {
    const holders = holdersOf(SNAPSHOT.graph, "map:2", names);
    expect(holders.map((h) => h.kind).sort()).toEqual(["holds", "user", "user"]);
    expect(holdersOf(SNAPSHOT.graph, "element:2:00000000", names).map((h) => h.kind)).toEqual(["owns"]);
  });
});

describe("pending timers", () => {
  it("puts what runs first, then by expiry, and leaves idle ones out", () => {
    expect(pendingTimers(SNAPSHOT).map((t) => t.label)).toEqual(["hmap[2]", "hmap[0]", "hmap[1]"]);
  });

  it("gives the share of the wait that is left, within its bounds", () => {
    const timer = SNAPSHOT.timers[0];
    if (!timer) throw new Error("the fixture has timers");
    expect(shareLeft(timer, timer.armedAt ?? 0)).toBe(1);
    expect(shareLeft(timer, timer.expires ?? 0)).toBe(0);
    expect(shareLeft(timer, (timer.expires ?? 0) + 1e9)).toBe(0);
  });
});
