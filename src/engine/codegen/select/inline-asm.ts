import type { IrAsm, IrInstruction, IrValue } from "../../ir/module.ts";
import type { AsmCode, AsmOperand, Reg } from "../machine.ts";
import { bitsOf } from "./known-bits.ts";
import { leavesOf } from "./leaves.ts";
import { addressOf } from "./memory.ts";
import type { Selector } from "./selector.ts";

type Call = IrInstruction & { op: "call" };

/** `{r5}` in a constraint; null when it names no register of BPF. */
function namedRegister(constraint: string): number | null {
  const match = /\{[rw]([0-9]|10)\}/.exec(constraint);
  return match === null ? null : Number(match[1]);
}

/**
 * Inline assembly. Its text is assembled once registers are known; here its operands become registers, constants, places and
 * labels, in the order of the constraints (outputs, inputs, labels), which is how the template numbers them.
 */
export function selectInlineAsm(s: Selector, insn: Call, asm: IrAsm): void {
  const constraints = asm.constraints === "" ? [] : asm.constraints.split(",");
  const code: AsmCode = {
    op: "asm",
    template: asm.template,
    operands: [],
    defs: [],
    uses: [],
    early: [],
    dbg: s.dbg,
  };
  const results: Reg[] = [];
  /** Registers that the asm writes by name, to be copied out behind it. */
  const named: { readonly to: Reg; readonly from: number }[] = [];
  const types = leavesOf(insn.type) ?? [];
  const inputs: { readonly value: IrValue; readonly fixed: number }[] = [];
  let argument = 0;
  let label = 0;
  for (const constraint of constraints) {
    if (constraint.startsWith("~")) {
      const register = namedRegister(constraint);
      if (register !== null && register !== 10) code.early.push(register);
    } else if (constraint.startsWith("!")) {
      code.operands.push({ kind: "label", block: s.target(insn.indirect[label++] ?? 0) });
    } else if (constraint.startsWith("=") && !constraint.includes("*")) {
      const narrow = bitsOf(types[results.length]?.type ?? { kind: "ptr" }) <= 32;
      const register = namedRegister(constraint);
      const out = register ?? s.newReg();
      const result = register === null ? out : s.newReg();
      if (register !== null) named.push({ to: result, from: register });
      results.push(result);
      code.defs.push(out);
      if (constraint.includes("&")) code.early.push(out);
      code.operands.push({ kind: "reg", reg: out, width: s.alu32 && (narrow || constraint.includes("w")) ? 32 : 64 });
    } else {
      const value = insn.args[argument++]?.value;
      if (value === undefined || !operand(s, code, constraint, value, inputs)) {
        s.fail(`unknown asm constraint '${constraint}'`);
        return;
      }
    }
  }
  for (const { value, fixed } of inputs) s.move(fixed, s.reg(value), 64);
  code.defs.push(...code.early.filter((reg) => !code.defs.includes(reg)));
  finish(s, insn, code);
  for (const { to, from } of named) s.move(to, from, 64);
  s.set(insn, ...results);
}

function operand(
  s: Selector,
  code: AsmCode,
  constraint: string,
  value: IrValue,
  inputs: { readonly value: IrValue; readonly fixed: number }[],
): boolean {
  const push = (o: AsmOperand): boolean => code.operands.push(o) > 0;
  const bits = bitsOf(value.type);
  if (/^\d+$/.test(constraint)) {
    const tied = code.operands[Number(constraint)];
    if (tied?.kind !== "reg") return false;
    s.move(tied.reg, s.reg(value), bits <= 32 && s.alu32 ? 32 : 64);
    code.uses.push(tied.reg);
    return push(tied);
  }
  if (constraint.includes("*")) {
    const place = addressOf(s, value);
    if (place.base >= 0) code.uses.push(place.base);
    return push({ kind: "memory", place });
  }
  const register = namedRegister(constraint);
  if (register !== null) {
    inputs.push({ value, fixed: register });
    code.uses.push(register);
    return push({ kind: "reg", reg: register, width: bits <= 32 && s.alu32 ? 32 : 64 });
  }
  if (/[inI]/.test(constraint)) {
    if (value.kind === "int") return push({ kind: "imm", value: BigInt.asIntN(Math.max(bits, 1), value.value) });
    if (value.kind === "global") return push({ kind: "symbol", symbol: value.name, addend: value.addend });
  }
  if (!/[rwg]/.test(constraint)) return false;
  const reg = s.reg(value);
  code.uses.push(reg);
  return push({ kind: "reg", reg, width: s.alu32 && (bits <= 32 || constraint.includes("w")) ? 32 : 64 });
}

function finish(s: Selector, insn: Call, code: AsmCode): void {
  if (insn.fallthrough !== null) {
    if (code.operands.some((o) => o.kind === "reg" && code.defs.includes(o.reg))) {
      s.fail("asm goto with outputs is not supported");
    }
    const targets = insn.indirect.map((block) => s.target(block));
    s.end({ kind: "asm", code, fallthrough: s.target(insn.fallthrough), targets });
    return;
  }
  // An empty template is a barrier to the optimiser, which has run.
  if (code.template.trim() === "") return;
  s.append(code);
  s.forgetSmallConstants();
}
