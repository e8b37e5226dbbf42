import { R10 } from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import { MAY_GOTO_ITERATIONS } from "../frame.ts";
import type { InlineArray, InlineHash } from "../helper-host.ts";
import { GUEST_BASE } from "../memory.ts";
import {
  ADDRESS_LOCAL,
  FUEL_AT,
  FUEL_LOCAL,
  type ImportName,
  importIndex,
  LEFT,
  LOW_LOCAL,
  MAY_GOTO_AT,
  MAY_GOTO_LOCAL,
  REGISTER_LOCAL,
  REGISTERS_AT,
  STACK_BYTES,
  STACK_LOCAL,
  STOP,
  SUSPENDED_AT,
  TELL_AT,
} from "./layout.ts";
import type { Registers } from "./provenance.ts";
import * as w from "./wasm-code.ts";

const ALL_REGISTERS = 0x7ff;

/** Where a field of the context lies, bytes from its start. */
export interface ContextPlace {
  readonly at: number;
  /** The 8 bytes there are the pointer that a load of the field yields. */
  readonly pointer: boolean;
}

/** What the kernel tells about the program and its surroundings. */
export interface JitInfo {
  /**
   * `bare`: the verifier accepted the program, and nothing that it relies on is broken; accesses are loads and stores.
   * `checked`: every access asks the shadow, as the interpreter does.
   */
  readonly access: "bare" | "checked";
  /** Stores to map values are told to the kernel. */
  readonly watched: boolean;
  /** From a function's stack to that of a function it calls, bytes. */
  readonly frameStride: number;
  /** bpf_loop calls its callback without the host's knowledge. */
  readonly inlineLoop: boolean;
  /** Calls of such a loop between two questions for fuel; 8,192 when not given. */
  readonly stretch?: number;
  /** The array behind a `struct bpf_map` at a guest offset; null when lookups in it are the host's. */
  arrayAt(offset: number): InlineArray | null;
  /** As {@link arrayAt}, of a hash map whose lookups change nothing. */
  hashAt(offset: number): InlineHash | null;
  /** An access to the context that compiled code does itself; null, or no such function, when it is the host's. */
  contextAt?(off: number, width: number, write: boolean): ContextPlace | null;
}

/** What the functions of one module share. */
export interface ModuleParts {
  readonly program: Executable;
  readonly info: JitInfo;
  /** Slot of a function -> index in the module. */
  readonly functions: ReadonlyMap<number, number>;
  /** Index of the function that writes r0..r10 to the area. */
  readonly spill: number;
  /** Indices of functions that call the imports of these names: what is rarely called is kept at a distance from loops. */
  readonly resume: number;
  readonly refuel: number;
  readonly suspend: number;
  /** Functions (by slot) that may be left in the midst of a call. */
  readonly suspends: ReadonlySet<number>;
  /** Index of the function that searches hash tables with keys of this size. */
  finder(keySize: number): number;
}

/** One function under compilation: its code, and the pieces that its emitters share. */
export class FunctionCode {
  readonly code = new w.WasmCode();
  readonly parts: ModuleParts;
  /** The function keeps its fuel in a local. */
  readonly hasLoops: boolean;
  readonly mayGoto: boolean;
  /** Where registers point at the instruction that is being compiled; null with checked accesses. */
  registers: Registers | null = null;
  /** Slot of the lookup just compiled: MARK_LOCAL says whether r0 is a value. */
  foundAt = -1;
  /** Registers (one bit each) whose low half stands in a local of its own. */
  #lows = 0;
  /** Slot that the code is entered again at; -1 for a function from its start. */
  readonly from: number;

  constructor(parts: ModuleParts, hasLoops: boolean, mayGoto: boolean, from = -1) {
    this.parts = parts;
    this.hasLoops = hasLoops;
    this.mayGoto = mayGoto;
    this.from = from;
  }

  get program(): Executable {
    return this.parts.program;
  }

  get info(): JitInfo {
    return this.parts.info;
  }

  get(r: number): void {
    this.code.get(REGISTER_LOCAL[r] as number);
  }

  set(r: number): void {
    this.code.set(REGISTER_LOCAL[r] as number);
    this.#lows &= ~(1 << r);
  }

  /** `r` was written by code that did not use {@link set}. */
  forgetLow(r: number): void {
    this.#lows &= ~(1 << r);
  }

  /** Which low halves are known apart (one bit each); a block that has but one predecessor starts with those of that one. */
  get lows(): number {
    return this.#lows;
  }

  set lows(mask: number) {
    this.#lows = mask;
    this.foundAt = -1;
  }

  /** LOW_LOCAL of `r` has just been set along with `r`; it holds until `r` is written again. */
  keepLow(r: number): void {
    this.#lows |= 1 << r;
  }

  import(name: ImportName): void {
    this.code.call(importIndex(name));
  }

  /** Where the running function is: the first arguments of most imports. */
  pushPlace(slot: number): void {
    this.code.i32(slot);
    this.code.get(STACK_LOCAL);
  }

  /** Pushes (i32) whether small events are told just now; only for programs whose events matter. */
  pushTells(): void {
    this.code.i32(0);
    this.code.memory(w.I32_LOAD, TELL_AT);
  }

  /** Pushes the low half of a register: the offset that an address holds. */
  low(r: number): void {
    if ((this.#lows & (1 << r)) !== 0) {
      this.code.get(LOW_LOCAL + r);
      return;
    }
    this.get(r);
    this.code.byte(w.I32_WRAP_I64);
  }

  /** Writes a register to the area that the host reads. */
  share(r: number): void {
    this.code.i32(0);
    this.get(r);
    this.code.memory(w.I64_STORE, REGISTERS_AT + 8 * r);
  }

  /** Reads a register back. */
  fetch(r: number): void {
    this.code.i32(0);
    this.code.memory(w.I64_LOAD, REGISTERS_AT + 8 * r);
    this.set(r);
  }

  /** Writes all registers to the area; those that are not in `live` (one bit each) as 0. */
  spillAll(live = ALL_REGISTERS): void {
    for (let r = 0; r <= R10; r++) {
      // r10 is made anew: keeping it for a rare call would take a register from the code around.
      if (r === R10) this.pushFramePointer();
      else if ((live & (1 << r)) !== 0) this.get(r);
      else this.code.i64(0);
    }
    this.code.call(this.parts.spill);
  }

  pushFramePointer(): void {
    const { code } = this;
    code.get(STACK_LOCAL);
    code.i32(STACK_BYTES);
    code.byte(w.I32_ADD);
    code.byte(w.I64_EXTEND_I32_U);
    code.i64Big(BigInt.asIntN(64, GUEST_BASE));
    code.byte(w.I64_ADD);
  }

  /** The program ends at `slot`, with all its registers told; or it is left there. */
  halt(slot: number): void {
    this.giveMayGoto();
    this.spillAll();
    this.pushPlace(slot);
    this.import("halt");
    this.code.byte(w.DROP);
    this.returnLeft();
  }

  /** Behind a call that may have been left: so is this function then. */
  leaveToo(slot: number): void {
    const { code } = this;
    this.pushSuspended();
    code.byte(w.IF);
    code.byte(w.EMPTY_BLOCK);
    this.giveMayGoto();
    this.spillAll();
    this.pushPlace(slot);
    this.import("unwound");
    code.byte(w.DROP);
    this.returnLeft();
    code.byte(w.END);
  }

  pushSuspended(): void {
    this.code.i32(0);
    this.code.memory(w.I32_LOAD, SUSPENDED_AT);
  }

  returnLeft(): void {
    this.code.i64(LEFT);
    this.code.byte(w.RETURN);
  }

  /** What may_goto still grants becomes visible to the host. */
  giveMayGoto(): void {
    this.code.i32(0);
    if (this.mayGoto) this.code.get(MAY_GOTO_LOCAL);
    else this.code.i32(MAY_GOTO_ITERATIONS);
    this.code.memory(w.I32_STORE, MAY_GOTO_AT);
  }

  /** Expects a status on the stack: the program ends at `slot` unless it is 0. */
  haltIf(slot: number): void {
    this.code.byte(w.IF);
    this.code.byte(w.EMPTY_BLOCK);
    this.halt(slot);
    this.code.byte(w.END);
  }

  /** Fuel becomes visible to whoever runs next. */
  giveFuel(): void {
    if (!this.hasLoops) return;
    this.code.i32(0);
    this.code.get(FUEL_LOCAL);
    this.code.memory(w.I32_STORE, FUEL_AT);
  }

  takeFuel(): void {
    if (!this.hasLoops) return;
    this.code.i32(0);
    this.code.memory(w.I32_LOAD, FUEL_AT);
    this.code.set(FUEL_LOCAL);
  }

  /** Returns r0 as it is in the area. */
  returnShared(): void {
    this.code.i32(0);
    this.code.memory(w.I64_LOAD, REGISTERS_AT);
    this.code.byte(w.RETURN);
  }

  return(): void {
    this.giveFuel();
    this.get(0);
    this.code.byte(w.RETURN);
  }

  /** The interpreter runs the rest of the function, from `slot`. */
  resume(slot: number, live = ALL_REGISTERS): void {
    this.giveFuel();
    this.giveMayGoto();
    this.spillAll(live);
    this.pushPlace(slot);
    this.code.call(this.parts.resume);
    this.code.byte(w.DROP);
    this.returnShared();
  }

  /** The code is left before the instruction at `slot`. */
  suspend(slot: number, live = ALL_REGISTERS): void {
    this.giveFuel();
    this.spillAll(live);
    this.giveMayGoto();
    this.pushPlace(slot);
    this.code.call(this.parts.suspend);
    this.code.byte(w.DROP);
    this.returnLeft();
  }

  /** One instruction in the interpreter, with all registers: for encodings that the tables do not know. */
  single(slot: number): void {
    this.spillAll();
    this.pushPlace(slot);
    this.import("slow");
    this.haltIf(slot);
    for (let r = 0; r < R10; r++) this.fetch(r);
  }

  /** LD_ABS and LD_IND: the host knows the packet; outside of it the function ends with 0. */
  packetLoad(slot: number): void {
    const { code } = this;
    for (let r = 0; r < R10; r++) this.share(r);
    this.pushPlace(slot);
    this.import("slow");
    code.tee(ADDRESS_LOCAL);
    code.i32(STOP);
    code.byte(w.I32_EQ);
    this.haltIf(slot);
    code.get(ADDRESS_LOCAL);
    code.byte(w.IF);
    code.byte(w.EMPTY_BLOCK);
    code.i64(0);
    this.set(0);
    this.return();
    code.byte(w.END);
    this.fetch(0);
  }

  /** Spends fuel and pushes (i32) whether it is out. */
  spend(amount: number): void {
    const { code } = this;
    code.get(FUEL_LOCAL);
    code.i32(amount);
    code.byte(w.I32_SUB);
    code.tee(FUEL_LOCAL);
    code.i32(0);
    code.byte(w.I32_LT_S);
  }

  /**
   * Asks for more fuel; without any the code is left before `slot`, with the registers that are `live`: keeping the others would
   * cost every round of the loop.
   */
  refuel(slot: number, live = ALL_REGISTERS): void {
    const { code } = this;
    this.pushPlace(slot);
    this.code.call(this.parts.refuel);
    code.tee(FUEL_LOCAL);
    code.byte(w.I32_EQZ);
    code.byte(w.IF);
    code.byte(w.EMPTY_BLOCK);
    this.suspend(slot, live);
    code.byte(w.END);
  }

  /** At the function's start: r10, fuel, may_goto's budget. */
  prologue(): void {
    const { code } = this;
    this.pushFramePointer();
    this.set(R10);
    this.takeFuel();
    if (this.mayGoto) {
      if (this.from < 0) code.i32(MAY_GOTO_ITERATIONS);
      else {
        code.i32(0);
        code.memory(w.I32_LOAD, MAY_GOTO_AT);
      }
      code.set(MAY_GOTO_LOCAL);
    }
    if (this.from >= 0) for (const r of [0, 6, 7, 8, 9]) this.fetch(r);
  }
}
