import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { touchElement } from "../maps/hash.ts";
import { popValue, pushValue } from "../maps/list.ts";
import { deleteElement, updateElement } from "../maps/update.ts";
import { cpuStride, hexOf, lookupValue } from "../maps/values.ts";
import type { BpfMap } from "../state.ts";
import {
  type HelperImplementation,
  mapArgument,
  memoryArgument,
  returnPointer,
  u32Of,
  u64Of,
} from "./implementation.ts";

/** Offset that a lookup gives a program on a CPU; 0 when there is no entry. */
export function lookupForProgram(kernel: Kernel, map: BpfMap, key: number, cpu: number): number {
  const { storage } = map;
  if (storage.kind === "slots") {
    const id = storage.slots.get(hexOf(kernel.memory.bytes, key, map.keySize));
    return id === undefined || storage.of !== "map" ? 0 : kernel.map(id).address;
  }
  const at = lookupValue(kernel, map, kernel.memory.bytes, key);
  if (at === 0) return 0;
  if (storage.kind === "hash" && storage.lru) touchElement(kernel, at - storage.valueOffset);
  return at + cpu * cpuStride(map);
}

const mapLookup: HelperImplementation = (kernel, task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const key = memoryArgument(kernel, frame, 2, map.keySize);
  if (key < 0) return 0;
  return returnPointer(frame, lookupForProgram(kernel, map, key, Math.max(task.cpu, 0)));
};

const mapLookupPerCpu: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const key = memoryArgument(kernel, frame, 2, map.keySize);
  if (key < 0) return 0;
  const cpu = u32Of(frame, 3);
  return returnPointer(frame, cpu >= kernel.settings.cpus ? 0 : lookupForProgram(kernel, map, key, cpu));
};

const mapUpdate: HelperImplementation = (kernel, task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const key = memoryArgument(kernel, frame, 2, map.keySize);
  if (key < 0) return 0;
  const value = memoryArgument(kernel, frame, 3, map.valueSize);
  if (value < 0) return 0;
  const { bytes } = kernel.memory;
  return updateElement(kernel, task, map, { bytes, at: key }, { bytes, at: value }, u64Of(frame, 4), "program");
};

const mapDelete: HelperImplementation = (kernel, task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const key = memoryArgument(kernel, frame, 2, map.keySize);
  if (key < 0) return 0;
  return deleteElement(kernel, task, map, { bytes: kernel.memory.bytes, at: key }, "program");
};

const mapPush: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const value = memoryArgument(kernel, frame, 2, map.valueSize);
  return value < 0
    ? 0
    : pushValue(kernel, map, kernel.memory.bytes.slice(value, value + map.valueSize), 0, u64Of(frame, 3));
};

const take =
  (remove: boolean): HelperImplementation =>
  (kernel, _task, frame) => {
    const map = mapArgument(kernel, frame, 1);
    if (map === null) return 0;
    const target = memoryArgument(kernel, frame, 2, map.valueSize, true);
    if (target < 0) return 0;
    const value = popValue(kernel, map, remove);
    if (value === null) {
      kernel.memory.bytes.fill(0, target, target + map.valueSize);
      return negative("ENOENT");
    }
    kernel.memory.bytes.set(value, target);
    return 0;
  };

export const MAP_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [1, mapLookup],
  [2, mapUpdate],
  [3, mapDelete],
  [87, mapPush],
  [88, take(true)],
  [89, take(false)],
  [195, mapLookupPerCpu],
];
