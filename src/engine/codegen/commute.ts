import { BPF_ADD, BPF_AND, BPF_MUL, BPF_OR, BPF_XOR } from "../isa/opcodes.ts";
import { computeLiveness, isSet } from "./liveness.ts";
import {
  FIRST_VIRTUAL,
  forEachDef,
  forEachTermUse,
  forEachUse,
  type MachineFunction,
  type MachineInsn,
  type Reg,
} from "./machine.ts";

const COMMUTATIVE: ReadonlySet<number> = new Set([BPF_ADD, BPF_MUL, BPF_AND, BPF_OR, BPF_XOR]);

/**
 * `d = a; d += b` becomes `d = b; d += a` where b ends here and a does not: the copy of what ends can be joined with it.
 */
export function commuteOperations(fn: MachineFunction): void {
  const { order, liveOut } = computeLiveness(fn);
  for (const id of order) {
    const block = fn.blocks[id];
    const out = liveOut[id];
    if (block === undefined || out === undefined) continue;
    const live = new Set<Reg>();
    for (let reg = FIRST_VIRTUAL; reg < fn.nextRegister; reg++) if (isSet(out, reg)) live.add(reg);
    forEachTermUse(block.term, (reg) => live.add(reg));
    const { insns } = block;
    for (let i = insns.length - 1; i >= 0; i--) {
      const insn = insns[i] as MachineInsn;
      const before = insns[i - 1];
      if (
        insn.op === "alu" &&
        COMMUTATIVE.has(insn.code) &&
        before?.op === "mov" &&
        before.dst === insn.dst &&
        before.src !== insn.src &&
        before.src !== insn.dst &&
        insn.src >= FIRST_VIRTUAL &&
        !live.has(insn.src) &&
        (live.has(before.src) || before.src < FIRST_VIRTUAL)
      ) {
        const kept = before.src;
        before.src = insn.src;
        insn.src = kept;
      }
      forEachDef(insn, (reg) => live.delete(reg));
      forEachUse(insn, (reg) => live.add(reg));
    }
  }
}
