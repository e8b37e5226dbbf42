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
  OP_MASK,
} from "../../isa/opcodes.ts";
import { REGISTER_LOCAL } from "./layout.ts";
import * as w from "./wasm-code.ts";

const local = (r: number): number => REGISTER_LOCAL[r] as number;

/** The operators that WebAssembly has as they are: [64-bit, 32-bit]. Both mask shift counts as BPF does. */
const OPERATORS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [BPF_ADD, [w.I64_ADD, w.I32_ADD]],
  [BPF_SUB, [w.I64_SUB, w.I32_SUB]],
  [BPF_MUL, [w.I64_MUL, w.I32_MUL]],
  [BPF_OR, [w.I64_OR, w.I32_OR]],
  [BPF_AND, [w.I64_AND, w.I32_AND]],
  [BPF_LSH, [w.I64_SHL, w.I32_SHL]],
  [BPF_RSH, [w.I64_SHR_U, w.I32_SHR_U]],
  [BPF_XOR, [w.I64_XOR, w.I32_XOR]],
  [BPF_ARSH, [w.I64_SHR_S, w.I32_SHR_S]],
]);

/** Operations that leave upper halves zero when they are zero in both operands: done in 64 bits they need no extension. */
const KEEPS_NARROW = new Set([BPF_OR, BPF_AND, BPF_XOR]);

/**
 * Code of an instruction of class ALU or ALU64; false when its encoding is none that the tables know. `narrow` says of which
 * registers (one bit each) the upper half is zero.
 */
export function emitAlu(
  code: w.WasmCode,
  op: number,
  d: number,
  s: number,
  off: number,
  imm: number,
  narrow: number,
): boolean {
  const zero = ((op & BPF_X) !== 0 ? (narrow & (1 << s)) !== 0 : imm >= 0) && (op & 7) === BPF_ALU;
  const keeps = KEEPS_NARROW.has(op & OP_MASK) ? zero && (narrow & (1 << d)) !== 0 : zero && (op & OP_MASK) === BPF_MOV;
  const wide = (op & 7) === BPF_ALU64 || (keeps && off === 0);
  const byRegister = (op & BPF_X) !== 0;
  const operation = op & OP_MASK;
  const operator = OPERATORS.get(operation);
  if (operator !== undefined) {
    if (operation === BPF_MUL && !byRegister && emitFactor(code, wide, d, imm)) return true;
    if (wide) {
      code.get(local(d));
      if (byRegister) code.get(local(s));
      else code.i64(imm);
      code.byte(operator[0]);
    } else {
      pushLow(code, d);
      pushOperand32(code, byRegister, s, imm);
      code.byte(operator[1]);
      code.byte(w.I64_EXTEND_I32_U);
    }
    code.set(local(d));
    return true;
  }
  switch (operation) {
    case BPF_MOV:
      return emitMove(code, wide, byRegister, d, s, off, imm);
    case BPF_NEG:
      if (byRegister) return false;
      if (wide) {
        code.i64(0);
        code.get(local(d));
        code.byte(w.I64_SUB);
      } else {
        code.i32(0);
        pushLow(code, d);
        code.byte(w.I32_SUB);
        code.byte(w.I64_EXTEND_I32_U);
      }
      code.set(local(d));
      return true;
    case BPF_DIV:
    case BPF_MOD:
      emitDivision(code, wide, operation === BPF_MOD, off === 1, byRegister, d, s, imm);
      return true;
    case BPF_END:
      return emitEndian(code, wide, byRegister, d, imm);
    default:
      return false;
  }
}

/** Multiplication by 3, 5 or 9, times a power of two: an addition and shifts take less time. */
function emitFactor(code: w.WasmCode, wide: boolean, d: number, factor: number): boolean {
  if (factor <= 0) return false;
  const shift = 31 - Math.clz32(factor & -factor);
  const odd = factor >> shift;
  if (odd !== 3 && odd !== 5 && odd !== 9) return false;
  const push = (): void => {
    if (wide) code.get(local(d));
    else pushLow(code, d);
  };
  const shiftLeft = (by: number): void => {
    if (wide) code.i64(by);
    else code.i32(by);
    code.byte(wide ? w.I64_SHL : w.I32_SHL);
  };
  push();
  push();
  shiftLeft(odd === 3 ? 1 : odd === 5 ? 2 : 3);
  code.byte(wide ? w.I64_ADD : w.I32_ADD);
  if (shift > 0) shiftLeft(shift);
  if (!wide) code.byte(w.I64_EXTEND_I32_U);
  code.set(local(d));
  return true;
}

function pushLow(code: w.WasmCode, r: number): void {
  code.get(local(r));
  code.byte(w.I32_WRAP_I64);
}

function pushOperand32(code: w.WasmCode, byRegister: boolean, s: number, imm: number): void {
  if (byRegister) pushLow(code, s);
  else code.i32(imm);
}

function emitMove(
  code: w.WasmCode,
  wide: boolean,
  byRegister: boolean,
  d: number,
  s: number,
  off: number,
  imm: number,
): boolean {
  if (off !== 0 && (!byRegister || (off !== 8 && off !== 16 && !(wide && off === 32)))) return false;
  if (wide) {
    if (byRegister) code.get(local(s));
    else code.i64(imm);
    if (off !== 0) code.byte(off === 8 ? w.I64_EXTEND8_S : off === 16 ? w.I64_EXTEND16_S : w.I64_EXTEND32_S);
  } else {
    pushOperand32(code, byRegister, s, imm);
    if (off !== 0) code.byte(off === 8 ? w.I32_EXTEND8_S : w.I32_EXTEND16_S);
    code.byte(w.I64_EXTEND_I32_U);
  }
  code.set(local(d));
  return true;
}

/** By zero: the quotient is 0, the remainder the dividend. The lowest number by -1: itself, remainder 0 (RFC 9669, section 4.1). */
function emitDivision(
  code: w.WasmCode,
  wide: boolean,
  modulo: boolean,
  signed: boolean,
  byRegister: boolean,
  d: number,
  s: number,
  imm: number,
): void {
  const type = wide ? w.I64 : w.I32;
  const constant = (value: number): void => {
    if (wide) code.i64(value);
    else code.i32(value);
  };
  const dividend = (): void => {
    if (wide) code.get(local(d));
    else pushLow(code, d);
  };
  const divisor = (): void => {
    if (!byRegister) constant(imm);
    else if (wide) code.get(local(s));
    else pushLow(code, s);
  };
  const negated = (): void => {
    constant(0);
    dividend();
    code.byte(wide ? w.I64_SUB : w.I32_SUB);
  };
  const divide = (): void => {
    dividend();
    divisor();
    const base = modulo ? (wide ? w.I64_REM_S : w.I32_REM_S) : wide ? w.I64_DIV_S : w.I32_DIV_S;
    code.byte(signed ? base : base + 1);
  };
  const byZero = (): void => {
    if (modulo) dividend();
    else constant(0);
  };
  if (!byRegister) {
    if (imm === 0) byZero();
    else if (signed && !modulo && imm === -1) negated();
    else divide();
  } else {
    divisor();
    code.byte(wide ? w.I64_EQZ : w.I32_EQZ);
    code.byte(w.IF);
    code.byte(type);
    byZero();
    code.byte(w.ELSE);
    if (signed && !modulo) {
      divisor();
      constant(-1);
      code.byte(wide ? w.I64_EQ : w.I32_EQ);
      code.byte(w.IF);
      code.byte(type);
      negated();
      code.byte(w.ELSE);
      divide();
      code.byte(w.END);
    } else divide();
    code.byte(w.END);
  }
  if (!wide) code.byte(w.I64_EXTEND_I32_U);
  code.set(local(d));
}

/** Class ALU: to little (K) or big endian (X); class ALU64: swap. */
function emitEndian(code: w.WasmCode, wide: boolean, byRegister: boolean, d: number, width: number): boolean {
  if ((width !== 16 && width !== 32 && width !== 64) || (wide && byRegister)) return false;
  const swap = wide || byRegister;
  if (width === 64) {
    if (!swap) return true;
    // Neighbouring bytes, then neighbouring 16 bits, then the halves.
    swapNeighbours(code, d, 8, 0x00ff_00ff_00ff_00ffn);
    swapNeighbours(code, d, 16, 0x0000_ffff_0000_ffffn);
    code.get(local(d));
    code.i64(32);
    code.byte(w.I64_ROTL);
    code.set(local(d));
    return true;
  }
  pushLow(code, d);
  if (width === 16 && !swap) {
    code.i32(0xffff);
    code.byte(w.I32_AND);
  } else if (swap) {
    // Rotating by 8 either way puts each byte in place in one of the two.
    code.i32(8);
    code.byte(w.I32_ROTL);
    code.i32(0x00ff_00ff);
    code.byte(w.I32_AND);
    pushLow(code, d);
    code.i32(8);
    code.byte(w.I32_ROTR);
    code.i32(0xff00_ff00 | 0);
    code.byte(w.I32_AND);
    code.byte(w.I32_OR);
    if (width === 16) {
      code.i32(16);
      code.byte(w.I32_SHR_U);
    }
  }
  code.byte(w.I64_EXTEND_I32_U);
  code.set(local(d));
  return true;
}

function swapNeighbours(code: w.WasmCode, d: number, bits: number, mask: bigint): void {
  code.get(local(d));
  code.i64(bits);
  code.byte(w.I64_SHR_U);
  code.i64Big(mask);
  code.byte(w.I64_AND);
  code.get(local(d));
  code.i64Big(mask);
  code.byte(w.I64_AND);
  code.i64(bits);
  code.byte(w.I64_SHL);
  code.byte(w.I64_OR);
  code.set(local(d));
}
