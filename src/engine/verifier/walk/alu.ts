import { ALU_OPERATORS } from "../../isa/format.ts";
import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_ARSH,
  BPF_DIV,
  BPF_END,
  BPF_LSH,
  BPF_MOD,
  BPF_MOV,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RSH,
  BPF_SUB,
  BPF_X,
  BPF_XOR,
  CLASS_MASK,
  OP_MASK,
} from "../../isa/opcodes.ts";
import { constReg, LINK_32, LINK_64, LINK_NONE, REG_UNKNOWN, type Reg, SCALAR_VALUE, scalarReg } from "../register.ts";
import { SCALAR_U32, SCALAR_ZERO, Scalar } from "../scalar.ts";
import * as math from "../scalar-math.ts";
import * as shifts from "../scalar-shifts.ts";
import { withIdForCopy, withoutId } from "./linked.ts";
import { checkInvariants } from "./memory-access.ts";
import { addToPointer } from "./pointer-math.ts";
import type { Walker } from "./walker.ts";

const REG_U32 = scalarReg(SCALAR_U32);

/** `off` of a 64-bit move between address spaces (BPF_ADDR_SPACE_CAST). */
const ADDRESS_SPACE_CAST = 1;

const reserved = (w: Walker, what: string): false =>
  w.reject("EINVAL", `${what} uses reserved fields`, "reserved-fields");

/** One instruction of class ALU or ALU64. */
export function stepAlu(w: Walker, insn: Instruction): boolean {
  switch (insn.opcode & OP_MASK) {
    case BPF_END:
      return stepEndian(w, insn);
    case BPF_NEG:
      return stepNegate(w, insn);
    case BPF_MOV:
      return stepMove(w, insn);
    default:
      return stepBinary(w, insn);
  }
}

function stepNegate(w: Walker, insn: Instruction): boolean {
  const { dst } = insn;
  if (insn.src !== 0 || insn.off !== 0 || insn.imm !== 0) return reserved(w, "BPF_NEG");
  if (!w.checkReadable(dst) || !w.checkWritable(dst)) return false;
  const reg = w.reg(dst);
  if (reg.type !== SCALAR_VALUE) {
    w.setReg(dst, REG_UNKNOWN);
    return true;
  }
  const s = SCALAR_ZERO.copy();
  math.subScalar(s, reg.scalar);
  return finish(w, insn, s);
}

/** Stores the result of an operation, without group. */
function finish(w: Walker, insn: Instruction, s: Scalar): boolean {
  if ((insn.opcode & CLASS_MASK) === BPF_ALU64) s.sync();
  else s.zeroExtend32();
  w.setReg(insn.dst, checkInvariants(w, scalarReg(s), "alu"));
  return true;
}

function stepEndian(w: Walker, insn: Instruction): boolean {
  const { dst, imm } = insn;
  const wide = (insn.opcode & CLASS_MASK) === BPF_ALU64;
  const toBig = (insn.opcode & BPF_X) !== 0;
  if (insn.src !== 0 || insn.off !== 0 || (imm !== 16 && imm !== 32 && imm !== 64) || (wide && toBig))
    return reserved(w, "BPF_END");
  if (!w.checkReadable(dst) || !w.checkWritable(dst)) return false;
  const reg = w.reg(dst);
  if (reg.type !== SCALAR_VALUE) {
    w.setReg(dst, REG_UNKNOWN);
    return true;
  }
  if (!wide && !toBig && imm === 64) return true;
  const s = reg.scalar.copy();
  if (wide || toBig) shifts.swapScalar(s, imm);
  if (imm === 64) s.sync();
  else s.truncate(imm / 8);
  w.setReg(dst, checkInvariants(w, scalarReg(s), "alu"));
  return true;
}

function stepMove(w: Walker, insn: Instruction): boolean {
  const { dst, src, off, imm } = insn;
  const wide = (insn.opcode & CLASS_MASK) === BPF_ALU64;
  if ((insn.opcode & BPF_X) === 0) {
    if (src !== 0 || off !== 0) return reserved(w, "BPF_MOV");
    if (!w.checkWritable(dst)) return false;
    w.setReg(dst, wide || imm >= 0 ? constReg(imm) : scalarReg(Scalar.constant(0, imm)));
    return true;
  }
  if (wide && off === ADDRESS_SPACE_CAST) return castWithoutArena(w, imm);
  if ((off !== 0 && off !== 8 && off !== 16 && !(wide && off === 32)) || imm !== 0) return reserved(w, "BPF_MOV");
  if (!w.checkReadable(src) || !w.checkWritable(dst)) return false;
  const source = w.reg(src);
  if (wide && off === 0) {
    const named = withIdForCopy(w, source);
    if (named !== source) w.frame.regs[src] = named;
    w.setReg(dst, named);
    return true;
  }
  if (source.type !== SCALAR_VALUE) {
    w.setReg(dst, wide ? REG_UNKNOWN : REG_U32);
    return true;
  }
  const s = source.scalar;
  // The copy stays in the group only when it has the same value.
  const limit = off === 0 ? 32 : off - 1;
  const same = s.umaxHi === 0 && (limit === 32 || s.umaxLo >>> 0 < 2 ** limit);
  let result = source;
  if (same) {
    result = withIdForCopy(w, source);
    if (result !== source) w.frame.regs[src] = result;
  } else result = withoutId(source);
  let value: Scalar;
  if (wide) value = s.copy().signExtend64(off / 8);
  else if (off === 0) value = s.umaxHi === 0 && s.isConst ? s : s.copy().zeroExtend32();
  else
    value = s
      .copy()
      .signExtend32(off / 8)
      .zeroExtend32();
  w.setReg(dst, checkInvariants(w, value === result.scalar ? result : result.withScalar(value), "alu"));
  return true;
}

/** An address space cast in a program without arena; one that has an arena map is not modelled, and did not come here. */
function castWithoutArena(w: Walker, imm: number): boolean {
  const problem =
    imm === 1 || imm === 0x1_0000
      ? "be used in a program that has an associated arena"
      : "convert between address space 1 and 0";
  return w.reject("EINVAL", `addr_space_cast insn can only ${problem}`, "address-space-cast");
}

function stepBinary(w: Walker, insn: Instruction): boolean {
  const { dst, src, off, imm } = insn;
  const op = insn.opcode & OP_MASK;
  const wide = (insn.opcode & CLASS_MASK) === BPF_ALU64;
  const fromRegister = (insn.opcode & BPF_X) !== 0;
  if (off !== 0 && !(off === 1 && (op === BPF_DIV || op === BPF_MOD))) return reserved(w, "BPF_ALU");
  if (fromRegister) {
    if (imm !== 0) return reserved(w, "BPF_ALU");
    if (!w.checkReadable(src)) return false;
  } else if (src !== 0) return reserved(w, "BPF_ALU");
  if (!w.checkReadable(dst)) return false;
  if (!fromRegister) {
    if ((op === BPF_DIV || op === BPF_MOD) && imm === 0) return w.reject("EINVAL", "div by zero", "division-by-zero");
    if ((op === BPF_LSH || op === BPF_RSH || op === BPF_ARSH) && (imm < 0 || imm >= (wide ? 64 : 32)))
      return w.reject("EINVAL", `invalid shift ${imm}`, "shift-amount");
  }
  if (!w.checkWritable(dst)) return false;

  const d = w.reg(dst);
  const x = fromRegister ? w.reg(src) : constReg(imm);
  const operator = ALU_OPERATORS[op >> 4]!;
  if (d.type !== SCALAR_VALUE || x.type !== SCALAR_VALUE) {
    if (x.type === SCALAR_VALUE) {
      if (fromRegister && !w.markPrecise(src)) return false;
      return addToPointer(w, insn, d, x, false);
    }
    if (d.type === SCALAR_VALUE) {
      if (!w.markPrecise(dst)) return false;
      return addToPointer(w, insn, x, d, true);
    }
    if (op !== BPF_SUB)
      return w.reject("EACCES", `R${dst} pointer ${operator} pointer prohibited`, "pointer-arithmetic", dst);
    w.setReg(dst, REG_UNKNOWN);
    return true;
  }
  return scalarBinary(w, insn, d, x, wide, op);
}

function scalarBinary(w: Walker, insn: Instruction, d: Reg, x: Reg, wide: boolean, op: number): boolean {
  const xs = x.scalar;
  const width = wide ? 64 : 32;
  if (op === BPF_DIV || op === BPF_MOD) {
    w.setReg(insn.dst, REG_UNKNOWN);
    return true;
  }
  const isShift = op === BPF_LSH || op === BPF_RSH || op === BPF_ARSH;
  if (isShift && (!(wide ? xs.isConst : xs.isConst32) || xs.umaxHi !== 0 || xs.umaxLo >>> 0 >= width)) {
    w.setReg(insn.dst, REG_UNKNOWN);
    return true;
  }
  if ((op === BPF_AND || op === BPF_OR) && xs.isConst && !forkSigns(w, insn)) return false;
  const s = w.reg(insn.dst).scalar.copy();
  const n = xs.vLo;
  switch (op) {
    case BPF_ADD:
      math.addScalar(s, xs);
      break;
    case BPF_SUB:
      math.subScalar(s, xs);
      break;
    case BPF_MUL:
      math.mulScalar(s, xs);
      break;
    case BPF_AND:
      math.andScalar(s, xs);
      break;
    case BPF_OR:
      math.orScalar(s, xs);
      break;
    case BPF_XOR:
      math.xorScalar(s, xs);
      break;
    case BPF_LSH:
      (wide ? shifts.shlScalar : shifts.shlScalar32)(s, n);
      break;
    case BPF_RSH:
      (wide ? shifts.shrScalar : shifts.shrScalar32)(s, n);
      break;
    case BPF_ARSH:
      (wide ? shifts.sarScalar : shifts.sarScalar32)(s, n);
      break;
  }
  if (wide) s.sync();
  else s.zeroExtend32();
  const result = scalarReg(s);
  // A register with itself is no constant distance, also where its value is known (seen on 6.18.44).
  if ((insn.opcode & BPF_X) === 0 || insn.src !== insn.dst) linkResult(d, x, result, wide, op);
  w.setReg(insn.dst, checkInvariants(w, result, "alu"));
  return true;
}

/** `d += c` and `d -= c` stay in d's group, at a constant distance. */
function linkResult(d: Reg, x: Reg, result: Reg, wide: boolean, op: number): void {
  if ((op !== BPF_ADD && op !== BPF_SUB) || d.id === 0 || d.link !== LINK_NONE) return;
  const xs = x.scalar;
  if (!(wide ? xs.isConst : xs.isConst32)) return;
  if (wide && xs.vHi !== xs.vLo >> 31) return;
  if (!wide && d.scalar.umaxHi !== 0) return;
  if (op === BPF_SUB && xs.vLo === -0x8000_0000) return;
  result.id = d.id;
  result.link = wide ? LINK_64 : LINK_32;
  result.delta = op === BPF_ADD ? xs.vLo : -xs.vLo;
}

/**
 * A value that is 0 or -1 (a sign mask), combined with a constant by `&` or `|`: both are walked. The path with 0 waits and processes the
 * instruction again.
 */
function forkSigns(w: Walker, insn: Instruction): boolean {
  const reg = w.reg(insn.dst);
  const s = reg.scalar;
  const mask64 = s.sminHi === -1 && s.sminLo === -1 && s.smaxHi === 0 && s.smaxLo === 0;
  if (!mask64 && !(s.s32min === -1 && s.s32max === 0)) return true;
  const other = w.pushPending(w.insnIdx, w.insnIdx, "branch");
  if (other === null) return false;
  if (mask64) {
    other.frame.regs[insn.dst] = constReg(0);
    w.setReg(insn.dst, constReg(-1));
  } else {
    other.frame.regs[insn.dst] = reg.withScalar(withLowHalf(s, 0));
    w.setReg(insn.dst, reg.withScalar(withLowHalf(s, -1)));
  }
  return true;
}

function withLowHalf(s: Scalar, value: number): Scalar {
  const r = s.copy();
  r.vLo = value;
  r.mLo = 0;
  r.u32min = r.u32max = r.s32min = r.s32max = value;
  return r;
}

void BPF_ALU;
