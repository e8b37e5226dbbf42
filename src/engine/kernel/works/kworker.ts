import type { Kernel } from "../kernel.ts";
import type { Cpu, OpFrame, Task, Work } from "../state.ts";
import { finish, newTask, op, pushFunction, quiescent } from "../tasks.ts";
import { setCallbackArguments } from "../timers/callback-arguments.ts";

/** True while the worker of a CPU is awake: it runs a callback, or is about to. */
export function isBusy(kernel: Kernel, cpu: Cpu): boolean {
  return cpu.works.length > 0 || cpu.stack.some((id) => kernel.state.tasks.get(id)?.kind === "kworker");
}

/**
 * When the worker of a CPU begins its next item, ns; Infinity when there is none. `isFree`: nothing else can run there. A worker is a thread
 * among others: it begins when the CPU is free, and what user space starts there meanwhile runs first (measured: a test run on the
 * CPU of a callback that spins was over in 0.2 ms).
 */
export function workTime(kernel: Kernel, cpu: Cpu, isFree: boolean): number {
  const first = kernel.state.works.get(cpu.works[0] ?? 0);
  if (first === undefined || !isFree || cpu.locksHeld > 0) return Number.POSITIVE_INFINITY;
  const awake = cpu.stack.some((id) => kernel.state.tasks.get(id)?.kind === "kworker");
  return awake ? Number.POSITIVE_INFINITY : first.due;
}

export function startKworker(kernel: Kernel, cpu: Cpu): void {
  const task = newTask(kernel, cpu.id, "kworker", `kworker/${cpu.id}`);
  task.frames.push(op("kworker", { control: 0 }));
}

/** The item that runs next, taken out of the list; null when the worker goes to sleep. */
function takeWork(kernel: Kernel, cpu: Cpu, now: number): Work | null {
  for (;;) {
    const work = kernel.state.works.get(cpu.works[0] ?? 0);
    if (work === undefined || work.due > now) return null;
    cpu.works.shift();
    work.queuedOn = -1;
    // Its element has gone meanwhile: the callback is forgotten, and nothing is called.
    if (work.callback !== null) return work;
  }
}

function run(kernel: Kernel, task: Task, work: Work, now: number): boolean {
  const { callback } = work;
  if (callback === null) return false;
  work.runningOn = task.cpu;
  work.ran++;
  task.work = work.control;
  task.runId = kernel.state.nextRun++;
  task.label = callback.label;
  task.writer = callback.labelNumber;
  task.told = 0;
  task.tailCalls = 0;
  const late = Math.max(0, now - work.due);
  kernel.emit({ kind: "wq-run", work: work.id, run: task.runId, functionName: callback.name, late });
  const frame = pushFunction(kernel, task, callback.program, callback.entry);
  if (frame === null) return false;
  // A read-side section of the kind that may sleep; what the kernel frees waits for it too.
  task.rcu++;
  kernel.program(callback.program).runs++;
  setCallbackArguments(kernel, task, frame, work.mapId, work.valueAt);
  return true;
}

/** Operation `kworker`: runs the work items of a CPU one after another, as threads do: interrupts come in between. */
export function kworker(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { state } = kernel;
  if (frame.step === 1) {
    frame.step = 0;
    const work = state.works.get(frame.data["control"]);
    task.work = 0;
    task.rcu--;
    quiescent(kernel, task);
    if (work === undefined) return;
    work.runningOn = -1;
    const retval = String(frame.data["lo"] as number);
    kernel.emit({ kind: "wq-return", work: work.id, run: task.runId, retval });
    return;
  }
  const now = Math.max(task.time, state.now);
  const work = takeWork(kernel, state.cpus[task.cpu] as Cpu, now);
  if (work === null) {
    finish(kernel, task);
    return;
  }
  frame.data["control"] = work.control;
  if (run(kernel, task, work, now)) frame.step = 1;
}
