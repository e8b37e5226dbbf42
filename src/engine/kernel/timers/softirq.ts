import { guestAddress } from "../../vm/memory.ts";
import type { Kernel } from "../kernel.ts";
import type { Cpu, HrtimerQueue, OpFrame, Task, Timer } from "../state.ts";
import { finish, pushFunction, quiescent, setPointer } from "../tasks.ts";
import { tellTimerFire, tellTimerReturn } from "../tell.ts";
import { setCallbackArguments } from "./callback-arguments.ts";
import { firstHrtimer, firstKey, firstProgrammed, type QueuedHrtimer } from "./hrtimer-queue.ts";
import { dequeueTimer, shownExpiry } from "./timer-object.ts";
import { collectWheel, nextWheelJiffy } from "./wheel.ts";

/**
 * The timer that is due first, or null. Negative expiries (absolute times of 2^63 and more) are served when another timer has been
 * (measured).
 */
function dueHrtimer(queue: HrtimerQueue, now: number, data: OpFrame["data"]): QueuedHrtimer | null {
  if (queue.live === 0) return null;
  const first = firstKey(queue) >= 0 ? firstHrtimer(queue) : firstProgrammed(queue);
  if (first !== null && first.key <= now) return first;
  return data["served"] === true && firstKey(queue) < 0 ? firstHrtimer(queue) : null;
}

/** The timer that is served next, taken out of its queue; null when none is due. */
function takeDue(kernel: Kernel, cpu: Cpu, data: OpFrame["data"]): Timer | null {
  const { state } = kernel;
  for (;;) {
    const batch = data["batch"] as number[];
    while (data["at"] < batch.length) {
      const index = batch[data["at"]++] as number;
      const timer = state.timers.get(state.timerControls[index] as number);
      // Cancelled or armed again since it was collected: no longer ours.
      if (timer === undefined || timer.queuedOn !== cpu.id || (cpu.wheel.buckets[index] as number) >= 0) continue;
      timer.queuedOn = -1;
      return timer;
    }
    const jiffy = cpu.wheel.count > 0 ? nextWheelJiffy(cpu.wheel) : Number.POSITIVE_INFINITY;
    if (jiffy > kernel.jiffies) break;
    data["batch"] = collectWheel(cpu.wheel, jiffy);
    data["at"] = 0;
  }
  for (const queue of [cpu.hrtimers.monotonic, cpu.hrtimers.boottime]) {
    const due = dueHrtimer(queue, cpu.served, data);
    // Armed since this interrupt began: the next one serves it.
    if (due === null || due.order >= data["before"]) continue;
    const timer = state.timers.get(state.timerControls[due.index] as number);
    if (timer === undefined) continue;
    dequeueTimer(kernel, timer);
    data["served"] = true;
    return timer;
  }
  return null;
}

/** Begins the callback of a timer on the softirq's task. False when there is nothing to run (its callback was forgotten). */
function fire(kernel: Kernel, task: Task, timer: Timer): boolean {
  const { state } = kernel;
  const callback = timer.callback;
  const due = shownExpiry(kernel, timer) ?? state.now;
  if (callback === null) return false;
  timer.runningOn = task.cpu;
  timer.fired++;
  task.timer = timer.control;
  task.runId = state.nextRun++;
  task.label = callback.label;
  task.writer = callback.labelNumber;
  task.told = 0;
  task.tailCalls = 0;
  tellTimerFire(kernel, timer, task.runId, callback.nameNumber, Math.max(0, state.now - due));
  const program = kernel.program(callback.program);
  if (program.state === "freed") {
    kernel.oops({
      what: "use-after-free",
      message: `timer callback ${callback.name} of ${timer.label} called after its program ${program.name} was freed`,
      address: guestAddress(program.image + 8 * callback.entry),
    });
    return true;
  }
  const frame = pushFunction(kernel, task, callback.program, callback.entry);
  if (frame === null) return true;
  task.rcu++;
  program.runs++;
  if (timer.dialect === "rfc") {
    setPointer(frame, 1, timer.valueAt);
    return true;
  }
  setCallbackArguments(kernel, task, frame, timer.mapId, timer.valueAt);
  return true;
}

/** Operation `softirq`: serves what is due on a CPU, one timer after another. */
export function timerSoftirq(kernel: Kernel, task: Task, op: OpFrame): void {
  const cpu = kernel.state.cpus[task.cpu] as Cpu;
  if (op.step === 1) {
    op.step = 0;
    const timer = kernel.state.timers.get(op.data["control"]);
    task.timer = 0;
    task.rcu--;
    quiescent(kernel, task);
    if (timer !== undefined) {
      timer.runningOn = -1;
      tellTimerReturn(kernel, timer, task.runId, op.data["lo"] as number);
    }
    return;
  }
  const timer = takeDue(kernel, cpu, op.data);
  if (timer === null) {
    cpu.servedOrder = kernel.state.nextOrder;
    finish(kernel, task);
    return;
  }
  op.data["control"] = timer.control;
  if (fire(kernel, task, timer)) op.step = 1;
}
