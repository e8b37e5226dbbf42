import type { IrInstruction, IrPredicate, IrValue } from "../../ir/module.ts";
import {
  BPF_AND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JLE,
  BPF_JLT,
  BPF_JNE,
  BPF_JSGE,
  BPF_JSGT,
  BPF_JSLE,
  BPF_JSLT,
  BPF_RSH,
} from "../../isa/opcodes.ts";
import type { Reg, Width } from "../machine.ts";
import { NO_REG } from "../machine.ts";
import { bitsOf } from "./known-bits.ts";
import { leavesOf } from "./leaves.ts";
import { fitsS32, type Selector, typeText } from "./selector.ts";
import { logicalSelect } from "./uses.ts";
import { wideCompare } from "./wide.ts";

export const JUMP_CODES: Record<IrPredicate, number> = {
  eq: BPF_JEQ,
  ne: BPF_JNE,
  ugt: BPF_JGT,
  uge: BPF_JGE,
  ult: BPF_JLT,
  ule: BPF_JLE,
  sgt: BPF_JSGT,
  sge: BPF_JSGE,
  slt: BPF_JSLT,
  sle: BPF_JSLE,
};

const SWAPPED: Record<IrPredicate, IrPredicate> = {
  eq: "eq",
  ne: "ne",
  ugt: "ult",
  uge: "ule",
  ult: "ugt",
  ule: "uge",
  sgt: "slt",
  sge: "sle",
  slt: "sgt",
  sle: "sge",
};

const NEGATED: ReadonlyMap<number, number> = new Map([
  [BPF_JEQ, BPF_JNE],
  [BPF_JNE, BPF_JEQ],
  [BPF_JGT, BPF_JLE],
  [BPF_JLE, BPF_JGT],
  [BPF_JGE, BPF_JLT],
  [BPF_JLT, BPF_JGE],
  [BPF_JSGT, BPF_JSLE],
  [BPF_JSLE, BPF_JSGT],
  [BPF_JSGE, BPF_JSLT],
  [BPF_JSLT, BPF_JSGE],
]);

/** The jump taken exactly when `code` is not. */
export function negatedJump(code: number): number | undefined {
  return NEGATED.get(code);
}

/** Jumps whose code only v2 has: by swapping operands they become older ones. */
const LESS_TO_GREATER: ReadonlyMap<number, number> = new Map([
  [BPF_JLT, BPF_JGT],
  [BPF_JLE, BPF_JGE],
  [BPF_JSLT, BPF_JSGT],
  [BPF_JSLE, BPF_JSGE],
]);

/** Ends the current block with a comparison of registers. */
export function branchOnRegisters(
  s: Selector,
  code: number,
  width: Width,
  a: Reg,
  b: Reg,
  taken: number,
  otherwise: number,
): void {
  const older = s.context.cpu.jumpLess ? undefined : LESS_TO_GREATER.get(code);
  if (older !== undefined) {
    s.end({ kind: "if", code: older, width, a: b, b: a, imm: 0, taken, otherwise, dbg: s.dbg });
    return;
  }
  s.end({ kind: "if", code, width, a, b, imm: 0, taken, otherwise, dbg: s.dbg });
}

/** Ends the current block with a comparison with a number that fits 32 bits, signed. */
export function branchOnImmediate(
  s: Selector,
  code: number,
  width: Width,
  a: Reg,
  imm: number,
  taken: number,
  otherwise: number,
): void {
  if (!s.context.cpu.jumpLess && LESS_TO_GREATER.has(code)) {
    const opposite = negatedJump(code) as number;
    s.end({ kind: "if", code: opposite, width, a, b: NO_REG, imm, taken: otherwise, otherwise: taken, dbg: s.dbg });
    return;
  }
  s.end({ kind: "if", code, width, a, b: NO_REG, imm, taken, otherwise, dbg: s.dbg });
}

function branchOnCompare(s: Selector, insn: IrInstruction & { op: "icmp" }, taken: number, otherwise: number): void {
  let { predicate, a, b } = insn;
  if (s.constantOf(a) !== null && s.constantOf(b) === null) {
    [a, b] = [b, a];
    predicate = SWAPPED[predicate];
  }
  const bits = bitsOf(a.type);
  if (bits > 64) {
    if (bits > 128) s.fail(`comparisons of ${typeText(a.type)} are not supported`);
    else branchOnImmediate(s, BPF_JNE, 64, wideCompare(s, predicate, a, b), 0, taken, otherwise);
    return;
  }
  if (bits === 0) {
    s.fail(`comparisons of ${typeText(a.type)} are not supported`);
    return;
  }
  const width = s.context.cpu.alu32 && bits <= 32 ? 32 : 64;
  const signed = predicate.startsWith("s");
  const left = signed ? s.signExtended(a, width) : s.zeroExtended(a, width);
  const constant = s.constantOf(b);
  // After `next = x + step`, `x == c` is `next == c + step`: then x need not outlive its successor.
  const next =
    a.kind === "local" && bits === width && (predicate === "eq" || predicate === "ne")
      ? s.increments.get(a.index)
      : undefined;
  if (next !== undefined && constant !== null) {
    const moved = BigInt.asIntN(bits, constant + next.step);
    if (fitsS32(moved)) {
      branchOnImmediate(s, JUMP_CODES[predicate], width, next.result, Number(moved), taken, otherwise);
      return;
    }
  }
  if (constant !== null) {
    const value = signed ? BigInt.asIntN(bits, constant) : constant;
    const imm = width === 32 ? BigInt.asIntN(32, value) : BigInt.asIntN(64, value);
    if (fitsS32(imm)) {
      branchOnImmediate(s, JUMP_CODES[predicate], width, left, Number(imm), taken, otherwise);
      return;
    }
  }
  const right = signed ? s.signExtended(b, width) : s.zeroExtended(b, width);
  branchOnRegisters(s, JUMP_CODES[predicate], width, left, right, taken, otherwise);
}

/**
 * Ends the current block with a jump on a bit. A comparison is made here, whatever block it stands in; `and` and `or` of bits
 * that nothing else uses become two jumps.
 */
export function branchOn(s: Selector, condition: IrValue, taken: number, otherwise: number): void {
  const constant = s.constantOf(condition);
  if (constant !== null) {
    s.end({ kind: "goto", to: (constant & 1n) === 1n ? taken : otherwise });
    return;
  }
  const definition = s.definition(condition);
  const folded = definition !== undefined && s.uses.folded[definition.result] === 1;
  if (definition?.op === "icmp") {
    branchOnCompare(s, definition, taken, otherwise);
    return;
  }
  if (folded && definition.op === "freeze") {
    branchOn(s, definition.value, taken, otherwise);
    return;
  }
  if (folded && definition.op === "binary") {
    if (definition.operator === "xor") branchOn(s, definition.a, otherwise, taken);
    else branchOnBoth(s, definition.operator === "and", definition.a, definition.b, taken, otherwise);
    return;
  }
  if (folded && definition.op === "select") {
    const logic = logicalSelect(definition);
    branchOnBoth(
      s,
      logic === "and",
      definition.condition,
      logic === "and" ? definition.a : definition.b,
      taken,
      otherwise,
    );
    return;
  }
  if (definition?.op === "cast" && definition.cast === "trunc" && bitsOf(definition.value.type) <= 64) {
    const value = definition.value;
    const width = s.width(bitsOf(value.type));
    const known = value.kind === "local" && (s.bits[width === 32 ? "low" : "all"][value.index] as number) <= 1;
    const bit = known ? s.reg(value) : s.alui(BPF_AND, width, s.reg(value), 1);
    branchOnImmediate(s, BPF_JNE, width, bit, 0, taken, otherwise);
    return;
  }
  const width = s.width(1);
  branchOnImmediate(s, BPF_JNE, width, s.zeroExtended(condition, width), 0, taken, otherwise);
}

function branchOnBoth(s: Selector, and: boolean, a: IrValue, b: IrValue, taken: number, otherwise: number): void {
  const second = s.newBlock();
  if (and) branchOn(s, a, second.id, otherwise);
  else branchOn(s, a, taken, second.id);
  // Only the first jump leads here.
  const held = s.saveHeld();
  s.continueIn(second);
  branchOn(s, b, taken, otherwise);
  s.restoreHeld(held);
}

/** `dst = whenTrue; if (condition) goto join; dst = whenFalse; join:` with the current block going on at the join. */
export function diamond(
  s: Selector,
  branch: (taken: number, otherwise: number) => void,
  whenTrue: () => void,
  whenFalse: () => void,
): void {
  whenTrue();
  const other = s.newBlock();
  const join = s.newBlock();
  branch(join.id, other.id);
  const held = s.saveHeld();
  s.continueIn(other);
  whenFalse();
  s.end({ kind: "goto", to: join.id });
  s.continueIn(join);
  s.restoreHeld(held);
}

/** 0 or 1 in a register. */
function bit(s: Selector, branch: (taken: number, otherwise: number) => void): Reg {
  const dst = s.newReg();
  diamond(
    s,
    branch,
    () => s.constantInto(dst, 1n, 32),
    () => s.constantInto(dst, 0n, 32),
  );
  return dst;
}

/** 0 or 1 for a comparison of registers by its jump code. */
export function boolean(s: Selector, code: number, width: Width, a: Reg, b: Reg): Reg {
  return bit(s, (taken, otherwise) => branchOnRegisters(s, code, width, a, b, taken, otherwise));
}

export function compareInto(s: Selector, predicate: IrPredicate, width: Width, a: Reg, b: Reg): Reg {
  return boolean(s, JUMP_CODES[predicate], width, a, b);
}

/** The bit itself, for uses that are no condition. */
export function selectCompare(s: Selector, insn: IrInstruction & { op: "icmp" }): void {
  if (bitsOf(insn.a.type) > 64 && bitsOf(insn.a.type) <= 128) {
    s.set(insn, wideCompare(s, insn.predicate, insn.a, insn.b));
    return;
  }
  s.set(insn, testedBit(s, insn) ?? bit(s, (taken, otherwise) => branchOnCompare(s, insn, taken, otherwise)));
}

/** `(x & 2^k) != 0` as a number is the bit itself, moved down. */
function testedBit(s: Selector, insn: IrInstruction & { op: "icmp" }): Reg | null {
  if (insn.predicate !== "ne" || s.constantOf(insn.b) !== 0n) return null;
  const definition = s.definition(insn.a);
  if (definition?.op !== "binary" || definition.operator !== "and" || definition.b.kind !== "int") return null;
  const mask = definition.b.value;
  if (mask === 0n || (mask & (mask - 1n)) !== 0n) return null;
  const shift = mask.toString(2).length - 1;
  const width = s.width(bitsOf(insn.a.type));
  return shift === 0 ? s.reg(insn.a) : s.alui(BPF_RSH, width, s.zeroExtended(insn.a, width), shift);
}

/** Selects on one condition, one after another: one jump serves them all. */
export function selectSelects(s: Selector, insns: readonly (IrInstruction & { op: "select" })[]): void {
  const moves: { dst: Reg; insn: IrInstruction & { op: "select" }; part: number }[] = [];
  for (const insn of insns) {
    const leaves = leavesOf(insn.type);
    if (leaves === null) {
      s.fail(`a choice between values of type ${typeText(insn.type)} is not supported`);
      continue;
    }
    const parts = leaves.map((_, part) => {
      const dst = s.newReg();
      moves.push({ dst, insn, part });
      return dst;
    });
    s.set(insn, ...parts);
  }
  const first = insns[0];
  if (first === undefined) return;
  diamond(
    s,
    (taken, otherwise) => branchOn(s, first.condition, taken, otherwise),
    () => {
      for (const { dst, insn, part } of moves) moveValue(s, dst, insn.a, part);
    },
    () => {
      for (const { dst, insn, part } of moves) moveValue(s, dst, insn.b, part);
    },
  );
}

/** Puts one part of a value into a register: constants and addresses are made there. */
export function moveValue(s: Selector, dst: Reg, value: IrValue, part: number): void {
  const bits = bitsOf(value.type);
  if (bits > 0 && bits <= 64) {
    const constant = value.kind === "undef" ? 0n : s.constantOf(value);
    if (constant !== null) {
      s.constantInto(dst, constant, bits);
      return;
    }
    const helper = s.helperNumber(value);
    if (helper !== null) {
      s.constantInto(dst, helper, 64);
      return;
    }
    if (value.kind === "global") {
      s.emit({ op: "address", dst, symbol: value.name, addend: value.addend });
      return;
    }
    const stack = s.stackPlace(value);
    if (stack !== null) {
      s.emit({ op: "frame", dst, slot: stack.slot, offset: stack.offset });
      return;
    }
    s.move(dst, s.reg(value), bits <= 32 && s.alu32 ? 32 : 64);
    return;
  }
  const src = s.regs(value)[part];
  if (src !== undefined) s.move(dst, src, 64);
}
