import { assembleInline, type InlineOperand } from "../assembler/assemble-inline.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Instruction } from "../isa/instruction.ts";
import {
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_B,
  BPF_CALL,
  BPF_DW,
  BPF_END,
  BPF_EXIT,
  BPF_H,
  BPF_IND,
  BPF_JLE,
  BPF_JLT,
  BPF_JMP,
  BPF_JMP32,
  BPF_JSLE,
  BPF_JSLT,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_CALL,
  BPF_ST,
  BPF_STX,
  BPF_W,
  BPF_X,
  JA,
  JA32,
  LD_IMM64,
} from "../isa/opcodes.ts";
import type { SymbolReference } from "./compiled-module.ts";
import { layOutBlocks } from "./layout.ts";
import type { AsmCode, MachineFunction, MachineInsn, Place, Terminator } from "./machine.ts";
import { negatedJump } from "./select/conditions.ts";
import type { CpuFeatures } from "./select/module-context.ts";

export interface EncodedFunction {
  readonly insns: readonly Instruction[];
  readonly references: readonly SymbolReference[];
  /** Metadata id of the DILocation of each slot, or -1. */
  readonly places: readonly number[];
  /** Blocks in the order of their code. */
  readonly order: readonly number[];
  /** For the instructions of each block and then its terminator, in that order: the first slot. The end of the code at last. */
  readonly bounds: readonly number[];
}

/** Why a function could not be encoded, and the DILocation to blame, or -1. */
export interface EncodeFailure {
  readonly message: string;
  readonly dbg: number;
}

const REACH = 0x7fff;

function sizeBits(size: number): number {
  return size === 1 ? BPF_B : size === 2 ? BPF_H : size === 4 ? BPF_W : BPF_DW;
}

interface Jump {
  readonly at: number;
  readonly to: number;
  readonly long: boolean;
}

/** Turns allocated code into instructions, with jumps of the final distances. */
export function encodeFunction(fn: MachineFunction, cpu: CpuFeatures): Result<EncodedFunction, EncodeFailure> {
  const order = layOutBlocks(fn);
  for (const long of cpu.v4 ? [false, true] : [false]) {
    const encoder = new Encoder(fn, order, long, cpu.jumpLess);
    if (encoder.run()) return ok(encoder);
    if (encoder.failure !== null) return err(encoder.failure);
  }
  const message = `'${fn.name}' has a jump over more than ${REACH} instructions, which needs -mcpu=v4`;
  return err({ message, dbg: -1 });
}

class Encoder implements EncodedFunction {
  readonly insns: Instruction[] = [];
  readonly references: SymbolReference[] = [];
  readonly places: number[] = [];
  readonly bounds: number[] = [];
  failure: EncodeFailure | null = null;
  #expansions = 0;
  readonly #fn: MachineFunction;
  readonly order: readonly number[];
  /** Every unconditional jump is long, and conditional ones jump over one. */
  readonly #long: boolean;
  readonly #jumpLess: boolean;
  readonly #jumps: Jump[] = [];
  readonly #starts = new Map<number, number>();

  constructor(fn: MachineFunction, order: readonly number[], long: boolean, jumpLess: boolean) {
    this.#fn = fn;
    this.#jumpLess = jumpLess;
    this.order = order;
    this.#long = long;
  }

  /** False when a jump does not reach. */
  run(): boolean {
    this.order.forEach((id, i) => {
      const block = this.#fn.blocks[id];
      if (block === undefined) return;
      this.#starts.set(id, this.insns.length);
      for (const insn of block.insns) {
        this.bounds.push(this.insns.length);
        this.#insn(insn);
      }
      this.bounds.push(this.insns.length);
      this.#term(block.term, this.order[i + 1] ?? -1);
    });
    this.bounds.push(this.insns.length);
    if (this.failure !== null) return false;
    for (const { at, to, long } of this.#jumps) {
      const distance = (this.#starts.get(to) ?? 0) - at - 1;
      const insn = this.insns[at] as Instruction;
      if (long) this.insns[at] = { ...insn, imm: distance };
      else {
        if (distance > REACH || distance < -REACH - 1) return false;
        this.insns[at] = { ...insn, off: distance };
      }
    }
    return true;
  }

  #push(dbg: number, opcode: number, dst = 0, src = 0, off = 0, imm = 0): void {
    this.insns.push({ opcode, dst, src, off, imm });
    this.places.push(dbg);
  }

  #base(place: Place): [base: number, offset: number] {
    if (place.slot < 0) return [place.base, place.offset];
    return [10, (this.#fn.slots[place.slot]?.offset ?? 0) + place.offset];
  }

  #wide(dbg: number, dst: number, low: number, high: number): void {
    this.#push(dbg, LD_IMM64, dst, 0, 0, low);
    this.#push(dbg, 0, 0, 0, 0, high);
  }

  #insn(insn: MachineInsn): void {
    const { dbg } = insn;
    switch (insn.op) {
      case "mov":
        this.#push(dbg, (insn.width === 64 ? BPF_ALU64 : BPF_ALU) | BPF_MOV | BPF_X, insn.dst, insn.src);
        return;
      case "zext":
        this.#push(dbg, BPF_ALU | BPF_MOV | BPF_X, insn.dst, insn.src);
        return;
      case "movsx":
        this.#push(dbg, (insn.width === 64 ? BPF_ALU64 : BPF_ALU) | BPF_MOV | BPF_X, insn.dst, insn.src, insn.bits);
        return;
      case "imm":
        this.#push(dbg, (insn.width === 64 ? BPF_ALU64 : BPF_ALU) | BPF_MOV | BPF_K, insn.dst, 0, 0, insn.imm);
        return;
      case "wide":
        this.#wide(dbg, insn.dst, Number(BigInt.asIntN(32, insn.value)), Number(BigInt.asIntN(32, insn.value >> 32n)));
        return;
      case "address":
        this.references.push({ insn: this.insns.length, kind: "address", symbol: insn.symbol, addend: insn.addend });
        this.#wide(dbg, insn.dst, 0, 0);
        return;
      case "frame": {
        const offset = (this.#fn.slots[insn.slot]?.offset ?? 0) + insn.offset;
        this.#push(dbg, BPF_ALU64 | BPF_MOV | BPF_X, insn.dst, 10);
        if (offset !== 0) this.#push(dbg, BPF_ALU64 | BPF_ADD | BPF_K, insn.dst, 0, 0, offset);
        return;
      }
      case "alu":
        this.#push(dbg, aluClass(insn.width) | insn.code | BPF_X, insn.dst, insn.src, insn.signed ? 1 : 0);
        return;
      case "alui":
        this.#push(dbg, aluClass(insn.width) | insn.code | BPF_K, insn.dst, 0, insn.signed ? 1 : 0, insn.imm);
        return;
      case "neg":
        this.#push(dbg, aluClass(insn.width) | BPF_NEG, insn.dst);
        return;
      case "swap": {
        const opcode =
          insn.kind === "bswap" ? BPF_ALU64 | BPF_END : BPF_ALU | BPF_END | (insn.kind === "be" ? BPF_X : 0);
        this.#push(dbg, opcode, insn.dst, 0, 0, insn.bits);
        return;
      }
      case "load": {
        const [base, offset] = this.#base(insn.place);
        const mode = insn.signed ? BPF_MEMSX : BPF_MEM;
        this.#push(dbg, BPF_LDX | mode | sizeBits(insn.size), insn.dst, base, offset);
        return;
      }
      case "store": {
        const [base, offset] = this.#base(insn.place);
        this.#push(dbg, BPF_STX | BPF_MEM | sizeBits(insn.size), base, insn.src, offset);
        return;
      }
      case "storei": {
        const [base, offset] = this.#base(insn.place);
        this.#push(dbg, BPF_ST | BPF_MEM | sizeBits(insn.size), base, 0, offset, insn.imm);
        return;
      }
      case "atomic": {
        const [base, offset] = this.#base(insn.place);
        this.#push(dbg, BPF_STX | BPF_ATOMIC | sizeBits(insn.size), base, insn.src, offset, insn.imm);
        return;
      }
      case "loadacq": {
        const [base, offset] = this.#base(insn.place);
        this.#push(dbg, BPF_STX | BPF_ATOMIC | sizeBits(insn.size), insn.dst, base, offset, BPF_LOAD_ACQ);
        return;
      }
      case "call":
        this.#call(insn);
        return;
      case "packet":
        this.#push(
          dbg,
          BPF_LD | (insn.index < 0 ? BPF_ABS : BPF_IND) | sizeBits(insn.size),
          0,
          Math.max(0, insn.index),
          0,
          insn.imm,
        );
        return;
      case "asm":
        this.#asm(insn);
        return;
    }
  }

  #asm(code: AsmCode): void {
    const operands = code.operands.map((o): InlineOperand => {
      if (o.kind !== "memory") return o;
      const [base, offset] = this.#base(o.place);
      return { kind: "memory", base, offset };
    });
    const start = this.insns.length;
    const assembled = assembleInline(code.template, operands, this.#expansions++);
    if (!assembled.ok) {
      this.failure ??= { message: assembled.error, dbg: code.dbg };
      return;
    }
    for (const insn of assembled.value.insns) {
      this.insns.push(insn);
      this.places.push(code.dbg);
    }
    for (const r of assembled.value.references) this.references.push({ ...r, insn: start + r.insn });
    for (const { insn, field, block } of assembled.value.jumps) {
      this.#jumps.push({ at: start + insn, to: block, long: field === "imm" });
    }
  }

  #call(insn: MachineInsn & { op: "call" }): void {
    const { target, dbg } = insn;
    switch (target.kind) {
      case "helper":
        this.#push(dbg, BPF_JMP | BPF_CALL, 0, 0, 0, target.id);
        return;
      case "symbol":
        this.references.push({ insn: this.insns.length, kind: "call", symbol: target.symbol, addend: 0 });
        this.#push(dbg, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, -1);
        return;
      case "register":
        this.#push(dbg, BPF_JMP | BPF_CALL | BPF_X, target.reg);
        return;
    }
  }

  #goto(dbg: number, to: number): void {
    const target = this.#fn.blocks[to];
    if (target?.insns.length === 0 && target.term.kind === "exit") {
      // A jump to the end is no shorter than the end.
      this.#push(target.term.dbg, BPF_JMP | BPF_EXIT);
      return;
    }
    this.#jumps.push({ at: this.insns.length, to, long: this.#long });
    this.#push(dbg, this.#long ? JA32 : JA);
  }

  #term(term: Terminator, next: number): void {
    switch (term.kind) {
      case "goto":
        if (term.to !== next) this.#goto(-1, term.to);
        return;
      case "exit":
        this.#push(term.dbg, BPF_JMP | BPF_EXIT);
        return;
      case "if": {
        const opposite = negatedJump(term.code);
        // v1 has no `<` and `<=`: what would become one stays as it is.
        const negated = !this.#jumpLess && opposite !== undefined && isLess(opposite) ? undefined : opposite;
        let { code, taken: to, otherwise } = term;
        if (negated !== undefined && to === next) {
          code = negated;
          [to, otherwise] = [otherwise, to];
        }
        const opcode = (term.width === 64 ? BPF_JMP : BPF_JMP32) | code | (term.b >= 0 ? BPF_X : BPF_K);
        const src = Math.max(0, term.b);
        if (this.#long) {
          // if (…) goto +1; goto otherwise; gotol to
          this.#push(term.dbg, opcode, term.a, src, 1, term.imm);
          this.#goto(term.dbg, otherwise);
          this.#goto(term.dbg, to);
          return;
        }
        this.#jumps.push({ at: this.insns.length, to, long: false });
        this.#push(term.dbg, opcode, term.a, src, 0, term.imm);
        if (otherwise !== next) this.#goto(-1, otherwise);
        return;
      }
      case "none":
        return;
      case "asm":
        this.#asm(term.code);
        if (term.fallthrough !== next) this.#goto(-1, term.fallthrough);
        return;
    }
  }
}

function isLess(code: number): boolean {
  return code === BPF_JLT || code === BPF_JLE || code === BPF_JSLT || code === BPF_JSLE;
}

function aluClass(width: number): number {
  return width === 64 ? BPF_ALU64 : BPF_ALU;
}
