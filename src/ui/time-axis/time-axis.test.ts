import { describe, expect, it } from "vitest";
import type { KernelEvent, KernelEventBody } from "../../protocol/engine-types.ts";
import { EVENTS, SNAPSHOT } from "../dev/fixture.ts";
import { formatMoment } from "../text/format.ts";
import { namesOf } from "../text/names.ts";
import { barsOf, densityOf, LabelRoom, stepSummary, userClusters } from "./marks.ts";
import { axisRows, rowSeq, rowSpeech } from "./rows.ts";
import { pan, tickStep, ticks, zoom } from "./scale.ts";
import { Timeline } from "./timeline.ts";

const MS = 1e6;
const timelineOf = (events: readonly KernelEvent[]): Timeline => {
  const timeline = new Timeline();
  timeline.update(events);
  return timeline;
};

function record(...steps: readonly (readonly [number, number | null, KernelEventBody])[]): KernelEvent[] {
  return steps.map(([ms, cpu, body], seq) => ({ seq, at: ms * MS, cpu, ...body }));
}
const T = "t:2:00000000";
const arm = (expires: number): KernelEventBody => ({
  kind: "timer-arm",
  timer: T,
  expires: expires * MS,
  was: null,
  onCpu: 0,
});
const fire = (run: number): KernelEventBody => ({ kind: "timer-fire", timer: T, run, functionName: "cb", late: 0 });

describe("timeline", () => {
  it("makes runs and waits of events", () => {
    const timeline = timelineOf(
      record(
        [1, 0, { kind: "prog-start", prog: 3, run: 1, source: "test-run" }],
        [1.5, 0, arm(10)],
        [2, 0, { kind: "prog-end", prog: 3, run: 1, retval: "0" }],
        [10, 0, fire(2)],
        [11, 0, { kind: "timer-return", timer: T, run: 2, retval: "0" }],
      ),
    );
    expect(timeline.runs.map((r) => [r.kind, r.from / MS, (r.to ?? 0) / MS])).toEqual([
      ["program", 1, 2],
      ["callback", 10, 11],
    ]);
    expect(timeline.waits).toHaveLength(1);
    expect(timeline.waits[0]).toMatchObject({ armedBy: 0, firedRun: 3, endSeq: 3 });
  });

  it("ends a wait that is cancelled or moved without a run", () => {
    const timeline = timelineOf(
      record([1, 0, arm(10)], [2, 0, arm(20)], [3, 0, { kind: "timer-cancel", timer: T, wasQueued: true }]),
    );
    expect(timeline.waits.map((w) => [w.endSeq, w.firedRun])).toEqual([
      [1, null],
      [2, null],
    ]);
  });

  it("keeps a timer that an element got after the one before was dropped", () => {
    const init: KernelEventBody = { kind: "timer-init", timer: T, clock: "jiffies", retval: 0, errno: null };
    const timeline = timelineOf(
      record(
        [0, 0, init],
        [1, 0, arm(10)],
        [2, 0, { kind: "timer-drop", timer: T, why: "update" }],
        [3, 0, init],
        [4, 0, arm(20)],
        [5, null, { kind: "timer-free", timer: T }],
        [20, 0, fire(1)],
      ),
    );
    expect(timeline.waits.map((w) => [w.seq, w.endSeq, w.firedRun])).toEqual([
      [1, 2, null],
      [4, 6, 6],
    ]);
    expect(timeline.livesOf(T).map((l) => l.freedSeq)).toEqual([2, null]);
  });

  it("grows to the same as if it had been made at once", () => {
    const grown = new Timeline();
    for (let n = 0; n <= EVENTS.length; n += 7) grown.update(EVENTS.slice(0, n));
    grown.update(EVENTS);
    const whole = timelineOf(EVENTS);
    expect(grown.runs).toEqual(whole.runs);
    expect(grown.waits).toEqual(whole.waits);
    expect([...grown.refs]).toEqual([...whole.refs]);
  });

  it("begins again when the recording is another one", () => {
    const timeline = timelineOf(EVENTS);
    timeline.update(record([1, 0, arm(10)]));
    expect(timeline.runs).toHaveLength(0);
    expect(timeline.waits).toHaveLength(1);
  });
});

describe("scale", () => {
  it("steps by 1, 2, 4 or 5 times a power of ten, wide enough for labels", () => {
    for (const span of [1e3, 7e5, 4.4e7, 1e9, 3e11]) {
      const step = tickStep(span, 1000, 74);
      expect((step / span) * 1000).toBeGreaterThanOrEqual(74);
      expect([1, 2, 4, 5]).toContain(Math.round(step / 10 ** Math.floor(Math.log10(step) + 1e-9)));
    }
  });

  it("marks every second tick as major and keeps inside the window", () => {
    const list = ticks({ from: 5 * MS, to: 21 * MS }, 4 * MS);
    expect(list.filter((t) => t.major).map((t) => t.at / MS)).toEqual([8, 12, 16, 20]);
    expect(list.every((t) => t.at >= 5 * MS && t.at <= 21 * MS)).toBe(true);
  });

  it("zooms at the pointer and never pans before zero", () => {
    const near = zoom({ from: 0, to: 100 * MS }, 0.5, 25 * MS, 100 * MS);
    expect(near.to - near.from).toBe(50 * MS);
    expect((25 * MS - near.from) / (near.to - near.from)).toBeCloseTo(0.25);
    expect(pan({ from: 10, to: 20 }, -50)).toEqual({ from: 0, to: 10 });
  });
});

describe("marks", () => {
  const runs = timelineOf(EVENTS).runs;

  it("gives a bar at least 4 px and stands bars of one moment side by side", () => {
    const bars = barsOf(runs, 1, (t) => t / MS, 45 * MS);
    expect(bars.every((b) => b.w >= 4)).toBe(true);
    for (let i = 1; i < bars.length; i++)
      expect((bars[i]?.x ?? 0) >= (bars[i - 1]?.x ?? 0) + (bars[i - 1]?.w ?? 0)).toBe(true);
  });

  it("counts what finds no room", () => {
    const crowd = Array.from({ length: 50 }, (_, i) => ({ ...runs[0]!, seq: i, cpu: 0, from: 0, to: 0 }));
    const bars = barsOf(crowd, 0, () => 0, 0);
    expect(bars.reduce((n, b) => n + 1 + b.more, 0)).toBe(50);
    expect(densityOf(crowd, 0, () => 10, 100)).toEqual([{ x: 9, programs: 50, callbacks: 0 }]);
  });

  it("lets the label that asks first keep its room", () => {
    const room = new LabelRoom();
    expect(room.ask(10, 20)).toBe(true);
    expect(room.ask(15, 30)).toBe(false);
    expect(room.ask(20, 30)).toBe(true);
  });

  it("says steps of user space shortly", () => {
    const step = (text: string) => stepSummary({ seq: 0, at: 0, text, errno: null });
    expect(step("prog run arm ctx.rx_queue_index=0 cpu=1")).toBe("run arm");
    expect(step("map update hmap 3 {stuff: 1}")).toBe("update [3]");
    expect(step("process P2: map close hmap")).toBe("close hmap");
    expect(step("object load")).toBe("load");
    expect(
      userClusters(
        [0, 1, 2].map((at) => ({ seq: at, at, text: "map update m 1 2", errno: null })),
        (t) => t,
      )[0]?.label,
    ).toBe("3 updates");
  });
});

describe("rows, time running downwards", () => {
  const names = namesOf(SNAPSHOT, EVENTS);
  const { rows, lines } = axisRows(timelineOf(EVENTS), SNAPSHOT, EVENTS.length, names);

  it("puts now between what happened and what is due", () => {
    const now = rows.findIndex((r) => r.kind === "now");
    const after = rows.slice(now + 1).flatMap((r) => (r.kind === "events" ? r.cells.map((c) => c.text) : []));
    expect(after).toEqual(["[0] due", "[1] due"]);
    expect(rows.slice(0, now).every((r) => r.kind !== "events" || !r.later)).toBe(true);
  });

  it("joins what happens at one time on different CPUs, and writes long gaps out", () => {
    const both = rows.find((r) => r.kind === "events" && r.at === 32 * MS);
    expect(both?.kind === "events" ? both.cells.map((c) => c.text) : []).toEqual(["[0] fires", "[3] fires"]);
    expect(rows.filter((r) => r.kind === "gap").map((r) => (r.kind === "gap" ? r.ns / MS : 0))).toEqual([9.6]);
  });

  it("draws a line from where a timer was armed to where it fires or is due", () => {
    for (const line of lines) {
      expect(line.to).toBeGreaterThan(line.from);
      const end = rows[line.to];
      const cell = end?.kind === "events" ? end.cells.find((c) => c.column === line.column) : undefined;
      expect(cell?.kind).toBe(line.pending ? "due" : "callback");
    }
    expect(lines.filter((l) => l.pending)).toHaveLength(2);
  });

  it("seeks to the last event of a row and speaks it", () => {
    const row = rows.find((r) => r.kind === "events" && r.at === 32 * MS);
    expect(row && rowSpeech(row, formatMoment)).toBe("32.0 ms: CPU 0: [0] fires; CPU 1: [3] fires");
    const seq = row ? rowSeq(row) : null;
    expect(EVENTS[seq ?? -1]).toMatchObject({ kind: "timer-fire", at: 32 * MS });
  });

  it("shows later events as still to come when time was moved back", () => {
    const early = axisRows(timelineOf(EVENTS), { ...SNAPSHOT, now: 20 * MS }, 30, names).rows;
    const now = early.findIndex((r) => r.kind === "now");
    expect(early.slice(now + 1).every((r) => r.kind === "gap" || (r.kind === "events" && r.later))).toBe(true);
    expect(now).toBeGreaterThan(3);
  });
});
