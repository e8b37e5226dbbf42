import { describe, expect, it } from "vitest";
import { parseIr } from "../ir/parse-ir.ts";
import { generateObject } from "./generate-object.ts";
import type { CpuVersion } from "./select/module-context.ts";
import { randomIr } from "./testing/random-ir.ts";
import { interpretIr, randomBuffer, runCompiled } from "./testing/run.ts";

const RUNS = 2;

function check(seed: number, size: number, cpuVersion: CpuVersion): void {
  const module = parseIr(randomIr(seed, size));
  if (!module.ok) throw new Error(`seed ${seed}: ${module.error[0]?.message}, line ${module.error[0]?.span?.line}`);
  const object = generateObject(module.value, { cpuVersion });
  if (!object.ok) throw new Error(`seed ${seed}: ${object.error[0]?.message}`);
  for (let run = 0; run < RUNS; run++) {
    const input = randomBuffer(seed * RUNS + run);
    const expected = interpretIr(module.value, input);
    expect(runCompiled(object.value, input), `seed ${seed}, size ${size}, ${cpuVersion}, run ${run}`).toBe(expected);
  }
}

describe("random IR means the same compiled and interpreted", () => {
  const first = Number(process.env["IR_SEED"] ?? 1);
  const count = Number(process.env["IR_COUNT"] ?? 60);
  for (const cpuVersion of ["v3", "v4"] as const) {
    it(`${count} functions from seed ${first} at ${cpuVersion}`, () => {
      for (let seed = first; seed < first + count; seed++) check(seed, 4 + (seed % 40), cpuVersion);
    });
  }
});
