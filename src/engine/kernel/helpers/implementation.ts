import { fault } from "../../vm/access.ts";
import type { VmFrame } from "../../vm/frame.ts";
import { GUEST_HIGH, SHADOW_WATCHED } from "../../vm/memory.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap, Task } from "../state.ts";
import { setPointer } from "../tasks.ts";

/**
 * A helper. Arguments are in r1..r5 of `frame`. A number is the result; undefined: r0 is set (pointers, 64-bit results); null: an
 * operation was begun, whose end gives the result.
 */
export type HelperImplementation = (kernel: Kernel, task: Task, frame: VmFrame) => number | null | undefined;

/** Shadow of a granule of which all 8 bytes may be read and written. */
const isOpen = (mark: number | undefined): boolean => mark === 8 || mark === (SHADOW_WATCHED | 8);

/** A register as a pointer into guest memory of which `size` bytes may be read (written); -1 and an oops when it is not. */
export function memoryArgument(kernel: Kernel, frame: VmFrame, register: number, size: number, write = false): number {
  const low = frame.lo[register] as number;
  const high = frame.hi[register] as number;
  const offset = low >>> 0;
  const { memory } = kernel;
  if (high === GUEST_HIGH) {
    // What lies within two whole granules of a plain or watched object needs no closer look.
    const first = offset >>> 3;
    const last = (offset + size - 1) >>> 3;
    const { shadow } = memory;
    if (size > 0 && last - first <= 1 && isOpen(shadow[first]) && isOpen(shadow[last])) return offset;
    if (write ? memory.writable(offset, size) : memory.readable(offset, size)) return offset;
  }
  kernel.oops(fault(kernel.machine, low, high, 0, size, write));
  return -1;
}

/** A register as a map; null and an oops when it is none. */
export function mapArgument(kernel: Kernel, frame: VmFrame, register: number): BpfMap | null {
  const low = frame.lo[register] as number;
  const high = frame.hi[register] as number;
  const map = high === GUEST_HIGH ? kernel.mapAt(low >>> 0) : null;
  if (map === null) kernel.oops(fault(kernel.machine, low, high, 0, 8, false));
  return map;
}

/** The low 32 bits as an unsigned number (sizes, indices, flags below 2^32). */
export const u32Of = (frame: VmFrame, register: number): number => (frame.lo[register] as number) >>> 0;

/** An unsigned 64-bit argument as a JavaScript number: exact up to 2^53, and above it still above. */
export const u64Of = (frame: VmFrame, register: number): number =>
  ((frame.hi[register] as number) >>> 0) * 0x1_0000_0000 + ((frame.lo[register] as number) >>> 0);

/** As {@link u64Of}, signed. */
export const s64Of = (frame: VmFrame, register: number): number =>
  (frame.hi[register] as number) * 0x1_0000_0000 + ((frame.lo[register] as number) >>> 0);

export function setU64(frame: VmFrame, register: number, value: bigint): undefined {
  frame.lo[register] = Number(BigInt.asIntN(32, value));
  frame.hi[register] = Number(BigInt.asIntN(32, value >> 32n));
}

/** Leaves a guest pointer in r0; 0 is the null pointer. */
export function returnPointer(frame: VmFrame, offset: number): undefined {
  setPointer(frame, 0, offset);
}

/** The entry slot of a function pointer of the running program; -1 and an oops when it is none. */
export function functionArgument(kernel: Kernel, frame: VmFrame, register: number): number {
  const executable = kernel.executable(frame.program);
  const image = kernel.program(frame.program).image;
  const within = ((frame.lo[register] as number) >>> 0) - image;
  const entry = within / 8;
  if (frame.hi[register] === GUEST_HIGH && Number.isInteger(entry) && entry >= 0 && entry < executable.op.length)
    return entry;
  kernel.oops(fault(kernel.machine, frame.lo[register] as number, frame.hi[register] as number, 0, 8, false));
  return -1;
}
