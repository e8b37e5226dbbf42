import { isSigned, sizeOfType, skipModifiersAndTypedefs } from "../btf/layout.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import { elementSlots, VALUE_WRITE } from "../events/layout.ts";
import { numberText as wordsText } from "../events/number-text.ts";
import type { Kernel } from "./kernel.ts";
import { cpuStride, valueAround } from "./maps/values.ts";
import type { BpfMap } from "./state.ts";
import { putElement } from "./tell.ts";

/** A store to a map value that is under way; `map` is null when there is none. */
export interface WatchedStore {
  map: BpfMap | null;
  valueAt: number;
  at: number;
  size: number;
  /** What was there, as two words. */
  low: number;
  high: number;
}

export const noWatchedStore = (): WatchedStore => ({ map: null, valueAt: 0, at: 0, size: 0, low: 0, high: 0 });

function lowWord(view: DataView, at: number, size: number): number {
  switch (size) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true);
    default:
      return view.getInt32(at, true);
  }
}

/** Before a store of 1, 2, 4 or 8 bytes. */
export function beforeWatchedStore(kernel: Kernel, offset: number, size: number): void {
  const store = kernel.watched;
  store.map = null;
  if (!kernel.tells()) return;
  const map = kernel.pointers.mapOfValue(offset);
  if (map === null) return;
  const valueAt = valueAround(kernel, map, offset);
  if (valueAt < 0) return;
  const { view } = kernel.memory;
  store.map = map;
  store.valueAt = valueAt;
  store.at = offset;
  store.size = size;
  store.low = lowWord(view, offset, size);
  store.high = size === 8 ? view.getInt32(offset + 4, true) : 0;
}

/** Number of what runs in the log, for the last write of a value. */
export function writerNumber(kernel: Kernel): number {
  const task = kernel.current;
  if (task === null) return kernel.log.text("a program");
  if (task.writer < 0) task.writer = kernel.log.text(task.label);
  return task.writer;
}

export function afterWatchedStore(kernel: Kernel): void {
  const store = kernel.watched;
  const { map } = store;
  if (map === null) return;
  store.map = null;
  const { log, state } = kernel;
  const { valueAt, at, size } = store;
  map.lastWrites.note(valueAt, state.now, writerNumber(kernel), state.seq);
  if (kernel.silent) {
    state.seq++;
    return;
  }
  const stride = cpuStride(map);
  const member = storedMember(kernel, map, stride === 0 ? at - valueAt : (at - valueAt) % stride, size);
  const { view } = kernel.memory;
  const name = elementSlots(map.keySize);
  const slot = log.begin(name + 3);
  putElement(kernel, slot, map, valueAt);
  const { ints } = log;
  const rest = 2 * (slot + name);
  ints[rest] = member;
  ints[rest + 1] = size;
  ints[rest + 2] = store.low;
  ints[rest + 3] = store.high;
  ints[rest + 4] = lowWord(view, at, size);
  ints[rest + 5] = size === 8 ? view.getInt32(at + 4, true) : 0;
  kernel.happened(VALUE_WRITE, name + 3);
}

/**
 * The member of a value that a store writes: the number of its path in the log, doubled, plus 1 when it is signed. Programs store to
 * the same members again and again.
 */
function storedMember(kernel: Kernel, map: BpfMap, off: number, size: number): number {
  // Values are smaller than 256 MiB.
  const key = off * 16 + size;
  let member = map.members.get(key);
  if (member === undefined) {
    const found = map.btf === null ? null : memberAt(map.btf, map.shownValueType, off, size);
    const signed = found !== null && found.type !== 0 && isSigned(map.btf as Btf, found.type);
    member = 2 * kernel.log.text(found?.path ?? `+${off}`) + (signed ? 1 : 0);
    // An array of a large value has many places: they are not kept for ever.
    if (map.members.size >= MEMBERS_KEPT) map.members.clear();
    map.members.set(key, member);
  }
  return member;
}

const MEMBERS_KEPT = 4096;

/** The innermost member that holds bytes [off, off + size) of a type: its path and type; null when the bytes lie outside. */
export function memberAt(
  btf: Btf,
  type: BtfId,
  off: number,
  size: number,
): { readonly path: string; readonly type: BtfId } | null {
  let id = skipModifiersAndTypedefs(btf, type);
  let rest = off;
  let path = "";
  for (let depth = 0; depth < 16; depth++) {
    const t = btf.types[id];
    if (t?.kind === "struct" || t?.kind === "union") {
      const inside = t.members.find((m) => {
        const start = m.bitOffset >> 3;
        return m.bitSize === 0 && rest >= start && rest + size <= start + (sizeOfType(btf, m.type) ?? 0);
      });
      if (inside === undefined) return { path: path === "" ? `+${off}` : path, type: 0 };
      path += `${path === "" ? "" : "."}${inside.name}`;
      rest -= inside.bitOffset >> 3;
      id = skipModifiersAndTypedefs(btf, inside.type);
    } else if (t?.kind === "array") {
      const item = sizeOfType(btf, t.type) ?? 0;
      if (item === 0 || (rest % item) + size > item) return { path, type: 0 };
      path += `[${Math.floor(rest / item)}]`;
      rest %= item;
      id = skipModifiersAndTypedefs(btf, t.type);
    } else if (t?.kind === "datasec") {
      const inside = t.vars.find((v) => rest >= v.offset && rest + size <= v.offset + v.size);
      const variable = inside === undefined ? undefined : btf.types[inside.type];
      if (inside === undefined || variable?.kind !== "var") return { path: `+${off}`, type: 0 };
      path = variable.name;
      rest -= inside.offset;
      id = skipModifiersAndTypedefs(btf, variable.type);
    } else {
      const whole = rest === 0 && size === (sizeOfType(btf, id) ?? 0);
      return { path: path === "" ? "value" : path, type: whole ? id : 0 };
    }
  }
  return { path, type: 0 };
}

/** Bytes (at most 8) as a decimal number. */
export function numberText(bytes: Uint8Array, signed: boolean): string {
  const word = (from: number): number => {
    let value = 0;
    for (let i = Math.min(bytes.length, from + 4) - 1; i >= from; i--) value = (value << 8) | (bytes[i] as number);
    return value;
  };
  return wordsText(word(0), word(4), bytes.length, signed);
}
