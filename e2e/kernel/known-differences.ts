import { readFileSync, writeFileSync } from "node:fs";
import type { CaseDifference, CaseResult } from "./case-compare.ts";
import type { CaseFile } from "./case-program.ts";

/** Cases in which we are known to differ from the kernel, by `FILE/NAME`, and how. Cases that are not here agree entirely. */
export type KnownDifferences = Readonly<Record<string, readonly CaseDifference[]>>;

const PLACE = new URL("./known-differences.json", import.meta.url);
export const UPDATE_COMMAND = "npx tsx e2e/kernel/score.ts --update";

export function readKnownDifferences(): KnownDifferences {
  return JSON.parse(readFileSync(PLACE, "utf8")) as KnownDifferences;
}

export function writeKnownDifferences(
  results: readonly { readonly file: CaseFile; readonly result: CaseResult }[],
): void {
  const known: Record<string, readonly CaseDifference[]> = {};
  for (const { file, result } of results) {
    if (result.differences.length > 0) known[`${file}/${result.name}`] = result.differences;
  }
  writeFileSync(PLACE, `${JSON.stringify(known, null, 2)}\n`);
}
