import { BPF_EXIST } from "../../abi/types.ts";
import { SHADOW_READ_ONLY } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap } from "../state.ts";

/** Adds a value to a queue or stack. BPF_EXIST: a full map gives up its oldest value. */
export function pushValue(kernel: Kernel, map: BpfMap, bytes: Uint8Array, at: number, flags: number): number {
  const { storage } = map;
  if (storage.kind !== "list") return negative("EINVAL");
  if (flags !== 0 && flags !== BPF_EXIST) return negative("EINVAL");
  if (storage.values.length >= map.maxEntries) {
    if (flags !== BPF_EXIST) return negative("E2BIG");
    kernel.memory.free(storage.values.shift() as number, kernel.state.now);
  }
  const value = kernel.memory.allocate(map.valueSize, "map", `value of ${map.name}`, `map:${map.id}`, SHADOW_READ_ONLY);
  if (value === null) return negative("ENOMEM");
  const target = kernel.memory.bytes;
  for (let i = 0; i < map.valueSize; i++) target[value + i] = bytes[at + i] as number;
  storage.values.push(value);
  return 0;
}

/** The next value of a queue (the oldest) or stack (the newest); null when it is empty. */
export function popValue(kernel: Kernel, map: BpfMap, take: boolean): Uint8Array | null {
  const { storage } = map;
  if (storage.kind !== "list" || storage.values.length === 0) return null;
  const index = storage.lifo ? storage.values.length - 1 : 0;
  const at = storage.values[index] as number;
  const value = kernel.memory.slice(at, map.valueSize);
  if (take) {
    storage.values.splice(index, 1);
    kernel.memory.free(at, kernel.state.now);
  }
  return value;
}
