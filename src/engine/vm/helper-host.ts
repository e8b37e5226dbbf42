import type { VmFrame } from "./frame.ts";

/**
 * How compiled code calls the kernel: synchronously, with the registers in the running frame as after the interpreter's exits.
 * Before each call the frame's `pc` is set (behind the call, as the interpreter leaves it) and its `span`, the number of
 * functions that lie on the stack from its own on; for helpers, kfuncs and tail calls the registers too.
 *
 * False means that the program cannot go on now. Either it never will: the trap, or whatever else the host knows, is the host's.
 * Compiled code then writes all of r0..r10 into the frame, puts `pc` at the instruction, and unwinds to whoever started it. Or
 * {@link HelperHost.suspended} is true: then each function on the way tells where it stands, and the interpreter can go on there.
 */
export interface HelperHost {
  /** Frame of the program that runs compiled; one per program, whatever the depth of its calls. */
  frame(): VmFrame;
  /** Runs helper `id` to its end, callbacks and all; leaves r0. */
  helper(frame: VmFrame, id: number): boolean;
  /** Runs the kfunc called at `slot` to its end; leaves r0. */
  kfunc(frame: VmFrame, slot: number): boolean;
  /** bpf_tail_call: `done` when another program ran in place of the function (its result in r0), `missed` when there is none. */
  tailCall(frame: VmFrame): "done" | "missed" | "stop";
  /** LD_ABS and LD_IND at `pc`. `exit`: outside of the packet, the function ends with 0. */
  packetLoad(frame: VmFrame): "done" | "exit" | "stop";
  /** Compiled code is to be left as it stands. What `tailCall` and `resume` have begun in place of a function stands for it then. */
  readonly suspended: boolean;
  /**
   * Interprets the function that `frame` stands in, from `pc` until it returns; result in r0. For what is not compiled. The
   * function's stack is at r10 - 512.
   */
  resume(frame: VmFrame): boolean;
  /** Called when the fuel (about one unit per instruction) is used up: how much more there is, or 0 to leave the code at `pc`. */
  refuel(frame: VmFrame): number;
  /**
   * Whether small events are told just now: stores to map values and calls that compiled code could do by itself then go through
   * the host. Asked again after each call that may change it; once false it stays so for the run.
   */
  tells(): boolean;
  /** Stores 1, 2, 4 or 8 bytes to a map value and tells of it; false: the place is none, nothing was done. */
  storeToValue(offset: number, size: number, low: number, high: number): boolean;
  /** A stack frame comes to life or dies; asked only by code compiled with checked accesses. False: stack overflow. */
  enterFrame(stack: number): boolean;
  leaveFrame(stack: number): void;
  /**
   * Short ways for map helpers: guest offsets in and out, no registers. `map` is the offset of its `struct bpf_map`; the result
   * of a lookup is the offset of the value or 0, of the others the helper's return code.
   */
  mapLookup(frame: VmFrame, map: number, key: number): number;
  /** Tells of a lookup that compiled code has done itself; asked only while small events are told. */
  foundByCode(frame: VmFrame, map: number, key: number, value: number): void;
  mapUpdate(frame: VmFrame, map: number, key: number, value: number, flags: number): number;
  mapDelete(frame: VmFrame, map: number, key: number): number;
}

/** Storage of an array map whose lookups compiled code does itself. Valid as long as the program that names the map lives. */
export interface InlineArray {
  /** Offset of element 0. */
  readonly base: number;
  /** Bytes from one element to the next. */
  readonly stride: number;
  readonly maxEntries: number;
}

/** Storage of a hash map (see `abi/hash-table.ts`) that compiled code searches itself. */
export interface InlineHash {
  /** Offset of the bucket heads. */
  readonly buckets: number;
  /** Number of buckets less one. */
  readonly mask: number;
  readonly keySize: number;
  /** From an element to its value. */
  readonly valueOffset: number;
}
