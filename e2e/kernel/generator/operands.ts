import * as op from "../../../src/engine/isa/opcodes.ts";
import { kfuncId } from "../../../src/engine/verifier/calls/kfuncs.ts";
import type { Builder, Label } from "./builder.ts";
import { ARR, DATA, HASH, JMP, LCK, LRU, OUTER, PCPU, QUE, RB, RO, TMR, UNIVERSE_MAPS } from "./universe.ts";

/** A program under construction: its context is in r9. */
export interface Draft {
  readonly b: Builder;
  readonly typeName: string;
  /** The end of the main program, which returns 0. */
  readonly out: Label;
  /** A callback that returns 0; becomes part of the program when it is named. */
  readonly callback: Label;
  usesCallback: boolean;
  /** What the program does before it returns. */
  atEnd?: () => void;
  /** What the callback does before it returns. */
  insideCallback?: () => void;
  /** Kfuncs called, by instruction. */
  readonly kfuncs: Map<number, string>;
}

export function callKfunc({ b, kfuncs }: Draft, name: string): void {
  kfuncs.set(b.length, name);
  b.raw(op.CALL, 0, op.BPF_PSEUDO_KFUNC_CALL, 0, kfuncId(name));
}

/** Puts one kind of value into a register, r6 to r8. Uses r0 to r5. Null: programs of this type do not have it. */
type Operand = (draft: Draft, r: number) => void;

const constant =
  (low: number, high = low < 0 ? -1 : 0): Operand =>
  ({ b }, r) =>
    b.ld64(r, 0, low, high);

const GET_PRANDOM_U32 = 7;
const KTIME_GET_NS = 5;
const MAP_LOOKUP_ELEM = 1;
const RINGBUF_RESERVE = 131;

const GET_CURRENT_TASK_BTF = 158;
const DYNPTR_FROM_MEM = 197;
const RINGBUF_RESERVE_DYNPTR = 198;

function onStack(b: Builder, r: number, offset: number): void {
  b.mov(r, 10);
  b.alu(op.BPF_ADD, r, offset);
}

const unknown =
  (refine: (b: Builder, r: number, draft: Draft) => void = () => {}, helper = GET_PRANDOM_U32): Operand =>
  (draft, r) => {
    draft.b.helper(helper);
    draft.b.mov(r, 0);
    refine(draft.b, r, draft);
  };

/** A value of a map, under an unknown key. */
function lookUp({ b, out }: Draft, map: number, checked = true): void {
  const bytes = UNIVERSE_MAPS[map]?.keySize ?? 4;
  b.storeImm(op.BPF_DW, 10, -8, 0);
  b.helper(GET_PRANDOM_U32);
  b.store(bytes === 8 ? op.BPF_DW : op.BPF_W, 10, -8, 0);
  b.mov(2, 10);
  b.alu(op.BPF_ADD, 2, -8);
  b.map(1, map);
  b.helper(MAP_LOOKUP_ELEM);
  if (checked) b.branch(op.BPF_JEQ, 0, 0, out);
}

const value =
  (map: number, then: (b: Builder, r: number, draft: Draft) => void = () => {}, checked = true): Operand =>
  (draft, r) => {
    lookUp(draft, map, checked);
    draft.b.mov(r, 0);
    then(draft.b, r, draft);
  };

const plus =
  (offset: number) =>
  (b: Builder, r: number): void =>
    b.alu(op.BPF_ADD, r, offset);

/** Adds an unknown number in [0, mask]. */
const plusUnknown =
  (mask: number) =>
  (b: Builder, r: number): void => {
    b.helper(GET_PRANDOM_U32);
    b.alu(op.BPF_AND, 0, mask);
    b.aluReg(op.BPF_ADD, r, 0);
  };

const mapPointer =
  (index: number): Operand =>
  ({ b }, r) =>
    b.map(r, index);

/** The packet's start and end in an xdp or sched_cls context. */
const PACKET: Readonly<Record<string, readonly [data: number, end: number]>> = { xdp: [0, 4], sched_cls: [76, 80] };

const packet =
  (checked: number): Operand =>
  ({ b, typeName, out }, r) => {
    const [data, end] = PACKET[typeName] ?? [0, 4];
    b.load(op.BPF_W, r, 9, data);
    if (checked === 0) return;
    b.load(op.BPF_W, 1, 9, end);
    b.mov(2, r);
    b.alu(op.BPF_ADD, 2, checked);
    b.branchReg(op.BPF_JGT, 2, 1, out);
  };

/** What programs of every type can hold. */
const EVERYWHERE: Readonly<Record<string, Operand>> = {
  0: constant(0),
  1: constant(1),
  7: constant(7),
  63: constant(63),
  64: constant(64),
  "-1": constant(-1),
  "-8": constant(-8),
  "2^31-1": constant(0x7fffffff),
  "2^31": constant(0x80000000 | 0, 0),
  "-2^31": constant(0x80000000 | 0, -1),
  "2^40": constant(0, 0x100),
  "2^63": constant(0, 0x80000000 | 0),
  u32: unknown((b, r) => b.raw(op.BPF_ALU | op.BPF_MOV | op.BPF_X, r, r)),
  u64: unknown(undefined, KTIME_GET_NS),
  "0..7": unknown((b, r) => b.alu(op.BPF_AND, r, 7)),
  "0..63": unknown((b, r) => b.alu(op.BPF_AND, r, 63)),
  "1..16": unknown((b, r) => {
    b.alu(op.BPF_AND, r, 15);
    b.alu(op.BPF_ADD, r, 1);
  }),
  "-8..7": unknown((b, r) => {
    b.alu(op.BPF_AND, r, 15);
    b.alu(op.BPF_ADD, r, -8);
  }),
  "<64": unknown((b, r, { out }) => b.branch(op.BPF_JGE, r, 64, out), KTIME_GET_NS),
  "s<64": unknown((b, r, { out }) => b.branch(op.BPF_JSGE, r, 64, out), KTIME_GET_NS),
  "w<64": unknown((b, r, { out }) => b.branch(op.BPF_JGE, r, 64, out, false), KTIME_GET_NS),
  ctx: ({ b }, r) => b.mov(r, 9),
  "ctx+8": ({ b }, r) => {
    b.mov(r, 9);
    b.alu(op.BPF_ADD, r, 8);
  },
  fp: ({ b }, r) => b.mov(r, 10),
  "fp-64": ({ b }, r) => {
    for (let at = -64; at < -8; at += 8) b.storeImm(op.BPF_DW, 10, at, at);
    b.mov(r, 10);
    b.alu(op.BPF_ADD, r, -64);
  },
  "fp-128 uninit": ({ b }, r) => {
    b.mov(r, 10);
    b.alu(op.BPF_ADD, r, -128);
  },
  "fp-64+?": (draft, r) => {
    for (let at = -64; at < -8; at += 8) draft.b.storeImm(op.BPF_DW, 10, at, at);
    draft.b.mov(r, 10);
    draft.b.alu(op.BPF_ADD, r, -64);
    plusUnknown(24)(draft.b, r);
  },
  map: mapPointer(HASH),
  "map jmp": mapPointer(JMP),
  "map rb": mapPointer(RB),
  "map queue": mapPointer(QUE),
  "map outer": mapPointer(OUTER),
  "map tmr": mapPointer(TMR),
  value: value(ARR),
  "value+60": value(ARR, plus(60)),
  "value+?": value(ARR, plusUnknown(56)),
  "value+far?": value(ARR, plusUnknown(127)),
  "value or null": value(HASH, undefined, false),
  "timer value": value(TMR),
  timer: value(TMR, plus(8)),
  lock: value(LCK),
  "percpu value": value(PCPU),
  "lru value": value(LRU),
  "read-only": ({ b }, r) => b.mapValue(r, RO, 0),
  "data+32": ({ b }, r) => b.mapValue(r, DATA, 32),
  "inner map or null": value(OUTER, undefined, false),
  "inner map": value(OUTER),
  "record or null": ({ b }, r) => {
    b.map(1, RB);
    b.movImm(2, 16);
    b.movImm(3, 0);
    b.helper(RINGBUF_RESERVE);
    b.mov(r, 0);
  },
  record: (draft, r) => {
    EVERYWHERE["record or null"]?.(draft, r);
    draft.b.branch(op.BPF_JEQ, r, 0, draft.out);
  },
  func: (draft, r) => {
    draft.b.functionAddress(r, draft.callback);
    draft.usesCallback = true;
  },
  iterator: (draft, r) => {
    const { b } = draft;
    onStack(b, 1, -144);
    b.movImm(2, 0);
    b.movImm(3, 10);
    callKfunc(draft, "bpf_iter_num_new");
    onStack(b, r, -144);
  },
  "dynptr of a value": (draft, r) => {
    const { b } = draft;
    lookUp(draft, ARR);
    b.mov(1, 0);
    b.movImm(2, 32);
    b.movImm(3, 0);
    onStack(b, 4, -168);
    b.helper(DYNPTR_FROM_MEM);
    onStack(b, r, -168);
  },
  "dynptr of a record": (draft, r) => {
    const { b } = draft;
    b.map(1, RB);
    b.movImm(2, 16);
    b.movImm(3, 0);
    onStack(b, 4, -192);
    b.helper(RINGBUF_RESERVE_DYNPTR);
    onStack(b, r, -192);
  },
  task: ({ b }, r) => {
    b.helper(GET_CURRENT_TASK_BTF);
    b.mov(r, 0);
  },
  "task+?": ({ b }, r) => {
    b.helper(GET_CURRENT_TASK_BTF);
    b.mov(r, 0);
    plusUnknown(7)(b, r);
  },
  "task-8": ({ b }, r) => {
    b.helper(GET_CURRENT_TASK_BTF);
    b.mov(r, 0);
    b.alu(op.BPF_ADD, r, -8);
  },
  "not written": () => {},
};

/** What only programs with direct packet access have. */
const WITH_PACKET: Readonly<Record<string, Operand>> = {
  packet: packet(16),
  "packet unchecked": packet(0),
  "packet+?": (draft, r) => {
    packet(0)(draft, r);
    plusUnknown(31)(draft.b, r);
  },
  "packet end": ({ b, typeName }, r) => b.load(op.BPF_W, r, 9, (PACKET[typeName] ?? [0, 4])[1]),
};

export function operandsOf(typeName: string): ReadonlyMap<string, Operand> {
  return new Map(Object.entries(typeName in PACKET ? { ...EVERYWHERE, ...WITH_PACKET } : EVERYWHERE));
}
