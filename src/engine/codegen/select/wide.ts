import type { IrInstruction, IrPredicate, IrValue } from "../../ir/module.ts";
import {
  BPF_ADD,
  BPF_AND,
  BPF_ARSH,
  BPF_JLT,
  BPF_LSH,
  BPF_MUL,
  BPF_OR,
  BPF_RSH,
  BPF_SUB,
  BPF_XOR,
} from "../../isa/opcodes.ts";
import type { Reg } from "../machine.ts";
import { boolean, compareInto } from "./conditions.ts";
import { bitsOf } from "./known-bits.ts";
import type { Selector } from "./selector.ts";

/** Integers of 65 to 128 bits, as two registers: low half first. */
type Pair = readonly [Reg, Reg];

function pair(s: Selector, value: IrValue): Pair {
  const [low, high] = s.regs(value);
  return [low ?? s.newReg(), high ?? s.newReg()];
}

export function selectWideBinary(s: Selector, insn: IrInstruction & { op: "binary" }): void {
  const a = pair(s, insn.a);
  switch (insn.operator) {
    case "and":
    case "or":
    case "xor": {
      const b = pair(s, insn.b);
      const code = { and: BPF_AND, or: BPF_OR, xor: BPF_XOR }[insn.operator];
      s.set(insn, s.alu(code, 64, a[0], b[0]), s.alu(code, 64, a[1], b[1]));
      return;
    }
    case "add": {
      const b = pair(s, insn.b);
      const low = s.alu(BPF_ADD, 64, a[0], b[0]);
      const carry = boolean(s, BPF_JLT, 64, low, b[0]);
      s.set(insn, low, s.alu(BPF_ADD, 64, s.alu(BPF_ADD, 64, a[1], b[1]), carry));
      return;
    }
    case "sub": {
      const b = pair(s, insn.b);
      const borrow = boolean(s, BPF_JLT, 64, a[0], b[0]);
      const low = s.alu(BPF_SUB, 64, a[0], b[0]);
      s.set(insn, low, s.alu(BPF_SUB, 64, s.alu(BPF_SUB, 64, a[1], b[1]), borrow));
      return;
    }
    case "shl":
    case "lshr":
    case "ashr": {
      const count = s.constantOf(insn.b);
      if (count === null) {
        s.fail("A call to built-in function '__ashlti3' is not supported: 128-bit shifts need a constant count");
        return;
      }
      s.set(insn, ...shift(s, insn.operator, a, Number(count), bitsOf(insn.type)));
      return;
    }
    case "mul":
      s.set(insn, ...multiply(s, a, pair(s, insn.b), isNarrow(s, insn.a) && isNarrow(s, insn.b)));
      return;
    default:
      s.fail(
        `A call to built-in function '__${insn.operator.startsWith("u") ? insn.operator : insn.operator.slice(1)}ti3' is not supported.`,
      );
  }
}

function isNarrow(s: Selector, value: IrValue): boolean {
  if (value.kind === "int") return value.value < 1n << 64n;
  const definition = s.definition(value);
  return definition?.op === "cast" && definition.cast === "zext" && bitsOf(definition.value.type) <= 64;
}

function shift(s: Selector, operator: "shl" | "lshr" | "ashr", [low, high]: Pair, n: number, bits: number): Pair {
  if (n === 0) return [low, high];
  const zero = (): Reg => s.constant(0n, 64);
  const by = (code: number, reg: Reg, count: number): Reg => (count === 0 ? reg : s.alui(code, 64, reg, count));
  if (operator === "shl") {
    if (n >= 64) return [zero(), by(BPF_LSH, low, n - 64)];
    return [by(BPF_LSH, low, n), s.alu(BPF_OR, 64, by(BPF_LSH, high, n), by(BPF_RSH, low, 64 - n))];
  }
  const top = operator === "ashr" ? s.extendSign(high, bits - 64, 64) : s.clearAbove(high, bits - 64, 64);
  const code = operator === "ashr" ? BPF_ARSH : BPF_RSH;
  if (n >= 64) return [by(code, top, n - 64), operator === "ashr" ? by(BPF_ARSH, top, 63) : zero()];
  return [s.alu(BPF_OR, 64, by(BPF_RSH, low, n), by(BPF_LSH, top, 64 - n)), by(code, top, n)];
}

/** Schoolbook product of 32-bit halves; the upper halves of the operands count only when they may be set. */
function multiply(s: Selector, a: Pair, b: Pair, narrow: boolean): Pair {
  const product = multiplyFull(s, a[0], b[0]);
  if (narrow) return product;
  const cross = s.alu(BPF_ADD, 64, s.alu(BPF_MUL, 64, a[0], b[1]), s.alu(BPF_MUL, 64, a[1], b[0]));
  return [product[0], s.alu(BPF_ADD, 64, product[1], cross)];
}

/** The 128-bit product of two unsigned 64-bit numbers. */
export function multiplyFull(s: Selector, a: Reg, b: Reg): Pair {
  const low = (reg: Reg): Reg => s.clearAbove(reg, 32, 64);
  const high = (reg: Reg): Reg => s.alui(BPF_RSH, 64, reg, 32);
  const [a0, a1, b0, b1] = [low(a), high(a), low(b), high(b)];
  const middle = s.alu(BPF_ADD, 64, s.alu(BPF_MUL, 64, a1, b0), high(s.alu(BPF_MUL, 64, a0, b0)));
  const other = s.alu(BPF_ADD, 64, s.alu(BPF_MUL, 64, a0, b1), low(middle));
  const top = s.alu(BPF_ADD, 64, s.alu(BPF_MUL, 64, a1, b1), high(middle));
  return [s.alu(BPF_MUL, 64, a, b), s.alu(BPF_ADD, 64, top, high(other))];
}

export function selectWideCast(s: Selector, insn: IrInstruction & { op: "cast" }, from: number, to: number): void {
  if (from > 64) {
    const [low, high] = pair(s, insn.value);
    if (to <= 64) s.set(insn, low);
    else if (to <= from || insn.cast === "trunc") s.set(insn, low, high);
    else s.set(insn, low, insn.cast === "sext" ? s.extendSign(high, from - 64, 64) : s.clearAbove(high, from - 64, 64));
    return;
  }
  if (insn.cast === "sext") {
    const low = s.signExtended(insn.value, 64);
    s.set(insn, low, s.alui(BPF_ARSH, 64, low, 63));
  } else s.set(insn, s.zeroExtended(insn.value, 64), s.constant(0n, 64));
}

/** 0 or 1 for a comparison of wide integers. */
export function wideCompare(s: Selector, predicate: IrPredicate, left: IrValue, right: IrValue): Reg {
  const bits = bitsOf(left.type);
  const signed = predicate.startsWith("s");
  const prepare = (value: IrValue): Pair => {
    const [low, high] = pair(s, value);
    return [low, signed ? s.extendSign(high, bits - 64, 64) : s.clearAbove(high, bits - 64, 64)];
  };
  const a = prepare(left);
  const b = prepare(right);
  if (predicate === "eq" || predicate === "ne") {
    const difference = s.alu(BPF_OR, 64, s.alu(BPF_XOR, 64, a[0], b[0]), s.alu(BPF_XOR, 64, a[1], b[1]));
    return compareInto(s, predicate, 64, difference, s.constant(0n, 64));
  }
  const strict = (signed ? "s" : "u") + (predicate.includes("g") ? "gt" : "lt");
  const low = compareInto(s, `u${predicate.slice(1)}` as IrPredicate, 64, a[0], b[0]);
  const high = compareInto(s, strict as IrPredicate, 64, a[1], b[1]);
  const same = compareInto(s, "eq", 64, a[1], b[1]);
  return s.alu(BPF_OR, 64, high, s.alu(BPF_AND, 64, same, low));
}
