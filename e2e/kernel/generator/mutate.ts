import { makePrng, nextBelow } from "../../../src/engine/base/prng.ts";
import type { Instruction } from "../../../src/engine/isa/instruction.ts";
import * as op from "../../../src/engine/isa/opcodes.ts";

const NEAR = [-1, 1, -8, 8, -2, 2, 4, -4];

/**
 * One small slip in about a third of the programs: an offset, a constant, a register, a comparison turned around, an
 * instruction replaced by a no-op. Lengths stay, so jumps and functions do too.
 */
export function mutate(insns: readonly Instruction[], starts: readonly number[], seed: number): Instruction[] {
  const dice = makePrng(seed ^ 0x5bd1e995);
  const below = (n: number): number => nextBelow(dice, n);
  const out = [...insns];
  if (below(100) >= 30) return out;
  const candidates = out
    .map((_, i) => i)
    .filter((i) => out[i]!.opcode !== 0 && out[i]!.opcode !== op.EXIT && !starts.includes(i));
  if (candidates.length === 0) return out;
  for (let n = below(10) === 0 ? 2 : 1; n > 0; n--) {
    const at = candidates[below(candidates.length)]!;
    const insn = out[at]!;
    const cls = insn.opcode & op.CLASS_MASK;
    const isLoad64 = insn.opcode === op.LD_IMM64;
    const roll = below(6);
    if (insn.opcode === op.CALL) {
      if (insn.src === op.BPF_HELPER_CALL && roll < 2) out[at] = { ...insn, imm: 1 + below(211) };
    } else if (isLoad64) {
      if (insn.src === op.BPF_PSEUDO_MAP_FD && roll < 3) out[at] = { ...insn, imm: below(13) };
    } else if (cls === op.BPF_JMP || cls === op.BPF_JMP32) {
      if (roll < 3 && insn.opcode !== op.JA && insn.opcode !== op.MAY_GOTO)
        out[at] = { ...insn, opcode: insn.opcode ^ (insn.opcode & op.BPF_X ? op.BPF_X : 0x80), src: 0 };
      else if (insn.opcode !== op.JA && insn.opcode !== op.MAY_GOTO && (insn.opcode & op.BPF_X) === 0)
        out[at] = { ...insn, imm: (insn.imm + NEAR[below(NEAR.length)]!) | 0 };
    } else if (cls === op.BPF_LDX || cls === op.BPF_STX || cls === op.BPF_ST) {
      if (roll < 3) out[at] = { ...insn, off: insn.off + NEAR[below(NEAR.length)]! };
      else if (roll === 3) out[at] = { ...insn, dst: below(11) };
      else if (cls !== op.BPF_ST && roll === 4) out[at] = { ...insn, src: below(11) };
      else out[at] = { ...insn, opcode: insn.opcode ^ op.BPF_DW };
    } else if (roll < 2)
      out[at] = {
        ...insn,
        imm: (insn.opcode & op.BPF_X) === 0 ? (insn.imm + NEAR[below(NEAR.length)]!) | 0 : insn.imm,
        dst: roll === 0 ? insn.dst : below(11),
      };
    else if (roll === 2) out[at] = { opcode: op.JA, dst: 0, src: 0, off: 0, imm: 0 };
    else if (roll === 3) out[at] = { ...insn, opcode: insn.opcode ^ (op.BPF_ALU ^ op.BPF_ALU64) };
    else if ((insn.opcode & op.BPF_X) !== 0) out[at] = { ...insn, src: below(11) };
    else out[at] = { ...insn, imm: NEAR[below(NEAR.length)]! * 16 };
  }
  return out;
}
