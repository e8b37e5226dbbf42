import { verify } from "../../src/engine/verifier/verify.ts";
import { CASE_FILES, loadCase, readCases } from "./case-program.ts";
import { startKernelJudge } from "./kernel-judge.ts";
import { liveLoad } from "./live-case.ts";
import { firstDifference } from "./xlated-compare.ts";

/**
 * `npx tsx e2e/kernel/xlated-agreement.ts [--only NAME]`: every recorded case that is accepted is loaded into the live kernel, and
 * bpftool's dump of it compared with ours, line by line.
 */
const at = process.argv.indexOf("--only");
const only = at < 0 ? null : (process.argv[at + 1] ?? null);
const judge = await startKernelJudge();
if ("unavailable" in judge) throw new Error(judge.unavailable);
let asked = 0;
const differing: string[] = [];
for (const file of CASE_FILES) {
  const cases = readCases(file);
  const all = new Map(cases.map((c) => [c.name, c]));
  for (const recorded of cases) {
    if (recorded.verdict !== "accept" || (only !== null && recorded.name !== only)) continue;
    const load = loadCase(recorded, all);
    if (load === null) continue;
    const result = verify(load.program, load.env, { logLevel: 0, trace: false });
    if (result.verdict !== "accept") continue;
    const verdict = await judge.judge({ ...liveLoad(load), logLevel: 0, dump: true });
    if (verdict.xlated === null) {
      if (verdict.failed !== null) console.log(`${recorded.name}: ${verdict.failed} refused (${verdict.errno})`);
      continue;
    }
    asked++;
    const ours = result.program.xlated().map((line) => line.text);
    const difference = firstDifference(ours, verdict.xlated);
    if (difference === null) continue;
    differing.push(recorded.name);
    console.log(
      `${file} ${recorded.name}, line ${difference.at}\n  ours   ${difference.ours}\n  kernel ${difference.theirs}`,
    );
    if (only !== null) console.log(verdict.xlated.join("\n"), "\n---\n", ours.join("\n"));
  }
}
judge.stop();
console.log(`${asked - differing.length} of ${asked} equal`);
process.exitCode = differing.length === 0 ? 0 : 1;
