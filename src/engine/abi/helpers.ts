import type { ProgTypeName } from "./types.ts";
import { progTypeName } from "./types.ts";

/** One argument of a helper. `size` of memory: bytes, or "next" when the following argument is its size. */
export type HelperArg =
  | {
      readonly kind: "any" | "map" | "ctx" | "func" | "stack" | "timer" | "lock" | "kptr" | "record" | "str" | "percpu";
    }
  | { readonly kind: "key" | "value" }
  | { readonly kind: "mem"; readonly size: number | "next"; readonly access: "read" | "write" }
  | { readonly kind: "size"; readonly zero: boolean }
  | { readonly kind: "alloc" }
  | { readonly kind: "sock" | "anysock" | "fullsock" }
  | { readonly kind: "btf"; readonly struct: string }
  | { readonly kind: "dynptr"; readonly dynptr: string; readonly role: "use" | "new" | "end" };

export interface HelperArgSpec {
  readonly arg: HelperArg;
  /** Constant 0 is accepted. */
  readonly nullOk: boolean;
  /** A checked packet pointer is accepted. */
  readonly packetOk: boolean;
  /** Output memory that need not be initialised. */
  readonly uninit: boolean;
}

/** What a helper leaves in r0. */
export type HelperReturn =
  | { readonly kind: "int" | "void" | "map_value" | "record" | "mem" | "percpu" | "kptr"; readonly nullable: boolean }
  | { readonly kind: "sock" | "tcp_sock" | "sock_common"; readonly nullable: boolean }
  | { readonly kind: "btf"; readonly struct: string; readonly trusted: boolean; readonly nullable: boolean };

export interface Helper {
  readonly id: number;
  /** With the prefix `bpf_`. */
  readonly name: string;
  readonly gplOnly: boolean;
  readonly sleeps: boolean;
  readonly changesPacket: boolean;
  /** The result carries a new reference. */
  readonly acquires: boolean;
  /** The argument with a reference gives it back. */
  readonly releases: boolean;
  /** The result lives as long as the reference of r1. */
  readonly keepsReference: boolean;
  readonly args: readonly HelperArgSpec[];
  readonly ret: HelperReturn;
  readonly offered: (type: ProgTypeName) => boolean;
}

/**
 * Helpers of Linux 6.18, measured by loading one-call programs. Columns: id, name without `bpf_`, marks, arguments, result,
 * program types.
 *
 * Marks: g GPL only, s may sleep, p changes packet data, a acquires, r releases, k keeps the reference of r1.
 * Arguments: `any`; `map`; `key`, `value` (memory of the map's sizes; `value-out` is written); `in`, `out`, `new` (memory read;
 * written; written and not initialised) with `[bytes]` or else the size in the next argument; `size` (at least 1), `size0`;
 * `alloc` (constant); `ctx`; `func`; `stack` (callback context); `timer`; `lock`; `kptr`; `record` (of a ringbuf); `str`; `sock`; `anysock`; `fullsock`;
 * `ptr:STRUCT`; `percpu`; `dynptr:KIND`, `dynptr-new:KIND`, `dynptr-end:KIND`. Behind `/p` a checked packet pointer is accepted,
 * behind `?` the constant 0.
 * Program types: `*` all, `-` none of those measured.
 */
const TABLE = `
1   | map_lookup_elem                | .  | map, key/p                              | map_value?             | *
2   | map_update_elem                | .  | map, key/p, value/p, any                | int                    | *
3   | map_delete_elem                | .  | map, key/p                              | int                    | *
4   | probe_read                     | g  | new, size0, any                         | int                    | syscall tracepoint raw_tracepoint kprobe perf_event
5   | ktime_get_ns                   | .  |                                         | int                    | *
6   | trace_printk                   | g  | in, size                                | int                    | *
7   | get_prandom_u32                | .  |                                         | int                    | *
8   | get_smp_processor_id           | .  |                                         | int                    | *
9   | skb_store_bytes                | p  | ctx, any, in, size, any                 | int                    | sched_cls sched_act sk_skb
10  | l3_csum_replace                | p  | ctx, any, any, any, any                 | int                    | sched_cls sched_act
11  | l4_csum_replace                | p  | ctx, any, any, any, any                 | int                    | sched_cls sched_act
12  | tail_call                      | .  | ctx, map, any                           | void                   | *
13  | clone_redirect                 | p  | ctx, any, any                           | int                    | sched_cls sched_act
14  | get_current_pid_tgid           | .  |                                         | int                    | *
15  | get_current_uid_gid            | .  |                                         | int                    | *
16  | get_current_comm               | .  | new, size                               | int                    | *
17  | get_cgroup_classid             | .  | ctx                                     | int                    | *
18  | skb_vlan_push                  | p  | ctx, any, any                           | int                    | sched_cls sched_act
19  | skb_vlan_pop                   | p  | ctx                                     | int                    | sched_cls sched_act
20  | skb_get_tunnel_key             | .  | ctx, new, size, any                     | int                    | sched_cls sched_act
21  | skb_set_tunnel_key             | .  | ctx, in, size, any                      | int                    | sched_cls sched_act
22  | perf_event_read                | g  | map, any                                | int                    | *
23  | redirect                       | .  | any, any                                | int                    | sched_cls sched_act xdp
24  | get_route_realm                | .  | ctx                                     | int                    | sched_cls sched_act lwt_out
25  | perf_event_output              | g  | ctx, map, any, in, size0                | int                    | * but flow_dissector netfilter
26  | skb_load_bytes                 | .  | ctx, any, new, size                     | int                    | socket_filter sched_cls sched_act cgroup_skb lwt_out sk_skb flow_dissector
27  | get_stackid                    | g  | ctx, map, any                           | int                    | syscall tracepoint raw_tracepoint kprobe perf_event
28  | csum_diff                      | .  | in/p?, size0, in/p?, size0, any         | int                    | sched_cls sched_act xdp lwt_out
29  | skb_get_tunnel_opt             | .  | ctx, new, size                          | int                    | sched_cls sched_act
30  | skb_set_tunnel_opt             | .  | ctx, in, size                           | int                    | sched_cls sched_act
31  | skb_change_proto               | p  | ctx, any, any                           | int                    | sched_cls sched_act
32  | skb_change_type                | .  | ctx, any                                | int                    | sched_cls sched_act
33  | skb_under_cgroup               | .  | ctx, map, any                           | int                    | sched_cls sched_act lwt_out
34  | get_hash_recalc                | .  | ctx                                     | int                    | sched_cls sched_act lwt_out
35  | get_current_task               | g  |                                         | int                    | *
36  | probe_write_user               | .  | any, in, size                           | int                    | -
37  | current_task_under_cgroup      | .  | map, any                                | int                    | *
38  | skb_change_tail                | p  | ctx, any, any                           | int                    | sched_cls sched_act sk_skb
39  | skb_pull_data                  | p  | ctx, any                                | int                    | sched_cls sched_act lwt_out sk_skb
40  | csum_update                    | .  | ctx, any                                | int                    | sched_cls sched_act
41  | set_hash_invalid               | .  | ctx                                     | int                    | sched_cls sched_act
42  | get_numa_node_id               | .  |                                         | int                    | *
43  | skb_change_head                | p  | ctx, any, any                           | int                    | sched_cls sched_act sk_skb
44  | xdp_adjust_head                | p  | ctx, any                                | int                    | xdp
45  | probe_read_str                 | g  | new, size0, any                         | int                    | syscall tracepoint raw_tracepoint kprobe perf_event
46  | get_socket_cookie              | .  | ctx                                     | int                    | socket_filter sched_cls sched_act cgroup_skb syscall sock_ops sk_skb cgroup_sock cgroup_sock_addr
47  | get_socket_uid                 | .  | ctx                                     | int                    | socket_filter sched_cls sched_act cgroup_skb sk_skb
48  | set_hash                       | .  | ctx, any                                | int                    | sched_cls sched_act
49  | setsockopt                     | .  | ctx, any, any, in, size                 | int                    | sock_ops cgroup_sock_addr
50  | skb_adjust_room                | p  | ctx, any, any, any                      | int                    | sched_cls sched_act sk_skb
51  | redirect_map                   | .  | map, any, any                           | int                    | xdp
52  | sk_redirect_map                | .  | ctx, map, any, any                      | int                    | sk_skb
53  | sock_map_update                | .  | ctx, map, key, any                      | int                    | sock_ops
54  | xdp_adjust_meta                | p  | ctx, any                                | int                    | xdp
55  | perf_event_read_value          | g  | map, any, new, size                     | int                    | *
56  | perf_prog_read_value           | g  | ctx, new, size                          | int                    | perf_event
57  | getsockopt                     | .  | ctx, any, any, new, size                | int                    | sock_ops cgroup_sock_addr
58  | override_return                | .  | ctx, any                                | int                    | -
59  | sock_ops_cb_flags_set          | .  | ctx, any                                | int                    | sock_ops
60  | msg_redirect_map               | .  | ctx, map, any, any                      | int                    | -
61  | msg_apply_bytes                | .  | ctx, any                                | int                    | -
62  | msg_cork_bytes                 | .  | ctx, any                                | int                    | -
63  | msg_pull_data                  | p  | ctx, any, any, any                      | int                    | -
64  | bind                           | .  | ctx, in, size                           | int                    | -
65  | xdp_adjust_tail                | p  | ctx, any                                | int                    | xdp
66  | skb_get_xfrm_state             | .  | ctx, any, new, size, any                | int                    | sched_cls sched_act
67  | get_stack                      | g  | ctx, new, size0, any                    | int                    | syscall tracepoint raw_tracepoint kprobe perf_event
68  | skb_load_bytes_relative        | .  | ctx, any, new, size, any                | int                    | socket_filter sched_cls sched_act cgroup_skb
69  | fib_lookup                     | g  | ctx, out, size, any                     | int                    | sched_cls sched_act xdp
70  | sock_hash_update               | .  | ctx, map, key, any                      | int                    | sock_ops
71  | msg_redirect_hash              | .  | ctx, map, key, any                      | int                    | -
72  | sk_redirect_hash               | .  | ctx, map, key, any                      | int                    | sk_skb
73  | lwt_push_encap                 | p  | ctx, any, in, size                      | int                    | -
74  | lwt_seg6_store_bytes           | p  | ctx, any, in, size                      | int                    | -
75  | lwt_seg6_adjust_srh            | p  | ctx, any, any                           | int                    | -
76  | lwt_seg6_action                | p  | ctx, any, in, size                      | int                    | -
77  | rc_repeat                      | .  | ctx                                     | int                    | -
78  | rc_keydown                     | .  | ctx, any, any, any                      | int                    | -
79  | skb_cgroup_id                  | .  | ctx                                     | int                    | sched_cls sched_act cgroup_skb
80  | get_current_cgroup_id          | .  |                                         | int                    | *
81  | get_local_storage              | .  | map, any                                | map_value              | cgroup_skb sock_ops cgroup_sock cgroup_sock_addr
82  | sk_select_reuseport            | .  | ctx, map, key, any                      | int                    | -
83  | skb_ancestor_cgroup_id         | .  | ctx, any                                | int                    | sched_cls sched_act cgroup_skb
84  | sk_lookup_tcp                  | a  | ctx, in/p, size0, any, any              | sock?                  | sched_cls sched_act xdp cgroup_skb sk_skb cgroup_sock_addr
85  | sk_lookup_udp                  | a  | ctx, in/p, size0, any, any              | sock?                  | sched_cls sched_act xdp cgroup_skb sk_skb cgroup_sock_addr
86  | sk_release                     | r  | anysock                                 | int                    | sched_cls sched_act xdp cgroup_skb sk_skb cgroup_sock_addr sk_lookup
87  | map_push_elem                  | .  | map, value/p, any                       | int                    | *
88  | map_pop_elem                   | .  | map, value-out                          | int                    | *
89  | map_peek_elem                  | .  | map, value-out                          | int                    | *
90  | msg_push_data                  | p  | ctx, any, any, any                      | int                    | -
91  | msg_pop_data                   | p  | ctx, any, any, any                      | int                    | -
92  | rc_pointer_rel                 | .  | ctx, any, any                           | int                    | -
93  | spin_lock                      | .  | lock                                    | void                   | *
94  | spin_unlock                    | .  | lock                                    | void                   | *
95  | sk_fullsock                    | k  | sock                                    | sock?                  | sched_cls sched_act cgroup_skb
96  | tcp_sock                       | k  | sock                                    | tcp_sock?              | sched_cls sched_act cgroup_skb sock_ops
97  | skb_ecn_set_ce                 | .  | ctx                                     | int                    | sched_cls sched_act cgroup_skb
98  | get_listener_sock              | .  | sock                                    | sock?                  | sched_cls sched_act cgroup_skb
99  | skc_lookup_tcp                 | a  | ctx, in/p, size0, any, any              | sock_common?           | sched_cls sched_act xdp cgroup_skb sk_skb cgroup_sock_addr
100 | tcp_check_syncookie            | g  | anysock, in/p, size, in/p, size         | int                    | sched_cls sched_act xdp
101 | sysctl_get_name                | .  | ctx, out, size, any                     | int                    | -
102 | sysctl_get_current_value       | .  | ctx, new, size                          | int                    | -
103 | sysctl_get_new_value           | .  | ctx, new, size                          | int                    | -
104 | sysctl_set_new_value           | .  | ctx, in, size                           | int                    | -
105 | strtol                         | .  | in, size, any, new[8]                   | int                    | *
106 | strtoul                        | .  | in, size, any, new[8]                   | int                    | *
107 | sk_storage_get                 | .  | map, anysock, value?, any               | map_value?             | sched_cls sched_act cgroup_skb syscall sock_ops cgroup_sock cgroup_sock_addr
108 | sk_storage_delete              | .  | map, anysock                            | int                    | sched_cls sched_act cgroup_skb syscall sock_ops cgroup_sock_addr
109 | send_signal                    | .  | any                                     | int                    | *
110 | tcp_gen_syncookie              | g  | anysock, in/p, size, in/p, size         | int                    | sched_cls sched_act xdp
111 | skb_output                     | g  | ptr:sk_buff, map, any, in, size0        | int                    | syscall
112 | probe_read_user                | g  | new, size0, any                         | int                    | *
113 | probe_read_kernel              | g  | new, size0, any                         | int                    | *
114 | probe_read_user_str            | g  | new, size0, any                         | int                    | *
115 | probe_read_kernel_str          | g  | new, size0, any                         | int                    | *
116 | tcp_send_ack                   | .  | ptr:tcp_sock, any                       | int                    | -
117 | send_signal_thread             | .  | any                                     | int                    | *
118 | jiffies64                      | .  |                                         | int                    | *
119 | read_branch_records            | g  | ctx, out, size0, any                    | int                    | perf_event
120 | get_ns_current_pid_tgid        | .  | any, any, new, size                     | int                    | *
121 | xdp_output                     | g  | ptr:xdp_buff, map, any, in, size0       | int                    | syscall
122 | get_netns_cookie               | .  | ctx?                                    | int                    | socket_filter sched_cls sched_act cgroup_skb sock_ops cgroup_sock cgroup_sock_addr
123 | get_current_ancestor_cgroup_id | .  | any                                     | int                    | *
124 | sk_assign                      | .  | ctx, anysock, any                       | int                    | sched_cls sched_act sk_lookup
125 | ktime_get_boot_ns              | .  |                                         | int                    | *
126 | seq_printf                     | g  | ptr:seq_file, in, size, in, size0       | int                    | -
127 | seq_write                      | g  | ptr:seq_file, in, size0                 | int                    | -
128 | sk_cgroup_id                   | .  | anysock                                 | int                    | cgroup_skb
129 | sk_ancestor_cgroup_id          | .  | anysock, any                            | int                    | cgroup_skb
130 | ringbuf_output                 | .  | map, in, size0, any                     | int                    | *
131 | ringbuf_reserve                | a  | map, alloc, any                         | record?                | *
132 | ringbuf_submit                 | r  | record, any                             | void                   | *
133 | ringbuf_discard                | r  | record, any                             | void                   | *
134 | ringbuf_query                  | .  | map, any                                | int                    | *
135 | csum_level                     | .  | ctx, any                                | int                    | sched_cls sched_act
136 | skc_to_tcp6_sock               | k  | anysock                                 | ptr:tcp6_sock?         | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
137 | skc_to_tcp_sock                | k  | anysock                                 | ptr:tcp_sock?          | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
138 | skc_to_tcp_timewait_sock       | k  | anysock                                 | ptr:tcp_timewait_sock? | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
139 | skc_to_tcp_request_sock        | k  | anysock                                 | ptr:tcp_request_sock?  | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
140 | skc_to_udp6_sock               | k  | anysock                                 | ptr:udp6_sock?         | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
141 | get_task_stack                 | .  | ptr:task_struct, new, size0, any        | int                    | *
142 | load_hdr_opt                   | .  | ctx, out, size, any                     | int                    | sock_ops
143 | store_hdr_opt                  | p  | ctx, in, size, any                      | int                    | sock_ops
144 | reserve_hdr_opt                | .  | ctx, any, any                           | int                    | sock_ops
145 | inode_storage_get              | .  | map, ptr:inode, value, any              | map_value?             | -
146 | inode_storage_delete           | .  | map, ptr:inode                          | int                    | -
147 | d_path                         | .  | ptr:path, out, size0                    | int                    | syscall
148 | copy_from_user                 | s  | new, size0, any                         | int                    | *
149 | snprintf_btf                   | .  | out, size, in, size, any                | int                    | *
150 | seq_printf_btf                 | g  | ptr:seq_file, in, size0, any            | int                    | -
151 | skb_cgroup_classid             | .  | ctx                                     | int                    | sched_cls sched_act
152 | redirect_neigh                 | .  | any, in?, size0, any                    | int                    | sched_cls sched_act
153 | per_cpu_ptr                    | .  | percpu, any                             | percpu?                | *
154 | this_cpu_ptr                   | .  | percpu                                  | percpu                 | *
155 | redirect_peer                  | .  | any, any                                | int                    | sched_cls sched_act
156 | task_storage_get               | .  | map, ptr:task_struct?, value?, any      | map_value?             | *
157 | task_storage_delete            | .  | map, ptr:task_struct?                   | int                    | *
158 | get_current_task_btf           | g  |                                         | trusted:task_struct    | *
159 | bprm_opts_set                  | .  | ptr:linux_binprm, any                   | int                    | -
160 | ktime_get_coarse_ns            | .  |                                         | int                    | * but syscall tracepoint raw_tracepoint kprobe perf_event netfilter
161 | ima_inode_hash                 | .  | ptr:inode, out, size                    | int                    | -
162 | sock_from_file                 | .  | ptr:file                                | ptr:socket?            | syscall
163 | check_mtu                      | g  | ctx, any, out[4], any, any              | int                    | sched_cls sched_act xdp
164 | for_each_map_elem              | .  | map, func, stack?, any                  | int                    | *
165 | snprintf                       | g  | out?, size0, str, in?, size0            | int                    | *
166 | sys_bpf                        | .  | any, in, size                           | int                    | syscall
167 | btf_find_by_name_kind          | .  | in, size, any, any                      | int                    | syscall
168 | sys_close                      | .  | any                                     | int                    | syscall
169 | timer_init                     | g  | timer, map, any                         | int                    | *
170 | timer_set_callback             | g  | timer, func                             | int                    | *
171 | timer_start                    | g  | timer, any, any                         | int                    | *
172 | timer_cancel                   | g  | timer                                   | int                    | *
173 | get_func_ip                    | g  | ctx                                     | int                    | syscall tracepoint raw_tracepoint kprobe perf_event
174 | get_attach_cookie              | .  | ctx                                     | int                    | tracepoint raw_tracepoint kprobe perf_event
175 | task_pt_regs                   | g  | ptr:task_struct                         | ptr:pt_regs            | *
176 | get_branch_snapshot            | g  | new, size0                              | int                    | *
177 | trace_vprintk                  | g  | in, size, in?, size0                    | int                    | *
178 | skc_to_unix_sock               | .  | anysock                                 | ptr:unix_sock?         | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
179 | kallsyms_lookup_name           | .  | in, size0, any, new[8]                  | int                    | syscall
180 | find_vma                       | .  | ptr:task_struct, any, func, stack?, any | int                    | *
181 | loop                           | .  | any, func, stack?, any                  | int                    | *
182 | strncmp                        | .  | in, size, str                           | int                    | *
183 | get_func_arg                   | .  | ctx, any, out[8]                        | int                    | -
184 | get_func_ret                   | .  | ctx, out[8]                             | int                    | -
185 | get_func_arg_cnt               | .  | ctx                                     | int                    | -
186 | get_retval                     | .  |                                         | int                    | cgroup_sock cgroup_sock_addr
187 | set_retval                     | .  | any                                     | int                    | cgroup_sock cgroup_sock_addr
188 | xdp_get_buff_len               | .  | ctx                                     | int                    | xdp syscall
189 | xdp_load_bytes                 | .  | ctx, any, new, size                     | int                    | xdp
190 | xdp_store_bytes                | .  | ctx, any, in, size                      | int                    | xdp
191 | copy_from_user_task            | gs | new, size0, any, ptr:task_struct, any   | int                    | *
192 | skb_set_tstamp                 | .  | ctx, any, any                           | int                    | sched_cls sched_act
193 | ima_file_hash                  | .  | ptr:file, out, size                     | int                    | -
194 | kptr_xchg                      | ar | kptr, ptr:any                           | kptr?                  | *
195 | map_lookup_percpu_elem         | .  | map, key/p, any                         | map_value?             | *
196 | skc_to_mptcp_sock              | k  | sock                                    | ptr:mptcp_sock?        | * but tracepoint raw_tracepoint kprobe perf_event cgroup_sock netfilter
197 | dynptr_from_mem                | .  | new, size0, any, dynptr-new:local       | int                    | *
198 | ringbuf_reserve_dynptr         | .  | map, any, any, dynptr-new:ringbuf       | int                    | *
199 | ringbuf_submit_dynptr          | r  | dynptr-end:ringbuf, any                 | void                   | *
200 | ringbuf_discard_dynptr         | r  | dynptr-end:ringbuf, any                 | void                   | *
201 | dynptr_read                    | .  | new, size0, dynptr:any, any, any        | int                    | *
202 | dynptr_write                   | .  | dynptr:any, any, in, size0, any         | int                    | *
203 | dynptr_data                    | .  | dynptr:any, any, alloc                  | mem?                   | *
204 | tcp_raw_gen_syncookie_ipv4     | g  | in[20]/p, in/p, size0                   | int                    | sched_cls sched_act xdp
205 | tcp_raw_gen_syncookie_ipv6     | g  | in[40]/p, in/p, size0                   | int                    | sched_cls sched_act xdp
206 | tcp_raw_check_syncookie_ipv4   | g  | in[20]/p, in[20]/p                      | int                    | sched_cls sched_act xdp
207 | tcp_raw_check_syncookie_ipv6   | g  | in[40]/p, in[20]/p                      | int                    | sched_cls sched_act xdp
208 | ktime_get_tai_ns               | .  |                                         | int                    | *
209 | user_ringbuf_drain             | .  | map, func, stack?, any                  | int                    | *
210 | cgrp_storage_get               | .  | map, ptr:cgroup?, value?, any           | map_value?             | *
211 | cgrp_storage_delete            | .  | map, ptr:cgroup?                        | int                    | *
`;

/** Helpers of the dialect `rfc`; they have no Linux number. */
const RFC_TABLE = `
65536 | timer_init | g | timer, func, any | int | *
65537 | timer_mod  | g | timer, any       | int | *
65538 | timer_del  | g | timer            | int | *
`;

/** Helpers that take other arguments in some program types, the last column (measured). */
const VARIANT_TABLE = `
17  | get_cgroup_classid | . |                   | int | * but sched_cls sched_act lwt_in lwt_out lwt_xmit lwt_seg6local
46  | get_socket_cookie  | . | anysock?          | int | syscall sk_reuseport
124 | sk_assign          | . | ctx, fullsock?, any | int | sk_lookup
188 | xdp_get_buff_len   | . | ptr:xdp_buff      | int | syscall
`;

export const RFC_TIMER_INIT = 65536;
export const RFC_TIMER_MOD = 65537;
export const RFC_TIMER_DEL = 65538;

/** Largest helper id of Linux 6.18. */
export const LAST_HELPER = 211;

/** Program types that were not measured: the measured type whose offer they share. */
const LIKE: Partial<Record<ProgTypeName, ProgTypeName>> = {
  lwt_in: "lwt_out",
  lwt_xmit: "lwt_out",
  lwt_seg6local: "lwt_out",
  raw_tracepoint_writable: "raw_tracepoint",
  cgroup_device: "cgroup_sock",
  cgroup_sysctl: "cgroup_sock",
  cgroup_sockopt: "cgroup_sock",
};

/** Helpers, by name without prefix, that these types have beside those of {@link LIKE} (from the helpers' documentation). */
const EXTRA: Partial<Record<ProgTypeName, readonly string[]>> = {
  lwt_in: ["lwt_push_encap"],
  lwt_xmit: [
    "lwt_push_encap",
    "skb_get_tunnel_key",
    "skb_set_tunnel_key",
    "skb_get_tunnel_opt",
    "skb_set_tunnel_opt",
    "redirect",
    "clone_redirect",
    "skb_change_tail",
    "skb_change_head",
    "skb_store_bytes",
    "csum_update",
    "csum_level",
    "l3_csum_replace",
    "l4_csum_replace",
    "set_hash_invalid",
  ],
  lwt_seg6local: ["lwt_seg6_store_bytes", "lwt_seg6_action", "lwt_seg6_adjust_srh"],
  cgroup_sysctl: [
    "sysctl_get_name",
    "sysctl_get_current_value",
    "sysctl_get_new_value",
    "sysctl_set_new_value",
    "get_local_storage",
    "set_retval",
    "get_retval",
  ],
  cgroup_device: ["get_local_storage", "set_retval", "get_retval"],
  cgroup_sockopt: ["get_local_storage", "set_retval", "get_retval", "sk_storage_get", "sk_storage_delete", "tcp_sock"],
  sk_msg: [
    "msg_redirect_map",
    "msg_redirect_hash",
    "msg_apply_bytes",
    "msg_cork_bytes",
    "msg_pull_data",
    "msg_push_data",
    "msg_pop_data",
    "get_netns_cookie",
    "sk_storage_get",
    "sk_storage_delete",
    "perf_event_output",
  ],
  sk_reuseport: ["sk_select_reuseport", "skb_load_bytes", "skb_load_bytes_relative", "get_socket_cookie"],
  tracing: ["seq_printf", "seq_write", "seq_printf_btf", "d_path", "sock_from_file", "get_func_arg", "get_func_ret"],
  lsm: ["d_path", "inode_storage_get", "inode_storage_delete", "ima_inode_hash", "ima_file_hash", "bprm_opts_set"],
};

/** Helpers that these types lack, though those of {@link LIKE} or all others have them (measured). */
const LACKS: Partial<Record<ProgTypeName, readonly string[]>> = {
  cgroup_device: ["sk_storage_get", "get_netns_cookie", "ktime_get_coarse_ns", "get_socket_cookie"],
  cgroup_sysctl: ["sk_storage_get", "get_netns_cookie", "get_socket_cookie"],
  cgroup_sockopt: ["ktime_get_coarse_ns", "get_socket_cookie"],
  sk_reuseport: [
    "perf_event_output",
    "skc_to_tcp6_sock",
    "skc_to_tcp_sock",
    "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock",
    "skc_to_udp6_sock",
    "skc_to_unix_sock",
    "skc_to_mptcp_sock",
  ],
};

function parseArg(text: string): HelperArgSpec {
  let word = text;
  const nullOk = word.endsWith("?");
  if (nullOk) word = word.slice(0, -1);
  const packetOk = word.endsWith("/p");
  if (packetOk) word = word.slice(0, -2);
  const spec = (arg: HelperArg, uninit = false): HelperArgSpec => ({ arg, nullOk, packetOk, uninit });
  const memory = /^(in|out|new)(?:\[(\d+)\])?$/.exec(word);
  if (memory) {
    const size = memory[2] === undefined ? "next" : Number(memory[2]);
    return spec({ kind: "mem", size, access: memory[1] === "in" ? "read" : "write" }, memory[1] === "new");
  }
  const colon = word.indexOf(":");
  if (colon >= 0) {
    const head = word.slice(0, colon);
    const tail = word.slice(colon + 1);
    if (head === "ptr") return spec({ kind: "btf", struct: tail });
    const role = head === "dynptr-new" ? "new" : head === "dynptr-end" ? "end" : "use";
    return spec({ kind: "dynptr", dynptr: tail, role });
  }
  switch (word) {
    case "size":
      return spec({ kind: "size", zero: false });
    case "size0":
      return spec({ kind: "size", zero: true });
    case "value-out":
      return spec({ kind: "value" }, true);
    default:
      return spec({ kind: word } as HelperArg);
  }
}

function parseReturn(text: string): HelperReturn {
  const nullable = text.endsWith("?");
  const word = nullable ? text.slice(0, -1) : text;
  const colon = word.indexOf(":");
  if (colon < 0) return { kind: word, nullable } as HelperReturn;
  return { kind: "btf", struct: word.slice(colon + 1), trusted: word.startsWith("trusted"), nullable };
}

function parseOffer(text: string, name: string): (type: ProgTypeName) => boolean {
  const words = text.split(" ");
  const all = words[0] === "*";
  const listed = new Set(words.slice(all ? 2 : 0));
  return (type) => {
    if (LACKS[type]?.includes(name)) return false;
    if (EXTRA[type]?.includes(name)) return true;
    return all !== listed.has(LIKE[type] ?? type);
  };
}

function parseTypes(text: string): (type: ProgTypeName) => boolean {
  const words = text.split(" ");
  const all = words[0] === "*";
  const listed = new Set(words.slice(all ? 2 : 0));
  return (type) => all !== listed.has(type);
}

function parseTable(table: string): Map<number, Helper> {
  const helpers = new Map<number, Helper>();
  for (const row of table.trim().split("\n")) {
    const [id, name, marks, args, ret, types] = row.split("|").map((cell) => cell.trim()) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    helpers.set(Number(id), {
      id: Number(id),
      name: `bpf_${name}`,
      gplOnly: marks.includes("g"),
      sleeps: marks.includes("s"),
      changesPacket: marks.includes("p"),
      acquires: marks.includes("a"),
      releases: marks.includes("r"),
      keepsReference: marks.includes("k"),
      args: args === "" ? [] : args.split(", ").map(parseArg),
      ret: parseReturn(ret),
      offered: parseOffer(types, name),
    });
  }
  return helpers;
}

const HELPERS: ReadonlyMap<number, Helper> = parseTable(TABLE);
const RFC_HELPERS: ReadonlyMap<number, Helper> = parseTable(RFC_TABLE);
const BY_NAME: ReadonlyMap<string, Helper> = new Map([...HELPERS.values()].map((h) => [h.name, h]));
const RFC_BY_NAME: ReadonlyMap<string, Helper> = new Map([...RFC_HELPERS.values()].map((h) => [h.name, h]));

/** Variants by number, with the types that see them. */
const VARIANTS: ReadonlyMap<number, { readonly sees: (type: ProgTypeName) => boolean; readonly helper: Helper }> =
  new Map(
    [...parseTable(VARIANT_TABLE)].map(([id, variant]) => {
      const row = VARIANT_TABLE.trim()
        .split("\n")
        .find((line) => Number(line.split("|")[0]) === id)!;
      const base = HELPERS.get(id)!;
      return [id, { sees: parseTypes(row.split("|").at(-1)!.trim()), helper: { ...variant, offered: base.offered } }];
    }),
  );

/** The helper as programs of this type (a value of `PROG_TYPES`) see it: a few take other arguments there. */
export function helperForProgram(id: number, progType: number): Helper | undefined {
  const variant = VARIANTS.get(id);
  const name = progTypeName(progType);
  return variant !== undefined && name !== undefined && variant.sees(name) ? variant.helper : helperById(id);
}

/** The helper with this number: 1..211 of Linux, from 65536 those of the dialect `rfc`. */
export function helperById(id: number): Helper | undefined {
  return HELPERS.get(id) ?? RFC_HELPERS.get(id);
}

/** The helper of this name, with its prefix `bpf_`. `rfc` finds the timer helpers of that dialect first. */
export function helperByName(name: string, rfc = false): Helper | undefined {
  return (rfc ? RFC_BY_NAME.get(name) : undefined) ?? BY_NAME.get(name);
}

/** All helpers of Linux in order of their numbers. */
export function linuxHelpers(): readonly Helper[] {
  return [...HELPERS.values()];
}

/** Whether programs of this type (a value of `PROG_TYPES`) may call the helper. */
export function isHelperOffered(helper: Helper, progType: number): boolean {
  const name = progTypeName(progType);
  return name !== undefined && helper.offered(name);
}
