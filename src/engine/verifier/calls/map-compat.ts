import type { Helper } from "../../abi/helpers.ts";
import type { MapTypeName } from "../../abi/types.ts";
import { mapTypeName, PROG_TYPES } from "../../abi/types.ts";
import type { Walk } from "../state.ts";
import type { VerifierMap } from "../types.ts";

const words = (text: string): readonly string[] => text.split(" ");

/** Map types that only these helpers (without `bpf_`) may take. */
const HELPERS_OF_TYPE: Partial<Record<MapTypeName, readonly string[]>> = {
  prog_array: words("tail_call"),
  perf_event_array: words("perf_event_read perf_event_output skb_output perf_event_read_value xdp_output"),
  ringbuf: words(
    "ringbuf_output ringbuf_reserve ringbuf_query ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr",
  ),
  user_ringbuf: words("user_ringbuf_drain"),
  stack_trace: words("get_stackid"),
  cgroup_array: words("skb_under_cgroup current_task_under_cgroup"),
  cgroup_storage: words("get_local_storage"),
  percpu_cgroup_storage: words("get_local_storage"),
  devmap: words("redirect_map map_lookup_elem"),
  devmap_hash: words("redirect_map map_lookup_elem"),
  cpumap: words("redirect_map"),
  xskmap: words("redirect_map map_lookup_elem"),
  array_of_maps: words("map_lookup_elem"),
  hash_of_maps: words("map_lookup_elem"),
  sockmap: words("sk_redirect_map sock_map_update msg_redirect_map sk_select_reuseport map_lookup_elem"),
  sockhash: words("sk_redirect_hash sock_hash_update msg_redirect_hash sk_select_reuseport map_lookup_elem"),
  reuseport_sockarray: words("sk_select_reuseport"),
  queue: words("map_peek_elem map_pop_elem map_push_elem"),
  stack: words("map_peek_elem map_pop_elem map_push_elem"),
  sk_storage: words("sk_storage_get sk_storage_delete kptr_xchg"),
  inode_storage: words("inode_storage_get inode_storage_delete kptr_xchg"),
  task_storage: words("task_storage_get task_storage_delete kptr_xchg"),
  cgrp_storage: words("cgrp_storage_get cgrp_storage_delete kptr_xchg"),
  bloom_filter: words("map_peek_elem map_push_elem"),
  timer: words("map_lookup_elem map_update_elem map_delete_elem"),
};

/** Helpers that only these map types may be given to. */
const TYPES_OF_HELPER: Readonly<Record<string, readonly MapTypeName[]>> = {
  tail_call: ["prog_array"],
  perf_event_read: ["perf_event_array"],
  perf_event_output: ["perf_event_array"],
  perf_event_read_value: ["perf_event_array"],
  skb_output: ["perf_event_array"],
  xdp_output: ["perf_event_array"],
  ringbuf_output: ["ringbuf"],
  ringbuf_reserve: ["ringbuf"],
  ringbuf_query: ["ringbuf"],
  ringbuf_reserve_dynptr: ["ringbuf"],
  ringbuf_submit_dynptr: ["ringbuf"],
  ringbuf_discard_dynptr: ["ringbuf"],
  user_ringbuf_drain: ["user_ringbuf"],
  get_stackid: ["stack_trace"],
  current_task_under_cgroup: ["cgroup_array"],
  skb_under_cgroup: ["cgroup_array"],
  redirect_map: ["devmap", "devmap_hash", "cpumap", "xskmap"],
  sk_redirect_map: ["sockmap"],
  msg_redirect_map: ["sockmap"],
  sock_map_update: ["sockmap"],
  sk_redirect_hash: ["sockhash"],
  msg_redirect_hash: ["sockhash"],
  sock_hash_update: ["sockhash"],
  get_local_storage: ["cgroup_storage", "percpu_cgroup_storage"],
  sk_select_reuseport: ["reuseport_sockarray", "sockmap", "sockhash"],
  map_pop_elem: ["queue", "stack"],
  map_peek_elem: ["queue", "stack", "bloom_filter"],
  map_push_elem: ["queue", "stack", "bloom_filter"],
  map_lookup_percpu_elem: ["percpu_array", "percpu_hash", "lru_percpu_hash"],
  sk_storage_get: ["sk_storage"],
  sk_storage_delete: ["sk_storage"],
  inode_storage_get: ["inode_storage"],
  inode_storage_delete: ["inode_storage"],
  task_storage_get: ["task_storage"],
  task_storage_delete: ["task_storage"],
  cgrp_storage_get: ["cgrp_storage"],
  cgrp_storage_delete: ["cgrp_storage"],
};

/** Updating a socket map is for these program types; the check of the map comes after it. */
const MAY_UPDATE_SOCKMAP: ReadonlySet<number> = new Set([
  PROG_TYPES.socket_filter,
  PROG_TYPES.sched_cls,
  PROG_TYPES.sched_act,
  PROG_TYPES.xdp,
  PROG_TYPES.sk_reuseport,
  PROG_TYPES.flow_dissector,
  PROG_TYPES.sk_lookup,
]);
const RELEASES_DYNPTR: ReadonlySet<string> = new Set(["ringbuf_submit_dynptr", "ringbuf_discard_dynptr"]);

function mayChangeSockmap(progType: number, name: string): boolean {
  return MAY_UPDATE_SOCKMAP.has(progType) || (progType === PROG_TYPES.sock_ops && name === "map_delete_elem");
}

/** Map type against helper, both ways. The last check of a call. */
export function checkMapCompatibility(walk: Walk, map: VerifierMap | null, helper: Helper): boolean {
  if (map === null) return true;
  const name = helper.name.slice("bpf_".length);
  const type = mapTypeName(map.type);
  if (type === undefined) return walk.unsupported(`map type ${map.type}`);
  const refuse = (): boolean =>
    walk.reject("EINVAL", `cannot pass map_type ${map.type} into func ${helper.name}#${helper.id}`, "map-type-helper");
  const socketMap = type === "sockmap" || type === "sockhash";
  if (socketMap && (name === "map_update_elem" || name === "map_delete_elem")) {
    if (mayChangeSockmap(walk.program.type, name)) return true;
    walk.line("cannot update sockmap in this context");
    return refuse();
  }
  const helpers = HELPERS_OF_TYPE[type];
  if (helpers !== undefined && !helpers.includes(name)) return refuse();
  const types = TYPES_OF_HELPER[name];
  if (types !== undefined && !RELEASES_DYNPTR.has(name) && !types.includes(type)) return refuse();
  return true;
}
