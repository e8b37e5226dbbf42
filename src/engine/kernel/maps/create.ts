import type { Errno } from "../../abi/errno.ts";
import { checkMapCreate, type MapCreateBtf } from "../../abi/map-create.ts";
import { BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, type Dialect, MAP_TYPES, mapTypeName } from "../../abi/types.ts";
import { sizeOfType, skipModifiersAndTypedefs } from "../../btf/layout.ts";
import { findSpecialFields, type SpecialFields, specialField } from "../../btf/special-fields.ts";
import type { Btf } from "../../btf/types.ts";
import type { MapSpec } from "../../loader/spec.ts";
import { SHADOW_READ_ONLY, SHADOW_WATCHED } from "../../vm/memory.ts";
import type { Kernel } from "../kernel.ts";
import { LastWrites } from "../last-writes.ts";
import type { BpfMap, InnerTemplate, MapStorage } from "../state.ts";
import { elementLayout, round8 } from "./hash.ts";

const NO_FIELDS: SpecialFields = { valid: true, fields: [] };

const timerSizeOf = (dialect: Dialect): number => (dialect === "rfc" ? 8 : 16);

/** Special fields of a blueprint's value, as the kernel finds them. */
export function specialFieldsOf(spec: MapSpec, btf: Btf | null, dialect: Dialect): SpecialFields {
  return btf === null || spec.valueType === 0
    ? NO_FIELDS
    : findSpecialFields(btf, spec.valueType, timerSizeOf(dialect));
}

function btfFacts(spec: MapSpec, btf: Btf, special: SpecialFields): MapCreateBtf {
  const key = btf.types[skipModifiersAndTypedefs(btf, spec.keyType)];
  const value = btf.types[spec.valueType];
  return {
    keyGiven: spec.keyType !== 0,
    keySize: spec.keyType === 0 ? null : sizeOfType(btf, spec.keyType),
    keyKind:
      key?.kind === "int" && key.bits === 32 && key.bitOffset === 0
        ? "int32"
        : key?.kind === "struct"
          ? "struct"
          : "other",
    valueSize: sizeOfType(btf, spec.valueType),
    valueIsDatasec: value?.kind === "datasec",
    specialFields: special.valid ? special.fields.map((field) => field.kind) : [],
  };
}

/** BPF_OBJ_NAME_LEN without the final zero. */
const NAME_LENGTH = 15;

/** Judges BPF_MAP_CREATE without creating anything. */
export function judgeMap(
  spec: MapSpec,
  btf: Btf | null,
  dialect: Dialect,
  inner: InnerTemplate | "none" | "not-a-map" | "closed",
): Errno | 0 {
  const special = specialFieldsOf(spec, btf, dialect);
  const given = btf !== null && (spec.keyType !== 0 || spec.valueType !== 0);
  return checkMapCreate({
    // libbpf cuts a name to what fits; here the whole name stays, for people.
    name: spec.name.slice(0, NAME_LENGTH),
    type: spec.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    flags: spec.flags,
    mapExtra: spec.mapExtra,
    numaNode: 0,
    inner: typeof inner === "string" ? inner : inner.type,
    btf: given ? btfFacts(spec, btf, special) : null,
  });
}

export function templateOf(spec: MapSpec, btf: Btf | null, dialect: Dialect): InnerTemplate {
  return {
    name: spec.name,
    type: spec.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    flags: spec.flags,
    btf,
    keyType: spec.keyType,
    valueType: spec.valueType,
    special: specialFieldsOf(spec, btf, dialect),
  };
}

/** Memory for a map's entries; null: -ENOMEM. "unmodelled" for types that the playground does not run. */
function makeStorage(kernel: Kernel, spec: MapSpec, id: number): MapStorage | null | "unmodelled" {
  const { memory, settings } = kernel;
  const node = `map:${id}`;
  const watch = settings.watch ? SHADOW_WATCHED : 0;
  const type = mapTypeName(spec.type);
  switch (type) {
    case "array":
    case "percpu_array": {
      const copies = type === "percpu_array" ? settings.cpus : 1;
      const stride = round8(spec.valueSize);
      const bytes = stride * spec.maxEntries * copies;
      if (bytes > memory.limit) return null;
      // .rodata and the like: programs read, and only the loader writes, through the system call.
      const mode = (spec.flags & BPF_F_RDONLY_PROG) !== 0 ? SHADOW_READ_ONLY : watch;
      const base = kernel.allocate(bytes, "map-value", `values of ${spec.name}`, node, mode);
      if (base === null) return null;
      if (stride !== spec.valueSize) {
        for (let i = 0; i < spec.maxEntries * copies; i++) {
          memory.poison(base + i * stride, stride);
          memory.expose(base + i * stride, spec.valueSize, mode);
        }
      }
      return {
        kind: "array",
        base,
        stride,
        cpuStride: copies === 1 && type === "array" ? 0 : stride * spec.maxEntries,
      };
    }
    case "hash":
    case "lru_hash":
    case "percpu_hash":
    case "lru_percpu_hash": {
      const perCpu = type === "percpu_hash" || type === "lru_percpu_hash";
      const lru = type === "lru_hash" || type === "lru_percpu_hash";
      const layout = elementLayout(spec.keySize, spec.valueSize, perCpu ? settings.cpus : 1);
      const buckets = 2 ** Math.ceil(Math.log2(spec.maxEntries));
      const prealloc = (spec.flags & BPF_F_NO_PREALLOC) === 0;
      const poolSize = prealloc ? layout.elementSize * (spec.maxEntries + (lru ? 0 : settings.cpus)) : 0;
      if (4 * buckets > memory.limit || poolSize > memory.limit) return null;
      const table = kernel.allocate(4 * buckets, "map", `buckets of ${spec.name}`, node);
      if (table === null) return null;
      memory.poison(table, 4 * buckets);
      const pool = prealloc ? kernel.allocate(poolSize, "map-value", `elements of ${spec.name}`, node) : 0;
      if (pool === null) {
        memory.free(table, kernel.state.now);
        return null;
      }
      if (prealloc) memory.poison(pool, poolSize);
      return {
        kind: "hash",
        buckets: table,
        mask: buckets - 1,
        ...layout,
        cpuStride: perCpu ? round8(spec.valueSize) : 0,
        lru,
        pool,
        carved: 0,
        poolSize,
        free: [],
        spare: Array.from({ length: settings.cpus }, () => 0),
        count: 0,
        newest: 0,
        oldest: 0,
      };
    }
    case "prog_array":
      return { kind: "slots", slots: new Map(), of: "prog", hash: false };
    case "array_of_maps":
      return { kind: "slots", slots: new Map(), of: "map", hash: false };
    case "hash_of_maps":
      return { kind: "slots", slots: new Map(), of: "map", hash: true };
    case "queue":
    case "stack":
      return round8(spec.valueSize) * spec.maxEntries > memory.limit
        ? null
        : { kind: "list", values: [], lifo: type === "stack" };
    case "ringbuf":
      return spec.maxEntries > memory.limit
        ? null
        : { kind: "ringbuf", ring: { used: 0, produced: 0, consumed: 0, records: [] } };
    case "timer":
      return { kind: "timers", timers: new Map(), nextTimerId: 1 };
    default:
      return "unmodelled";
  }
}

/** Bytes of the object that stands for `struct bpf_map`. */
const MAP_OBJECT_BYTES = 64;

/** BPF_MAP_CREATE behind its checks. The map has no holder yet. */
export function createMap(
  kernel: Kernel,
  spec: MapSpec,
  btf: Btf | null,
  dialect: Dialect,
  inner: InnerTemplate | null,
): BpfMap | Errno | "unmodelled" {
  const id = kernel.state.nextMapId;
  const address = kernel.allocate(MAP_OBJECT_BYTES, "map", spec.name, `map:${id}`);
  if (address === null) return "ENOMEM";
  kernel.memory.poison(address, MAP_OBJECT_BYTES);
  const storage = makeStorage(kernel, spec, id);
  if (storage === null || storage === "unmodelled") {
    kernel.memory.free(address, kernel.state.now);
    return storage ?? "ENOMEM";
  }
  kernel.state.nextMapId++;
  const special = specialFieldsOf(spec, btf, dialect);
  const map: BpfMap = {
    id,
    name: spec.name,
    type: spec.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    flags: spec.flags,
    btf,
    keyType: spec.keyType,
    valueType: spec.valueType,
    shownKeyType: spec.declaredKeyType ?? spec.keyType,
    shownValueType: spec.declaredValueType ?? spec.valueType,
    special,
    timerAt: specialField(special, "bpf_timer")?.offset ?? -1,
    timerSize: timerSizeOf(dialect),
    wqAt: specialField(special, "bpf_wq")?.offset ?? -1,
    lockAt: specialField(special, "bpf_spin_lock")?.offset ?? -1,
    dialect,
    inner,
    address,
    holders: new Map(),
    storage,
    lastWrites: new LastWrites(),
    members: new Map(),
    frozen: false,
    freed: false,
  };
  kernel.addMap(map);
  kernel.emit({ kind: "map-create", map: id, name: spec.name });
  return map;
}

/** Gives the memory of a map's entries back. */
export function freeMapMemory(kernel: Kernel, map: BpfMap): void {
  const { memory, state } = kernel;
  const { storage } = map;
  if (storage.kind === "array") memory.free(storage.base, state.now);
  if (storage.kind === "list") for (const at of storage.values.splice(0)) memory.free(at, state.now);
  if (storage.kind === "ringbuf")
    for (const record of storage.ring.records.splice(0)) memory.free(record.at, state.now);
  if (storage.kind === "hash") {
    memory.free(storage.buckets, state.now);
    if (storage.pool !== 0) memory.free(storage.pool, state.now);
  }
  memory.free(map.address, state.now);
}

export const isMapInMap = (type: number): boolean =>
  type === MAP_TYPES.array_of_maps || type === MAP_TYPES.hash_of_maps;
