import { InternalError } from "../base/errors.ts";
import { type KeptPages, keepPages, putPages } from "./pages.ts";
import type { WasmMemory } from "./wasm-host.ts";

/**
 * The one linear memory of the guest. A guest address is {@link GUEST_BASE} plus an offset below 2^32, so that it looks like a
 * kernel pointer and costs nothing to translate. Beside the bytes lies a shadow, one byte per 8 bytes of memory, that says what
 * may be accessed: freed memory, red zones and read-only data are found at the access, as KASAN finds them.
 */
export const GUEST_HIGH = 0xffff8881 | 0;
export const GUEST_BASE = 0xffff_8881_0000_0000n;

/** Shadow byte: the low 4 bits count the accessible bytes of the granule (0..8), the others mark what slows an access down. */
export const SHADOW_READ_ONLY = 0x10;
/** Stores are reported to the kernel (map values). */
export const SHADOW_WATCHED = 0x20;
/** Loads and stores are translated (program contexts). */
export const SHADOW_CONTEXT = 0x40;

export type MemoryKind = "map-value" | "map" | "timer" | "stack" | "context" | "packet" | "record" | "kernel";

export interface MemoryObject {
  readonly start: number;
  /** bytes asked for */
  readonly size: number;
  /** bytes of the block behind it */
  readonly block: number;
  readonly kind: MemoryKind;
  readonly label: string;
  /** Node of the reference graph that the memory belongs to. */
  readonly node: string | null;
  /** Virtual ns; null while it lives. */
  readonly freedAt: number | null;
}

export interface MemoryCheckpoint {
  readonly bytes: KeptPages;
  readonly shadow: KeptPages;
  /** See {@link GuestMemory.generation}. */
  readonly generation: number;
  readonly top: number;
  readonly used: number;
  readonly objects: ReadonlyMap<number, MemoryObject>;
  readonly starts: readonly number[];
  readonly quarantine: readonly number[];
  readonly quarantined: number;
  readonly free: ReadonlyMap<number, readonly number[]>;
}

/** Nothing is allocated below: the null page, and room for what compiled code and its host exchange. */
const FIRST = 0x1_0000;
/** In linear memory: where the shadow begins (u32). Compiled code finds it through this. */
export const SHADOW_POINTER = 0x100;
const RED_ZONE = 16;
const INITIAL = 1 << 20;
/** Freed memory rests this long (bytes freed since) before it is handed out again, so that a late use is seen as one. */
const QUARANTINE = 1 << 20;

export class GuestMemory {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  shadow: Uint8Array = new Uint8Array(0);
  /** The linear memory of compiled code that holds bytes and, behind them, shadow; null when there is none. */
  readonly linear: WasmMemory | null;
  /** Bytes that may be handed out in all; a request beyond it fails as -ENOMEM. */
  readonly limit: number;
  /** Rises whenever an object comes, goes, or is put back. */
  generation = 0;
  #top = FIRST;
  #used = 0;
  #objects = new Map<number, MemoryObject>();
  /** Starts of all blocks ever carved, ascending. */
  #starts: number[] = [];
  #quarantine: number[] = [];
  #quarantined = 0;
  #free = new Map<number, number[]>();
  /** The newest checkpoint: the next one shares pages with it. */
  #kept: MemoryCheckpoint | null = null;

  constructor(limit = 1 << 30, linear: WasmMemory | null = null) {
    this.limit = limit;
    this.linear = linear;
    if (!this.#resize(INITIAL)) throw new InternalError("no room for guest memory");
  }

  /** Zeroed memory at an 8-aligned offset, or null when the limit is reached. `mode` is a sum of SHADOW marks. */
  allocate(size: number, kind: MemoryKind, label: string, node: string | null, mode = 0): number | null {
    const block = Math.max(8, (size + 7) & ~7);
    const reused = this.#free.get(block)?.pop();
    let start: number;
    if (reused !== undefined) {
      start = reused;
    } else {
      if (size > this.limit || this.#top + block + RED_ZONE > this.limit) return null;
      start = this.#top;
      if (!this.#grow(start + block + RED_ZONE)) return null;
      this.#top = start + block + RED_ZONE;
      this.#starts.push(start);
    }
    this.#used += block;
    this.bytes.fill(0, start, start + block);
    this.generation++;
    this.#objects.set(start, { start, size, block, kind, label, node, freedAt: null });
    this.expose(start, size, mode);
    return start;
  }

  /** Marks [start, start + size) as accessible; `start` must be 8-aligned. */
  expose(start: number, size: number, mode = 0): void {
    const whole = size >>> 3;
    this.shadow.fill(mode | 8, start >>> 3, (start >>> 3) + whole);
    const rest = size & 7;
    if (rest !== 0) this.shadow[(start >>> 3) + whole] = mode | rest;
  }

  /** Makes every access to [start, start + size) a fault. */
  poison(start: number, size: number): void {
    this.shadow.fill(0, start >>> 3, (start + size + 7) >>> 3);
  }

  /** Gives memory back: from now on an access is a use after free. */
  free(start: number, now: number): void {
    const object = this.#objects.get(start);
    if (object === undefined || object.freedAt !== null) return;
    this.generation++;
    this.#objects.set(start, { ...object, freedAt: now });
    this.poison(start, object.block);
    this.#used -= object.block;
    this.#quarantine.push(start);
    this.#quarantined += object.block;
    while (this.#quarantined > QUARANTINE && this.#quarantine.length > 1) {
      const oldest = this.#quarantine.shift() as number;
      const block = this.#objects.get(oldest)?.block ?? 8;
      this.#quarantined -= block;
      const list = this.#free.get(block);
      if (list) list.push(oldest);
      else this.#free.set(block, [oldest]);
    }
  }

  /** The object that an offset lies in, or in whose red zone it lies; null below and above all. */
  objectAt(offset: number): MemoryObject | null {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return null;
    const object = this.#objects.get(this.#starts[low - 1] as number);
    return object !== undefined && offset < object.start + object.block + RED_ZONE ? object : null;
  }

  /** Every object that lives, in order of allocation. */
  *live(): IterableIterator<MemoryObject> {
    for (const object of this.#objects.values()) if (object.freedAt === null) yield object;
  }

  /** Bytes that a checkpoint looks at. */
  get reach(): number {
    return this.#top;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** True when all bytes may be read. */
  readable(start: number, size: number): boolean {
    if (size === 0) return true;
    if (start < 0 || start + size > this.#top) return false;
    for (let at = start; at < start + size; ) {
      const mark = this.shadow[at >>> 3] as number;
      const end = (at & ~7) + (mark & 15);
      const want = Math.min((at & ~7) + 8, start + size);
      if (want > end) return false;
      at = want;
    }
    return true;
  }

  writable(start: number, size: number): boolean {
    if (!this.readable(start, size)) return false;
    for (let granule = start >>> 3; granule <= (start + size - 1) >>> 3; granule++) {
      if (((this.shadow[granule] as number) & SHADOW_READ_ONLY) !== 0) return false;
    }
    return true;
  }

  readU64(offset: number): bigint {
    return this.view.getBigUint64(offset, true);
  }

  writeU64(offset: number, value: bigint): void {
    this.view.setBigUint64(offset, BigInt.asUintN(64, value), true);
  }

  slice(start: number, size: number): Uint8Array {
    return this.bytes.slice(start, start + size);
  }

  /** Shares with the checkpoint before it what has not changed since. */
  checkpoint(): MemoryCheckpoint {
    const before = this.#kept;
    const sameObjects = before?.generation === this.generation ? before : null;
    const kept = {
      bytes: keepPages(this.bytes, this.#top, before?.bytes ?? null),
      shadow: keepPages(this.shadow, (this.#top >>> 3) + 1, before?.shadow ?? null),
      generation: this.generation,
      top: this.#top,
      used: this.#used,
      objects: sameObjects?.objects ?? new Map(this.#objects),
      starts: sameObjects?.starts ?? this.#starts.slice(),
      quarantine: sameObjects?.quarantine ?? this.#quarantine.slice(),
      quarantined: this.#quarantined,
      free: sameObjects?.free ?? new Map([...this.#free].map(([size, list]) => [size, list.slice()])),
    };
    this.#kept = kept;
    return kept;
  }

  restore(from: MemoryCheckpoint): void {
    if (!this.#grow(from.top)) throw new InternalError("no room for a checkpoint's memory");
    const end = Math.max(this.#top, from.top);
    putPages(from.bytes, this.bytes, end);
    this.view.setUint32(SHADOW_POINTER, this.bytes.length, true);
    putPages(from.shadow, this.shadow, (end >>> 3) + 1);
    this.#top = from.top;
    this.#used = from.used;
    this.generation++;
    this.#objects = new Map(from.objects);
    this.#starts = from.starts.slice();
    this.#quarantine = from.quarantine.slice();
    this.#quarantined = from.quarantined;
    this.#free = new Map([...from.free].map(([size, list]) => [size, list.slice()]));
    this.#kept = { ...from, generation: this.generation };
  }

  #grow(top: number): boolean {
    if (top + 8 <= this.bytes.length) return true;
    let size = this.bytes.length;
    while (size < top + 8) size *= 2;
    return this.#resize(size);
  }

  /** Gives the guest `size` bytes (a power of two) and the shadow that belongs to them. */
  #resize(size: number): boolean {
    const before = this.bytes.length;
    const oldShadow = before === 0 ? this.shadow : this.shadow.slice();
    if (this.linear === null) {
      const bytes = new Uint8Array(size);
      bytes.set(this.bytes);
      this.bytes = bytes;
      this.shadow = new Uint8Array(size >>> 3);
    } else {
      if (!this.linear.grow(size + (size >>> 3))) return false;
      const buffer = this.linear.buffer();
      this.bytes = new Uint8Array(buffer, 0, size);
      this.shadow = new Uint8Array(buffer, size, size >>> 3);
      this.bytes.fill(0, before, Math.min(size, before + (before >>> 3)));
      this.shadow.fill(0);
    }
    this.shadow.set(oldShadow);
    this.view = new DataView(this.bytes.buffer, 0, size);
    this.view.setUint32(SHADOW_POINTER, size, true);
    return true;
  }
}

/** The address of an offset, as a program sees it. */
export function guestAddress(offset: number): bigint {
  return GUEST_BASE + BigInt(offset);
}
