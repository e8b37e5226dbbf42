import type { ProgTypeName } from "./types.ts";
import { progTypeName } from "./types.ts";

/** A pointer that a load from a context yields. */
export type ContextPointer =
  | "pkt"
  | "pkt_end"
  | "pkt_meta"
  | "flow_keys"
  | "sock"
  | "sock_or_null"
  | "sock_common_or_null"
  | "tp_buffer"
  | "nf_hook_state"
  | "sk_buff";

export interface ContextField {
  readonly name: string;
  /** bytes from the start of the context */
  readonly off: number;
  /** bytes; an array field is one field */
  readonly size: number;
  readonly pointer: ContextPointer | null;
  /** Loads (stores) allowed: for each access size the offsets within the field, or every aligned one. */
  readonly loads: readonly AccessRule[];
  readonly stores: readonly AccessRule[];
}

export interface AccessRule {
  readonly size: number;
  readonly at: "aligned" | readonly number[];
}

/** What a program of one type sees behind its first argument. */
export interface ContextLayout {
  /** C type, `struct __sk_buff`. */
  readonly type: string;
  /** bytes */
  readonly size: number;
  readonly fields: readonly ContextField[];
  /**
   * Contexts that are plain memory: any aligned access of up to 8 bytes in [start, end); `negative` accepts every
   * aligned negative offset, as this kernel does for tracepoints.
   */
  readonly flat: {
    readonly start: number;
    readonly end: number;
    readonly write: boolean;
    readonly negative: boolean;
  } | null;
}

/** A column of the `__sk_buff` table. */
type SkbColumn = "socket_filter" | "tc" | "cgroup_skb" | "lwt" | "sk_skb" | "flow_dissector";
const SKB_COLUMNS: readonly SkbColumn[] = ["socket_filter", "tc", "cgroup_skb", "lwt", "sk_skb", "flow_dissector"];

/**
 * `struct __sk_buff` on Linux 6.18, measured. Columns: offset, name, bytes, loads, stores, rights by program type in the order of
 * {@link SKB_COLUMNS} (r read, w read and write, - none), pointer. Access sizes: `1*` at every offset aligned to the size, `2` at
 * 0 only, `8@0,8` at those offsets of the field; `narrow` is `1* 2* 4`.
 */
const SKB = `
0   len             4  narrow    .          rrrrr-
4   pkt_type        4  narrow    .          rrrrr-
8   mark            4  narrow    4          rwww--
12  queue_mapping   4  narrow    4          rwrrr-
16  protocol        4  narrow    .          rrrrr-
20  vlan_present    4  narrow    .          rrrrr-
24  vlan_tci        4  narrow    .          rrrrr-
28  vlan_proto      4  narrow    .          rrrrr-
32  priority        4  narrow    4          rwwww-
36  ingress_ifindex 4  narrow    .          rrrrr-
40  ifindex         4  narrow    .          rrrrr-
44  tc_index        4  narrow    4          rwrrw-
48  cb              20 1*,2*,4*,8@0/8 1*,2*,4*,8@0/8 wwwwr-
68  hash            4  narrow    .          rrrrr-
72  tc_classid      4  narrow    4          -w----
76  data            4  4         .          -rrrrr pkt
80  data_end        4  4         .          -rrrrr pkt_end
84  napi_id         4  narrow    .          rrrrr-
88  family          4  narrow    .          --r-r-
92  remote_ip4      4  4         .          --r-r-
96  local_ip4       4  4         .          --r-r-
100 remote_ip6      16 4*        .          --r-r-
116 local_ip6       16 4*        .          --r-r-
132 remote_port     4  narrow    .          --r-r-
136 local_port      4  narrow    .          --r-r-
140 data_meta       4  4         .          -r---- pkt_meta
144 flow_keys       8  8         .          -----r flow_keys
152 tstamp          8  8         8          -ww---
160 wire_len        4  narrow    .          -r----
164 gso_segs        4  narrow    .          rrrrr-
168 sk              8  8         .          rrrrr- sock_common_or_null
176 gso_size        4  narrow    .          rrrrr-
180 tstamp_type     1  1         .          -r----
184 hwtstamp        8  8         .          -rr---
`;

const XDP = `
0  data            4 4 . pkt
4  data_end        4 4 . pkt_end
8  data_meta       4 4 . pkt_meta
12 ingress_ifindex 4 4 .
16 rx_queue_index  4 4 .
`;
const XDP_EGRESS = `
20 egress_ifindex  4 4 .
`;

const SOCK_OPS = `
0   op                   4  4    .
4   args                 16 4*   4@0
20  family               4  4    .
24  remote_ip4           4  4    .
28  local_ip4            4  4    .
32  remote_ip6           16 4*   .
48  local_ip6            16 4*   .
64  remote_port          4  4    .
68  local_port           4  4    .
72  is_fullsock          4  4    .
76  snd_cwnd             4  4    .
80  srtt_us              4  4    .
84  bpf_sock_ops_cb_flags 4 4    .
88  state                4  4    .
92  rtt_min              4  4    .
96  snd_ssthresh         4  4    .
100 rcv_nxt              4  4    .
104 snd_nxt              4  4    .
108 snd_una              4  4    .
112 mss_cache            4  4    .
116 ecn_flags            4  4    .
120 rate_delivered       4  4    .
124 rate_interval_us     4  4    .
128 packets_out          4  4    .
132 retrans_out          4  4    .
136 total_retrans        4  4    .
140 segs_in              4  4    .
144 data_segs_in         4  4    .
148 segs_out             4  4    .
152 data_segs_out        4  4    .
156 lost_out             4  4    .
160 sacked_out           4  4    .
164 sk_txhash            4  4    4
168 bytes_received       8  8    .
176 bytes_acked          8  8    .
184 sk                   8  8    . sock_or_null
192 skb_data             8  8    . pkt
200 skb_data_end         8  8    . pkt_end
208 skb_len              4  4    .
212 skb_tcp_flags        4  1,2,4 .
216 skb_hwtstamp         8  8    .
`;

const SK_MSG = `
0  data        8  8  . pkt
8  data_end    8  8  . pkt_end
16 family      4  4  .
20 remote_ip4  4  4  .
24 local_ip4   4  4  .
28 remote_ip6  16 4* .
44 local_ip6   16 4* .
60 remote_port 4  4  .
64 local_port  4  4  .
68 size        4  4  .
72 sk          8  8  . sock
`;

const SOCK_COMMON_PART = `
4  family   4  1,2,4 .
8  type     4  1,2,4 .
12 protocol 4  1,2,4 .
48 dst_port 2  1*,2,4  .
52 dst_ip4  4  narrow .
56 dst_ip6  16 1*,2*,4* .
72 state    4  1,2,4 .
76 rx_queue_mapping 4 1,2,4 .
`;
const SOCK_CREATE = `
0  bound_dev_if 4 4 4
16 mark         4 4 4
20 priority     4 4 4
`;
const SOCK_BIND4 = `
24 src_ip4  4  narrow .
44 src_port 4  1,2,4 .
`;
const SOCK_BIND6 = `
28 src_ip6  16 1*,2*,4* .
44 src_port 4  1,2,4 .
`;

const SOCK_ADDR = `
0  user_family 4 4 .
24 user_port   4 narrow 4
28 family      4 4 .
32 type        4 4 .
36 protocol    4 4 .
64 sk          8 8 . sock
`;
const SOCK_ADDR_V4 = `
4  user_ip4    4 narrow 4
`;
const SOCK_ADDR_V6 = `
8  user_ip6    16 1*,2*,4*,8* 4*,8*
`;
const SOCK_ADDR_SEND4 = `
40 msg_src_ip4 4 narrow 4
`;
const SOCK_ADDR_SEND6 = `
44 msg_src_ip6 16 1*,2*,4*,8@4 4*,8@4
`;

const CGROUP_DEVICE = `
0 access_type 4 narrow .
4 major       4 4 .
8 minor       4 4 .
`;

const SOCKOPT_COMMON = `
0  sk         8 8 . sock
8  optval     8 8 . pkt
16 optval_end 8 8 . pkt_end
`;
const SOCKOPT_GET = `
24 level   4 4 .
28 optname 4 4 .
32 optlen  4 4 4
36 retval  4 4 4
`;
const SOCKOPT_SET = `
24 level   4 4 4
28 optname 4 4 4
32 optlen  4 4 4
`;

const CGROUP_SYSCTL = `
0 write    4 narrow .
4 file_pos 4 narrow 4
`;

const SK_LOOKUP = `
0  sk              8 8 . sock_or_null
8  family          4 narrow .
12 protocol        4 narrow .
16 remote_ip4      4 narrow .
20 remote_ip6      16 1*,2*,4* .
36 remote_port     4 narrow .
40 local_ip4       4 narrow .
44 local_ip6       16 1*,2*,4* .
60 local_port      4 narrow .
64 ingress_ifindex 4 narrow .
`;

const SK_REUSEPORT = `
0  data         8 8 . pkt
8  data_end     8 8 . pkt_end
16 len          4 narrow .
20 eth_protocol 4 2*,4 .
24 ip_protocol  4 narrow .
28 bind_inany   4 narrow .
32 hash         4 4 .
40 sk           8 8 . sock
48 migrating_sk 8 8 . sock_common_or_null
`;

const NETFILTER = `
0 state 8 8 . nf_hook_state
8 skb   8 8 . sk_buff
`;

const PERF_EVENT = `
0   regs          168 8* .
168 sample_period 8   1*,2*,4*,8 .
176 addr          8   1*,2*,4*,8 .
`;

const PT_REGS = `
0   r15 8 1*,2*,4*,8 .
8   r14 8 1*,2*,4*,8 .
16  r13 8 1*,2*,4*,8 .
24  r12 8 1*,2*,4*,8 .
32  bp  8 1*,2*,4*,8 .
40  bx  8 1*,2*,4*,8 .
48  r11 8 1*,2*,4*,8 .
56  r10 8 1*,2*,4*,8 .
64  r9  8 1*,2*,4*,8 .
72  r8  8 1*,2*,4*,8 .
80  ax  8 1*,2*,4*,8 .
88  cx  8 1*,2*,4*,8 .
96  dx  8 1*,2*,4*,8 .
104 si  8 1*,2*,4*,8 .
112 di  8 1*,2*,4*,8 .
120 orig_ax 8 1*,2*,4*,8 .
128 ip  8 1*,2*,4*,8 .
136 cs  8 1*,2*,4*,8 .
144 flags 8 1*,2*,4*,8 .
152 sp  8 1*,2*,4*,8 .
160 ss  8 1*,2*,4*,8 .
`;

const RAW_TRACEPOINT_WRITABLE = `
0 args0 8 8 . tp_buffer
`;

function parseRules(text: string): AccessRule[] {
  if (text === ".") return [];
  if (text === "narrow") return parseRules("1*,2*,4");
  return text.split(",").map((word): AccessRule => {
    if (word.endsWith("*")) return { size: Number(word.slice(0, -1)), at: "aligned" };
    const [size, at] = word.split("@");
    return { size: Number(size), at: at === undefined ? [0] : at.split("/").map(Number) };
  });
}

function parseFields(...tables: readonly string[]): ContextField[] {
  return tables
    .flatMap((table) => table.trim().split("\n"))
    .map((row): ContextField => {
      const [off, name, size, loads, stores, pointer] = row.trim().split(/\s+/);
      return {
        name: name!,
        off: Number(off),
        size: Number(size),
        pointer: (pointer as ContextPointer | undefined) ?? null,
        loads: parseRules(loads!),
        stores: parseRules(stores!),
      };
    });
}

function parseSkb(column: SkbColumn): ContextField[] {
  const at = SKB_COLUMNS.indexOf(column);
  const fields: ContextField[] = [];
  for (const row of SKB.trim().split("\n")) {
    const [off, name, size, loads, stores, rights, pointer] = row.trim().split(/\s+/);
    const right = rights![at]!;
    if (right === "-") continue;
    fields.push({
      name: name!,
      off: Number(off),
      size: Number(size),
      pointer: (pointer as ContextPointer | undefined) ?? null,
      loads: parseRules(loads!),
      stores: right === "w" ? parseRules(stores!) : [],
    });
  }
  return fields;
}

const skb = (column: SkbColumn): ContextLayout => structure("struct __sk_buff", 192, parseSkb(column));

function structure(type: string, size: number, fields: readonly ContextField[]): ContextLayout {
  return { type, size, fields, flat: null };
}

/** Expected attach types that change a context's layout. */
const XDP_DEVMAP = 33;
const INET4_POST_BIND = 12;
const INET6_POST_BIND = 13;
const UDP4_SENDMSG = 14;
const UDP6_SENDMSG = 15;
/** Hooks of cgroup_sock_addr for IPv6: bind, connect, sendmsg, recvmsg, getpeername, getsockname. */
const V6_HOOKS: ReadonlySet<number> = new Set([9, 11, 15, 20, 30, 32]);
const GETSOCKOPT = 21;

function buildLayout(type: ProgTypeName, attach: number): ContextLayout {
  switch (type) {
    case "socket_filter":
      return skb("socket_filter");
    case "sched_cls":
    case "sched_act":
      return skb("tc");
    case "cgroup_skb":
      return skb("cgroup_skb");
    case "lwt_in":
    case "lwt_out":
    case "lwt_xmit":
    case "lwt_seg6local":
      return skb("lwt");
    case "sk_skb":
      return skb("sk_skb");
    case "flow_dissector":
      return skb("flow_dissector");
    case "xdp":
      return structure("struct xdp_md", 24, attach === XDP_DEVMAP ? parseFields(XDP, XDP_EGRESS) : parseFields(XDP));
    case "kprobe":
      return structure("struct pt_regs", 168, parseFields(PT_REGS));
    case "tracepoint":
      return { type: "void", size: 8192, fields: [], flat: { start: 8, end: 8192, write: false, negative: true } };
    case "raw_tracepoint":
      return {
        type: "struct bpf_raw_tracepoint_args",
        size: 96,
        fields: [],
        flat: { start: 0, end: 96, write: false, negative: false },
      };
    case "raw_tracepoint_writable":
      return {
        type: "struct bpf_raw_tracepoint_args",
        size: 96,
        fields: parseFields(RAW_TRACEPOINT_WRITABLE),
        flat: { start: 0, end: 96, write: false, negative: false },
      };
    case "perf_event":
      return structure("struct bpf_perf_event_data", 184, parseFields(PERF_EVENT));
    case "syscall":
      return { type: "void", size: 65536, fields: [], flat: { start: 0, end: 65536, write: true, negative: false } };
    case "sock_ops":
      return structure("struct bpf_sock_ops", 224, parseFields(SOCK_OPS));
    case "sk_msg":
      return structure("struct sk_msg_md", 80, parseFields(SK_MSG));
    case "cgroup_sock": {
      if (attach === INET4_POST_BIND)
        return structure("struct bpf_sock", 80, parseFields(SOCK_COMMON_PART, SOCK_BIND4));
      if (attach === INET6_POST_BIND)
        return structure("struct bpf_sock", 80, parseFields(SOCK_COMMON_PART, SOCK_BIND6));
      return structure("struct bpf_sock", 80, parseFields(SOCK_COMMON_PART, SOCK_CREATE));
    }
    case "cgroup_sock_addr": {
      const parts = [SOCK_ADDR, V6_HOOKS.has(attach) ? SOCK_ADDR_V6 : SOCK_ADDR_V4];
      if (attach === UDP4_SENDMSG) parts.push(SOCK_ADDR_SEND4);
      if (attach === UDP6_SENDMSG) parts.push(SOCK_ADDR_SEND6);
      return structure("struct bpf_sock_addr", 72, parseFields(...parts));
    }
    case "cgroup_device":
      return structure("struct bpf_cgroup_dev_ctx", 12, parseFields(CGROUP_DEVICE));
    case "cgroup_sockopt":
      return structure(
        "struct bpf_sockopt",
        40,
        parseFields(SOCKOPT_COMMON, attach === GETSOCKOPT ? SOCKOPT_GET : SOCKOPT_SET),
      );
    case "cgroup_sysctl":
      return structure("struct bpf_sysctl", 8, parseFields(CGROUP_SYSCTL));
    case "sk_lookup":
      return structure("struct bpf_sk_lookup", 72, parseFields(SK_LOOKUP));
    case "sk_reuseport":
      return structure("struct sk_reuseport_md", 56, parseFields(SK_REUSEPORT));
    case "netfilter":
      return structure("struct bpf_nf_ctx", 16, parseFields(NETFILTER));
    default:
      // Tracing and struct_ops contexts depend on the attach target, which is not modelled; the timer map's programs get none.
      return structure("void", 0, []);
  }
}

/** Layout of the context of a program type (a value of `PROG_TYPES`) under an expected attach type. */
export function contextLayout(progType: number, expectedAttachType: number): ContextLayout {
  const type = progTypeName(progType);
  return type === undefined ? structure("void", 0, []) : buildLayout(type, expectedAttachType);
}

/** The outcome of an access of `size` bytes at `off` through an unmodified context pointer. */
export type ContextAccess = { readonly ok: true; readonly pointer: ContextPointer | null } | { readonly ok: false };

const REFUSED: ContextAccess = { ok: false };
const SCALAR: ContextAccess = { ok: true, pointer: null };

function allows(rules: readonly AccessRule[], within: number, size: number): boolean {
  return rules.some((r) => r.size === size && (r.at === "aligned" ? within % size === 0 : r.at.includes(within)));
}

/** Judges a load or store by the program type's table (measured on Linux 6.18). */
export function checkContextAccess(layout: ContextLayout, off: number, size: number, write: boolean): ContextAccess {
  for (const field of layout.fields) {
    // A two-byte port may be loaded with the two bytes that follow it, for programs of older headers.
    if (off < field.off || off >= field.off + Math.max(field.size, off === field.off ? size : 0)) continue;
    if (!allows(write ? field.stores : field.loads, off - field.off, size)) {
      // In plain memory a field matters only where it begins.
      if (layout.flat === null || off === field.off) return REFUSED;
      break;
    }
    if (off + size > field.off + Math.max(field.size, 4)) return REFUSED;
    return write || field.pointer === null ? SCALAR : { ok: true, pointer: field.pointer };
  }
  const flat = layout.flat;
  if (flat === null || off % size !== 0 || (write && !flat.write)) return REFUSED;
  if (off >= flat.start && off + size <= flat.end) return SCALAR;
  return flat.negative && off < 0 ? SCALAR : REFUSED;
}

/** Direct packet access by program type: through a pointer loaded from the context. */
export function packetAccess(progType: number): "none" | "read" | "write" {
  switch (progTypeName(progType)) {
    case "lwt_in":
    case "lwt_out":
    case "lwt_seg6local":
    case "cgroup_skb":
    case "flow_dissector":
    case "sk_reuseport":
    case "sock_ops":
      return "read";
    case "sched_cls":
    case "sched_act":
    case "xdp":
    case "lwt_xmit":
    case "sk_skb":
    case "sk_msg":
    case "cgroup_sockopt":
      return "write";
    default:
      return "none";
  }
}
