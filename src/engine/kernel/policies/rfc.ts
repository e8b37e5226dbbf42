import { BPF_F_TIMER_BUSY, BPF_F_TIMER_CANCEL } from "../../abi/types.ts";
import { callRcu, op } from "../tasks.ts";
import { tellTimerCancel } from "../tell.ts";
import { dequeueTimer, detachTimer } from "../timers/timer-object.ts";
import { allow, nothing, type TimerPolicy } from "./policy.ts";

/**
 * The proposal of the thread, to the letter: no reference is taken. Program free walks every element of the program's maps and
 * calls del_timer, which does not wait for a running callback; delete and update do so too and free the timer. Update cancels the timer first, or is -EBUSY, as flags say.
 */
export const rfc: TimerPolicy = {
  name: "rfc",
  holdsProgram: false,
  needsUser: false,
  updateFlags: BPF_F_TIMER_BUSY | BPF_F_TIMER_CANCEL,
  dropsBeforeUpdate: true,
  refuseUpdate: (_timer, flags) => ((flags & BPF_F_TIMER_BUSY) !== 0 ? "EBUSY" : 0),
  refuseArm: allow,
  onDrop(kernel, _task, timer, why) {
    const wasQueued = dequeueTimer(kernel, timer);
    tellTimerCancel(kernel, timer, wasQueued);
    // The walk calls del_timer and no more: the element stays, and its timer stays initialised (T6).
    if (why === "program-free") return null;
    detachTimer(kernel, timer, why);
    callRcu(kernel, `free of timer ${timer.label}`, { timers: [timer.control] });
    return null;
  },
  onProgramUnreferenced: (_kernel, program) => op("walk-program", { prog: program.id, index: 0 }),
  onLastUserReference: nothing,
};
