import { pointSpan } from "../base/diagnostic.ts";
import { skipModifiersAndTypedefs, typeAt } from "../btf/layout.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import type { ExtRelocation } from "./btf-ext.ts";
import type { ObjectFile, Problems } from "./object-file.ts";

const BPF_CORE_TYPE_ID_LOCAL = 6;

/**
 * Types of the kernel's user-space interface: their layout is the same in every kernel, so the compiler's own offsets are
 * the kernel's.
 */
const STABLE_TYPES: ReadonlySet<string> = new Set([
  "__sk_buff",
  "xdp_md",
  "bpf_sock",
  "bpf_tcp_sock",
  "bpf_sock_tuple",
  "bpf_sock_ops",
  "bpf_sock_addr",
  "bpf_sysctl",
  "bpf_sockopt",
  "bpf_sk_lookup",
  "sk_msg_md",
  "sk_reuseport_md",
  "bpf_perf_event_data",
  "bpf_raw_tracepoint_args",
  "bpf_fib_lookup",
  "bpf_redir_neigh",
  "bpf_tunnel_key",
  "bpf_timer",
  "bpf_spin_lock",
  "bpf_wq",
  "bpf_dynptr",
  "bpf_list_head",
  "bpf_list_node",
  "bpf_rb_root",
  "bpf_rb_node",
  "bpf_refcount",
  "ethhdr",
  "iphdr",
  "ipv6hdr",
  "tcphdr",
  "udphdr",
  "icmphdr",
  "in_addr",
  "in6_addr",
  "vlan_hdr",
  "pt_regs",
]);

/**
 * Checks the object's CO-RE relocations. Those against types that are the same everywhere are right as compiled; any
 * other asks for the layout in the running kernel, which is not here: an error with its place in the source.
 */
export function checkCoreRelocations(object: ObjectFile, problems: Problems): void {
  if (object.btf === null) return;
  const reported = new Set<string>();
  for (const relocation of object.ext.relocations) {
    if (relocation.kind === BPF_CORE_TYPE_ID_LOCAL) continue;
    const { btf } = object.btf;
    const name = rootName(btf, relocation.type);
    if (name !== null && STABLE_TYPES.has(name)) continue;
    const what = fieldText(btf, relocation);
    if (reported.has(what)) continue;
    reported.add(what);
    const line = object.ext.lines
      .filter((l) => l.section === relocation.section && l.offset <= relocation.offset)
      .at(-1);
    problems.error(
      `CO-RE relocation of '${what}': it asks for the layout of a type in the running kernel, and the playground has no kernel types`,
      line && pointSpan(line.file, line.line, Math.max(1, line.column)),
    );
  }
}

/** Name without a flavour (`task_struct___old`). */
function rootName(btf: Btf, id: BtfId): string | null {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, id));
  return "name" in type ? (type.name.split("___", 1)[0] ?? null) : null;
}

/** `struct task_struct.pid`, `enum bpf_cmd::BPF_MAP_CREATE`. */
function fieldText(btf: Btf, relocation: ExtRelocation): string {
  let type = typeAt(btf, skipModifiersAndTypedefs(btf, relocation.type));
  const indices = relocation.access.split(":").map(Number);
  if (type.kind === "enum") return `enum ${type.name}::${type.values[indices[0] ?? 0]?.name ?? "?"}`;
  let text = "name" in type ? `${type.kind} ${type.name}` : type.kind;
  for (const index of indices.slice(1)) {
    if (type.kind === "struct" || type.kind === "union") {
      const member = type.members[index];
      if (member === undefined) break;
      if (member.name !== "") text += `.${member.name}`;
      type = typeAt(btf, skipModifiersAndTypedefs(btf, member.type));
    } else if (type.kind === "array") {
      text += `[${index}]`;
      type = typeAt(btf, skipModifiersAndTypedefs(btf, type.type));
    }
  }
  return text;
}
