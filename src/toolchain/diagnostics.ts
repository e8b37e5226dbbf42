import type { Diagnostic, SourceSpan } from "../engine/base/diagnostic.ts";
import { INCLUDE_ROOT } from "./flags.ts";

/**
 * Reads what clang prints with `-fno-caret-diagnostics -fdiagnostics-print-source-range-info`:
 * `FILE:LINE:COL:{L:C-L:C}…: warning: text [-Wgroup]`, notes after what they belong to. Columns come in bytes and leave in
 * UTF-16 units, which is what editors count.
 */
export class DiagnosticReader {
  readonly #sources: ReadonlyMap<string, string>;
  readonly #onDiagnostic: (diagnostic: Diagnostic) => void;
  #open: { diagnostic: Diagnostic; notes: Diagnostic[] } | null = null;
  #rest = "";
  readonly #decoder = new TextDecoder();
  readonly #lines = new Map<string, readonly string[]>();

  /** `sources`: text by the name that clang was given. `onDiagnostic` gets each one when its notes are complete. */
  constructor(sources: ReadonlyMap<string, string>, onDiagnostic: (diagnostic: Diagnostic) => void) {
    this.#sources = sources;
    this.#onDiagnostic = onDiagnostic;
  }

  push(bytes: Uint8Array): void {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    let end = this.#rest.indexOf("\n");
    while (end >= 0) {
      this.#line(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end + 1);
      end = this.#rest.indexOf("\n");
    }
  }

  finish(): void {
    if (this.#rest !== "") this.#line(this.#rest);
    this.#rest = "";
    this.#flush();
  }

  #flush(): void {
    if (this.#open === null) return;
    const { diagnostic, notes } = this.#open;
    this.#open = null;
    this.#onDiagnostic(notes.length === 0 ? diagnostic : { ...diagnostic, notes });
  }

  #line(line: string): void {
    const match = LINE.exec(line);
    if (match === null) return;
    const [, file, lineNumber, column, ranges, level, rest] = match;
    const group = /^(.*) \[(-W[^\]]+)\]$/s.exec(rest as string);
    const diagnostic: Diagnostic = {
      severity: level === "warning" ? "warning" : level === "note" || level === "remark" ? "note" : "error",
      message: group?.[1] ?? (rest as string),
      // Several groups are joined by commas (`-Werror,-Wfoo`); the last one is the warning's own.
      ...(group ? { code: (group[2] as string).split(",").at(-1) as string } : {}),
      ...(file === undefined ? {} : { span: this.#span(file, Number(lineNumber), Number(column), ranges ?? "") }),
    };
    if (diagnostic.severity === "note" && this.#open !== null) {
      this.#open.notes.push(diagnostic);
      return;
    }
    this.#flush();
    this.#open = { diagnostic, notes: [] };
  }

  #span(path: string, line: number, column: number, ranges: string): SourceSpan {
    const file = displayName(path);
    const around = [...ranges.matchAll(RANGE)]
      .map((r) => ({ line: Number(r[1]), column: Number(r[2]), endLine: Number(r[3]), endColumn: Number(r[4]) }))
      // The range that holds the caret on its own line; others are operands beside it.
      .find((r) => r.line === line && r.endLine === line && r.column <= column && column < r.endColumn);
    const start = around?.column ?? column;
    const startUnit = this.#unit(path, line, start);
    const endUnit = around
      ? this.#unit(path, line, around.endColumn)
      : startUnit + this.#tokenLength(path, line, startUnit);
    return { file, line, column: startUnit, endLine: line, endColumn: Math.max(endUnit, startUnit + 1) };
  }

  #lineText(path: string, line: number): string {
    let lines = this.#lines.get(path);
    if (lines === undefined) {
      lines = (this.#sources.get(path) ?? "").split(/\r\n|\n/);
      this.#lines.set(path, lines);
    }
    return lines[line - 1] ?? "";
  }

  /** Column in UTF-16 units of a column in bytes, both from 1. */
  #unit(path: string, line: number, byteColumn: number): number {
    const text = this.#lineText(path, line);
    let bytes = 1;
    let units = 1;
    for (const char of text) {
      if (bytes >= byteColumn) return units;
      const code = char.codePointAt(0) as number;
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      units += char.length;
    }
    return units + Math.max(0, byteColumn - bytes);
  }

  /** Length of the word, number or single sign at the place. */
  #tokenLength(path: string, line: number, unit: number): number {
    const rest = this.#lineText(path, line).slice(unit - 1);
    return /^(?:[A-Za-z_]\w*|\d[\w.]*|"(?:[^"\\]|\\.)*"|.)/.exec(rest)?.[0].length ?? 1;
  }
}

const LINE = /^(?:(.+?):(\d+):(\d+):((?:\{[^}]*\})*):? )?(fatal error|error|warning|note|remark): (.*)$/;
const RANGE = /\{(?:[^{}]*:)?(\d+):(\d+)-(\d+):(\d+)\}/g;

/** The name for people of a path in the compiler's file tree: a header is called as programs include it. */
export function displayName(path: string): string {
  return path.startsWith(`${INCLUDE_ROOT}/`) ? path.slice(INCLUDE_ROOT.length + 1) : path.replace(/^\.?\//, "");
}
