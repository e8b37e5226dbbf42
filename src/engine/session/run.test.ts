import path from "node:path";
import { describe, expect, it } from "vitest";
import { buildObject as compileFile } from "../../cli/build-file.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import { takeSnapshot } from "../snapshot/take-snapshot.ts";
import type { Run } from "./run.ts";
import { type BuiltObject, buildObject, inspectProgram, startRun } from "./session.ts";
import { DEFAULT_SETTINGS, type SessionSettings } from "./types.ts";

const PROGRAMS = path.join(import.meta.dirname, "../../demos/programs");
const compiled = new Map<string, Promise<Uint8Array>>();

function compile(name: string): Promise<Uint8Array> {
  const known = compiled.get(name);
  if (known) return known;
  const object = compileFile(path.join(PROGRAMS, `${name}.bpf.c`)).then((built) => {
    if (!built.ok) throw new Error(built.message);
    return built.object;
  });
  compiled.set(name, object);
  return object;
}

async function build(name: string, settings: Partial<SessionSettings> = {}): Promise<BuiltObject> {
  const { built, report } = buildObject({
    object: await compile(name),
    name: `${name}.bpf.o`,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    diagnostics: [],
  });
  if (built === null) throw new Error(JSON.stringify(report));
  return built;
}

async function start(name: string, script: string, settings: Partial<SessionSettings> = {}): Promise<Run> {
  const { run, diagnostics } = startRun(await build(name, settings), script, webAssemblyHost);
  expect(diagnostics).toEqual([]);
  return run;
}

function finish(run: Run, fuel = 1000): Run {
  for (let i = 0; i < 100_000 && !run.scriptFinished; i++) {
    if (run.tick(Number.POSITIVE_INFINITY, fuel) === "over") break;
  }
  return run;
}

const moment = (run: Run): string => JSON.stringify([takeSnapshot(run.kernel), run.script]);
const THREAD = "map update hmap 0 {stuff: 0}\nprog run bpf_timer_test\nadvance next\nadvance 45ms\n";
const FLOWS = `prog run count data=${"02000000000202000000000108004500001400000000401100000a0000010a000002"}
advance 10ms
prog run count data=${"02000000000202000000000108004500001400000000401100000a0000030a000002"} cpu=1
advance 40ms
expect global aged == 2
`;

describe("a run", () => {
  it.each([
    ["thread", THREAD, { policy: "rfc" }],
    ["flow-ageing", FLOWS, {}],
    ["flow-ageing", FLOWS, { insnCost: 1000 }],
  ] as const)("of %s is the same whatever the slices", async (name, script, settings) => {
    const runs = await Promise.all(
      [1, 7, 1000, 1_000_000].map(async (fuel) => finish(await start(name, script, settings), fuel)),
    );
    const [first, ...rest] = runs.map((run) => [moment(run), JSON.stringify(run.events)]);
    for (const other of rest) expect(other).toEqual(first);
  });

  it("tells the same events compiled and interpreted", async () => {
    const interpreted = finish(await start("flow-ageing", FLOWS, { engine: "interpreter" }));
    const jit = finish(await start("flow-ageing", FLOWS, { engine: "jit" }));
    expect(jit.kernel.compiled).not.toBeNull();
    expect(jit.events).toEqual(interpreted.events);
  });

  it("moves with a clock that its caller owns", async () => {
    const run = await start("thread", THREAD, { policy: "rfc" });
    let limit = 0;
    for (; limit <= 60_000_000; limit += 1_234_567) {
      while (run.tick(limit, 1000) === "worked");
      expect(run.now).toBeLessThanOrEqual(limit);
    }
    const swift = await start("thread", THREAD, { policy: "rfc" });
    while (swift.tick(limit - 1_234_567, 1_000_000) === "worked");
    expect(run.scriptFinished).toBe(false);
    expect(moment(run)).toBe(moment(swift));
  });

  it("stops its script at a failed command, unless the failure is expected", async () => {
    const unexpected = finish(
      await start("thread", "map delete hmap 3\nexpect retval == -1\nmap dump hmap\n", { policy: "rfc" }),
    );
    expect(unexpected.script.stopped).toEqual({ line: 1, reason: "map delete hmap 3 failed: ENOENT" });
    const expected = finish(
      await start("thread", "map delete hmap 3\n# why not\nexpect errno == ENOENT\nmap dump hmap\n", { policy: "rfc" }),
    );
    expect(expected.script.stopped).toBeNull();
    expect(expected.script.commands).toHaveLength(2);
  });

  it("records a failed expectation and goes on", async () => {
    const run = finish(
      await start("thread", "expect timers pending == 4\nexpect timers pending == 0\n", { policy: "rfc" }),
    );
    expect(run.script.expectations.map((e) => [e.ok, e.actual])).toEqual([
      [false, "0"],
      [true, "0"],
    ]);
  });

  it("says what is wrong with a script before it runs, and runs what stands before", async () => {
    const { run, diagnostics } = startRun(
      await build("thread"),
      "map update hmap 0 {}\nmap update hmap 0 {staff: 1}\nexit\n",
    );
    expect(diagnostics.map((d) => [d.span?.line, d.span?.column, d.message])).toEqual([
      [2, 20, "struct map_elem has no member 'staff' (it has stuff, timer)"],
    ]);
    finish(run);
    expect(run.script.commands.map((c) => c.text)).toEqual(["map update hmap 0 {}"]);
    expect(run.script.stopped?.line).toBe(2);
  });

  it.each([
    ["prog run nothing", "the object has no program 'nothing' (it has bpf_timer_test)"],
    ["prog run bpf_timer_test ctx.nothing=1", /struct xdp_md has no field 'nothing'/],
    ["prog run bpf_timer_test cpu=5", "there is no CPU 5: the machine has 2"],
    ["map lookup hmap 99999999999", "99999999999 does not fit into int"],
    ["expect global nothing == 1", "the object has no global variable 'nothing' (it has none)"],
  ])("refuses %s", async (line, message) => {
    const { diagnostics } = startRun(await build("thread"), line);
    expect(diagnostics.map((d) => d.message)).toEqual([
      typeof message === "string" ? message : expect.stringMatching(message),
    ]);
  });

  it("lets processes come and go", async () => {
    const script = `process P2: map update hmap 0 {stuff: 1}
expect errno == EBADF
process P2: map open hmap
process P2: map update hmap 0 {stuff: 1}
map pin hmap /sys/fs/bpf/hmap
exit
expect map hmap[0].stuff == 1
process P2: exit
expect map hmap[0].stuff == 1
process P3: unpin /sys/fs/bpf/hmap
rcu settle
expect map hmap freed
expect prog bpf_timer_test freed
`;
    const run = finish(await start("thread", script, { policy: "rfc" }));
    expect(run.script.stopped).toBeNull();
    expect(run.script.expectations.filter((e) => !e.ok)).toEqual([]);
  });

  it("loads the object once more", async () => {
    const script =
      "map update hmap 0 {stuff: 1}\nobject load\nexpect map hmap[0] missing\nmap update hmap 0 {stuff: 2}\nprog run bpf_timer_test\nexpect timers pending == 1\n";
    const run = finish(await start("thread", script, { policy: "rfc" }));
    expect(run.script.expectations.every((e) => e.ok)).toBe(true);
    expect(takeSnapshot(run.kernel).maps.map((m) => m.name)).toEqual(["hmap", "hmap"]);
  });

  it("ends an endless program", async () => {
    const built = await build("thread", { unverified: true });
    // The thread's program with its first instruction replaced by a jump to itself.
    const judged = built.judged.map((j) => {
      const insns = [{ opcode: 0x05, dst: 0, src: 0, off: -1, imm: 0 }, ...j.program.insns.slice(1)];
      const program = { ...j.program, insns };
      return {
        ...j,
        program,
        result: { ...j.result, verdict: "unsupported" as const, message: "", insn: null, log: "", trace: null },
      };
    });
    const { run } = startRun({ ...built, judged }, "prog run bpf_timer_test\nexpect oops runaway\nexit\n");
    finish(run, 4_000_000);
    expect(run.state).toBe("oops");
    expect(run.script.commands[0]).toMatchObject({ errno: "EFAULT" });
    expect(run.script.expectations).toMatchObject([{ ok: true }]);
    expect(run.script.stopped).toEqual({ line: 3, reason: "the kernel oopsed" });
  });

  it("shows the verifier's states of a program on demand", async () => {
    const view = inspectProgram(await build("thread"), "bpf_timer_test");
    expect(view?.steps.length).toBeGreaterThan(20);
    expect(view?.paths.some((p) => p.async)).toBe(true);
    expect(inspectProgram(await build("thread"), "nothing")).toBeNull();
  });
});

describe("live commands", () => {
  const give = (run: Run, text: string): void => {
    while (run.command(text).kind === "busy") run.tick(Number.POSITIVE_INFINITY, 1000);
    while (run.liveBusy) run.tick(Number.POSITIVE_INFINITY, 1000);
  };
  const pass = (run: Run, to: number): void => {
    while (run.now < to && run.tick(to, 1000) === "worked");
  };

  it("written into the script, give the same run", async () => {
    const run = await start("thread", THREAD, { policy: "rfc" });
    // Within `advance 45ms`.
    pass(run, 30_000_001);
    give(run, "map update hmap 0 {stuff: 7}");
    expect(run.scriptWithLive(THREAD)).toContain("map update hmap 0 {stuff: 7}\nadvance 30999999ns\n");
    finish(run);
    pass(run, 80_000_000);
    give(run, "prog run bpf_timer_test");
    give(run, "advance next");
    give(run, "map delete hmap 5");
    give(run, "advance 21ms");
    const script = run.scriptWithLive(THREAD);
    expect(script).toContain("divided by what was given meanwhile");
    expect(script).toContain("map delete hmap 5\nexpect errno == ENOENT\n");

    const again = finish(await start("thread", script ?? "", { policy: "rfc" }));
    expect(again.script.stopped).toBeNull();
    expect(again.now).toBe(run.now);
    expect(again.events.slice()).toEqual(run.events.slice());
  });

  it("that were none leave the script as it is", async () => {
    expect(finish(await start("thread", THREAD, { policy: "rfc" })).scriptWithLive(THREAD)).toBe(THREAD);
  });
});

describe("time travel", () => {
  it.each([
    ["thread", THREAD, { policy: "rfc" }],
    ["flow-ageing", FLOWS, { insnCost: 500 }],
  ] as const)("visits every moment of %s and comes back", async (name, script, settings) => {
    const run = await start(name, script, settings);
    const moments = new Map([[run.position, moment(run)]]);
    const note = () => {
      if (!moments.has(run.position)) moments.set(run.position, moment(run));
    };
    while (!run.scriptFinished && run.tick(Number.POSITIVE_INFINITY, 1) !== "over") note();
    for (const command of ["advance 21ms", "map dump flows", "advance next"]) {
      expect(run.command(command).kind).toBe("given");
      while (run.liveBusy) {
        run.tick(Number.POSITIVE_INFINITY, 1);
        note();
      }
    }
    const head = moment(run);
    const seqs = [...moments.keys()].sort((a, b) => a - b);
    for (let seq = 0; seq <= run.events.length; seq += 3) {
      run.seek(seq);
      const reached = seqs.find((s) => s >= seq) as number;
      expect(run.position).toBe(reached);
      expect(moment(run) === moments.get(reached)).toBe(true);
    }
    run.seek(run.events.length);
    for (let i = seqs.length - 1; i > 0; i--) {
      run.back();
      expect(run.position).toBe(seqs[i - 1]);
      expect(moment(run) === moments.get(run.position)).toBe(true);
    }
    run.toHead();
    expect(moment(run) === head).toBe(true);
  });

  it("runs on from an earlier moment, past the latest, and calls that the latest", async () => {
    const run = finish(await start("thread", THREAD, { policy: "rfc" }));
    run.seek(12);
    while (run.tick(90_000_000, 1000) === "worked");
    expect(run.now).toBe(90_000_000);
    const latest = moment(run);
    run.toHead();
    expect(moment(run)).toBe(latest);
  });

  it("goes another way from an earlier moment", async () => {
    const run = finish(await start("thread", THREAD, { policy: "rfc" }));
    const fire = run.events.slice().find((e) => e.kind === "timer-fire")?.seq ?? 0;
    const before = run.events.length;
    run.seek(fire);
    while (run.command("map delete hmap 0").kind === "busy") run.tick(Number.POSITIVE_INFINITY, 1);
    while (run.liveBusy) run.tick(Number.POSITIVE_INFINITY, 1000);
    expect(run.events.length).toBeLessThan(before);
    expect(run.events.slice().some((e) => e.kind === "timer-drop")).toBe(true);
    expect(run.lastCommand).toMatchObject({ text: "map delete hmap 0", errno: null });
  });
});
