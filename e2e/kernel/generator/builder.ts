import type { Instruction } from "../../../src/engine/isa/instruction.ts";
import * as op from "../../../src/engine/isa/opcodes.ts";

type Label = { at: number };
type Slot = { insn: Instruction; target: Label | null; field: "off" | "imm" };

/** Collects slots with labels; every method appends one instruction. */
export class Builder {
  private readonly slots: Slot[] = [];

  get length(): number {
    return this.slots.length;
  }

  raw(opcode: number, dst = 0, src = 0, off = 0, imm = 0): void {
    this.slots.push({ insn: { opcode, dst, src, off, imm }, target: null, field: "off" });
  }
  label(): Label {
    return { at: -1 };
  }
  place(label: Label): void {
    label.at = this.slots.length;
  }
  movImm(dst: number, imm: number): void {
    this.raw(op.BPF_ALU64 | op.BPF_MOV | op.BPF_K, dst, 0, 0, imm);
  }
  mov(dst: number, src: number): void {
    this.raw(op.BPF_ALU64 | op.BPF_MOV | op.BPF_X, dst, src);
  }
  alu(operation: number, dst: number, imm: number, wide = true): void {
    this.raw((wide ? op.BPF_ALU64 : op.BPF_ALU) | operation | op.BPF_K, dst, 0, 0, imm);
  }
  aluReg(operation: number, dst: number, src: number, wide = true): void {
    this.raw((wide ? op.BPF_ALU64 : op.BPF_ALU) | operation | op.BPF_X, dst, src);
  }
  load(size: number, dst: number, base: number, off: number): void {
    this.raw(op.BPF_LDX | op.BPF_MEM | size, dst, base, off);
  }
  store(size: number, base: number, off: number, src: number): void {
    this.raw(op.BPF_STX | op.BPF_MEM | size, base, src, off);
  }
  storeImm(size: number, base: number, off: number, imm: number): void {
    this.raw(op.BPF_ST | op.BPF_MEM | size, base, 0, off, imm);
  }
  atomic(size: number, base: number, off: number, src: number, operation: number): void {
    this.raw(op.BPF_STX | op.BPF_ATOMIC | size, base, src, off, operation);
  }
  ld64(dst: number, src: number, low: number, high = 0): void {
    this.raw(op.LD_IMM64, dst, src, 0, low);
    this.raw(0, 0, 0, 0, high);
  }
  map(dst: number, index: number): void {
    this.ld64(dst, op.BPF_PSEUDO_MAP_FD, index);
  }
  mapValue(dst: number, index: number, offset: number): void {
    this.ld64(dst, op.BPF_PSEUDO_MAP_VALUE, index, offset);
  }
  helper(id: number): void {
    this.raw(op.CALL, 0, op.BPF_HELPER_CALL, 0, id);
  }
  call(label: Label): void {
    this.slots.push({
      insn: { opcode: op.CALL, dst: 0, src: op.BPF_PSEUDO_CALL, off: 0, imm: 0 },
      target: label,
      field: "imm",
    });
  }
  functionAddress(dst: number, label: Label): void {
    this.slots.push({
      insn: { opcode: op.LD_IMM64, dst, src: op.BPF_PSEUDO_FUNC, off: 0, imm: 0 },
      target: label,
      field: "imm",
    });
    this.raw(0);
  }
  jump(label: Label): void {
    this.slots.push({ insn: { opcode: op.JA, dst: 0, src: 0, off: 0, imm: 0 }, target: label, field: "off" });
  }
  mayGoto(label: Label): void {
    this.slots.push({ insn: { opcode: op.MAY_GOTO, dst: 0, src: 0, off: 0, imm: 0 }, target: label, field: "off" });
  }
  branch(operation: number, dst: number, imm: number, label: Label, wide = true): void {
    this.slots.push({
      insn: { opcode: (wide ? op.BPF_JMP : op.BPF_JMP32) | operation | op.BPF_K, dst, src: 0, off: 0, imm },
      target: label,
      field: "off",
    });
  }
  branchReg(operation: number, dst: number, src: number, label: Label, wide = true): void {
    this.slots.push({
      insn: { opcode: (wide ? op.BPF_JMP : op.BPF_JMP32) | operation | op.BPF_X, dst, src, off: 0, imm: 0 },
      target: label,
      field: "off",
    });
  }
  exit(): void {
    this.raw(op.EXIT);
  }
  finish(): Instruction[] {
    return this.slots.map(({ insn, target, field }, index) =>
      target ? { ...insn, [field]: target.at - index - 1 } : insn,
    );
  }
}

export type { Label };
