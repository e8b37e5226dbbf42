import { op } from "../tasks.ts";
import { detachTimer, dropCallback } from "../timers/timer-object.ts";
import type { TimerPolicy } from "./policy.ts";
import { uref } from "./uref.ts";

/**
 * As first released in Linux 5.15: cancelling waits for a callback on another CPU wherever it is called from, except from that
 * callback itself. Two callbacks that cancel each other wait for ever.
 */
export const uref515: TimerPolicy = {
  ...uref,
  name: "uref-5.15",
  onDrop(kernel, task, timer, why) {
    dropCallback(kernel, timer);
    detachTimer(kernel, timer, why);
    const own = task.timer === timer.control;
    return op("timer-cancel-free", { control: timer.control, noWait: own });
  },
};
