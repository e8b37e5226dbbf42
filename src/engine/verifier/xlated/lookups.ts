import type { MapTypeName } from "../../abi/types.ts";
import { mapTypeName } from "../../abi/types.ts";
import { BPF_ADD, BPF_B, BPF_DW, BPF_JEQ, BPF_JGE, BPF_JNE, BPF_LSH, BPF_MUL, BPF_W } from "../../isa/opcodes.ts";
import type { VerifierMap } from "../types.ts";
import { Expansion, type Op } from "./op.ts";

/** Layout of 6.18: first value of an array map; key of a hash element; its "referenced" byte (LRU). */
const ARRAY_VALUES = 312;
const HASH_KEY = 48;
/** First socket of a map of XDP sockets. */
const XSK_SOCKETS = 304;
const LRU_REFERENCED = 35;
const WORD = 8;

const roundUp8 = (n: number): number => (n + WORD - 1) & ~(WORD - 1);
const R0 = 0;
const R1 = 1;
const R2 = 2;

/** Multiplies the index in r0 by the element's size. */
function scale(e: Expansion, size: number): void {
  if ((size & (size - 1)) === 0) e.aluK(BPF_LSH, R0, 31 - Math.clz32(size));
  else e.aluK(BPF_MUL, R0, size);
}

/** Bound check and address of an array element, with `extra` operations behind it that the failing side skips. */
function arrayElement(e: Expansion, map: VerifierMap, size: number, extra: number): void {
  e.aluK(BPF_ADD, R1, ARRAY_VALUES);
  e.load(BPF_W, R0, R2, 0);
  e.jumpK(BPF_JGE, R0, map.maxEntries, 3 + extra);
  scale(e, size);
  e.aluX(BPF_ADD, R0, R1);
}

function elseNull(e: Expansion): void {
  e.goto(1);
  e.movK(R0, 0);
}

/** Element of this CPU: load its pointer, add the CPU's base (shown as a plain move). */
function perCpu(e: Expansion): void {
  e.load(BPF_DW, R0, R0, 0);
  e.movX(R0, R0);
}

/** An inlined bpf_map_lookup_elem; null where the map type has none. */
export function inlineLookup(op: Op, next: Op, map: VerifierMap): readonly Op[] | null {
  const e = new Expansion(op.origin);
  const key = HASH_KEY + roundUp8(map.keySize);
  switch (mapTypeName(map.type)) {
    case "array":
      arrayElement(e, map, roundUp8(map.valueSize), 0);
      elseNull(e);
      break;
    case "percpu_array":
      arrayElement(e, map, WORD, 2);
      perCpu(e);
      elseNull(e);
      break;
    case "array_of_maps":
      arrayElement(e, map, WORD, 2);
      e.load(BPF_DW, R0, R0, 0);
      e.jumpK(BPF_JEQ, R0, 0, 1);
      elseNull(e);
      break;
    case "xskmap":
      e.load(BPF_W, R0, R2, 0);
      e.jumpK(BPF_JGE, R0, map.maxEntries, 5);
      e.aluK(BPF_LSH, R0, 3);
      e.aluK(BPF_ADD, R1, XSK_SOCKETS);
      e.aluX(BPF_ADD, R0, R1);
      e.load(BPF_DW, R0, R0, 0);
      elseNull(e);
      break;
    case "hash":
      e.call("__htab_map_lookup_elem");
      e.jumpK(BPF_JEQ, R0, 0, 1);
      e.aluK(BPF_ADD, R0, key);
      break;
    case "lru_hash":
      e.call("__htab_map_lookup_elem");
      e.jumpK(BPF_JEQ, R0, 0, 4);
      e.load(BPF_B, R1, R0, LRU_REFERENCED);
      e.jumpK(BPF_JNE, R1, 0, 1);
      e.storeK(BPF_B, R0, LRU_REFERENCED, 1);
      e.aluK(BPF_ADD, R0, key);
      break;
    case "percpu_hash":
      e.call("__htab_map_lookup_elem");
      e.jumpK(BPF_JEQ, R0, 0, 3);
      e.aluK(BPF_ADD, R0, key);
      perCpu(e);
      break;
    case "hash_of_maps":
      e.call("__htab_map_lookup_elem");
      e.jumpK(BPF_JEQ, R0, 0, 2);
      e.aluK(BPF_ADD, R0, key);
      e.load(BPF_DW, R0, R0, 0);
      break;
    default:
      return null;
  }
  return e.finish(next);
}

/** Functions of a map type, by helper (without `bpf_`). */
const DIRECT: Partial<Record<MapTypeName, Readonly<Record<string, string>>>> = {
  array: {
    map_update_elem: "array_map_update_elem",
    map_delete_elem: "array_map_delete_elem",
    for_each_map_elem: "bpf_for_each_array_elem",
  },
  percpu_array: {
    map_update_elem: "array_map_update_elem",
    map_delete_elem: "array_map_delete_elem",
    for_each_map_elem: "bpf_for_each_array_elem",
    map_lookup_percpu_elem: "percpu_array_map_lookup_percpu_elem",
  },
  hash: {
    map_update_elem: "htab_map_update_elem",
    map_delete_elem: "htab_map_delete_elem",
    for_each_map_elem: "bpf_for_each_hash_elem",
  },
  lru_hash: {
    map_update_elem: "htab_lru_map_update_elem",
    map_delete_elem: "htab_lru_map_delete_elem",
    for_each_map_elem: "bpf_for_each_hash_elem",
  },
  percpu_hash: {
    map_update_elem: "htab_percpu_map_update_elem",
    map_delete_elem: "htab_map_delete_elem",
    for_each_map_elem: "bpf_for_each_hash_elem",
    map_lookup_percpu_elem: "htab_percpu_map_lookup_percpu_elem",
  },
  lru_percpu_hash: {
    map_lookup_elem: "htab_lru_percpu_map_lookup_elem",
    map_update_elem: "htab_lru_percpu_map_update_elem",
    map_delete_elem: "htab_lru_map_delete_elem",
    for_each_map_elem: "bpf_for_each_hash_elem",
    map_lookup_percpu_elem: "htab_lru_percpu_map_lookup_percpu_elem",
  },
  lpm_trie: {
    map_lookup_elem: "trie_lookup_elem",
    map_update_elem: "trie_update_elem",
    map_delete_elem: "trie_delete_elem",
  },
  queue: {
    map_push_elem: "queue_stack_map_push_elem",
    map_pop_elem: "queue_map_pop_elem",
    map_peek_elem: "queue_map_peek_elem",
  },
  stack: {
    map_push_elem: "queue_stack_map_push_elem",
    map_pop_elem: "stack_map_pop_elem",
    map_peek_elem: "stack_map_peek_elem",
  },
  bloom_filter: { map_push_elem: "bloom_map_push_elem", map_peek_elem: "bloom_map_peek_elem" },
  devmap: { map_lookup_elem: "dev_map_lookup_elem", redirect_map: "dev_map_redirect" },
  devmap_hash: { map_lookup_elem: "dev_map_hash_lookup_elem", redirect_map: "dev_hash_map_redirect" },
  sockmap: { map_delete_elem: "sock_map_delete_elem" },
  cpumap: { redirect_map: "cpu_map_redirect" },
};

/** The map type's own function that a helper call becomes; null: the helper stays. */
export function directFunction(helper: string, map: VerifierMap): string | null {
  const type = mapTypeName(map.type);
  return (type === undefined ? undefined : DIRECT[type])?.[helper.replace(/^bpf_/, "")] ?? null;
}
