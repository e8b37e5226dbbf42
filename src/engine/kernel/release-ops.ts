import type { Kernel } from "./kernel.ts";
import { freeMapMemory } from "./maps/create.ts";
import { timerOfValue } from "./maps/update.ts";
import { keyOfValue, nextValue } from "./maps/values.ts";
import type { DropReason } from "./policies/policy.ts";
import { nodeOf, release } from "./references.ts";
import type { BpfMap, OpFrame, Task } from "./state.ts";
import { callRcu, finish, op, quiescent } from "./tasks.ts";
import { tellTimerCancel } from "./tell.ts";
import { dequeueTimer } from "./timers/timer-object.ts";

/** Values looked at in one step of a walk when nothing is found there. */
const WALK_STRIDE = 256;

/** Operation `timer-cancel-free`: hrtimer_cancel (waits for a callback that runs elsewhere), then free after a grace period. */
export function timerCancelFree(kernel: Kernel, task: Task, frame: OpFrame): void {
  const timer = kernel.state.timers.get(frame.data["control"]);
  if (timer === undefined) {
    finish(kernel, task);
    return;
  }
  if (frame.step === 0) {
    const wasQueued = dequeueTimer(kernel, timer);
    tellTimerCancel(kernel, timer, wasQueued);
    frame.step = 1;
    if (timer.runningOn >= 0 && frame.data["noWait"] !== true) {
      task.wait = { on: "callback", control: timer.control, what: `the callback of ${timer.label}` };
      kernel.emit({ kind: "wait", what: `the callback of ${timer.label} to end`, on: timer.id });
    }
    return;
  }
  // A callback that ran meanwhile may have been armed again before it learned that it is detached.
  dequeueTimer(kernel, timer);
  callRcu(kernel, `free of timer ${timer.label}`, { timers: [timer.control] });
  finish(kernel, task);
}

/** The next value with an initialised timer; 0 at the end. `told`: the walk of a program is told value by value. */
function nextTimerValue(kernel: Kernel, map: BpfMap, data: OpFrame["data"], prog: number): number {
  for (let i = 0; i < WALK_STRIDE; i++) {
    const at = nextValue(kernel, map, data["at"]);
    data["at"] = at;
    if (at === 0) {
      data["end"] = true;
      return 0;
    }
    const found = timerOfValue(kernel, map, at) !== null;
    if (prog !== 0) {
      const element = `${map.id}:${keyOfValue(kernel, map, at)}`;
      kernel.emit({ kind: "walk", prog, map: map.id, element, found });
      if (!found) return 0;
    }
    if (found) return at;
  }
  return 0;
}

/** Operation `drop-timers`: walks all values of a map and drops their timers. */
export function dropTimers(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { data } = frame;
  const map = kernel.map(data["map"]);
  const at = nextTimerValue(kernel, map, data, data["prog"] ?? 0);
  if (at !== 0) {
    const timer = timerOfValue(kernel, map, at);
    const work = timer === null ? null : kernel.policy.onDrop(kernel, task, timer, data["why"] as DropReason);
    if (work !== null) task.frames.push(work);
  } else if (data["end"] === true) {
    finish(kernel, task);
  }
}

/** Operation `walk-program`: for each map of a program, `drop-timers` (T10 of the thread). */
export function walkProgram(kernel: Kernel, task: Task, frame: OpFrame): void {
  const program = kernel.program(frame.data["prog"]);
  const id = program.maps[frame.data["index"]++];
  if (id === undefined) {
    finish(kernel, task);
    return;
  }
  const map = kernel.map(id);
  if (map.timerAt < 0 || map.freed) return;
  task.frames.push(op("drop-timers", { map: id, why: "program-free", at: 0, prog: program.id }));
}

/** Operation `walk-after-grace-period`: first everyone who might still arm a timer has to leave. */
export function walkAfterGracePeriod(kernel: Kernel, task: Task, frame: OpFrame): void {
  if (frame.step === 0) {
    frame.step = 1;
    const ticket = callRcu(kernel, "the callbacks of a dying program", {});
    task.wait = { on: "rcu", ticket, what: "a grace period" };
    return;
  }
  task.frames.pop();
  task.frames.push(op("walk-program", { prog: frame.data["prog"], index: 0 }));
}

/** Operation `clear-slots`: gives back what the entries of a map of programs or maps hold. */
export function clearSlots(kernel: Kernel, task: Task, frame: OpFrame): void {
  const map = kernel.map(frame.data["map"]);
  const { storage } = map;
  const entry = storage.kind === "slots" ? storage.slots.entries().next().value : undefined;
  if (storage.kind !== "slots" || entry === undefined) {
    finish(kernel, task);
    return;
  }
  const [key, id] = entry;
  storage.slots.delete(key);
  kernel.emit({ kind: "element-delete", map: map.id, element: `${map.id}:${key}`, by: "kernel" });
  release(kernel, task, { kind: storage.of, id }, `element:${map.id}:${key}`);
}

/** Operation `drop-timer-entries` (dialect `timer-map`): deletes every entry of a timer map. */
export function dropTimerEntries(kernel: Kernel, task: Task, frame: OpFrame): void {
  const map = kernel.map(frame.data["map"]);
  const { storage } = map;
  const entry = storage.kind === "timers" ? storage.timers.entries().next().value : undefined;
  if (storage.kind !== "timers" || entry === undefined) {
    finish(kernel, task);
    return;
  }
  const [id, control] = entry;
  storage.timers.delete(id);
  const timer = kernel.state.timers.get(control);
  if (timer === undefined) return;
  const work = kernel.policy.onDrop(kernel, task, timer, frame.data["why"] as DropReason);
  if (work !== null) task.frames.push(work);
}

/** Operation `map-free`: what is left in the map goes, then, after a grace period, its memory. */
export function mapFree(kernel: Kernel, task: Task, frame: OpFrame): void {
  const map = kernel.map(frame.data["map"]);
  const { storage } = map;
  switch (frame.step++) {
    case 0:
      if (map.wqAt >= 0) task.frames.push(op("drop-works", { map: map.id, why: "map-free", at: 0 }));
      if (map.timerAt >= 0) task.frames.push(op("drop-timers", { map: map.id, why: "map-free", at: 0 }));
      else if (storage.kind === "slots") task.frames.push(op("clear-slots", { map: map.id, why: "map-free" }));
      else if (storage.kind === "timers") task.frames.push(op("drop-timer-entries", { map: map.id, why: "map-free" }));
      return;
    case 1:
      callRcu(kernel, `free of map ${map.name}`, { op: op("map-free-memory", { map: map.id }) });
      finish(kernel, task);
      return;
  }
}

/** Operation `map-free-memory`. */
export function mapFreeMemory(kernel: Kernel, task: Task, frame: OpFrame): void {
  const map = kernel.map(frame.data["map"]);
  const { storage } = map;
  if (storage.kind === "hash" && storage.pool === 0) {
    for (let at = nextValue(kernel, map, 0); at !== 0; ) {
      const next = nextValue(kernel, map, at);
      kernel.memory.free(at - storage.valueOffset, kernel.state.now);
      at = next;
    }
  }
  freeMapMemory(kernel, map);
  map.freed = true;
  kernel.emit({ kind: "map-free", map: map.id, name: map.name });
  finish(kernel, task);
}

/** Operation `prog-free`: what the policy does, then a grace period that running programs and callbacks hold off. */
export function progFree(kernel: Kernel, task: Task, frame: OpFrame): void {
  const program = kernel.program(frame.data["prog"]);
  if (frame.step++ === 0) {
    const work = kernel.policy.onProgramUnreferenced(kernel, program);
    if (work !== null) task.frames.push(work);
    return;
  }
  kernel.emit({ kind: "prog-free", prog: program.id, name: program.name, phase: "unreachable" });
  callRcu(kernel, `free of program ${program.name}`, { op: op("prog-free-memory", { prog: program.id, index: 0 }) });
  finish(kernel, task);
}

/** Operation `prog-free-memory`: the text goes, then the references on the maps. */
export function progFreeMemory(kernel: Kernel, task: Task, frame: OpFrame): void {
  const program = kernel.program(frame.data["prog"]);
  if (frame.step++ === 0) {
    program.state = "freed";
    program.freedAt = kernel.state.now;
    kernel.memory.free(program.image, kernel.state.now);
    kernel.emit({ kind: "prog-free", prog: program.id, name: program.name, phase: "freed" });
    return;
  }
  const map = program.maps[frame.data["index"]++];
  if (map === undefined) finish(kernel, task);
  else release(kernel, task, { kind: "map", id: map }, nodeOf({ kind: "prog", id: program.id }));
}

/** Operation `link-free`. */
export function linkFree(kernel: Kernel, task: Task, frame: OpFrame): void {
  const link = kernel.state.links.get(frame.data["link"]);
  if (link !== undefined) {
    link.gone = true;
    release(kernel, task, { kind: "prog", id: link.program }, `link:${link.id}`);
    quiescent(kernel, task);
  }
  finish(kernel, task);
}
