import type { IrValue } from "../../ir/module.ts";
import { BPF_ADD, BPF_AND, BPF_LSH, BPF_MUL, BPF_OR, BPF_RSH, BPF_SUB, BPF_XOR } from "../../isa/opcodes.ts";
import type { Reg, Width } from "../machine.ts";
import { argument, type Call } from "./intrinsics.ts";
import { bitsOf } from "./known-bits.ts";
import { fitsS32, type Selector } from "./selector.ts";

/** Byte and bit order, bit counts, funnel shifts. False when `base` is none of them. */
export function selectBitIntrinsic(s: Selector, insn: Call, base: string): boolean {
  if (!/^(bswap|bitreverse|ctpop|ctlz|cttz|fshl|fshr)$/.test(base)) return false;
  const value = argument(insn, 0);
  const bits = bitsOf(value.type);
  if (bits === 0 || bits > 64) {
    s.fail(`'${base}' of integers wider than 64 bits is not supported`);
    return true;
  }
  const width = s.width(bits);
  switch (base) {
    case "bswap":
      s.set(insn, swapBytes(s, s.reg(value), bits));
      return true;
    case "bitreverse":
      s.set(insn, reverseBits(s, value, bits, width));
      return true;
    case "ctpop":
      s.set(insn, countBits(s, s.zeroExtended(value, width), width));
      return true;
    case "ctlz": {
      let x = s.zeroExtended(value, width);
      for (let n = 1; n < bits; n *= 2) x = s.alu(BPF_OR, width, x, s.alui(BPF_RSH, width, x, n));
      // Ones from the highest bit down: what is missing to `bits` are the leading zeros.
      const inverted = s.alui(BPF_XOR, width, x, -1);
      s.set(insn, countBits(s, bits === width ? inverted : s.clearAbove(inverted, bits, width), width));
      return true;
    }
    case "cttz": {
      const x = s.reg(value);
      const below = s.alu(BPF_AND, width, s.alui(BPF_XOR, width, x, -1), s.alui(BPF_ADD, width, x, -1));
      s.set(insn, countBits(s, bits === width ? below : s.clearAbove(below, bits, width), width));
      return true;
    }
    default:
      s.set(insn, funnelShift(s, base === "fshl", insn, bits, width));
      return true;
  }
}

/** Bytes in opposite order; for 16 and 32 bits the rest of the register is cleared. */
function swapBytes(s: Selector, value: Reg, bits: number): Reg {
  if (bits === 16 || bits === 32 || bits === 64) {
    const dst = s.copy(value);
    s.emit({ op: "swap", kind: s.context.cpu.v4 ? "bswap" : "be", bits, dst });
    return dst;
  }
  // Odd sizes: swap the whole register and take the upper bytes.
  const dst = s.copy(value);
  s.emit({ op: "swap", kind: s.context.cpu.v4 ? "bswap" : "be", bits: 64, dst });
  return s.alui(BPF_RSH, 64, dst, 64 - bits);
}

function masked(s: Selector, value: Reg, mask: bigint, width: Width): Reg {
  const imm = width === 32 ? BigInt.asIntN(32, mask) : BigInt.asIntN(64, mask);
  if (fitsS32(imm)) return s.alui(BPF_AND, width, value, Number(imm));
  return s.alu(BPF_AND, width, value, s.constant(BigInt.asUintN(64, mask), 64));
}

/** A byte pattern over `width` bits. */
function pattern(byte: bigint, width: Width): bigint {
  return BigInt.asUintN(width, byte * 0x0101_0101_0101_0101n);
}

function reverseBits(s: Selector, value: IrValue, bits: number, width: Width): Reg {
  const whole = bits <= 8 ? 8 : bits <= 16 ? 16 : bits <= 32 ? 32 : 64;
  let x = s.reg(value);
  if (bits > 8) {
    const dst = s.copy(x);
    s.emit({ op: "swap", kind: s.context.cpu.v4 ? "bswap" : "be", bits: whole as 16 | 32 | 64, dst });
    x = dst;
  }
  for (const [shift, byte] of [
    [4, 0x0fn],
    [2, 0x33n],
    [1, 0x55n],
  ] as const) {
    const mask = BigInt.asUintN(whole, pattern(byte, width));
    const high = masked(s, s.alui(BPF_RSH, width, x, shift), mask, width);
    const low = s.alui(BPF_LSH, width, masked(s, x, mask, width), shift);
    x = s.alu(BPF_OR, width, high, low);
  }
  return whole === bits ? x : s.alui(BPF_RSH, width, x, whole - bits);
}

/** Set bits of a register: pairs, nibbles, bytes, then the sum of the bytes by one multiplication. */
function countBits(s: Selector, value: Reg, width: Width): Reg {
  const pairs = s.alu(BPF_SUB, width, value, masked(s, s.alui(BPF_RSH, width, value, 1), pattern(0x55n, width), width));
  const mask = pattern(0x33n, width);
  const nibbles = s.alu(
    BPF_ADD,
    width,
    masked(s, pairs, mask, width),
    masked(s, s.alui(BPF_RSH, width, pairs, 2), mask, width),
  );
  const bytes = masked(
    s,
    s.alu(BPF_ADD, width, nibbles, s.alui(BPF_RSH, width, nibbles, 4)),
    pattern(0x0fn, width),
    width,
  );
  const ones = pattern(1n, width);
  const sum = width === 32 ? s.alui(BPF_MUL, 32, bytes, Number(ones)) : s.alu(BPF_MUL, 64, bytes, s.constant(ones, 64));
  return s.alui(BPF_RSH, width, sum, width - 8);
}

function funnelShift(s: Selector, left: boolean, insn: Call, bits: number, width: Width): Reg {
  const a = argument(insn, 0);
  const b = argument(insn, 1);
  const count = argument(insn, 2);
  const constant = s.constantOf(count);
  if (constant !== null) {
    const n = Number(constant % BigInt(bits));
    if (n === 0) return s.reg(left ? a : b);
    const up = left ? n : bits - n;
    const low = s.alui(BPF_RSH, width, s.zeroExtended(b, width), bits - up);
    return s.alu(BPF_OR, width, s.alui(BPF_LSH, width, s.reg(a), up), low);
  }
  // The shift that would be by the whole width is done in two steps.
  const amount = powerOfTwo(bits)
    ? s.alui(BPF_AND, width, s.reg(count), bits - 1)
    : s.alui(0x90, width, s.zeroExtended(count, width), bits);
  const rest = s.alu(BPF_SUB, width, s.constant(BigInt(bits - 1), bits), amount);
  if (left) {
    const low = s.alu(BPF_RSH, width, s.alui(BPF_RSH, width, s.zeroExtended(b, width), 1), rest);
    return s.alu(BPF_OR, width, s.alu(BPF_LSH, width, s.reg(a), amount), low);
  }
  const high = s.alu(BPF_LSH, width, s.alui(BPF_LSH, width, s.reg(a), 1), rest);
  return s.alu(BPF_OR, width, s.alu(BPF_RSH, width, s.zeroExtended(b, width), amount), high);
}

function powerOfTwo(n: number): boolean {
  return (n & (n - 1)) === 0;
}
