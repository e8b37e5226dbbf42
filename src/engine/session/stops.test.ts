import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { buildObject as compileFile } from "../../cli/build-file.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import type { StopPoints, StopReport } from "../kernel/api.ts";
import { getRegister } from "../vm/frame.ts";
import type { Run } from "./run.ts";
import { buildObject, startRun } from "./session.ts";
import { DEFAULT_SETTINGS, type SessionSettings } from "./types.ts";

const SOURCE = path.join(import.meta.dirname, "../../demos/programs/flow-ageing.bpf.c");
const SCRIPT = `prog run count data=${"02000000000202000000000108004500001400000000401100000a0000010a000002"}
advance 10ms
prog run count data=${"02000000000202000000000108004500001400000000401100000a0000030a000002"} cpu=1
advance 40ms
expect global aged == 2
`;
let object: Uint8Array;

beforeAll(async () => {
  const built = await compileFile(SOURCE);
  if (!built.ok) throw new Error(built.message);
  object = built.object;
});

function start(settings: Partial<SessionSettings> = {}): Run {
  const { built } = buildObject({
    object,
    name: "flow-ageing.bpf.o",
    settings: { ...DEFAULT_SETTINGS, ...settings },
    diagnostics: [],
  });
  if (built === null) throw new Error("the demo does not build");
  return startRun(built, SCRIPT, webAssemblyHost).run;
}

/** Runs to the end of the script; the stops on the way. */
function finish(run: Run, points: Partial<StopPoints> = {}, seen: (report: StopReport) => void = () => {}): Run {
  run.stopAt({ breakpoints: [], watches: [], ...points });
  for (let i = 0; i < 100_000 && !run.scriptFinished; i++) {
    const result = run.tick(Number.POSITIVE_INFINITY, 10_000);
    if (result === "over") break;
    if (result === "stopped") seen(run.stopped as StopReport);
  }
  expect(run.scriptFinished).toBe(true);
  return run;
}

function frameOf(run: Run, report: StopReport) {
  const task = [...run.kernel.state.tasks.values()].find((t) => t.cpu === report.cpu && t.frames.at(-1)?.kind === "vm");
  const frame = run.kernel.vmFrame(task ?? null);
  if (frame === null) throw new Error("no program runs there");
  return frame;
}

/** A line of the callback that updates the global `aged`, and its first slot. */
function lineOfCallback(run: Run): { line: number; insn: number } {
  const fire = finish(run)
    .events.slice()
    .find((e) => e.kind === "value-write" && e.member === "aged");
  if (!fire?.place) throw new Error("nothing ages");
  return fire.place;
}

describe.each([{}, { engine: "jit" as const }, { insnCost: 1000 }])("breakpoints and watches under %j", (settings) => {
  it("stop before the line's first instruction, each time, and change no event", () => {
    const plain = finish(start(settings));
    const { line } = lineOfCallback(start(settings));
    const reports: StopReport[] = [];
    const run = start(settings);
    finish(run, { breakpoints: [{ kind: "line", line }] }, (report) => {
      reports.push(report);
      expect(frameOf(run, report).pc).toBe(report.place?.insn);
    });
    expect(reports.length).toBeGreaterThanOrEqual(2);
    for (const report of reports) expect(report).toMatchObject({ reason: "breakpoint", place: { line } });
    expect(JSON.stringify(run.events)).toBe(JSON.stringify(plain.events));
    expect(run.now).toBe(plain.now);
  });

  it("stop at the first instruction of a program on the CPU that runs it", () => {
    const cpus: (number | null)[] = [];
    finish(start(settings), { breakpoints: [{ kind: "insn", program: "count", insn: 0 }] }, ({ cpu }) =>
      cpus.push(cpu),
    );
    expect(cpus).toEqual([0, 1]);
  });

  it("tell what a watched global was and is, and change no event", () => {
    const plain = finish(start(settings));
    const map = [...plain.kernel.state.maps.values()].find((m) => m.name.endsWith(".bss"));
    const changes: string[] = [];
    const watch = { kind: "value", map: map?.name ?? "", key: "00000000", member: "aged" } as const;
    const run = finish(start(settings), { watches: [watch] }, (report) => {
      expect(report).toMatchObject({ reason: "watch", watch });
      changes.push(`${report.from} ${report.to}`);
    });
    expect(changes).toEqual(["0 1", "1 2"]);
    expect(JSON.stringify(run.events)).toBe(JSON.stringify(plain.events));
  });

  it("stop behind every change of a register, with its values", () => {
    const run = start(settings);
    let stops = 0;
    finish(run, { watches: [{ kind: "register", program: "count", register: 0 }] }, (report) => {
      stops++;
      const { from, to } = report;
      expect(from).not.toBe(to);
      expect(to).toBe(`0x${getRegister(frameOf(run, report), 0).toString(16)}`);
    });
    expect(stops).toBeGreaterThan(2);
  });
});

describe("a stopped run", () => {
  it("comes back by time travel without stopping, and stops again when it is played on from there", () => {
    const { line } = lineOfCallback(start());
    const run = start();
    const at: number[] = [];
    finish(run, { breakpoints: [{ kind: "line", line }] }, () => at.push(run.position));
    const end = run.events.length;
    run.seek(0);
    expect(run.position).toBeLessThan(at[0] as number);
    expect(run.stopped).toBeNull();
    const again: number[] = [];
    finish(run, { breakpoints: [{ kind: "line", line }] }, () => again.push(run.position));
    expect(again).toEqual(at);
    expect(run.events.length).toBe(end);
  });

  it("does not stop where it stands", () => {
    const run = start();
    run.stopAt({ breakpoints: [{ kind: "insn", program: "count", insn: 0 }], watches: [] });
    while (run.tick(Number.POSITIVE_INFINITY, 10_000) !== "stopped");
    const frame = frameOf(run, run.stopped as StopReport);
    expect(frame.pc).toBe(0);
    expect(run.tick(Number.POSITIVE_INFINITY, 1)).toBe("worked");
    expect(run.stopped).toBeNull();
    expect(frame.pc).toBe(1);
  });
});
