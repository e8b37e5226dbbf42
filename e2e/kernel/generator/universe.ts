import { BPF_F_RDONLY_PROG, MAP_TYPES } from "../../../src/engine/abi/types.ts";
import type { Btf, BtfType } from "../../../src/engine/btf/types.ts";
import type { VerifierMap } from "../../../src/engine/verifier/types.ts";

/**
 * The fixed world that generated programs live in: one BTF with the value types of its maps and the functions that a
 * program may have, and one map of each kind that has rules of its own.
 */
const types: BtfType[] = [{ kind: "void" }];
const add = (type: BtfType): number => types.push(type) - 1;

const INT = add({ kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" });
const U32 = add({ kind: "int", name: "unsigned int", size: 4, bits: 32, bitOffset: 0, encoding: "unsigned" });
const U64 = add({ kind: "int", name: "unsigned long long", size: 8, bits: 64, bitOffset: 0, encoding: "unsigned" });
const TIMER = add({ kind: "struct", name: "bpf_timer", size: 16, members: [] });
const LOCK = add({
  kind: "struct",
  name: "bpf_spin_lock",
  size: 4,
  members: [{ name: "val", type: U32, bitOffset: 0, bitSize: 0 }],
});

const member = (name: string, type: number, offset: number) => ({ name, type, bitOffset: offset * 8, bitSize: 0 });
const WITH_TIMER = add({
  kind: "struct",
  name: "with_timer",
  size: 40,
  members: [member("x", U64, 0), member("timer", TIMER, 8), member("y", U64, 24), member("z", U64, 32)],
});
const WITH_LOCK = add({
  kind: "struct",
  name: "with_lock",
  size: 24,
  members: [member("lock", LOCK, 0), member("a", U32, 4), member("b", U64, 8), member("c", U64, 16)],
});
const WITH_BOTH = add({
  kind: "struct",
  name: "with_both",
  size: 40,
  members: [
    member("timer", TIMER, 0),
    member("lock", LOCK, 16),
    member("a", U32, 20),
    member("b", U64, 24),
    member("c", U64, 32),
  ],
});
const PROTO = add({ kind: "func_proto", returnType: INT, params: [] });
const PROTO2 = add({
  kind: "func_proto",
  returnType: INT,
  params: [
    { name: "a", type: INT },
    { name: "b", type: U64 },
  ],
});
export const FUNCTION_TYPES = {
  main: add({ kind: "func", name: "main", type: PROTO, linkage: "global" }),
  static: [0, 1, 2].map((n) => add({ kind: "func", name: `s${n}`, type: PROTO2, linkage: "static" })),
  global: [0, 1].map((n) => add({ kind: "func", name: `g${n}`, type: PROTO2, linkage: "global" })),
  callback: [0, 1, 2, 3].map((n) => add({ kind: "func", name: `c${n}`, type: PROTO, linkage: "static" })),
} as const;

export const UNIVERSE_BTF: Btf = { types };

export interface UniverseMap extends VerifierMap {
  readonly contents: Uint8Array | null;
}

let nextId = 1;
function map(
  name: string,
  type: keyof typeof MAP_TYPES,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  extra: Partial<Pick<UniverseMap, "flags" | "btf" | "keyType" | "valueType" | "frozen" | "inner" | "contents">> = {},
): UniverseMap {
  const contents = extra.contents ?? null;
  return {
    id: nextId++,
    name,
    type: MAP_TYPES[type],
    keySize,
    valueSize,
    maxEntries,
    flags: 0,
    btf: null,
    keyType: 0,
    valueType: 0,
    frozen: false,
    inner: null,
    readConstant: (offset, size) => (contents ? contents.slice(offset, offset + size) : null),
    ...extra,
    contents,
  };
}

const typed = (valueType: number) => ({ btf: UNIVERSE_BTF, keyType: INT, valueType });
const constants = Uint8Array.from({ length: 32 }, (_, i) => (i < 8 ? [5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][i]! : i * 7));

/** Maps in a fixed order: a program names one by its index, which serves as fd. */
export const UNIVERSE_MAPS: readonly UniverseMap[] = [
  map("arr", "array", 4, 64, 8),
  map("hash", "hash", 4, 24, 16),
  map("tmr", "hash", 4, 40, 4, typed(WITH_TIMER)),
  map("lck", "array", 4, 24, 4, typed(WITH_LOCK)),
  map("both", "array", 4, 40, 2, typed(WITH_BOTH)),
  map("rb", "ringbuf", 0, 0, 4096),
  map("jmp", "prog_array", 4, 4, 4),
  map("ro", "array", 4, 32, 1, { flags: BPF_F_RDONLY_PROG, frozen: true, contents: constants }),
  map("data", "array", 4, 64, 1),
  map("que", "queue", 0, 8, 8),
  map("pcpu", "percpu_array", 4, 16, 2),
  map("lru", "lru_hash", 8, 16, 32),
  map("outer", "array_of_maps", 4, 4, 2, { inner: map("inner", "array", 4, 16, 4) }),
];

const indexOf = (name: string): number => UNIVERSE_MAPS.findIndex((m) => m.name === name);

/** Indices of the maps by name: what a generated program puts where the fd goes. */
export const ARR = indexOf("arr");
export const HASH = indexOf("hash");
export const TMR = indexOf("tmr");
export const LCK = indexOf("lck");
export const BOTH = indexOf("both");
export const RB = indexOf("rb");
export const JMP = indexOf("jmp");
export const RO = indexOf("ro");
export const DATA = indexOf("data");
export const QUE = indexOf("que");
export const PCPU = indexOf("pcpu");
export const LRU = indexOf("lru");
export const OUTER = indexOf("outer");
