import type { Errno } from "../../abi/errno.ts";
import { hashKey } from "../../abi/hash-table.ts";
import { BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST, MAP_TYPES } from "../../abi/types.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap, HashStorage, OpFrame, Task, Timer } from "../state.ts";
import { callRcu, finish, op } from "../tasks.ts";
import { tellElementDelete, tellElementUpdate } from "../tell.ts";
import { timerAtField } from "../timers/timer-object.ts";
import { writerNumber } from "../watch.ts";
import { dropWorkOfValue } from "../works/work-object.ts";
import { copyPiece, copyPieces } from "./copy-value.ts";
import {
  chooseVictim,
  findElement,
  hashOfElement,
  linkElement,
  round8,
  takeElement,
  takeReplacement,
  unlinkElement,
} from "./hash.ts";
import { cpuStride, isPerCpu, lookupValue, writeValue } from "./values.ts";

/** One update or delete, as its arguments came: bytes in guest memory (from programs) or of their own (from user space). */
export interface Source {
  readonly bytes: Uint8Array;
  readonly at: number;
}

export type Writer = "program" | "user";

/** The initialised timer of a value, or null. */
export function timerOfValue(kernel: Kernel, map: BpfMap, valueAt: number): Timer | null {
  if (map.timerAt < 0) return null;
  const timer = timerAtField(kernel, valueAt + map.timerAt);
  return timer === "bad" ? null : timer;
}

function tellUpdate(kernel: Kernel, map: BpfMap, valueAt: number, by: Writer, created: boolean): void {
  if (by === "program" && !kernel.tells()) {
    // What lay there before is no longer.
    if (map.storage.kind === "hash") map.lastWrites.forget(valueAt);
    return;
  }
  if (kernel.settings.watch) {
    const writer = by === "user" ? kernel.log.text("user space") : writerNumber(kernel);
    map.lastWrites.note(valueAt, kernel.state.now, writer, kernel.state.seq);
  }
  tellElementUpdate(kernel, map, valueAt, by, created);
}

/** Writes the copies of a value: all of them from user space, the own CPU's from a program. */
function writeCopies(kernel: Kernel, map: BpfMap, valueAt: number, value: Source, by: Writer, fresh: boolean): void {
  const stride = cpuStride(map);
  if (stride === 0) {
    writeValue(kernel, map, valueAt, value.bytes, value.at, fresh);
    return;
  }
  const padded = round8(map.valueSize);
  for (let cpu = 0; cpu < kernel.settings.cpus; cpu++) {
    const at = valueAt + cpu * stride;
    if (by === "user") writeValue(kernel, map, at, value.bytes, value.at + cpu * padded, fresh);
    else if (cpu === (kernel.cpu ?? 0)) writeValue(kernel, map, at, value.bytes, value.at, fresh);
    else if (fresh) kernel.memory.bytes.fill(0, at, at + map.valueSize);
  }
}

/** Flags that no map of this kind takes, or that its state forbids before the key is looked at. */
function checkFlags(kernel: Kernel, map: BpfMap, flags: number): Errno | 0 {
  const rest = flags & ~kernel.policy.updateFlags;
  const { array, percpu_array, hash } = MAP_TYPES;
  const lockable = map.type === array || map.type === percpu_array || map.type === hash;
  if ((lockable ? rest & ~BPF_F_LOCK : rest) > BPF_EXIST || rest < 0) return "EINVAL";
  if (rest !== flags && map.timerAt < 0) return "EINVAL";
  return 0;
}

/**
 * bpf_map_update_elem on an array or hash. 0 or a negative errno; null when the task has to go on with an operation first
 * (a timer is cancelled, an element is evicted): the result then comes with the end of that operation.
 */
export function updateElement(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  key: Source,
  value: Source,
  flags: number,
  by: Writer,
): number | null {
  const refused = checkFlags(kernel, map, flags);
  if (refused !== 0) return negative(refused);
  const valueAt = lookupValue(kernel, map, key.bytes, key.at);
  const lock = (flags & BPF_F_LOCK) !== 0;
  const { storage } = map;
  if (storage.kind === "array") {
    if (valueAt === 0) return negative("E2BIG");
    if ((flags & BPF_NOEXIST) !== 0) return negative("EEXIST");
    if (lock && map.lockAt < 0) return negative("EINVAL");
  } else if (storage.kind === "hash") {
    if (lock && map.lockAt < 0) return negative("EINVAL");
    if (valueAt !== 0 && (flags & BPF_NOEXIST) !== 0) return negative("EEXIST");
    if (valueAt === 0 && (flags & BPF_EXIST) !== 0) return negative("ENOENT");
  } else {
    return negative("EOPNOTSUPP");
  }
  if (lock && valueAt !== 0) return lockedUpdate(kernel, task, map, valueAt, key, value, flags, by);
  const timer = valueAt === 0 ? null : timerOfValue(kernel, map, valueAt);
  if (timer !== null) {
    const busy = kernel.policy.refuseUpdate(timer, flags);
    if (busy !== 0) return negative(busy);
    if (kernel.policy.dropsBeforeUpdate) {
      const work = kernel.policy.onDrop(kernel, task, timer, "update");
      if (work !== null) {
        // Again from the start once the timer is gone: much may have happened meanwhile.
        task.frames.push(op("update", { map: map.id, flags, by, ...kept(map, key, value, by, kernel) }), work);
        return null;
      }
    }
  }
  if (storage.kind === "array") {
    // Nobody can look on in one go.
    if (!kernel.inOneGo && cpuStride(map) === 0 && copyPieces(map).length > 1) {
      const { value: copy } = kept(map, key, value, by, kernel);
      task.frames.push(op("copy-value", { map: map.id, at: valueAt, value: copy, by, piece: 0 }));
      return null;
    }
    writeCopies(kernel, map, valueAt, value, by, false);
    tellUpdate(kernel, map, valueAt, by, false);
    return dropThen(kernel, task, map, valueAt, null);
  }
  return valueAt === 0
    ? insert(kernel, task, map, storage, key, value, flags, by)
    : replace(kernel, task, map, storage, valueAt - storage.valueOffset, key, value, by);
}

/** Copies of key and value, for an operation that goes on later. */
function kept(map: BpfMap, key: Source, value: Source, by: Writer, kernel: Kernel) {
  const size = by === "user" && isPerCpu(map) ? round8(map.valueSize) * kernel.settings.cpus : map.valueSize;
  return {
    key: key.bytes.slice(key.at, key.at + map.keySize),
    value: value.bytes.slice(value.at, value.at + size),
  };
}

/** BPF_F_LOCK on an existing entry: in place, under its spin lock. A hash's timer stays as it is; an array drops it (measured). */
function lockedUpdate(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  valueAt: number,
  key: Source,
  value: Source,
  flags: number,
  by: Writer,
): number | null {
  const at = valueAt + map.lockAt;
  if (kernel.memory.view.getUint32(at, true) !== 0) {
    task.frames.push(op("update", { map: map.id, flags, by, ...kept(map, key, value, by, kernel) }));
    task.wait = { on: "lock", at, what: `the spin lock of ${map.name}` };
    return null;
  }
  writeCopies(kernel, map, valueAt, value, by, false);
  tellUpdate(kernel, map, valueAt, by, false);
  return map.storage.kind === "array" ? dropThen(kernel, task, map, valueAt, null) : 0;
}

/** Drops the timer of a value that was written over or removed; then its element is given back. */
function dropThen(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  valueAt: number,
  release: "spare" | "free" | null,
): number | null {
  dropWorkOfValue(kernel, map, valueAt, "update");
  const timer = timerOfValue(kernel, map, valueAt);
  const work = timer === null ? null : kernel.policy.onDrop(kernel, task, timer, "update");
  if (work === null) {
    giveBack(kernel, map, valueAt, release);
    return 0;
  }
  task.frames.push(op("give-back", { map: map.id, value: valueAt, release }), work);
  return null;
}

/** What becomes of an element that left the table: the CPU's spare, the pool's free list, or freed after a grace period. */
function giveBack(kernel: Kernel, map: BpfMap, valueAt: number, release: "spare" | "free" | null): void {
  const table = map.storage;
  if (release === null || table.kind !== "hash") return;
  const element = valueAt - table.valueOffset;
  if (table.pool === 0) {
    callRcu(kernel, `free of an element of ${map.name}`, { free: [element] });
    return;
  }
  const cpu = kernel.cpu ?? 0;
  if (release === "spare" && table.spare[cpu] === 0) table.spare[cpu] = element;
  else table.free.push(element);
}

function insert(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  table: HashStorage,
  key: Source,
  value: Source,
  flags: number,
  by: Writer,
): number | null {
  const element = takeElement(kernel, map, table);
  if (element === "E2BIG" && table.lru) return evict(kernel, task, map, table, key, value, flags, by);
  if (typeof element === "string") return negative(element);
  fill(kernel, map, table, element, key, value, by, hashKey(key.bytes, key.at, map.keySize));
  tellUpdate(kernel, map, element + table.valueOffset, by, true);
  return 0;
}

function fill(
  kernel: Kernel,
  map: BpfMap,
  table: HashStorage,
  element: number,
  key: Source,
  value: Source,
  by: Writer,
  hash: number,
): void {
  const target = kernel.memory.bytes;
  const at = element + table.keyOffset;
  for (let i = 0; i < map.keySize; i++) target[at + i] = key.bytes[key.at + i] as number;
  writeCopies(kernel, map, element + table.valueOffset, value, by, true);
  linkElement(kernel, table, element, hash);
}

/** Makes room in a full LRU map: the victim leaves, its timer is dropped, then the update goes on. */
function evict(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  table: HashStorage,
  key: Source,
  value: Source,
  flags: number,
  by: Writer,
): number | null {
  const victim = chooseVictim(kernel, table);
  if (victim === 0) return negative("ENOMEM");
  const valueAt = victim + table.valueOffset;
  unlinkElement(kernel, table, victim);
  tellElementDelete(kernel, map, valueAt, "eviction");
  dropWorkOfValue(kernel, map, valueAt, "eviction");
  const timer = timerOfValue(kernel, map, valueAt);
  const work = timer === null ? null : kernel.policy.onDrop(kernel, task, timer, "eviction");
  if (work === null) {
    giveBack(kernel, map, valueAt, "free");
    return insert(kernel, task, map, table, key, value, flags, by);
  }
  task.frames.push(
    op("update", { map: map.id, flags, by, ...kept(map, key, value, by, kernel) }),
    op("give-back", { map: map.id, value: valueAt, release: "free" }),
    work,
  );
  return null;
}

function replace(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  table: HashStorage,
  old: number,
  key: Source,
  value: Source,
  by: Writer,
): number | null {
  const oldValue = old + table.valueOffset;
  if (table.cpuStride !== 0) {
    // A per-CPU entry keeps its copies: they are written in place.
    writeCopies(kernel, map, oldValue, value, by, false);
    tellUpdate(kernel, map, oldValue, by, false);
    return 0;
  }
  // An LRU map takes its new element from the free list, and evicts for it when that is empty; the others keep a spare one.
  const fresh = table.lru ? takeElement(kernel, map, table) : takeReplacement(kernel, map, table, kernel.cpu ?? 0);
  if (typeof fresh === "string") {
    if (!table.lru || fresh !== "E2BIG") return negative(fresh === "E2BIG" ? "ENOMEM" : fresh);
    unlinkElement(kernel, table, old);
    const valueAt = old + table.valueOffset;
    dropWorkOfValue(kernel, map, valueAt, "update");
    const timer = timerOfValue(kernel, map, valueAt);
    const work = timer === null ? null : kernel.policy.onDrop(kernel, task, timer, "update");
    if (work === null) {
      fill(kernel, map, table, old, key, value, by, hashOfElement(kernel, old));
      tellUpdate(kernel, map, valueAt, by, false);
      return 0;
    }
    const again = op("update", { map: map.id, flags: 0, by, ...kept(map, key, value, by, kernel) });
    task.frames.push(again, op("give-back", { map: map.id, value: valueAt, release: "free" }), work);
    return null;
  }
  unlinkElement(kernel, table, old);
  fill(kernel, map, table, fresh, key, value, by, hashOfElement(kernel, old));
  tellUpdate(kernel, map, fresh + table.valueOffset, by, false);
  return dropThen(kernel, task, map, oldValue, table.lru ? "free" : "spare");
}

/** Operation `update`: goes on with an update that had to wait. */
export function continueUpdate(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { data } = frame;
  if (data["result"] !== undefined && frame.step === 1) {
    finish(kernel, task, data["result"] as number);
    return;
  }
  if (frame.step === 0) {
    frame.step = 1;
    data["result"] = undefined;
    const result = updateElement(
      kernel,
      task,
      kernel.map(data["map"]),
      { bytes: data["key"], at: 0 },
      { bytes: data["value"], at: 0 },
      data["flags"],
      data["by"],
    );
    if (result !== null) finish(kernel, task, result);
  }
}

/** Operation `copy-value`: an update of an array's value in place, which others see half done. */
export function continueCopy(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { data } = frame;
  const map = kernel.map(data["map"]);
  const ends = copyPieces(map);
  const end = ends[data["piece"]];
  if (end === undefined) {
    finish(kernel, task, data["result"] as number);
    return;
  }
  copyPiece(kernel, map, data["at"], data["value"], end);
  data["piece"]++;
  if (data["piece"] < ends.length) return;
  tellUpdate(kernel, map, data["at"], data["by"], false);
  const result = dropThen(kernel, task, map, data["at"], null);
  if (result !== null) finish(kernel, task, result);
}

/** Operation `give-back`: the timer is gone; the element follows. */
export function continueGiveBack(kernel: Kernel, task: Task, frame: OpFrame): void {
  giveBack(kernel, kernel.map(frame.data["map"]), frame.data["value"], frame.data["release"]);
  finish(kernel, task, 0);
}

/** bpf_map_delete_elem: as {@link updateElement}. */
export function deleteElement(kernel: Kernel, task: Task, map: BpfMap, key: Source, by: Writer): number | null {
  const { storage } = map;
  if (storage.kind === "array") return negative("EINVAL");
  if (storage.kind !== "hash") return negative("EOPNOTSUPP");
  const element = findElement(kernel.memory, map, storage, key.bytes, key.at);
  if (element === 0) return negative("ENOENT");
  return removeElement(kernel, task, map, storage, element, by);
}

/** Takes an element out of its table, drops its timer, gives its memory back. */
export function removeElement(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  table: HashStorage,
  element: number,
  by: Writer | "kernel",
): number | null {
  const valueAt = element + table.valueOffset;
  if (by !== "program" || kernel.tells()) {
    tellElementDelete(kernel, map, valueAt, by);
  }
  unlinkElement(kernel, table, element);
  dropWorkOfValue(kernel, map, valueAt, by === "kernel" ? "map-free" : "delete");
  const timer = timerOfValue(kernel, map, valueAt);
  const work =
    timer === null ? null : kernel.policy.onDrop(kernel, task, timer, by === "kernel" ? "map-free" : "delete");
  if (work === null) {
    giveBack(kernel, map, valueAt, "free");
    return 0;
  }
  task.frames.push(op("give-back", { map: map.id, value: valueAt, release: "free" }), work);
  return null;
}
