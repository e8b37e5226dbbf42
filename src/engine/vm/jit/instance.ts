import { BPF_MEM, BPF_ST, CLASS_MASK, MODE_MASK, sizeInBytes } from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import type { VmFrame } from "../frame.ts";
import type { HelperHost } from "../helper-host.ts";
import { FUEL, interpret, KFUNC, type Machine, PACKET_LOAD } from "../interpreter.ts";
import { GUEST_HIGH } from "../memory.ts";
import type { WasmExports, WasmFunctions, WasmHost, WasmMemory } from "../wasm-host.ts";
import type { CompiledProgram } from "./compile.ts";
import {
  FINISH,
  FUEL_AT,
  GO_ON,
  LEFT,
  LOOP_DONE_AT,
  MAY_GOTO_AT,
  REGISTERS_AT,
  STOP,
  SUSPENDED_AT,
  TELL_AT,
} from "./layout.ts";

type Entry = (stack: number) => void;

/** What the opcodes of plain stores (ST and STX) have in common. */
const PLAIN_STORE_MASK = MODE_MASK | 0x06;
const PLAIN_STORE = BPF_MEM | BPF_ST;

/** Unwinds compiled code after its host said stop. Caught where the code was started; no error. */
class Halt {
  readonly program: Executable;
  constructor(program: Executable) {
    this.program = program;
  }
}

/** Where one function stood when the code was left; what its callee, or the callback of its bpf_loop, stands at is told before. */
export interface LeftFunction {
  /** The instruction that comes next. */
  readonly pc: number;
  readonly stack: number;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly mayGoto: number;
  /** Calls that the bpf_loop at `pc` has made. */
  readonly loopDone: number;
  /** It stands within a bpf_loop before `pc`: of so many calls, so many were begun. */
  readonly loop: { readonly count: number; readonly done: number } | null;
}

/**
 * done: the result is in the frame's r0. stopped: the host said that it cannot go on; all registers and `pc` say where. suspended:
 * see {@link JitInstance.left}.
 */
export type CodeResult = "done" | "stopped" | "suspended";

/** A program's compiled code in a memory: what {@link CompiledProgram} becomes when it is to run. */
export class JitInstance {
  readonly #program: Executable;
  readonly #machine: Machine;
  readonly #host: HelperHost;
  readonly #linear: WasmMemory;
  readonly #exports: WasmExports;
  /** Entries by slot, so that no name has to be made each time; null: not exported. */
  readonly #entries: (Entry | null | undefined)[] = [];
  readonly #halt: Halt;
  readonly #stride: number;
  readonly #watched: boolean;
  #words: Int32Array;

  constructor(
    program: Executable,
    compiled: CompiledProgram,
    wasm: WasmHost,
    linear: WasmMemory,
    machine: Machine,
    host: HelperHost,
  ) {
    this.#program = program;
    this.#machine = machine;
    this.#host = host;
    this.#linear = linear;
    this.#halt = new Halt(program);
    this.#stride = compiled.frameStride;
    this.#watched = compiled.watched;
    this.#words = new Int32Array(linear.buffer(), 0, 256);
    this.#exports = wasm.instantiate(compiled.bytes, linear, this.#functions());
  }

  /** True when the function at `slot` can be entered from outside. */
  has(slot: number): boolean {
    return this.#entryAt(slot) !== null;
  }

  #entryAt(slot: number): Entry | null {
    const known = this.#entries[slot];
    if (known !== undefined) return known;
    const entry = this.#exports[`f${slot}`] ?? null;
    this.#entries[slot] = entry;
    return entry;
  }

  /** True when a function can be entered again at `slot`. */
  continuesAt(slot: number): boolean {
    return this.#exports[`c${slot}`] !== undefined;
  }

  /** Functions of the code that was left last, innermost first, without those that the host has replaced. */
  readonly left: LeftFunction[] = [];

  /** Runs the function that `frame` stands at the entry of, with r1..r5 from the frame. */
  run(frame: VmFrame): CodeResult {
    return this.#enter(frame, this.#entryAt(frame.entry) as Entry, 1, 5);
  }

  /** Runs the function that `frame` stands in the midst of, where {@link continuesAt}, from there on. */
  continue(frame: VmFrame): CodeResult {
    const area = this.#area;
    area[MAY_GOTO_AT / 4] = frame.mayGoto;
    area[LOOP_DONE_AT / 4] = frame.loopDone;
    frame.loopDone = 0;
    return this.#enter(frame, this.#exports[`c${frame.pc}`] as Entry, 0, 9);
  }

  #enter(frame: VmFrame, entry: Entry, first: number, last: number): CodeResult {
    this.#give(frame, first, last);
    this.#tell();
    if (this.left.length > 0) this.left.length = 0;
    try {
      entry(frame.stack);
    } catch (thrown) {
      if (thrown === this.#halt) return "stopped";
      throw thrown;
    }
    if (this.#host.suspended) {
      this.#area[SUSPENDED_AT / 4] = 0;
      return "suspended";
    }
    this.#take(frame, 0, 0);
    return "done";
  }

  /** r0 of the function that a call of the host is left in: what the call has returned, if it is over. */
  #r0: readonly [number, number] = [0, 0];

  /** Notes where the function with a stack stands; its registers are in the area. `r0`: what a call that is over has left. */
  #leave(pc: number, stack: number, loop: LeftFunction["loop"], r0: readonly [number, number] | null): number {
    const area = this.#area;
    const lo = new Int32Array(11);
    const hi = new Int32Array(11);
    for (let r = 0; r <= 10; r++) {
      lo[r] = area[REGISTERS_AT / 4 + 2 * r] as number;
      hi[r] = area[REGISTERS_AT / 4 + 2 * r + 1] as number;
    }
    if (r0 !== null) [lo[0], hi[0]] = r0;
    this.left.push({
      pc,
      stack,
      lo,
      hi,
      mayGoto: area[MAY_GOTO_AT / 4] as number,
      loopDone: area[LOOP_DONE_AT / 4] as number,
      loop,
    });
    area[LOOP_DONE_AT / 4] = 0;
    area[SUSPENDED_AT / 4] = 1;
    return GO_ON;
  }

  /** The function that runs is left, and something that the host has begun stands for it: it only returns. */
  #returnLeft(): void {
    const area = this.#area;
    area[SUSPENDED_AT / 4] = 1;
    area[REGISTERS_AT / 4] = LEFT;
    area[REGISTERS_AT / 4 + 1] = 0;
  }

  get #area(): Int32Array {
    // Memory that has grown leaves nothing of the view behind.
    if (this.#words.length === 0) this.#words = new Int32Array(this.#linear.buffer(), 0, 256);
    return this.#words;
  }

  /** Registers from the frame to the area. */
  #give(frame: VmFrame, first: number, last: number): void {
    const area = this.#area;
    const { lo, hi } = frame;
    for (let r = first; r <= last; r++) {
      area[REGISTERS_AT / 4 + 2 * r] = lo[r] as number;
      area[REGISTERS_AT / 4 + 2 * r + 1] = hi[r] as number;
    }
  }

  #take(frame: VmFrame, first: number, last: number): void {
    const area = this.#area;
    const { lo, hi } = frame;
    for (let r = first; r <= last; r++) {
      lo[r] = area[REGISTERS_AT / 4 + 2 * r] as number;
      hi[r] = area[REGISTERS_AT / 4 + 2 * r + 1] as number;
    }
  }

  #functions(): WasmFunctions {
    const host = this.#host;
    const program = this.#program;
    const stride = this.#stride;
    /** The frame, standing behind the instruction at `slot` of a function whose stack is at `stack`. */
    const at = (slot: number, stack: number): VmFrame => {
      const frame = host.frame();
      frame.pc = slot + 1;
      frame.span = stack === frame.stack ? 1 : (stack - frame.stack) / stride + 1;
      return frame;
    };
    const result = (frame: VmFrame, fine: boolean): number => {
      if (!fine) {
        this.#r0 = [frame.lo[0] as number, frame.hi[0] as number];
        return STOP;
      }
      this.#give(frame, 0, 0);
      this.#tell();
      return GO_ON;
    };
    return {
      helper: (slot, stack) => {
        const frame = at(slot, stack);
        this.#take(frame, 0, 9);
        return result(frame, host.helper(frame, program.imm[slot] as number));
      },
      kfunc: (slot, stack) => {
        const frame = at(slot, stack);
        this.#take(frame, 0, 9);
        return result(frame, host.kfunc(frame, slot));
      },
      tail: (slot, stack) => {
        const frame = at(slot, stack);
        this.#take(frame, 0, 9);
        const outcome = host.tailCall(frame);
        if (host.suspended) {
          this.#returnLeft();
          return FINISH;
        }
        return result(frame, outcome !== "stop") === STOP ? STOP : outcome === "done" ? FINISH : GO_ON;
      },
      slow: (slot, stack) => this.#slow(slot, at(slot, stack)),
      resume: (slot, stack) => {
        const frame = at(slot, stack);
        this.#take(frame, 0, 10);
        frame.pc = slot;
        frame.mayGoto = this.#area[MAY_GOTO_AT / 4] as number;
        const fine = host.resume(frame);
        if (host.suspended) {
          this.#returnLeft();
          return GO_ON;
        }
        if (result(frame, fine) === STOP) throw this.#halt;
        return GO_ON;
      },
      refuel: (slot, stack) => {
        const frame = at(slot, stack);
        frame.pc = slot;
        const fuel = host.refuel(frame);
        this.#area[FUEL_AT / 4] = fuel;
        return fuel;
      },
      suspend: (slot, stack) => this.#leave(slot, stack, null, null),
      unwound: (slot, stack) => this.#leave(slot + 1, stack, null, null),
      loop: (slot, stack, count, done) => this.#leave(slot + 1, stack, { count, done }, null),
      halt: (slot, stack) => {
        if (host.suspended) return this.#leave(slot + 1, stack, null, this.#r0);
        const frame = at(slot, stack);
        this.#take(frame, 0, 10);
        frame.pc = slot;
        throw this.#halt;
      },
      enter: (stack) => (host.enterFrame(stack) ? GO_ON : STOP),
      leave: (stack) => {
        host.leaveFrame(stack);
        return GO_ON;
      },
      lookup: (slot, stack, map, key) => host.mapLookup(at(slot, stack), map >>> 0, key >>> 0),
      found: (slot, stack, map, key, value) => {
        host.foundByCode(at(slot, stack), map >>> 0, key >>> 0, value >>> 0);
        this.#tell();
        return GO_ON;
      },
      write: (slot, stack, offset, size, low, high) => {
        at(slot, stack).pc = slot;
        if (!host.storeToValue(offset >>> 0, size, low, high)) return STOP;
        this.#tell();
        return GO_ON;
      },
      remove: (slot, stack, map, key) => {
        const value = host.mapDelete(at(slot, stack), map >>> 0, key >>> 0);
        this.#tell();
        return value;
      },
      update: (slot, stack, map, key, value, flags) => {
        const done = host.mapUpdate(at(slot, stack), map >>> 0, key >>> 0, value >>> 0, flags >>> 0);
        this.#tell();
        return done;
      },
    };
  }

  #tell(): void {
    if (!this.#watched) return;
    this.#area[TELL_AT / 4] = this.#host.tells() ? 1 : 0;
  }

  /** A plain store to a map value that is told, without a detour; false when it is none. */
  #storesToValue(slot: number, frame: VmFrame): boolean {
    const program = this.#program;
    const op = program.op[slot] as number;
    if ((op & PLAIN_STORE_MASK) !== PLAIN_STORE) return false;
    const area = this.#area;
    const base = REGISTERS_AT / 4 + 2 * (program.dst[slot] as number);
    if (area[base + 1] !== GUEST_HIGH) return false;
    const at = ((area[base] as number) >>> 0) + (program.off[slot] as number);
    const value = REGISTERS_AT / 4 + 2 * (program.src[slot] as number);
    const immediate = (op & CLASS_MASK) === BPF_ST;
    const low = immediate ? (program.imm[slot] as number) : (area[value] as number);
    const high = immediate ? low >> 31 : (area[value + 1] as number);
    frame.pc = slot;
    return this.#host.storeToValue(at, sizeInBytes(op), low, high);
  }

  /** One instruction, as the interpreter does it. The code has shared the registers that it uses. */
  #slow(slot: number, frame: VmFrame): number {
    const host = this.#host;
    if (this.#storesToValue(slot, frame)) {
      this.#tell();
      return GO_ON;
    }
    this.#take(frame, 0, 10);
    frame.pc = slot;
    const executed = frame.executed;
    this.#machine.trap = null;
    const reason = interpret(this.#machine, this.#program, frame, 1);
    frame.executed = executed;
    if (reason === PACKET_LOAD) {
      const result = host.packetLoad(frame);
      if (result !== "done") return result === "exit" ? FINISH : STOP;
    } else if (reason === KFUNC) {
      if (!host.kfunc(frame, slot)) return STOP;
    } else if (reason !== FUEL) return STOP;
    this.#give(frame, 0, 9);
    this.#tell();
    return GO_ON;
  }
}
