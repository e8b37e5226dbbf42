import path from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { run } from "./explore.ts";

const PROGRAMS = path.join(import.meta.dirname, "../../demos/programs");
const program = (name: string): string => path.join(PROGRAMS, `${name}.bpf.c`);
const script = (name: string): string => path.join(PROGRAMS, `${name}.user`);

afterEach(() => {
  vi.restoreAllMocks();
});

async function explore(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      texts[stream] += String(text);
      return true;
    });
  }
  const code = await run(args);
  vi.restoreAllMocks();
  return { code, out: texts.stdout, err: texts.stderr };
}

it("tells a counterexample as one line of JSON, exit 1", async () => {
  const file = program("thread");
  const { code, out } = await explore(file, "--script", script("race-walk"), "--policy", "rfc", "--json");
  expect(code).toBe(1);
  const told = JSON.parse(out);
  expect(Object.keys(told)).toEqual(["file", "result", "bound", "schedules", "states", "kind", "schedule"]);
  expect(told).toMatchObject({ file, result: "counterexample", bound: 3, kind: "use-after-free" });
  const steps = told.schedule as { cpu: number; step: string; at: number }[];
  expect(steps.at(-1)).toEqual({
    cpu: 1,
    step: "use-after-free: timer callback timer_cb of hmap[0] called after its program bpf_timer_test was freed",
    at: expect.any(Number),
  });
  const order = [
    /begin0: prog close/,
    /walk of .* nothing to cancel/,
    /bpf_timer_mod: timer of hmap\[0\] armed/,
    /freed$/,
  ];
  const places = order.map((pattern) => steps.findIndex((s) => pattern.test(s.step)));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
});

it("exit 0 when nothing is found, 2 for what cannot be searched, 3 when it is not searched to the end", async () => {
  const locked = await explore(program("race-counter"), "--script", script("race-locked"), "--bound", "2");
  expect(locked).toMatchObject({ code: 0, err: "" });
  expect(locked.out).toMatch(/^none: no schedule with at most 2 preemptions fails/);
  expect(await explore(program("race-counter"), "--bound", "x")).toMatchObject({ code: 2, out: "" });
  expect(await explore(program("race-counter"), "--script", "nowhere.user")).toMatchObject({ code: 2, out: "" });
  const limited = await explore(program("race-counter"), "--script", script("race-locked"), "--states", "20", "--json");
  expect(limited).toMatchObject({ code: 3, err: "explore: the limit of 20 states is reached\n" });
  expect(JSON.parse(limited.out)).toMatchObject({ result: "stopped", kind: null, schedule: [] });
});

it("the text has a lane per CPU, and says where it fails", async () => {
  const { code, out } = await explore(program("race-counter"), "--script", script("race-bare"));
  expect(code).toBe(1);
  expect(out).toMatch(/<0 \. {2}prog run packet\n/);
  expect(out).toMatch(/\. 1 {2}writes flows\[0\]\.count: 1 → 1 {2}\(tick, line \d+\)\n/);
  expect(out).toMatch(/FAILS: expect map flows\[0\]\.count == 2: it is 1\n/);
});
