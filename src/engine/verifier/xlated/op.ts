import type { Instruction } from "../../isa/instruction.ts";
import { isLdImm64 } from "../../isa/instruction.ts";
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_CALL,
  BPF_EXIT,
  BPF_JMP,
  BPF_JMP32,
  BPF_K,
  BPF_LDX,
  BPF_MEM,
  BPF_MOV,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CALL,
  CLASS_MASK,
  EXIT,
  JA,
  JA32,
  LD_IMM64,
  MAY_GOTO,
  OP_MASK,
} from "../../isa/opcodes.ts";

/** Scratch register of the rewrites. */
export const R11 = 11;

/**
 * One instruction of the program while it is rewritten. Jumps and calls name the operation that they lead to, so that
 * insertions and removals move nothing; offsets are computed when the program is printed.
 */
export class Op {
  readonly insn: Instruction;
  /** Upper half of a two-slot load. */
  readonly hi: number;
  /** Slot of the original program; null for what a prologue adds. */
  readonly origin: number | null;
  target: Op | null = null;
  /** Called function of the kernel, or what a two-slot load shows. */
  readonly label: string | null;
  /** Some path reached it. */
  reached = true;

  constructor(insn: Instruction, origin: number | null, label: string | null = null, hi = 0) {
    this.insn = insn;
    this.origin = origin;
    this.label = label;
    this.hi = hi;
  }

  get slots(): number {
    return isLdImm64(this.insn) ? 2 : 1;
  }

  get isMayGoto(): boolean {
    return this.insn.opcode === MAY_GOTO && this.insn.src === 0;
  }

  get isGoto(): boolean {
    return this.insn.opcode === JA || this.insn.opcode === JA32;
  }

  get isConditional(): boolean {
    const kind = this.insn.opcode & CLASS_MASK;
    if (kind !== BPF_JMP && kind !== BPF_JMP32) return false;
    const op = this.insn.opcode & OP_MASK;
    return op !== BPF_CALL && op !== BPF_EXIT && !this.isGoto && !this.isMayGoto;
  }

  /** Leads somewhere: a jump, a call of a function of the program, or the load of such a function's address. */
  get leads(): boolean {
    const { insn } = this;
    if (insn.opcode === CALL) return insn.src === BPF_PSEUDO_CALL;
    if (insn.opcode === LD_IMM64) return insn.src === BPF_PSEUDO_FUNC;
    return this.isGoto || this.isMayGoto || this.isConditional;
  }
}

/** Slot that a jump, call or function load at `at` names. */
export function targetSlot(insn: Instruction, at: number): number {
  if (insn.opcode === CALL || insn.opcode === LD_IMM64 || insn.opcode === JA32) return at + 1 + insn.imm;
  return at + 1 + insn.off;
}

const make = (opcode: number, dst: number, src: number, off: number, imm: number): Instruction => ({
  opcode,
  dst,
  src,
  off,
  imm,
});

/** Builds the operations that replace one instruction; all carry its slot. */
export class Expansion {
  readonly ops: Op[] = [];
  private readonly origin: number | null;
  private readonly jumps: { readonly op: Op; readonly skip: number }[] = [];

  constructor(origin: number | null) {
    this.origin = origin;
  }

  emit(insn: Instruction, label: string | null = null, hi = 0): Op {
    const op = new Op(insn, this.origin, label, hi);
    this.ops.push(op);
    return op;
  }

  /** ALU operation with an immediate; `op` are the upper four bits. */
  aluK(op: number, dst: number, imm: number, wide = true): Op {
    return this.emit(make((wide ? BPF_ALU64 : BPF_ALU) | BPF_K | op, dst, 0, 0, imm));
  }

  aluX(op: number, dst: number, src: number, wide = true): Op {
    return this.emit(make((wide ? BPF_ALU64 : BPF_ALU) | BPF_X | op, dst, src, 0, 0));
  }

  movK(dst: number, imm: number, wide = true): Op {
    return this.aluK(BPF_MOV, dst, imm, wide);
  }

  movX(dst: number, src: number): Op {
    return this.aluX(BPF_MOV, dst, src);
  }

  /** Extends the sign of the low bits of a register. */
  extendSign(dst: number, bits: number): Op {
    return this.emit(make(BPF_ALU64 | BPF_MOV | BPF_X, dst, dst, bits, 0));
  }

  /** `size`: the size bits of the opcode. */
  load(size: number, dst: number, src: number, off: number): Op {
    return this.emit(make(BPF_LDX | BPF_MEM | size, dst, src, off, 0));
  }

  store(size: number, dst: number, src: number, off: number): Op {
    return this.emit(make(BPF_STX | BPF_MEM | size, dst, src, off, 0));
  }

  storeK(size: number, dst: number, off: number, imm: number): Op {
    return this.emit(make(BPF_ST | BPF_MEM | size, dst, 0, off, imm));
  }

  /** Conditional jump over the next `skip` operations (back over them when negative). */
  jumpK(op: number, dst: number, imm: number, skip: number, wide = true): Op {
    const jump = this.emit(make((wide ? BPF_JMP : BPF_JMP32) | BPF_K | op, dst, 0, 0, imm));
    this.jumps.push({ op: jump, skip });
    return jump;
  }

  jumpX(op: number, dst: number, src: number, skip: number): Op {
    const jump = this.emit(make(BPF_JMP | BPF_X | op, dst, src, 0, 0));
    this.jumps.push({ op: jump, skip });
    return jump;
  }

  goto(skip: number): Op {
    const jump = this.emit(make(JA, 0, 0, 0, 0));
    this.jumps.push({ op: jump, skip });
    return jump;
  }

  call(name: string): Op {
    return this.emit(make(CALL, 0, 0, 0, 0), name);
  }

  exit(): Op {
    return this.emit(make(EXIT, 0, 0, 0, 0));
  }

  /** A two-slot load that shows `label`. */
  wide(dst: number, label: string): Op {
    return this.emit(make(LD_IMM64, dst, 0, 0, 0), label);
  }

  /** Joins the jumps; `next` is the operation behind the replaced instruction. */
  finish(next: Op): Op[] {
    for (const { op, skip } of this.jumps) {
      op.target = this.ops[this.ops.indexOf(op) + 1 + skip] ?? next;
    }
    return this.ops;
  }
}

/** The program as a list of operations with a last one that stands for its end. */
export class OpList {
  ops: Op[];
  readonly end: Op;
  /** Replaced operations, to the first of what replaced them. */
  private readonly replaced = new Map<Op, Op>();

  constructor(ops: Op[], end: Op) {
    this.ops = ops;
    this.end = end;
  }

  /** The operation that now stands where `op` stood. */
  resolve(op: Op): Op {
    let at = op;
    for (let next = this.replaced.get(at); next !== undefined; next = this.replaced.get(at)) at = next;
    return at;
  }

  targetOf(op: Op): Op | null {
    return op.target === null ? null : this.resolve(op.target);
  }

  /** Replaces operations one by one; null keeps one as it is. Jumps to a replaced operation lead to its first replacement. */
  expand(replace: (op: Op, next: Op) => readonly Op[] | null): void {
    const out: Op[] = [];
    for (const [i, op] of this.ops.entries()) {
      const replacement = replace(op, this.ops[i + 1] ?? this.end);
      if (replacement === null) {
        out.push(op);
        continue;
      }
      if (replacement.length > 0) this.replaced.set(op, replacement[0]!);
      out.push(...replacement);
    }
    this.ops = out;
  }

  /** Removes operations; what led to one leads to the next that stays. */
  remove(drop: (op: Op, next: Op) => boolean): void {
    const out: Op[] = [];
    const gone: Op[] = [];
    const settle = (to: Op): void => {
      for (const op of gone) this.replaced.set(op, to);
      gone.length = 0;
    };
    for (const [i, op] of this.ops.entries()) {
      if (drop(op, this.ops[i + 1] ?? this.end)) {
        gone.push(op);
      } else {
        settle(op);
        out.push(op);
      }
    }
    settle(this.end);
    this.ops = out;
  }

  /** Puts operations before `op`; jumps to it still lead to it. */
  insertBefore(op: Op, added: readonly Op[]): void {
    this.ops.splice(this.ops.indexOf(op), 0, ...added);
  }
}
