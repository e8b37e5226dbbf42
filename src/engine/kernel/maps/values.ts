import { MAP_TYPES } from "../../abi/types.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap } from "../state.ts";
import { elementAfter, findElement, firstElement, round8 } from "./hash.ts";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hexOf(bytes: Uint8Array, at = 0, size = bytes.length): string {
  let text = "";
  for (let i = 0; i < size; i++) text += HEX[bytes[at + i] as number];
  return text;
}

export function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export const isPerCpu = (map: BpfMap): boolean =>
  map.type === MAP_TYPES.percpu_array || map.type === MAP_TYPES.percpu_hash || map.type === MAP_TYPES.lru_percpu_hash;

/** Distance of the CPUs' copies of a value; 0 when there is one. */
export function cpuStride(map: BpfMap): number {
  const { storage } = map;
  return storage.kind === "array" || storage.kind === "hash" ? storage.cpuStride : 0;
}

/** The value under a key (CPU 0's copy), or 0. `bytes` holds the key at `at`. */
export function lookupValue(kernel: Kernel, map: BpfMap, bytes: Uint8Array, at: number): number {
  const { storage } = map;
  if (storage.kind === "array") {
    const index =
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0;
    return index < map.maxEntries ? storage.base + storage.stride * index : 0;
  }
  if (storage.kind === "hash") {
    const element = findElement(kernel.memory, map, storage, bytes, at);
    return element === 0 ? 0 : element + storage.valueOffset;
  }
  return 0;
}

/** The first value in the order of iteration (`after` 0), or the one after another; 0 behind the last. */
export function nextValue(kernel: Kernel, map: BpfMap, after: number): number {
  const { storage } = map;
  if (storage.kind === "array") {
    if (after === 0) return storage.base;
    const next = after + storage.stride;
    return next < storage.base + storage.stride * map.maxEntries ? next : 0;
  }
  if (storage.kind === "hash") {
    const element =
      after === 0
        ? firstElement(kernel.memory, storage)
        : elementAfter(kernel.memory, storage, after - storage.valueOffset);
    return element === 0 ? 0 : element + storage.valueOffset;
  }
  return 0;
}

/** Index of an array's value. */
export function indexOfValue(map: BpfMap, valueAt: number): number {
  const { storage } = map;
  return storage.kind === "array" ? Math.floor((valueAt - storage.base) / storage.stride) : 0;
}

/** Hex of the key of a value. */
export function keyOfValue(kernel: Kernel, map: BpfMap, valueAt: number): string {
  const { storage } = map;
  if (storage.kind === "array") {
    const index = indexOfValue(map, valueAt);
    return hexOf(Uint8Array.of(index & 255, (index >>> 8) & 255, (index >>> 16) & 255, index >>> 24));
  }
  if (storage.kind === "hash") {
    return hexOf(kernel.memory.bytes, valueAt - storage.valueOffset + storage.keyOffset, map.keySize);
  }
  return "";
}

/** The value (CPU 0's copy) that an address inside the map's memory lies in, or -1. */
export function valueAround(kernel: Kernel, map: BpfMap, offset: number): number {
  const { storage } = map;
  if (storage.kind === "array") {
    const copies = storage.cpuStride === 0 ? 1 : kernel.settings.cpus;
    const within = offset - storage.base;
    if (within < 0 || within >= storage.stride * map.maxEntries * copies) return -1;
    const own = storage.cpuStride === 0 ? within : within % storage.cpuStride;
    return storage.base + own - (own % storage.stride);
  }
  if (storage.kind === "hash") {
    let element: number;
    if (storage.pool !== 0) {
      const within = offset - storage.pool;
      if (within < 0 || within >= storage.poolSize) return -1;
      element = offset - (within % storage.elementSize);
    } else {
      const object = kernel.memory.objectAt(offset);
      if (object === null) return -1;
      element = object.start;
    }
    return offset < element + storage.valueOffset ? -1 : element + storage.valueOffset;
  }
  return -1;
}

/** Zeroes the special fields of bytes that go to user space: a timer is never shown. */
export function hideSpecialFields(map: BpfMap, bytes: Uint8Array): void {
  if (!map.special.valid) return;
  for (const field of map.special.fields) bytes.fill(0, field.offset, field.offset + field.size);
}

/** A value as user space reads it: per-CPU maps give all copies, each padded to 8 bytes. */
export function readValue(kernel: Kernel, map: BpfMap, valueAt: number): Uint8Array {
  const stride = cpuStride(map);
  if (stride === 0) {
    const bytes = kernel.memory.slice(valueAt, map.valueSize);
    hideSpecialFields(map, bytes);
    return bytes;
  }
  const padded = round8(map.valueSize);
  const bytes = new Uint8Array(padded * kernel.settings.cpus);
  for (let cpu = 0; cpu < kernel.settings.cpus; cpu++) {
    bytes.set(kernel.memory.slice(valueAt + cpu * stride, map.valueSize), cpu * padded);
  }
  return bytes;
}

/** Copies a value into its place, around the special fields; `fresh` zeroes those. */
export function writeValue(
  kernel: Kernel,
  map: BpfMap,
  valueAt: number,
  source: Uint8Array,
  sourceAt: number,
  fresh: boolean,
): void {
  const target = kernel.memory.bytes;
  if (!map.special.valid || map.special.fields.length === 0) {
    if (source === target && map.valueSize > 64) target.copyWithin(valueAt, sourceAt, sourceAt + map.valueSize);
    else for (let i = 0; i < map.valueSize; i++) target[valueAt + i] = source[sourceAt + i] as number;
    return;
  }
  let from = 0;
  for (const field of map.special.fields) {
    for (let i = from; i < field.offset; i++) target[valueAt + i] = source[sourceAt + i] as number;
    if (fresh) target.fill(0, valueAt + field.offset, valueAt + field.offset + field.size);
    from = field.offset + field.size;
  }
  for (let i = from; i < map.valueSize; i++) target[valueAt + i] = source[sourceAt + i] as number;
}
