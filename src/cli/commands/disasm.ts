import { disassemble } from "../../engine/assembler/disassemble.ts";
import type { Diagnostic } from "../../engine/base/diagnostic.ts";
import { formatDiagnostic } from "../../engine/base/diagnostic.ts";
import { openObject } from "../../engine/loader/object-file.ts";
import { buildObject } from "../build-file.ts";

const USAGE = "usage: disasm FILE.c|.s|.o…";

/** Text of an object in the assembler's syntax, each line of C above what it became. */
export function disassembleObject(object: Uint8Array): string {
  const opened = openObject(object, "object");
  const lines = new Map<string, string>();
  if (opened.ok) {
    for (const { section, offset, file, line, text } of opened.value.ext.lines) {
      if (line > 0) lines.set(`${section}:${offset / 8}`, `${file}:${line}: ${text.trim()}`);
    }
  }
  const text = disassemble(object, { comment: (section, slot) => lines.get(`${section}:${slot}`) ?? null });
  return text.ok ? text.value : `// ${text.error}\n`;
}

/** `disasm`: exit 0, or 2 when a file is no object and does not become one. */
export async function run(args: readonly string[]): Promise<number> {
  const wrong = args.find((arg) => arg.startsWith("-"));
  if (args.length === 0 || wrong !== undefined) {
    process.stderr.write(`${wrong === undefined ? "no file given" : `unknown option ${wrong}`}\n${USAGE}\n`);
    return 2;
  }
  let status = 0;
  for (const file of args) {
    const built = await buildObject(file);
    const problems: readonly Diagnostic[] = built.diagnostics;
    for (const diagnostic of problems) process.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
    if (!built.ok) {
      if (problems.length === 0) process.stderr.write(`${built.message}\n`);
      status = 2;
      continue;
    }
    const text = disassemble(built.object);
    if (!text.ok) {
      process.stderr.write(`${file}: ${text.error}\n`);
      status = 2;
      continue;
    }
    process.stdout.write(disassembleObject(built.object));
  }
  return status;
}
