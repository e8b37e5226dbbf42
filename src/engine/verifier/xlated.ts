import type { XlatedLine } from "./types.ts";
import type { Walker } from "./walk/walker.ts";

/** The program after the rewrites that follow acceptance. */
export function translate(w: Walker): readonly XlatedLine[] {
  const lines: XlatedLine[] = [];
  for (let i = 0; i < w.insns.length; i++) {
    if (!w.facts[i]!.reached) continue;
    lines.push({ text: `${lines.length}: ${w.insnText.at(i)}`, origin: i });
  }
  return lines;
}
