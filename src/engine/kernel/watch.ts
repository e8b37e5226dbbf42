import { isSigned, sizeOfType, skipModifiersAndTypedefs } from "../btf/layout.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import type { Kernel } from "./kernel.ts";
import { cpuStride, keyOfValue } from "./maps/values.ts";
import type { BpfMap } from "./state.ts";
import { ownerOf } from "./timers/timer-object.ts";

/** A store to a map value that is under way. */
export interface WatchedStore {
  readonly map: BpfMap;
  readonly valueAt: number;
  readonly at: number;
  readonly size: number;
  readonly old: Uint8Array;
}

export function beforeWatchedStore(kernel: Kernel, offset: number, size: number): void {
  kernel.watched = null;
  if (!kernel.tells()) return;
  const owner = ownerOf(kernel, offset);
  if (owner === null) return;
  kernel.watched = { map: owner.map, valueAt: owner.valueAt, at: offset, size, old: kernel.memory.slice(offset, size) };
}

export function afterWatchedStore(kernel: Kernel): void {
  const store = kernel.watched;
  if (store === null) return;
  kernel.watched = null;
  const { map, valueAt, at, size } = store;
  const key = keyOfValue(kernel, map, valueAt);
  map.lastWrites.set(key, { at: kernel.state.now, by: kernel.current?.label ?? "a program", seq: kernel.state.seq });
  const stride = cpuStride(map);
  const off = stride === 0 ? at - valueAt : (at - valueAt) % stride;
  const member = map.btf === null ? null : storedMember(map.btf, map.shownValueType, off, size);
  const now = kernel.memory.slice(at, size);
  const signed = member?.signed === true;
  kernel.emit({
    kind: "value-write",
    map: map.id,
    element: `${map.id}:${key}`,
    member: member?.path ?? `+${off}`,
    from: numberText(store.old, signed),
    to: numberText(now, signed),
  });
}

interface StoredMember {
  readonly path: string;
  readonly signed: boolean;
}

/** What {@link memberAt} said: programs store to the same members again and again. */
const storedMembers = new WeakMap<Btf, Map<number, StoredMember | null>>();

function storedMember(btf: Btf, type: BtfId, off: number, size: number): StoredMember | null {
  let known = storedMembers.get(btf);
  if (known === undefined) {
    known = new Map();
    storedMembers.set(btf, known);
  }
  // A store has 1, 2, 4 or 8 bytes; values are smaller than 256 MiB.
  const key = type * 0x1_0000_0000 + off * 16 + size;
  let member = known.get(key);
  if (member === undefined) {
    const found = memberAt(btf, type, off, size);
    member = found === null ? null : { path: found.path, signed: found.type !== 0 && isSigned(btf, found.type) };
    // An array of a large value has many places: they are not kept for ever.
    if (known.size >= MEMBERS_KEPT) known.clear();
    known.set(key, member);
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

/** Bytes (at most 8) as a decimal number. Called for every store that is told: BigInt only where a number would not be exact. */
export function numberText(bytes: Uint8Array, signed: boolean): string {
  const word = (from: number): number => {
    let value = 0;
    for (let i = Math.min(bytes.length, from + 4) - 1; i >= from; i--) value = value * 256 + (bytes[i] as number);
    return value;
  };
  const low = word(0);
  const high = word(4);
  const negative = signed && ((bytes[bytes.length - 1] ?? 0) & 0x80) !== 0;
  if (high < 0x20_0000 && !negative) return String(high * 0x1_0000_0000 + low);
  if (bytes.length <= 4) return String(low - 256 ** bytes.length);
  const value = (BigInt(high) << 32n) | BigInt(low);
  return String(signed ? BigInt.asIntN(8 * bytes.length, value) : value);
}
