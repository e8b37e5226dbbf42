import type { NodeId } from "./event-types.ts";
import type { Kernel } from "./kernel.ts";
import type { Holders } from "./state.ts";
import { hrtimersInOrder } from "./timers/hrtimer-queue.ts";
import { bucketTimers } from "./timers/wheel.ts";

/**
 * What must hold between any two steps. Each problem in one line; an empty list says that counts, holders, queues and tasks
 * agree.
 */
export function auditKernel(kernel: Kernel): string[] {
  const problems: string[] = [];
  auditHolders(kernel, problems);
  auditTimers(kernel, problems);
  auditWorks(kernel, problems);
  auditTasks(kernel, problems);
  return problems;
}

/** Every reference there should be, as `holder -> target`. */
function expectedReferences(kernel: Kernel): Set<string> {
  const { state } = kernel;
  const expected = new Set<string>();
  for (const process of state.processes.values()) {
    for (const [fd, target] of process.fds) expected.add(`fd:${process.id}:${fd} -> ${target.kind}:${target.id}`);
  }
  for (const [path, target] of state.pins) expected.add(`pin:${path} -> ${target.kind}:${target.id}`);
  for (const link of state.links.values()) if (!link.gone) expected.add(`link:${link.id} -> prog:${link.program}`);
  for (const timer of state.timers.values())
    if (timer.holds !== null) expected.add(`${timer.node} -> prog:${timer.holds}`);
  for (const work of state.works.values()) if (work.holds !== null) expected.add(`${work.node} -> prog:${work.holds}`);
  for (const map of state.maps.values()) {
    if (map.storage.kind !== "slots") continue;
    for (const [key, id] of map.storage.slots) expected.add(`element:${map.id}:${key} -> ${map.storage.of}:${id}`);
  }
  return expected;
}

function auditHolders(kernel: Kernel, problems: string[]): void {
  const { state } = kernel;
  const expected = expectedReferences(kernel);
  const check = (target: NodeId, holders: Holders): void => {
    for (const holder of holders.keys()) {
      if (holder.startsWith("prog:")) {
        const program = state.programs.get(Number(holder.slice(5)));
        if (program === undefined) problems.push(`${holder} holds ${target} but does not exist`);
      } else if (!expected.delete(`${holder} -> ${target}`)) {
        problems.push(`${holder} holds ${target} without reason`);
      }
    }
  };
  for (const map of state.maps.values()) {
    check(`map:${map.id}`, map.holders);
    if (map.freed && map.holders.size > 0) problems.push(`map ${map.name} is freed and held`);
  }
  for (const program of state.programs.values()) {
    check(`prog:${program.id}`, program.holders);
    if (program.state !== "live" && program.holders.size > 0)
      problems.push(`program ${program.name} is ${program.state} and held`);
    if (program.state === "live" && program.holders.size === 0)
      problems.push(`program ${program.name} lives without a holder`);
    if (program.state !== "live") continue;
    for (const map of program.maps) {
      if (!kernel.map(map).holders.has(`prog:${program.id}`))
        problems.push(`program ${program.name} does not hold map ${map}`);
    }
  }
  for (const link of state.links.values()) check(`link:${link.id}`, link.holders);
  for (const missing of expected) problems.push(`missing reference ${missing}`);
}

function auditTimers(kernel: Kernel, problems: string[]): void {
  const { state } = kernel;
  const queued = new Map<number, number>();
  for (const cpu of state.cpus) {
    for (const queue of [cpu.hrtimers.monotonic, cpu.hrtimers.boottime]) {
      const timers = hrtimersInOrder(queue);
      if (timers.length !== queue.live)
        problems.push(`CPU ${cpu.id}: ${queue.live} hrtimers counted, ${timers.length} queued`);
      for (const timer of timers) queued.set(timer.index, cpu.id);
    }
    let count = 0;
    for (let bucket = 0; bucket < cpu.wheel.heads.length; bucket++) {
      for (const index of bucketTimers(cpu.wheel, bucket)) {
        queued.set(index, cpu.id);
        count++;
      }
    }
    if (count !== cpu.wheel.count)
      problems.push(`CPU ${cpu.id}: ${cpu.wheel.count} wheel timers counted, ${count} queued`);
  }
  for (const timer of state.timers.values()) {
    if (state.timerControls[timer.index] !== timer.control) problems.push(`${timer.id} has lost its number`);
    const cpu = queued.get(timer.index) ?? -1;
    queued.delete(timer.index);
    // What a softirq has collected from the wheel counts as queued until it is served.
    if (cpu !== timer.queuedOn && !(cpu < 0 && timer.clock === "jiffies")) {
      problems.push(`${timer.id} says CPU ${timer.queuedOn}, is queued on ${cpu}`);
    }
    if (timer.runningOn >= 0 && state.oops === null) {
      const runs = [...state.tasks.values()].some(
        (task) => task.timer === timer.control && task.cpu === timer.runningOn,
      );
      if (!runs) problems.push(`${timer.id} runs on CPU ${timer.runningOn}, where no task runs it`);
    }
  }
  for (const [index, cpu] of queued) problems.push(`CPU ${cpu}: number ${index} is queued and no timer has it`);
}

function auditWorks(kernel: Kernel, problems: string[]): void {
  const { state } = kernel;
  const queued = new Map(state.cpus.flatMap((cpu) => cpu.works.map((control) => [control, cpu.id] as const)));
  if (queued.size !== state.cpus.reduce((sum, cpu) => sum + cpu.works.length, 0))
    problems.push("a work item is queued twice");
  for (const work of state.works.values()) {
    const cpu = queued.get(work.control) ?? -1;
    queued.delete(work.control);
    if (cpu !== work.queuedOn) problems.push(`${work.id} says CPU ${work.queuedOn}, is queued on ${cpu}`);
    const runs = [...state.tasks.values()].find((task) => task.work === work.control)?.cpu ?? -1;
    if (runs !== work.runningOn && state.oops === null)
      problems.push(`${work.id} says that CPU ${work.runningOn} runs it, CPU ${runs} does`);
  }
  for (const [control, cpu] of queued) problems.push(`CPU ${cpu}: ${control} is queued and is no work item`);
}

function auditTasks(kernel: Kernel, problems: string[]): void {
  const { state } = kernel;
  for (const cpu of state.cpus) {
    for (const id of cpu.stack) {
      if (state.tasks.get(id)?.cpu !== cpu.id) problems.push(`CPU ${cpu.id} runs task ${id}, which is elsewhere`);
    }
  }
  for (const task of state.tasks.values()) {
    if (task.cpu >= 0 && state.cpus[task.cpu]?.stack.includes(task.id) !== true) {
      problems.push(`task ${task.id} is on no stack of CPU ${task.cpu}`);
    }
    if (task.frames.length === 0) problems.push(`task ${task.id} has nothing to do`);
  }
  for (const callback of state.rcu) {
    for (const id of callback.waitFor) {
      if ((state.tasks.get(id)?.rcu ?? 0) === 0)
        problems.push(`a grace period waits for task ${id}, which is in no section`);
    }
  }
}
