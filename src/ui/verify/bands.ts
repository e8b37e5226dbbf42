import type { ProgramReport } from "../../protocol/engine-types.ts";

/** Washes that link C lines to their instructions; neighbouring lines differ. */
export function bandsOf(program: ProgramReport): ReadonlyMap<number, 1 | 2 | 3 | 4> {
  const bands = new Map<number, 1 | 2 | 3 | 4>();
  const lines = [...new Set(program.disassembly.map((l) => l.line).filter((line) => line > 0))].sort((a, b) => a - b);
  lines.forEach((line, i) => {
    bands.set(line, ((i % 4) + 1) as 1 | 2 | 3 | 4);
  });
  return bands;
}
