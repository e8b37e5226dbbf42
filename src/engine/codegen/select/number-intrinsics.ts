import type { IrPredicate, IrValue } from "../../ir/module.ts";
import {
  BPF_ADD,
  BPF_AND,
  BPF_ARSH,
  BPF_JLT,
  BPF_JNE,
  BPF_JSGT,
  BPF_JSLT,
  BPF_MUL,
  BPF_SUB,
  BPF_XOR,
} from "../../isa/opcodes.ts";
import type { Reg, Width } from "../machine.ts";
import { boolean, branchOnImmediate, branchOnRegisters, compareInto, diamond, JUMP_CODES } from "./conditions.ts";
import { argument, type Call } from "./intrinsics.ts";
import { bitsOf } from "./known-bits.ts";
import { fitsS32, type Selector } from "./selector.ts";
import { multiplyFull } from "./wide.ts";

const MIN_MAX: Record<string, IrPredicate> = { umin: "ult", umax: "ugt", smin: "slt", smax: "sgt" };

/** Minimum, absolute value, saturating and overflowing arithmetic. False when `base` is none of them. */
export function selectNumberIntrinsic(s: Selector, insn: Call, base: string): boolean {
  const predicate = MIN_MAX[base];
  const bits = bitsOf(argument(insn, 0).type);
  const known =
    predicate !== undefined || /^(abs|[us](add|sub|mul)\.with\.overflow|[us](add|sub|shl)\.sat|[us]cmp)$/.test(base);
  if (!known) return false;
  if (bits === 0 || bits > 64) {
    s.fail(`'${base}' of integers wider than 64 bits is not supported`);
    return true;
  }
  const width = s.width(bits);
  const signed = base.startsWith("s");
  const a = argument(insn, 0);
  const b = argument(insn, 1);
  if (predicate !== undefined) s.set(insn, minMax(s, predicate, a, b, width));
  else if (base === "abs") s.set(insn, absolute(s, a, width));
  else if (base.endsWith("cmp")) s.set(insn, threeWay(s, signed, a, b, width));
  else if (base.endsWith("overflow")) s.set(insn, ...withOverflow(s, base, a, b, bits));
  else saturating(s, insn, base, a, b, bits);
  return true;
}

function extended(s: Selector, signed: boolean, value: IrValue, width: Width): Reg {
  return signed ? s.signExtended(value, width) : s.zeroExtended(value, width);
}

function minMax(s: Selector, predicate: IrPredicate, left: IrValue, right: IrValue, width: Width): Reg {
  const signed = predicate.startsWith("s");
  const [a, b] = s.constantOf(left) !== null ? [right, left] : [left, right];
  const x = extended(s, signed, a, width);
  const constant = s.constantOf(b);
  const bits = bitsOf(b.type);
  const dst = s.newReg();
  const whenTrue = (): void => s.move(dst, x, width);
  if (constant !== null) {
    const value = signed ? BigInt.asIntN(bits, constant) : constant;
    const imm = width === 32 ? BigInt.asIntN(32, value) : BigInt.asIntN(64, value);
    const otherwise = (): void => s.constantInto(dst, BigInt.asUintN(width, value), width);
    if (fitsS32(imm)) {
      const code = JUMP_CODES[predicate];
      diamond(s, (t, f) => branchOnImmediate(s, code, width, x, Number(imm), t, f), whenTrue, otherwise);
      return dst;
    }
  }
  const y = extended(s, signed, b, width);
  diamond(
    s,
    (t, f) => branchOnRegisters(s, JUMP_CODES[predicate], width, x, y, t, f),
    whenTrue,
    () => s.move(dst, y, width),
  );
  return dst;
}

function absolute(s: Selector, value: IrValue, width: Width): Reg {
  const x = s.signExtended(value, width);
  const sign = s.alui(BPF_ARSH, width, x, width - 1);
  return s.alu(BPF_SUB, width, s.alu(BPF_XOR, width, x, sign), sign);
}

function threeWay(s: Selector, signed: boolean, left: IrValue, right: IrValue, width: Width): Reg {
  const a = extended(s, signed, left, width);
  const b = extended(s, signed, right, width);
  const greater = compareInto(s, signed ? "sgt" : "ugt", width, a, b);
  const less = compareInto(s, signed ? "slt" : "ult", width, a, b);
  return s.alu(BPF_SUB, width, greater, less);
}

const CODES: Record<string, number> = { add: BPF_ADD, sub: BPF_SUB, mul: BPF_MUL };

function operationOf(base: string): string {
  return base.slice(1, 4);
}

/** The result (its bits above the type's own are arbitrary) and 0 or 1. */
function withOverflow(s: Selector, base: string, left: IrValue, right: IrValue, bits: number): [Reg, Reg] {
  const signed = base.startsWith("s");
  const operation = operationOf(base);
  const code = CODES[operation] as number;
  if (bits < 64) {
    // In 64 bits nothing of 32 overflows; narrower types neither.
    const a = extended(s, signed, left, 64);
    const b = extended(s, signed, right, 64);
    const exact = s.alu(code, 64, a, b);
    const wrapped = signed ? s.extendSign(exact, bits, 64) : s.clearAbove(exact, bits, 64);
    return [exact, boolean(s, BPF_JNE, 64, exact, wrapped)];
  }
  const a = s.reg(left);
  const b = s.reg(right);
  if (operation === "mul") {
    const [low, high] = multiplyFull(s, a, b);
    if (!signed) return [low, boolean(s, BPF_JNE, 64, high, s.constant(0n, 64))];
    // Signed upper half: take back what the signs added.
    const correct = (sum: Reg, sign: Reg, other: Reg): Reg =>
      s.alu(BPF_SUB, 64, sum, s.alu(BPF_AND, 64, s.alui(BPF_ARSH, 64, sign, 63), other));
    const upper = correct(correct(high, a, b), b, a);
    return [low, boolean(s, BPF_JNE, 64, upper, s.alui(BPF_ARSH, 64, low, 63))];
  }
  const result = s.alu(code, 64, a, b);
  if (!signed) {
    return [result, operation === "add" ? boolean(s, BPF_JLT, 64, result, a) : boolean(s, BPF_JLT, 64, a, b)];
  }
  return [result, boolean(s, BPF_JSLT, 64, signedOverflow(s, operation, a, b, result), s.constant(0n, 64))];
}

/** A number that is negative exactly when the 64-bit operation overflowed. */
function signedOverflow(s: Selector, operation: string, a: Reg, b: Reg, result: Reg): Reg {
  const first = s.alu(BPF_XOR, 64, a, operation === "add" ? result : b);
  const second = operation === "add" ? s.alu(BPF_XOR, 64, b, result) : s.alu(BPF_XOR, 64, a, result);
  return s.alu(BPF_AND, 64, first, second);
}

function saturating(s: Selector, insn: Call, base: string, left: IrValue, right: IrValue, bits: number): void {
  const signed = base.startsWith("s");
  const operation = operationOf(base);
  if (operation === "shl") {
    s.fail(`'${base}' is not supported by BPF`);
    return;
  }
  const code = CODES[operation] as number;
  const dst = s.newReg();
  if (bits < 64) {
    const exact = s.alu(code, 64, extended(s, signed, left, 64), extended(s, signed, right, 64));
    const most = signed ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
    const least = signed ? -(1n << BigInt(bits - 1)) : 0n;
    s.move(dst, exact, 64);
    clamp(s, dst, BPF_JSGT, most);
    clamp(s, dst, BPF_JSLT, least);
    s.set(insn, dst);
    return;
  }
  const a = s.reg(left);
  const b = s.reg(right);
  const result = s.alu(code, 64, a, b);
  if (!signed) {
    const [x, y] = operation === "add" ? [result, a] : [a, b];
    const limit = operation === "add" ? 0xffff_ffff_ffff_ffffn : 0n;
    // The limit where it wrapped.
    diamond(
      s,
      (t, f) => branchOnRegisters(s, BPF_JLT, 64, x, y, t, f),
      () => s.constantInto(dst, limit, 64),
      () => s.move(dst, result, 64),
    );
  } else {
    const over = signedOverflow(s, operation, a, b, result);
    const sign = s.alui(BPF_ARSH, 64, result, 63);
    const limit = s.alu(BPF_XOR, 64, sign, s.constant(1n << 63n, 64));
    diamond(
      s,
      (t, f) => branchOnImmediate(s, BPF_JSLT, 64, over, 0, t, f),
      () => s.move(dst, limit, 64),
      () => s.move(dst, result, 64),
    );
  }
  s.set(insn, dst);
}

/** Sets `dst` to `limit` when `dst code limit`. */
function clamp(s: Selector, dst: Reg, code: number, limit: bigint): void {
  const change = s.newBlock();
  const join = s.newBlock();
  const bound = s.constant(BigInt.asUintN(64, limit), 64);
  branchOnRegisters(s, code, 64, dst, bound, change.id, join.id);
  const held = s.saveHeld();
  s.continueIn(change);
  s.move(dst, bound, 64);
  s.end({ kind: "goto", to: join.id });
  s.continueIn(join);
  s.restoreHeld(held);
}
