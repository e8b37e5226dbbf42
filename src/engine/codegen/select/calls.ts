import type { IrArgument, IrInstruction, IrValue } from "../../ir/module.ts";
import { formatType } from "../../ir/types.ts";
import type { CallTarget, Reg } from "../machine.ts";
import { selectMemcmp } from "./block-memory.ts";
import { moveValue } from "./conditions.ts";
import { selectInlineAsm } from "./inline-asm.ts";
import { selectIntrinsic } from "./intrinsics.ts";
import { bitsOf } from "./known-bits.ts";
import { leavesOf } from "./leaves.ts";
import { type Selector, typeProblem } from "./selector.ts";

const MAX_ARGUMENTS = 5;

/** Copies the parameters out of r1..r5 at the function's entry. */
export function receiveParameters(s: Selector): void {
  let next = 1;
  s.fn.parameters.forEach((parameter, index) => {
    if (parameter.sret) {
      s.fail("aggregate returns are not supported");
    } else if (parameter.byval) {
      s.fail("pass by value not supported");
    }
    const leaves = leavesOf(parameter.type);
    if (leaves === null) {
      s.fail(typeProblem(parameter.type) ?? `parameters of type ${formatType(parameter.type)} are not supported`);
      return;
    }
    s.values[index] = leaves.map(({ type }) => {
      const reg = s.newReg();
      const from = next++;
      const used = (s.uses.count[index] as number) > 0;
      if (from <= MAX_ARGUMENTS && used) s.move(reg, from, s.alu32 && bitsOf(type) <= 32 ? 32 : 64);
      return reg;
    });
  });
  if (s.fn.variadic) s.fail("variadic functions are not supported");
  if (next - 1 > MAX_ARGUMENTS) s.fail("stack arguments are not supported");
}

export function selectReturn(s: Selector, value: IrValue | null): void {
  if (value === null) {
    s.end({ kind: "exit", value: false, dbg: s.dbg });
    return;
  }
  const leaves = leavesOf(value.type);
  if (leaves?.length !== 1) {
    s.fail(
      (typeProblem(value.type) ?? (leaves?.length === 2 && value.type.kind === "int"))
        ? "only small returns supported"
        : "aggregate returns are not supported",
    );
    return;
  }
  if (value.kind === "undef" || bitsOf(value.type) === 0) {
    const src = value.kind === "undef" ? null : (s.regs(value)[0] as Reg);
    if (src === null) s.constantInto(0, 0n, 32);
    else s.move(0, src, 64);
  } else moveValue(s, 0, value, 0);
  s.end({ kind: "exit", value: true, dbg: s.dbg });
}

export function selectCall(s: Selector, insn: IrInstruction & { op: "call" }): void {
  const { callee } = insn;
  if ("template" in callee) {
    selectInlineAsm(s, insn, callee);
    return;
  }
  if (callee.kind === "global" && callee.name.startsWith("llvm.")) {
    selectIntrinsic(s, insn, callee.name);
    return;
  }
  if (callee.kind === "global" && (callee.name === "memcmp" || callee.name === "bcmp")) {
    const own = s.context.functions.get(callee.name);
    if (own?.declaration === true && selectMemcmp(s, insn, callee.name)) return;
  }
  const target = callTarget(s, callee);
  if (target === null) return;
  const sretOrByval = insn.args.find((a) => a.byval || a.sret);
  if (sretOrByval !== undefined) {
    s.fail(sretOrByval.sret ? "aggregate returns are not supported" : "pass by value not supported");
    return;
  }
  const result = leavesOf(insn.type);
  if (result === null || result.length > 1) {
    s.fail(
      (typeProblem(insn.type) ?? insn.type.kind === "int")
        ? "only small returns supported"
        : "aggregate returns are not supported",
    );
    return;
  }
  const args = passArguments(s, insn.args, target);
  if (args === null) return;
  s.call(target, args, result.length === 1);
  if (insn.result >= 0 && result.length === 1 && (s.uses.count[insn.result] as number) > 0) {
    s.set(insn, s.copy(0, s.alu32 && bitsOf(insn.type) <= 32 && bitsOf(insn.type) > 0 ? 32 : 64));
  }
}

function callTarget(s: Selector, callee: IrValue): CallTarget | null {
  if (callee.kind === "int") return { kind: "helper", id: Number(BigInt.asIntN(32, callee.value)) };
  if (callee.kind === "global") {
    if (callee.addend !== 0 || s.context.globals.has(callee.name)) {
      s.fail(`a call of '${callee.name}', which is no function`);
      return null;
    }
    return { kind: "symbol", symbol: callee.name };
  }
  const helper = s.helperNumber(callee);
  if (helper !== null) return { kind: "helper", id: Number(BigInt.asIntN(32, helper)) };
  return { kind: "register", reg: s.reg(callee) };
}

/** Puts the arguments into r1..r5; the number of registers, or null after an error. */
function passArguments(s: Selector, args: readonly IrArgument[], target: CallTarget): number | null {
  const moves: ((to: Reg) => void)[] = [];
  for (const { value, extension } of args) {
    const leaves = leavesOf(value.type);
    if (leaves === null) {
      s.fail(typeProblem(value.type) ?? `arguments of type ${formatType(value.type)} are not supported`);
      return null;
    }
    const bits = bitsOf(value.type);
    if (bits > 0 && bits <= 64) {
      const small = bits < 32 && extension !== null && value.kind === "local";
      const reg = !small
        ? null
        : extension === "zero"
          ? s.zeroExtended(value, s.width(32))
          : s.signExtended(value, s.width(32));
      if (value.kind === "undef") moves.push(() => {});
      else if (reg !== null) moves.push((to) => s.move(to, reg, s.alu32 ? 32 : 64));
      else if (value.kind === "int" && bits < 32 && extension === "sign") {
        moves.push((to) => s.constantInto(to, BigInt.asUintN(32, BigInt.asIntN(bits, value.value)), 32));
      } else if (value.kind === "global" || value.kind === "int") {
        const held = s.heldAddress(value);
        moves.push((to) => (held === null ? moveValue(s, to, value, 0) : s.move(to, held, 64)));
      } else moves.push((to) => moveValue(s, to, value, 0));
    } else {
      for (const reg of s.regs(value)) moves.push((to) => s.move(to, reg, 64));
    }
  }
  if (moves.length > MAX_ARGUMENTS) {
    s.fail(`${target.kind === "symbol" ? `call of '${target.symbol}': ` : ""}too many arguments`);
    return null;
  }
  moves.forEach((move, i) => {
    move(i + 1);
  });
  return moves.length;
}
