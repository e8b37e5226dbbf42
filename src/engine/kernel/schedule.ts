import type { EventPlace } from "./event-types.ts";
import { executeProgram, isVisibleNext } from "./execute.ts";
import type { Kernel } from "./kernel.ts";
import { OPERATIONS } from "./operations.ts";
import { checkLeaks } from "./reference-graph.ts";
import type { Cpu, OpFrame, RcuCallback, Task, Wait } from "./state.ts";
import type { Stops } from "./stops.ts";
import { newTask, op, rcuPending, startWorker } from "./tasks.ts";
import { tellRcuDone } from "./tell.ts";
import { firstKey, firstProgrammed } from "./timers/hrtimer-queue.ts";
import { forgetTimer } from "./timers/timer-object.ts";
import { nextWheelJiffy } from "./timers/wheel.ts";
import { startKworker, workTime } from "./works/kworker.ts";
import { forgetWork } from "./works/work-object.ts";

/** Where a run stands. `deadlock`, `oops`: everything has stopped (see `state.oops`); `unsupported`: see `Kernel.unsupported`. */
export type RunStatus = "done" | "fuel" | "oops" | "unsupported";

/** Something that can happen next. Plain data; valid for the state that it was asked of. */
export interface Choice {
  /** Stable name within a schedule: `cpu0`, `irq1`, `work1`, `worker7`, `rcu3`, `time`. */
  readonly id: string;
  readonly kind: "step" | "interrupt" | "work" | "worker" | "rcu" | "time";
  /** -1 for workers, grace periods and time. */
  readonly cpu: number;
  /** 0 when no task is meant. */
  readonly task: number;
  readonly label: string;
  readonly place: EventPlace | null;
}

/** Steps of operations count as this many instructions against the fuel. */
const OP_COST = 4;
/** Instructions that nobody sees and that yet make one step, at most: a loop without end comes up for air. */
const SILENT_STEPS = 100_000;
/**
 * A timer that a callback arms so that it is due at once is served this much later (ns): the machine that the facts were measured
 * on ran a callback that does so every 21 us.
 */
const REARM_LATENCY = 20_000;

/** Time (ns) at which a CPU's next timer interrupt is due; Infinity when it has no timer. */
function interruptTime(kernel: Kernel, cpu: Cpu): number {
  const { monotonic, boottime } = cpu.hrtimers;
  let next = Number.POSITIVE_INFINITY;
  for (const queue of [monotonic, boottime]) {
    if (queue.live === 0) continue;
    let due = firstKey(queue);
    if (due <= cpu.served) {
      const first = firstProgrammed(queue);
      due = first?.key ?? Number.POSITIVE_INFINITY;
      if (first !== null && due <= cpu.served && first.order < cpu.servedOrder) due = cpu.served + REARM_LATENCY;
    }
    if (due < next) next = due;
  }
  if (cpu.wheel.count > 0) next = Math.min(next, nextWheelJiffy(cpu.wheel) * kernel.nsPerJiffy);
  return next;
}

export function nextExpiry(kernel: Kernel): number | null {
  let next = Number.POSITIVE_INFINITY;
  for (const cpu of kernel.state.cpus) {
    next = Math.min(next, interruptTime(kernel, cpu), workTime(kernel, cpu, isFree(kernel, cpu)));
  }
  return next === Number.POSITIVE_INFINITY ? null : Math.max(next, kernel.state.now);
}

export function waits(kernel: Kernel, wait: Wait): boolean {
  switch (wait.on) {
    case "callback":
      return ((kernel.state.timers.get(wait.control) ?? kernel.state.works.get(wait.control))?.runningOn ?? -1) >= 0;
    case "rcu":
      return rcuPending(kernel, wait.ticket);
    case "lock":
      return kernel.memory.view.getUint32(wait.at, true) !== 0;
    case "workers":
      return [...kernel.state.tasks.values()].some((task) => task.kind === "worker");
  }
}

const isRunnable = (kernel: Kernel, task: Task): boolean => task.wait === null || !waits(kernel, task.wait);

/**
 * What runs on a CPU: the task that came last. Threads (calls and kworkers) that sleep make way for those below; what spins for a lock,
 * and an interrupt, do not.
 */
function topTask(kernel: Kernel, cpu: Cpu): Task | null {
  const { stack } = cpu;
  if (stack.length === 0) return null;
  const last = kernel.state.tasks.get(stack[stack.length - 1] as number) ?? null;
  if (stack.length === 1) return last;
  for (let i = stack.length - 1; i > 0; i--) {
    const task = kernel.state.tasks.get(stack[i] as number);
    if (task === undefined || !sleeps(kernel, task)) return task ?? last;
  }
  const lowest = kernel.state.tasks.get(stack[0] as number);
  return lowest !== undefined && isRunnable(kernel, lowest) ? lowest : last;
}

const sleeps = (kernel: Kernel, task: Task): boolean =>
  task.kind !== "softirq" && task.wait !== null && task.wait.on !== "lock" && waits(kernel, task.wait);

/** No thread that could run is on the CPU, and no interrupt. */
export function isFree(kernel: Kernel, cpu: Cpu): boolean {
  return cpu.stack.every((id) => {
    const task = kernel.state.tasks.get(id);
    return task !== undefined && sleeps(kernel, task);
  });
}

/** An interrupt may come: no softirq runs there, and interrupts are on. */
function mayInterrupt(kernel: Kernel, cpu: Cpu): boolean {
  const top = topTask(kernel, cpu);
  return cpu.locksHeld === 0 && (top === null || top.kind !== "softirq");
}

function interrupt(kernel: Kernel, cpu: Cpu): void {
  const task = newTask(kernel, cpu.id, "softirq", "timer softirq");
  task.time = Math.max(task.time, topTask(kernel, cpu)?.time ?? 0);
  task.frames.push(op("softirq", { before: kernel.state.nextOrder, batch: [], at: 0, control: 0 }));
  cpu.served = kernel.state.now;
}

/** What waited for a grace period, which the list no longer holds, happens. */
function endGracePeriod(kernel: Kernel, callback: RcuCallback): void {
  const { state } = kernel;
  tellRcuDone(kernel, callback.what);
  for (const control of callback.timers) {
    forgetTimer(kernel, control);
    forgetWork(kernel, control);
  }
  for (const block of callback.free) kernel.memory.free(block, state.now);
  // A worker changes its operation, which a checkpoint may hold too.
  if (callback.op !== null) startWorker(kernel, { ...callback.op, data: { ...callback.op.data } }, callback.what);
}

/** One step of a task: at most `fuel` instructions of a program, or one step of an operation. Returns what it used. */
function stepTask(kernel: Kernel, task: Task, fuel: number): number {
  kernel.current = task;
  task.wait = null;
  const frame = task.frames[task.frames.length - 1];
  let used = OP_COST;
  if (frame?.kind === "vm") {
    used = executeProgram(kernel, task, frame, fuel);
  } else if (frame !== undefined) {
    const operation = OPERATIONS[frame.name];
    if (operation === undefined) throw new Error(`no operation ${frame.name}`);
    operation(kernel, task, frame as OpFrame);
  }
  kernel.current = null;
  return used;
}

/** What an ordinary run does next: a step of a task, or (null) the begin of an interrupt or kworker on a CPU. */
interface Action {
  readonly time: number;
  readonly task: Task | null;
  readonly cpu: Cpu | null;
  readonly begin: (kernel: Kernel, cpu: Cpu) => void;
}

function nextAction(kernel: Kernel, main: Task | null): Action | null {
  return kernel.settings.insnCost > 0 ? earliest(kernel, main) : nextAtOnce(kernel, main);
}

/**
 * Without an instruction cost an operation runs in one go: first the task that one waits for, then others on CPUs, workers,
 * interrupts, and what is deferred to kworkers last.
 */
function nextAtOnce(kernel: Kernel, main: Task | null): Action | null {
  const { cpus, tasks, now } = kernel.state;
  let other: Task | null = null;
  for (const cpu of cpus) {
    const top = topTask(kernel, cpu);
    if (top === null || !isRunnable(kernel, top)) continue;
    if (top === main) return { time: now, task: top, cpu: null, begin: interrupt };
    other ??= top;
  }
  if (other === null && tasks.size > 0) {
    for (const task of tasks.values()) {
      if (task.cpu >= 0 || !isRunnable(kernel, task)) continue;
      other ??= task;
      if (task === main) other = task;
    }
  }
  if (other !== null) return { time: now, task: other, cpu: null, begin: interrupt };
  for (const cpu of cpus) {
    if (cpu.stack.length === 0 && interruptTime(kernel, cpu) <= now)
      return { time: now, task: null, cpu, begin: interrupt };
  }
  for (const cpu of cpus) {
    if (cpu.works.length > 0 && workTime(kernel, cpu, isFree(kernel, cpu)) <= now)
      return { time: now, task: null, cpu, begin: startKworker };
  }
  return null;
}

/** With an instruction cost the earliest comes first; at equal times interrupts, then the task that one waits for, then others. */
function earliest(kernel: Kernel, main: Task | null): Action | null {
  const { state } = kernel;
  let best: Action | null = null;
  let bestRank = 0;
  const consider = (time: number, rank: number, task: Task | null, cpu: Cpu | null, begin = interrupt): void => {
    if (best !== null && (time > best.time || (time === best.time && rank >= bestRank))) return;
    best = { time, task, cpu, begin };
    bestRank = rank;
  };
  for (const cpu of state.cpus) {
    const top = topTask(kernel, cpu);
    if (top !== null && isRunnable(kernel, top)) consider(top.time, top === main ? 1 : 2, top, null);
    else if (cpu.works.length > 0) {
      const due = workTime(kernel, cpu, isFree(kernel, cpu));
      if (due <= state.now) consider(state.now, 3, null, cpu, startKworker);
    }
  }
  for (const task of state.tasks.values()) {
    if (task.cpu < 0 && isRunnable(kernel, task)) {
      consider(Math.max(task.time, state.now), task === main ? 1 : 3, task, null);
    }
  }
  // Time passes to an interrupt on the way to something that runs. Where all wait, who wants time to pass says so.
  const reached = (best as Action | null)?.time ?? state.now;
  for (const cpu of state.cpus) {
    if (!mayInterrupt(kernel, cpu)) continue;
    const top = topTask(kernel, cpu);
    const at = Math.max(interruptTime(kernel, cpu), top !== null && isRunnable(kernel, top) ? top.time : state.now);
    if (at <= Math.max(reached, state.now)) consider(at, 0, null, cpu);
  }
  return best;
}

/** Instructions that `task` may run before something else is due, or `limit` is reached. */
function budget(kernel: Kernel, task: Task, fuel: number, limit: number): number {
  const cost = kernel.settings.insnCost;
  if (cost === 0) return fuel;
  let horizon = limit;
  for (const cpu of kernel.state.cpus) {
    const top = topTask(kernel, cpu);
    if (top !== null && top !== task && isRunnable(kernel, top))
      horizon = Math.min(horizon, Math.max(top.time, task.time));
    if (mayInterrupt(kernel, cpu)) horizon = Math.min(horizon, interruptTime(kernel, cpu));
    if (cpu.works.length > 0) horizon = Math.min(horizon, workTime(kernel, cpu, isFree(kernel, cpu)));
  }
  for (const worker of kernel.state.tasks.values()) {
    if (worker.cpu < 0 && worker !== task && isRunnable(kernel, worker))
      horizon = Math.min(horizon, Math.max(worker.time, task.time));
  }
  return Math.max(1, Math.min(fuel, Math.ceil((horizon - task.time) / cost)));
}

/** Does what comes next in the ordinary order; 0 when nothing is to happen up to the time `limit`. */
function act(kernel: Kernel, main: Task | null, fuel: number, limit: number): number {
  const { state, settings } = kernel;
  const action = nextAction(kernel, main);
  if (action === null || action.time > limit) return 0;
  state.now = Math.max(state.now, action.time);
  if (action.task === null) {
    action.begin(kernel, action.cpu as Cpu);
    return OP_COST;
  }
  const task = action.task;
  task.time = Math.max(task.time, state.now);
  const used = stepTask(kernel, task, budget(kernel, task, fuel, limit));
  if (settings.insnCost > 0) task.time += used * settings.insnCost;
  return used;
}

/** Ends every grace period that can end. */
function endGracePeriods(kernel: Kernel): boolean {
  const { rcu } = kernel.state;
  const ended: RcuCallback[] = [];
  let kept = 0;
  for (const callback of rcu) {
    if (callback.waitFor.length === 0) ended.push(callback);
    else rcu[kept++] = callback;
  }
  rcu.length = kept;
  for (const callback of ended) endGracePeriod(kernel, callback);
  return ended.length > 0;
}

function stopped(kernel: Kernel): RunStatus | null {
  if (kernel.state.oops !== null) return "oops";
  return kernel.unsupported !== null ? "unsupported" : null;
}

const hasStopped = (kernel: Kernel, stops: Stops): boolean => stops.report !== null || stops.valueChanged(kernel);

/** Nothing can go on, and something waits: a deadlock, unless a grace period can still end. */
export function deadlock(kernel: Kernel): boolean {
  const waiting = [...kernel.state.tasks.values()].filter((task) => task.wait !== null);
  if (waiting.length === 0) return false;
  const words = waiting.map((task) => `${task.cpu < 0 ? "a worker" : `CPU ${task.cpu}`} waits for ${task.wait?.what}`);
  kernel.current = waiting[0] as Task;
  kernel.oops({ what: "deadlock", message: `deadlock: ${words.join("; ")}`, address: null });
  kernel.current = null;
  return true;
}

/**
 * Runs until nothing is left to do at this moment, or up to the time `until`; as long as `main` lives, whatever the time. `periods`:
 * grace periods end too. With an instruction cost, what takes longer goes on later.
 */
function settle(
  kernel: Kernel,
  main: Task | null,
  fuel: number,
  periods: boolean,
  until: number | null,
): { status: RunStatus; left: number } {
  let left = fuel;
  for (;;) {
    const stop = stopped(kernel);
    if (stop !== null) return { status: stop, left };
    if (left <= 0) return { status: "fuel", left };
    const mainLives = main !== null && kernel.state.tasks.has(main.id);
    const limit = mainLives ? Number.POSITIVE_INFINITY : (until ?? kernel.state.now);
    const used = act(kernel, main, left, limit);
    if (kernel.stops !== null && hasStopped(kernel, kernel.stops)) return { status: "fuel", left: 0 };
    if (used > 0) {
      left -= used;
      continue;
    }
    if (kernel.state.tasks.size === 0 && kernel.state.rcu.length === 0) {
      checkLeaks(kernel);
      return { status: "done", left };
    }
    // A system call that waits for grace periods, if only through a worker, makes them end.
    const waiting = [...kernel.state.tasks.values()].some((task) => task.kind === "syscall" && task.wait !== null);
    if ((periods || waiting) && endGracePeriods(kernel)) continue;
    if (isStuck(kernel) && deadlock(kernel)) {
      return { status: "oops", left };
    }
    checkLeaks(kernel);
    return { status: "done", left };
  }
}

/** Somebody waits, and nobody can run. */
function isStuck(kernel: Kernel): boolean {
  const tasks = [...kernel.state.tasks.values()];
  return tasks.some((task) => task.wait !== null && task.wait.on !== "rcu") && nextAction(kernel, null) === null;
}

export function runTask(kernel: Kernel, task: Task, fuel: number): RunStatus {
  return settle(kernel, task, fuel, false, null).status;
}

export function advanceTo(kernel: Kernel, target: number, fuel: number): RunStatus {
  const { state } = kernel;
  let left = fuel;
  for (;;) {
    const settled = settle(kernel, null, left, true, target);
    if (settled.status !== "done") return settled.status;
    left = settled.left;
    const next = nextExpiry(kernel);
    if (next === null || next > target) {
      state.now = Math.max(state.now, target);
      return "done";
    }
    if (left <= 0) return "fuel";
    state.now = Math.max(state.now, next);
  }
}

export function choices(kernel: Kernel): Choice[] {
  const { state } = kernel;
  const list: Choice[] = [];
  if (state.oops !== null || kernel.unsupported !== null) return list;
  for (const cpu of state.cpus) {
    const top = topTask(kernel, cpu);
    if (top !== null && isRunnable(kernel, top)) list.push(taskChoice(kernel, top, "step", `cpu${cpu.id}`));
    if (mayInterrupt(kernel, cpu) && interruptTime(kernel, cpu) <= state.now) {
      list.push({ id: `irq${cpu.id}`, kind: "interrupt", cpu: cpu.id, task: 0, label: "timer interrupt", place: null });
    }
    if (cpu.works.length > 0 && workTime(kernel, cpu, isFree(kernel, cpu)) <= state.now) {
      list.push({
        id: `work${cpu.id}`,
        kind: "work",
        cpu: cpu.id,
        task: 0,
        label: "the kworker wakes up",
        place: null,
      });
    }
  }
  for (const task of state.tasks.values()) {
    if (task.cpu < 0 && isRunnable(kernel, task)) list.push(taskChoice(kernel, task, "worker", `worker${task.id}`));
  }
  for (const callback of state.rcu) {
    if (callback.waitFor.length > 0) continue;
    const label = `grace period ends: ${callback.what}`;
    list.push({ id: `rcu${callback.ticket}`, kind: "rcu", cpu: -1, task: 0, label, place: null });
  }
  // No wait is for time: whoever waits now waits for ever.
  if (list.length === 0 && deadlock(kernel)) return list;
  const next = nextExpiry(kernel);
  if (next !== null && next > state.now) {
    list.push({ id: "time", kind: "time", cpu: -1, task: 0, label: "time passes to the next expiry", place: null });
  }
  return list;
}

function taskChoice(kernel: Kernel, task: Task, kind: "step" | "worker", id: string): Choice {
  const before = kernel.current;
  kernel.current = task;
  const place = kernel.place();
  kernel.current = before;
  const frame = task.frames.at(-1);
  const label = frame?.kind === "op" ? `${task.label}: ${frame.name}` : task.label;
  return { id, kind, cpu: task.cpu, task: task.id, label, place };
}

export function stepChoice(kernel: Kernel, choice: Choice, grain: "instruction" | "visible"): void {
  const { state } = kernel;
  switch (choice.kind) {
    case "time": {
      const next = nextExpiry(kernel);
      if (next !== null) state.now = Math.max(state.now, next);
      return;
    }
    case "rcu": {
      const callback = state.rcu.find((c) => `rcu${c.ticket}` === choice.id);
      if (callback === undefined || callback.waitFor.length > 0) return;
      state.rcu.splice(state.rcu.indexOf(callback), 1);
      endGracePeriod(kernel, callback);
      return;
    }
    case "interrupt": {
      const cpu = state.cpus[choice.cpu];
      if (cpu !== undefined && mayInterrupt(kernel, cpu)) interrupt(kernel, cpu);
      return;
    }
    case "work": {
      const cpu = state.cpus[choice.cpu];
      if (cpu !== undefined && workTime(kernel, cpu, isFree(kernel, cpu)) <= state.now) startKworker(kernel, cpu);
      return;
    }
    default: {
      const task = state.tasks.get(choice.task);
      if (task === undefined || !isRunnable(kernel, task)) return;
      if (kernel.settings.insnCost > 0) {
        state.now = Math.max(state.now, task.time);
        task.time = state.now;
      }
      for (let done = 0; done < SILENT_STEPS; done++) {
        const used = stepTask(kernel, task, 1);
        if (kernel.settings.insnCost > 0) task.time += used * kernel.settings.insnCost;
        if (grain === "instruction" || stopped(kernel) !== null || isVisibleNext(kernel, task)) break;
      }
      if (state.tasks.size === 0) checkLeaks(kernel);
    }
  }
}
