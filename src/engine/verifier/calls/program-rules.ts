import { MAP_TYPES, PROG_TYPES } from "../../abi/types.ts";
import type { Walk } from "../state.ts";
import type { VerifierMap } from "../types.ts";
import { hasField, hasSpinLock } from "./special-fields.ts";

/** Types that may interrupt anything: no locks, timers or work queues for them. */
const TRACING_LIKE: ReadonlySet<number> = new Set([
  PROG_TYPES.kprobe,
  PROG_TYPES.tracepoint,
  PROG_TYPES.perf_event,
  PROG_TYPES.raw_tracepoint,
  PROG_TYPES.raw_tracepoint_writable,
]);

const SLEEPABLE_MAPS: ReadonlySet<number> = new Set([
  MAP_TYPES.hash,
  MAP_TYPES.lru_hash,
  MAP_TYPES.array,
  MAP_TYPES.percpu_hash,
  MAP_TYPES.percpu_array,
  MAP_TYPES.lru_percpu_hash,
  MAP_TYPES.array_of_maps,
  MAP_TYPES.hash_of_maps,
  MAP_TYPES.ringbuf,
  MAP_TYPES.user_ringbuf,
  MAP_TYPES.inode_storage,
  MAP_TYPES.sk_storage,
  MAP_TYPES.task_storage,
  MAP_TYPES.cgrp_storage,
  MAP_TYPES.queue,
  MAP_TYPES.stack,
  MAP_TYPES.arena,
  MAP_TYPES.timer,
]);

/** When a program first names a map: whether its type may work with what the map's values hold. */
export function checkMapForProgram(walk: Walk, map: VerifierMap): boolean {
  const { program } = walk;
  const refuse = (message: string, rule: string): boolean => walk.reject("EINVAL", message, rule);
  const tracing = TRACING_LIKE.has(program.type);
  if (hasSpinLock(map)) {
    if (program.type === PROG_TYPES.socket_filter) {
      return refuse("socket filter progs cannot use bpf_spin_lock yet", "map-lock-socket-filter");
    }
    if (tracing) return refuse("tracing progs cannot use bpf_spin_lock yet", "map-lock-tracing");
  }
  if (tracing && hasField(program.dialect, map, "bpf_timer")) {
    return refuse("tracing progs cannot use bpf_timer yet", "map-timer-tracing");
  }
  if (tracing && hasField(program.dialect, map, "bpf_wq")) {
    return refuse("tracing progs cannot use bpf_wq yet", "map-workqueue-tracing");
  }
  if (map.type === MAP_TYPES.struct_ops) {
    return refuse("bpf_struct_ops map cannot be used in prog", "map-struct-ops");
  }
  if (map.type === MAP_TYPES.arena) return walk.unsupported("arena maps");
  if (walk.sleepableProgram && !SLEEPABLE_MAPS.has(map.type)) {
    return refuse("Sleepable programs can only use array, hash, ringbuf and local storage maps", "map-sleepable");
  }
  return true;
}

/** Before the walk: program types that must or must not sleep, and those that hang on types of the running kernel. */
export function checkAttach(walk: Walk): boolean {
  const { type } = walk.program;
  switch (type) {
    case PROG_TYPES.syscall:
      if (walk.sleepableProgram) return true;
      return walk.reject("EINVAL", "Syscall programs can only be sleepable", "syscall-not-sleepable");
    case PROG_TYPES.struct_ops:
      return walk.unsupported("struct_ops programs");
    case PROG_TYPES.tracing:
    case PROG_TYPES.lsm:
    case PROG_TYPES.ext:
      return walk.unsupported("programs attached to kernel functions (fentry, fexit, tp_btf, iter, lsm, freplace)");
    case PROG_TYPES.kprobe:
      return true;
    default:
      break;
  }
  if (!walk.sleepableProgram) return true;
  return walk.reject(
    "EINVAL",
    "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
    "program-not-sleepable-type",
  );
}
