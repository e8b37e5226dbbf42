import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JLE,
  BPF_JLT,
  BPF_JMP32,
  BPF_JNE,
  BPF_X,
  CLASS_MASK,
  MAY_GOTO,
  OP_MASK,
} from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import {
  AT_PKT_END,
  BEYOND_PKT_END,
  constReg,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  REG_ZERO,
  type Reg,
  SCALAR_VALUE,
} from "../register.ts";
import type { VerifierState } from "../state.ts";
import { decide, opposite, refine } from "./branches.ts";
import { collectLinked, syncLinked } from "./linked.ts";
import { checkInvariants } from "./memory-access.ts";
import { HISTORY_DST_STACK, HISTORY_SRC_STACK } from "./precision.ts";
import type { Walker } from "./walker.ts";

const MAX_PACKET_OFFSET = 0xffff;

const reservedFields = (w: Walker): false =>
  w.reject("EINVAL", "BPF_JMP/JMP32 uses reserved fields", "reserved-fields");

/** A conditional jump or may_goto. Sets `w.insnIdx` to the instruction that follows. */
export function stepConditional(w: Walker, insn: Instruction): boolean {
  if (insn.opcode === MAY_GOTO) return stepMayGoto(w, insn);
  const { dst, src, imm, off } = insn;
  const op = insn.opcode & OP_MASK;
  const is32 = (insn.opcode & CLASS_MASK) === BPF_JMP32;
  const fromRegister = (insn.opcode & BPF_X) !== 0;
  if (!w.checkReadable(dst)) return false;
  let b: Reg;
  let flags = 0;
  const a = w.reg(dst);
  if (fromRegister) {
    if (imm !== 0) return reservedFields(w);
    if (!w.checkReadable(src)) return false;
    b = w.reg(src);
    if (b.type === PTR_TO_STACK) flags |= HISTORY_SRC_STACK;
  } else {
    if (src !== 0) return reservedFields(w);
    b = constReg(imm);
  }
  if (a.type === PTR_TO_STACK) flags |= HISTORY_DST_STACK;
  if (flags !== 0) w.pushHistory(flags, null);

  const same = fromRegister && src === dst;
  const at = w.insnIdx;
  const taken = decide(a, b, op, is32);
  if (taken !== null) {
    if (a.type === SCALAR_VALUE && !w.markPrecise(dst)) return false;
    if (fromRegister && b.type === SCALAR_VALUE && !w.markPrecise(src)) return false;
    w.printChangedState();
    w.insnIdx = taken ? at + off + 1 : at + 1;
    return true;
  }

  // Groups of equal scalars get their bounds together.
  const linked: number[] = [];
  if (fromRegister && b.type === SCALAR_VALUE && b.id !== 0) collectLinked(w, b.id, linked);
  if (a.type === SCALAR_VALUE && a.id !== 0) collectLinked(w, a.id, linked);
  if (linked.length > 1) w.pushHistory(0, linked);

  const other = w.pushPending(at + off + 1, at, "branch");
  if (other === null) return false;
  const here = w.state;
  if (a.type === SCALAR_VALUE && b.type === SCALAR_VALUE) {
    const taken1 = a.scalar.copy();
    const taken2 = same ? taken1 : b.scalar.copy();
    const fall1 = a.scalar.copy();
    const fall2 = same ? fall1 : b.scalar.copy();
    refine(fall1, fall2, opposite(op), is32);
    refine(taken1, taken2, op, is32);
    // Collecting groups may have taken a register out of its own.
    const a1 = w.reg(dst);
    const otherRegs = other.frame.regs;
    otherRegs[dst] = checkInvariants(w, a1.withScalar(taken1), "true_reg1");
    // Of a register and itself Linux checks the same one twice.
    const t2 = checkInvariants(w, same ? otherRegs[dst]! : b.withScalar(taken2), "true_reg2");
    w.frame.regs[dst] = checkInvariants(w, a1.withScalar(fall1), "false_reg1");
    const f2 = checkInvariants(w, same ? w.reg(dst) : b.withScalar(fall2), "false_reg2");
    if (fromRegister) {
      const keep = w.reg(src);
      otherRegs[src] = keep.withScalar(t2.scalar);
      w.frame.regs[src] = keep.withScalar(f2.scalar);
    }
  }
  if (linked.length > 1) {
    if (fromRegister) syncGroup(here, other, src, linked);
    syncGroup(here, other, dst, linked);
  }
  if (!is32) learnPointers(w, insn, a, b, op, here, other);
  w.printChangedState();
  w.insnIdx = at + 1;
  return true;
}

function syncGroup(here: VerifierState, other: VerifierState, n: number, linked: readonly number[]): void {
  const reg = here.frame.regs[n]!;
  if (reg.type !== SCALAR_VALUE || reg.id === 0) return;
  syncLinked(here, n, linked);
  syncLinked(other, n, linked);
}

/** may_goto: this path leaves the loop, a pending one goes on with what is not needed exactly forgotten. */
function stepMayGoto(w: Walker, insn: Instruction): boolean {
  if (insn.src !== 0 || insn.dst !== 0 || insn.imm !== 0)
    return w.reject("EINVAL", `invalid may_goto imm ${insn.imm}`, "may-goto-fields");
  const at = w.insnIdx;
  const older = w.state.parent === null ? null : w.previousAt(w.state.parent, at);
  const pending = w.pushPending(at + 1, at, "iterator");
  if (pending === null) return false;
  pending.mayGotoDepth++;
  if (older !== null) w.widenImprecise(older, pending);
  w.insnIdx = at + insn.off + 1;
  return true;
}

/** What a comparison of pointers shows: null checks and packet ranges. */
function learnPointers(
  w: Walker,
  insn: Instruction,
  a: Reg,
  b: Reg,
  op: number,
  here: VerifierState,
  other: VerifierState,
): void {
  const { dst, src } = insn;
  const fromRegister = (insn.opcode & BPF_X) !== 0;
  if (
    fromRegister &&
    a.isPointer &&
    b.isPointer &&
    a.mayBeNull !== b.mayBeNull &&
    a.type !== PTR_TO_BTF_ID &&
    b.type !== PTR_TO_BTF_ID
  ) {
    const equal = op === BPF_JEQ ? other : op === BPF_JNE ? here : null;
    if (equal !== null) {
      const n = a.mayBeNull ? dst : src;
      equal.frame.regs[n] = notNull(w, equal, equal.frame.regs[n]!);
    }
  }
  if (!fromRegister && insn.imm === 0 && (op === BPF_JEQ || op === BPF_JNE) && a.mayBeNull) {
    applyNullCheck(w, here, dst, op === BPF_JNE);
    applyNullCheck(w, other, dst, op === BPF_JEQ);
    return;
  }
  if (fromRegister) comparePackets(dst, src, a, b, op, here, other);
}

function notNull(w: Walker, state: VerifierState, reg: Reg): Reg {
  const r = reg.copy();
  r.flags &= ~PTR_MAYBE_NULL;
  return calls.afterNullCheck(w, state, r);
}

/** Register `n` was compared with null: it and every copy of it are null, or are not. */
function applyNullCheck(w: Walker, state: VerifierState, n: number, isNull: boolean): void {
  const checked = state.frame.regs[n]!;
  const { id } = checked;
  if (checked.refObjId !== 0 && checked.refObjId === id && isNull) state.release(id);
  state.mapRegs((reg) => {
    if (!reg.mayBeNull || reg.id !== id) return reg;
    if (isNull) return REG_ZERO;
    const r = notNull(w, state, reg);
    if (r.type === PTR_TO_MAP_VALUE && r.map !== null && calls.hasSpinLock(r.map)) return r;
    if (r.id === 0) return r;
    return r.withId(0);
  });
}

/** The packet pointer as it was loaded. */
const isStart = (reg: Reg): boolean =>
  reg.type === PTR_TO_PACKET && reg.off === 0 && reg.scalar.isConst && reg.scalar.value === 0 && reg.id === 0;

function comparePackets(
  dst: number,
  src: number,
  a: Reg,
  b: Reg,
  op: number,
  here: VerifierState,
  other: VerifierState,
): void {
  const left =
    (a.type === PTR_TO_PACKET && b.type === PTR_TO_PACKET_END) || (a.type === PTR_TO_PACKET_META && isStart(b));
  const right =
    (a.type === PTR_TO_PACKET_END && b.type === PTR_TO_PACKET) || (isStart(a) && b.type === PTR_TO_PACKET_META);
  if (!left && !right) return;
  // As `packet op end`: where is the packet pointer inside, and does it lie before the end or at most at it?
  const n = left ? dst : src;
  const packet = left ? a : b;
  let inside: VerifierState;
  let outside: VerifierState;
  let strictlyBefore: boolean;
  switch (op) {
    case BPF_JGT:
      [inside, outside, strictlyBefore] = left ? [here, other, false] : [other, here, true];
      break;
    case BPF_JLT:
      [inside, outside, strictlyBefore] = left ? [other, here, true] : [here, other, false];
      break;
    case BPF_JGE:
      [inside, outside, strictlyBefore] = left ? [here, other, true] : [other, here, false];
      break;
    case BPF_JLE:
      [inside, outside, strictlyBefore] = left ? [other, here, false] : [here, other, true];
      break;
    default:
      return;
  }
  grantRange(inside, packet, strictlyBefore);
  const reg = outside.frame.regs[n]!;
  if (reg.type === PTR_TO_PACKET) {
    const marked = reg.copy();
    marked.range = strictlyBefore ? AT_PKT_END : BEYOND_PKT_END;
    outside.frame.regs[n] = marked;
  }
}

/** Packet pointers with the base of `packet` may reach as far as it. */
function grantRange(state: VerifierState, packet: Reg, strictlyBefore: boolean): void {
  if (packet.off < 0 || (packet.off === 0 && strictlyBefore)) return;
  const umax = packet.scalar.umax;
  if (umax > MAX_PACKET_OFFSET || umax + packet.off > MAX_PACKET_OFFSET) return;
  const range = packet.off + (strictlyBefore ? 1 : 0);
  state.mapRegs((reg) => {
    if (reg.type !== packet.type || reg.flags !== packet.flags || reg.id !== packet.id || reg.range >= range)
      return reg;
    const r = reg.copy();
    r.range = range;
    return r;
  });
}
