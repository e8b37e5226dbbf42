import { auditKernel } from "../audit.ts";
import type { Oops } from "../event-types.ts";
import { fingerprint } from "../fingerprint.ts";
import type { Kernel } from "../kernel.ts";
import type { Choice } from "../schedule.ts";

export interface SearchResult {
  /** Schedules that came to an end; those that met a state known already are not counted. */
  readonly schedules: number;
  readonly states: number;
  /** Every kind of oops that was reached, with the first schedule that led there. */
  readonly found: ReadonlyMap<Oops["what"], readonly string[]>;
}

/**
 * Runs every schedule with at most `preemptions` switches away from a task that could have gone on, for tests. Time passes only when nothing
 * else can happen, at most `ticks` times.
 */
export function searchSchedules(kernel: Kernel, preemptions: number, ticks: number): SearchResult {
  const found = new Map<Oops["what"], readonly string[]>();
  let schedules = 0;

  const seen = new Set<string>();

  const visit = (last: string | null, left: number, time: number, path: readonly string[]): void => {
    if (schedules > 50_000) throw new Error("too many schedules");
    const all = kernel.choices();
    const oops = kernel.state.oops;
    if (oops !== null) {
      if (!found.has(oops.what)) found.set(oops.what, path);
      schedules++;
      return;
    }
    const name = `${fingerprint(kernel)} ${last} ${left} ${time}`;
    if (seen.has(name)) return;
    seen.add(name);
    const now = all.filter((choice) => choice.kind !== "time");
    const options = now.length > 0 ? now : time > 0 ? all : [];
    if (options.length === 0) {
      schedules++;
      return;
    }
    const goesOn = options.some((choice) => choice.id === last);
    const affordable = options.filter((choice) => choice.id === last || !goesOn || left > 0);
    const checkpoint = affordable.length > 1 ? kernel.checkpoint() : null;
    affordable.forEach((choice: Choice, i) => {
      if (checkpoint !== null && i > 0) kernel.restore(checkpoint);
      kernel.step(choice, "visible");
      const problems = auditKernel(kernel);
      if (problems.length > 0) throw new Error(`after ${path.join(" ")} ${choice.id}: ${problems.join("; ")}`);
      const cost = choice.id !== last && goesOn ? 1 : 0;
      visit(choice.id, left - cost, time - (choice.kind === "time" ? 1 : 0), [...path, choice.id]);
    });
  };

  visit(null, preemptions, ticks, []);
  return { schedules, states: seen.size, found };
}
