import { makePrng, nextBelow, type Prng } from "../../../src/engine/base/prng.ts";
import * as op from "../../../src/engine/isa/opcodes.ts";
import { Builder, type Label } from "./builder.ts";
import { BOTH, DATA, FUNCTION_TYPES, LCK, OUTER, RO, TMR, UNIVERSE_MAPS } from "./universe.ts";

/** What the generator believes a register holds. It aims at acceptance; `mutate` and the dice aim beside it. */
export type Kind = "none" | "any" | "small" | "ctx" | "value" | "packet" | "lost";
export interface Value {
  kind: Kind;
  /** bytes that may be reached from this register */
  size: number;
  map: number;
}

export const TYPES = [
  "socket_filter",
  "sched_cls",
  "xdp",
  "cgroup_skb",
  "syscall",
  "kprobe",
  "tracepoint",
  "raw_tracepoint",
  "perf_event",
  "sched_act",
] as const;
export const SIZES = [op.BPF_B, op.BPF_H, op.BPF_W, op.BPF_DW] as const;
export const BYTES: Record<number, number> = { [op.BPF_B]: 1, [op.BPF_H]: 2, [op.BPF_W]: 4, [op.BPF_DW]: 8 };
export const ALU_OPS = [
  op.BPF_ADD,
  op.BPF_SUB,
  op.BPF_MUL,
  op.BPF_OR,
  op.BPF_AND,
  op.BPF_LSH,
  op.BPF_RSH,
  op.BPF_XOR,
  op.BPF_MOV,
  op.BPF_ARSH,
  op.BPF_DIV,
  op.BPF_MOD,
];
export const JUMPS = [
  op.BPF_JEQ,
  op.BPF_JNE,
  op.BPF_JGT,
  op.BPF_JGE,
  op.BPF_JLT,
  op.BPF_JLE,
  op.BPF_JSGT,
  op.BPF_JSGE,
  op.BPF_JSLT,
  op.BPF_JSLE,
  op.BPF_JSET,
];
export const EDGE_CONSTANTS = [
  0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 255, 256, 0xffff, 0x7fffffff, -1, -2, -8, -0x80000000, 0x1000, 0x7fff, -0x8000,
];
export const SAVED = [6, 7, 8, 9] as const;

/** What every action of a generated program draws on: dice, registers, lookups, accesses. */
export class ProgramShaper {
  readonly b = new Builder();
  protected readonly dice: Prng;
  /** Kinds of r6..r9: what lives across calls. r0..r5 are scratch within one action. */
  protected saved: Record<number, Value> = {};
  /** Stack slots that hold scalars. */
  protected slots = new Set<number>();
  protected depth = 0;
  /** Inside a loop or callback nothing may fork a sign mask: past 8,192 pending branches 6.18 itself oopses. */
  protected looping = 0;
  protected inCallback = false;
  protected readonly pending: { label: Label; kind: "static" | "global" | "callback"; index: number; arg: Kind }[] = [];
  readonly functions: { label: Label; type: number; name: string }[] = [];
  readonly typeName: (typeof TYPES)[number];

  constructor(seed: number) {
    this.dice = makePrng(seed);
    this.below(7);
    this.typeName = this.pick(TYPES);
  }

  below(n: number): number {
    return nextBelow(this.dice, n);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  protected constant(): number {
    return this.chance(60)
      ? this.pick(EDGE_CONSTANTS)
      : this.chance(50)
        ? this.below(100)
        : this.below(0x7fffffff) - 0x3fffffff;
  }

  /** A saved register to overwrite: rarely the context's, and almost never a loop counter ("none"), or programs would not end. */
  protected scratchSaved(): number {
    const all = this.saved[6]?.kind === "ctx" && this.chance(85) ? [7, 8, 9] : SAVED;
    const free = all.filter((r) => this.saved[r]?.kind !== "none");
    return this.pick(free.length > 0 && this.below(1000) > 0 ? free : all);
  }

  protected scalarRegister(): number {
    const have = SAVED.filter((r) => this.saved[r]?.kind === "any" || this.saved[r]?.kind === "small");
    if (have.length > 0) return this.pick(have);
    const r = this.scratchSaved();
    this.makeScalar(r);
    return r;
  }

  /** An unknown or constant scalar into a saved register. */
  protected makeScalar(r: number): void {
    const b = this.b;
    const roll = this.below(5);
    if (roll === 0) b.movImm(r, this.constant());
    else if (roll === 1) b.ld64(r, 0, this.constant(), this.constant());
    else if (roll === 2) {
      b.helper(5);
      b.mov(r, 0);
    } else {
      b.helper(7);
      b.mov(r, 0);
      if (this.chance(40)) b.raw(op.BPF_ALU | op.BPF_MOV | op.BPF_X, r, r);
    }
    this.saved[r] = { kind: "any", size: 0, map: -1 };
  }

  protected arithmetic(): void {
    const b = this.b;
    for (let n = 1 + this.below(4); n > 0; n--) {
      const r = this.scalarRegister();
      const drawn = this.pick(ALU_OPS);
      const operation =
        this.looping > 0 && (drawn === op.BPF_ARSH || drawn === op.BPF_AND || drawn === op.BPF_OR) ? op.BPF_ADD : drawn;
      const wide = this.chance(60);
      const roll = this.below(12);
      if (roll === 0) b.raw((wide ? op.BPF_ALU64 : op.BPF_ALU) | op.BPF_NEG, r);
      else if (roll === 1)
        b.raw(op.BPF_ALU | op.BPF_END | (this.chance(50) ? op.BPF_X : op.BPF_K), r, 0, 0, this.pick([16, 32, 64]));
      else if (roll === 2)
        b.raw(
          (wide ? op.BPF_ALU64 : op.BPF_ALU) | op.BPF_MOV | op.BPF_X,
          r,
          this.scalarRegister(),
          wide ? this.pick([8, 16, 32]) : this.pick([8, 16]),
        );
      else if (roll < 8) {
        const shift = operation === op.BPF_LSH || operation === op.BPF_RSH || operation === op.BPF_ARSH;
        const division = operation === op.BPF_DIV || operation === op.BPF_MOD;
        const imm = shift ? this.below(wide ? 64 : 32) : division ? 1 + this.below(50) : this.constant();
        b.raw((wide ? op.BPF_ALU64 : op.BPF_ALU) | operation, r, 0, division && this.chance(30) ? 1 : 0, imm);
      } else b.raw((wide ? op.BPF_ALU64 : op.BPF_ALU) | operation | op.BPF_X, r, this.scalarRegister());
      this.saved[r] = { kind: "any", size: 0, map: -1 };
    }
  }

  protected stackSlot(size: number): number {
    const bytes = BYTES[size]!;
    return -bytes * (1 + this.below(Math.floor(64 / bytes)));
  }

  /** A key of 4 or 8 bytes on the stack, its address in r2. */
  protected key(bytes: number, bound: number): void {
    const b = this.b;
    if (bytes === 0) return;
    const size = bytes === 8 ? op.BPF_DW : op.BPF_W;
    if (this.chance(70)) b.storeImm(size, 10, -bytes, this.chance(85) ? this.below(bound) : this.constant());
    else b.store(size, 10, -bytes, this.scalarRegister());
    b.mov(2, 10);
    b.alu(op.BPF_ADD, 2, -bytes);
  }

  protected lookup(index: number, into: number, check = this.chance(93)): void {
    const b = this.b;
    const map = UNIVERSE_MAPS[index]!;
    this.key(map.keySize, map.maxEntries + (this.chance(10) ? 1 : 0));
    b.map(1, index);
    b.helper(1);
    if (check) {
      const skip = b.label();
      const style = this.below(10);
      if (style < 7) {
        b.branch(op.BPF_JNE, 0, 0, skip);
        b.movImm(0, 0);
        b.exit();
      } else {
        const out = b.label();
        b.branch(op.BPF_JEQ, 0, 0, out);
        b.jump(skip);
        b.place(out);
        b.movImm(0, this.chance(90) ? 0 : 1);
        b.exit();
      }
      b.place(skip);
    }
    b.mov(into, 0);
    this.saved[into] = { kind: "value", size: map.valueSize, map: index };
  }

  protected innerLookup(into: number): void {
    const b = this.b;
    this.lookup(OUTER, into);
    b.storeImm(op.BPF_W, 10, -4, this.below(5));
    b.mov(2, 10);
    b.alu(op.BPF_ADD, 2, -4);
    b.mov(1, into);
    b.helper(1);
    const skip = b.label();
    b.branch(op.BPF_JNE, 0, 0, skip);
    b.exit();
    b.place(skip);
    b.mov(into, 0);
    this.saved[into] = { kind: "value", size: 16, map: -1 };
  }

  protected valueRegister(): number | undefined {
    return SAVED.find((r) => this.saved[r]?.kind === "value");
  }

  protected accessValue(r: number): void {
    const b = this.b;
    const { size: bytes, map } = this.saved[r]!;
    const size = this.pick(SIZES);
    const width = BYTES[size]!;
    const special = map === TMR || map === LCK || map === BOTH;
    let off = this.chance(92)
      ? this.below(Math.max(1, Math.floor((bytes - width) / width) + 1)) * width
      : this.below(bytes + 12) - 4;
    if (special && this.chance(85)) off = bytes - 8;
    const roll = this.below(4);
    if (roll === 0 && map !== RO) b.storeImm(size, r, off, this.constant());
    else if (roll === 1 && map !== RO) b.store(size, r, off, this.scalarRegister());
    else {
      const into = this.chance(60) ? this.scratchSaved() : 0;
      if (into !== r) {
        b.load(size, into, r, off);
        if (into !== 0) this.saved[into] = { kind: "any", size: 0, map: -1 };
      }
    }
  }

  protected directValue(): void {
    const index = this.pick([DATA, DATA, RO]);
    const r = this.scratchSaved();
    const off = this.chance(90) ? this.below(3) * 8 : this.below(80);
    this.b.mapValue(r, index, off);
    this.saved[r] = { kind: "value", size: UNIVERSE_MAPS[index]!.valueSize - off, map: index };
    if (this.saved[r]!.size > 8) this.accessValue(r);
  }

  protected newCallback(arg: Kind): Label | null {
    const used =
      this.pending.filter((p) => p.kind === "callback").length +
      this.functions.filter((f) => f.name.startsWith("c")).length;
    if (used >= FUNCTION_TYPES.callback.length) return null;
    const label = this.b.label();
    this.pending.push({ label, kind: "callback", index: used, arg });
    return label;
  }

  /** Tracing types may touch neither timers nor locks, socket filters no locks: mostly obeyed, so that other rules are reached. */
  protected mayUse(lock: boolean): boolean {
    const tracing =
      this.typeName === "kprobe" ||
      this.typeName === "tracepoint" ||
      this.typeName === "raw_tracepoint" ||
      this.typeName === "perf_event";
    return !(tracing || (lock && this.typeName === "socket_filter")) || this.chance(4);
  }
}

/** After a join, only what both sides agree on is sure. */
export function join(a: Record<number, Value>, b: Record<number, Value>): Record<number, Value> {
  const out: Record<number, Value> = {};
  for (const r of SAVED) {
    const left = a[r];
    const right = b[r];
    if (left?.kind === "none" || right?.kind === "none") out[r] = { kind: "none", size: 0, map: -1 };
    else if (left && right && left.kind === right.kind && left.map === right.map && left.size === right.size)
      out[r] = left;
    else if (left && right && isScalar(left) && isScalar(right)) out[r] = { kind: "any", size: 0, map: -1 };
    else out[r] = { kind: "lost", size: 0, map: -1 };
  }
  return out;
}
const isScalar = (v: Value): boolean => v.kind === "any" || v.kind === "small";
