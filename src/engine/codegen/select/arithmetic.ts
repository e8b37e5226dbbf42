import type { IrBinaryOp, IrInstruction, IrValue } from "../../ir/module.ts";
import {
  BPF_ADD,
  BPF_AND,
  BPF_ARSH,
  BPF_DIV,
  BPF_LSH,
  BPF_MOD,
  BPF_MUL,
  BPF_OR,
  BPF_RSH,
  BPF_SUB,
  BPF_XOR,
} from "../../isa/opcodes.ts";
import type { Reg, Width } from "../machine.ts";
import { bitsOf } from "./known-bits.ts";
import type { Selector } from "./selector.ts";
import { typeText } from "./selector.ts";
import { selectWideBinary, selectWideCast } from "./wide.ts";

const PLAIN_CODES: Partial<Record<IrBinaryOp, number>> = {
  add: BPF_ADD,
  sub: BPF_SUB,
  mul: BPF_MUL,
  and: BPF_AND,
  or: BPF_OR,
  xor: BPF_XOR,
  shl: BPF_LSH,
};

const COMMUTATIVE: ReadonlySet<IrBinaryOp> = new Set(["add", "mul", "and", "or", "xor"]);

export function selectBinary(s: Selector, insn: IrInstruction & { op: "binary" }): void {
  const bits = bitsOf(insn.type);
  if (bits > 64) {
    if (bits <= 128) selectWideBinary(s, insn);
    else s.fail(`integers of type ${typeText(insn.type)} are not supported`);
    return;
  }
  const width = s.isNarrow(insn) ? 32 : s.width(bits);
  const result = binary(s, insn.operator, insn.a, insn.b, bits, width);
  s.set(insn, result);
  if (insn.operator === "add" && bits === width && insn.a.kind === "local" && insn.b.kind === "int") {
    s.increments.set(insn.a.index, { result, step: insn.b.value });
  }
}

function binary(s: Selector, operator: IrBinaryOp, left: IrValue, right: IrValue, bits: number, width: Width): Reg {
  let [a, b] = [left, right];
  if (COMMUTATIVE.has(operator) && s.constantOf(a) !== null && s.constantOf(b) === null) [a, b] = [b, a];
  const code = PLAIN_CODES[operator];
  if (code !== undefined) {
    if (operator === "sub" && s.constantOf(a) === 0n) return s.negate(width, s.reg(b));
    const constant = s.constantOf(b);
    if (operator === "and" && constant !== null && width === 64 && bits > 32 && s.alu32) {
      // The upper half becomes 0: a 32-bit operation does that by itself.
      if (constant === 0xffff_ffffn) return s.clearAbove(s.reg(a), 32, 64);
      if (constant < 0x1_0000_0000n && constant > 0x7fff_ffffn) {
        return s.alui(BPF_AND, 32, s.reg(a), Number(BigInt.asIntN(32, constant)));
      }
    }
    return apply(s, code, width, s.reg(a), b);
  }
  switch (operator) {
    case "lshr":
      return apply(s, BPF_RSH, width, s.zeroExtended(a, width), b);
    case "ashr":
      return apply(s, BPF_ARSH, width, s.signExtended(a, width), b);
    case "udiv":
    case "urem": {
      const divisor = s.constantOf(b);
      if (divisor !== null && divisor !== 0n && width === 32) return unsignedByConstant(s, operator, a, divisor, bits);
      return divide(s, operator === "udiv" ? BPF_DIV : BPF_MOD, width, s.zeroExtended(a, width), b, false);
    }
    case "sdiv":
    case "srem":
      return signedDivision(s, operator, a, b, bits);
    default:
      return s.newReg();
  }
}

/** `a op b`, b as an immediate where it fits. */
function apply(s: Selector, code: number, width: Width, a: Reg, b: IrValue): Reg {
  const immediate = s.immediate(b, width);
  if (immediate !== null) return s.alui(code, width, a, immediate);
  return s.alu(code, width, a, s.reg(b));
}

function divide(s: Selector, code: number, width: Width, a: Reg, b: IrValue, signed: boolean): Reg {
  const constant = s.constantOf(b);
  if (constant !== null) {
    const value = signed ? BigInt.asIntN(bitsOf(b.type), constant) : constant;
    if (value >= -0x8000_0000n && value <= 0x7fff_ffffn && value !== 0n) {
      return s.alui(code, width, a, Number(value), signed);
    }
    if (width === 32 && value !== 0n) return s.alui(code, 32, a, Number(BigInt.asIntN(32, value)), signed);
  }
  return s.alu(code, width, a, signed ? s.signExtended(b, width) : s.zeroExtended(b, width), signed);
}

/** Below v4 there is no signed division: by a power of two it is shifts; any other is refused as clang does. */
function signedDivision(s: Selector, operator: "sdiv" | "srem", a: IrValue, b: IrValue, bits: number): Reg {
  const width = s.width(bits);
  const code = operator === "sdiv" ? BPF_DIV : BPF_MOD;
  if (s.context.cpu.v4) return divide(s, code, width, s.signExtended(a, width), b, true);
  const constant = s.constantOf(b);
  const divisor = constant === null ? null : BigInt.asIntN(bits, constant);
  const magnitude = divisor === null ? 0n : divisor < 0n ? -divisor : divisor;
  const powerOfTwo = (magnitude & (magnitude - 1n)) === 0n;
  if (divisor !== null && !powerOfTwo && bits <= 32) {
    const x = s.signExtended(a, 64);
    const quotient = divideByMultiplying(s, x, divisor);
    return operator === "sdiv" ? quotient : s.alu(BPF_SUB, 64, x, s.alui(BPF_MUL, 64, quotient, Number(divisor)));
  }
  if (divisor === null || magnitude === 0n || !powerOfTwo) {
    s.fail("unsupported signed division, please convert to unsigned div/mod.");
    return s.newReg();
  }
  const x = s.signExtended(a, width);
  const shift = magnitude.toString(2).length - 1;
  if (shift === 0) {
    if (operator === "srem") return s.constant(0n, bits);
    return divisor < 0n ? s.negate(width, x) : x;
  }
  // Towards zero: add magnitude - 1 to a negative number before the shift.
  const sign = shift === 1 ? x : s.alui(BPF_ARSH, width, x, width - 1);
  const bias = s.alui(BPF_RSH, width, sign, width - shift);
  const sum = s.alu(BPF_ADD, width, x, bias);
  if (operator === "srem") {
    const mask = -magnitude;
    const multiple =
      mask >= -0x8000_0000n
        ? s.alui(BPF_AND, width, sum, Number(mask))
        : s.alu(BPF_AND, width, sum, s.constant(BigInt.asUintN(64, mask), 64));
    return s.alu(BPF_SUB, width, x, multiple);
  }
  const quotient = s.alui(BPF_ARSH, width, sum, shift);
  return divisor < 0n ? s.negate(width, quotient) : quotient;
}

/**
 * Division of a 32-bit number, sign-extended to 64 bits, by a constant: the upper part of its product with 2^k / divisor, plus one
 * when it is negative (Warren, Hacker's Delight, chapter 10). The factor has at most 32 bits, so that nothing overflows.
 */
function divideByMultiplying(s: Selector, x: Reg, divisor: bigint): Reg {
  const magnitude = divisor < 0n ? -divisor : divisor;
  let shift = 31 + (magnitude - 1n).toString(2).length;
  let factor = (1n << BigInt(shift)) / magnitude + 1n;
  while (factor % 2n === 0n && shift > 32) {
    factor /= 2n;
    shift--;
  }
  const product = multiplyBy(s, x, factor);
  const quotient = s.alu(BPF_ADD, 64, s.alui(BPF_ARSH, 64, product, shift), s.alui(BPF_RSH, 64, product, 63));
  return divisor < 0n ? s.negate(64, quotient) : quotient;
}

/**
 * Division of up to 32 bits by a constant, through a product (Warren, chapter 10). It is longer than `/=`, but the verifier can
 * follow it: of a quotient it knows nothing, of a product and a shift it knows the range.
 */
function unsignedByConstant(s: Selector, operator: "udiv" | "urem", a: IrValue, divisor: bigint, bits: number): Reg {
  const x = s.zeroExtended(a, 32);
  const log = divisor.toString(2).length - 1;
  if (divisor === 1n << BigInt(log)) {
    if (operator === "urem") return s.alui(BPF_AND, 32, x, Number(BigInt.asIntN(32, divisor - 1n)));
    return log === 0 ? x : s.alui(BPF_RSH, 32, x, log);
  }
  const known = a.kind === "local" ? Math.min(s.bits.low[a.index] as number, bits) : bits;
  if (divisor >> BigInt(known) !== 0n) return operator === "udiv" ? s.constant(0n, 32) : x;
  // The smallest shift for which factor / 2^shift is close enough to 1 / divisor for every x below 2^known.
  let extra = 0;
  let factor = 0n;
  for (; ; extra++) {
    const power = 1n << BigInt(known + extra);
    factor = power / divisor + 1n;
    if (factor * divisor - power <= 1n << BigInt(extra)) break;
  }
  const shift = known + extra;
  const factorBits = factor.toString(2).length;
  let quotient: Reg;
  if (known + factorBits <= 32) {
    quotient = s.alui(BPF_RSH, 32, s.alui(BPF_MUL, 32, x, Number(BigInt.asIntN(32, factor))), shift);
  } else if (known + factorBits <= 64) {
    quotient = s.alui(BPF_RSH, 64, multiplyBy(s, s.zeroExtended(a, 64), factor), shift);
  } else {
    // 33 bits: the factor's highest bit is added by hand, halved so that it fits.
    const wide = s.zeroExtended(a, 64);
    const part = s.alui(BPF_RSH, 64, multiplyBy(s, wide, factor - (1n << 32n)), 32);
    const half = s.alui(BPF_RSH, 64, s.alu(BPF_SUB, 64, wide, part), 1);
    quotient = s.alui(BPF_RSH, 64, s.alu(BPF_ADD, 64, half, part), shift - 33);
  }
  if (operator === "udiv") return quotient;
  return s.alu(BPF_SUB, 32, x, s.alui(BPF_MUL, 32, quotient, Number(BigInt.asIntN(32, divisor))));
}

function multiplyBy(s: Selector, x: Reg, factor: bigint): Reg {
  if (factor <= 0x7fff_ffffn) return s.alui(BPF_MUL, 64, x, Number(factor));
  return s.alu(BPF_MUL, 64, x, s.constant(factor, 64));
}

export function selectCast(s: Selector, insn: IrInstruction & { op: "cast" }): void {
  const from = bitsOf(insn.value.type);
  const to = bitsOf(insn.type);
  if (from === 0 || to === 0 || from > 128 || to > 128) {
    s.fail(`a conversion from ${typeText(insn.value.type)} to ${typeText(insn.type)} is not supported`);
    return;
  }
  if (from > 64 || to > 64) {
    selectWideCast(s, insn, from, to);
    return;
  }
  switch (insn.cast) {
    case "zext":
      s.set(insn, s.zeroExtended(insn.value, s.width(to)));
      return;
    case "sext":
      // A load that was told to extend its sign has done so.
      s.set(insn, loadHasExtended(s, insn.value) ? s.reg(insn.value) : s.signExtended(insn.value, s.width(to)));
      return;
    case "inttoptr":
    case "ptrtoint":
      s.set(insn, from < to ? s.zeroExtended(insn.value, 64) : s.reg(insn.value));
      return;
    default:
      s.set(insn, s.reg(insn.value));
  }
}

function loadHasExtended(s: Selector, value: IrValue): boolean {
  const definition = s.definition(value);
  if (definition?.op !== "load" || definition.result < 0) return false;
  return s.signedLoads.has(definition.result);
}
