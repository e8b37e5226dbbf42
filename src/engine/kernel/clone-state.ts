import type {
  BpfMap,
  Cpu,
  Frame,
  HrtimerQueue,
  KernelState,
  Link,
  LoadedProgram,
  MapStorage,
  Process,
  RcuCallback,
  Task,
  Timer,
  Wheel,
  Work,
} from "./state.ts";

/**
 * A copy of the kernel's state that shares nothing that changes. What never changes once made (BTF, holders' marks, calls' arguments) is
 * shared, which makes a checkpoint cheap: cost is in proportion to what lives, not to what was loaded.
 */
export function cloneState(state: KernelState): KernelState {
  return {
    ...state,
    prng: { ...state.prng },
    maps: mapValues(state.maps, cloneMap),
    programs: mapValues(
      state.programs,
      (program): LoadedProgram => ({ ...program, holders: new Map(program.holders) }),
    ),
    links: mapValues(state.links, (link): Link => ({ ...link, holders: new Map(link.holders) })),
    pins: new Map(state.pins),
    processes: mapValues(state.processes, (process): Process => ({ ...process, fds: new Map(process.fds) })),
    timers: mapValues(state.timers, (timer): Timer => ({ ...timer })),
    timerControls: state.timerControls.slice(),
    freeTimerIndexes: state.freeTimerIndexes.slice(),
    works: mapValues(state.works, (work): Work => ({ ...work })),
    cpus: state.cpus.map(cloneCpu),
    tasks: mapValues(state.tasks, cloneTask),
    rcu: state.rcu.map((callback): RcuCallback => ({ ...callback, waitFor: callback.waitFor.slice() })),
    trace: state.trace.slice(),
    leaksReported: new Set(state.leaksReported),
    stacks: state.stacks.slice(),
  };
}

function mapValues<K, V>(map: ReadonlyMap<K, V>, clone: (value: V) => V): Map<K, V> {
  const copy = new Map<K, V>();
  for (const [key, value] of map) copy.set(key, clone(value));
  return copy;
}

const cloneMap = (map: BpfMap): BpfMap => ({
  ...map,
  holders: new Map(map.holders),
  storage: cloneStorage(map.storage),
  lastWrites: map.lastWrites.clone(),
});

function cloneStorage(storage: MapStorage): MapStorage {
  switch (storage.kind) {
    case "array":
      return storage;
    case "hash":
      return { ...storage, free: storage.free.slice(), spare: storage.spare.slice() };
    case "slots":
      return { ...storage, slots: new Map(storage.slots) };
    case "list":
      return { ...storage, values: storage.values.slice() };
    case "ringbuf":
      return { ...storage, ring: { ...storage.ring, records: storage.ring.records.map((record) => ({ ...record })) } };
    case "timers":
      return { ...storage, timers: new Map(storage.timers) };
  }
}

const cloneQueue = (queue: HrtimerQueue): HrtimerQueue => ({
  ...queue,
  heap: queue.heap.slice(),
  current: queue.current.slice(),
});

const cloneWheel = (wheel: Wheel): Wheel => ({
  ...wheel,
  heads: wheel.heads.slice(),
  occupied: wheel.occupied.slice(),
  next: wheel.next.slice(),
  previous: wheel.previous.slice(),
  buckets: wheel.buckets.slice(),
  due: wheel.due.slice(),
});

const cloneCpu = (cpu: Cpu): Cpu => ({
  ...cpu,
  stack: cpu.stack.slice(),
  hrtimers: { monotonic: cloneQueue(cpu.hrtimers.monotonic), boottime: cloneQueue(cpu.hrtimers.boottime) },
  wheel: cloneWheel(cpu.wheel),
  works: cpu.works.slice(),
});

/** An operation's data is flat: what lies below its members is replaced, never written to. */
const cloneFrame = (frame: Frame): Frame =>
  frame.kind === "vm"
    ? { ...frame, lo: frame.lo.slice(), hi: frame.hi.slice() }
    : { ...frame, data: { ...frame.data } };

const cloneTask = (task: Task): Task => ({
  ...task,
  frames: task.frames.map(cloneFrame),
  context: task.context === null ? null : { ...task.context },
});
