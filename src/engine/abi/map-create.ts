import type { Errno } from "./errno.ts";
import type { MapTypeName } from "./types.ts";
import {
  BPF_F_INNER_MAP,
  BPF_F_MMAPABLE,
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_F_NUMA_NODE,
  BPF_F_RDONLY,
  BPF_F_RDONLY_PROG,
  BPF_F_WRONLY,
  BPF_F_WRONLY_PROG,
  BPF_F_ZERO_SEED,
  mapTypeName,
} from "./types.ts";

/** What BPF_MAP_CREATE is asked for. Facts about BTF are the caller's to find, since BTF is read elsewhere. */
export interface MapCreateAttributes {
  readonly name: string;
  /** A value of `MAP_TYPES`. */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly mapExtra: bigint;
  /** Looked at only with BPF_F_NUMA_NODE; the machine has node 0 only. */
  readonly numaNode: number;
  /** Maps in maps: the type of the map behind inner_map_fd, or why there is none. Ignored for other types. */
  readonly inner: number | "none" | "not-a-map" | "closed";
  readonly btf: MapCreateBtf | null;
}

export interface MapCreateBtf {
  /** Size of the key's type; null when btf_key_type_id is 0 or has no size. */
  readonly keySize: number | null;
  /** btf_key_type_id is not 0. */
  readonly keyGiven: boolean;
  /** The key is a plain 32-bit int (arrays demand it), or a struct (tries demand it). */
  readonly keyKind: "int32" | "struct" | "other";
  /** Size of the value's type; null when it has none. */
  readonly valueSize: number | null;
  /** The value is a data section (keyless arrays demand it). */
  readonly valueIsDatasec: boolean;
  /** Names of the special fields (`bpf_timer`…) of a lawful record; empty when there are none. */
  readonly specialFields: readonly string[];
}

const BPF_F_STACK_BUILD_ID = 0x20;
const BPF_F_PRESERVE_ELEMS = 0x800;
const BPF_F_SEGV_ON_FAULT = 0x20000;
const BPF_F_NO_USER_CONV = 0x40000;

/** Largest object that the kernel's allocator hands out. */
const KMALLOC_MAX = 4 << 20;
const HASH_ELEMENT_HEADER = 48;
const PERCPU_VALUE_MAX = 32768;
const S32_MAX = 0x7fffffff;
const USER_ACCESS = BPF_F_RDONLY | BPF_F_WRONLY;
const PROG_ACCESS = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
const COMMON = BPF_F_NUMA_NODE | USER_ACCESS;
const CPUS_CONFIGURED = 256;

/** Flags that a type knows. */
const FLAGS: Partial<Record<MapTypeName, number>> = {
  array: COMMON | PROG_ACCESS | BPF_F_MMAPABLE | BPF_F_INNER_MAP,
  percpu_array: USER_ACCESS | PROG_ACCESS,
  hash: COMMON | PROG_ACCESS | BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED,
  percpu_hash: USER_ACCESS | PROG_ACCESS | BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED,
  lru_hash: COMMON | PROG_ACCESS | BPF_F_NO_COMMON_LRU | BPF_F_ZERO_SEED | BPF_F_NO_PREALLOC,
  lru_percpu_hash: USER_ACCESS | PROG_ACCESS | BPF_F_NO_COMMON_LRU | BPF_F_ZERO_SEED | BPF_F_NO_PREALLOC,
  ringbuf: BPF_F_NUMA_NODE,
  user_ringbuf: BPF_F_NUMA_NODE,
  prog_array: COMMON,
  perf_event_array: COMMON | BPF_F_PRESERVE_ELEMS,
  cgroup_array: COMMON,
  array_of_maps: COMMON,
  hash_of_maps: COMMON | PROG_ACCESS | BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED,
  queue: COMMON | PROG_ACCESS,
  stack: COMMON | PROG_ACCESS,
  lpm_trie: COMMON | PROG_ACCESS | BPF_F_NO_PREALLOC,
  bloom_filter: COMMON | PROG_ACCESS | BPF_F_ZERO_SEED,
  stack_trace: COMMON | BPF_F_STACK_BUILD_ID,
  cgroup_storage: COMMON | PROG_ACCESS,
  percpu_cgroup_storage: COMMON | PROG_ACCESS,
  devmap: COMMON,
  devmap_hash: COMMON,
  cpumap: BPF_F_NUMA_NODE,
  xskmap: COMMON,
  sockmap: COMMON,
  sockhash: COMMON,
  sk_storage: BPF_F_NO_PREALLOC,
  task_storage: BPF_F_NO_PREALLOC,
  inode_storage: BPF_F_NO_PREALLOC,
  cgrp_storage: BPF_F_NO_PREALLOC,
  reuseport_sockarray: COMMON,
  arena: BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT | BPF_F_NO_USER_CONV,
};

/** Map types whose values may hold a timer, work queue or task work. */
const TIMER_TYPES: ReadonlySet<MapTypeName> = new Set(["array", "hash", "lru_hash"]);
const LOCK_TYPES: ReadonlySet<MapTypeName> = new Set([
  "array",
  "hash",
  "cgroup_storage",
  "sk_storage",
  "inode_storage",
  "task_storage",
  "cgrp_storage",
]);
/** Types that accept no BTF at all beyond their own check. */
const BTF_REFUSED: ReadonlySet<MapTypeName> = new Set([
  "prog_array",
  "perf_event_array",
  "cgroup_array",
  "array_of_maps",
  "stack_trace",
]);

function checkName(name: string): boolean {
  if (name.length > 15) return false;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    const letter = (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57);
    if (!letter && c !== 0x5f && c !== 0x2e && c < 0xc0) return false;
  }
  return true;
}

const isPowerOfTwo = (n: number): boolean => n > 0 && 2 ** Math.round(Math.log2(n)) === n;

function checkHash(a: MapCreateAttributes, type: MapTypeName): Errno | 0 {
  const percpu = type === "percpu_hash" || type === "lru_percpu_hash";
  const lru = type === "lru_hash" || type === "lru_percpu_hash";
  if (lru && (a.flags & BPF_F_NO_PREALLOC) !== 0) return "ENOTSUPP";
  if (a.maxEntries === 0 || a.keySize === 0 || a.valueSize === 0) return "EINVAL";
  if (a.keySize + a.valueSize >= KMALLOC_MAX - HASH_ELEMENT_HEADER) return "E2BIG";
  if (percpu && a.valueSize > PERCPU_VALUE_MAX) return "E2BIG";
  if (a.maxEntries > 2 ** 27) return "E2BIG";
  return 0;
}

function checkInner(a: MapCreateAttributes): Errno | 0 {
  switch (a.inner) {
    case "none":
    case "not-a-map":
      return "EINVAL";
    case "closed":
      return "EBADF";
    default:
      switch (mapTypeName(a.inner)) {
        case "array_of_maps":
        case "hash_of_maps":
          return "EINVAL";
        case "prog_array":
        case "cgroup_storage":
        case "percpu_cgroup_storage":
          return "ENOTSUPP";
        default:
          return 0;
      }
  }
}

function checkSizes(a: MapCreateAttributes, type: MapTypeName): Errno | 0 {
  const { keySize, valueSize, maxEntries } = a;
  switch (type) {
    case "array":
      if (keySize !== 4 || valueSize === 0 || maxEntries === 0) return "EINVAL";
      return valueSize > S32_MAX ? "E2BIG" : 0;
    case "percpu_array":
      if (keySize !== 4 || valueSize === 0 || maxEntries === 0) return "EINVAL";
      return valueSize > PERCPU_VALUE_MAX ? "E2BIG" : 0;
    case "hash":
    case "percpu_hash":
    case "lru_hash":
    case "lru_percpu_hash":
      return checkHash(a, type);
    case "ringbuf":
    case "user_ringbuf":
      return keySize !== 0 || valueSize !== 0 || !isPowerOfTwo(maxEntries) || maxEntries % 4096 !== 0 ? "EINVAL" : 0;
    case "prog_array":
    case "perf_event_array":
    case "cgroup_array":
      return keySize !== 4 || valueSize !== 4 || maxEntries === 0 ? "EINVAL" : 0;
    case "array_of_maps":
      return keySize !== 4 || valueSize !== 4 || maxEntries === 0 ? "EINVAL" : checkInner(a);
    case "hash_of_maps":
      if (valueSize !== 4) return "EINVAL";
      return checkHash(a, type) || checkInner(a);
    case "queue":
    case "stack":
      if (keySize !== 0 || valueSize === 0 || maxEntries === 0) return "EINVAL";
      return valueSize > KMALLOC_MAX ? "E2BIG" : 0;
    case "lpm_trie":
      if ((a.flags & BPF_F_NO_PREALLOC) === 0) return "EINVAL";
      if (keySize < 5 || keySize > 260 || valueSize === 0 || valueSize > 4194024 + 8 - keySize) return "EINVAL";
      return maxEntries === 0 ? "EINVAL" : 0;
    case "bloom_filter":
      if (keySize !== 0 || valueSize === 0 || maxEntries === 0 || a.mapExtra > 15n) return "EINVAL";
      return valueSize > KMALLOC_MAX ? "E2BIG" : 0;
    case "stack_trace": {
      const unit = (a.flags & BPF_F_STACK_BUILD_ID) !== 0 ? 32 : 8;
      if (keySize !== 4 || valueSize < unit || valueSize % unit !== 0 || valueSize / unit > 127) return "EINVAL";
      return maxEntries === 0 ? "EINVAL" : 0;
    }
    case "cgroup_storage":
    case "percpu_cgroup_storage":
      if (keySize !== 8 && keySize !== 16) return "EINVAL";
      if (valueSize === 0 || maxEntries !== 0) return "EINVAL";
      return valueSize >= 65536 ? "E2BIG" : 0;
    case "devmap":
      return keySize !== 4 || (valueSize !== 4 && valueSize !== 8) || maxEntries === 0 ? "EINVAL" : 0;
    case "devmap_hash":
      return keySize !== 4 || (valueSize !== 4 && valueSize !== 8) || maxEntries === 0 ? "EINVAL" : 0;
    case "cpumap":
      if (keySize !== 4 || (valueSize !== 4 && valueSize !== 8) || maxEntries === 0) return "EINVAL";
      return maxEntries > CPUS_CONFIGURED ? "E2BIG" : 0;
    case "xskmap":
      return keySize !== 4 || valueSize !== 4 || maxEntries === 0 ? "EINVAL" : 0;
    case "sockmap":
      return keySize !== 4 || (valueSize !== 4 && valueSize !== 8) || maxEntries === 0 ? "EINVAL" : 0;
    case "sockhash":
      return keySize === 0 || (valueSize !== 4 && valueSize !== 8) || maxEntries === 0 ? "EINVAL" : 0;
    case "reuseport_sockarray":
      return keySize !== 4 || (valueSize !== 4 && valueSize !== 8) || maxEntries === 0 ? "EINVAL" : 0;
    case "sk_storage":
    case "task_storage":
    case "inode_storage":
    case "cgrp_storage":
      if ((a.flags & BPF_F_NO_PREALLOC) === 0 || keySize !== 4 || valueSize === 0 || maxEntries !== 0) return "EINVAL";
      return a.btf === null ? "EINVAL" : 0;
    case "arena":
      return keySize !== 0 || valueSize !== 0 || maxEntries === 0 || (a.flags & BPF_F_MMAPABLE) === 0 ? "EINVAL" : 0;
    case "timer":
      // Key: the timer's ID; value: the expiry (jiffies), as the patch under discussion proposed.
      return keySize !== 4 || valueSize !== 8 || maxEntries === 0 ? "EINVAL" : 0;
    case "struct_ops":
      return "EINVAL";
  }
}

function checkBtf(a: MapCreateAttributes, btf: MapCreateBtf, type: MapTypeName): Errno | 0 {
  const checksKeys = type === "array" || type === "percpu_array" || type === "lpm_trie" || BTF_REFUSED.has(type);
  if (btf.keyGiven) {
    if (btf.keySize !== a.keySize) return "EINVAL";
  } else if (!checksKeys) {
    return "EINVAL";
  }
  if (btf.valueSize !== a.valueSize) return "EINVAL";
  if (btf.specialFields.length > 0) {
    if ((a.flags & PROG_ACCESS) !== 0) return "EACCES";
    for (const field of btf.specialFields) {
      const lock = field === "bpf_spin_lock" || field === "bpf_res_spin_lock";
      if (!(lock ? LOCK_TYPES : TIMER_TYPES).has(type)) return "EOPNOTSUPP";
    }
  }
  if (BTF_REFUSED.has(type)) return "ENOTSUPP";
  if (type === "array" || type === "percpu_array") {
    if (!btf.keyGiven) return btf.valueIsDatasec && a.maxEntries === 1 ? 0 : "EINVAL";
    return btf.keyKind === "int32" ? 0 : "EINVAL";
  }
  if (type === "lpm_trie") return btf.keyKind === "struct" ? 0 : "EINVAL";
  if (type === "sk_storage" || type === "task_storage" || type === "inode_storage" || type === "cgrp_storage") {
    return btf.keyKind === "int32" ? 0 : "EINVAL";
  }
  return 0;
}

/**
 * Judges BPF_MAP_CREATE as Linux 6.18 does for a privileged caller: 0, or the errno. Memory is not judged (ENOMEM is the
 * caller's to find), nor are attribute bytes beyond the known ones.
 */
export function checkMapCreate(a: MapCreateAttributes): Errno | 0 {
  const type = mapTypeName(a.type);
  if (type === undefined || type === "struct_ops") return "EINVAL";
  if (a.mapExtra !== 0n && type !== "bloom_filter" && type !== "arena") return "EINVAL";
  if ((a.flags & BPF_F_NUMA_NODE) !== 0 && a.numaNode !== 0) return "EINVAL";
  const allowed = type === "timer" ? COMMON : (FLAGS[type] ?? 0);
  if ((a.flags & ~allowed) !== 0) return "EINVAL";
  if ((a.flags & USER_ACCESS) === USER_ACCESS || (a.flags & PROG_ACCESS) === PROG_ACCESS) return "EINVAL";
  const sizes = checkSizes(a, type);
  if (sizes !== 0) return sizes;
  if (!checkName(a.name)) return "EINVAL";
  return a.btf === null ? 0 : checkBtf(a, a.btf, type);
}
