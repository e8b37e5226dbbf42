import type { Errno } from "../../abi/errno.ts";
import {
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_F_RDONLY,
  BPF_F_RDONLY_PROG,
  BPF_F_WRONLY,
  BPF_NOEXIST,
  MAP_TYPES,
} from "../../abi/types.ts";
import { sameSpecialFields } from "../../btf/special-fields.ts";
import type { Syscall } from "../calls.ts";
import type { Kernel } from "../kernel.ts";
import { createMap, isMapInMap, judgeMap, templateOf } from "../maps/create.ts";
import { round8 } from "../maps/hash.ts";
import { popValue, pushValue } from "../maps/list.ts";
import { readRecord } from "../maps/ring.ts";
import { deleteElement, updateElement } from "../maps/update.ts";
import { bytesOf, hexOf, isPerCpu, keyOfValue, lookupValue, nextValue, readValue } from "../maps/values.ts";
import type { Operation } from "../operations.ts";
import { hold, release } from "../references.ts";
import type { BpfMap, InnerTemplate, OpFrame, Task } from "../state.ts";
import { elementLabel, shownExpiry } from "../timers/timer-object.ts";
import { done, doneOrFailed, failed, fdTarget, openFd } from "./result.ts";

type Call<Name extends Syscall["name"]> = Extract<Syscall, { readonly name: Name }>;
const call = <Name extends Syscall["name"]>(frame: OpFrame): Call<Name> => frame.data as unknown as Call<Name>;

/** The map behind an fd, or why not. `mode`: how user space wants to use it. */
function openMap(kernel: Kernel, task: Task, fd: number, mode: "read" | "write" | "any"): BpfMap | Errno {
  const id = fdTarget(kernel, task, fd, "map");
  if (typeof id === "string") return id;
  const map = kernel.map(id);
  if (mode === "read" && (map.flags & BPF_F_WRONLY) !== 0) return "EPERM";
  if (mode === "write" && ((map.flags & BPF_F_RDONLY) !== 0 || map.frozen)) return "EPERM";
  return map;
}

function mapCreate(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { spec, btf, dialect, innerFd } = call<"map-create">(frame);
  const text = `map create ${spec.name}`;
  let inner: InnerTemplate | "none" | "not-a-map" | "closed" = "none";
  if (isMapInMap(spec.type)) {
    if (innerFd !== undefined) {
      const id = fdTarget(kernel, task, innerFd, "map");
      if (typeof id === "string") inner = id === "EBADF" ? "closed" : "not-a-map";
      else inner = templateOfMap(kernel.map(id));
    } else if (spec.inner !== null) {
      const refused = judgeMap(spec.inner, btf, dialect, "none");
      if (refused !== 0) {
        failed(kernel, task, text, refused);
        return;
      }
      inner = templateOf(spec.inner, btf, dialect);
    }
  }
  const refused = judgeMap(spec, btf, dialect, inner);
  if (refused !== 0) {
    failed(kernel, task, text, refused);
    return;
  }
  const map = createMap(kernel, spec, btf, dialect, typeof inner === "string" ? null : inner);
  if (map === "unmodelled") kernel.notModelled(`a map of type ${typeText(spec.type)}`);
  else if (typeof map === "string") failed(kernel, task, text, map);
  else done(kernel, task, text, openFd(kernel, task, { kind: "map", id: map.id }));
}

const typeText = (type: number): string => Object.entries(MAP_TYPES).find(([, id]) => id === type)?.[0] ?? String(type);

const templateOfMap = (map: BpfMap): InnerTemplate => ({
  name: map.name,
  type: map.type,
  keySize: map.keySize,
  valueSize: map.valueSize,
  maxEntries: map.maxEntries,
  flags: map.flags,
  btf: map.btf,
  keyType: map.keyType,
  valueType: map.valueType,
  special: map.special,
});

/** Bytes of a value as user space passes it. */
function userValueSize(kernel: Kernel, map: BpfMap): number {
  return isPerCpu(map) ? round8(map.valueSize) * kernel.settings.cpus : map.valueSize;
}

function mapUpdate(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, key, value, flags } = call<"map-update">(frame);
  const map = openMap(kernel, task, fd, "write");
  if (typeof map === "string") {
    failed(kernel, task, "map update", map);
    return;
  }
  const text = `map update ${elementLabel(map, hexOf(key))}`;
  if (frame.step === 1) {
    doneOrFailed(kernel, task, text, frame.data["result"] as number);
    return;
  }
  if (key.length !== map.keySize || value.length !== userValueSize(kernel, map)) {
    failed(kernel, task, text, "EFAULT");
    return;
  }
  if ((flags & BPF_F_LOCK) !== 0 && map.lockAt < 0) {
    failed(kernel, task, text, "EINVAL");
    return;
  }
  const { storage } = map;
  if (storage.kind === "slots") {
    updateSlot(kernel, task, map, key, value, flags, text);
    return;
  }
  if (storage.kind === "list") {
    doneOrFailed(kernel, task, text, pushValue(kernel, map, value, 0, flags));
    return;
  }
  if (storage.kind === "ringbuf" || storage.kind === "timers") {
    failed(kernel, task, text, "EOPNOTSUPP");
    return;
  }
  frame.step = 1;
  const result = updateElement(kernel, task, map, { bytes: key, at: 0 }, { bytes: value, at: 0 }, flags, "user");
  if (result !== null) doneOrFailed(kernel, task, text, result);
}

/** An entry of a map of programs or maps: the value is an fd. */
function updateSlot(
  kernel: Kernel,
  task: Task,
  map: BpfMap,
  key: Uint8Array,
  value: Uint8Array,
  flags: number,
  text: string,
): void {
  const { storage } = map;
  if (storage.kind !== "slots") return;
  const keyHex = hexOf(key);
  const fail = (errno: Errno): void => failed(kernel, task, text, errno);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const before = storage.slots.get(keyHex);
  if (storage.hash) {
    if (flags > BPF_EXIST) return fail("EINVAL");
    if (before === undefined && flags === BPF_EXIST) return fail("ENOENT");
    if (before !== undefined && flags === BPF_NOEXIST) return fail("EEXIST");
    if (before === undefined && storage.slots.size >= map.maxEntries) return fail("E2BIG");
  } else {
    if (flags !== 0) return fail("EINVAL");
    if (new DataView(key.buffer, key.byteOffset).getUint32(0, true) >= map.maxEntries) return fail("E2BIG");
  }
  const target = fdTarget(kernel, task, view.getInt32(0, true), storage.of);
  if (typeof target === "string") return fail(target);
  if (storage.of === "map") {
    const inner = kernel.map(target);
    const want = map.inner;
    const same =
      want !== null &&
      inner.type === want.type &&
      inner.keySize === want.keySize &&
      inner.valueSize === want.valueSize &&
      inner.flags === want.flags &&
      (inner.type !== MAP_TYPES.array || (inner.flags & 0x1000) !== 0 || inner.maxEntries === want.maxEntries) &&
      sameSpecialFields(inner.special, want.special);
    if (!same) return fail("EINVAL");
  } else if (!fitsProgArray(kernel, storage.slots, target)) {
    return fail("EINVAL");
  }
  const holder = `element:${map.id}:${keyHex}`;
  if (before !== undefined) release(kernel, task, { kind: storage.of, id: before }, holder);
  storage.slots.set(keyHex, target);
  hold(kernel, { kind: storage.of, id: target }, holder);
  kernel.emit({
    kind: "element-update",
    map: map.id,
    element: `${map.id}:${keyHex}`,
    by: "user",
    created: before === undefined,
  });
  done(kernel, task, text, 0);
}

/** All programs of a prog_array are of one type. */
function fitsProgArray(kernel: Kernel, slots: ReadonlyMap<string, number>, program: number): boolean {
  for (const id of slots.values()) return kernel.program(id).type === kernel.program(program).type;
  return true;
}

function mapLookup(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, key, flags = 0 } = call<"map-lookup">(frame);
  const map = openMap(kernel, task, fd, "read");
  if (typeof map === "string") {
    failed(kernel, task, "map lookup", map);
    return;
  }
  const text = `map lookup ${elementLabel(map, hexOf(key))}`;
  if ((flags & ~BPF_F_LOCK) !== 0 || (flags !== 0 && map.lockAt < 0)) {
    failed(kernel, task, text, "EINVAL");
    return;
  }
  const value = lookupForUser(kernel, map, key);
  if (typeof value === "string") failed(kernel, task, text, value);
  else done(kernel, task, text, 0, { value });
}

function lookupForUser(kernel: Kernel, map: BpfMap, key: Uint8Array): Uint8Array | Errno {
  const { storage } = map;
  if (key.length !== map.keySize) return "EFAULT";
  if (storage.kind === "slots") {
    // User space reads ids of maps; prog_array cannot be read.
    if (storage.of === "prog") return "EOPNOTSUPP";
    const id = storage.slots.get(hexOf(key));
    return id === undefined ? "ENOENT" : Uint8Array.of(id & 255, (id >> 8) & 255, (id >> 16) & 255, id >>> 24);
  }
  if (storage.kind === "timers") {
    const control = storage.timers.get(new DataView(key.buffer, key.byteOffset).getUint32(0, true));
    const timer = control === undefined ? undefined : kernel.state.timers.get(control);
    if (timer === undefined) return "ENOENT";
    const value = new Uint8Array(8);
    new DataView(value.buffer).setBigUint64(0, BigInt(shownExpiry(kernel, timer) === null ? 0 : timer.expires), true);
    return value;
  }
  if (storage.kind !== "array" && storage.kind !== "hash") return "EOPNOTSUPP";
  const at = lookupValue(kernel, map, key, 0);
  return at === 0 ? "ENOENT" : readValue(kernel, map, at);
}

function mapDelete(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, key } = call<"map-delete">(frame);
  const map = openMap(kernel, task, fd, "write");
  if (typeof map === "string") {
    failed(kernel, task, "map delete", map);
    return;
  }
  const text = `map delete ${elementLabel(map, hexOf(key))}`;
  if (frame.step === 1) {
    doneOrFailed(kernel, task, text, (frame.data["result"] as number | undefined) ?? 0);
    return;
  }
  if (key.length !== map.keySize) {
    failed(kernel, task, text, "EFAULT");
    return;
  }
  frame.step = 1;
  const { storage } = map;
  if (storage.kind === "slots") {
    const keyHex = hexOf(key);
    const id = storage.slots.get(keyHex);
    if (id === undefined) {
      const inRange = new DataView(key.buffer, key.byteOffset).getUint32(0, true) < map.maxEntries;
      failed(kernel, task, text, storage.hash || inRange ? "ENOENT" : "E2BIG");
      return;
    }
    storage.slots.delete(keyHex);
    kernel.emit({ kind: "element-delete", map: map.id, element: `${map.id}:${keyHex}`, by: "user" });
    release(kernel, task, { kind: storage.of, id }, `element:${map.id}:${keyHex}`);
    return;
  }
  if (storage.kind === "timers") {
    const id = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
    const control = storage.timers.get(id);
    const timer = control === undefined ? undefined : kernel.state.timers.get(control);
    if (timer === undefined) {
      failed(kernel, task, text, "ENOENT");
      return;
    }
    storage.timers.delete(id);
    kernel.emit({ kind: "element-delete", map: map.id, element: `${map.id}:${hexOf(key)}`, by: "user" });
    const work = kernel.policy.onDrop(kernel, task, timer, "delete");
    if (work !== null) task.frames.push(work);
    return;
  }
  const result = deleteElement(kernel, task, map, { bytes: key, at: 0 }, "user");
  if (result !== null) doneOrFailed(kernel, task, text, result);
}

function mapLookupAndDelete(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, key } = call<"map-lookup-and-delete">(frame);
  const map = openMap(kernel, task, fd, "write");
  if (typeof map === "string") {
    failed(kernel, task, "map lookup and delete", map);
    return;
  }
  const text = `map lookup and delete ${elementLabel(map, hexOf(key))}`;
  if (frame.step === 1) {
    done(kernel, task, text, 0, { value: frame.data["value"] as Uint8Array });
    return;
  }
  if (map.storage.kind === "list") {
    popList(kernel, task, map, text, true);
    return;
  }
  if (map.storage.kind !== "hash") {
    failed(kernel, task, text, "EOPNOTSUPP");
    return;
  }
  const value = lookupForUser(kernel, map, key);
  if (typeof value === "string") {
    failed(kernel, task, text, value);
    return;
  }
  frame.step = 1;
  frame.data["value"] = value;
  const result = deleteElement(kernel, task, map, { bytes: key, at: 0 }, "user");
  if (result !== null && result < 0) doneOrFailed(kernel, task, text, result);
}

function popList(kernel: Kernel, task: Task, map: BpfMap, text: string, take: boolean): void {
  const value = popValue(kernel, map, take);
  if (value === null) failed(kernel, task, text, "ENOENT");
  else done(kernel, task, text, 0, { value });
}

function mapPush(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, value, flags = 0 } = call<"map-push">(frame);
  const map = openMap(kernel, task, fd, "write");
  if (typeof map === "string") return failed(kernel, task, "map push", map);
  const text = `map push ${map.name}`;
  if (map.storage.kind !== "list") return failed(kernel, task, text, "EOPNOTSUPP");
  if (value.length !== map.valueSize) return failed(kernel, task, text, "EFAULT");
  doneOrFailed(kernel, task, text, pushValue(kernel, map, value, 0, flags));
}

function mapPopOrPeek(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, name } = call<"map-pop" | "map-peek">(frame);
  const map = openMap(kernel, task, fd, name === "map-pop" ? "write" : "read");
  const words = name === "map-pop" ? "map pop" : "map peek";
  if (typeof map === "string") return failed(kernel, task, words, map);
  if (map.storage.kind !== "list") return failed(kernel, task, `${words} ${map.name}`, "EOPNOTSUPP");
  popList(kernel, task, map, `${words} ${map.name}`, name === "map-pop");
}

function mapNextKey(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, key } = call<"map-next-key">(frame);
  const map = openMap(kernel, task, fd, "read");
  if (typeof map === "string") return failed(kernel, task, "map next key", map);
  const next = nextKey(kernel, map, key);
  const text = `map next key ${map.name}`;
  if (typeof next === "string") failed(kernel, task, text, next);
  else done(kernel, task, text, 0, { key: next });
}

function nextKey(kernel: Kernel, map: BpfMap, key: Uint8Array | null): Uint8Array | Errno {
  const { storage } = map;
  if (storage.kind === "slots" && storage.hash) {
    const keys = [...storage.slots.keys()].sort();
    const at = key === null ? -1 : keys.indexOf(hexOf(key));
    const next = keys[at + 1];
    return next === undefined ? "ENOENT" : bytesOf(next);
  }
  if (storage.kind === "array" || storage.kind === "slots") {
    const index = key === null ? 0xffffffff : new DataView(key.buffer, key.byteOffset).getUint32(0, true);
    const next = index >= map.maxEntries ? 0 : index + 1;
    if (next >= map.maxEntries) return "ENOENT";
    return Uint8Array.of(next & 255, (next >> 8) & 255, (next >> 16) & 255, next >>> 24);
  }
  if (storage.kind === "hash") {
    const found = key === null ? 0 : lookupValue(kernel, map, key, 0);
    const next = nextValue(kernel, map, found);
    return next === 0 ? "ENOENT" : bytesOf(keyOfValue(kernel, map, next));
  }
  return "EOPNOTSUPP";
}

function mapFreeze(kernel: Kernel, task: Task, frame: OpFrame): void {
  const map = openMap(kernel, task, call<"map-freeze">(frame).fd, "any");
  if (typeof map === "string") return failed(kernel, task, "map freeze", map);
  const text = `map freeze ${map.name}`;
  if (map.special.valid && map.special.fields.length > 0) return failed(kernel, task, text, "ENOTSUPP");
  if (map.frozen) return failed(kernel, task, text, "EBUSY");
  map.frozen = true;
  if ((map.flags & BPF_F_RDONLY_PROG) === 0) return done(kernel, task, text, 0);
  done(kernel, task, text, 0);
}

function ringbufRead(kernel: Kernel, task: Task, frame: OpFrame): void {
  const map = openMap(kernel, task, call<"ringbuf-read">(frame).fd, "read");
  if (typeof map === "string") return failed(kernel, task, "ringbuf read", map);
  const text = `ringbuf read ${map.name}`;
  if (map.storage.kind !== "ringbuf") return failed(kernel, task, text, "EINVAL");
  const record = readRecord(kernel, map);
  if (record === null) failed(kernel, task, text, "EAGAIN");
  else done(kernel, task, text, record.length, { value: record });
}

export const MAP_SYSCALLS: Readonly<Record<string, Operation>> = {
  "sys:map-create": mapCreate,
  "sys:map-update": mapUpdate,
  "sys:map-lookup": mapLookup,
  "sys:map-delete": mapDelete,
  "sys:map-lookup-and-delete": mapLookupAndDelete,
  "sys:map-push": mapPush,
  "sys:map-pop": mapPopOrPeek,
  "sys:map-peek": mapPopOrPeek,
  "sys:map-next-key": mapNextKey,
  "sys:map-freeze": mapFreeze,
  "sys:ringbuf-read": ringbufRead,
};
