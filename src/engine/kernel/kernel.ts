import { ERRNO, type Errno } from "../abi/errno.ts";
import { InternalError } from "../base/errors.ts";
import { makePrng, nextU32 } from "../base/prng.ts";
import type { MemoryHost } from "../vm/access.ts";
import { type Executable, functionAt, lineAt } from "../vm/executable.ts";
import { type Trap, type VmFrame, registersHex } from "../vm/frame.ts";
import type { Machine } from "../vm/interpreter.ts";
import { GuestMemory, type MemoryCheckpoint, type MemoryKind } from "../vm/memory.ts";
import { loadContextField, storeContextField } from "./context.ts";
import type { EventPlace, KernelEvent, KernelEventBody, Oops } from "./event-types.ts";
import { POLICY_MODULES } from "./policies/index.ts";
import type { TimerPolicy } from "./policies/policy.ts";
import { clearSlots } from "./maps/slots.ts";
import type {
  BpfMap,
  FileTarget,
  Frame,
  KernelSettings,
  KernelState,
  LoadedProgram,
  OpFrame,
  Task,
  Timer,
} from "./state.ts";
import { afterWatchedStore, beforeWatchedStore } from "./watch.ts";

export interface KernelCheckpoint {
  readonly state: KernelState;
  readonly memory: MemoryCheckpoint;
}

/** Steps of kernel operations are cheap, programs are not: both count against the fuel of a slice. */
export const OP_COST = 1;

const STACK_FRAMES = 16;
/** Bytes of one frame's stack, and the red zone below it. */
export const STACK_FRAME_BYTES = 512;
export const STACK_FRAME_STRIDE = STACK_FRAME_BYTES + 32;

/**
 * The kernel of the playground: an object table, CPUs, time. What happens is told to `sink`, in order.
 * All that changes is in `state` and `memory`; both can be kept and put back at any moment between two steps.
 */
export class Kernel implements MemoryHost {
  state: KernelState;
  readonly memory: GuestMemory;
  readonly settings: KernelSettings;
  readonly policy: TimerPolicy;
  /** By program id. Immutable; entries of freed programs stay, so that an older moment can be shown. */
  readonly executables = new Map<number, Executable>();
  readonly machine: Machine;
  readonly #sink: (event: KernelEvent) => void;
  /** The task whose step is under way. */
  current: Task | null = null;
  /** Old bytes of the watched store that is under way. */
  watched: { readonly map: BpfMap; readonly at: number; readonly size: number; readonly old: Uint8Array } | null = null;

  constructor(settings: KernelSettings, sink: (event: KernelEvent) => void) {
    this.settings = settings;
    this.policy = POLICY_MODULES[settings.policy];
    this.memory = new GuestMemory();
    this.#sink = sink;
    this.state = bootState(settings);
    this.machine = { memory: this.memory, host: this, low: 0, high: 0, callee: 0, trap: null };
  }

  emit(body: KernelEventBody, cpu: number | null = this.cpu, place: EventPlace | null = this.place()): void {
    const event = { seq: this.state.seq++, at: this.state.now, cpu, ...(place ? { place } : {}), ...body } as KernelEvent;
    this.#sink(event);
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

  program(id: number): LoadedProgram {
    const program = this.state.programs.get(id);
    if (program === undefined) throw new InternalError(`no program ${id}`);
    return program;
  }

  executable(id: number): Executable {
    const executable = this.executables.get(id);
    if (executable === undefined) throw new InternalError(`no executable ${id}`);
    return executable;
  }

  /** The map whose `struct bpf_map` stands at a guest offset. */
  mapAt(offset: number): BpfMap | null {
    for (const map of this.state.maps.values()) if (map.address === offset && !map.freed) return map;
    return null;
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

  /** Where the running program stands: at the call while a helper works for it. */
  place(): EventPlace | null {
    const frame = this.vmFrame();
    if (frame === null) return null;
    const executable = this.executables.get(frame.program);
    if (executable === undefined) return null;
    const insn = this.atCall ? frame.pc - 1 : frame.pc;
    return {
      programId: frame.program,
      program: executable.name,
      functionName: functionAt(executable, insn),
      insn,
      line: lineAt(executable, insn),
    };
  }

  /** True while a helper runs: the frame's pc is already behind the call. */
  atCall = false;

  /** Starts work that no task waits for. */
  startWorker(op: OpFrame, label: string): Task {
    const task = this.newTask(-1, "worker", label);
    task.frames.push(op);
    return task;
  }

  newTask(cpu: number, kind: Task["kind"], label: string): Task {
    const stackBlock =
      kind === "worker"
        ? 0
        : (this.state.stacks.pop() ??
          this.memory.allocate(STACK_FRAMES * STACK_FRAME_STRIDE, "stack", "kernel stack", null) ??
          0);
    if (stackBlock !== 0) this.memory.poison(stackBlock, STACK_FRAMES * STACK_FRAME_STRIDE);
    const task: Task = {
      id: this.state.nextTask++,
      cpu,
      kind,
      frames: [],
      time: this.state.now,
      wait: null,
      stackBlock,
      context: null,
      result: null,
      runId: 0,
      label,
      rcu: false,
      tailCalls: 0,
      reported: new Map(),
    };
    this.state.tasks.set(task.id, task);
    if (cpu >= 0) this.state.cpus[cpu]?.stack.push(task.id);
    return task;
  }

  endTask(task: Task): void {
    this.state.tasks.delete(task.id);
    if (task.cpu >= 0) {
      const stack = this.state.cpus[task.cpu]?.stack;
      const at = stack?.indexOf(task.id) ?? -1;
      if (stack !== undefined && at >= 0) stack.splice(at, 1);
    }
    if (task.stackBlock !== 0) {
      this.memory.poison(task.stackBlock, STACK_FRAMES * STACK_FRAME_STRIDE);
      this.state.stacks.push(task.stackBlock);
    }
    for (const callback of this.state.rcu) {
      const at = callback.waitFor.indexOf(task.id);
      if (at >= 0) callback.waitFor.splice(at, 1);
    }
  }

  /** Runs `op` and frees `free` once every task that runs a program now has ended (call_rcu). Returns a ticket to wait on. */
  callRcu(what: string, free: readonly number[], op: OpFrame | null): number {
    const waitFor: number[] = [];
    for (const task of this.state.tasks.values()) if (task.rcu) waitFor.push(task.id);
    const ticket = this.state.nextTicket++;
    if (waitFor.length > 0) this.emit({ kind: "rcu-wait", what });
    this.state.rcu.push({ ticket, waitFor, what, free, op });
    return ticket;
  }

  rcuPending(ticket: number): boolean {
    return this.state.rcu.some((callback) => callback.ticket === ticket);
  }

  onLastUserReference(mapId: number): void {
    const map = this.map(mapId);
    if (map.storage.kind === "slots" && map.storage.of === "prog") clearSlots(this, map);
    const op = this.policy.onLastUserReference(this, map);
    if (op !== null) this.startWorker(op, "map release");
  }

  onUnreferenced(target: FileTarget): void {
    if (target.kind === "map") {
      this.startWorker({ kind: "op", name: "map-free", step: 0, data: { map: target.id } }, "map free");
    } else if (target.kind === "prog") {
      const program = this.program(target.id);
      program.state = "dying";
      this.emit({ kind: "prog-free", prog: program.id, name: program.name, phase: "dying" });
      this.startWorker({ kind: "op", name: "prog-free", step: 0, data: { prog: target.id } }, "program free");
    } else {
      this.startWorker({ kind: "op", name: "link-free", step: 0, data: { link: target.id } }, "link free");
    }
  }

  /** Everything stops: what Linux would print a stack trace for. */
  oops(trap: Trap): void {
    if (this.state.oops !== null) return;
    const frame = this.vmFrame();
    const offset = trap.address === null ? -1 : Number(BigInt.asUintN(32, trap.address));
    const object = trap.address !== null && trap.address >= 0xffff_8881_0000_0000n ? this.memory.objectAt(offset) : null;
    const oops: Oops = {
      what: trap.what,
      message: trap.message,
      at: this.state.now,
      cpu: this.cpu ?? 0,
      place: this.place(),
      address: trap.address === null ? null : `0x${trap.address.toString(16)}`,
      object: object === null ? null : { node: object.node, label: object.label, freedAt: object.freedAt },
      registers: frame === null ? [] : registersHex(frame),
    };
    this.state.oops = oops;
    this.emit({ kind: "oops", oops });
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

  checkpoint(): KernelCheckpoint {
    return { state: structuredClone(this.state), memory: this.memory.checkpoint() };
  }

  restore(from: KernelCheckpoint): void {
    this.state = structuredClone(from.state);
    this.memory.restore(from.memory);
    this.current = null;
    this.atCall = false;
  }

  timerAt(control: number): Timer | null {
    return this.state.timers.get(control) ?? null;
  }
}

/** A negative error number as a 64-bit value. */
export const negative = (errno: Errno): bigint => -BigInt(ERRNO[errno]);

function bootState(settings: KernelSettings): KernelState {
  const queue = () => ({ heap: [] });
  return {
    now: 0,
    seq: 0,
    nextId: 1,
    nextTask: 1,
    nextRun: 1,
    nextOrder: 0,
    nextTicket: 1,
    nextCode: 0,
    prng: makePrng(settings.seed),
    maps: new Map(),
    programs: new Map(),
    links: new Map(),
    pins: new Map(),
    processes: new Map(),
    timers: new Map(),
    cpus: Array.from({ length: settings.cpus }, (_, id) => ({
      id,
      stack: [],
      hrtimers: { monotonic: queue(), boottime: queue() },
      wheel: { clk: 0, buckets: new Map(), count: 0 },
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
