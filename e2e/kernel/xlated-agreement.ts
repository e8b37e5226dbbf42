import type { VerifyResult } from "../../src/engine/verifier/types.ts";
import { verify } from "../../src/engine/verifier/verify.ts";
import { CASE_FILES, loadCase, readCases } from "./case-program.ts";
import { generateProgram } from "./generator/generate-program.ts";
import { type KernelLoad, startKernelJudge } from "./kernel-judge.ts";
import { liveLoad } from "./live-case.ts";
import { kernelLoad, ourVerdict } from "./oracle-compare.ts";
import { firstDifference } from "./xlated-compare.ts";

/**
 * `npx tsx e2e/kernel/xlated-agreement.ts [--only NAME] [--generated COUNT [--seed N]]`: every recorded case that is accepted, or
 * generated programs, are loaded into the live kernel, and bpftool's dump of each is compared with ours, line by line.
 */
const option = (name: string): string | null => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : (process.argv[at + 1] ?? null);
};
const only = option("--only");
const generated = Number(option("--generated") ?? 0);
const firstSeed = Number(option("--seed") ?? 1);
const started = await startKernelJudge();
if ("unavailable" in started) throw new Error(started.unavailable);
const judge = started;
let asked = 0;
const differing: string[] = [];

async function compare(name: string, result: VerifyResult | Error, load: KernelLoad): Promise<void> {
  if (result instanceof Error || result.verdict !== "accept") return;
  const verdict = await judge.judge({ ...load, logLevel: 0, dump: true });
  if (verdict.xlated === null) return;
  asked++;
  const ours = result.program.xlated().map((line) => line.text);
  const difference = firstDifference(ours, verdict.xlated);
  if (only !== null) console.log(verdict.xlated.join("\n"), "\n---\n", ours.join("\n"));
  if (difference === null) return;
  differing.push(name);
  console.log(`${name}, line ${difference.at}\n  ours   ${difference.ours}\n  kernel ${difference.theirs}`);
}

for (let seed = firstSeed; seed < firstSeed + generated; seed++) {
  const program = generateProgram(seed);
  await compare(`seed ${seed}`, ourVerdict(program, program.insns, 0), kernelLoad(program, program.insns, 0));
}
for (const file of generated > 0 ? [] : CASE_FILES) {
  const cases = readCases(file);
  const all = new Map(cases.map((c) => [c.name, c]));
  for (const recorded of cases) {
    if (recorded.verdict !== "accept" || (only !== null && recorded.name !== only)) continue;
    const load = loadCase(recorded, all);
    if (load === null) continue;
    await compare(recorded.name, verify(load.program, load.env, { logLevel: 0, trace: false }), liveLoad(load));
  }
}
judge.stop();
console.log(`${asked - differing.length} of ${asked} equal`);
process.exitCode = differing.length === 0 ? 0 : 1;
