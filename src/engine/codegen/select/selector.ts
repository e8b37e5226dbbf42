import { constantOffset } from "../../ir/constants.ts";
import type { IrBlock, IrFunction, IrInstruction, IrValue } from "../../ir/module.ts";
import { formatType, type IrType } from "../../ir/types.ts";
import { BPF_ADD, BPF_AND, BPF_ARSH, BPF_LSH, BPF_RSH } from "../../isa/opcodes.ts";
import type {
  CallTarget,
  MachineBlock,
  MachineFunction,
  MachineInsn,
  Mark,
  Place,
  Reg,
  Terminator,
  Width,
} from "../machine.ts";
import { FIRST_VIRTUAL, NO_MARKS, NO_REG } from "../machine.ts";
import { findDemandedBits, isNarrowable } from "./demanded-bits.ts";
import { bitsOf, constantBits, findKnownBits, type KnownBits, nativeWidth } from "./known-bits.ts";
import { leavesOf } from "./leaves.ts";
import { errorAt, type ModuleContext } from "./module-context.ts";
import { scheduleBlocks } from "./schedule.ts";
import { findUses, type Uses } from "./uses.ts";

const S32_MIN = -0x8000_0000n;
const S32_MAX = 0x7fff_ffffn;

export function fitsS32(value: bigint): boolean {
  return value >= S32_MIN && value <= S32_MAX;
}

export function fitsS16(value: number): boolean {
  return value >= -0x8000 && value <= 0x7fff;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type NewInsn = DistributiveOmit<MachineInsn, "dbg">;

/** State of the selection of one function, and the small operations that everything else is made of. */
export class Selector {
  readonly context: ModuleContext;
  readonly fn: IrFunction;
  readonly out: MachineFunction;
  readonly bits: KnownBits;
  /** Low bits of each value that anybody looks at. */
  readonly demanded: Uint8Array;
  /** 64-bit operations that are done in 32 bits. */
  readonly isNarrow: (insn: IrInstruction) => boolean;
  readonly uses: Uses;
  readonly #blocks: readonly IrBlock[];
  /** Registers of each SSA value that has been computed. */
  readonly values: (readonly Reg[] | undefined)[];
  /** Frame slot of each alloca. */
  readonly slots = new Map<number, number>();
  /** `x + constant` computed in the current IR block, by the index of x. */
  readonly increments = new Map<number, { readonly result: Reg; readonly step: bigint }>();
  /** Folded getelementptrs with a variable index: the register that holds the variable part, and the constant rest. */
  readonly variableParts = new Map<number, Place>();
  /** Loads that extend the sign of what they load. */
  readonly signedLoads = new Set<number>();
  /** Machine block where an IR block begins. */
  readonly starts: number[] = [];
  block: MachineBlock;
  /** DILocation of the instruction at hand, or -1. */
  dbg = -1;
  /** Place in the IR of what is selected; null where no debug record asks for it. */
  place: (Mark & { kind: "place" }) | null = null;
  /** Constants and addresses that the current block holds in registers already. */
  #held = new Map<string, Reg>();

  constructor(context: ModuleContext, fn: IrFunction) {
    this.context = context;
    this.fn = fn;
    this.out = {
      name: fn.name,
      blocks: [],
      slots: [],
      nextRegister: FIRST_VIRTUAL,
      webs: new Map(),
      diagnostics: [],
      variables: null,
    };
    const demanded = findDemandedBits(fn);
    this.demanded = demanded;
    this.isNarrow = (insn) => context.cpu.alu32 && isNarrowable(insn, demanded);
    this.bits = findKnownBits(fn, context.cpu.alu32, context.cpu.v4, this.isNarrow);
    this.uses = findUses(fn);
    this.#blocks = scheduleBlocks(fn, this.uses);
    this.values = new Array(fn.valueCount);
    this.block = this.newBlock();
  }

  get alu32(): boolean {
    return this.context.cpu.alu32;
  }

  newBlock(): MachineBlock {
    const id = this.out.blocks.length;
    const block: MachineBlock = { id, insns: [], marks: NO_MARKS, term: { kind: "none" }, weight: 1 };
    this.out.blocks.push(block);
    return block;
  }

  /** Goes on in `block`; constants held in registers so far are forgotten. */
  enter(block: MachineBlock): void {
    this.continueIn(block);
    this.#held = new Map();
  }

  /** Like {@link enter} for a block that only the current one can reach: held constants stay valid. */
  continueIn(block: MachineBlock): void {
    this.block = block;
    if (this.place !== null) this.mark(this.place);
  }

  end(term: Terminator): void {
    this.block.term = term;
  }

  emit(insn: NewInsn): void {
    (insn as MachineInsn).dbg = this.dbg;
    this.append(insn as MachineInsn);
  }

  append(insn: MachineInsn): void {
    const { block } = this;
    if (block.marks.length > 0) {
      insn.marks = block.marks;
      block.marks = NO_MARKS;
    }
    block.insns.push(insn);
  }

  /** The program is before an instruction of an IR block; see {@link Mark}. */
  comeTo(block: number, index: number): void {
    if (this.place?.block === block && this.place.index === index) return;
    this.place = { kind: "place", block, index };
    this.mark(this.place);
  }

  mark(mark: Mark): void {
    this.block.marks = [...this.block.marks, mark];
  }

  newReg(): Reg {
    return this.out.nextRegister++;
  }

  /** Reports what cannot be compiled; selection goes on so that one run names every fault. */
  fail(message: string): void {
    const diagnostic = errorAt(this.context.module.metadata, message, this.dbg, this.fn.subprogram);
    const same = this.out.diagnostics.some(
      (d) =>
        d.message === message && d.span?.line === diagnostic.span?.line && d.span?.column === diagnostic.span?.column,
    );
    if (!same) this.out.diagnostics.push(diagnostic);
  }

  definition(value: IrValue): IrInstruction | undefined {
    return value.kind === "local" ? this.uses.definitions[value.index] : undefined;
  }

  // Values

  /** The register of a value that has one part. */
  reg(value: IrValue): Reg {
    if (value.kind === "local") {
      const parts = this.values[value.index];
      const first = parts?.[0];
      if (first !== undefined && parts?.length === 1) return first;
      return this.#onDemand(value) ?? this.#missing(value);
    }
    if (value.kind === "int") return this.constant(value.value, bitsOf(value.type));
    if (value.kind === "undef") return this.constant(0n, 64);
    if (value.kind === "global") return this.globalAddress(value.name, value.addend);
    return this.#missing(value);
  }

  /** The registers of a value's parts. */
  regs(value: IrValue): readonly Reg[] {
    const leaves = leavesOf(value.type);
    if (leaves === null) {
      this.fail(`values of type ${formatType(value.type)} are not supported`);
      return [];
    }
    switch (value.kind) {
      case "local": {
        const parts = this.values[value.index];
        if (parts !== undefined && parts.length === leaves.length) return parts;
        if (leaves.length === 1) return [this.reg(value)];
        return leaves.map(() => this.#missing(value));
      }
      case "int":
        if (leaves.length === 1) return [this.reg(value)];
        return [
          this.constant(BigInt.asUintN(64, value.value), 64),
          this.constant(value.value >> 64n, Math.max(1, bitsOf(value.type) - 64)),
        ];
      case "undef":
      case "zero":
        return leaves.map((leaf) => this.constant(0n, bitsOf(leaf.type)));
      case "aggregate":
        return value.elements.flatMap((e) => [...this.regs(e)]);
      case "bytes":
        return Array.from(value.bytes, (b) => this.constant(BigInt(b), 8));
      default:
        return leaves.length === 1 ? [this.reg(value)] : leaves.map(() => this.#missing(value));
    }
  }

  /** Values that are made anew at each use: stack addresses, and what the loader's constants hold. */
  #onDemand(value: IrValue): Reg | null {
    const helper = this.helperNumber(value);
    if (helper !== null) return this.constant(helper, 64);
    const place = this.stackPlace(value);
    return place === null ? null : this.placeAddress(place);
  }

  /** The number in a variable that stands for a helper (-O0), when the value is a load of one. */
  helperNumber(value: IrValue): bigint | null {
    const definition = this.definition(value);
    if (definition?.op !== "load" || definition.address.kind !== "global" || definition.address.addend !== 0)
      return null;
    return this.context.helperVariables.get(definition.address.name) ?? null;
  }

  /** The place of an address in the frame that is known at compile time; null for any other value. */
  stackPlace(value: IrValue): Place | null {
    const definition = this.definition(value);
    if (definition?.op === "alloca") {
      const slot = this.slots.get(definition.result);
      return slot === undefined ? null : { base: NO_REG, slot, offset: 0 };
    }
    if (definition?.op !== "gep") return null;
    const offset = constantOffset(definition.source, definition.indices);
    const base = offset === null ? null : this.stackPlace(definition.base);
    return base === null ? null : { ...base, offset: base.offset + (offset as number) };
  }

  #missing(value: IrValue): Reg {
    if (value.kind === "unsupported") this.fail(`this constant is not supported: ${value.text}`);
    else if (this.out.diagnostics.length === 0) {
      this.fail(`a value of type ${formatType(value.type)} cannot be kept in a register`);
    }
    return this.newReg();
  }

  set(insn: IrInstruction, ...parts: readonly Reg[]): void {
    if (insn.result >= 0) this.values[insn.result] = parts;
  }

  constantOf(value: IrValue): bigint | null {
    if (value.kind === "int") return value.value;
    return value.kind === "undef" ? 0n : null;
  }

  /** A constant of `bits` width as the immediate that an operation of `width` takes; null when it does not fit. */
  immediate(value: IrValue, width: Width): number | null {
    const constant = this.constantOf(value);
    if (constant === null) return null;
    const bits = bitsOf(value.type);
    if (width === 32 || bits <= 32) {
      // Bits above the type's own are arbitrary, so the signed reading serves; below 32 bits it is the unsigned one.
      return Number(BigInt.asIntN(32, constant));
    }
    const signed = BigInt.asIntN(64, constant);
    return fitsS32(signed) ? Number(signed) : null;
  }

  // Constants and addresses

  constant(value: bigint, bits: number): Reg {
    const key = `${value}:${bits <= 32 ? 32 : 64}`;
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const dst = this.newReg();
    this.constantInto(dst, value, bits);
    this.#held.set(key, dst);
    return dst;
  }

  constantInto(dst: Reg, value: bigint, bits: number): void {
    if (bits <= 32) {
      this.emit({ op: "imm", dst, imm: Number(BigInt.asIntN(32, value)), width: this.alu32 ? 32 : 64 });
      return;
    }
    const signed = BigInt.asIntN(64, value);
    if (fitsS32(signed)) this.emit({ op: "imm", dst, imm: Number(signed), width: 64 });
    else if (this.alu32 && constantBits(value, 64, true) <= 32) {
      this.emit({ op: "imm", dst, imm: Number(BigInt.asIntN(32, value)), width: 32 });
    } else this.emit({ op: "wide", dst, value: BigInt.asUintN(64, value) });
  }

  globalAddress(name: string, addend: number): Reg {
    const key = `@${addend}:${name}`;
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const dst = this.newReg();
    this.emit({ op: "address", dst, symbol: name, addend });
    this.#held.set(key, dst);
    return dst;
  }

  /** A register for a computation that the block may have made already; `key` names it with all its operands. */
  reuse(key: string, make: () => Reg): Reg {
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const made = make();
    this.#held.set(key, made);
    return made;
  }

  /** The register that holds an address already, when one is known to be wanted again. */
  heldAddress(value: IrValue): Reg | null {
    if (value.kind !== "global") return null;
    return this.#held.get(`@${value.addend}:${value.name}`) ?? null;
  }

  /** What the current block holds, to be given back to {@link restoreHeld} where control joins again. */
  saveHeld(): Map<string, Reg> {
    return new Map(this.#held);
  }

  restoreHeld(held: Map<string, Reg>): void {
    this.#held = held;
  }

  /** Small constants are cheaper to make again than to keep across a call. */
  forgetSmallConstants(): void {
    for (const key of this.#held.keys()) if (!key.startsWith("@")) this.#held.delete(key);
  }

  // Moves and operations

  copy(src: Reg, width: Width = 64): Reg {
    const dst = this.newReg();
    this.move(dst, src, width);
    return dst;
  }

  move(dst: Reg, src: Reg, width: Width): void {
    this.emit({ op: "mov", dst, src, width });
  }

  alu(code: number, width: Width, a: Reg, b: Reg, signed = false): Reg {
    const dst = this.copy(a, width);
    this.emit({ op: "alu", code, width, dst, src: b, signed });
    return dst;
  }

  alui(code: number, width: Width, a: Reg, imm: number, signed = false): Reg {
    const dst = this.copy(a, width);
    this.emit({ op: "alui", code, width, dst, imm, signed });
    return dst;
  }

  negate(width: Width, a: Reg): Reg {
    const dst = this.copy(a, width);
    this.emit({ op: "neg", width, dst });
    return dst;
  }

  call(target: CallTarget, args: number, result: boolean): void {
    this.emit({ op: "call", target, args, result });
    this.forgetSmallConstants();
  }

  /** Width for a value of `bits`. */
  width(bits: number): Width {
    return nativeWidth(bits, this.alu32);
  }

  /** A register whose `width` low bits are the value, zero-extended from its type. */
  zeroExtended(value: IrValue, width: Width): Reg {
    const bits = bitsOf(value.type);
    const constant = this.constantOf(value);
    if (constant !== null) return this.constant(constant, width);
    const reg = this.reg(value);
    if (value.kind !== "local") return reg;
    const low = this.bits.low[value.index] as number;
    const seen = width === 32 ? low : (this.bits.all[value.index] as number);
    if (seen <= bits) return reg;
    return this.clearAbove(reg, bits, width, low);
  }

  /** Clears the bits from `bits` up; `low` is how many bits of the lower half may be set. */
  clearAbove(reg: Reg, bits: number, width: Width, low = 32): Reg {
    if (width === 32)
      return bits >= 32 ? reg : this.alui(BPF_AND, 32, reg, Number(BigInt.asIntN(32, (1n << BigInt(bits)) - 1n)));
    if (bits >= 64) return reg;
    if (this.alu32 && (bits === 32 || (bits < 32 && low <= bits))) {
      const dst = this.newReg();
      this.emit({ op: "zext", dst, src: reg });
      return dst;
    }
    if (bits < 32) return this.alui(BPF_AND, this.alu32 ? 32 : 64, reg, Number((1n << BigInt(bits)) - 1n) | 0);
    const up = this.alui(BPF_LSH, 64, reg, 64 - bits);
    return this.alui(BPF_RSH, 64, up, 64 - bits);
  }

  /** A register whose `width` low bits are the value, sign-extended from its type. */
  signExtended(value: IrValue, width: Width): Reg {
    const bits = bitsOf(value.type);
    const constant = this.constantOf(value);
    if (constant !== null) return this.constant(BigInt.asUintN(width, BigInt.asIntN(bits, constant)), width);
    if (bits >= width) return this.reg(value);
    if (value.kind === "local") {
      const seen = width === 32 ? this.bits.low[value.index] : this.bits.all[value.index];
      if ((seen as number) < bits) return this.reg(value);
      // The sign bit is known to be clear, what lies above the lower half is not.
      if (width === 64 && bits <= 32 && (this.bits.low[value.index] as number) < bits)
        return this.zeroExtended(value, 64);
    }
    return this.extendSign(this.reg(value), bits, width);
  }

  extendSign(reg: Reg, bits: number, width: Width): Reg {
    if (bits >= width) return reg;
    if (this.context.cpu.v4 && (bits === 8 || bits === 16 || (bits === 32 && width === 64))) {
      const dst = this.newReg();
      this.emit({ op: "movsx", dst, src: reg, bits, width });
      return dst;
    }
    const up = this.alui(BPF_LSH, width, reg, width - bits);
    return this.alui(BPF_ARSH, width, up, width - bits);
  }

  /**
   * Alignment that accesses at a place may count on, when the type or the program promises `align`. The frame's own layout may
   * know better; from v4 on, unaligned accesses outside of the frame are as good as aligned ones.
   */
  alignment(place: Place, align: number): number {
    if (place.slot < 0) return this.context.cpu.v4 ? 8 : align;
    let known = Math.min(8, this.out.slots[place.slot]?.align ?? 1);
    while (known > 1 && place.offset % known !== 0) known >>= 1;
    return Math.max(known, align);
  }

  /** Puts an address into a register. */
  placeAddress(place: Place): Reg {
    if (place.slot >= 0) {
      const dst = this.newReg();
      this.emit({ op: "frame", dst, slot: place.slot, offset: place.offset });
      return dst;
    }
    return place.offset === 0 ? place.base : this.addConstant(place.base, place.offset);
  }

  addConstant(reg: Reg, value: number): Reg {
    if (fitsS32(BigInt(value))) return this.alui(BPF_ADD, 64, reg, value);
    return this.alu(BPF_ADD, 64, reg, this.constant(BigInt.asUintN(64, BigInt(value)), 64));
  }

  /**
   * A place in the frame. What is as large as a register is aligned like one, so that it can be cleared and copied in whole registers.
   */
  newSlot(size: number, least: number): number {
    const align = Math.max(least, size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1);
    this.out.slots.push({ size, align, offset: 0, dbg: this.dbg, spill: false });
    return this.out.slots.length - 1;
  }

  load(place: Place, size: number, signed = false): Reg {
    const dst = this.newReg();
    this.emit({ op: "load", dst, place: { ...place }, size, signed });
    return dst;
  }

  /** A block of the function, its instructions in the order in which they are selected. */
  irBlock(index: number): IrBlock {
    return this.#blocks[index] as IrBlock;
  }

  /** Machine block for a jump to an IR block. */
  target(index: number): number {
    return this.starts[index] as number;
  }
}

export function placeOf(base: Reg, offset = 0): Place {
  return { base, slot: NO_REG, offset };
}

/** Why BPF can have no value of the type at all; null when it can. */
export function typeProblem(type: IrType): string | null {
  if (type.kind !== "unsupported") return null;
  if (/^(half|bfloat|float|double|fp128|x86_fp80|ppc_fp128)$/.test(type.text)) {
    return "floating point is not supported by BPF";
  }
  if (type.text.startsWith("<")) return "vectors are not supported by BPF";
  return type.text.startsWith("ptr addrspace") ? "address spaces are not supported here" : null;
}

export function typeText(type: IrType): string {
  return formatType(type);
}
