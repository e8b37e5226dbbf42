import { ALU_OPERATORS } from "../../isa/format.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { BPF_ADD, BPF_ALU64, BPF_AND, BPF_OR, BPF_SUB, BPF_XOR, CLASS_MASK, OP_MASK } from "../../isa/opcodes.ts";
import {
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  PTR_TO_TP_BUFFER,
  REG_UNKNOWN,
  type Reg,
} from "../register.ts";
import { pointerOffset } from "../scalar-math.ts";
import { checkInvariants, typeName } from "./memory-access.ts";
import type { Walker } from "./walker.ts";

const MAX_VARIABLE_OFFSET = 2 ** 29;

const prohibited = (w: Walker, dst: number, message: string): false =>
  w.reject("EACCES", `R${dst} ${message}`, "pointer-arithmetic", dst);
const refuse = (w: Walker, message: string): false => w.reject("EINVAL", message, "pointer-offset");

/** `pointer op scalar`; with `reversed` the scalar is the destination. */
export function addToPointer(w: Walker, insn: Instruction, pointer: Reg, offset: Reg, reversed: boolean): boolean {
  const { dst } = insn;
  const op = insn.opcode & OP_MASK;
  const os = offset.scalar;
  const known = os.isConst;

  if (contradictory(offset)) {
    w.setReg(dst, REG_UNKNOWN);
    return true;
  }
  if ((insn.opcode & CLASS_MASK) !== BPF_ALU64) {
    if (op !== BPF_SUB) return prohibited(w, dst, "32-bit pointer arithmetic prohibited");
    w.setReg(dst, REG_UNKNOWN);
    return true;
  }
  if (pointer.mayBeNull)
    return prohibited(w, dst, `pointer arithmetic on ${typeName(pointer)} prohibited, null-check it first`);
  switch (pointer.type) {
    case PTR_TO_CTX:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MAP_KEY:
    case PTR_TO_STACK:
    case PTR_TO_PACKET_META:
    case PTR_TO_PACKET:
    case PTR_TO_TP_BUFFER:
    case PTR_TO_BTF_ID:
    case PTR_TO_MEM:
    case PTR_TO_BUF:
    case PTR_TO_FUNC:
    case CONST_PTR_TO_DYNPTR:
      break;
    case PTR_TO_FLOW_KEYS:
      if (known) break;
      return prohibited(w, dst, `pointer arithmetic on ${typeName(pointer)} prohibited`);
    case CONST_PTR_TO_MAP:
      if (known && os.value === 0 && op === BPF_ADD) break;
      return prohibited(w, dst, `pointer arithmetic on ${typeName(pointer)} prohibited`);
    default:
      return prohibited(w, dst, `pointer arithmetic on ${typeName(pointer)} prohibited`);
  }
  if (!isSane(w, offset, pointer, true) || !isSane(w, pointer, pointer, false)) return false;

  switch (op) {
    case BPF_ADD:
      break;
    case BPF_SUB:
      if (reversed) return prohibited(w, dst, "tried to subtract pointer from scalar");
      if (pointer.type === PTR_TO_STACK) return prohibited(w, dst, "subtraction from stack pointer prohibited");
      break;
    case BPF_AND:
    case BPF_OR:
    case BPF_XOR:
      return prohibited(w, dst, `bitwise operator ${ALU_OPERATORS[op >> 4]} on pointer prohibited`);
    default:
      return prohibited(w, dst, `pointer arithmetic with ${ALU_OPERATORS[op >> 4]} operator prohibited`);
  }

  const result = pointer.copy();
  if (reversed) result.refObjId = 0;
  const subtract = op === BPF_SUB;
  const isPacket = pointer.type === PTR_TO_PACKET || pointer.type === PTR_TO_PACKET_META;
  if (known) {
    result.off = pointer.off + (subtract ? -os.smin : os.smin);
    if (!pointer.scalar.isConst) {
      const s = pointer.scalar.copy();
      s.fullRange32();
      result.scalar = s.sync();
    }
  } else {
    const s = pointer.scalar.copy();
    pointerOffset(s, os, subtract);
    result.scalar = s;
    if (isPacket) {
      result.id = w.newId();
      if (!subtract || os.sminHi < 0) result.range = 0;
    }
  }
  if (!isSane(w, result, pointer, false)) return false;
  w.setReg(dst, checkInvariants(w, result, "alu"));
  return true;
}

function contradictory(reg: Reg): boolean {
  const s = reg.scalar;
  if (s.isConst) return s.smin !== s.smax || s.umin !== s.umax;
  return s.contradiction() === "range bounds violation" && (s.smin > s.smax || s.umin > s.umax);
}

/** Offsets stay below 2^29 in size, so that sums of them cannot overflow unseen. */
function isSane(w: Walker, reg: Reg, pointer: Reg, isScalar: boolean): boolean {
  const s = reg.scalar;
  if (s.isConst) {
    const value = s.value;
    if (value >= MAX_VARIABLE_OFFSET || value <= -MAX_VARIABLE_OFFSET)
      return refuse(w, `math between ${typeName(pointer)} pointer and ${BigInt.asIntN(64, s.bigValue)} is not allowed`);
  }
  // A scalar's distance from its group counts like an offset (seen on 6.18.44).
  const off = isScalar ? reg.delta : reg.off;
  if (off >= MAX_VARIABLE_OFFSET || off <= -MAX_VARIABLE_OFFSET)
    return refuse(w, `${typeName(pointer)} pointer offset ${off} is not allowed`);
  if (s.sminIsLowest)
    return refuse(w, `math between ${typeName(pointer)} pointer and register with unbounded min value is not allowed`);
  const smin = s.smin;
  if (smin >= MAX_VARIABLE_OFFSET || smin <= -MAX_VARIABLE_OFFSET)
    return refuse(w, `value ${s.bigSmin} makes ${typeName(pointer)} pointer be out of bounds`);
  return true;
}
