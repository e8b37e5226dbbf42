import { readFileSync, writeFileSync } from "node:fs";
import { errnoName } from "../../src/engine/abi/errno.ts";
import { errorLineOf, normaliseLogLine } from "./case-compare.ts";
import { loadCase, type RecordedCase } from "./case-program.ts";
import { startKernelJudge } from "./kernel-judge.ts";
import { liveLoad } from "./live-case.ts";

/**
 * `npx tsx e2e/kernel/record-cases.ts DRAFTS.json [--out CASES.json] [--only NAME]`: asks the live kernel about drafts, which are cases without verdict
 * (name, category, description, prog_type, maps, program, load_options), and prints or records its answers.
 */
const [draftsPath, ...options] = process.argv.slice(2);
const option = (name: string): string | null => {
  const at = options.indexOf(name);
  return at < 0 ? null : (options[at + 1] ?? null);
};
if (draftsPath === undefined) throw new Error("name a file of drafts");
const only = option("--only");
const out = option("--out");

const judge = await startKernelJudge();
if ("unavailable" in judge) throw new Error(judge.unavailable);
const drafts = (JSON.parse(readFileSync(draftsPath, "utf8")) as RecordedCase[]).filter(
  (d) => only === null || d.name === only,
);
const recorded: unknown[] = [];
for (const draft of drafts) {
  const load = loadCase({ ...draft, verdict: "accept", errno: "0" }, new Map());
  if (load === null) continue;
  const verdict = await judge.judge(liveLoad(load));
  if (verdict.failed === "btf" || verdict.failed === "map") {
    console.error(`${draft.name}: the ${verdict.failed} was refused (${verdict.errno})`);
    continue;
  }
  const lines = verdict.log.split("\n").map(normaliseLogLine);
  while (lines.at(-1) === "") lines.pop();
  const processed = /processed (\d+) insns/.exec(verdict.log);
  const rejected = verdict.failed === "prog";
  recorded.push({
    ...draft,
    verdict: rejected ? "reject" : "accept",
    errno: rejected ? (errnoName(verdict.errno) ?? String(verdict.errno)) : "0",
    ...(rejected ? { error_line: errorLineOf(verdict.log) } : {}),
    insns_processed: processed === null ? null : Number(processed[1]),
    log: lines,
    kernel: "6.18.44-fc-v669",
  });
  if (out === null) console.log(`=== ${draft.name}\n${verdict.log}`);
}
judge.stop();
if (out !== null) {
  writeFileSync(out, `${JSON.stringify(recorded, null, 1)}\n`);
  console.log(`${recorded.length} of ${drafts.length} recorded`);
}
