import { RFC_TIMER_DEL, RFC_TIMER_INIT, RFC_TIMER_MOD } from "../../abi/helpers.ts";
import type { VmFrame } from "../../vm/frame.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { OpFrame, Task, Timer } from "../state.ts";
import { finish, op } from "../tasks.ts";
import { tellTimerCancel, tellTimerInit } from "../tell.ts";
import {
  armTimer,
  dequeueTimer,
  dropCallback,
  initTimer,
  refuseWithoutUser,
  setCallback,
  timerAtField,
} from "../timers/timer-object.ts";
import { functionArgument, type HelperImplementation, memoryArgument, s64Of, u64Of } from "./implementation.ts";

const BPF_F_TIMER_ABS = 1;
const BPF_F_TIMER_CPU_PIN = 2;
const CLOCKS: ReadonlyMap<number, Timer["clock"]> = new Map([
  [0, "realtime"],
  [1, "monotonic"],
  [7, "boottime"],
]);

/** The place of a `struct bpf_timer` in r1; -1 and an oops when there is none. */
const fieldArgument = (kernel: Kernel, frame: VmFrame, size: number): number =>
  memoryArgument(kernel, frame, 1, size, true);

/** Refused by the running program's state, as the policy sees it. */
function refuseByProgram(kernel: Kernel, frame: VmFrame): number {
  const errno = kernel.policy.refuseArm(kernel.program(frame.program));
  return errno === 0 ? 0 : negative(errno);
}

function tellInit(kernel: Kernel, timer: Timer | null, field: number, clock: Timer["clock"], retval: number): void {
  const id = timer?.id ?? `t:-:${field.toString(16).padStart(8, "0")}`;
  tellTimerInit(kernel, id, clock, retval);
}

const timerInit: HelperImplementation = (kernel, _task, frame) => {
  const field = fieldArgument(kernel, frame, 16);
  if (field < 0) return 0;
  const clock = CLOCKS.get(u64Of(frame, 3));
  if (clock === undefined) return negative("EINVAL");
  const { retval, timer } = initTimer(
    kernel,
    field,
    clock,
    "linux",
    (map) => refuseWithoutUser(kernel, map) || refuseByProgram(kernel, frame),
  );
  if (kernel.state.oops === null) tellInit(kernel, timer, field, clock, retval);
  return retval;
};

const timerSetCallback: HelperImplementation = (kernel, _task, frame) => {
  const field = fieldArgument(kernel, frame, 16);
  const entry = field < 0 ? -1 : functionArgument(kernel, frame, 2);
  if (entry < 0) return 0;
  const timer = timerAtField(kernel, field);
  if (timer === "bad") return 0;
  if (timer === null) return negative("EINVAL");
  const map = kernel.state.maps.get(timer.mapId) ?? null;
  const refused = refuseWithoutUser(kernel, map) || refuseByProgram(kernel, frame);
  if (refused !== 0) return refused;
  if (isUnholdable(kernel, frame)) return negative("ENOENT");
  setCallback(kernel, timer, frame.program, entry);
  return 0;
};

/** The timer would hold the running program, which is being freed: no reference can be had any more. */
const isUnholdable = (kernel: Kernel, frame: VmFrame): boolean =>
  kernel.policy.holdsProgram && kernel.program(frame.program).holders.size === 0;

const timerStart: HelperImplementation = (kernel, task, frame) => {
  const field = fieldArgument(kernel, frame, 16);
  if (field < 0) return 0;
  const flags = u64Of(frame, 3);
  if ((flags & ~(BPF_F_TIMER_ABS | BPF_F_TIMER_CPU_PIN)) !== 0 || flags > 3) return negative("EINVAL");
  const timer = timerAtField(kernel, field);
  if (timer === "bad") return 0;
  if (timer === null || timer.callback === null) return negative("EINVAL");
  const nsecs = s64Of(frame, 2);
  const absolute = (flags & BPF_F_TIMER_ABS) !== 0;
  armTimer(kernel, timer, Math.max(task.cpu, 0), hrtimerExpiry(kernel, nsecs, absolute));
  return 0;
};

/** A relative time saturates at the maximum, which never comes; an absolute one with the top bit set is a negative ktime. */
function hrtimerExpiry(kernel: Kernel, nsecs: number, absolute: boolean): number {
  if (absolute) return nsecs;
  return nsecs < 0 ? Number.POSITIVE_INFINITY : kernel.state.now + nsecs;
}

/** Control block of the callback that this CPU runs, or 0. */
export function runningTimer(kernel: Kernel, task: Task): number {
  const stack = kernel.state.cpus[task.cpu]?.stack ?? [];
  for (let i = stack.length - 1; i >= 0; i--) {
    const control = kernel.state.tasks.get(stack[i] as number)?.timer ?? 0;
    if (control !== 0) return control;
  }
  return 0;
}

/** bpf_timer_cancel up to where it waits. */
const timerCancel: HelperImplementation = (kernel, task, frame) => {
  const field = fieldArgument(kernel, frame, 16);
  if (field < 0) return 0;
  const timer = timerAtField(kernel, field);
  if (timer === "bad") return 0;
  if (timer === null) return negative("EINVAL");
  const own = kernel.state.timers.get(runningTimer(kernel, task)) ?? null;
  if (own === timer) return negative("EDEADLK");
  const counts = own !== null && kernel.policy.name !== "uref-5.15";
  if (counts) {
    if (own.cancelling > 0) return negative("EDEADLK");
    timer.cancelling++;
  }
  dropCallback(kernel, timer);
  if (kernel.inOneGo && timer.runningOn < 0) {
    // Nobody can come in between: as the operation would do it.
    const wasQueued = dequeueTimer(kernel, timer);
    tellTimerCancel(kernel, timer, wasQueued);
    if (counts) timer.cancelling--;
    return wasQueued ? 1 : 0;
  }
  task.frames.push(op("timer-cancel", { control: timer.control, counts, was: 0 }));
  return null;
};

/** Operation `timer-cancel`: hrtimer_cancel. */
export function continueTimerCancel(kernel: Kernel, task: Task, frame: OpFrame): void {
  const timer = kernel.state.timers.get(frame.data["control"]);
  if (timer === undefined) {
    finish(kernel, task, 0);
    return;
  }
  const wasQueued = dequeueTimer(kernel, timer);
  if (wasQueued || frame.step === 0) tellTimerCancel(kernel, timer, wasQueued);
  if (wasQueued) frame.data["was"] = 1;
  frame.step = 1;
  if (timer.runningOn >= 0) {
    kernel.emit({ kind: "wait", what: `the callback of ${timer.label} to end`, on: timer.id });
    task.wait = { on: "callback", control: timer.control, what: `the callback of ${timer.label}` };
    return;
  }
  if (frame.data["counts"] === true) timer.cancelling--;
  finish(kernel, task, frame.data["was"]);
}

const rfcInit: HelperImplementation = (kernel, _task, frame) => {
  const field = fieldArgument(kernel, frame, 8);
  const entry = field < 0 ? -1 : functionArgument(kernel, frame, 2);
  if (entry < 0) return 0;
  if (u64Of(frame, 3) !== 0) return negative("EINVAL");
  const { retval, timer } = initTimer(
    kernel,
    field,
    "jiffies",
    "rfc",
    (map) =>
      refuseWithoutUser(kernel, map) ||
      refuseByProgram(kernel, frame) ||
      (isUnholdable(kernel, frame) ? negative("ENOENT") : 0),
  );
  if (kernel.state.oops !== null) return 0;
  tellInit(kernel, timer, field, "jiffies", retval);
  if (retval === 0 && timer !== null) setCallback(kernel, timer, frame.program, entry);
  return retval;
};

const rfcMod: HelperImplementation = (kernel, task, frame) => {
  const field = fieldArgument(kernel, frame, 8);
  if (field < 0) return 0;
  const timer = timerAtField(kernel, field);
  if (timer === "bad") return 0;
  if (timer === null) return negative("EINVAL");
  const refused = refuseByProgram(kernel, frame);
  if (refused !== 0) return refused;
  armTimer(kernel, timer, Math.max(task.cpu, 0), u64Of(frame, 2));
  return 0;
};

/** del_timer: does not wait for a running callback, and leaves the timer initialised (T6). 1 when it was pending. */
const rfcDel: HelperImplementation = (kernel, _task, frame) => {
  const field = fieldArgument(kernel, frame, 8);
  if (field < 0) return 0;
  const timer = timerAtField(kernel, field);
  if (timer === "bad") return 0;
  if (timer === null) return negative("EINVAL");
  const wasQueued = dequeueTimer(kernel, timer);
  tellTimerCancel(kernel, timer, wasQueued);
  return wasQueued ? 1 : 0;
};

export const TIMER_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [169, timerInit],
  [170, timerSetCallback],
  [171, timerStart],
  [172, timerCancel],
  [RFC_TIMER_INIT, rfcInit],
  [RFC_TIMER_MOD, rfcMod],
  [RFC_TIMER_DEL, rfcDel],
];
