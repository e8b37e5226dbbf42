/** A place in a source text. Lines and columns count from 1; the end is exclusive. */
export interface SourceSpan {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export type Severity = "error" | "warning" | "note";

/** What a stage of the toolchain has to say about the visitor's source. Wording for people is applied by the page. */
export interface Diagnostic {
  readonly severity: Severity;
  readonly message: string;
  /** Absent when no place in a source is to blame. */
  readonly span?: SourceSpan;
  /** A warning group or rule name, e.g. `-Wunused-variable`. */
  readonly code?: string;
  readonly notes?: readonly Diagnostic[];
}

export function pointSpan(file: string, line: number, column: number): SourceSpan {
  return { file, line, column, endLine: line, endColumn: column + 1 };
}

/** `FILE:LINE:COL: error: MESSAGE`, as compilers print it. */
export function formatDiagnostic(d: Diagnostic): string {
  const place = d.span ? `${d.span.file}:${d.span.line}:${d.span.column}: ` : "";
  const code = d.code ? ` [${d.code}]` : "";
  const notes = (d.notes ?? []).map((n) => `\n${formatDiagnostic(n)}`).join("");
  return `${place}${d.severity}: ${d.message}${code}${notes}`;
}
