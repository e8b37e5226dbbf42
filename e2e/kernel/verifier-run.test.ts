import { expect, it } from "vitest";
import { runGeneratedSeeds } from "./verifier-run.ts";

/** `npm run oracle -- verifier --run --count N --seed S` goes on from there. */
const FIRST_SEED = 7_500_000;
const PROGRAMS = 1000;

it(`accepted programs never fault (${PROGRAMS} generated programs from seed ${FIRST_SEED})`, {
  timeout: 120_000,
}, () => {
  const totals = runGeneratedSeeds(FIRST_SEED, PROGRAMS);
  const faults = totals.faults.map((f) => `seed ${f.seed}: ${f.oops?.what} at ${f.oops?.place?.insn}: ${f.message}`);
  expect(faults, faults.join("\n")).toEqual([]);
  expect(totals.loaded).toBeGreaterThan(PROGRAMS * 0.3);
  expect(totals.runs).toBeGreaterThan(totals.loaded * 2);
  expect(totals.callbacks).toBeGreaterThan(0);
  const unsupported = [...totals.unsupported.values()].reduce((a, b) => a + b, 0);
  expect(unsupported).toBeLessThan(totals.loaded * 0.02);
});

it(`refused programs, run all the same, do fault (seed ${FIRST_SEED})`, { timeout: 120_000 }, () => {
  const totals = runGeneratedSeeds(FIRST_SEED, 100, "refused");
  expect(totals.loaded).toBeGreaterThan(30);
  expect(totals.faults.length).toBeGreaterThan(10);
  const kinds = totals.faults.map((f) => f.oops?.what);
  expect(kinds).toEqual(expect.arrayContaining(["out-of-bounds", "invalid-address", "null-dereference", "dead-stack"]));
});
