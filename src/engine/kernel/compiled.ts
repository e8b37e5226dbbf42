import type { PolicyName } from "../abi/types.ts";
import type { Executable } from "../vm/executable.ts";
import { LEFT_BY_CODE, makeVmFrame, type VmFrame } from "../vm/frame.ts";
import type { HelperHost, InlineArray, InlineHash } from "../vm/helper-host.ts";
import { compileProgram } from "../vm/jit/compile.ts";
import type { JitInfo } from "../vm/jit/function-code.ts";
import { type CodeResult, JitInstance, type LeftFunction } from "../vm/jit/instance.ts";
import { SHADOW_WATCHED } from "../vm/memory.ts";
import type { WasmHost } from "../vm/wasm-host.ts";
import { contextPlace } from "./context.ts";
import { negative } from "./errno.ts";
import { executeProgram } from "./execute.ts";
import { noteHelper, TOLD_PER_RUN, tellHelper, tellLookup } from "./helper-events.ts";
import { callHelper, callKfunc } from "./helpers/call.ts";
import { lookupForProgram } from "./helpers/maps.ts";
import { legacyPacketLoad } from "./helpers/packet.ts";
import { TAIL_CALL, tailCallTarget } from "./helpers/tail-call.ts";
import type { Kernel } from "./kernel.ts";
import { deleteElement, updateElement } from "./maps/update.ts";
import { OPERATIONS } from "./operations.ts";
import { deadlock, waits } from "./schedule.ts";
import type { OpFrame, Task } from "./state.ts";
import { op, pushFunction, STACK_FRAME_BYTES, STACK_FRAME_STRIDE, setNumber, setPointer, stackLeft } from "./tasks.ts";
import { afterWatchedStore, beforeWatchedStore } from "./watch.ts";

/** What compiled code gets at a time, and in one go, before it is left as it stands: some 10 ms. */
export const SLICE: Slice = { chunk: 250_000, all: 4_000_000, stretch: 1 << 13 };
/** What a call of the kernel, or a step of an operation, costs beside it, in instructions of about the same time. */
const CALL_FUEL = 250;
const NESTED_FUEL = 1_000_000;
/**
 * Instructions (about) of one run of a program after which the watchdog ends it: what Linux's own code does in 20 s, when its watchdog
 * for soft lockups speaks.
 */
export const WATCHDOG_FUEL = 100_000_000_000;
/** Helpers that compiled code may call without its registers: lookup, update, delete. Nothing can be left in their midst. */
const SHORT_WAYS: ReadonlySet<number> = new Set([1, 2, 3]);
/** What the interpreter has run of an invocation before it goes on compiled: the code for that has to be made. */
const WORTH_COMPILING = 200_000;
/** Places of one program that code is made for to go on at. */
const MAX_CONTINUATIONS = 64;

/** Shadow of 8 bytes of a map value. */
const PLAIN_VALUE = SHADOW_WATCHED | 8;
const UNSAFE_POLICIES: ReadonlySet<PolicyName> = new Set(["unprotected", "rfc"]);

/** Instructions, about. */
export interface Slice {
  readonly chunk: number;
  readonly all: number;
  /** Calls of a bpf_loop that compiled code makes before it asks for fuel. */
  readonly stretch: number;
}

/** Start of the function that a slot belongs to. */
const startOf = (program: Executable, slot: number): number =>
  program.starts.reduce((found, start) => (start <= slot ? start : found), 0);

/** The helper bpf_loop that a function stands within, as the interpreter has it. */
function loopLeft(
  program: Executable,
  frame: VmFrame,
  loop: { readonly count: number; readonly done: number },
): OpFrame {
  const entry = Number(
    ((BigInt((frame.hi[2] as number) >>> 0) << 32n) | BigInt((frame.lo[2] as number) >>> 0)) -
      BigInt.asUintN(64, program.codeBase),
  );
  const { lo, hi } = frame;
  const data = { program: frame.program, entry: entry / 8, ...loop, ctxLow: lo[3], ctxHigh: hi[3], compiled: true };
  return op("loop", data);
}

/** Compiled programs of one kernel, and their way back into it: whatever compiled code asks for runs to its end at once. */
export class CompiledPrograms implements HelperHost {
  readonly #kernel: Kernel;
  readonly #wasm: WasmHost;
  /** By executable (an id may come to mean another program, after another moment was put back); null: not to be compiled. */
  readonly #instances = new Map<Executable, JitInstance | null>();
  /** Code that goes on in the midst of functions, by the slot where; null: not to be compiled. */
  readonly #continuations = new Map<Executable, Map<number, JitInstance | null>>();
  /** The task whose program runs compiled. */
  #task: Task | null = null;
  /** Instructions (about) since the kernel entered compiled code. */
  #granted = 0;
  /** What {@link SLICE} is here: the events of a run do not depend on it. */
  slice = SLICE;
  /** What {@link WATCHDOG_FUEL} is here; tests have less time. */
  watchdogFuel = WATCHDOG_FUEL;
  /** Compiled code is being left, or was left by the last {@link run}: the task's frames say where each function stands. */
  suspended = false;

  /** Under policies that let a program outlive what it uses, a verified access may still be wrong: it is asked about then. */
  get #checked(): boolean {
    return UNSAFE_POLICIES.has(this.#kernel.policy.name);
  }

  constructor(kernel: Kernel, wasm: WasmHost) {
    this.#kernel = kernel;
    this.#wasm = wasm;
  }

  /** True when `frame` begins a function that is compiled, or stands where compiled code can go on. */
  takes(frame: VmFrame): boolean {
    if (frame.executed === 0 && frame.pc === frame.entry)
      return this.#instance(frame.program)?.has(frame.entry) === true;
    if (frame.executed !== LEFT_BY_CODE && frame.executed < WORTH_COMPILING) return false;
    return this.#continuation(frame) !== null;
  }

  #instance(id: number): JitInstance | null {
    const kernel = this.#kernel;
    const program = kernel.executable(id);
    const known = this.#instances.get(program);
    if (known !== undefined) return known;
    const linear = kernel.memory.linear;
    let instance: JitInstance | null = null;
    if (linear !== null && kernel.program(id).verified) {
      const compiled = compileProgram(program, this.#info(id));
      instance = new JitInstance(program, compiled, this.#wasm, linear, kernel.machine, this);
    }
    this.#instances.set(program, instance);
    return instance;
  }

  #info(id: number): JitInfo {
    const { type, expectedAttachType } = this.#kernel.program(id);
    return {
      contextAt: (off, width, write) => contextPlace(type, expectedAttachType, off, width, write),
      access: this.#checked ? "checked" : "bare",
      watched: this.#kernel.settings.watch,
      frameStride: STACK_FRAME_STRIDE,
      inlineLoop: true,
      stretch: this.slice.stretch,
      arrayAt: (offset) => this.#arrayAt(offset),
      hashAt: (offset) => this.#hashAt(offset),
    };
  }

  #continuation(frame: VmFrame): JitInstance | null {
    const kernel = this.#kernel;
    const program = kernel.executable(frame.program);
    const { linear } = kernel.memory;
    let places = this.#continuations.get(program);
    if (places === undefined) {
      places = new Map();
      this.#continuations.set(program, places);
    }
    const known = places.get(frame.pc);
    if (known !== undefined) return known;
    let instance: JitInstance | null = null;
    if (linear !== null && kernel.program(frame.program).verified && places.size < MAX_CONTINUATIONS) {
      const compiled = compileProgram(program, this.#info(frame.program), { entry: frame.entry, slot: frame.pc });
      if (compiled.continues !== null)
        instance = new JitInstance(program, compiled, this.#wasm, linear, kernel.machine, this);
    }
    places.set(frame.pc, instance);
    return instance;
  }

  #arrayAt(offset: number): InlineArray | null {
    const map = this.#kernel.mapAt(offset);
    const storage = map?.storage;
    if (map === null || storage?.kind !== "array" || storage.cpuStride !== 0) return null;
    return { base: storage.base, stride: storage.stride, maxEntries: map.maxEntries };
  }

  /** Lookups in LRU maps note the use, those in per-CPU maps depend on the CPU: they stay with the kernel. */
  #hashAt(offset: number): InlineHash | null {
    const map = this.#kernel.mapAt(offset);
    const storage = map?.storage;
    if (map === null || storage?.kind !== "hash" || storage.cpuStride !== 0 || storage.lru) return null;
    return { buckets: storage.buckets, mask: storage.mask, keySize: map.keySize, valueOffset: storage.valueOffset };
  }

  /**
   * Runs a function to its end, with its result in r0 of `frame`; or until it is left (`suspended`), which the task's frames then tell.
   * What it used, in instructions (about).
   */
  run(task: Task, frame: VmFrame): number {
    const kernel = this.#kernel;
    const before = this.#task;
    const nested = before === task;
    if (!nested) this.#granted = 0;
    if (task.spentBy !== task.runId) {
      task.spentBy = task.runId;
      task.spent = 0;
    }
    this.suspended = false;
    this.#task = task;
    const from = this.#granted;
    // Compiled code does not tell when it enters a function: the stacks of all that it may call are open.
    this.#open(task, frame);
    const begins = frame.executed === 0 && frame.pc === frame.entry;
    const instance = begins ? this.#instance(frame.program) : this.#continuation(frame);
    const result: CodeResult = instance === null ? "stopped" : begins ? instance.run(frame) : instance.continue(frame);
    if (!this.#checked) kernel.memory.poison(frame.stack, stackLeft(task, frame));
    frame.span = 1;
    this.#task = before;
    if (result === "suspended" && instance !== null) this.#tellLeft(task, frame, instance.left.splice(0));
    else if (result === "stopped" && kernel.machine.trap !== null && kernel.state.oops === null)
      kernel.oops(kernel.machine.trap);
    const used = Math.max(1, this.#granted - from);
    if (!nested) {
      task.spent += used;
      if (task.spent > this.watchdogFuel && !this.#stopped) this.#runaway();
    }
    return used;
  }

  /** Each function that was left gets a frame in place of the one that stood for all of them, and its stack stays open. */
  #tellLeft(task: Task, frame: VmFrame, left: readonly LeftFunction[]): void {
    const program = this.#kernel.executable(frame.program);
    const at = task.frames.indexOf(frame);
    const frames: (VmFrame | OpFrame)[] = [];
    for (const { pc, stack, lo, hi, mayGoto, loopDone, loop } of [...left].reverse()) {
      const own = stack === frame.stack ? frame : makeVmFrame(frame.program, startOf(program, pc), stack);
      own.pc = pc;
      own.lo.set(lo);
      own.hi.set(hi);
      own.mayGoto = mayGoto;
      own.loopDone = loopDone;
      own.executed = LEFT_BY_CODE;
      frames.push(own);
      if (loop !== null) frames.push(loopLeft(program, own, loop));
    }
    task.frames.splice(at, 1, ...frames);
    if (this.#checked) return;
    for (const other of task.frames.slice(at))
      if (other.kind === "vm") this.#kernel.memory.expose(other.stack, STACK_FRAME_BYTES);
  }

  #open(task: Task, frame: VmFrame): void {
    if (!this.#checked) this.#kernel.memory.expose(frame.stack, stackLeft(task, frame));
  }

  frame(): VmFrame {
    return this.#kernel.vmFrame(this.#running) as VmFrame;
  }

  get #running(): Task {
    return this.#task as Task;
  }

  get #stopped(): boolean {
    return this.#kernel.state.oops !== null || this.#kernel.unsupported !== null;
  }

  /** Does what lies above `depth` on the task's stack of frames. False: everything has stopped, or (`mayLeave`) it goes on later. */
  #finish(task: Task, depth: number, mayLeave: boolean): boolean {
    const kernel = this.#kernel;
    while (task.frames.length > depth) {
      if (this.#stopped) return false;
      if (task.wait !== null) {
        if (waits(kernel, task.wait)) {
          deadlock(kernel);
          kernel.current = task;
          return false;
        }
        task.wait = null;
      }
      const top = task.frames[task.frames.length - 1] as OpFrame | VmFrame;
      const before = this.#granted;
      // What runs compiled below has counted for itself.
      if (top.kind === "vm")
        this.#granted = Math.max(this.#granted, before + executeProgram(kernel, task, top, NESTED_FUEL));
      else {
        OPERATIONS[top.name]?.(kernel, task, top);
        this.#granted += CALL_FUEL;
      }
      if (mayLeave && this.#granted > this.slice.all && task.frames.length > depth) this.suspended = true;
      if (this.suspended) return false;
    }
    return !this.#stopped;
  }

  /** As {@link #finish}. Callbacks close the stacks that they used; they are the compiled functions' too. */
  #finishCall(task: Task, depth: number, frame: VmFrame, mayLeave: boolean): boolean {
    if (task.frames.length <= depth) return !this.#stopped;
    const done = this.#finish(task, depth, mayLeave);
    this.#open(task, frame);
    return done;
  }

  #runaway(): void {
    this.#kernel.oops({
      what: "runaway",
      message: `watchdog: soft lockup: the program was ended after ${this.watchdogFuel} instructions`,
      address: null,
    });
  }

  helper(frame: VmFrame, id: number): boolean {
    const task = this.#running;
    const depth = task.frames.length;
    this.#granted += CALL_FUEL;
    callHelper(this.#kernel, task, frame, id);
    return this.#finishCall(task, depth, frame, !SHORT_WAYS.has(id));
  }

  kfunc(frame: VmFrame, slot: number): boolean {
    const task = this.#running;
    const depth = task.frames.length;
    this.#granted += CALL_FUEL;
    callKfunc(this.#kernel, task, frame, slot);
    return this.#finishCall(task, depth, frame, true);
  }

  tailCall(frame: VmFrame): "done" | "missed" | "stop" {
    const kernel = this.#kernel;
    const task = this.#running;
    kernel.atCall = true;
    const note = noteHelper(kernel, frame, TAIL_CALL);
    const target = tailCallTarget(kernel, task, frame);
    setNumber(frame, 0, target === null ? negative("ENOENT") : 0);
    if (note !== null && kernel.state.oops === null) tellHelper(kernel, note, frame);
    kernel.atCall = false;
    if (kernel.state.oops !== null) return "stop";
    if (target === null) return "missed";
    target.runs++;
    const low = frame.lo[1] as number;
    const high = frame.hi[1] as number;
    // The program takes the place of the function on the stack too.
    frame.span--;
    const done = this.#call(task, frame, () => {
      const next = pushFunction(kernel, task, target.id, 0);
      if (next === null) return;
      next.lo[1] = low;
      next.hi[1] = high;
    });
    this.#open(task, frame);
    return done ? "done" : "stop";
  }

  /** Runs the function that `push` begins; its result goes to r0 of `frame`. */
  #call(task: Task, frame: VmFrame, push: () => void): boolean {
    const depth = task.frames.length;
    const result = op("result");
    task.frames.push(result);
    push();
    if (!this.#finish(task, depth + 1, true)) {
      // What was begun stands in the place of the function, and returns to its caller.
      if (this.suspended) task.frames.splice(depth, 1);
      return false;
    }
    task.frames.pop();
    frame.lo[0] = result.data["lo"] as number;
    frame.hi[0] = result.data["hi"] as number;
    return true;
  }

  packetLoad(frame: VmFrame): "done" | "exit" | "stop" {
    const task = this.#running;
    const depth = task.frames.length;
    const pc = frame.pc;
    task.frames.push(op("result"), frame);
    legacyPacketLoad(this.#kernel, task, frame);
    const exits = frame.pc === pc;
    task.frames.length = depth;
    return exits ? "exit" : "done";
  }

  resume(frame: VmFrame): boolean {
    const task = this.#running;
    const stack = ((frame.lo[10] as number) >>> 0) - STACK_FRAME_BYTES;
    frame.span--;
    const done = this.#call(task, frame, () => {
      const copy = makeVmFrame(frame.program, frame.pc, stack);
      copy.lo.set(frame.lo);
      copy.hi.set(frame.hi);
      copy.mayGoto = frame.mayGoto;
      // Begun already: not to be entered compiled again.
      copy.executed = 1;
      task.frames.push(copy);
    });
    // The function's stack stays open to the compiled code that it returns to.
    this.#kernel.memory.expose(stack, STACK_FRAME_BYTES);
    this.#open(task, frame);
    return done;
  }

  refuel(frame: VmFrame): number {
    if (this.#granted >= this.slice.all) {
      this.suspended = true;
      return 0;
    }
    // More than a round of any loop takes, written out four times.
    const chunk = Math.max(this.slice.chunk, 4 * this.#kernel.executable(frame.program).op.length);
    this.#granted += chunk;
    return chunk;
  }

  tells(): boolean {
    return this.#tells(this.#running);
  }

  storeToValue(offset: number, size: number, low: number, high: number): boolean {
    const kernel = this.#kernel;
    const { shadow, view } = kernel.memory;
    // Any other mark means more than bytes; a granule that counts less than 8 of them is looked at closely elsewhere.
    if (shadow[offset >>> 3] !== PLAIN_VALUE || shadow[(offset + size - 1) >>> 3] !== PLAIN_VALUE) return false;
    beforeWatchedStore(kernel, offset, size);
    if (size === 8) {
      view.setInt32(offset, low, true);
      view.setInt32(offset + 4, high, true);
    } else if (size === 4) view.setInt32(offset, low, true);
    else if (size === 2) view.setInt16(offset, low, true);
    else view.setInt8(offset, low);
    afterWatchedStore(kernel);
    return true;
  }

  enterFrame(stack: number): boolean {
    this.#kernel.memory.expose(stack, STACK_FRAME_BYTES);
    return true;
  }

  leaveFrame(stack: number): void {
    this.#kernel.memory.poison(stack, STACK_FRAME_BYTES);
  }

  /** Small events are still told in this run: the short ways would not tell them. */
  #tells(task: Task): boolean {
    return this.#kernel.settings.watch && task.told < TOLD_PER_RUN;
  }

  mapLookup(frame: VmFrame, map: number, key: number): number {
    const task = this.#running;
    if (this.#tells(task)) return this.#asHelper(frame, 1, map, key) >>> 0;
    const target = this.#kernel.mapAt(map);
    return target === null ? 0 : lookupForProgram(this.#kernel, target, key, Math.max(task.cpu, 0));
  }

  foundByCode(_frame: VmFrame, map: number, key: number, value: number): void {
    const kernel = this.#kernel;
    kernel.atCall = true;
    tellLookup(kernel, map, key, value);
    kernel.atCall = false;
  }

  mapUpdate(frame: VmFrame, map: number, key: number, value: number, flags: number): number {
    const task = this.#running;
    const kernel = this.#kernel;
    if (this.#tells(task)) return this.#asHelper(frame, 2, map, key, value, flags);
    const target = kernel.mapAt(map);
    if (target === null) return negative("EINVAL");
    this.#granted += CALL_FUEL;
    const depth = task.frames.length;
    const { bytes } = kernel.memory;
    kernel.atCall = true;
    const source = { bytes, at: key };
    const result = updateElement(kernel, task, target, source, { bytes, at: value }, flags, "program");
    kernel.atCall = false;
    if (result !== null) return result;
    this.#finish(task, depth, false);
    return frame.lo[0] as number;
  }

  mapDelete(frame: VmFrame, map: number, key: number): number {
    const task = this.#running;
    const kernel = this.#kernel;
    if (this.#tells(task)) return this.#asHelper(frame, 3, map, key);
    const target = kernel.mapAt(map);
    if (target === null) return negative("EINVAL");
    this.#granted += CALL_FUEL;
    const depth = task.frames.length;
    kernel.atCall = true;
    const result = deleteElement(kernel, task, target, { bytes: kernel.memory.bytes, at: key }, "program");
    kernel.atCall = false;
    if (result !== null) return result;
    this.#finish(task, depth, false);
    return frame.lo[0] as number;
  }

  /** The long way, with registers. */
  #asHelper(frame: VmFrame, id: number, map: number, key: number, value = 0, flags = 0): number {
    setPointer(frame, 1, map);
    setPointer(frame, 2, key);
    if (id === 2) {
      setPointer(frame, 3, value);
      frame.lo[4] = flags;
      frame.hi[4] = 0;
    }
    this.helper(frame, id);
    return frame.lo[0] as number;
  }
}
