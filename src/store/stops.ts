import type { Breakpoint, BuildReport, StopPoints, Watch } from "../protocol/engine-types.ts";

export const NO_STOPS: StopPoints = { breakpoints: [], watches: [] };

const sameBreakpoint = (a: Breakpoint, b: Breakpoint): boolean =>
  a.kind === "line"
    ? b.kind === "line" && a.line === b.line
    : b.kind === "insn" && a.program === b.program && a.insn === b.insn;

const sameWatch = (a: Watch, b: Watch): boolean =>
  a.kind === "register"
    ? b.kind === "register" && a.program === b.program && a.register === b.register
    : b.kind === "value" && a.map === b.map && a.key === b.key && a.member === b.member;

export const hasBreakpoint = (points: StopPoints, breakpoint: Breakpoint): boolean =>
  points.breakpoints.some((b) => sameBreakpoint(b, breakpoint));

export const hasWatch = (points: StopPoints, watch: Watch): boolean => points.watches.some((w) => sameWatch(w, watch));

export function withBreakpoint(points: StopPoints, breakpoint: Breakpoint): StopPoints {
  const others = points.breakpoints.filter((b) => !sameBreakpoint(b, breakpoint));
  const there = others.length < points.breakpoints.length;
  return { ...points, breakpoints: there ? others : [...others, breakpoint] };
}

export function withWatch(points: StopPoints, watch: Watch): StopPoints {
  const others = points.watches.filter((w) => !sameWatch(w, watch));
  return { ...points, watches: others.length < points.watches.length ? others : [...others, watch] };
}

/** Breakpoints of lines go with their text when what stands before them grows or shrinks; a line that is deleted takes its own along. */
export function movedWithText(points: StopPoints, before: string, after: string): StopPoints {
  if (before === after || !points.breakpoints.some((b) => b.kind === "line")) return points;
  const old = before.split("\n");
  const now = after.split("\n");
  const least = Math.min(old.length, now.length);
  let head = 0;
  while (head < least && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < least - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail++;
  const move = (line: number): number | null => {
    if (line <= head) return line;
    if (line > old.length - tail) return line + now.length - old.length;
    // A line that was changed where it stands; of several, those beyond the new ones are gone.
    return line <= now.length - tail ? line : null;
  };
  const breakpoints = points.breakpoints.flatMap((b): Breakpoint[] => {
    if (b.kind !== "line") return [b];
    const line = move(b.line);
    return line === null ? [] : [{ kind: "line", line }];
  });
  return { ...points, breakpoints };
}

/** Whether something of a build lies at a breakpoint; unknown (true) while there is no build. */
export function hasCode(report: BuildReport | null, breakpoint: Breakpoint): boolean {
  if (!report?.ok) return true;
  return report.programs.some((program) =>
    program.disassembly.some((at) =>
      breakpoint.kind === "line"
        ? at.line === breakpoint.line && !/\.h$/.test(at.file)
        : program.name === breakpoint.program && at.insn === breakpoint.insn,
    ),
  );
}

/** The points that a build can have, and what to say of those that it cannot; null when it has all. */
export function keptBy(report: BuildReport, points: StopPoints): { points: StopPoints; hint: string } | null {
  const gone = points.breakpoints.filter((b) => !hasCode(report, b));
  const first = gone[0];
  if (first === undefined) return null;
  const where = first.kind === "line" ? `Line ${first.line}` : `Instruction ${first.insn} of ${first.program}`;
  const hint =
    gone.length === 1
      ? `${where} has no code any more: its breakpoint is gone.`
      : `${gone.length} breakpoints are gone: their lines have no code any more.`;
  return { points: { ...points, breakpoints: points.breakpoints.filter((b) => hasCode(report, b)) }, hint };
}
