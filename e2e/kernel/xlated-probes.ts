import { helperByName } from "../../src/engine/abi/helpers.ts";
import { MAP_TYPES, PROG_TYPES, type ProgTypeName } from "../../src/engine/abi/types.ts";
import { encodeInstructions, type Instruction } from "../../src/engine/isa/instruction.ts";
import type { VerifierMap, VerifierProgram } from "../../src/engine/verifier/types.ts";
import { FIRST_FD } from "./case-program.ts";
import type { KernelLoad } from "./kernel-judge.ts";

/**
 * Small programs that show one thing of the translated program each: which function a helper is in programs of a type, and how
 * a field of a context or socket is loaded.
 */
const BPF_F_SLEEPABLE = 16;

interface ProbeType {
  readonly type: ProgTypeName;
  readonly attach: number;
}

/** Each type with an attach type under which it can be loaded. */
export const PROBE_TYPES: readonly ProbeType[] = (
  [
    ["socket_filter", 0],
    ["sched_cls", 0],
    ["sched_act", 0],
    ["xdp", 0],
    ["cgroup_skb", 0],
    ["lwt_xmit", 0],
    ["lwt_in", 0],
    ["kprobe", 0],
    ["tracepoint", 0],
    ["raw_tracepoint", 0],
    ["perf_event", 0],
    ["syscall", 0],
    ["sock_ops", 0],
    ["sk_skb", 0],
    ["sk_msg", 0],
    ["sk_lookup", 36],
    ["sk_reuseport", 39],
    ["cgroup_sock", 2],
    ["cgroup_sock_addr", 10],
    ["flow_dissector", 0],
    ["cgroup_sysctl", 18],
    ["cgroup_sockopt", 21],
  ] as const
).map(([type, attach]) => ({ type, attach }));

const op = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const set = (reg: number, value: number): Instruction => op(0xb7, reg, 0, 0, value);
const move = (to: number, from: number): Instruction => op(0xbf, to, from);
const map = (reg: number, index: number): Instruction[] => [op(0x18, reg, 1, 0, index), op(0)];
const frame = (reg: number, offset: number): Instruction[] => [move(reg, 10), op(0x07, reg, 0, 0, offset)];
const call = (helper: string): Instruction => op(0x85, 0, 0, 0, helperByName(helper)?.id ?? 0);
const EXIT = op(0x95);
const CONTEXT = move(1, 6);
const LOOKUP = [CONTEXT, ...frame(2, -16), set(3, 12), set(4, -1), set(5, 0)];
const OPTION = [CONTEXT, set(2, 1), set(3, 7), ...frame(4, -8), set(5, 4)];
const SKB_BYTES = [CONTEXT, set(2, 0), ...frame(3, -8), set(4, 8)];

/** Maps that probes name: perf events, stack traces. */
const MAPS = [
  { type: MAP_TYPES.perf_event_array, keySize: 4, valueSize: 4, maxEntries: 4, flags: 0, name: "events" },
  { type: MAP_TYPES.stack_trace, keySize: 4, valueSize: 64, maxEntries: 4, flags: 0, name: "stacks" },
] as const;

/** Arguments of helpers whose function depends on the program's type; r6 is the context, the frame is written. */
export const PROBED_HELPERS: Readonly<Record<string, readonly Instruction[]>> = {
  bpf_perf_event_output: [CONTEXT, ...map(2, 0), op(0xb4, 3, 0, 0, -1), ...frame(4, -8), set(5, 8)],
  bpf_get_stackid: [CONTEXT, ...map(2, 1), set(3, 0)],
  bpf_get_stack: [CONTEXT, ...frame(2, -8), set(3, 8), set(4, 0)],
  bpf_sk_lookup_tcp: LOOKUP,
  bpf_sk_lookup_udp: LOOKUP,
  bpf_skc_lookup_tcp: LOOKUP,
  bpf_fib_lookup: [CONTEXT, ...frame(2, -64), set(3, 64), set(4, 0)],
  bpf_check_mtu: [CONTEXT, set(2, 0), ...frame(3, -8), set(4, 0), set(5, 0)],
  bpf_get_socket_cookie: [CONTEXT],
  bpf_get_netns_cookie: [CONTEXT],
  bpf_get_socket_uid: [CONTEXT],
  bpf_get_cgroup_classid: [CONTEXT],
  bpf_get_attach_cookie: [CONTEXT],
  bpf_get_func_ip: [CONTEXT],
  bpf_redirect: [set(1, 1), set(2, 0)],
  bpf_probe_read: [...frame(1, -8), set(2, 8), set(3, 0)],
  bpf_probe_read_str: [...frame(1, -8), set(2, 8), set(3, 0)],
  bpf_setsockopt: OPTION,
  bpf_getsockopt: OPTION,
  bpf_skb_load_bytes: SKB_BYTES,
  bpf_skb_load_bytes_relative: [...SKB_BYTES, set(5, 0)],
  bpf_skb_pull_data: [CONTEXT, set(2, 0)],
  bpf_skb_change_tail: [CONTEXT, set(2, 64), set(3, 0)],
  bpf_skb_change_head: [CONTEXT, set(2, 0), set(3, 0)],
  bpf_skb_adjust_room: [CONTEXT, set(2, 0), set(3, 0), set(4, 0)],
  bpf_lwt_push_encap: [CONTEXT, set(2, 0), ...frame(3, -8), set(4, 8)],
  bpf_load_hdr_opt: [CONTEXT, ...frame(2, -8), set(3, 8), set(4, 0)],
  bpf_store_hdr_opt: [CONTEXT, ...frame(2, -8), set(3, 8), set(4, 0)],
  bpf_sk_assign: [CONTEXT, set(2, 0), set(3, 0)],
};

/** A program that calls a helper; what it may have to give back is given back. `result`: what it returns. */
export function helperProbe(helper: string, result: number): readonly Instruction[] {
  const frameWords = Array.from({ length: 10 }, (_, i) => op(0x7a, 10, 0, -8 * (i + 1), 0));
  const release = /lookup_(tcp|udp)$/.test(helper) ? [op(0x15, 0, 0, 2, 0), move(1, 0), call("bpf_sk_release")] : [];
  const args = PROBED_HELPERS[helper] ?? [];
  return [move(6, 1), ...frameWords, ...args, call(helper), ...release, set(0, result), EXIT];
}

export type FieldOwner = "context" | "socket" | "tcp-socket";

/** What leads to the structure: `r1`. */
const WAYS: Readonly<Record<FieldOwner, readonly Instruction[]>> = {
  context: [],
  socket: wayTo("bpf_sk_fullsock"),
  "tcp-socket": wayTo("bpf_tcp_sock"),
};

function wayTo(helper: string): Instruction[] {
  const stopAtNull = (reg: number): Instruction[] => [op(0x55, reg, 0, 2, 0), set(0, 0), EXIT];
  return [op(0x79, 1, 1, 168), ...stopAtNull(1), call(helper), ...stopAtNull(0), move(1, 0)];
}

const SIZE_BITS: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

export function fieldProbe(owner: FieldOwner, offset: number, size: number): readonly Instruction[] {
  return [...WAYS[owner], op(0x61 | (SIZE_BITS[size] as number), 0, 1, offset), set(0, 1), EXIT];
}

/** The lines of a dump that stand for the load itself, without their numbers. */
export function fieldLines(owner: FieldOwner, dump: readonly string[]): string {
  const lines = dump.map((line) => line.trim().replace(/^\d+: /, ""));
  const from = owner === "context" ? 0 : lines.findIndex((line) => line.endsWith("r1 = r0")) + 1;
  return lines.slice(from, -2).join("; ");
}

/** The function that a dump calls for a helper; null when the call was inlined. */
export function calledFunction(dump: readonly string[]): string | null {
  const names = dump.flatMap((line) => /call ([a-z]\w+)/.exec(line)?.[1] ?? []);
  return names.find((name) => name !== "bpf_sk_release") ?? null;
}

export function kernelProbe({ type, attach }: ProbeType, insns: readonly Instruction[]): KernelLoad {
  return {
    btfs: [],
    maps: MAPS,
    type: PROG_TYPES[type],
    insns: encodeInstructions(insns),
    license: "GPL",
    name: "probe",
    flags: type === "syscall" ? BPF_F_SLEEPABLE : 0,
    expectedAttachType: attach,
    logLevel: 0,
    dump: true,
  };
}

export function ourProbe({ type, attach }: ProbeType, insns: readonly Instruction[]): VerifierProgram {
  return {
    name: "probe",
    type: PROG_TYPES[type],
    expectedAttachType: attach,
    flags: type === "syscall" ? BPF_F_SLEEPABLE : 0,
    license: "GPL",
    insns: insns.map((insn) => (insn.opcode === 0x18 ? { ...insn, imm: insn.imm + FIRST_FD } : insn)),
    btf: null,
    functions: null,
    lines: null,
    kfuncs: new Map(),
    dialect: "linux",
  };
}

/** The maps as our verifier is given them, by fd. */
export function probeMap(fd: number): VerifierMap | "EBADF" {
  const spec = MAPS[fd - FIRST_FD];
  if (spec === undefined) return "EBADF";
  const base = { btf: null, keyType: 0, valueType: 0, frozen: false, inner: null, readConstant: () => null };
  return { ...spec, ...base, id: fd };
}

/** What was recorded: helper -> type -> function; owner or type -> `offset size` -> the load's lines. */
export interface RecordedProbes {
  readonly kernel: string;
  readonly helpers: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly fields: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Structures whose fields are probed: by type for contexts, through cgroup_skb for sockets. */
export const FIELD_OWNERS: readonly { readonly name: string; readonly owner: FieldOwner; readonly of: ProbeType }[] = [
  // Others share the table of one of these, or have contexts that stay as they are.
  ...PROBE_TYPES.filter(({ type }) =>
    /^(socket_filter|sched_cls|xdp|perf_event|sock_ops|sk_|cgroup_so|cgroup_sy|flow)/.test(type),
  ).map((of) => ({ name: of.type, owner: "context" as const, of })),
  { name: "socket", owner: "socket", of: { type: "cgroup_skb", attach: 0 } },
  { name: "tcp-socket", owner: "tcp-socket", of: { type: "cgroup_skb", attach: 0 } },
];
/** bytes; the largest context */
export const LAST_FIELD = 224;
