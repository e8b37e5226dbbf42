import { PROG_TYPES } from "../abi/types.ts";

/** What the name of a program's section tells, as libbpf reads it. */
export interface SectionMeaning {
  /** A value of `PROG_TYPES`. */
  readonly type: number;
  readonly attachType: number;
  readonly flags: number;
}

export const BPF_F_SLEEPABLE = 1 << 4;
export const BPF_F_XDP_HAS_FRAGS = 1 << 5;

type Row = readonly [name: string, type: keyof typeof PROG_TYPES, attachType: number, flags?: number];

/**
 * Names and attach types of libbpf 1.x (its documentation, "Program Types and ELF Sections"). A name that ends in `+` may
 * stand alone or be followed by `/` and an attach target; any other must match exactly.
 */
const ROWS: readonly Row[] = [
  ["socket", "socket_filter", 0],
  ["sk_reuseport/migrate", "sk_reuseport", 40],
  ["sk_reuseport", "sk_reuseport", 39],
  ["kprobe+", "kprobe", 0],
  ["uprobe+", "kprobe", 0],
  ["uprobe.s+", "kprobe", 0, BPF_F_SLEEPABLE],
  ["kretprobe+", "kprobe", 0],
  ["uretprobe+", "kprobe", 0],
  ["uretprobe.s+", "kprobe", 0, BPF_F_SLEEPABLE],
  ["kprobe.multi+", "kprobe", 42],
  ["kretprobe.multi+", "kprobe", 42],
  ["kprobe.session+", "kprobe", 56],
  ["uprobe.multi+", "kprobe", 48],
  ["uretprobe.multi+", "kprobe", 48],
  ["uprobe.multi.s+", "kprobe", 48, BPF_F_SLEEPABLE],
  ["uretprobe.multi.s+", "kprobe", 48, BPF_F_SLEEPABLE],
  ["ksyscall+", "kprobe", 0],
  ["kretsyscall+", "kprobe", 0],
  ["usdt+", "kprobe", 0],
  ["usdt.s+", "kprobe", 0, BPF_F_SLEEPABLE],
  ["tc/ingress", "sched_cls", 46],
  ["tc/egress", "sched_cls", 47],
  ["tcx/ingress", "sched_cls", 46],
  ["tcx/egress", "sched_cls", 47],
  ["netkit/primary", "sched_cls", 54],
  ["netkit/peer", "sched_cls", 55],
  ["tc", "sched_cls", 0],
  ["classifier", "sched_cls", 0],
  ["action", "sched_act", 0],
  ["tracepoint+", "tracepoint", 0],
  ["tp+", "tracepoint", 0],
  ["raw_tracepoint+", "raw_tracepoint", 0],
  ["raw_tp+", "raw_tracepoint", 0],
  ["raw_tracepoint.w+", "raw_tracepoint_writable", 0],
  ["raw_tp.w+", "raw_tracepoint_writable", 0],
  ["tp_btf+", "tracing", 23],
  ["fentry+", "tracing", 24],
  ["fmod_ret+", "tracing", 26],
  ["fexit+", "tracing", 25],
  ["fentry.s+", "tracing", 24, BPF_F_SLEEPABLE],
  ["fmod_ret.s+", "tracing", 26, BPF_F_SLEEPABLE],
  ["fexit.s+", "tracing", 25, BPF_F_SLEEPABLE],
  ["freplace+", "ext", 0],
  ["lsm+", "lsm", 27],
  ["lsm.s+", "lsm", 27, BPF_F_SLEEPABLE],
  ["lsm_cgroup+", "lsm", 43],
  ["iter+", "tracing", 28],
  ["iter.s+", "tracing", 28, BPF_F_SLEEPABLE],
  ["syscall", "syscall", 0, BPF_F_SLEEPABLE],
  ["xdp.frags/devmap", "xdp", 33, BPF_F_XDP_HAS_FRAGS],
  ["xdp/devmap", "xdp", 33],
  ["xdp.frags/cpumap", "xdp", 35, BPF_F_XDP_HAS_FRAGS],
  ["xdp/cpumap", "xdp", 35],
  ["xdp.frags", "xdp", 37, BPF_F_XDP_HAS_FRAGS],
  ["xdp", "xdp", 37],
  ["perf_event", "perf_event", 0],
  ["lwt_in", "lwt_in", 0],
  ["lwt_out", "lwt_out", 0],
  ["lwt_xmit", "lwt_xmit", 0],
  ["lwt_seg6local", "lwt_seg6local", 0],
  ["sockops", "sock_ops", 3],
  ["sk_skb/stream_parser", "sk_skb", 4],
  ["sk_skb/stream_verdict", "sk_skb", 5],
  ["sk_skb/verdict", "sk_skb", 38],
  ["sk_skb", "sk_skb", 0],
  ["sk_msg", "sk_msg", 7],
  ["lirc_mode2", "lirc_mode2", 16],
  ["flow_dissector", "flow_dissector", 17],
  ["cgroup_skb/ingress", "cgroup_skb", 0],
  ["cgroup_skb/egress", "cgroup_skb", 1],
  ["cgroup/skb", "cgroup_skb", 0],
  ["cgroup/sock_create", "cgroup_sock", 2],
  ["cgroup/sock_release", "cgroup_sock", 34],
  ["cgroup/sock", "cgroup_sock", 2],
  ["cgroup/post_bind4", "cgroup_sock", 12],
  ["cgroup/post_bind6", "cgroup_sock", 13],
  ["cgroup/bind4", "cgroup_sock_addr", 8],
  ["cgroup/bind6", "cgroup_sock_addr", 9],
  ["cgroup/connect4", "cgroup_sock_addr", 10],
  ["cgroup/connect6", "cgroup_sock_addr", 11],
  ["cgroup/connect_unix", "cgroup_sock_addr", 49],
  ["cgroup/sendmsg4", "cgroup_sock_addr", 14],
  ["cgroup/sendmsg6", "cgroup_sock_addr", 15],
  ["cgroup/sendmsg_unix", "cgroup_sock_addr", 50],
  ["cgroup/recvmsg4", "cgroup_sock_addr", 19],
  ["cgroup/recvmsg6", "cgroup_sock_addr", 20],
  ["cgroup/recvmsg_unix", "cgroup_sock_addr", 51],
  ["cgroup/getpeername4", "cgroup_sock_addr", 29],
  ["cgroup/getpeername6", "cgroup_sock_addr", 30],
  ["cgroup/getpeername_unix", "cgroup_sock_addr", 52],
  ["cgroup/getsockname4", "cgroup_sock_addr", 31],
  ["cgroup/getsockname6", "cgroup_sock_addr", 32],
  ["cgroup/getsockname_unix", "cgroup_sock_addr", 53],
  ["cgroup/sysctl", "cgroup_sysctl", 18],
  ["cgroup/getsockopt", "cgroup_sockopt", 21],
  ["cgroup/setsockopt", "cgroup_sockopt", 22],
  ["cgroup/dev", "cgroup_device", 6],
  ["struct_ops+", "struct_ops", 0],
  ["struct_ops.s+", "struct_ops", 0, BPF_F_SLEEPABLE],
  ["sk_lookup", "sk_lookup", 36],
  ["netfilter", "netfilter", 45],
  /** Callback program of a timer map; only in the dialect `timer-map`. */
  ["timer", "timer", 0],
];

/** Meaning of `section` without a leading `?`; null when libbpf knows no such name. */
export function sectionMeaning(section: string): SectionMeaning | null {
  for (const [pattern, type, attachType, flags] of ROWS) {
    const open = pattern.endsWith("+");
    const name = open ? pattern.slice(0, -1) : pattern;
    if (section === name || (open && section.startsWith(`${name}/`))) {
      return { type: PROG_TYPES[type], attachType, flags: flags ?? 0 };
    }
  }
  return null;
}
