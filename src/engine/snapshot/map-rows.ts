import { skipModifiersAndTypedefs, typeAt, typeText } from "../btf/layout.ts";
import { type BpfMap, type Kernel, type MapEntry, mapEntries, timerState, workState } from "../kernel/api.ts";
import { type DecodeContext, type DecodedBefore, decodeValue } from "../script/decode-value.ts";
import { type DecodedValue, MAP_ROWS_SHOWN, type MapRow, type MapSnapshot } from "./types.ts";

interface CachedRow {
  readonly values: readonly Uint8Array[];
  /** What the bytes do not tell: states of timers and locks, the target of a slot, the last write. */
  readonly beside: string;
  readonly row: MapRow;
}

/** The rows of one map, decoded; a row that has not changed is the same object again. */
export class MapRows {
  readonly columns: MapSnapshot["columns"];
  readonly keyTypeName: string;
  #cached = new Map<string, CachedRow>();
  #rows: readonly MapRow[] = [];

  constructor(map: BpfMap) {
    this.columns = columnsOf(map);
    this.keyTypeName =
      map.btf === null || map.shownKeyType === 0 ? `${map.keySize} bytes` : typeText(map.btf, map.shownKeyType);
  }

  take(
    kernel: Kernel,
    map: BpfMap,
    limit = MAP_ROWS_SHOWN,
  ): { readonly rows: readonly MapRow[]; readonly count: number } {
    const entries = mapEntries(kernel, map.id, limit);
    const next = new Map<string, CachedRow>();
    let same = entries.length === this.#rows.length;
    const rows = entries.map((entry, index) => {
      const cached = this.#cached.get(entry.keyHex);
      const beside = besideOf(kernel, map, entry);
      const kept =
        cached !== undefined && cached.beside === beside && sameValues(cached.values, entry.values)
          ? cached
          : { values: entry.values, beside, row: makeRow(kernel, map, entry, cached ?? null) };
      next.set(entry.keyHex, kept);
      if (kept.row !== this.#rows[index]) same = false;
      return kept.row;
    });
    this.#cached = next;
    if (!same) this.#rows = rows;
    return { rows: this.#rows, count: countOf(map, entries.length) };
  }
}

function countOf(map: BpfMap, shown: number): number {
  const { storage } = map;
  switch (storage.kind) {
    case "array":
      return map.maxEntries;
    case "hash":
      return storage.count;
    case "slots":
      return storage.slots.size;
    case "list":
      return storage.values.length;
    case "ringbuf":
      return storage.ring.records.length;
    case "timers":
      return storage.timers.size;
    default:
      return shown;
  }
}

function columnsOf(map: BpfMap): MapSnapshot["columns"] {
  const { btf } = map;
  if (btf === null || map.shownValueType === 0) return [{ name: "", typeName: `${map.valueSize} bytes` }];
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, map.shownValueType));
  if (type.kind === "struct" || type.kind === "union") {
    return type.members.map((m) => ({ name: m.name, typeName: typeText(btf, m.type) }));
  }
  if (type.kind === "datasec") {
    return type.vars.map((v) => {
      const variable = typeAt(btf, v.type);
      return variable.kind === "var"
        ? { name: variable.name, typeName: typeText(btf, variable.type) }
        : { name: "", typeName: "" };
    });
  }
  return [{ name: "", typeName: typeText(btf, map.shownValueType) }];
}

function besideOf(kernel: Kernel, map: BpfMap, entry: MapEntry): string {
  const lock = map.lockAt < 0 ? 0 : kernel.memory.view.getUint32(entry.valueAt + map.lockAt, true);
  const { timer, work } = entry;
  return `${map.lastWrites.seqOf(entry.valueAt)} ${lock} ${timer === null ? "" : timer.id + timerState(timer)} ${work === null ? "" : work.id + workState(work)} ${entry.target?.id ?? ""}`;
}

function sameValues(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as Uint8Array;
    const y = b[i] as Uint8Array;
    if (x.length !== y.length) return false;
    for (let j = 0; j < x.length; j++) if (x[j] !== y[j]) return false;
  }
  return true;
}

/** `before`: the row that had this key at the last snapshot. */
function makeRow(kernel: Kernel, map: BpfMap, entry: MapEntry, before: CachedRow | null): MapRow {
  const context: DecodeContext = {
    btf: map.btf,
    special: map.special,
    specialValue: (field) => {
      if (field.kind === "bpf_timer") {
        const { timer } = entry;
        return { kind: "timer", timer: timer?.id ?? null, state: timer === null ? "none" : timerState(timer) };
      }
      if (field.kind === "bpf_wq") {
        const { work } = entry;
        return { kind: "work", work: work?.id ?? null, state: work === null ? "none" : workState(work) };
      }
      if (field.kind === "bpf_spin_lock") {
        return { kind: "spin-lock", locked: kernel.memory.view.getUint32(entry.valueAt + field.offset, true) !== 0 };
      }
      return null;
    },
  };
  const plain: DecodeContext = { btf: map.btf, special: null, specialValue: () => null };
  const values = entry.values.map((bytes, i) =>
    decodeValue(bytes, map.shownValueType, context, decodedBefore(before, i)),
  );
  const value = targetValue(kernel, entry) ?? values[0] ?? { kind: "bytes", hex: "" };
  const perCpu = values.length > 1 ? values : null;
  const write = map.lastWrites.get(entry.valueAt);
  return {
    node: entry.node,
    key: before?.row.key ?? decodeValue(entry.key, map.shownKeyType, plain),
    keyHex: entry.keyHex,
    value,
    perCpu,
    lastWrite: write === null ? null : { at: write.at, by: kernel.log.string(write.by), seq: write.seq },
  };
}

function decodedBefore(row: CachedRow | null, copy: number): DecodedBefore | null {
  const bytes = row?.values[copy];
  const value = row?.row.perCpu === null ? row.row.value : row?.row.perCpu[copy];
  return bytes === undefined || value === undefined ? null : { bytes, value };
}

function targetValue(kernel: Kernel, entry: MapEntry): DecodedValue | null {
  if (!entry.target) return null;
  const { kind, id } = entry.target;
  const name =
    kind === "map" ? kernel.state.maps.get(id)?.name : kind === "prog" ? kernel.state.programs.get(id)?.name : null;
  return { kind: "object", node: `${kind}:${id}`, label: name ?? `${kind} ${id}` };
}
