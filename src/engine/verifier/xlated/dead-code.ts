import { JA } from "../../isa/opcodes.ts";
import type { OpList } from "./op.ts";
import { Op } from "./op.ts";

function gotoFrom(op: Op, target: Op): Op {
  const jump = new Op({ opcode: JA, dst: 0, src: 0, off: 0, imm: 0 }, op.origin);
  jump.target = target;
  return jump;
}

/** Conditional jumps of which one side was never reached become jumps to the other side. */
export function hardWireBranches(list: OpList): void {
  list.expand((op, next) => {
    if (!op.reached || !op.isConditional || op.target === null) return null;
    if (!next.reached) return [gotoFrom(op, op.target)];
    if (!list.resolve(op.target).reached) return [gotoFrom(op, next)];
    return null;
  });
}

export function removeUnreached(list: OpList): void {
  list.remove((op) => !op.reached);
}

/** Short jumps to the next instruction go, in one pass: a jump that only now leads to its successor stays. */
export function removeNops(list: OpList): void {
  list.remove((op, next) => ((op.isGoto && op.insn.opcode === JA) || op.isMayGoto) && list.targetOf(op) === next);
}
