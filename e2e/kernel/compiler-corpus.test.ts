import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRNO } from "../../src/engine/abi/errno.ts";
import { buildObject } from "../../src/engine/session/session.ts";
import { DEFAULT_SETTINGS } from "../../src/engine/session/types.ts";
import { compileCorpusFile, corpusFiles, judgeCorpus, processedRatio, verdictText } from "./compiler-corpus.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { otherCompilers } from "./other-compilers.ts";

/**
 * Linux's verdict on every program of the corpus from our object, as recorded from 6.18 (`RECORD_CORPUS=1` records), and, where the
 * machine's kernel takes bpf(2), the same question asked again beside the objects of llc and of clang.
 */
const RECORD = path.join(import.meta.dirname, "cases/compiler-corpus.json");
const recorded = (existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, "utf8")) : {}) as Record<string, string>;
/** Ours to theirs, in instructions that Linux's verifier processes; geometric mean. */
const MOST = 1.05;

let kernel: KernelJudge | null = null;
beforeAll(async () => {
  const started = await startKernelJudge();
  if ("unavailable" in started)
    console.log(`the corpus is not loaded into this machine's kernel: ${started.unavailable}`);
  else kernel = started;
});
afterAll(() => kernel?.stop());

describe("C corpus", () => {
  it("has at least 150 programs", () => {
    expect(Object.keys(recorded).length).toBeGreaterThanOrEqual(150);
  });

  it("gets from our verifier the verdicts that are recorded from Linux", { timeout: 300_000 }, async () => {
    const verdicts: Record<string, string> = {};
    for (const file of corpusFiles()) {
      const { object } = await compileCorpusFile(file);
      const name = path.basename(file, ".bpf.c");
      const input = {
        object,
        name: `${name}.bpf.o`,
        settings: DEFAULT_SETTINGS,
        diagnostics: [],
        logLevel: 0 as const,
      };
      const { report } = buildObject(input);
      if (!report.ok) throw new Error(`${name}: ${report.message}`);
      for (const p of report.programs) {
        verdicts[`${name}/${p.name}`] =
          p.verdict === "accept" ? "accept" : `prog ${p.errno === null ? 0 : ERRNO[p.errno]}`;
      }
    }
    expect(verdicts).toEqual(recorded);
  });

  it("is accepted from us as it is from llc and clang, with no more to process", { timeout: 300_000 }, async ({
    skip,
  }) => {
    if (kernel === null) return skip("no live kernel");
    const rows = await judgeCorpus(kernel, await otherCompilers());
    const live = Object.fromEntries(rows.map((row) => [row.program, verdictText(row.ours)]));
    if (process.env["RECORD_CORPUS"]) writeFileSync(RECORD, `${JSON.stringify(live, null, 1)}\n`);
    else expect(live).toEqual(recorded);
    for (const peer of ["llc", "clang"] as const) {
      const judged = rows.filter((row) => row[peer] !== null);
      if (judged.length === 0) {
        console.log(`${peer}-22 is not on this machine: its objects are not judged`);
        continue;
      }
      const lost = judged.filter((row) => row[peer]?.failed === null && row.ours.failed !== null);
      expect(lost.map((row) => row.program)).toEqual([]);
      expect(processedRatio(rows, peer).mean).toBeLessThanOrEqual(MOST);
    }
  });
});
