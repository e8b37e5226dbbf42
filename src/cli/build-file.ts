import { readFileSync } from "node:fs";
import path from "node:path";
import type { Diagnostic } from "../engine/base/diagnostic.ts";
import { buildSource } from "../toolchain/build.ts";
import type { CompileOptions } from "../toolchain/compile.ts";
import { nodeCompiler } from "./node-compiler.ts";

export type BuildFileOptions = CompileOptions;

export const DEFAULT_BUILD: BuildFileOptions = { cpuVersion: "v3", optimization: "O2" };

export type BuiltFile =
  | {
      readonly ok: true;
      readonly object: Uint8Array;
      /** LLVM IR; null unless the file is C. */
      readonly ir: string | null;
      readonly diagnostics: readonly Diagnostic[];
    }
  | {
      readonly ok: false;
      /** `input`: the file cannot be read or is of no known kind; `compile`: its text has errors. */
      readonly stage: "input" | "compile";
      readonly message: string;
      readonly diagnostics: readonly Diagnostic[];
    };

/** Object bytes of FILE.c, FILE.s or FILE.o. Files of the same directory may be included with quotes. */
export async function buildObject(file: string, options: BuildFileOptions = DEFAULT_BUILD): Promise<BuiltFile> {
  const fail = (stage: "input" | "compile", message: string, diagnostics: readonly Diagnostic[] = []): BuiltFile => ({
    ok: false,
    stage,
    message,
    diagnostics,
  });
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    return fail("input", `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (/\.o$/i.test(file)) return { ok: true, object: bytes, ir: null, diagnostics: [] };
  if (!/\.(c|s|asm)$/i.test(file)) return fail("input", `${file}: expected a file that ends in .c, .s or .o`);
  const text = new TextDecoder().decode(bytes);
  const source = { file: path.basename(file), text, extraFiles: quotedIncludes(path.dirname(file), text) };
  const { object, ir, diagnostics } = await buildSource(nodeCompiler, source, options);
  if (object !== null) return { ok: true, object, ir, diagnostics };
  const first = diagnostics.find((d) => d.severity === "error");
  return fail("compile", first?.message ?? "the file does not compile", diagnostics);
}

/** Files that the text, and what it includes, names in quotes: read from beside it when they are there. */
function quotedIncludes(directory: string, text: string): { file: string; text: string }[] {
  const found = new Map<string, string>();
  const visit = (content: string): void => {
    for (const [, name] of content.matchAll(/^[ \t]*#[ \t]*include[ \t]*"([^"]+)"/gm)) {
      if (name === undefined || found.has(name) || path.isAbsolute(name)) continue;
      try {
        found.set(name, readFileSync(path.join(directory, name), "utf8"));
      } catch {
        // Perhaps one of our own headers; if not, clang says that it is missing.
        continue;
      }
      visit(found.get(name) as string);
    }
  };
  visit(text);
  return [...found].map(([file, content]) => ({ file, text: content }));
}
