import type { ShownStep } from "../../protocol/engine-types.ts";

/** A row of the schedule: one step that tells something, with the silent ones around it. */
export interface ScheduleRow {
  /** Indexes of its first and last step, and of the one that it shows. */
  readonly from: number;
  readonly to: number;
  readonly index: number;
  readonly step: ShownStep;
  readonly change: ShownStep["change"];
  readonly lane: Lane;
}

/** kernel: its workers, and the ends of grace periods. script: of no lane, be it a line that runs in order or time that passes. */
export type Lane = number | "kernel" | "script";

export const laneOf = ({ cpu, step }: ShownStep): Lane =>
  cpu >= 0 ? cpu : /^(?:worker|rcu)/.test(step) ? "kernel" : "script";

/** The lanes that a schedule needs, the CPUs first. */
export function lanesOf(steps: readonly ShownStep[]): readonly Lane[] {
  const cpus = [...new Set(steps.map((s) => s.cpu).filter((cpu) => cpu >= 0))].sort((a, b) => a - b);
  return steps.some((s) => laneOf(s) === "kernel") ? [...cpus, "kernel"] : cpus;
}

/** Rows in order; with `all` each step is one. */
export function rowsOf(steps: readonly ShownStep[], all: boolean): ScheduleRow[] {
  const rows: ScheduleRow[] = [];
  /** First silent step that waits for the one that says what it is about. */
  let quietFrom = -1;
  steps.forEach((step, index) => {
    const lane = laneOf(step);
    const next = steps[index + 1];
    if (!all && step.mark === "quiet") {
      if (quietFrom < 0) quietFrom = index;
      if (next !== undefined && laneOf(next) === lane) return;
      const last = rows.at(-1);
      if (last !== undefined && last.lane === lane && last.to === quietFrom - 1) {
        rows[rows.length - 1] = { ...last, to: index };
        quietFrom = -1;
        return;
      }
    }
    const from = quietFrom < 0 ? index : quietFrom;
    const first = steps[from] as ShownStep;
    rows.push({ from, to: index, index, step, change: first.change, lane });
    quietFrom = -1;
  });
  return rows;
}
