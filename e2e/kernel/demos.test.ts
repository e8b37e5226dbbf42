import { execFileSync, fork, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { buildObject as compileFile } from "../../src/cli/build-file.ts";
import { type Demo, demosFrom } from "../../src/demos/index.ts";
import { ERRNO } from "../../src/engine/abi/errno.ts";
import { mapEntries } from "../../src/engine/kernel/api.ts";
import { parseScript } from "../../src/engine/script/parse-script.ts";
import { type CommandWorld, planCommand } from "../../src/engine/session/commands.ts";
import { idOf } from "../../src/engine/session/names.ts";
import { type BuiltObject, buildObject, startRun } from "../../src/engine/session/session.ts";
import { DEFAULT_SETTINGS } from "../../src/engine/session/types.ts";
import type { LiveOutcome, LiveRun, LiveStep } from "./demo-run-child.ts";

/**
 * The objects that our compiler writes for the demos of Linux's own dialect are loaded into the machine's kernel by bpftool, and
 * the same script leaves the same map contents there and here. What the kernel said is recorded, for machines without one.
 */
const PROGRAMS = path.join(import.meta.dirname, "../../src/demos/programs");
const RECORD = path.join(import.meta.dirname, "cases/demo-outcomes.json");
const BPF_FS = "/sys/fs/bpf";
/** No lesson: what work queues answer and do. */
const WORK_QUEUES: Demo = {
  id: "work-queues",
  title: "",
  group: "",
  summary: "",
  file: "../../../e2e/kernel/programs/work-queues.bpf.c",
  program: "",
  script: `prog run errnos
advance 20ms
prog run three
advance 20ms
prog run repeats
advance 20ms
prog run by_timer
advance 20ms
prog run vanishes ctx.mark=3
advance 20ms
prog run too_late
advance 20ms
`,
  settings: {},
  refused: false,
};
const demos = [
  ...demosFrom((file) => readFileSync(path.join(PROGRAMS, file), "utf8")).filter(
    (demo) => !demo.refused && !demo.program.includes("bpf_timer_rfc.h"),
  ),
  WORK_QUEUES,
];
const recorded = (existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, "utf8")) : {}) as Record<string, LiveOutcome>;
const unavailable = whyNot();
if (unavailable !== null)
  console.log(`demos are not run in this machine's kernel: ${unavailable}; recorded outcomes are used`);

function whyNot(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "bpf(2) needs root on Linux";
  if (spawnSync("bpftool", ["version"]).status !== 0) return "there is no bpftool";
  return bpfFileSystem() ? null : "there is no BPF file system";
}

/** A BPF file system at /sys/fs/bpf, mounted when it is not yet, as bpftool does before it pins. */
function bpfFileSystem(): boolean {
  // BPF_FS_MAGIC
  const mounted = () => existsSync(BPF_FS) && statfsSync(BPF_FS).type === 0xcafe4a11;
  if (!mounted()) spawnSync("mount", ["-t", "bpf", "bpf", BPF_FS]);
  return mounted();
}

interface Prepared {
  readonly object: Uint8Array;
  readonly built: BuiltObject;
  readonly steps: readonly LiveStep[];
  readonly ours: LiveOutcome;
}

/** Runs the script here, and writes down what it asks of a kernel. */
async function prepare(demo: (typeof demos)[number]): Promise<Prepared> {
  const compiled = await compileFile(path.join(PROGRAMS, demo.file));
  if (!compiled.ok) throw new Error(compiled.message);
  const settings = { ...DEFAULT_SETTINGS, ...demo.settings };
  const name = path.basename(demo.file).replace(/\.c$/, ".o");
  const { built } = buildObject({ object: compiled.object, name, settings, diagnostics: [] });
  if (built === null) throw new Error("the object does not load");
  const { run } = startRun(built, demo.script);
  const steps: LiveStep[] = [];
  const results: number[] = [];
  for (const line of parseScript(demo.script).commands) {
    const { command } = line;
    const started = run.now;
    const done = run.script.commands.length;
    if (command.kind !== "expect") {
      const world: CommandWorld = { kernel: run.kernel, collection: built.collection, names: run.names, process: 1 };
      const plan = planCommand(line, world);
      if (!plan.ok) throw new Error(plan.error.message);
      while (run.script.commands.length === done && run.tick(Number.POSITIVE_INFINITY, 100_000) !== "over");
      const outcome = run.script.commands[done];
      if (plan.value.kind === "advance") steps.push({ kind: "wait", ns: run.now - started });
      else if (plan.value.kind === "call") {
        const call = plan.value.call;
        if (call.name === "prog-run" && command.kind === "prog-run") {
          const { data, context, repeat } = call;
          steps.push({ kind: "run", prog: command.prog, data, context, repeat });
        } else if (call.name === "map-update" && command.kind === "map-update") {
          const value = command.value.kind === "object" ? { prog: command.value.name } : call.value;
          steps.push({ kind: "update", map: command.map, key: call.key, value, flags: call.flags });
        } else if (call.name === "map-delete" && command.kind === "map-delete") {
          steps.push({ kind: "delete", map: command.map, key: call.key });
        } else if (command.kind === "map-close") steps.push({ kind: "close", of: "map", name: command.map });
        else if (command.kind === "prog-close") steps.push({ kind: "close", of: "prog", name: command.prog });
        else if (call.name === "rcu-settle") steps.push({ kind: "wait", ns: 50e6 });
        else throw new Error(`the live runner knows no ${call.name}`);
      }
      const errno = outcome?.errno ?? null;
      results.push(errno === null ? Number(outcome?.retval ?? 0) : -ERRNO[errno]);
    } else {
      const judged = run.script.expectations.length;
      while (run.script.expectations.length === judged && run.tick(Number.POSITIVE_INFINITY, 100_000) !== "over");
    }
  }
  const maps: Record<string, Record<string, string>> = {};
  for (const spec of built.collection.maps) {
    const id = idOf(run.names, "map", spec.name);
    const open = [...(run.kernel.state.processes.get(1)?.fds.values() ?? [])].some(
      (t) => t.kind === "map" && t.id === id,
    );
    if (id === null || !open) continue;
    const entries = mapEntries(run.kernel, id, Number.POSITIVE_INFINITY);
    maps[spec.name] = Object.fromEntries(
      entries.map((e) => [e.keyHex, Buffer.from(e.values[0] ?? []).toString("hex")]),
    );
  }
  return { object: compiled.object, built, steps, ours: { results, maps } };
}

/** Loads the object by bpftool, runs the steps in a child process, and takes everything away again. */
async function runLive({ object, built, steps }: Prepared, file: string): Promise<LiveOutcome> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "playground-demo-"));
  const pins = `${BPF_FS}/playground-${process.pid}-${path.basename(file).replace(/\W/g, "")}`;
  try {
    const objectFile = path.join(folder, path.basename(file).replace(/\.c$/, ".o"));
    writeFileSync(objectFile, object);
    mkdirSync(`${pins}/maps`, { recursive: true });
    execFileSync("bpftool", ["prog", "loadall", objectFile, `${pins}/progs`, "pinmaps", `${pins}/maps`], {
      stdio: "pipe",
    });
    const maps = built.collection.maps.map(({ name, keySize, valueSize }) => ({
      name: pinName(name),
      keySize,
      valueSize,
    }));
    const outcome = await inChild({ pins, steps, maps });
    return { ...outcome, maps: Object.fromEntries(Object.entries(outcome.maps).sort()) };
  } finally {
    rmSync(pins, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** libbpf pins a map of global data with `_` for the dot. */
const pinName = (name: string): string => name.replaceAll(".", "_");

function inChild(run: LiveRun): Promise<LiveOutcome> {
  return new Promise((resolve, reject) => {
    const child = fork(path.join(import.meta.dirname, "demo-run-child.ts"), [], {
      execArgv: ["--import", "tsx"],
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.on("exit", (code) => reject(new Error(`the live run ended with ${code}`)));
    child.on("error", reject);
    child.on("message", (outcome: LiveOutcome) => {
      resolve(outcome);
      child.kill();
    });
    child.send(run as never);
  });
}

const renamed = (outcome: LiveOutcome): LiveOutcome => ({
  results: outcome.results,
  maps: Object.fromEntries(
    Object.entries(outcome.maps)
      .map(([name, entries]) => [pinName(name), entries] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  ),
});

describe("demos of Linux's dialect, in Linux", () => {
  it("are there", () =>
    expect(demos.map((d) => d.id)).toEqual([
      "delete-armed",
      "prog-array",
      "flow-ageing",
      "work-queue",
      "race-bare",
      "race-locked",
      "work-queues",
    ]));

  it.each(demos)("$id: as recorded from Linux 6.18", async (demo) => {
    const { ours } = await prepare(demo);
    expect(renamed(ours)).toEqual(recorded[demo.id]);
  });

  it.skipIf(unavailable !== null).each(demos)("$id: bpftool loads it, and the maps end up the same", async (demo) => {
    const prepared = await prepare(demo);
    const wanted = renamed(prepared.ours);
    let live = await runLive(prepared, demo.file);
    // Waits of a busy machine are longer than asked for, and a flow may age too early; then the race is run again.
    for (let again = 0; again < 4 && JSON.stringify(live) !== JSON.stringify(wanted); again++) {
      live = await runLive(prepared, demo.file);
    }
    if (process.env["RECORD_DEMOS"]) {
      recorded[demo.id] = live;
      writeFileSync(RECORD, `${JSON.stringify(recorded, null, 1)}\n`);
    }
    expect(live).toEqual(wanted);
  });
});
