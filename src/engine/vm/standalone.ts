import type { MemoryHost } from "./access.ts";
import type { Executable } from "./executable.ts";
import { makeVmFrame, type Trap, type VmFrame } from "./frame.ts";
import type { HelperHost } from "./helper-host.ts";
import { CALL_FUNCTION, FUEL, HELPER, interpret, type Machine, PACKET_LOAD, RETURN } from "./interpreter.ts";
import type { CompiledProgram } from "./jit/compile.ts";
import { JitInstance } from "./jit/instance.ts";
import { GUEST_HIGH, GuestMemory } from "./memory.ts";
import type { WasmHost, WasmMemory } from "./wasm-host.ts";

const MAX_FRAMES = 16;
const STACK_BYTES = 512;
/**
 * Accessible bytes behind r10. Linux's verifier forbids them and the RFC does not speak of them; programs of conformance suites
 * store across r10.
 */
const STACK_SLACK = 8;
/** A frame's stack, and a red zone. */
export const STANDALONE_STRIDE = STACK_BYTES + 32;

/** A helper's behaviour: arguments and result in the frame. False: the program ends; the trap says why. */
export type StandaloneHelper = (vm: StandaloneVm, frame: VmFrame) => boolean;

export type StandaloneResult =
  | { readonly ok: true; readonly r0: bigint }
  | { readonly ok: false; readonly trap: Trap; readonly pc: number };

/**
 * Runs programs without a kernel around them: memory, a stack, a packet, the helpers that are given. For conformance suites,
 * tests and measurements, which compare both engines on it.
 */
export class StandaloneVm implements HelperHost, MemoryHost {
  readonly memory: GuestMemory;
  readonly machine: Machine;
  readonly helpers: ReadonlyMap<number, StandaloneHelper>;
  /** What LD_ABS and LD_IND read. */
  packet: { readonly at: number; readonly size: number } = { at: 0, size: 0 };
  /** Instructions that a run may take, about. */
  fuel = 1_000_000_000;
  readonly #stack: number;
  #program: Executable | null = null;
  #frame: VmFrame;
  #left = 0;

  constructor(linear: WasmMemory | null = null, helpers: ReadonlyMap<number, StandaloneHelper> = new Map()) {
    this.memory = new GuestMemory(1 << 30, linear);
    this.machine = { memory: this.memory, host: this, low: 0, high: 0, callee: 0, trap: null };
    this.helpers = helpers;
    this.#stack = this.memory.allocate(MAX_FRAMES * STANDALONE_STRIDE, "stack", "stack", null) as number;
    this.#frame = makeVmFrame(0, 0, this.#stack);
  }

  /** Memory for a program; its offset. */
  place(bytes: Uint8Array, label: string): number {
    const at = this.memory.allocate(bytes.length, "map-value", label, null) as number;
    this.memory.bytes.set(bytes, at);
    return at;
  }

  interpret(program: Executable, r1: bigint, r2: bigint): StandaloneResult {
    const frame = this.#begin(program, r1, r2);
    return this.#interpretFunction(frame) ? this.#result(frame) : this.#failure(this.#frame);
  }

  instantiate(program: Executable, compiled: CompiledProgram, wasm: WasmHost): JitInstance {
    if (this.memory.linear === null) throw new RangeError("compiled code needs a linear memory");
    return new JitInstance(program, compiled, wasm, this.memory.linear, this.machine, this);
  }

  runCompiled(program: Executable, instance: JitInstance, r1: bigint, r2: bigint): StandaloneResult {
    const frame = this.#begin(program, r1, r2);
    const outcome = instance.run(frame);
    if (outcome === "suspended") {
      this.machine.trap = { what: "runaway", message: "the program does not end", address: null };
      frame.pc = instance.left[0]?.pc ?? frame.pc;
    }
    this.suspended = false;
    return outcome === "done" ? this.#result(frame) : this.#failure(frame);
  }

  /** Instructions that the last run took; of compiled code only what it was granted. */
  get used(): number {
    return this.fuel - this.#left;
  }

  #begin(program: Executable, r1: bigint, r2: bigint): VmFrame {
    this.#program = program;
    this.#left = this.fuel;
    this.machine.trap = null;
    this.memory.bytes.fill(0, this.#stack, this.#stack + MAX_FRAMES * STANDALONE_STRIDE);
    this.memory.poison(this.#stack, MAX_FRAMES * STANDALONE_STRIDE);
    const frame = this.#push(0, this.#stack);
    [r1, r2].forEach((value, i) => {
      frame.lo[1 + i] = Number(BigInt.asIntN(32, value));
      frame.hi[1 + i] = Number(BigInt.asIntN(32, value >> 32n));
    });
    this.#frame = frame;
    return frame;
  }

  #push(entry: number, stack: number): VmFrame {
    this.memory.expose(stack, STACK_BYTES + STACK_SLACK);
    const frame = makeVmFrame(0, entry, stack);
    frame.lo[10] = stack + STACK_BYTES;
    frame.hi[10] = GUEST_HIGH;
    return frame;
  }

  #result(frame: VmFrame): StandaloneResult {
    return { ok: true, r0: (BigInt((frame.hi[0] as number) >>> 0) << 32n) | BigInt((frame.lo[0] as number) >>> 0) };
  }

  #failure(frame: VmFrame): StandaloneResult {
    const trap = this.machine.trap ?? { what: "warn", message: "the program was stopped", address: null };
    return { ok: false, trap, pc: frame.pc };
  }

  /** Runs a function and what it calls to its end. False: `machine.trap` says why not; `#frame` is where. */
  #interpretFunction(first: VmFrame): boolean {
    const program = this.#program as Executable;
    const frames = [first];
    for (;;) {
      const frame = frames[frames.length - 1] as VmFrame;
      this.#frame = frame;
      const before = frame.executed;
      const reason = interpret(this.machine, program, frame, Math.max(1, this.#left));
      this.#left -= frame.executed - before;
      switch (reason) {
        case RETURN: {
          frames.pop();
          const caller = frames[frames.length - 1];
          if (caller === undefined) return true;
          this.leaveFrame(frame.stack);
          caller.lo[0] = frame.lo[0] as number;
          caller.hi[0] = frame.hi[0] as number;
          break;
        }
        case CALL_FUNCTION: {
          const stack = frame.stack + STANDALONE_STRIDE;
          if (!this.enterFrame(stack)) {
            frame.pc--;
            return false;
          }
          const callee = this.#push(this.machine.callee, stack);
          for (let r = 1; r <= 5; r++) {
            callee.lo[r] = frame.lo[r] as number;
            callee.hi[r] = frame.hi[r] as number;
          }
          frames.push(callee);
          break;
        }
        case HELPER:
          if (!this.helper(frame, this.machine.callee)) {
            frame.pc--;
            return false;
          }
          break;
        case PACKET_LOAD:
          if (this.packetLoad(frame) === "exit") {
            frame.lo[0] = 0;
            frame.hi[0] = 0;
            frame.pc = program.op.length;
            frames.pop();
            const caller = frames[frames.length - 1];
            if (caller === undefined) return true;
            this.leaveFrame(frame.stack);
            caller.lo[0] = 0;
            caller.hi[0] = 0;
          }
          break;
        case FUEL:
          this.machine.trap = { what: "runaway", message: "the program does not end", address: null };
          return false;
        default:
          if (this.machine.trap === null) this.kfunc(frame);
          return false;
      }
    }
  }

  // HelperHost

  frame(): VmFrame {
    return this.#frame;
  }

  helper(frame: VmFrame, id: number): boolean {
    const helper = this.helpers.get(id);
    if (helper !== undefined) return helper(this, frame);
    this.machine.trap = { what: "invalid-instruction", message: `there is no helper ${id} here`, address: null };
    return false;
  }

  kfunc(_frame: VmFrame): boolean {
    this.machine.trap = { what: "invalid-instruction", message: "there are no kfuncs here", address: null };
    return false;
  }

  tailCall(frame: VmFrame): "done" | "missed" | "stop" {
    return this.helper(frame, 12) ? "missed" : "stop";
  }

  /** RFC 9669, section 5.4: big endian, at imm or src + imm. */
  packetLoad(frame: VmFrame): "done" | "exit" {
    const program = this.#program as Executable;
    const { pc } = frame;
    const op = program.op[pc] as number;
    const size = (op & 0x18) === 0 ? 4 : (op & 0x18) === 0x08 ? 2 : 1;
    const base = op >> 5 === 2 ? (frame.lo[program.src[pc] as number] as number) : 0;
    const from = (base + (program.imm[pc] as number)) | 0;
    if (from < 0 || from + size > this.packet.size || (op & 0x18) === 0x18) return "exit";
    const { view } = this.memory;
    const at = this.packet.at + from;
    frame.lo[0] = size === 4 ? view.getInt32(at) : size === 2 ? view.getUint16(at) : view.getUint8(at);
    frame.hi[0] = 0;
    frame.pc++;
    return "done";
  }

  resume(frame: VmFrame): boolean {
    const rest = makeVmFrame(0, frame.pc, ((frame.lo[10] as number) >>> 0) - STACK_BYTES);
    rest.lo.set(frame.lo);
    rest.hi.set(frame.hi);
    rest.mayGoto = frame.mayGoto;
    const outer = this.#frame;
    const done = this.#interpretFunction(rest);
    const inner = this.#frame;
    this.#frame = outer;
    const from = done ? rest : inner;
    outer.lo.set(from.lo);
    outer.hi.set(from.hi);
    outer.pc = from.pc;
    return done;
  }

  /** Without fuel the program is over: it is left, and does not go on. */
  suspended = false;

  refuel(): number {
    const grant = Math.max(0, Math.min(this.#left, 1 << 24));
    this.#left -= grant;
    this.suspended = grant === 0;
    return grant;
  }

  tells(): boolean {
    return false;
  }

  storeToValue(): boolean {
    return false;
  }

  enterFrame(stack: number): boolean {
    if (stack >= this.#stack + MAX_FRAMES * STANDALONE_STRIDE) {
      this.machine.trap = { what: "stack-overflow", message: `more than ${MAX_FRAMES} calls deep`, address: null };
      return false;
    }
    this.memory.expose(stack, STACK_BYTES + STACK_SLACK);
    return true;
  }

  leaveFrame(stack: number): void {
    this.memory.poison(stack, STACK_BYTES + STACK_SLACK);
  }

  foundByCode(): void {}

  mapLookup(): number {
    return 0;
  }

  mapUpdate(): number {
    return -22;
  }

  mapDelete(): number {
    return -22;
  }

  // MemoryHost: nothing is marked.

  loadContext(): bigint | null {
    return null;
  }

  storeContext(): boolean {
    return false;
  }

  beforeStore(): void {}

  afterStore(): void {}
}
