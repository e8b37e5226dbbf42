import { type Diagnostic, formatDiagnostic } from "../engine/base/diagnostic.ts";
import type { BuildReport, ProgramReport } from "../engine/session/types.ts";

/** One line of JSON a file, beginning with its name. */
export function printJson(file: string, rest: object): void {
  process.stdout.write(`${JSON.stringify({ file, ...rest })}\n`);
}

/** A failure before the verifier: to stdout as JSON, to stderr as text. Returns the exit code. */
export function printFailure(
  file: string,
  json: boolean,
  stage: "compile" | "load",
  message: string,
  diagnostics: readonly Diagnostic[],
): number {
  if (json) printJson(file, { error: { stage, message, diagnostics } });
  else if (diagnostics.length > 0) process.stderr.write(`${diagnostics.map(formatDiagnostic).join("\n")}\n`);
  else process.stderr.write(`${message}\n`);
  return 2;
}

type Judged = BuildReport & { readonly ok: true };

/** Verdicts of an object's programs and maps. Returns the exit code. */
export function printVerdicts(file: string, json: boolean, report: Judged): number {
  if (json) {
    const programs = report.programs.map((p) => ({
      name: p.name,
      section: p.section,
      type: p.type,
      verdict: p.verdict,
      errno: p.errno,
      errorLine: p.errorLine,
      log: p.log,
      insnsProcessed: p.stats.insnsProcessed,
      xlated: p.xlated.map((line) => line.text),
    }));
    printJson(file, { programs, maps: report.maps });
  } else {
    for (const program of report.programs) process.stdout.write(verdictText(program));
    for (const map of report.maps) {
      if (map.verdict === "reject") process.stdout.write(`map ${map.name} (${map.type}): refused: ${map.errno}\n`);
    }
  }
  return verdictCode(report);
}

function verdictText(program: ProgramReport): string {
  const log = program.log === "" || program.log.endsWith("\n") ? program.log : `${program.log}\n`;
  const name = `${program.name} (${program.section}, ${program.type})`;
  switch (program.verdict) {
    case "accept":
      return `${log}${name}: accepted\n`;
    case "reject": {
      const { explanation } = program;
      const words = explanation === null ? "" : `  ${explanation.title}\n`;
      return `${log}${name}: refused: ${program.errno}: ${program.errorLine}\n${words}`;
    }
    case "unsupported":
      return `${log}${name}: not modelled here: ${program.errorLine}\n`;
  }
}

export function verdictCode(report: Judged): number {
  const verdicts = [...report.programs, ...report.maps].map((x) => x.verdict);
  return verdicts.includes("reject") ? 1 : verdicts.includes("unsupported") ? 3 : 0;
}

/** Exit code of several files: bad input before refused before not modelled. */
export function worse(a: number, b: number): number {
  const order = [0, 3, 1, 2];
  return order.indexOf(a) >= order.indexOf(b) ? a : b;
}
