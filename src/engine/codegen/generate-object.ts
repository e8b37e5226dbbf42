import type { Diagnostic } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { IrModule } from "../ir/module.ts";
import { compileModule } from "./compile-module.ts";
import type { CpuVersion } from "./select/module-context.ts";
import { type SourceLine, writeObject } from "./write-object.ts";

export interface CodegenOptions {
  readonly cpuVersion: CpuVersion;
  /** Source texts by the names that the debug metadata uses: the object's line table quotes their lines. */
  readonly sources?: ReadonlyMap<string, string>;
}

/**
 * Bytes of the BPF object file of a module: code, maps, data, BTF and line table, relocations as libbpf expects them. What BPF cannot
 * do is an error at its place in the C source. The dialect of the timer API needs no option: a header marks it with a section.
 */
export function generateObject(module: IrModule, options: CodegenOptions): Result<Uint8Array, readonly Diagnostic[]> {
  try {
    const compiled = compileModule(module, options.cpuVersion);
    if (!compiled.ok) return compiled;
    return ok(writeObject(compiled.value, sourceLines(options.sources ?? new Map())));
  } catch (fault) {
    // A fault of the compiler must not cost the visitor the page, nor what they typed.
    const message = fault instanceof Error ? fault.message : String(fault);
    return err([{ severity: "error", message: `internal error of the compiler: ${message}` }]);
  }
}

function sourceLines(sources: ReadonlyMap<string, string>): SourceLine {
  const split = new Map<string, readonly string[]>();
  return (file, line) => {
    const text = sources.get(file);
    if (text === undefined) return null;
    let lines = split.get(file);
    if (lines === undefined) {
      lines = text.split(/\r?\n/);
      split.set(file, lines);
    }
    return lines[line - 1] ?? null;
  };
}
