import { op } from "../tasks.ts";
import type { TimerPolicy } from "./policy.ts";
import { uref } from "./uref.ts";

/**
 * The patch under discussion in the thread: timers are entries of a map of their own, callbacks programs of their own, which the
 * entry holds. Deleting the entry cancels; the last user reference of the map deletes its entries.
 */
export const timerMap: TimerPolicy = {
  ...uref,
  name: "timer-map",
  onLastUserReference: (kernel, map) =>
    map.storage.kind === "timers"
      ? op("drop-timer-entries", { map: map.id, why: "last-user-reference" })
      : uref.onLastUserReference(kernel, map),
};
