import type { Kernel } from "../kernel.ts";
import { nextValue } from "../maps/values.ts";
import type { OpFrame, Task } from "../state.ts";
import { callRcu, finish } from "../tasks.ts";
import { dequeueWork, dropWorkOfValue, workOfValue } from "./work-object.ts";

/** Values looked at in one step of a walk. */
const WALK_STRIDE = 256;

/** Operation `work-cancel-free`: cancel_work_sync (waits for a callback that runs), then free after a grace period. */
export function workCancelFree(kernel: Kernel, task: Task, frame: OpFrame): void {
  const work = kernel.state.works.get(frame.data["control"]);
  if (work === undefined) {
    finish(kernel, task);
    return;
  }
  if (frame.step === 0) {
    frame.step = 1;
    kernel.emit({ kind: "wq-cancel", work: work.id, wasQueued: dequeueWork(kernel, work) });
    if (work.runningOn < 0) return;
    task.wait = { on: "callback", control: work.control, what: `the callback of ${work.label}` };
    kernel.emit({ kind: "wait", what: `the callback of ${work.label} to end`, on: work.id });
    return;
  }
  callRcu(kernel, `free of work queue ${work.label}`, { timers: [work.control] });
  finish(kernel, task);
}

/** Operation `drop-works`: walks all values of a map and drops their work queues. */
export function dropWorks(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { data } = frame;
  const map = kernel.map(data["map"]);
  for (let i = 0; i < WALK_STRIDE; i++) {
    const at = nextValue(kernel, map, data["at"]);
    if (at === 0) {
      finish(kernel, task);
      return;
    }
    data["at"] = at;
    if (workOfValue(kernel, map, at) === null) continue;
    dropWorkOfValue(kernel, map, at, data["why"]);
    return;
  }
}
