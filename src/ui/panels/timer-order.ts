import type { Snapshot, TimerSnapshot } from "../../protocol/engine-types.ts";

/** What runs first, then by expiry; idle timers do not wait for anything and are left out. */
export function pendingTimers(snapshot: Snapshot): readonly TimerSnapshot[] {
  const rank = (t: TimerSnapshot) => (t.state === "firing" ? -1 : (t.expires ?? Number.MAX_SAFE_INTEGER));
  return snapshot.timers.filter((t) => t.state === "firing" || t.state === "armed").sort((a, b) => rank(a) - rank(b));
}

/** Share of the wait still to come, 0..1. */
export function shareLeft(timer: TimerSnapshot, now: number): number {
  if (timer.expires === null) return 1;
  const from = timer.armedAt ?? now;
  const whole = timer.expires - from;
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, (timer.expires - now) / whole));
}
