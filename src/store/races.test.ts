import { afterEach, beforeAll, expect, it } from "vitest";
import type { PrecompiledBuild } from "../protocol/compiler.ts";
import { openPage, precompile, type TestPage } from "./testing/page.ts";

let precompiled: PrecompiledBuild[];
let page: TestPage;

beforeAll(async () => {
  precompiled = await precompile(["thread", "race-counter"]);
});
afterEach(() => page.playground.close());

async function open(demo: string) {
  page = openPage({ precompiled });
  await page.playground.start("");
  page.playground.actions.openDemo(demo);
  await page.until(
    (s) => s.source.demo === demo && s.build.phase === "done" && s.run.events.length > 5,
    "the demo runs",
  );
  return page.playground.actions;
}

it("finds a race, replays it as the run, and shows the moment behind each step", async () => {
  const actions = await open("race-walk");
  actions.explore();
  await page.until((s) => s.race.phase === "searching", "a search");
  const found = await page.until((s) => s.race.replayed && s.run.status === "oops", "a counterexample");
  const { report, schedule, step } = found.race;
  expect(report?.outcome?.result).toBe("counterexample");
  expect(schedule?.failure?.kind).toBe("use-after-free");
  expect(step).toBe((schedule?.steps.length ?? 0) - 1);
  expect(found.run.snapshot?.oops?.message).toBe(schedule?.failure?.message);
  const armed = schedule?.steps.findIndex((s) => s.mark === "cause") ?? -1;
  actions.selectStep(armed);
  const there = await page.until((s) => s.run.position === schedule?.steps[armed]?.to, "the moment behind a step");
  expect(there.run.events[there.run.position - 1]?.kind).toMatch(/timer-arm|helper/);
  expect(there.run.snapshot?.oops).toBeNull();
  expect(there.race.step).toBe(armed);
});

it("forgets what it found at an edit, and the bound stays", async () => {
  const actions = await open("race-bare");
  actions.setBound(1);
  actions.explore();
  await page.until((s) => s.race.replayed, "a counterexample");
  actions.editScript("prog run arm\n");
  expect(page.state().race).toMatchObject({ bound: 1, phase: "idle", report: null, schedule: null, replayed: false });
});

it("searches a larger space as long as one likes, and stops when told to", async () => {
  const actions = await open("race-bare");
  const lines = Array.from({ length: 14 }, (_, i) => `cpu ${i % 2}: prog run packet`);
  actions.editScript(`prog run arm_locked cpu=1\n${lines.join("\n")}\ncpu 1: advance next\n`);
  await page.until((s) => s.build.phase === "done", "the script");
  actions.setBound(12);
  actions.explore();
  await page.until((s) => (s.race.progress?.schedules ?? 0) > 50, "progress");
  actions.cancelExplore();
  const stopped = await page.until((s) => s.race.phase === "done", "an end");
  expect(stopped.race.report?.outcome).toMatchObject({ result: "stopped", why: "cancelled" });
  expect(stopped.race.schedule).toBeNull();
});

it("compares the policies one after the other, and explores under one of them", async () => {
  const actions = await open("race-walk");
  actions.comparePolicies();
  const done = await page.until(
    (s) => s.race.comparison.length > 0 && s.race.comparison.every((r) => r.state === "done") && s.race.replayed,
    "all policies",
  );
  const kinds = done.race.comparison.map(({ policy, report }) => [
    policy,
    report?.outcome?.result === "counterexample" ? report.outcome.found.failure.kind : report?.outcome?.result,
  ]);
  expect(kinds).toEqual([
    ["uref", "none"],
    ["uref-5.15", "none"],
    ["rfc", "use-after-free"],
    ["rfc-sync", "none"],
    ["refcount", "leak"],
    ["unprotected", "use-after-free"],
  ]);
  actions.exploreUnder("refcount");
  const leak = await page.until((s) => s.race.replayed && s.source.settings.policy === "refcount", "the leak");
  expect(leak.race.schedule?.failure?.kind).toBe("leak");
  expect(leak.race.comparison).toHaveLength(6);
});

it("says so when nothing runs side by side, and when the script has a fault", async () => {
  const actions = await open("race-bare");
  actions.editScript("prog run packet\n");
  actions.explore();
  expect((await page.until((s) => s.race.phase === "done", "an answer")).race.report).toMatchObject({
    concurrent: false,
    outcome: null,
  });
  actions.editScript("cpu 0: prog run nothing\n");
  actions.explore();
  const { report } = (await page.until((s) => s.race.phase === "done", "an answer")).race;
  expect(report?.diagnostics[0]?.message).toMatch(/no program 'nothing'/);
});

it("a link carries the schedule, and opens it", async () => {
  const actions = await open("race-bare");
  actions.explore();
  await page.until((s) => s.race.replayed && s.run.status !== "running", "a counterexample");
  const steps = page.state().race.schedule?.steps;
  const { url } = await actions.share();
  page.playground.close();
  page = openPage({ precompiled });
  await page.playground.start(new URL(url).hash);
  const opened = await page.until((s) => s.race.replayed, "the schedule");
  expect(opened.view.view).toBe("race");
  expect(opened.race.schedule?.steps).toEqual(steps);
  expect(opened.race.schedule?.failure?.kind).toBe("expectation");
});
