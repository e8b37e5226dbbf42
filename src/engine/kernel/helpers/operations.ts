import type { Operation } from "../operations.ts";
import { continueForEach, continueLoop } from "./iterate.ts";
import { continueSpinLock } from "./locks.ts";
import { continueTimerCancel } from "./timers.ts";

/** Helpers that are not over in one step. */
export const OPERATIONS_OF_HELPERS: Readonly<Record<string, Operation>> = {
  "for-each": continueForEach,
  loop: continueLoop,
  "spin-lock": continueSpinLock,
  "timer-cancel": continueTimerCancel,
};
