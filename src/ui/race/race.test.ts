import { describe, expect, it } from "vitest";
import type { ExploreReport } from "../../protocol/engine.ts";
import type { ShownStep } from "../../protocol/engine-types.ts";
import { INITIAL_STATE } from "../../store/initial-state.ts";
import type { PlaygroundState } from "../../store/types.ts";
import { resultWords, scheduleMarkdown, verdictOf } from "./race-text.ts";
import { blocksOf, readinessOf } from "./readiness.ts";
import { laneOf, lanesOf, rowsOf } from "./rows.ts";

const step = (id: string, cpu: number, more: Partial<ShownStep> = {}): ShownStep => ({
  cpu,
  step: `${id}: words of ${id}`,
  at: 16e6,
  actor: "prog arm",
  words: `words of ${id}`,
  place: null,
  from: 0,
  to: 1,
  change: "same",
  mark: "none",
  ...more,
});

const STEPS: readonly ShownStep[] = [
  step("script", -1, { actor: "script" }),
  step("cpu0", 0),
  step("worker6", -1, { mark: "quiet", change: "preemption" }),
  step("worker6", -1, { mark: "quiet" }),
  step("worker6", -1),
  step("cpu1", 1, { change: "switch" }),
  step("cpu1", 1, { mark: "quiet" }),
  step("time", -1, { actor: "time" }),
  step("cpu0", 0, { mark: "quiet" }),
  step("use-after-free", 1, { mark: "failure" }),
];

describe("rows of a schedule", () => {
  it("fold silent steps into the one that says what they are about", () => {
    const rows = rowsOf(STEPS, false);
    expect(rows.map((r) => [r.from, r.index, r.to])).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      [2, 4, 4],
      [5, 5, 6],
      [7, 7, 7],
      [8, 8, 8],
      [9, 9, 9],
    ]);
    expect(rows[2]?.change).toBe("preemption");
  });

  it("cover every step once, folded or not", () => {
    for (const all of [true, false]) {
      const rows = rowsOf(STEPS, all);
      const covered = rows.flatMap((r) => Array.from({ length: r.to - r.from + 1 }, (_, i) => r.from + i));
      expect(covered).toEqual(STEPS.map((_, i) => i));
    }
  });

  it("stand in the lanes of who does them", () => {
    expect(STEPS.map(laneOf)).toEqual(["script", 0, "kernel", "kernel", "kernel", 1, 1, "script", 0, 1]);
    expect(lanesOf(STEPS)).toEqual([0, 1, "kernel"]);
    expect(lanesOf([step("cpu1", 1), step("time", -1)])).toEqual([1]);
  });
});

const progress = { preemptions: 1, schedules: 60, states: 151, depth: 21, steps: 400 };
const report = (outcome: ExploreReport["outcome"], more: Partial<ExploreReport> = {}): ExploreReport => ({
  policy: "rfc",
  diagnostics: [],
  concurrent: true,
  outcome,
  schedule: null,
  milliseconds: 250,
  ...more,
});
const failure = {
  kind: "leak",
  message: "nothing outside holds it",
  cpu: -1,
  at: 0,
  place: null,
  line: null,
  loop: [],
} as const;

describe("the verdict", () => {
  it("claims no more than was searched", () => {
    const none = verdictOf(report({ result: "none", bound: 2, progress }));
    expect(none).toMatchObject({ tone: "good", title: "No schedule with at most 2 preemptions fails" });
    expect(none.sentence).toMatch(/Of schedules with more it says nothing/);
    expect(verdictOf(report({ result: "none", bound: 0, progress })).title).toBe(
      "No schedule without a preemption fails",
    );
  });

  it("names the failure, or why nothing can be said, and what to do", () => {
    const found = report({
      result: "counterexample",
      bound: 3,
      progress,
      found: { failure, choices: [], preemptions: 0 },
    });
    expect(verdictOf(found)).toEqual({
      tone: "bad",
      title: "Leak",
      sentence: "Under policy rfc: nothing outside holds it.",
    });
    expect(resultWords(found.outcome)).toBe("leak");
    const stopped = report({ result: "stopped", why: "the limit of 9 states is reached", bound: 3, progress });
    expect(verdictOf(stopped).sentence).toMatch(/^The limit of 9 states is reached\. .*smaller bound/);
    expect(verdictOf(report({ result: "stopped", why: "cancelled", bound: 3, progress })).title).toMatch(/^Cancelled/);
    expect(verdictOf(report(null, { concurrent: false })).title).toBe("Nothing runs side by side");
    const diagnostics = [
      {
        severity: "error" as const,
        message: "no such map",
        span: { file: "s", line: 3, column: 1, endLine: 3, endColumn: 2 },
      },
    ];
    expect(verdictOf(report(null, { diagnostics })).sentence).toBe("Line 3: no such map. Mend it, then explore.");
  });

  it("becomes Markdown, a row per step", () => {
    const found = report({
      result: "counterexample",
      bound: 3,
      progress,
      found: { failure, choices: [], preemptions: 1 },
    });
    const text = scheduleMarkdown(found, { steps: STEPS, failure }, "prog run arm\n");
    expect(text).toMatch(/^\*\*Leak\*\* under policy `rfc`, with 1 preemption \(60 schedules, 151 states/);
    expect(text).toContain("| 3 | 16.0 | kernel (preempts) | words of worker6 |  |");
    expect(text).toContain("| 7 | 16.0 | CPU 1 | **words of use-after-free** |  |");
  });
});

describe("what a search needs", () => {
  it("are lines that run side by side, block by block", () => {
    const script = "prog run a\ncpu 1: b # why\n\n# a remark\ncpu 0: c\ncpu 1: d\nrcu settle\nprocess P2: cpu 0: e\n";
    expect(blocksOf(script).map((block) => [...block])).toEqual([
      [
        [0, ["c"]],
        [1, ["b", "d"]],
      ],
      [[0, ["e"]]],
    ]);
  });

  const state = (script: string, build: Partial<PlaygroundState["build"]>): PlaygroundState => ({
    ...INITIAL_STATE,
    source: { ...INITIAL_STATE.source, script },
    build: { ...INITIAL_STATE.build, ...build },
  });
  const good = { ok: true, dialect: "linux", diagnostics: [], programs: [], maps: [], runnable: true } as const;

  it.each([
    ["building", "", {}],
    ["refused", "cpu 0: exit", { report: { ...good, runnable: false } }],
    ["refused", "cpu 0: exit", { report: good, runningOlder: true }],
    ["no-block", "prog run arm # cpu 0: no", { report: good }],
    ["ready", "prog run arm\n  cpu 1: exit\n", { report: good }],
    ["ready", "process P2: cpu 1: exit", { report: good }],
  ] as const)("%s: %s", (expected, script, build) => expect(readinessOf(state(script, build))).toBe(expected));
});
