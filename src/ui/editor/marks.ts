import type { KernelEvent, ScriptState, Snapshot } from "../../protocol/engine-types.ts";
import type { FileName } from "../../store/types.ts";
import type { LineCoverage, Problem } from "./problems.ts";

/** What is said about a line beside its text. */
export interface LineMarks {
  readonly gutter: ReadonlyMap<number, "ok" | "bad">;
  /** Whole-line tints. */
  readonly tint: ReadonlyMap<number, "error" | "program" | "callback" | "next" | `band${1 | 2 | 3 | 4}`>;
  /** Words after the line. */
  readonly after: ReadonlyMap<number, { readonly text: string; readonly tone: "dim" | "good" | "bad" }>;
}

/** Lines that some CPU is on, as `LINE:program` or `LINE:callback`, joined by spaces. */
export function runningLines(snapshot: Snapshot | null): string {
  return (snapshot?.cpus ?? [])
    .flatMap((cpu) =>
      cpu.running && cpu.running.line > 0
        ? [`${cpu.running.line}:${cpu.state === "callback" || cpu.running.timer !== null ? "callback" : "program"}`]
        : [],
    )
    .join(" ");
}

/** Marks of the C source: coverage, refused lines, the line that runs, the value just written. */
export function programMarks(
  coverage: LineCoverage,
  problems: readonly Problem[],
  running: string,
  last: KernelEvent | null,
): LineMarks {
  const gutter = new Map<number, "ok" | "bad">();
  for (const line of coverage.verified) gutter.set(line, "ok");
  for (const line of coverage.refused) gutter.set(line, "bad");
  const tint = new Map<number, "error" | "program" | "callback">();
  for (const place of running === "" ? [] : running.split(" ")) {
    const [line, kind] = place.split(":");
    tint.set(Number(line), kind === "callback" ? "callback" : "program");
  }
  for (const problem of problems)
    if (problem.file === "program" && problem.line > 0 && (problem.kind === "refused" || problem.kind === "error")) {
      tint.set(problem.line, "error");
      gutter.set(problem.line, "bad");
    }
  const after = new Map<number, { text: string; tone: "dim" }>();
  if (last?.kind === "value-write" && last.place && last.place.line > 0)
    after.set(last.place.line, { text: `${last.member || "value"} ${last.from} → ${last.to}`, tone: "dim" });
  return { gutter, tint, after };
}

/** The same marks with washes under lines that have none of their own: what links C to its instructions. */
export function withBands(marks: LineMarks, bands: ReadonlyMap<number, 1 | 2 | 3 | 4>): LineMarks {
  const tint = new Map(marks.tint);
  for (const [line, band] of bands) if (!tint.has(line)) tint.set(line, `band${band}`);
  return { ...marks, tint };
}

/** Marks of the script: what has run and returned, what comes next, which expectations hold. */
export function scriptMarks(script: ScriptState, problems: readonly Problem[]): LineMarks {
  const gutter = new Map<number, "ok" | "bad">();
  const tint = new Map<number, "error" | "next">();
  const after = new Map<number, { text: string; tone: "dim" | "good" | "bad" }>();
  for (const command of script.commands) {
    if (command.line === 0) continue;
    gutter.set(command.line, "ok");
    if (command.errno) after.set(command.line, { text: `−${command.errno}`, tone: "bad" });
    else if (command.retval !== "0") after.set(command.line, { text: `returned ${command.retval}`, tone: "dim" });
  }
  for (const expectation of script.expectations) {
    gutter.set(expectation.line, expectation.ok ? "ok" : "bad");
    after.set(
      expectation.line,
      expectation.ok ? { text: "✓ holds", tone: "good" } : { text: `✗ ${expectation.actual}`, tone: "bad" },
    );
    if (!expectation.ok) tint.set(expectation.line, "error");
  }
  if (script.stopped) {
    tint.set(script.stopped.line, "error");
    after.set(script.stopped.line, { text: `✗ ${script.stopped.reason}`, tone: "bad" });
  } else if (script.nextLine !== null) tint.set(script.nextLine, "next");
  for (const problem of problems)
    if (problem.file === "script" && problem.line > 0) {
      tint.set(problem.line, "error");
      gutter.set(problem.line, "bad");
      after.set(problem.line, { text: `✗ ${problem.title}`, tone: "bad" });
    }
  return { gutter, tint, after };
}

/** Tabs whose name never changes; the program's is that of its file. */
export const FILE_LABELS: Record<Exclude<FileName, "program"> | "assembly", string> = {
  script: "script.user",
  assembly: "Assembly",
};
