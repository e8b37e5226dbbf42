import { type ProgTypeName, progTypeName } from "../../abi/types.ts";
import {
  BPF_ADD,
  BPF_AND,
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_JEQ,
  BPF_JGE,
  BPF_JNE,
  BPF_JSET,
  BPF_LDX,
  BPF_LSH,
  BPF_MEMSX,
  BPF_MOV,
  BPF_RSH,
  BPF_STX,
  BPF_SUB,
  BPF_W,
  BPF_XOR,
  CLASS_MASK,
  MODE_MASK,
  SIZE_MASK,
  sizeInBytes,
} from "../../isa/opcodes.ts";
import { PTR_TO_CTX, PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK } from "../register.ts";
import type { VerifierProgram } from "../types.ts";
import { Expansion, type Op, R11 } from "./op.ts";
import {
  FLOW_KEYS,
  SK_LOOKUP,
  SK_MSG,
  SK_REUSEPORT,
  SK_SKB_CHANGES,
  SOCK_ADDR,
  SOCK_OPS,
  SOCKET,
  SOCKOPT,
  SYSCTL,
  TCP_SOCKET,
} from "./socket-fields.ts";

/** Size bits of an opcode by the words of the tables below. */
const SIZES: Readonly<Record<string, number>> = { u8: BPF_B, u16: BPF_H, u32: BPF_W, u64: BPF_DW };
const BYTES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };

/**
 * Where the fields of a context lie in the kernel's own structures (Linux 6.18, measured by dumping programs of one load). Columns: offset,
 * bytes, how it is loaded, how it is stored. A load is a chain from the context: `u32@112` loads, `^u64@0` from the context again, `0?` stops at a null pointer, `&7` masks, `<<16`
 * shifts, `bool` gives 1 for what is not 0, `>=257` gives 0 for less, `info` finds the packet's shared information, `own@40` loads as many
 * bytes as were asked for, `zero` is 0, `queue` tells that there is none, `end` leaves off what is not in the linear part. A store is
 * `u32@164`; `raw` leaves the access as it is.
 */
const SKB = `
0   4  u32@112                .
4   4  u8@128,&7              .
8   4  u32@164                u32@164
12  4  u16@124                u16@124,<65535
16  4  u16@176                .
20  4  u32@152,bool           .
24  4  u16@154                .
28  4  u16@152                .
32  4  u32@140                u32@140
36  4  u32@144                .
40  4  u64@16,0?,u32@224      .
44  4  u16@132                u16@132
48  20 raw                    raw
68  4  u32@148                .
72  4  u16@46                 u16@46
76  4  u64@200                .
80  4  u64@80                 .
84  4  u32@156,>=257          .
88  4  u64@24,u16@16          .
92  4  u64@24,u32@0           .
96  4  u64@24,u32@4           .
100 4  u64@24,u32@56          .
104 4  u64@24,u32@60          .
108 4  u64@24,u32@64          .
112 4  u64@24,u32@68          .
116 4  u64@24,u32@72          .
120 4  u64@24,u32@76          .
124 4  u64@24,u32@80          .
128 4  u64@24,u32@84          .
132 4  u64@24,u16@12,<<16     .
136 4  u64@24,u16@14          .
140 4  u64@72                 .
152 8  u64@32                 u64@32
160 4  u32@40                 .
164 4  info,u16@6             .
168 8  u64@24                 .
176 4  info,u16@4             .
180 1  u8@129,&3              .
184 8  info,u64@16            .
`;

/** tc looks at the device without a null test, and at the clock behind the time stamp. */
const TC_CHANGES = `
40  4  u64@16,u32@224         .
152 8  tstamp                 tstamp
`;

const XDP = `
0   4  u64@0                        .
4   4  u64@8                        .
8   4  u64@16                       .
12  4  u64@32,u64@0,u32@224         .
16  4  u64@32,u32@8                 .
20  4  u64@40,u64@0,u32@224         .
`;

interface Field {
  readonly off: number;
  readonly size: number;
  readonly load: readonly string[];
  readonly store: readonly string[];
}

function parse(...tables: readonly string[]): Fields {
  const fields = new Map<number, Field>();
  for (const row of tables.flatMap((t) => t.trim().split("\n"))) {
    const [off, size, load, store] = row.trim().split(/\s+/) as [string, string, string, string];
    fields.set(Number(off), { off: Number(off), size: Number(size), load: load.split(","), store: store.split(",") });
  }
  return fields;
}

type Fields = ReadonlyMap<number, Field>;

const SKB_FIELDS = parse(SKB);
const TC_FIELDS = parse(SKB, TC_CHANGES);
const SK_SKB_FIELDS = parse(SKB, SK_SKB_CHANGES);
const XDP_FIELDS = parse(XDP);
const SOCKET_FIELDS = parse(SOCKET);
const TCP_FIELDS = parse(TCP_SOCKET);
/** Program types whose context has a table of its own. */
const OWN_FIELDS: Partial<Record<ProgTypeName, Fields>> = {
  sk_skb: SK_SKB_FIELDS,
  sk_msg: parse(SK_MSG),
  sk_reuseport: parse(SK_REUSEPORT),
  sk_lookup: parse(SK_LOOKUP),
  flow_dissector: parse(FLOW_KEYS),
  cgroup_sock: SOCKET_FIELDS,
  cgroup_sock_addr: parse(SOCK_ADDR),
  sock_ops: parse(SOCK_OPS),
  cgroup_sysctl: parse(SYSCTL),
  cgroup_sockopt: parse(SOCKOPT),
};

/** Structures whose accesses are rewritten, by the kind of pointer that leads to them. */
export function isRewritten(pointerType: number | undefined): boolean {
  return (
    pointerType === PTR_TO_CTX ||
    pointerType === PTR_TO_SOCKET ||
    pointerType === PTR_TO_SOCK_COMMON ||
    pointerType === PTR_TO_TCP_SOCK
  );
}

function fieldsOf(program: VerifierProgram, pointerType: number): Fields | null {
  if (pointerType === PTR_TO_TCP_SOCK) return TCP_FIELDS;
  if (pointerType !== PTR_TO_CTX) return SOCKET_FIELDS;
  const type = progTypeName(program.type);
  switch (type) {
    case "socket_filter":
    case "cgroup_skb":
    case "lwt_in":
    case "lwt_out":
    case "lwt_xmit":
    case "lwt_seg6local":
      return SKB_FIELDS;
    case "sched_cls":
    case "sched_act":
      return TC_FIELDS;
    case "xdp":
      return XDP_FIELDS;
    default:
      return (type === undefined ? undefined : OWN_FIELDS[type]) ?? null;
  }
}

function fieldAt(fields: Fields, off: number): Field | null {
  for (const field of fields.values()) if (off >= field.off && off < field.off + field.size) return field;
  return null;
}

const PERF_REGS_END = 168;

/** An access to a context or socket in terms of the kernel's structures; null where it stays as it is. */
export function expandContextAccess(
  program: VerifierProgram,
  pointerType: number,
  op: Op,
  next: Op,
): readonly Op[] | null {
  const write = (op.insn.opcode & CLASS_MASK) !== BPF_LDX;
  if (pointerType === PTR_TO_CTX && progTypeName(program.type) === "perf_event") return perfLoad(op, next);
  const fields = fieldsOf(program, pointerType);
  const field = fields === null ? null : fieldAt(fields, op.insn.off);
  if (field === null) return null;
  const steps = write ? field.store : field.load;
  if (steps[0] === "raw" || steps[0] === ".") return null;
  const e = new Expansion(op.origin);
  if (write) storeField(e, op, field, steps);
  else {
    loadField(e, op, field, steps);
    // What extends the sign does so once the value is there.
    if ((op.insn.opcode & MODE_MASK) === BPF_MEMSX) e.extendSign(op.insn.dst, sizeInBytes(op.insn.opcode) * 8);
  }
  return e.finish(next);
}

const stepsInsns = (steps: readonly string[]): number => steps.reduce((n, step) => n + (step === "info" ? 3 : 1), 0);

function loadField(e: Expansion, op: Op, field: Field, steps: readonly string[]): void {
  const { dst, off } = op.insn;
  let from = op.insn.src;
  let bytes = 0;
  for (const [i, step] of steps.entries()) {
    const load = /^\^?(u8|u16|u32|u64)@(\d+)$/.exec(step);
    if (load !== null) {
      if (step.startsWith("^")) from = op.insn.src;
      e.load(SIZES[load[1]!]!, dst, from, Number(load[2]));
      bytes = BYTES[load[1]!]!;
      from = dst;
    } else if (step === "0?") {
      e.jumpK(BPF_JEQ, dst, 0, stepsInsns(steps.slice(i + 1)));
    } else if (step === "bool") {
      e.jumpK(BPF_JEQ, dst, 0, 1);
      e.movK(dst, 1, false);
    } else if (step === ">=257") {
      e.jumpK(BPF_JGE, dst, 257, 1);
      e.movK(dst, 0);
    } else if (step === "info") {
      e.load(BPF_W, R11, from, 188);
      e.load(BPF_DW, dst, from, 192);
      e.aluX(BPF_ADD, dst, R11);
      from = dst;
    } else if (step.startsWith("own@")) {
      e.load(op.insn.opcode & SIZE_MASK, dst, from, Number(step.slice(4)) + off - field.off);
      bytes = sizeInBytes(op.insn.opcode);
    } else if (step === "zero") {
      e.movK(dst, 0, false);
    } else if (step === "queue") {
      e.jumpK(BPF_JNE, dst, 0xffff, 1);
      e.movK(dst, -1);
    } else if (step === "end") {
      e.load(BPF_W, R11, op.insn.src, 112);
      e.aluX(BPF_ADD, dst, R11);
      e.load(BPF_W, R11, op.insn.src, 116);
      e.aluX(BPF_SUB, dst, R11);
    } else if (step === "tstamp") {
      tstampLoad(e, dst, from);
      bytes = 8;
    } else if (step.startsWith("&")) {
      e.aluK(BPF_AND, dst, Number(step.slice(1)), false);
    } else if (step.startsWith("<<")) {
      e.aluK(BPF_LSH, dst, Number(step.slice(2)), false);
    }
  }
  narrow(e, op, field, bytes, off);
}

/** A load of a part: the whole, shifted and masked. */
function narrow(e: Expansion, op: Op, field: Field, bytes: number, off: number): void {
  const size = sizeInBytes(op.insn.opcode);
  if (size >= field.size || size >= bytes) return;
  const FIELD_BYTES = 4;
  const shift = (off % FIELD_BYTES) * 8;
  if (shift > 0) e.aluK(BPF_RSH, op.insn.dst, shift, false);
  e.aluK(BPF_AND, op.insn.dst, 2 ** (size * 8) - 1, false);
}

/** The time stamp reads as 0 when it was made at ingress and has another clock. */
function tstampLoad(e: Expansion, dst: number, src: number): void {
  e.load(BPF_B, R11, src, 129);
  e.jumpK(BPF_JSET, R11, 4, 1, false);
  e.goto(4);
  e.jumpK(BPF_JSET, R11, 3, 1, false);
  e.goto(2);
  e.movK(dst, 0);
  e.goto(1);
  e.load(BPF_DW, dst, src, 32);
}

function storeField(e: Expansion, op: Op, field: Field, steps: readonly string[]): void {
  const { dst, src, imm } = op.insn;
  const isRegister = (op.insn.opcode & CLASS_MASK) === BPF_STX;
  const put = (size: number, off: number): void => {
    if (isRegister) e.store(size, dst, src, off);
    else e.storeK(size, dst, off, imm);
  };
  if (steps[0]?.startsWith("own@")) {
    put(op.insn.opcode & SIZE_MASK, Number(steps[0].slice(4)) + op.insn.off - field.off);
    return;
  }
  if (steps[0] === "tstamp") {
    e.load(BPF_B, R11, dst, 129);
    e.jumpK(BPF_JSET, R11, 4, 1, false);
    e.goto(2);
    e.aluK(BPF_AND, R11, -4, false);
    e.store(BPF_B, dst, R11, 129);
    put(BPF_DW, 32);
    return;
  }
  const [, size, off] = /^(u\d+)@(\d+)$/.exec(steps[0]!)!;
  // A queue number that does not fit is not stored.
  if (steps[1] === "<65535" && isRegister) e.jumpK(BPF_JGE, src, 0xffff, 1);
  put(SIZES[size!]!, Number(off));
}

/** Registers lie behind a pointer to the saved frame, the sample's numbers behind another. */
function perfLoad(op: Op, next: Op): readonly Op[] {
  const { dst, src, off } = op.insn;
  const e = new Expansion(op.origin);
  const size = sizeInBytes(op.insn.opcode);
  if (off < PERF_REGS_END) {
    e.load(BPF_DW, dst, src, 0);
    e.load(BPF_DW, dst, dst, off);
    return e.finish(next);
  }
  const WORD = 8;
  const field = off - (off % WORD);
  e.load(BPF_DW, dst, src, 8);
  e.load(BPF_DW, dst, dst, field === PERF_REGS_END ? 8 : 184);
  if (size < WORD) {
    const shift = (off % WORD) * 8;
    if (shift > 0) e.aluK(BPF_RSH, dst, shift);
    e.aluK(BPF_AND, dst, size === 4 ? -1 : 2 ** (size * 8) - 1, false);
  }
  return e.finish(next);
}

/** A packet that others see too is copied before it is written: tc drops what cannot be copied, sk_skb likewise. */
export function unclonePrologue(program: VerifierProgram, next: Op): readonly Op[] {
  const type = progTypeName(program.type);
  const TC_ACT_SHOT = 2;
  const verdict = type === "sk_skb" ? 0 : TC_ACT_SHOT;
  if (type !== "sched_cls" && type !== "sched_act" && type !== "sk_skb" && type !== "lwt_xmit") return [];
  const e = new Expansion(null);
  e.load(BPF_B, 6, 1, 126);
  e.aluK(BPF_AND, 6, 1, false);
  e.jumpK(BPF_JEQ, 6, 0, 7);
  e.aluX(BPF_MOV, 6, 1);
  e.aluX(BPF_XOR, 2, 2);
  e.call("bpf_skb_pull_data");
  e.jumpK(BPF_JEQ, 0, 0, 2);
  e.movK(0, verdict, false);
  e.exit();
  e.movX(1, 6);
  return e.finish(next);
}
