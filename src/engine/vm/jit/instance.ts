import type { Executable } from "../executable.ts";
import type { VmFrame } from "../frame.ts";
import type { HelperHost } from "../helper-host.ts";
import { FUEL, interpret, KFUNC, type Machine, PACKET_LOAD } from "../interpreter.ts";
import type { WasmExports, WasmFunctions, WasmHost, WasmMemory } from "../wasm-host.ts";
import type { CompiledProgram } from "./compile.ts";
import { FINISH, FUEL_AT, GO_ON, MAY_GOTO_AT, REGISTERS_AT, STOP, TELL_AT } from "./layout.ts";

/** Unwinds compiled code after its host said stop. Caught where the code was started; no error. */
class Halt {
  readonly program: Executable;
  constructor(program: Executable) {
    this.program = program;
  }
}

/** A program's compiled code in a memory: what {@link CompiledProgram} becomes when it is to run. */
export class JitInstance {
  readonly #program: Executable;
  readonly #machine: Machine;
  readonly #host: HelperHost;
  readonly #linear: WasmMemory;
  readonly #exports: WasmExports;
  readonly #halt: Halt;
  readonly #stride: number;
  readonly #watched: boolean;
  #buffer: ArrayBuffer;
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
    this.#buffer = linear.buffer();
    this.#words = new Int32Array(this.#buffer, 0, 256);
    this.#exports = wasm.instantiate(compiled.bytes, linear, this.#functions());
  }

  /** True when the function at `slot` can be entered from outside. */
  has(slot: number): boolean {
    return this.#exports[`f${slot}`] !== undefined;
  }

  /**
   * Runs the function that `frame` stands at the entry of, with r1..r5 from the frame. True: its result is in the frame's r0.
   * False: the host said stop; all registers and `pc` say where.
   */
  run(frame: VmFrame): boolean {
    this.#give(frame, 1, 5);
    this.#tell();
    const entry = this.#exports[`f${frame.entry}`] as (stack: number) => void;
    try {
      entry(frame.stack);
    } catch (thrown) {
      if (thrown === this.#halt) return false;
      throw thrown;
    }
    this.#take(frame, 0, 0);
    return true;
  }

  get #area(): Int32Array {
    const buffer = this.#linear.buffer();
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#words = new Int32Array(buffer, 0, 256);
    }
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
      if (!fine) return STOP;
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
        return result(frame, outcome !== "stop") === STOP ? STOP : outcome === "done" ? FINISH : GO_ON;
      },
      slow: (slot, stack) => this.#slow(slot, at(slot, stack)),
      resume: (slot, stack) => {
        const frame = at(slot, stack);
        this.#take(frame, 0, 10);
        frame.pc = slot;
        frame.mayGoto = this.#area[MAY_GOTO_AT / 4] as number;
        if (result(frame, host.resume(frame)) === STOP) throw this.#halt;
        return GO_ON;
      },
      refuel: (slot, stack) => {
        const frame = at(slot, stack);
        frame.pc = slot;
        const fuel = host.refuel(frame);
        this.#area[FUEL_AT / 4] = fuel;
        return fuel;
      },
      halt: (slot, stack) => {
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

  /** One instruction, as the interpreter does it. The code has shared the registers that it uses. */
  #slow(slot: number, frame: VmFrame): number {
    const host = this.#host;
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
