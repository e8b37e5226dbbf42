import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errnoName } from "../../src/engine/abi/errno.ts";
import { loadCase, readCases } from "./case-program.ts";
import { type GeneratedProgram, generateProgram } from "./generator/generate-program.ts";
import { SWEEPS } from "./generator/sweeps.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { liveLoad } from "./live-case.ts";
import { disagreementOf, isLong, judgeBoth } from "./oracle-compare.ts";

/**
 * With the machine's own kernel, where it takes bpf(2): the recorded timer cases still get their verdicts, and a few
 * hundred generated and swept programs get the same from us. `npm run oracle -- verifier` goes on from there.
 */
const GENERATED = 300;
const FIRST_SEED = 700_000;
/** Programs of each sweep, evenly spread over it. */
const SAMPLE = 60;

/** Cases that need more than a plain load: a keyless map of a data section, and targets in the kernel's BTF. */
const NOT_LOADED = new Set(["map_global_data_datasec", "type_tracing_iter", "type_struct_ops"]);

let judge: KernelJudge | null = null;

beforeAll(async () => {
  const started = await startKernelJudge();
  if ("unavailable" in started) {
    console.warn(`the live kernel is not asked (${started.unavailable}); the recorded verdicts stand for it`);
    return;
  }
  judge = started;
});
afterAll(() => judge?.stop());

describe("the live kernel", () => {
  it("says of the timer cases what is recorded", { timeout: 600_000 }, async (context) => {
    if (judge === null) return context.skip();
    const cases = readCases("timer-cases");
    const all = new Map(cases.map((c) => [c.name, c]));
    const changed: string[] = [];
    let asked = 0;
    for (const recorded of cases) {
      const load = NOT_LOADED.has(recorded.name) ? null : loadCase(recorded, all);
      if (load === null) continue;
      const verdict = await judge.judge({ ...liveLoad(load), logLevel: 1 });
      // A log of a million instructions does not fit.
      if (verdict.failed === "prog" && verdict.errno === 28) continue;
      asked++;
      const errno = verdict.failed === null ? "0" : (errnoName(verdict.errno) ?? String(verdict.errno));
      if (errno !== recorded.errno) changed.push(`${recorded.name}: recorded ${recorded.errno}, now ${errno}`);
    }
    expect(asked).toBeGreaterThan(200);
    expect(changed, changed.join("\n")).toEqual([]);
  });

  for (const [name, sweep] of Object.entries(SWEEPS)) {
    it(`agrees with us on a sample of the sweep of ${name}`, { timeout: 600_000 }, async (context) => {
      if (judge === null) return context.skip();
      const all = [...sweep()];
      const step = Math.ceil(all.length / SAMPLE);
      const differing: string[] = [];
      for (let at = step >> 1; at < all.length; at += step) {
        const program = all[at] as GeneratedProgram;
        if (isLong(program, 5000)) continue;
        const result = await judgeBoth(judge, program, program.insns, 2);
        if (disagreementOf(result) !== null) differing.push(`${name} ${program.seed}\n${result.detail}`);
      }
      expect(differing, differing.join("\n")).toEqual([]);
    });
  }

  it(`agrees with us on ${GENERATED} generated programs`, { timeout: 600_000 }, async (context) => {
    if (judge === null) return context.skip();
    const differing: string[] = [];
    let accepted = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + GENERATED; seed++) {
      const program = generateProgram(seed);
      const result = await judgeBoth(judge, program, program.insns, 2);
      if (result.theirs === "accept") accepted++;
      if (result.ours === "unsupported") continue;
      if (result.ours !== result.theirs || !result.errno || !result.errorLine || !result.processed)
        differing.push(`seed ${seed}: ours ${result.ours}, theirs ${result.theirs}\n${result.detail}`);
    }
    expect(accepted).toBeGreaterThan(GENERATED * 0.2);
    expect(differing, differing.join("\n")).toEqual([]);
  });
});
