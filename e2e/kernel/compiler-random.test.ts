import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareUnit, type Judges, PROGRAMS_PER_UNIT } from "./compiler-agreement.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { otherCompilers } from "./other-compilers.ts";

/**
 * Random C programs mean the same whoever compiled them and wherever they run; `npm run oracle -- compiler` goes on from there.
 * What the machine lacks (llc, clang, a kernel that takes bpf(2)) takes no part; the meaning of the IR always does.
 */
const FIRST_SEED = Number(process.env["C_SEED"] ?? 500_000);
const UNITS = 20;

let kernel: KernelJudge | null = null;
let judges: Judges = { llc: false, clang: false, kernel };

beforeAll(async () => {
  const started = await startKernelJudge();
  if ("unavailable" in started) console.log(`random C is not run in this machine's kernel: ${started.unavailable}`);
  else kernel = started;
  const { llc } = await otherCompilers();
  if (!llc) console.log("random C is not compared with llc-22, which is not on this machine");
  judges = { llc, clang: false, kernel };
});
afterAll(() => kernel?.stop());

describe("random C", () => {
  it(`gives ${UNITS * PROGRAMS_PER_UNIT} programs from seed ${FIRST_SEED} one meaning`, {
    timeout: 300_000,
  }, async () => {
    let programs = 0;
    let compared = 0;
    const differing: string[] = [];
    for (let unit = 0; unit < UNITS; unit++) {
      const seeds = Array.from({ length: PROGRAMS_PER_UNIT }, (_, i) => FIRST_SEED + unit * PROGRAMS_PER_UNIT + i);
      const agreement = await compareUnit(unit, seeds, judges);
      programs += agreement.programs;
      for (const n of agreement.compared.values()) compared += n;
      differing.push(...agreement.differing);
    }
    expect(differing, `C_SEED=${FIRST_SEED}\n${differing.join("\n")}`).toEqual([]);
    expect(programs).toBe(UNITS * PROGRAMS_PER_UNIT);
    expect(compared).toBeGreaterThan(programs * 4);
  });
});
