import type { Diagnostic } from "../engine/base/diagnostic.ts";
import { DiagnosticReader } from "./diagnostics.ts";
import { type CompileOptions, cc1Arguments, INCLUDE_ROOT } from "./flags.ts";
import { runWasi } from "./wasi.ts";

export type { CompileOptions } from "./flags.ts";

/** What a host (Node, a worker) has to supply. */
export interface CompilerHost {
  /** clang's core module, compiled once. */
  readonly module: WebAssembly.Module;
  /** Text of every header by the path that programs include it by. */
  readonly headers: ReadonlyMap<string, string>;
}

/** A program and the files that it may include with quotes. */
export interface CompileSource {
  /** Name without directory, as it stands in diagnostics and in the object's line table. */
  readonly file: string;
  readonly text: string;
  readonly extraFiles?: readonly { readonly file: string; readonly text: string }[];
}

export interface CompileResult {
  /** LLVM IR as text; null when the source has errors. */
  readonly ir: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

export interface CompileHooks {
  /** Called as soon as clang has printed a diagnostic with its notes. */
  readonly onDiagnostic?: (diagnostic: Diagnostic) => void;
}

export interface Compiler {
  compile(source: CompileSource, options: CompileOptions, hooks?: CompileHooks): Promise<CompileResult>;
}

/** Headers that decide the dialect of the timer API; they come before everything else when a program names them anywhere. */
const DIALECT_HEADERS = ["bpf/bpf_timer_rfc.h", "bpf/bpf_timer_map.h"];

/** Longest source: beyond it a page would stand still for minutes. Characters. */
export const MAX_SOURCE_LENGTH = 1_000_000;

export function createCompiler(host: CompilerHost): Compiler {
  const encoder = new TextEncoder();
  const headerFiles = [...host.headers].map(([path, text]) => [`${INCLUDE_ROOT}/${path}`, text] as const);
  const headerBytes = headerFiles.map(([path, text]) => [path, encoder.encode(text)] as const);
  return {
    async compile(source, options, hooks = {}) {
      const problem = checkSource(source);
      if (problem) {
        hooks.onDiagnostic?.(problem);
        return { ir: null, diagnostics: [problem] };
      }
      const own = [source, ...(source.extraFiles ?? [])];
      const files = new Map<string, Uint8Array>(headerBytes);
      for (const { file, text } of own) files.set(`/${file}`, encoder.encode(text));

      const diagnostics: Diagnostic[] = [];
      const texts = new Map([...headerFiles, ...own.map(({ file, text }) => [file, text] as const)]);
      const reader = new DiagnosticReader(texts, (diagnostic) => {
        diagnostics.push(diagnostic);
        hooks.onDiagnostic?.(diagnostic);
      });
      const ir = new TextSink();
      const outcome = await runWasi(host.module, {
        args: cc1Arguments(source.file, options, dialectHeaders(own)),
        files,
        stdout: (bytes) => {
          // The first byte of IR means that the front end has said all that it has to say.
          if (ir.length === 0) reader.finish();
          ir.push(bytes);
        },
        stderr: (bytes) => reader.push(bytes),
      });
      reader.finish();
      const failed = outcome.code !== 0 || diagnostics.some((d) => d.severity === "error");
      if (failed && !diagnostics.some((d) => d.severity === "error")) {
        const crash: Diagnostic = {
          severity: "error",
          message: `the compiler gave up on this program (${outcome.trap ?? `exit code ${outcome.code}`})`,
          span: { file: source.file, line: 1, column: 1, endLine: 1, endColumn: 2 },
        };
        diagnostics.push(crash);
        hooks.onDiagnostic?.(crash);
      }
      return { ir: failed ? null : ir.text(), diagnostics };
    },
  };
}

function checkSource(source: CompileSource): Diagnostic | null {
  const length = source.text.length + (source.extraFiles ?? []).reduce((sum, f) => sum + f.text.length, 0);
  if (length > MAX_SOURCE_LENGTH) {
    return {
      severity: "error",
      message: `the source is ${length} characters long; up to ${MAX_SOURCE_LENGTH} are compiled here`,
    };
  }
  return null;
}

function dialectHeaders(files: readonly { readonly text: string }[]): string[] {
  return DIALECT_HEADERS.filter((header) => {
    const include = new RegExp(`^[ \\t]*#[ \\t]*include[ \\t]*[<"]${header.replaceAll(".", "\\.")}[>"]`, "m");
    return files.some(({ text }) => include.test(text));
  });
}

/** Gathers small writes into one text. */
class TextSink {
  #bytes = new Uint8Array(1 << 16);
  length = 0;

  push(chunk: Uint8Array): void {
    const needed = this.length + chunk.length;
    if (needed > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      bigger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = bigger;
    }
    this.#bytes.set(chunk, this.length);
    this.length = needed;
  }

  text(): string {
    return new TextDecoder().decode(this.#bytes.subarray(0, this.length));
  }
}
