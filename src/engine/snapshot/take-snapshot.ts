import { mapTypeName, progTypeName } from "../abi/types.ts";
import {
  type BpfMap,
  type Kernel,
  mayLeak,
  queuedTimers,
  type Task,
  type Timer,
  timerExpiry,
  timerState,
  type Work,
  wheelBuckets,
  wheelPlaceOf,
  workState,
} from "../kernel/api.ts";
import { functionAt, lineAt } from "../vm/executable.ts";
import { registersHex } from "../vm/frame.ts";
import { takeGraph } from "./graph.ts";
import { MapRows } from "./map-rows.ts";
import {
  type CpuSnapshot,
  type GraphSnapshot,
  type MapSnapshot,
  type ProgramSnapshot,
  type QueueSnapshot,
  type Snapshot,
  TIMERS_SHOWN,
  type TimerSnapshot,
} from "./types.ts";

/**
 * Takes snapshots of one kernel. What has not changed since the one before is the same object again, so that sixty a second are
 * cheap to make and panels draw only what changed.
 */
export class SnapshotTaker {
  readonly #maps = new Map<number, MapRows>();
  #last: Snapshot | null = null;
  /** True when nothing was running at the last snapshot: until the next event, only time passes. */
  #quiet = false;
  readonly #limit: number | undefined;
  /** `Kernel.shape` at the last snapshot; -1 when it does not tell that the graph is the same. */
  #shape = -1;

  /** `rows`: most rows of a map, if not as many as the page shows. */
  constructor(rows?: number) {
    this.#limit = rows;
  }

  take(kernel: Kernel): Snapshot {
    const { state } = kernel;
    const quiet = state.tasks.size === 0;
    const last = this.#last;
    this.#last =
      last !== null && last.seq === state.seq && quiet && this.#quiet
        ? last.now === state.now
          ? last
          : { ...last, now: state.now, jiffies: kernel.jiffies }
        : this.#takeWhole(kernel);
    this.#quiet = quiet;
    return this.#last;
  }

  #takeWhole(kernel: Kernel): Snapshot {
    const { state, settings } = kernel;
    const timers = [...takeTimers(kernel), ...takeWorks(kernel)];
    const maps: MapSnapshot[] = [];
    for (const map of state.maps.values()) maps.push(this.#takeMap(kernel, map));
    const programs = [...state.programs.values()].map(
      (program): ProgramSnapshot => ({
        id: program.id,
        name: program.name,
        type: progTypeName(program.type) ?? `type ${program.type}`,
        refcnt: program.holders.size,
        runs: program.runs,
        state: program.state,
      }),
    );
    return {
      seq: state.seq,
      now: state.now,
      jiffies: kernel.jiffies,
      hz: settings.hz,
      policy: settings.policy,
      cpus: state.cpus.map((cpu) => takeCpu(kernel, cpu.id)),
      programs,
      maps,
      timers,
      ...(timers.length < state.timers.size + state.works.size
        ? { timerCount: state.timers.size + state.works.size }
        : {}),
      queues: takeQueues(kernel),
      graph: this.#takeGraph(kernel, maps, timers),
      oops: state.oops,
    };
  }

  #takeGraph(kernel: Kernel, maps: readonly MapSnapshot[], timers: readonly TimerSnapshot[]): GraphSnapshot {
    const last = this.#last;
    const shape = this.#shape;
    // Whether something has leaked may depend on what runs.
    this.#shape = kernel.silent || mayLeak(kernel) ? -1 : kernel.shape;
    const same =
      last !== null &&
      this.#shape === shape &&
      shape >= 0 &&
      maps.every((map, i) => map.count === last.maps[i]?.count) &&
      timers.length === last.timers.length &&
      timers.every((timer, i) => sameInGraph(timer, last.timers[i] as TimerSnapshot));
    return same ? last.graph : takeGraph(kernel, maps, timers);
  }

  #takeMap(kernel: Kernel, map: BpfMap): MapSnapshot {
    let rows = this.#maps.get(map.id);
    if (rows === undefined) {
      rows = new MapRows(map);
      this.#maps.set(map.id, rows);
    }
    let users = 0;
    for (const holder of map.holders.values()) if (holder.user) users++;
    const taken = map.freed ? { rows: [], count: 0 } : rows.take(kernel, map, this.#limit);
    return {
      id: map.id,
      name: map.name,
      type: mapTypeName(map.type) ?? `type ${map.type}`,
      keySize: map.keySize,
      valueSize: map.valueSize,
      maxEntries: map.maxEntries,
      count: taken.count,
      refcnt: map.holders.size,
      usercnt: users,
      columns: rows.columns,
      keyTypeName: rows.keyTypeName,
      rows: taken.rows,
      freed: map.freed,
    };
  }
}

/** A snapshot without anything to compare with, of every row: for the CLI and tests. */
export const takeSnapshot = (kernel: Kernel): Snapshot => new SnapshotTaker(Number.POSITIVE_INFINITY).take(kernel);

const sameInGraph = (a: TimerSnapshot, b: TimerSnapshot): boolean =>
  a.id === b.id && a.state === b.state && a.callback?.programId === b.callback?.programId;

/** All timers; of too many those that run and those that are due first. */
function shownTimers(kernel: Kernel): Timer[] {
  const timers = [...kernel.state.timers.values()];
  if (timers.length <= TIMERS_SHOWN) return timers;
  const due = (timer: Timer): number =>
    timer.runningOn >= 0 ? -1 : (timerExpiry(kernel, timer) ?? Number.POSITIVE_INFINITY);
  return timers
    .map((timer) => ({ timer, due: due(timer) }))
    .sort((a, b) => a.due - b.due)
    .slice(0, TIMERS_SHOWN)
    .map(({ timer }) => timer);
}

function takeTimers(kernel: Kernel): TimerSnapshot[] {
  const timers: TimerSnapshot[] = [];
  for (const timer of shownTimers(kernel)) {
    const state = timerState(timer);
    const { callback } = timer;
    const queued = timer.queuedOn >= 0;
    timers.push({
      kind: "timer",
      id: timer.id,
      label: timer.label,
      mapId: timer.mapId,
      element: `element:${timer.mapId}:${timer.key}`,
      state,
      clock: timer.clock,
      expires: queued ? timerExpiry(kernel, timer) : null,
      armedAt: queued ? timer.armedAt : null,
      cpu: queued ? timer.queuedOn : timer.runningOn >= 0 ? timer.runningOn : null,
      callback: takeCallback(kernel, callback),
      fired: timer.fired,
      wheel: wheelPlaceOf(kernel, timer),
    });
  }
  return timers;
}

function takeCallback(kernel: Kernel, callback: Timer["callback"]): TimerSnapshot["callback"] {
  if (callback === null) return null;
  return {
    programId: callback.program,
    program: kernel.state.programs.get(callback.program)?.name ?? `program ${callback.program}`,
    functionName: callback.name,
  };
}

function takeWorks(kernel: Kernel): TimerSnapshot[] {
  const due = (work: Work): number =>
    work.runningOn >= 0 ? -1 : work.queuedOn >= 0 ? work.due : Number.POSITIVE_INFINITY;
  const works = [...kernel.state.works.values()];
  if (works.length > TIMERS_SHOWN) works.sort((a, b) => due(a) - due(b));
  return works.slice(0, TIMERS_SHOWN).map((work): TimerSnapshot => {
    const queued = work.queuedOn >= 0;
    return {
      kind: "work",
      id: work.id,
      label: work.label,
      mapId: work.mapId,
      element: `element:${work.mapId}:${work.key}`,
      state: workState(work),
      clock: "worker",
      expires: queued ? work.due : null,
      armedAt: queued ? work.queuedAt : null,
      cpu: work.runningOn >= 0 ? work.runningOn : queued ? work.queuedOn : null,
      callback: takeCallback(kernel, work.callback),
      fired: work.ran,
      wheel: null,
    };
  });
}

function takeQueues(kernel: Kernel): QueueSnapshot[] {
  const queues: QueueSnapshot[] = [];
  for (const cpu of kernel.state.cpus) {
    for (const base of ["monotonic", "boottime", "wheel"] as const) {
      const queued = queuedTimers(kernel, cpu.id, base).slice(0, TIMERS_SHOWN);
      if (queued.length === 0) continue;
      const buckets =
        base !== "wheel"
          ? []
          : wheelBuckets(kernel, cpu.id).map(({ level, bucket, timers }) => ({
              level,
              bucket,
              timers: timers.slice(0, TIMERS_SHOWN).map((t) => t.timer.id),
            }));
      queues.push({ cpu: cpu.id, base, timers: queued.map((q) => q.timer.id), buckets });
    }
  }
  return queues;
}

function takeCpu(kernel: Kernel, id: number): CpuSnapshot {
  const cpu = kernel.state.cpus[id];
  const task = kernel.state.tasks.get(cpu?.stack.at(-1) ?? -1);
  if (task === undefined) return { id, state: "idle", running: null };
  const running = takeRunning(kernel, task);
  if (running === null) return { id, state: "kernel", running: null };
  return { id, state: task.kind === "softirq" || task.kind === "kworker" ? "callback" : "program", running };
}

function takeRunning(kernel: Kernel, task: Task): CpuSnapshot["running"] {
  const frame = kernel.vmFrame(task);
  const executable = frame === null ? undefined : kernel.knownExecutable(frame.program);
  if (frame === null || executable === undefined) return null;
  // While a helper works for it, the program stands at its call.
  const insn = task.frames.at(-1) === frame ? frame.pc : Math.max(0, frame.pc - 1);
  return {
    programId: frame.program,
    program: executable.name,
    functionName: functionAt(executable, insn),
    insn,
    line: lineAt(executable, insn),
    timer: (kernel.state.timers.get(task.timer) ?? kernel.state.works.get(task.work))?.id ?? null,
    registers: registersHex(frame),
  };
}
