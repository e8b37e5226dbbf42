import type { Instruction } from "../../isa/instruction.ts";
import { calls } from "../calls-half.ts";
import { PTR_TO_STACK, REG_NOT_INIT, REG_UNKNOWN, REG_ZERO } from "../register.ts";
import type { Walker } from "./walker.ts";

/** A call of a function of the program; on true `w.insnIdx` is where the path goes on. */
export function stepProgramCall(w: Walker, insn: Instruction): boolean {
  const at = w.insnIdx;
  const target = at + insn.imm + 1;
  const callee = w.subprograms[w.tables.subprogramOf[target]!]!;
  if (callee.index === 0 || callee.linkage === "global") {
    if (!calls.checkGlobalCallArgs(w, callee)) return false;
    w.line(`Func#${callee.index} ('${callee.name}') is global and assumed valid.`);
    if (callee.changesPacketData) w.clearPacketPointers();
    callee.called = true;
    w.clobberCallerSaved();
    w.setReg(0, REG_UNKNOWN);
    w.insnIdx = at + 1;
    return true;
  }
  calls.noteStaticCallArgs(w, callee);
  const caller = w.frame;
  const frame = w.pushFrame(w.state, callee.index, at, (from, to) => {
    for (let n = 1; n <= 5; n++) to.regs[n] = from.regs[n]!;
    return true;
  });
  if (frame === null) return false;
  const regs = caller.regs;
  for (let n = 0; n < 6; n++) regs[n] = REG_NOT_INIT;
  w.stackLiveness.forgetCurrent();
  w.insnIdx = target;
  if (w.printing) {
    w.note("caller:");
    w.printFrame(caller);
    w.note("callee:");
    w.printFrame(frame);
  }
  return true;
}

/** Leaves the innermost frame, which is not the outermost. */
export function returnFromFrame(w: Walker): boolean {
  const { state } = w;
  w.stackLiveness.update(state);
  const callee = w.frame;
  const caller = state.frames[state.frames.length - 2]!;
  const r0 = callee.regs[0]!;
  if (r0.type === PTR_TO_STACK)
    return w.reject("EINVAL", "cannot return stack pointer to the caller", "return-stack-pointer", 0);
  const back = callee.inCallback;
  if (back) {
    if (!calls.checkCallbackReturn(w, callee)) return false;
  } else caller.regs[0] = r0;
  w.insnIdx = back ? callee.callsite : callee.callsite + 1;
  if (w.printing) {
    w.note("returning from callee:");
    w.printFrame(callee);
    w.note(`to caller at ${w.insnIdx}:`);
    w.printFrame(caller);
  }
  state.frames.pop();
  w.stackLiveness.forgetCurrent();
  if (back) {
    const older = w.previousAt(state, w.insnIdx);
    if (older !== null) w.widenImprecise(older, state);
  }
  return true;
}

/**
 * A tail call or packet load may leave the function: in frames above the outermost this path returns to the caller, and a pending one goes
 * on behind the instruction.
 */
export function forkReturn(w: Walker, failed: boolean): boolean {
  const at = w.insnIdx;
  const other = w.pushPending(at + 1, at, "branch");
  if (other === null) return false;
  w.setReg(0, failed ? REG_ZERO : REG_UNKNOWN);
  return returnFromFrame(w);
}
