import {
  ELEMENT_HASH,
  ELEMENT_HEADER,
  ELEMENT_NEWER,
  ELEMENT_NEXT,
  ELEMENT_OLDER,
  ELEMENT_USED,
  hashKey,
} from "../../abi/hash-table.ts";
import type { GuestMemory } from "../../vm/memory.ts";
import { SHADOW_READ_ONLY, SHADOW_WATCHED } from "../../vm/memory.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap, HashStorage } from "../state.ts";

/**
 * Hash tables in guest memory. A table of bucket heads (u32 offsets of elements, 0 for none) and elements of
 *
 *     +0  next in the bucket   +4  hash   +8  newer, +12  older (LRU)   +16  1 when used since it was last passed over (LRU)
 *     +24 key, padded to 8     then the value (one copy per CPU in per-CPU maps, each padded to 8)
 *
 * A new element goes in front of its bucket. Programs may read the key and access the value, nothing else.
 */
const NEXT = ELEMENT_NEXT;
const HASH = ELEMENT_HASH;
const NEWER = ELEMENT_NEWER;
const OLDER = ELEMENT_OLDER;
const USED = ELEMENT_USED;

export const round8 = (n: number): number => (n + 7) & ~7;

/** Where the parts of an element lie. */
export function elementLayout(keySize: number, valueSize: number, copies: number) {
  const keyOffset = ELEMENT_HEADER;
  const valueOffset = keyOffset + round8(keySize);
  return { keyOffset, valueOffset, elementSize: valueOffset + round8(valueSize) * copies };
}

function sameKey(memory: GuestMemory, element: number, bytes: Uint8Array, at: number, size: number): boolean {
  const own = memory.bytes;
  const key = element + ELEMENT_HEADER;
  for (let i = 0; i < size; i++) if (own[key + i] !== bytes[at + i]) return false;
  return true;
}

/** The element with this key, or 0. */
export function findElement(
  memory: GuestMemory,
  map: BpfMap,
  table: HashStorage,
  bytes: Uint8Array,
  at: number,
): number {
  const hash = hashKey(bytes, at, map.keySize);
  const view = memory.view;
  let element = view.getUint32(table.buckets + 4 * (hash & table.mask), true);
  while (element !== 0) {
    if (view.getInt32(element + HASH, true) === hash && sameKey(memory, element, bytes, at, map.keySize))
      return element;
    element = view.getUint32(element + NEXT, true);
  }
  return 0;
}

/** Marks what programs may access in an element. */
function exposeElement(kernel: Kernel, map: BpfMap, table: HashStorage, element: number): void {
  const { memory } = kernel;
  memory.poison(element, table.elementSize);
  memory.expose(element + table.keyOffset, map.keySize, SHADOW_READ_ONLY);
  const mode = kernel.settings.watch ? SHADOW_WATCHED : 0;
  const copies = table.cpuStride === 0 ? 1 : kernel.settings.cpus;
  for (let cpu = 0; cpu < copies; cpu++) {
    memory.expose(element + table.valueOffset + cpu * table.cpuStride, map.valueSize, mode);
  }
}

/** An element that is in no bucket: from the pool, or allocated; "E2BIG" when the map is full, "ENOMEM" when memory is. */
export function takeElement(kernel: Kernel, map: BpfMap, table: HashStorage): number | "E2BIG" | "ENOMEM" {
  if (table.pool !== 0) {
    const free = table.free.pop();
    if (free !== undefined) return free;
    if (table.carved >= map.maxEntries) return "E2BIG";
    const element = table.pool + table.elementSize * table.carved++;
    exposeElement(kernel, map, table, element);
    return element;
  }
  if (table.count >= map.maxEntries) return "E2BIG";
  return allocateElement(kernel, map, table) ?? "ENOMEM";
}

function allocateElement(kernel: Kernel, map: BpfMap, table: HashStorage): number | null {
  const element = kernel.allocate(table.elementSize, "map-value", `element of ${map.name}`, `map:${map.id}`);
  if (element !== null) exposeElement(kernel, map, table, element);
  return element;
}

/** The element that takes the place of an existing one: preallocated maps keep a spare one per CPU for it. */
export function takeReplacement(kernel: Kernel, map: BpfMap, table: HashStorage, cpu: number): number | "ENOMEM" {
  if (table.pool === 0) return allocateElement(kernel, map, table) ?? "ENOMEM";
  const spare = table.spare[cpu] as number;
  if (spare !== 0) {
    table.spare[cpu] = 0;
    return spare;
  }
  // Spares are carved behind the elements proper.
  const element = table.pool + table.elementSize * (map.maxEntries + cpu);
  exposeElement(kernel, map, table, element);
  return element;
}

/** Puts an element into its bucket; its key must be written, and `hash` be the key's. */
export function linkElement(kernel: Kernel, table: HashStorage, element: number, hash: number): void {
  const { view } = kernel.memory;
  const head = table.buckets + 4 * (hash & table.mask);
  view.setInt32(element + HASH, hash, true);
  view.setUint32(element + NEXT, view.getUint32(head, true), true);
  view.setUint32(head, element, true);
  table.count++;
  if (!table.lru) return;
  view.setUint32(element + NEWER, 0, true);
  view.setUint32(element + OLDER, table.newest, true);
  view.setUint32(element + USED, 0, true);
  if (table.newest !== 0) view.setUint32(table.newest + NEWER, element, true);
  else table.oldest = element;
  table.newest = element;
}

/** The hash of an element's key, as it was when the element was put into its bucket. */
export const hashOfElement = (kernel: Kernel, element: number): number =>
  kernel.memory.view.getInt32(element + HASH, true);

/** Takes an element out of its bucket (and the LRU list); its memory stays as it is. False when it is not there. */
export function unlinkElement(kernel: Kernel, table: HashStorage, element: number): boolean {
  const { view } = kernel.memory;
  const hash = view.getInt32(element + HASH, true);
  let link = table.buckets + 4 * (hash & table.mask);
  for (let at = view.getUint32(link, true); at !== element; at = view.getUint32(link, true)) {
    if (at === 0) return false;
    link = at + NEXT;
  }
  view.setUint32(link, view.getUint32(element + NEXT, true), true);
  table.count--;
  if (table.lru) unlinkLru(view, table, element);
  return true;
}

function unlinkLru(view: DataView, table: HashStorage, element: number): void {
  const newer = view.getUint32(element + NEWER, true);
  const older = view.getUint32(element + OLDER, true);
  if (newer !== 0) view.setUint32(newer + OLDER, older, true);
  else table.newest = older;
  if (older !== 0) view.setUint32(older + NEWER, newer, true);
  else table.oldest = newer;
}

/** A lookup by a program marks the element as used (LRU maps). */
export function touchElement(kernel: Kernel, element: number): void {
  kernel.memory.view.setUint32(element + USED, 1, true);
}

/**
 * The element that an LRU map gives up: from the old end of its list, those used since they were last passed over get a second
 * chance. 0 when the map is empty.
 */
export function chooseVictim(kernel: Kernel, table: HashStorage): number {
  const { view } = kernel.memory;
  for (let i = table.count; i > 0; i--) {
    const oldest = table.oldest;
    if (view.getUint32(oldest + USED, true) === 0) return oldest;
    unlinkLru(view, table, oldest);
    view.setUint32(oldest + USED, 0, true);
    view.setUint32(oldest + NEWER, 0, true);
    view.setUint32(oldest + OLDER, table.newest, true);
    if (table.newest !== 0) view.setUint32(table.newest + NEWER, oldest, true);
    else table.oldest = oldest;
    table.newest = oldest;
  }
  return table.oldest;
}

/** The first element in or behind a bucket, or 0. */
function firstFrom(memory: GuestMemory, table: HashStorage, bucket: number): number {
  const { view } = memory;
  for (let i = bucket; i <= table.mask; i++) {
    const element = view.getUint32(table.buckets + 4 * i, true);
    if (element !== 0) return element;
  }
  return 0;
}

export const firstElement = (memory: GuestMemory, table: HashStorage): number => firstFrom(memory, table, 0);

/** The element after one that is in the table, in the order of buckets; 0 behind the last. */
export function elementAfter(memory: GuestMemory, table: HashStorage, element: number): number {
  const { view } = memory;
  const next = view.getUint32(element + NEXT, true);
  if (next !== 0) return next;
  return firstFrom(memory, table, (view.getInt32(element + HASH, true) & table.mask) + 1);
}
