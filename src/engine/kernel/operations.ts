import { OPERATIONS_OF_HELPERS } from "./helpers/operations.ts";
import type { Kernel } from "./kernel.ts";
import { continueCopy, continueGiveBack, continueUpdate } from "./maps/update.ts";
import {
  clearSlots,
  dropTimerEntries,
  dropTimers,
  linkFree,
  mapFree,
  mapFreeMemory,
  progFree,
  progFreeMemory,
  timerCancelFree,
  walkAfterGracePeriod,
  walkProgram,
} from "./release-ops.ts";
import type { OpFrame, Task } from "./state.ts";
import { SYSCALL_OPERATIONS } from "./syscalls/index.ts";
import { timerSoftirq } from "./timers/softirq.ts";
import { kworker } from "./works/kworker.ts";
import { dropWorks, workCancelFree } from "./works/release.ts";

/** Does one atomic step of an operation; `frame` is the innermost frame of `task`. */
export type Operation = (kernel: Kernel, task: Task, frame: OpFrame) => void;

/** Every operation of the kernel that is not over in one step, by the name that its frame carries. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...SYSCALL_OPERATIONS,
  ...OPERATIONS_OF_HELPERS,
  softirq: timerSoftirq,
  kworker,
  update: continueUpdate,
  "copy-value": continueCopy,
  "give-back": continueGiveBack,
  "timer-cancel-free": timerCancelFree,
  "drop-timers": dropTimers,
  "work-cancel-free": workCancelFree,
  "drop-works": dropWorks,
  "walk-program": walkProgram,
  "walk-after-grace-period": walkAfterGracePeriod,
  "clear-slots": clearSlots,
  "drop-timer-entries": dropTimerEntries,
  "map-free": mapFree,
  "map-free-memory": mapFreeMemory,
  "prog-free": progFree,
  "prog-free-memory": progFreeMemory,
  "link-free": linkFree,
};
