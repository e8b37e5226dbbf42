import { describe, expect, it } from "vitest";
import { compareCase } from "./case-compare.ts";
import { CASE_FILES, readCases } from "./case-program.ts";
import { readKnownDifferences, UPDATE_COMMAND } from "./known-differences.ts";

/**
 * Every program that the live kernel has judged gets the same verdict, errno, message, count and log from us. The few that do not are in
 * known-differences.json; one that has come to agree must leave it.
 */
describe("recorded verdicts of Linux 6.18", () => {
  const known = readKnownDifferences();
  for (const file of CASE_FILES) {
    it(`${file} agree`, { timeout: 600_000 }, () => {
      const cases = readCases(file);
      const all = new Map(cases.map((c) => [c.name, c]));
      const surprises: string[] = [];
      let compared = 0;
      for (const recorded of cases) {
        const result = compareCase(recorded, all);
        if (result.skipped) continue;
        compared++;
        const expected = known[`${file}/${recorded.name}`] ?? [];
        const found = result.differences.join(" ");
        if (found === expected.join(" ")) continue;
        const where =
          result.firstLine === null
            ? ""
            : `\n    ours   ${result.firstLine.ours}\n    theirs ${result.firstLine.theirs}`;
        surprises.push(
          found === ""
            ? `${recorded.name} agrees now: update by ${UPDATE_COMMAND}`
            : `${recorded.name} differs in: ${found}${expected.length > 0 ? ` (known: ${expected.join(" ")})` : ""}${where} ${result.note}`,
        );
      }
      expect(compared).toBeGreaterThan(50);
      expect(surprises, surprises.join("\n")).toEqual([]);
    });
  }
});
