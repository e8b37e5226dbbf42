/** Map and program types with the numbers of <linux/bpf.h>. Names without prefix, in lower case, are what the CLI and the page print. */
export const MAP_TYPES = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  stack_trace: 7,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  cgroup_storage: 19,
  reuseport_sockarray: 20,
  percpu_cgroup_storage: 21,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  struct_ops: 26,
  ringbuf: 27,
  inode_storage: 28,
  task_storage: 29,
  bloom_filter: 30,
  user_ringbuf: 31,
  cgrp_storage: 32,
  arena: 33,
  /** The timer map of the patch under discussion in the thread (dialect `timer-map`); no Linux number. */
  timer: 0x10000,
} as const;
export type MapTypeName = keyof typeof MAP_TYPES;

export const PROG_TYPES = {
  socket_filter: 1,
  kprobe: 2,
  sched_cls: 3,
  sched_act: 4,
  tracepoint: 5,
  xdp: 6,
  perf_event: 7,
  cgroup_skb: 8,
  cgroup_sock: 9,
  lwt_in: 10,
  lwt_out: 11,
  lwt_xmit: 12,
  sock_ops: 13,
  sk_skb: 14,
  cgroup_device: 15,
  sk_msg: 16,
  raw_tracepoint: 17,
  cgroup_sock_addr: 18,
  lwt_seg6local: 19,
  lirc_mode2: 20,
  sk_reuseport: 21,
  flow_dissector: 22,
  cgroup_sysctl: 23,
  raw_tracepoint_writable: 24,
  cgroup_sockopt: 25,
  tracing: 26,
  struct_ops: 27,
  ext: 28,
  lsm: 29,
  sk_lookup: 30,
  syscall: 31,
  netfilter: 32,
  /** Callback program of a timer map (dialect `timer-map`); no Linux number. */
  timer: 0x10000,
} as const;
export type ProgTypeName = keyof typeof PROG_TYPES;

const MAP_NAMES = new Map<number, MapTypeName>(Object.entries(MAP_TYPES).map(([k, v]) => [v, k as MapTypeName]));
const PROG_NAMES = new Map<number, ProgTypeName>(Object.entries(PROG_TYPES).map(([k, v]) => [v, k as ProgTypeName]));

export const mapTypeName = (type: number): MapTypeName | undefined => MAP_NAMES.get(type);
export const progTypeName = (type: number): ProgTypeName | undefined => PROG_NAMES.get(type);

/** Which C API of the thread a program speaks; chosen by the header that it includes, kept by a marker in the object. */
export type Dialect = "linux" | "rfc" | "timer-map";

/** Lifetime policies of thread-designs.md. */
export const POLICIES = ["uref", "uref-5.15", "rfc", "rfc-sync", "refcount", "unprotected", "timer-map"] as const;
export type PolicyName = (typeof POLICIES)[number];

/** Map creation flags. */
export const BPF_F_NO_PREALLOC = 1;
export const BPF_F_NO_COMMON_LRU = 2;
export const BPF_F_NUMA_NODE = 4;
export const BPF_F_RDONLY = 8;
export const BPF_F_WRONLY = 0x10;
export const BPF_F_ZERO_SEED = 0x40;
export const BPF_F_RDONLY_PROG = 0x80;
export const BPF_F_WRONLY_PROG = 0x100;
export const BPF_F_MMAPABLE = 0x400;
export const BPF_F_INNER_MAP = 0x1000;

/** Element update flags. */
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;
export const BPF_F_LOCK = 4;
/** Update over an initialised timer, policies `rfc*` (thread-designs.md, T11). */
export const BPF_F_TIMER_BUSY = 0x100;
export const BPF_F_TIMER_CANCEL = 0x200;

/** Program load flags. */
export const BPF_F_STRICT_ALIGNMENT = 1;
export const BPF_F_TEST_STATE_FREQ = 8;
export const BPF_F_SLEEPABLE = 16;
