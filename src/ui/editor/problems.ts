import type { BuildReport, Diagnostic, Explanation, ProgramReport } from "../../protocol/engine-types.ts";
import type { FileName } from "../../store/types.ts";

/** One thing that is wrong with the visitor's source, at its line. */
export interface Problem {
  readonly kind: "error" | "warning" | "refused" | "unsupported";
  readonly file: FileName;
  /** from 1; 0 when no line is to blame */
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
  /** Plain words. */
  readonly title: string;
  /** The compiler's or kernel's own words, when they differ from the title. */
  readonly kernel: string | null;
  readonly errno: string | null;
  readonly program: string | null;
  readonly insn: number | null;
  readonly explanation: Explanation | null;
}

function fromDiagnostic(diagnostic: Diagnostic, sourceName: (file: string) => boolean): Problem | null {
  if (diagnostic.severity === "note") return null;
  const span = diagnostic.span && sourceName(diagnostic.span.file) ? diagnostic.span : null;
  return {
    kind: diagnostic.severity,
    file: diagnostic.span && isScript(diagnostic.span.file) ? "script" : "program",
    line: span?.line ?? 0,
    column: span?.column ?? 1,
    endColumn: span ? (span.endLine === span.line ? Math.max(span.endColumn, span.column + 1) : 10_000) : 1,
    title: diagnostic.message.charAt(0).toUpperCase() + diagnostic.message.slice(1),
    kernel: (diagnostic.notes ?? []).map((n) => n.message).join("; ") || diagnostic.code || null,
    errno: null,
    program: null,
    insn: null,
    explanation: null,
  };
}

/** Line of C that an instruction stems from; 0 when unknown. */
export function lineOfInsn(program: ProgramReport, insn: number | null): number {
  if (insn === null) return 0;
  return program.disassembly.find((line) => line.insn === insn)?.line ?? 0;
}

const isScript = (file: string): boolean => /\.user$/.test(file);
const isHeader = (file: string): boolean => /\.h$/.test(file);

/** Everything to be shown at lines, errors first, then by line. */
export function problemsOf(report: BuildReport | null, source: string): readonly Problem[] {
  if (!report) return [];
  const problems: Problem[] = [];
  for (const diagnostic of report.diagnostics) {
    const problem = fromDiagnostic(diagnostic, (file) => !isHeader(file));
    if (problem) problems.push(problem);
  }
  if (!report.ok) {
    if (!problems.some((p) => p.kind === "error"))
      problems.push({
        kind: "error",
        file: "program",
        line: 0,
        column: 1,
        endColumn: 1,
        title: report.message,
        kernel: null,
        errno: null,
        program: null,
        insn: null,
        explanation: null,
      });
    return problems;
  }
  for (const program of report.programs) {
    if (program.verdict === "accept") continue;
    const insn = program.rejection?.insn ?? null;
    const line = lineOfInsn(program, insn);
    const text = source.split("\n")[line - 1] ?? "";
    problems.push({
      kind: program.verdict === "reject" ? "refused" : "unsupported",
      file: "program",
      line,
      column: text.length - text.trimStart().length + 1,
      endColumn: text.trimEnd().length + 1,
      title:
        program.explanation?.title ??
        (program.verdict === "reject"
          ? `The verifier refuses ${program.name}`
          : `Not modelled here: ${program.errorLine ?? program.name}`),
      kernel: program.errorLine,
      errno: program.errno,
      program: program.name,
      insn,
      explanation: program.explanation,
    });
  }
  const lines = source.split("\n");
  for (const map of report.maps) {
    if (map.verdict === "accept") continue;
    const line = lines.findIndex((text) => new RegExp(`\\b${map.name}\\b.*SEC\\(`).test(text)) + 1;
    problems.push({
      kind: "refused",
      file: "program",
      line,
      column: 1,
      endColumn: (lines[line - 1]?.length ?? 0) + 1,
      title: `The kernel refuses to create ${map.name}`,
      kernel: `BPF_MAP_CREATE: ${map.errno ?? ""}`,
      errno: map.errno,
      program: null,
      insn: null,
      explanation: null,
    });
  }
  return problems;
}

export interface LineCoverage {
  readonly verified: ReadonlySet<number>;
  readonly refused: ReadonlySet<number>;
}

/** Lines of C whose instructions the verifier walked, and the ones it refused. */
export function coverageOf(report: BuildReport | null): LineCoverage {
  const verified = new Set<number>();
  const refused = new Set<number>();
  if (report?.ok)
    for (const program of report.programs)
      for (const line of program.disassembly) {
        if (line.line === 0 || isHeader(line.file)) continue;
        if (line.state === "verified") verified.add(line.line);
        else if (line.state === "refused") refused.add(line.line);
      }
  return { verified, refused };
}

export interface Verdict {
  readonly tone: "good" | "bad" | "plain";
  readonly text: string;
  readonly icon: "check" | "cross" | "clock" | "warn";
}

/** The verdict in a few words, for the chip beside the tabs and for the status bar. */
export function verdictOf(
  build: { readonly phase: string; readonly report: BuildReport | null; readonly failure: string | null },
  problems: readonly Problem[],
): Verdict | null {
  if (build.phase === "compiling") return { tone: "plain", text: "Compiling", icon: "clock" };
  if (build.phase === "verifying") return { tone: "plain", text: "Verifying", icon: "clock" };
  if (build.phase === "loading-compiler") return { tone: "plain", text: "Fetching the compiler", icon: "clock" };
  if (build.failure) return { tone: "bad", text: "Not checked", icon: "warn" };
  if (!build.report) return null;
  const place = (p: Problem | undefined) => (p && p.line > 0 ? `, line ${p.line}` : "");
  if (!build.report.ok) {
    const errors = problems.filter((p) => p.kind === "error");
    const what = build.report.stage === "compile" ? "Does not compile" : "Does not load";
    return { tone: "bad", text: `${what}${place(errors[0])}`, icon: "cross" };
  }
  const refused = problems.find((p) => p.kind === "refused");
  if (refused) return { tone: "bad", text: `Rejected${place(refused)}`, icon: "cross" };
  const unsupported = problems.find((p) => p.kind === "unsupported");
  if (unsupported) return { tone: "plain", text: `Not modelled${place(unsupported)}`, icon: "warn" };
  return { tone: "good", text: "Accepted", icon: "check" };
}
