import type { Trap } from "./frame.ts";
import { GUEST_HIGH, type GuestMemory, SHADOW_CONTEXT, SHADOW_READ_ONLY, SHADOW_WATCHED } from "./memory.ts";

/** What the kernel adds to plain memory. */
export interface MemoryHost {
  /** A load from a program context; null when there is nothing to load at that place. */
  loadContext(offset: number, size: number): bigint | null;
  /** A store to a program context; false when it may not be written there. */
  storeContext(offset: number, size: number, value: bigint): boolean;
  /** Called around a store to watched memory. */
  beforeStore(offset: number, size: number): void;
  afterStore(offset: number, size: number): void;
}

export interface MemoryAccess {
  readonly memory: GuestMemory;
  readonly host: MemoryHost;
  /** Result of a slow load. */
  low: number;
  high: number;
}

/** The offset behind a 64-bit address plus displacement, or -1 when it is no guest address. */
function locate(low: number, high: number, off: number, memory: GuestMemory): number {
  if (high !== GUEST_HIGH) return -1;
  const at = (low >>> 0) + off;
  return at >= 0 && at + 8 <= memory.bytes.length ? at : -1;
}

/** Loads that the fast path does not take: unaligned ones across granules, and contexts. False: the access faults. */
export function loadSlow(machine: MemoryAccess, low: number, high: number, off: number, size: number): boolean {
  const memory = machine.memory;
  const at = locate(low, high, off, memory);
  if (at < 0 || !memory.readable(at, size)) return false;
  let value = 0n;
  if (((memory.shadow[at >>> 3] as number) & SHADOW_CONTEXT) !== 0) {
    const loaded = machine.host.loadContext(at, size);
    if (loaded === null) return false;
    value = loaded;
  } else {
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(memory.bytes[at + i] as number);
  }
  machine.low = Number(BigInt.asIntN(32, value));
  machine.high = Number(BigInt.asIntN(32, value >> 32n));
  return true;
}

/** Stores that the fast path does not take. False: the access faults. */
export function storeSlow(
  machine: MemoryAccess,
  low: number,
  high: number,
  off: number,
  size: number,
  valueLow: number,
  valueHigh: number,
): boolean {
  const memory = machine.memory;
  const at = locate(low, high, off, memory);
  if (at < 0 || !memory.writable(at, size)) return false;
  const mark = (memory.shadow[at >>> 3] as number) | (memory.shadow[(at + size - 1) >>> 3] as number);
  if ((mark & SHADOW_CONTEXT) !== 0) {
    const value = BigInt.asUintN(8 * size, (BigInt(valueHigh >>> 0) << 32n) | BigInt(valueLow >>> 0));
    return machine.host.storeContext(at, size, value);
  }
  const watched = (mark & SHADOW_WATCHED) !== 0;
  if (watched) machine.host.beforeStore(at, size);
  for (let i = 0; i < size; i++)
    memory.bytes[at + i] = (i < 4 ? valueLow >>> (8 * i) : valueHigh >>> (8 * (i - 4))) & 0xff;
  if (watched) machine.host.afterStore(at, size);
  return true;
}

/** Says in words what is wrong with an access that was refused. */
export function fault(
  machine: MemoryAccess,
  low: number,
  high: number,
  off: number,
  size: number,
  write: boolean,
): Trap {
  const memory = machine.memory;
  const address = BigInt.asUintN(64, ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) + BigInt(off));
  const what = `${write ? "write" : "read"} of ${size} byte${size === 1 ? "" : "s"} at 0x${address.toString(16)}`;
  if (address < 4096n) {
    return { what: "null-dereference", message: `kernel NULL pointer dereference, ${what}`, address };
  }
  const at = locate(low, high, off, memory);
  const object = at < 0 ? null : memory.objectAt(at);
  if (object === null) {
    return { what: "invalid-address", message: `unable to handle page fault, ${what}`, address };
  }
  if (object.freedAt !== null) {
    return { what: "use-after-free", message: `use after free of ${object.label}, ${what}`, address };
  }
  if (object.kind === "stack" && at < object.start + object.size) {
    return { what: "dead-stack", message: `${what}: that stack frame (${object.label}) is gone`, address };
  }
  if (memory.readable(at, size) && write && ((memory.shadow[at >>> 3] as number) & SHADOW_READ_ONLY) !== 0) {
    return { what: "write-to-read-only", message: `${what}: ${object.label} is read-only`, address };
  }
  if (((memory.shadow[at >>> 3] as number) & SHADOW_CONTEXT) !== 0) {
    return { what: "out-of-bounds", message: `invalid context access, ${what}`, address };
  }
  const past = at + size - (object.start + object.size);
  return {
    what: "out-of-bounds",
    message: `out of bounds of ${object.label} (${object.size} bytes) by ${past}, ${what}`,
    address,
  };
}
