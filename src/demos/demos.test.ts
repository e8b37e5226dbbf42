import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { buildObject as compileFile } from "../cli/build-file.ts";
import { type BuiltObject, buildObject, startRun } from "../engine/session/session.ts";
import { type BuildReport, DEFAULT_SETTINGS, type SessionSettings } from "../engine/session/types.ts";
import { SnapshotTaker, takeSnapshot } from "../engine/snapshot/take-snapshot.ts";
import { demosFrom } from "./index.ts";

const PROGRAMS = path.join(import.meta.dirname, "programs");
const demos = demosFrom((file) => readFileSync(path.join(PROGRAMS, file), "utf8"));
const objects = new Map<string, Uint8Array>();

/** What Linux 6.18 says of the programs that it refuses, for those of its own dialect; for the others what our rules say. */
const REFUSALS: Record<string, { readonly errno: string; readonly line: RegExp }> = {
  "stack-timer": { errno: "EACCES", line: /R1 type=fp expected=map_value/ },
  "stack-lock": { errno: "EACCES", line: /R1 type=fp expected=map_value/ },
  "timer-bytes": { errno: "EACCES", line: /bpf_timer cannot be accessed directly by load\/store/ },
};

beforeAll(async () => {
  for (const file of new Set(demos.map((d) => d.file))) {
    const built = await compileFile(path.join(PROGRAMS, file));
    if (!built.ok) throw new Error(`${file}: ${built.message}`);
    objects.set(file, built.object);
  }
});

function build(file: string, settings: SessionSettings): { readonly report: BuildReport; readonly built: BuiltObject } {
  const object = objects.get(file) as Uint8Array;
  const { report, built } = buildObject({ object, name: file.replace(/\.c$/, ".o"), settings, diagnostics: [] });
  if (built === null) throw new Error(JSON.stringify(report));
  return { report, built };
}

describe("demos", () => {
  it("name every file of the folder", () => {
    const named = new Set(demos.map((d) => d.file));
    const there = readdirSync(PROGRAMS).filter((f) => f.endsWith(".bpf.c"));
    expect([...named].sort()).toEqual(there.sort());
    expect(new Set(demos.map((d) => d.id)).size).toBe(demos.length);
  });

  it.each(demos)("$id: the verdict and what the script expects", (demo) => {
    const settings = { ...DEFAULT_SETTINGS, ...demo.settings };
    const { report } = build(demo.file, settings);
    if (!report.ok) throw new Error(report.message);
    const refused = report.programs.filter((p) => p.verdict !== "accept");
    if (demo.refused) {
      const wanted = REFUSALS[demo.id];
      expect(refused.map((p) => p.errno)).toEqual([wanted?.errno]);
      expect(refused[0]?.errorLine).toMatch(wanted?.line ?? /never/);
      expect(refused[0]?.explanation?.title).toBeTruthy();
      expect(report.runnable).toBe(false);
    } else {
      expect(refused.map((p) => `${p.name}: ${p.errorLine}`)).toEqual([]);
      expect(report.runnable).toBe(true);
    }
    const { built } = build(demo.file, { ...settings, unverified: demo.refused });
    const { run, diagnostics } = startRun(built, demo.script);
    expect(diagnostics).toEqual([]);
    while (!run.scriptFinished && run.tick(Number.POSITIVE_INFINITY, 1_000_000) !== "over");
    const { expectations, stopped } = run.script;
    expect(stopped).toBeNull();
    expect(expectations.length).toBeGreaterThan(0);
    expect(expectations.filter((e) => !e.ok)).toEqual([]);
    expect(run.kernel.unsupported).toBeNull();
  });

  it.each(demos)(
    "$id: where instructions take time it is the same run in slices of any length, and at every moment again",
    (demo) => {
      const settings = { ...DEFAULT_SETTINGS, ...demo.settings, insnCost: 20, unverified: demo.refused };
      const { built } = build(demo.file, settings);
      const runs = [1, 7, 1_000_000].map((fuel) => {
        const { run } = startRun(built, demo.script);
        for (let i = 0; i < 20_000 && !run.scriptFinished; i++)
          if (run.tick(Number.POSITIVE_INFINITY, fuel) === "over") break;
        expect(run.scriptFinished || run.state === "oops").toBe(true);
        expect(run.now).toBeLessThan(1e15);
        return run;
      });
      const told = runs.map((run) => JSON.stringify([run.events.slice(), run.script, run.now]));
      expect(new Set(told).size).toBe(1);
      // A replay that differs throws.
      for (const run of runs) for (let seq = 0; seq <= run.events.length; seq += 4) run.seek(seq);
    },
  );

  it.each(demos)("$id: snapshots taken in a row, there and back, are those taken alone", (demo) => {
    const { built } = build(demo.file, { ...DEFAULT_SETTINGS, ...demo.settings, unverified: demo.refused });
    const { run } = startRun(built, demo.script);
    const taker = new SnapshotTaker(Number.POSITIVE_INFINITY);
    const compare = () => expect(taker.take(run.kernel)).toEqual(takeSnapshot(run.kernel));
    for (let i = 0; i < 400 && !run.scriptFinished && run.tick(Number.POSITIVE_INFINITY, 3) !== "over"; i++) compare();
    for (let seq = run.events.length; seq >= 0; seq -= 7) {
      run.seek(seq);
      compare();
    }
    run.toHead();
    compare();
  });
});
