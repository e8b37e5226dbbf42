import type { BuildReport } from "../../protocol/engine-types.ts";

/** A source in assembly, by its file's ending; everything else is C. */
export const isAssembly = (file: string): boolean => /\.(s|asm)$/i.test(file);

export interface AssemblyText {
  readonly text: string;
  /** Per line of the text, from index 0: the instruction it shows. */
  readonly lines: readonly ({ readonly program: string; readonly insn: number; readonly source: number } | null)[];
}

/** Every program of the build as one read-only listing. */
export function assemblyOf(report: BuildReport | null): AssemblyText {
  const text: string[] = [];
  const lines: { program: string; insn: number; source: number }[] | null[] = [];
  if (report?.ok)
    for (const program of report.programs) {
      const push = (line: string, at: { program: string; insn: number; source: number } | null) => {
        text.push(line);
        (lines as ({ program: string; insn: number; source: number } | null)[]).push(at);
      };
      if (text.length > 0) push("", null);
      push(`// ${program.name}, SEC("${program.section}")`, null);
      let source = 0;
      for (const line of program.disassembly) {
        const fn = program.functions.find((f) => f.start === line.insn && f.start > 0);
        if (fn) push(`${fn.name}:`, null);
        const note = line.line > 0 && line.line !== source ? `  // line ${line.line}` : "";
        source = line.line;
        push(`${String(line.insn).padStart(5)}: ${line.text.padEnd(note ? 36 : 0)}${note}`, {
          program: program.name,
          insn: line.insn,
          source: line.line,
        });
      }
    }
  return { text: text.join("\n"), lines };
}
