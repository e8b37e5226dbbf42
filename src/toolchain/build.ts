import { assemble } from "../engine/assembler/assemble.ts";
import type { Diagnostic } from "../engine/base/diagnostic.ts";
import { generateObject } from "../engine/codegen/generate-object.ts";
import { parseIr } from "../engine/ir/parse-ir.ts";
import type { CompileHooks, CompileOptions, Compiler, CompileSource } from "./compile.ts";
import { displayName } from "./diagnostics.ts";

export interface BuildOutcome {
  /** ELF object; null when the source has errors. */
  readonly object: Uint8Array | null;
  /** LLVM IR as text; null for assembly, and for C with errors. */
  readonly ir: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** `.s`, `.S` and `.asm` are assembly; everything else is C. */
export function isAssembly(file: string): boolean {
  return /\.(s|asm)$/i.test(file);
}

/** From source text to object bytes: clang, IR, eBPF; or the assembler alone, which needs no clang. */
export async function buildSource(
  compiler: () => Promise<Compiler>,
  source: CompileSource,
  options: CompileOptions,
  hooks: CompileHooks = {},
): Promise<BuildOutcome> {
  if (isAssembly(source.file)) {
    const object = assemble(source.text, source.file);
    if (object.ok) return { object: object.value, ir: null, diagnostics: [] };
    for (const diagnostic of object.error) hooks.onDiagnostic?.(diagnostic);
    return { object: null, ir: null, diagnostics: object.error };
  }
  const { ir, diagnostics } = await (await compiler()).compile(source, options, hooks);
  if (ir === null) return { object: null, ir, diagnostics };
  const module = parseIr(ir);
  const object = module.ok
    ? generateObject(module.value, { cpuVersion: options.cpuVersion, sources: sourceTexts(source) })
    : module;
  if (object.ok) return { object: object.value, ir, diagnostics };
  const errors = object.error.map(nameFile);
  for (const diagnostic of errors) hooks.onDiagnostic?.(diagnostic);
  return { object: null, ir, diagnostics: [...diagnostics, ...errors] };
}

/** The back end knows files by the debug metadata's paths. */
function nameFile(diagnostic: Diagnostic): Diagnostic {
  const { span } = diagnostic;
  return span === undefined ? diagnostic : { ...diagnostic, span: { ...span, file: displayName(span.file) } };
}

/** Texts whose lines the object's line table quotes, by the names that the debug metadata uses. */
function sourceTexts({ file, text, extraFiles = [] }: CompileSource): Map<string, string> {
  return new Map([[file, text], ...extraFiles.map((f) => [f.file, f.text] as const)]);
}
