import { type WalkStep, writtenAt } from "./walk.ts";

/**
 * Which C variable a register or slot holds. The verifier knows no variables, so this reads the source: a callee-saved
 * register or stack slot last written on a line that assigns one variable holds that variable.
 */

/** r6 to r9 and the stack: where values live across calls. */
export const holdsVariables = (name: string): boolean => /^R[6-9]$|^fp-/.test(name);

/** The one variable that a line assigns or declares with a value; null when there is none, or several. */
export function assignedOn(source: string, line: number): string | null {
  const text =
    source
      .split("\n")
      [line - 1]?.replace(/"(?:[^"\\]|\\.)*"/g, '""')
      .replace(/\/\/.*$/, "") ?? "";
  const found = new Set<string>();
  // A register of assembly is no variable.
  for (const match of text.matchAll(/(?<![\w.>])([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)?(?:[+\-*/%&|^]|<<|>>)?=(?!=)/g))
    if (match[1] && !/^[rw]\d+$/.test(match[1])) found.add(match[1]);
  return found.size === 1 ? ([...found][0] ?? null) : null;
}

export interface Knowledge {
  /** `R6`, `fp-8`. */
  readonly where: string;
  /** The verifier's text. */
  readonly state: string;
  readonly line: number;
}

/** What the verifier knew of a variable before the first instruction of a line on this path; null when it cannot be told. */
export function knowledgeOf(
  variable: string,
  line: number,
  walk: readonly WalkStep[],
  source: string,
): Knowledge | null {
  const at = walk.findIndex((step) => step.line?.line === line);
  const before = walk[at]?.before;
  if (!before) return null;
  let best: { knowledge: Knowledge; written: number } | null = null;
  for (const [where, state] of before) {
    if (!holdsVariables(where)) continue;
    const written = writtenAt(walk, at, where);
    const from = walk[written]?.line?.line ?? 0;
    if (from === 0 || assignedOn(source, from) !== variable) continue;
    if (best === null || written > best.written) best = { knowledge: { where, state, line: from }, written };
  }
  return best?.knowledge ?? null;
}
