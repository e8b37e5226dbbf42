import type { Diagnostic } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { emitObject } from "./emit.ts";
import { readSource } from "./source.ts";

/**
 * From assembly text to an ELF object: instructions in LLVM's or the kernel's syntax, declarations of maps, types and data in
 * C's. `file` is the name that diagnostics and the line table use.
 */
export function assemble(text: string, file: string): Result<Uint8Array, readonly Diagnostic[]> {
  const { source, problems } = readSource(text, file);
  if (problems.length > 0) return err(problems);
  if (source.functions.length === 0) {
    return err([
      {
        severity: "error",
        message: "there is no function: write its head first, such as `int prog(struct xdp_md *ctx):`",
        span: { file, line: 1, column: 1, endLine: 1, endColumn: 2 },
      },
    ]);
  }
  const emitted = emitObject(source, file, text.split(/\r\n?|\n/));
  return emitted.problems.length > 0 ? err(emitted.problems) : ok(emitted.object);
}
