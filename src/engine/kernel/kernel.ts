import { InternalError } from "../base/errors.ts";
import { makePrng, nextU32 } from "../base/prng.ts";
import { EventLog } from "../events/event-log.ts";
import { CHANGES_SHAPE } from "../events/layout.ts";
import type { VerifierEnvironment } from "../verifier/types.ts";
import type { MemoryHost } from "../vm/access.ts";
import { type Executable, functionAt, lineAt } from "../vm/executable.ts";
import { registersHex, type Trap, type VmFrame } from "../vm/frame.ts";
import type { Machine } from "../vm/interpreter.ts";
import { GUEST_BASE, GuestMemory, type MemoryCheckpoint, type MemoryKind } from "../vm/memory.ts";
import type { WasmHost } from "../vm/wasm-host.ts";
import type { Syscall } from "./calls.ts";
import { cloneState } from "./clone-state.ts";
import { CompiledPrograms } from "./compiled.ts";
import { loadContextField, storeContextField } from "./context.ts";
import type { EventPlace, KernelEvent, KernelEventBody, Oops } from "./event-types.ts";
import { newHelperCall, Prototypes, TOLD_PER_RUN } from "./helper-events.ts";
import { keyOfValue } from "./maps/values.ts";
import { mapForVerifier } from "./maps/verifier-map.ts";
import { Pointers } from "./pointers.ts";
import { POLICY_MODULES } from "./policies/index.ts";
import type { TimerPolicy } from "./policies/policy.ts";
import {
  advanceTo,
  type Choice,
  choices,
  isFree,
  nextExpiry,
  type RunStatus,
  runTask,
  stepChoice,
} from "./schedule.ts";
import type {
  BpfMap,
  Frame,
  KernelSettings,
  KernelState,
  LoadedProgram,
  Process,
  SyscallResult,
  Task,
  Timer,
} from "./state.ts";
import type { StopPoints } from "./stop-points.ts";
import { Stops } from "./stops.ts";
import { newTask, pushFunction } from "./tasks.ts";
import { makeHrtimerQueue } from "./timers/hrtimer-queue.ts";
import { elementLabel, ownerOf, RECENT_TIMERS } from "./timers/timer-object.ts";
import { makeWheel } from "./timers/wheel.ts";
import { afterWatchedStore, beforeWatchedStore, noWatchedStore } from "./watch.ts";

export interface KernelCheckpoint {
  readonly state: KernelState;
  readonly memory: MemoryCheckpoint;
}

/** Something that a program asked for and that is not modelled. */
export interface Unsupported {
  readonly message: string;
  readonly place: EventPlace | null;
}

export type EventSink = EventLog | ((event: KernelEvent) => void) | null;

/** Guest memory in all, bytes: what a map asks for beyond it is -ENOMEM. */
const MEMORY_LIMIT = 1 << 28;

/**
 * The kernel of the playground: an object table, CPUs, time. What happens is told to `sink`, in order: packed to a log, or event by
 * event to a listener; null: nobody listens.
 * All that changes is in `state` and `memory`; both can be kept and put back at any moment between two steps.
 */
export class Kernel implements MemoryHost {
  state: KernelState;
  readonly memory: GuestMemory;
  readonly settings: KernelSettings;
  readonly policy: TimerPolicy;
  /** By program id. Immutable; entries of freed programs stay, so that an older moment can be shown. */
  readonly #executables = new Map<number, Executable>();
  readonly machine: Machine;
  /** Where events go, and the names that packed data refers to. */
  readonly log: EventLog;
  /** True when nobody listens: events are counted and not told. */
  readonly silent: boolean;
  readonly pointers: Pointers;
  /** The helper call that was noted last. */
  readonly helperCall = newHelperCall();
  readonly prototypes = new Prototypes(this);
  /** The task whose step is under way. */
  current: Task | null = null;
  /** While this stays the same, so do objects and who holds them (unless the kernel is `silent`). */
  shape = 0;
  /** See `timers/timer-object.ts`. */
  readonly recentTimers = new Array<Timer | null>(RECENT_TIMERS).fill(null);
  /** True while a helper runs: the frame's pc is already behind the call. */
  atCall = false;
  /** The watched store that is under way. */
  readonly watched = noWatchedStore();
  unsupported: Unsupported | null = null;
  /** Maps by the offset of their `struct bpf_map`; rebuilt from the state when it is null. */
  #mapsByAddress: Map<number, BpfMap> | null = null;
  /** Places are told again and again: their numbers in the log by instruction, 0 where none was told yet. */
  readonly #places = new Map<Executable, Int32Array>();
  /** The entry of `#places` that was asked for last, and whose it is. */
  #lastProgram = -1;
  #lastPlaces: Int32Array = new Int32Array();
  /** True when a reference was given back since leaks were last looked for. */
  releasedSome = false;

  /** Runs verified programs compiled; null: the interpreter runs everything. */
  readonly compiled: CompiledPrograms | null;
  /** False while a stepper or explorer drives: every instruction is a step then. */
  inOneGo = true;
  /** Breakpoints and watches; null when there are none, which costs nothing. Not part of the state. */
  stops: Stops | null = null;

  /** With `wasm`, programs that the verifier passed are compiled to run in one go (never under {@link step}, nor with an instruction cost). */
  constructor(settings: KernelSettings, sink: EventSink, wasm: WasmHost | null = null) {
    this.settings = settings;
    this.policy = POLICY_MODULES[settings.policy];
    const linear = wasm === null || settings.insnCost > 0 ? null : wasm.makeMemory(1 << 21);
    this.memory = new GuestMemory(MEMORY_LIMIT, linear);
    this.compiled = linear === null || wasm === null ? null : new CompiledPrograms(this, wasm);
    this.silent = sink === null;
    this.log = sink instanceof EventLog ? sink : new EventLog(sink);
    this.pointers = new Pointers(this);
    this.state = bootState(settings);
    this.machine = { memory: this.memory, host: this, low: 0, high: 0, callee: 0, trap: null };
  }

  // Processes and their calls.

  /** Finds or creates a process; its id. A process of this name that has exited is not found: a new one begins. */
  openProcess(name: string): number {
    for (const process of this.state.processes.values())
      if (process.name === name && !process.exited) return process.id;
    const id = this.state.processes.size + 1;
    this.shape++;
    this.state.processes.set(id, { id, name, fds: new Map(), nextFd: 3, exited: false });
    return id;
  }

  process(id: number): Process {
    const process = this.state.processes.get(id);
    if (process === undefined) throw new InternalError(`no process ${id}`);
    return process;
  }

  /** Starts a system call as a task on a CPU; EINVAL when there is no such CPU. Nothing runs yet. */
  start(process: number, call: Syscall, cpu = 0): Task {
    const there = Number.isInteger(cpu) && cpu >= 0 && cpu < this.state.cpus.length;
    const task = newTask(this, there ? cpu : 0, "syscall", call.name, process);
    const name = there ? `sys:${call.name}` : "sys:no-such-cpu";
    task.frames.push({ kind: "op", name, step: 0, data: { ...call, cpu } });
    return task;
  }

  /** Ordinary run: drives the kernel until the task is over, then what is due now. "fuel" (about one per instruction): call again. */
  run(task: Task, fuel: number): RunStatus {
    return runTask(this, task, fuel);
  }

  /** Starts a call and runs it to its end; for calls that cannot run for long. */
  call(process: number, call: Syscall, cpu = 0): SyscallResult {
    const task = this.start(process, call, cpu);
    while (this.run(task, 1e8) === "fuel");
    return task.result ?? { retval: -1, errno: "EINTR" };
  }

  /** Moves virtual time to `target` (ns), firing what is due on the way. "fuel": call again with the same target. */
  advanceTo(target: number, fuel: number): RunStatus {
    return advanceTo(this, target, fuel);
  }

  /** Time (ns) of the next timer interrupt; null when nothing is pending. */
  nextExpiry(): number | null {
    return nextExpiry(this);
  }

  /** What can happen next, for explorer and stepper; each choice is one atomic step. */
  choices(): Choice[] {
    return choices(this);
  }

  step(choice: Choice, grain: "instruction" | "visible" = "instruction"): void {
    this.inOneGo = false;
    stepChoice(this, choice, grain);
    this.inOneGo = true;
  }

  /** A system call could run on this CPU now: nothing runs there, or what does sleeps. */
  isFree(cpu: number): boolean {
    const found = this.state.cpus[cpu];
    return found !== undefined && isFree(this, found);
  }

  /** Lets time pass to `at` (ns) and nothing else: what is due then is among the choices. */
  passTime(at: number): void {
    this.state.now = Math.max(this.state.now, at);
  }

  /**
   * Sets what stops {@link run} and {@link advanceTo} (with "fuel", and a report in `stops`). The events of a run are the same with
   * and without.
   */
  stopAt(points: StopPoints): void {
    const none = points.breakpoints.length === 0 && points.watches.length === 0;
    this.stops = none ? null : new Stops(this, points);
  }

  failNextAllocation(): void {
    this.state.failAllocations++;
  }

  verifierEnvironment(processId: number): VerifierEnvironment {
    return {
      cpus: this.settings.cpus,
      mapByFd: (fd) => {
        const target = this.process(processId).fds.get(fd);
        if (target === undefined) return "EBADF";
        return target.kind === "map" ? mapForVerifier(this, this.map(target.id)) : "EINVAL";
      },
    };
  }

  /** The lowest fd of a process that stands for an object. */
  fdOf(processId: number, kind: "map" | "prog" | "link", id: number): number | null {
    for (const [fd, target] of this.process(processId).fds) if (target.kind === kind && target.id === id) return fd;
    return null;
  }

  /** What {@link checkpoint} costs, us (about, and the same on every machine): it looks at every page, and copies what lives. */
  get checkpointCost(): number {
    const { timers, tasks, maps } = this.state;
    return 10 + this.memory.reach / 8192 + (timers.size + tasks.size + maps.size) / 4;
  }

  checkpoint(): KernelCheckpoint {
    return { state: cloneState(this.state), memory: this.memory.checkpoint() };
  }

  restore(from: KernelCheckpoint): void {
    this.state = cloneState(from.state);
    this.memory.restore(from.memory);
    this.shape++;
    this.current = null;
    this.recentTimers.fill(null);
    this.atCall = false;
    this.watched.map = null;
    this.unsupported = null;
    this.#mapsByAddress = null;
    this.machine.trap = null;
    this.stops?.pass(this);
    this.stops?.settle(this);
  }

  // What the modules of the kernel use.

  /** Tells of what is rare; the frequent events are in `tell.ts`. `beside`: done by no CPU and at no place of a program. */
  emit(body: KernelEventBody, beside = false): void {
    const { state } = this;
    const seq = state.seq++;
    this.shape++;
    if (this.silent) return;
    if (beside) this.log.other(body, -1, 0, state.now, seq);
    else this.log.other(body, this.cpu ?? -1, this.#placeNumber(), state.now, seq);
  }

  /** The event happens whose payload of so many slots was written to the log: by the running program. */
  happened(kind: number, slots: number): void {
    const { state, current } = this;
    this.shape += CHANGES_SHAPE[kind] as number;
    this.log.end(kind, slots, current === null ? -1 : current.cpu, this.#placeNumber(), state.now, state.seq++);
  }

  /** The same, by no CPU and at no place of a program. */
  happenedBeside(kind: number, slots: number): void {
    const { state } = this;
    this.shape += CHANGES_SHAPE[kind] as number;
    this.log.end(kind, slots, -1, 0, state.now, state.seq++);
  }

  /** True when the small events of the running program are told; each asking counts as one. */
  tells(): boolean {
    if (!this.settings.watch) return false;
    return this.current === null || this.current.told++ < TOLD_PER_RUN;
  }

  get cpu(): number | null {
    return this.current === null || this.current.cpu < 0 ? null : this.current.cpu;
  }

  get nsPerJiffy(): number {
    return 1e9 / this.settings.hz;
  }

  get jiffies(): number {
    return Math.floor(this.state.now / this.nsPerJiffy);
  }

  random(): number {
    return nextU32(this.state.prng);
  }

  /** Kernel memory, or null: -ENOMEM. Fault injection (`fail next alloc`) strikes here. */
  allocate(size: number, kind: MemoryKind, label: string, node: string | null, mode = 0): number | null {
    if (this.state.failAllocations > 0) {
      this.state.failAllocations--;
      return null;
    }
    return this.memory.allocate(size, kind, label, node, mode);
  }

  map(id: number): BpfMap {
    const map = this.state.maps.get(id);
    if (map === undefined) throw new InternalError(`no map ${id}`);
    return map;
  }

  addMap(map: BpfMap): void {
    this.state.maps.set(map.id, map);
    this.#mapsByAddress?.set(map.address, map);
  }

  program(id: number): LoadedProgram {
    const program = this.state.programs.get(id);
    if (program === undefined) throw new InternalError(`no program ${id}`);
    return program;
  }

  addExecutable(id: number, executable: Executable): void {
    this.#executables.set(id, executable);
    this.#lastProgram = -1;
  }

  /** As {@link executable}; undefined when there is none. */
  knownExecutable(id: number): Executable | undefined {
    return this.#executables.get(id);
  }

  executable(id: number): Executable {
    const executable = this.#executables.get(id);
    if (executable === undefined) throw new InternalError(`no executable ${id}`);
    return executable;
  }

  /** The live map whose `struct bpf_map` stands at a guest offset. */
  mapAt(offset: number): BpfMap | null {
    if (this.#mapsByAddress === null) {
      this.#mapsByAddress = new Map();
      for (const map of this.state.maps.values()) this.#mapsByAddress.set(map.address, map);
    }
    const map = this.#mapsByAddress.get(offset);
    return map === undefined || map.freed ? null : map;
  }

  /** Innermost program frame of a task. */
  vmFrame(task: Task | null = this.current): VmFrame | null {
    if (task === null) return null;
    for (let i = task.frames.length - 1; i >= 0; i--) {
      const frame = task.frames[i] as Frame;
      if (frame.kind === "vm") return frame;
    }
    return null;
  }

  /** The instruction at which a frame of the running task stands: the call while a helper works for it. */
  #standing(frame: VmFrame): number {
    const frames = this.current?.frames;
    const behind = this.atCall || frames?.[frames.length - 1] !== frame;
    return behind && frame.pc > 0 ? frame.pc - 1 : frame.pc;
  }

  /** Where the running program stands. */
  place(): EventPlace | null {
    const frame = this.vmFrame();
    const executable = frame === null ? undefined : this.#executables.get(frame.program);
    if (frame === null || executable === undefined) return null;
    return makePlace(frame.program, executable, this.#standing(frame));
  }

  /** Number of {@link place} in the log; 0 for none. */
  #placeNumber(): number {
    const frame = this.vmFrame();
    if (frame === null) return 0;
    if (frame.program !== this.#lastProgram && !this.#openPlaces(frame.program)) return 0;
    const insn = this.#standing(frame);
    const places = this.#lastPlaces;
    const known = places[insn] as number;
    if (known !== 0) return known;
    const number = this.log.place(makePlace(frame.program, this.executable(frame.program), insn));
    places[insn] = number;
    return number;
  }

  #openPlaces(program: number): boolean {
    const executable = this.#executables.get(program);
    if (executable === undefined) return false;
    let places = this.#places.get(executable);
    if (places === undefined) {
      // A program may stand behind its last instruction.
      places = new Int32Array(executable.insns.length + 1);
      this.#places.set(executable, places);
    }
    this.#lastProgram = program;
    this.#lastPlaces = places;
    return true;
  }

  notModelled(what: string): void {
    this.unsupported ??= { message: `${what} is not modelled here`, place: this.place() };
  }

  /** Everything stops: what Linux would print a stack trace for. */
  oops(trap: Trap): void {
    if (this.state.oops !== null) return;
    const frame = this.vmFrame();
    const inGuest = trap.address !== null && trap.address >= GUEST_BASE && trap.address < GUEST_BASE + 0x1_0000_0000n;
    const offset = inGuest ? Number((trap.address as bigint) - GUEST_BASE) : 0;
    const object = inGuest ? this.memory.objectAt(offset) : null;
    const owner = object === null ? null : ownerOf(this, offset);
    const element = owner === null ? null : keyOfValue(this, owner.map, owner.valueAt);
    const oops: Oops = {
      what: trap.what,
      message: trap.message,
      at: this.state.now,
      cpu: this.cpu ?? 0,
      place: this.place(),
      address: trap.address === null ? null : `0x${trap.address.toString(16)}`,
      object:
        object === null
          ? null
          : {
              node: owner === null || element === null ? object.node : `element:${owner.map.id}:${element}`,
              label: owner === null || element === null ? object.label : elementLabel(owner.map, element),
              freedAt: object.freedAt,
            },
      registers: frame === null ? [] : registersHex(frame),
    };
    this.state.oops = oops;
    this.emit({ kind: "oops", oops });
  }

  /** Begins a program on a task: its first function, with the registers that `setUp` fills. */
  startProgram(task: Task, program: LoadedProgram, setUp: (frame: VmFrame) => void): void {
    const frame = pushFunction(this, task, program.id, 0);
    if (frame !== null) setUp(frame);
  }

  loadContext(offset: number, size: number): bigint | null {
    return loadContextField(this, offset, size);
  }

  storeContext(offset: number, size: number, value: bigint): boolean {
    return storeContextField(this, offset, size, value);
  }

  beforeStore(offset: number, size: number): void {
    beforeWatchedStore(this, offset, size);
  }

  afterStore(): void {
    afterWatchedStore(this);
  }
}

const makePlace = (programId: number, executable: Executable, insn: number): EventPlace => ({
  programId,
  program: executable.name,
  functionName: functionAt(executable, insn),
  insn,
  line: lineAt(executable, insn),
});

function bootState(settings: KernelSettings): KernelState {
  return {
    now: 0,
    seq: 0,
    nextMapId: 1,
    nextProgId: 1,
    nextLinkId: 1,
    nextTask: 1,
    nextRun: 1,
    nextOrder: 0,
    nextTicket: 1,
    prng: makePrng(settings.seed),
    maps: new Map(),
    programs: new Map(),
    links: new Map(),
    pins: new Map(),
    processes: new Map(),
    timers: new Map(),
    timerControls: [],
    freeTimerIndexes: [],
    works: new Map(),
    cpus: Array.from({ length: settings.cpus }, (_, id) => ({
      id,
      stack: [],
      hrtimers: { monotonic: makeHrtimerQueue(), boottime: makeHrtimerQueue() },
      wheel: makeWheel(),
      works: [],
      served: -1,
      servedOrder: 0,
      locksHeld: 0,
    })),
    tasks: new Map(),
    rcu: [],
    trace: [],
    leaksReported: new Set(),
    stacks: [],
    failAllocations: 0,
    oops: null,
  };
}
