import type { Kernel } from "../kernel.ts";
import type { Task, Timer } from "../state.ts";
import { op, startWorker } from "../tasks.ts";
import { detachTimer, dropCallback } from "../timers/timer-object.ts";
import { allow, type DropReason, nothing, type TimerPolicy } from "./policy.ts";

/**
 * Linux 6.18: forget the callback and detach at once; then cancel, waiting for a callback on another CPU, and free after a
 * grace period. From inside a callback the waiting is left to a worker.
 */
export function cancelAndFree(kernel: Kernel, task: Task, timer: Timer, why: DropReason) {
  dropCallback(kernel, timer);
  detachTimer(kernel, timer, why);
  const work = op("timer-cancel-free", { control: timer.control });
  if (kernel.state.cpus[task.cpu]?.stack.some((id) => (kernel.state.tasks.get(id)?.timer ?? 0) !== 0)) {
    startWorker(kernel, work, `delete of timer ${timer.label}`);
    return null;
  }
  return work;
}

/** The timer holds its program; the last user reference of the map breaks the circle. */
export const uref: TimerPolicy = {
  name: "uref",
  holdsProgram: true,
  needsUser: true,
  updateFlags: 0,
  dropsBeforeUpdate: false,
  refuseUpdate: allow,
  refuseArm: allow,
  onDrop: cancelAndFree,
  onProgramUnreferenced: nothing,
  onLastUserReference: (_kernel, map) =>
    map.timerAt < 0 ? null : op("drop-timers", { map: map.id, why: "last-user-reference", at: 0 }),
};
