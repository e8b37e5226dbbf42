import { useMemo, useState } from "react";
import { usePlayground } from "../shell/context.tsx";
import type { Window } from "./scale.ts";
import { Timeline } from "./timeline.ts";

/** The recording as spans, grown as events arrive. */
export function useTimeline(): Timeline {
  const events = usePlayground((s) => s.run.events);
  const [timeline] = useState(() => new Timeline());
  useMemo(() => timeline.update(events), [timeline, events]);
  return timeline;
}

/** Runs that a window chosen by us shows before now. */
const RUNS_BEFORE_NOW = 60;

/** The chosen window, or one that shows everything, or, of a long recording, the time around now. */
export function useWindow(timeline: Timeline, chosen: Window | null): Window {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const now = snapshot?.now ?? 0;
  if (chosen) return chosen;
  let ahead = 0;
  for (const timer of snapshot?.timers ?? [])
    if (timer.state === "armed" && timer.expires !== null) ahead = Math.max(ahead, timer.expires);
  const soonest = Math.min(
    ...(snapshot?.timers ?? []).map((t) =>
      t.state === "armed" && t.expires !== null ? t.expires : Number.POSITIVE_INFINITY,
    ),
  );
  const known = Math.max(now, timeline.end);
  const runs = timeline.runs;
  if (runs.length <= RUNS_BEFORE_NOW * 2) {
    const far = Math.max(
      known,
      Math.min(ahead, Math.max(known * 2, soonest === Number.POSITIVE_INFINITY ? 0 : soonest)),
    );
    return { from: 0, to: far === 0 ? 1e6 : far * 1.12 };
  }
  let at = runs.length;
  while (at > 0 && (runs[at - 1]?.from ?? 0) > now) at--;
  const from = runs[Math.max(0, at - RUNS_BEFORE_NOW)]?.from ?? 0;
  const span = Math.max(1000, now - from);
  return { from, to: now + span * 0.4 };
}
