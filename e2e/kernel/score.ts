import { type CaseResult, compareCase } from "./case-compare.ts";
import { CASE_FILES, type CaseFile, readCases } from "./case-program.ts";
import { writeKnownDifferences } from "./known-differences.ts";

/**
 * `npx tsx e2e/kernel/score.ts [--cases REGEX] [--show NAME] [--list] [--full]`: agreement of the verifier with the recorded cases.
 * `--update` rewrites known-differences.json (with all cases). `--show` prints both logs around the first difference, `--list` each differing case with its first differing line.
 */
const args = process.argv.slice(2);
const option = (name: string): string | null => {
  const at = args.indexOf(name);
  return at < 0 ? null : (args[at + 1] ?? "");
};
const pattern = new RegExp(option("--cases") ?? ".");
const show = option("--show");
const list = args.includes("--list");
const full = args.includes("--full");
const results: { file: CaseFile; result: CaseResult }[] = [];

for (const file of CASE_FILES) {
  const cases = readCases(file);
  const all = new Map(cases.map((c) => [c.name, c]));
  const chosen = cases.filter((c) =>
    show === null ? pattern.test(`${file}/${c.category}/${c.name}`) : c.name === show,
  );
  const counts = new Map<string, [number, number]>();
  const count = (kind: string, good: boolean): void => {
    const entry = counts.get(kind) ?? [0, 0];
    entry[0] += good ? 1 : 0;
    entry[1]++;
    counts.set(kind, entry);
  };
  let whole = 0;
  let total = 0;
  for (const recorded of chosen) {
    const result = compareCase(recorded, all);
    if (result.skipped) continue;
    total++;
    results.push({ file, result });
    if (result.differences.length === 0) whole++;
    for (const kind of result.compared) count(kind, !result.differences.includes(kind));
    if (result.differences.length > 0 && (list || show !== null)) {
      console.log(
        `${file}/${recorded.category}/${recorded.name}: ${result.differences.join(" ")} ${result.note
          .split("\n")
          .slice(0, show ? 12 : 2)
          .join(" | ")}`,
      );
      if (result.firstLine)
        console.log(
          `  line ${result.firstLine.line}\n    ours   ${result.firstLine.ours}\n    theirs ${result.firstLine.theirs}`,
        );
    }
    if (show !== null) {
      console.log(recorded.program.join("\n"));
      const theirs = recorded.log ?? recorded.log_tail ?? [];
      const ours = result.log.split("\n");
      const at = full ? 0 : Math.max(0, (result.firstLine?.line ?? 1) - 8);
      const end = full ? undefined : at + 24;
      console.log(`--- ours\n${ours.slice(at, end).join("\n")}\n--- theirs\n${theirs.slice(at, end).join("\n")}`);
    }
  }
  if (total === 0 || show !== null) continue;
  const figures = [...counts].map(([kind, [good, n]]) => `${kind} ${good}/${n} (${((100 * good) / n).toFixed(1)} %)`);
  console.log(`${file}: ${total} cases, ${whole} agree entirely; ${figures.join(", ")}`);
}
if (args.includes("--update") && option("--cases") === null && show === null) writeKnownDifferences(results);
