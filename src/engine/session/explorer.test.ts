import { beforeAll, describe, expect, it } from "vitest";
import { nodeCompiler } from "../../cli/node-compiler.ts";
import { buildSource } from "../../toolchain/build.ts";
import type { PolicyName } from "../abi/types.ts";
import { makePrng, nextBelow } from "../base/prng.ts";
import { search } from "../explore/search.ts";
import type { Counterexample, ExploreOutcome } from "../explore/types.ts";
import { auditKernel } from "../kernel/api.ts";
import {
  choicesOf,
  DEFAULT_BOUND,
  describeSchedule,
  failureOf,
  scenarioOf,
  startExploration,
  startReplay,
} from "./explorer.ts";
import { type BuiltObject, buildObject, startRun } from "./session.ts";
import { RACE_PROGRAMS } from "./testing/race-programs.ts";
import { DEFAULT_SETTINGS, type SessionSettings } from "./types.ts";

type ProgramName = keyof typeof RACE_PROGRAMS;
const objects = new Map<ProgramName, Uint8Array>();

beforeAll(async () => {
  for (const [name, text] of Object.entries(RACE_PROGRAMS)) {
    const source = { file: `${name}.bpf.c`, text };
    const { object, diagnostics } = await buildSource(nodeCompiler, source, { cpuVersion: "v3", optimization: "O2" });
    if (object === null) throw new Error(JSON.stringify(diagnostics));
    objects.set(name as ProgramName, object);
  }
});

function build(name: ProgramName, settings: Partial<SessionSettings> = {}): BuiltObject {
  const { built, report } = buildObject({
    object: objects.get(name) as Uint8Array,
    name: `${name}.bpf.o`,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    diagnostics: [],
  });
  if (built === null || !report.ok || !report.runnable) throw new Error(JSON.stringify(report));
  return built;
}

function explore(built: BuiltObject, script: string, bound = DEFAULT_BOUND): ExploreOutcome {
  const { exploration, diagnostics } = startExploration(built, script, { bound, states: 100_000 });
  expect(diagnostics).toEqual([]);
  while (exploration.outcome === null) exploration.work();
  return exploration.outcome;
}

function foundIn(outcome: ExploreOutcome): Counterexample {
  if (outcome.result !== "counterexample") throw new Error(outcome.result);
  return outcome.found;
}

/** `none`, or what fails and with how many preemptions. */
const verdict = (outcome: ExploreOutcome): string =>
  outcome.result === "counterexample"
    ? `${outcome.found.failure.kind}, ${outcome.found.preemptions} preemptions`
    : outcome.result;

const CLOSE_WHILE_FIRING = `
map update hmap 0 {stuff: 0}
prog run arm cpu=1
cpu 0: prog close arm
cpu 1: advance next
advance 100ms
exit
rcu settle
expect no oops
`;
const BOTH_FIRE = `
prog run arm ctx.mark=0 cpu=0
prog run arm ctx.mark=1 cpu=1
cpu 0: advance next
exit
rcu settle
expect no oops
`;
const COUNT = (program: string): string => `
cpu 0: prog run ${program}
cpu 1: prog run ${program}
expect map stats[0].hits == 2
`;

describe("the policies of the thread: the program is closed while its callback, which arms itself again, may run", () => {
  it.each([
    ["uref", "none"],
    ["uref-5.15", "none"],
    ["rfc", "use-after-free, 1 preemptions"],
    ["rfc-sync", "none"],
    ["refcount", "leak, 0 preemptions"],
    ["unprotected", "use-after-free, 0 preemptions"],
  ] as const)("%s: %s", (policy, expected) => {
    const built = build("rearm", { policy });
    const outcome = explore(built, CLOSE_WHILE_FIRING);
    expect(verdict(outcome)).toBe(expected);
    if (outcome.result !== "counterexample") return;
    const { failure, choices } = outcome.found;
    const { run } = startReplay(built, CLOSE_WHILE_FIRING, choices);
    while (!run.scriptFinished && run.tick(Number.POSITIVE_INFINITY, 1000) !== "over");
    if (failure.kind === "leak") expect(run.events.slice().findLast((e) => e.kind === "leak")).toBeDefined();
    else expect(run.kernel.state.oops?.message).toBe(failure.message);
  });

  it("a program that runs on another CPU arms behind the walk", () => {
    const script = "map update hmap 0 {}\ncpu 0: prog close arm\ncpu 1: prog run arm\nadvance 100ms\n";
    const expected = { rfc: "use-after-free, 1 preemptions", "rfc-sync": "none", uref: "none" };
    for (const [policy, wanted] of Object.entries(expected))
      expect(verdict(explore(build("rearm", { policy: policy as PolicyName }), script)), policy).toBe(wanted);
  });

  // T15: no lock is needed between a callback and an update, if the update waits for the callback before it writes.
  it.each([
    ["uref", "expectation, 1 preemptions"],
    ["rfc", "expectation, 1 preemptions"],
    ["rfc-sync", "none"],
    ["unprotected", "expectation, 1 preemptions"],
  ] as const)("an update in place beside the callback that writes the same value under %s: %s", (policy, expected) => {
    const script =
      "prog run arm cpu=1\ncpu 0: map update elems 0 {ticks: 5}\ncpu 1: advance next\nexpect map elems[0].ticks >= 5\n";
    expect(verdict(explore(build("inplace", { policy }), script))).toBe(expected);
  });

  it.each([
    ["uref", "none"],
    ["uref-5.15", "deadlock, 1 preemptions"],
    ["refcount", "leak, 0 preemptions"],
  ] as const)("two callbacks that cancel each other under %s: %s", (policy, expected) => {
    expect(verdict(explore(build("mutual", { policy }), BOTH_FIRE))).toBe(expected);
  });

  it("a program is found within the section in which it runs, however its process ends beside it", () => {
    const script = `prog run arm
cpu 0: exit
cpu 1: prog run arm ctx.mark=1 repeat=2
advance 50ms
rcu settle
expect no oops
`;
    expect(verdict(explore(build("mutual"), script))).toBe("none");
  });

  it("timer-map: the entry holds its callback's program, and its delete cancels", () => {
    const script = `timer create timers tick 4j
cpu 0: prog close tick
cpu 1: map delete timers 1
cpu 1: advance next
exit
rcu settle
expect no oops
expect prog tick freed
`;
    expect(verdict(explore(build("timermap", { policy: "timer-map" }), script))).toBe("none");
  });
});

describe("the policies that are to hold", () => {
  const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e6));
  it(`do so under random scripts (SEED=${SEED})`, () => {
    const prng = makePrng(SEED);
    const pick = <T>(items: readonly T[]): T => items[nextBelow(prng, items.length)] as T;
    const commands = [
      "prog run arm",
      "prog run arm ctx.rx_queue_index=1",
      "prog close arm",
      "map delete hmap 0",
      "map update hmap 0 {stuff: 5}",
      "advance next",
      "map close hmap",
      "exit",
      "process P2: prog open arm",
      "prog pin arm /p",
    ];
    for (let i = 0; i < 4; i++) {
      const policy = pick(["uref", "rfc-sync"] as const);
      const lines = [0, 1].map((cpu) => `cpu ${cpu}: ${pick(commands)}\ncpu ${cpu}: ${pick(commands)}`);
      const script = `map update hmap 0 {}\nprog run arm cpu=1\n${lines.join("\n")}\nadvance 50ms\nrcu settle\n`;
      const { exploration } = startExploration(build("rearm", { policy }), script, { bound: 1, states: 2000 });
      while (exploration.outcome === null) exploration.work();
      expect(exploration.outcome.result, `${policy}: ${script}`).not.toBe("counterexample");
    }
  });
});

describe("a value that two CPUs change", () => {
  it.each([
    ["bare", "expectation, 1 preemptions"],
    ["locked", "none"],
    ["atomic", "none"],
  ])("%s: %s", (program, expected) => {
    expect(verdict(explore(build("count"), COUNT(program)))).toBe(expected);
  });

  it.each([
    ["check", "any", "expectation, 1 preemptions"],
    ["check_locked", "any", "expectation, 1 preemptions"],
    ["check", "lock", "expectation, 1 preemptions"],
    ["check_locked", "lock", "none"],
  ])("is seen half written by %s beside an update with %s: %s", (program, flag, expected) => {
    const script = `cpu 0: prog run ${program}\ncpu 0: expect retval == 0\ncpu 1: map update pairs 0 {a: 1, b: 1} ${flag}\n`;
    expect(verdict(explore(build("pair"), script))).toBe(expected);
  });

  it("loses nothing without a preemption", () => {
    expect(verdict(explore(build("count"), COUNT("bare"), 0))).toBe("none");
  });

  it("tells the lost update step by step, and the recording walks it", () => {
    const built = build("count");
    const found = foundIn(explore(built, COUNT("bare")));
    const { steps, failure } = describeSchedule(built, COUNT("bare"), found.choices);
    expect(failure).toEqual(found.failure);
    expect(steps.map((s) => s.step)).toEqual([
      "begin0: prog run bare",
      "cpu0: bare begins",
      expect.stringMatching(/^cpu0: bpf_map_lookup_elem/),
      "cpu0: reads stats[0].hits: 0",
      "begin1: prog run bare",
      "cpu1: bare begins",
      expect.stringMatching(/^cpu1: bpf_map_lookup_elem/),
      "cpu1: reads stats[0].hits: 0",
      "cpu1: writes stats[0].hits: 0 → 1",
      "cpu1: returns",
      "cpu1: bare returns 0; prog run bare = 0",
      "cpu0: writes stats[0].hits: 1 → 1",
      "cpu0: returns",
      "cpu0: bare returns 0; prog run bare = 0",
      "expectation: expect map stats[0].hits == 2: it is 1",
    ]);
    expect(steps.filter((s) => s.change === "preemption")).toHaveLength(1);
    expect(steps.find((s) => s.mark === "cause")?.step).toBe("cpu0: writes stats[0].hits: 1 → 1");
    expect(choicesOf(steps)).toEqual(found.choices);
    const { run } = startReplay(built, COUNT("bare"), choicesOf(steps));
    while (!run.scriptFinished && run.tick(Number.POSITIVE_INFINITY, 1) !== "over");
    expect(failureOf(run)?.kind).toBe("expectation");
    expect(run.position).toBe(steps.at(-1)?.to);
    for (const step of steps) {
      run.seek(step.to);
      expect(run.position).toBe(step.to);
      if (step.to > 0) expect(run.now).toBe(step.at);
    }
  });
});

describe("a schedule that is not ours", () => {
  it("is followed as far as it goes, and told as the run that it then is", () => {
    const built = build("count");
    const written = ["begin1: whatever", "<script>", "cpu9: no such CPU", "script: prog run bare", "time", "begin0"];
    const choices = choicesOf(written.map((step) => ({ cpu: 0, step, at: 0 })));
    expect(choices).toEqual(["begin1", "cpu9", "time", "begin0"]);
    const { steps, failure } = describeSchedule(built, COUNT("bare"), choices);
    expect(failure).toBeNull();
    expect(steps[0]?.step).toBe("begin1: prog run bare");
    const { run } = startReplay(built, COUNT("bare"), choices);
    while (!run.scriptFinished && run.tick(Number.POSITIVE_INFINITY, 7) !== "over");
    expect(run.position).toBe(steps.at(-1)?.to);
    expect(run.script.expectations.map((e) => e.ok)).toEqual([true]);
  });
});

describe("a search", () => {
  it("is the same however it is sliced, and stops when it is told to", () => {
    const built = build("rearm", { policy: "rfc-sync" });
    const whole = explore(built, CLOSE_WHILE_FIRING);
    const { exploration } = startExploration(built, CLOSE_WHILE_FIRING, { bound: DEFAULT_BOUND, states: 100_000 });
    let slices = 0;
    for (; exploration.outcome === null; slices++) exploration.work();
    expect(exploration.outcome).toEqual(whole);
    expect(slices).toBeGreaterThan(20);

    const other = startExploration(built, CLOSE_WHILE_FIRING, { bound: DEFAULT_BOUND, states: 100_000 }).exploration;
    for (let i = 0; i < 10; i++) other.work();
    expect(other.cancel()).toMatchObject({ result: "stopped", why: "cancelled" });
    const { schedules } = other.progress;
    other.work();
    expect(other.progress.schedules).toBe(schedules);
  });

  it("stops at its limit of states, and at what is not modelled", () => {
    const built = build("rearm", { policy: "rfc-sync" });
    const { exploration } = startExploration(built, CLOSE_WHILE_FIRING, { bound: 3, states: 50 });
    while (exploration.outcome === null) exploration.work();
    expect(exploration.outcome).toMatchObject({ result: "stopped", why: "the limit of 50 states is reached" });
  });

  it("goes through a script without concurrent lines once", () => {
    const outcome = explore(build("count"), "prog run bare\nexpect map stats[0].hits == 2\n");
    expect(verdict(outcome)).toBe("expectation, 0 preemptions");
    expect(outcome.progress).toMatchObject({ schedules: 1, states: 0 });
  });

  it("calls a command that fails in order a failure, one that fails beside others not", () => {
    const built = build("rearm", { policy: "uref" });
    expect(verdict(explore(built, "map delete hmap 0\ncpu 0: map delete hmap 0\n"))).toMatch(/^failed-command/);
    expect(verdict(explore(built, "cpu 0: map delete hmap 0\ncpu 1: map update hmap 0 {}\n"))).toBe("none");
    const expecting = "cpu 0: map delete hmap 0\ncpu 0: expect errno == 0\ncpu 1: map update hmap 0 {}\n";
    expect(verdict(explore(built, expecting))).toBe("expectation, 0 preemptions");
  });

  it("refuses to load an object beside other commands", () => {
    const { diagnostics } = startExploration(build("count"), "cpu 0: object load\n", { bound: 1, states: 10 });
    expect(diagnostics.map((d) => d.message)).toEqual([
      "'object load' cannot be one of several commands that run side by side",
    ]);
  });
});

/** Every end that schedules of a script can have, and every failure. */
function ends(built: BuiltObject, script: string, bound: number, exhaustive: boolean) {
  const { run } = startRun(built, script, null, "asked", exhaustive ? "instruction" : "visible");
  const found = { ends: new Set<string>(), failures: new Set<string>() };
  const scenario = scenarioOf(run);
  const audited = {
    ...scenario,
    take(option: { readonly id: string; readonly actor: string }): void {
      scenario.take(option);
      if (run.kernel.state.oops === null) expect(auditKernel(run.kernel)).toEqual([]);
    },
  };
  const steps = search(exhaustive ? scenario : audited, {
    bound,
    states: 1_000_000,
    remember: !exhaustive,
    all: true,
    onEnd: (name) => found.ends.add(name),
    onFailure: (failure) => found.failures.add(`${failure.kind}: ${failure.message}`),
  });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  expect(step.value.result).not.toBe("stopped");
  return {
    ends: [...found.ends].sort(),
    failures: [...found.failures].sort(),
    schedules: step.value.progress.schedules,
  };
}

describe("the search in visible steps that remembers states", () => {
  it.each([
    ["count", COUNT("bare"), "uref", 2],
    ["count", COUNT("locked"), "uref", 2],
    ["rearm", CLOSE_WHILE_FIRING, "rfc", 1],
    ["mutual", BOTH_FIRE, "uref-5.15", 1],
  ] as const)("finds what every order of single instructions leads to: %s %#", (name, script, policy, bound) => {
    const built = build(name, { policy });
    const all = ends(built, script, bound, true);
    const reduced = ends(built, script, bound, false);
    expect(reduced.ends).toEqual(all.ends);
    expect(reduced.failures).toEqual(all.failures);
    expect(reduced.schedules).toBeLessThan(all.schedules);
  });

  const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e6));
  it(`does so for random scripts (SEED=${SEED})`, () => {
    const prng = makePrng(SEED);
    const pick = <T>(items: readonly T[]): T => items[nextBelow(prng, items.length)] as T;
    const commands = {
      count: ["prog run bare", "prog run locked", "map lookup stats 0", "map update stats 0 {hits: 7} lock"],
      rearm: ["prog run arm", "prog close arm", "map delete hmap 0", "map update hmap 0 {stuff: 5}", "advance next"],
      mutual: ["prog run arm ctx.mark=1", "advance next", "map close pair", "map update pair 0 {}"],
    };
    const before = { count: "", rearm: "map update hmap 0 {}\nprog run arm\n", mutual: "prog run arm\n" };
    for (let i = 0; i < 3; i++) {
      const name = pick(["count", "rearm", "mutual"] as const);
      const policy = pick(["uref", "uref-5.15", "rfc", "rfc-sync", "unprotected"] as const);
      const lines = Array.from({ length: 2 }, (_, cpu) => `cpu ${cpu}: ${pick(commands[name])}`);
      const script = `${before[name]}${lines.join("\n")}\nadvance 50ms\n`;
      const built = build(name, { policy });
      const all = ends(built, script, 1, true);
      const reduced = ends(built, script, 1, false);
      expect(reduced.ends, `${policy}: ${script}`).toEqual(all.ends);
      expect(reduced.failures, `${policy}: ${script}`).toEqual(all.failures);
    }
  });
});
