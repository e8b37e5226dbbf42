import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_DIV,
  BPF_JEQ,
  BPF_JGT,
  BPF_JNE,
  BPF_MOD,
  BPF_MOV,
  BPF_NEG,
  BPF_X,
  BPF_XOR,
  CLASS_MASK,
  OP_MASK,
} from "../../isa/opcodes.ts";
import type { Op } from "./op.ts";
import { Expansion, R11 } from "./op.ts";

/**
 * Divisions as hardware needs them: by zero gives 0 (modulo: the dividend), and the signed forms must not overflow. Null for
 * what stays as it is.
 */
export function expandArithmetic(op: Op, next: Op): readonly Op[] | null {
  const { insn } = op;
  const kind = insn.opcode & CLASS_MASK;
  if (kind !== BPF_ALU && kind !== BPF_ALU64) return null;
  const operation = insn.opcode & OP_MASK;
  if (operation !== BPF_DIV && operation !== BPF_MOD) return null;
  const wide = kind === BPF_ALU64;
  const isDivision = operation === BPF_DIV;
  const isSigned = insn.off === 1;
  const isRegister = (insn.opcode & BPF_X) !== 0;
  const e = new Expansion(op.origin);
  const { dst, src } = insn;
  if (!isRegister) {
    // The one constant that can overflow.
    if (!isSigned || insn.imm !== -1) return null;
    if (isDivision) e.aluK(BPF_NEG, dst, 0, wide);
    else e.movK(dst, 0, false);
    return e.finish(next);
  }
  if (isSigned) {
    e.movX(R11, src);
    e.aluK(BPF_ADD, R11, 1, wide);
    if (isDivision) {
      e.jumpK(BPF_JGT, R11, 1, 4, wide);
      e.jumpK(BPF_JEQ, R11, 0, 1, wide);
      e.movK(dst, 0, wide);
      e.aluK(BPF_NEG, dst, 0, wide);
      e.goto(1);
      e.emit(insn);
    } else {
      e.jumpK(BPF_JGT, R11, 1, 3, wide);
      e.jumpK(BPF_JEQ, R11, 1, wide ? 3 : 4, wide);
      e.movK(dst, 0, false);
      e.goto(1);
      e.emit(insn);
      if (!wide) truncated(e, dst);
    }
    return e.finish(next);
  }
  if (isDivision) {
    e.jumpK(BPF_JNE, src, 0, 2, wide);
    e.aluX(BPF_XOR, dst, dst, false);
    e.goto(1);
    e.emit(insn);
  } else {
    e.jumpK(BPF_JEQ, src, 0, wide ? 1 : 2, wide);
    e.emit(insn);
    if (!wide) truncated(e, dst);
  }
  return e.finish(next);
}

/** The 32-bit dividend that stays must still lose its upper half. */
function truncated(e: Expansion, dst: number): void {
  e.goto(1);
  e.aluX(BPF_MOV, dst, dst, false);
}
