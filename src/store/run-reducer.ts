import type { RunEvent } from "../protocol/engine.ts";
import type { KernelEvent } from "../protocol/engine-types.ts";
import type { RunState } from "./types.ts";

/** The run after an event of the engine, whose events have been unpacked. What did not change is the same object again. */
export function reduceRun(run: RunState, event: RunEvent, events: readonly KernelEvent[]): RunState {
  return {
    ...run,
    status: event.status,
    snapshot: event.snapshot ?? (run.snapshot && { ...run.snapshot, now: event.now, jiffies: event.jiffies }),
    events: appended(run.events, event.events.from, events),
    script: event.script ?? run.script,
    position: event.position,
    following: event.following,
    stopped: event.stopped,
  };
}

function appended(known: readonly KernelEvent[], from: number, events: readonly KernelEvent[]): readonly KernelEvent[] {
  if (events.length === 0 && from >= known.length) return known;
  return from >= known.length ? known.concat(events) : known.slice(0, from).concat(events);
}
