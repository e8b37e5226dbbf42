import type { ProgTypeName } from "../../abi/types.ts";

/** Helpers whose function has another name than the helper, whatever the program (measured on Linux 6.18). */
const EVERYWHERE: Readonly<Record<string, string>> = {
  bpf_get_prandom_u32: "bpf_user_rnd_u32",
  bpf_probe_read: "bpf_probe_read_compat",
  bpf_probe_read_str: "bpf_probe_read_compat_str",
  bpf_load_hdr_opt: "bpf_sock_ops_load_hdr_opt",
  bpf_store_hdr_opt: "bpf_sock_ops_store_hdr_opt",
};

/**
 * Functions that a helper is for some program types, measured by dumping one program for each pair; `*` stands for the types that
 * are not named and have no function under the helper's own name.
 */
const BY_TYPE: Readonly<Record<string, Readonly<Partial<Record<ProgTypeName | "*", string>>>>> = {
  bpf_perf_event_output: {
    ...each(
      ["socket_filter", "sched_cls", "sched_act", "cgroup_skb", "lwt_xmit", "lwt_in", "lwt_out", "sk_skb"],
      "bpf_skb_event_output",
    ),
    xdp: "bpf_xdp_event_output",
    kprobe: "bpf_perf_event_output",
    tracepoint: "bpf_perf_event_output_tp",
    perf_event: "bpf_perf_event_output_tp",
    raw_tracepoint: "bpf_perf_event_output_raw_tp",
    "*": "bpf_event_output_data",
  },
  bpf_get_stackid: {
    tracepoint: "bpf_get_stackid_tp",
    raw_tracepoint: "bpf_get_stackid_raw_tp",
    perf_event: "bpf_get_stackid_pe",
  },
  bpf_get_stack: {
    tracepoint: "bpf_get_stack_tp",
    raw_tracepoint: "bpf_get_stack_raw_tp",
    syscall: "bpf_get_stack_raw_tp",
    perf_event: "bpf_get_stack_pe",
  },
  bpf_get_attach_cookie: {
    kprobe: "bpf_get_attach_cookie_trace",
    tracepoint: "bpf_get_attach_cookie_trace",
    raw_tracepoint: "bpf_get_attach_cookie_tracing",
    perf_event: "bpf_get_attach_cookie_pe",
  },
  bpf_get_func_ip: { kprobe: "bpf_get_func_ip_kprobe" },
  bpf_sk_lookup_tcp: lookups("sk_lookup_tcp"),
  bpf_sk_lookup_udp: lookups("sk_lookup_udp"),
  bpf_skc_lookup_tcp: lookups("skc_lookup_tcp"),
  bpf_fib_lookup: { ...each(["sched_cls", "sched_act"], "bpf_skb_fib_lookup"), xdp: "bpf_xdp_fib_lookup" },
  bpf_check_mtu: { ...each(["sched_cls", "sched_act"], "bpf_skb_check_mtu"), xdp: "bpf_xdp_check_mtu" },
  bpf_redirect: { xdp: "bpf_xdp_redirect" },
  bpf_get_socket_cookie: {
    sock_ops: "bpf_get_socket_cookie_sock_ops",
    cgroup_sock: "bpf_get_socket_cookie_sock",
    cgroup_sock_addr: "bpf_get_socket_cookie_sock_addr",
  },
  bpf_get_netns_cookie: {
    sock_ops: "bpf_get_netns_cookie_sock_ops",
    sk_msg: "bpf_get_netns_cookie_sk_msg",
    cgroup_sock: "bpf_get_netns_cookie_sock",
    cgroup_sock_addr: "bpf_get_netns_cookie_sock_addr",
    cgroup_sockopt: "bpf_get_netns_cookie_sockopt",
  },
  bpf_get_cgroup_classid: {
    ...each(["sched_cls", "sched_act", "lwt_xmit", "lwt_in", "lwt_out"], "bpf_get_cgroup_classid"),
    "*": "bpf_get_cgroup_classid_curr",
  },
  bpf_skb_load_bytes: { sk_reuseport: "sk_reuseport_load_bytes", flow_dissector: "bpf_flow_dissector_load_bytes" },
  bpf_skb_load_bytes_relative: { sk_reuseport: "sk_reuseport_load_bytes_relative" },
  bpf_skb_pull_data: { sk_skb: "sk_skb_pull_data" },
  bpf_skb_change_tail: { sk_skb: "sk_skb_change_tail" },
  bpf_skb_change_head: { sk_skb: "sk_skb_change_head" },
  bpf_skb_adjust_room: { sk_skb: "sk_skb_adjust_room" },
  bpf_lwt_push_encap: { lwt_xmit: "bpf_lwt_xmit_push_encap", lwt_in: "bpf_lwt_in_push_encap" },
  bpf_setsockopt: { sock_ops: "bpf_sock_ops_setsockopt", cgroup_sock_addr: "bpf_sock_addr_setsockopt" },
  bpf_getsockopt: { sock_ops: "bpf_sock_ops_getsockopt", cgroup_sock_addr: "bpf_sock_addr_getsockopt" },
  bpf_sk_assign: { sk_lookup: "bpf_sk_lookup_assign" },
};

function each(types: readonly ProgTypeName[], name: string): Partial<Record<ProgTypeName, string>> {
  return Object.fromEntries(types.map((type) => [type, name]));
}

function lookups(name: string): Partial<Record<ProgTypeName, string>> {
  return {
    ...each(["sched_cls", "sched_act"], `bpf_tc_${name}`),
    xdp: `bpf_xdp_${name}`,
    cgroup_sock_addr: `bpf_sock_addr_${name}`,
  };
}

/** The kernel's function behind a helper in programs of a type. */
export function functionName(helper: string, type: ProgTypeName | undefined): string {
  const byType = BY_TYPE[helper];
  return (type === undefined ? undefined : byType?.[type]) ?? byType?.["*"] ?? EVERYWHERE[helper] ?? helper;
}
