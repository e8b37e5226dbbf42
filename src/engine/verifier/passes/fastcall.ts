import { helperForProgram, isHelperOffered } from "../../abi/helpers.ts";
import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_DW,
  BPF_HELPER_CALL,
  BPF_LDX,
  BPF_MEM,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_STX,
  CALL,
  R10,
} from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import type { InsnFacts, Subprogram } from "../state.ts";
import type { VerifierProgram } from "../types.ts";

const SPILL = BPF_STX | BPF_MEM | BPF_DW;
const FILL = BPF_LDX | BPF_MEM | BPF_DW;
const SLOT_BYTES = 8;
const CALLER_SAVED = 0x3f;

/** Registers that the called function may change, bits r0..r5, and whether it is one that leaves the others alone. */
function summary(program: VerifierProgram, insn: Instruction, at: number): { clobbers: number; fast: boolean } | null {
  if (insn.src === BPF_HELPER_CALL) {
    const helper = helperForProgram(insn.imm, program.type);
    if (helper === undefined || !isHelperOffered(helper, program.type)) return null;
    const result = helper.ret.kind === "void" ? 0 : 1;
    return {
      clobbers: (((1 << helper.args.length) - 1) << 1) | result,
      fast: calls.isFastcallHelper(insn.imm, program),
    };
  }
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const name = program.kfuncs.get(at) ?? "";
    const count = calls.kfuncArgCount(name, program);
    if (count === null) return null;
    return { clobbers: (((1 << count) - 1) << 1) | 1, fast: calls.isFastcallKfunc(name) };
  }
  return null;
}

/**
 * Pass 9: pairs of spill and fill of r1..r5 around calls, from the lowest spilled slot of the function upwards, that an inlined
 * call makes needless.
 */
export function markFastcallPatterns(
  program: VerifierProgram,
  subprograms: readonly Subprogram[],
  facts: readonly InsnFacts[],
): void {
  const { insns } = program;
  for (const subprogram of subprograms) {
    let lowest = 0;
    for (let i = subprogram.start; i < subprogram.end; i++) {
      const insn = insns[i]!;
      if (insn.opcode === SPILL && insn.dst === R10) lowest = Math.min(lowest, insn.off);
    }
    if (lowest === 0) continue;
    for (let i = subprogram.start; i < subprogram.end; i++) {
      if (insns[i]!.opcode === CALL) markAround(program, subprogram, facts, i, lowest);
    }
  }
}

function markAround(
  program: VerifierProgram,
  subprogram: Subprogram,
  facts: readonly InsnFacts[],
  at: number,
  lowest: number,
): void {
  const { insns } = program;
  const called = summary(program, insns[at]!, at);
  if (called === null) return;
  let expected = ~called.clobbers & CALLER_SAVED;
  let off = lowest;
  let pairs = 0;
  for (; pairs < 6; off += SLOT_BYTES) {
    const spill = insns[at - pairs - 1];
    const fill = insns[at + pairs + 1];
    if (spill === undefined || fill === undefined) break;
    if (spill.opcode !== SPILL || spill.dst !== R10 || fill.opcode !== FILL || fill.src !== R10) break;
    if (spill.src !== fill.dst || ((1 << spill.src) & expected) === 0) break;
    if (spill.off !== off || fill.off !== off) break;
    expected &= ~(1 << spill.src);
    facts[at - pairs - 1]!.fastcallPattern = true;
    facts[at + pairs + 1]!.fastcallPattern = true;
    pairs++;
  }
  if (pairs === 0) return;
  if (called.fast) facts[at]!.fastcallSpills = pairs;
  else subprogram.keepFastcallStack = true;
  subprogram.fastcallStackOff = Math.min(subprogram.fastcallStackOff, off);
}

/** After the walk: functions that lose their needless spills need less stack. */
export function shrinkFastcallStacks(subprograms: readonly Subprogram[], facts: readonly InsnFacts[]): void {
  for (const subprogram of subprograms) {
    let modified = false;
    for (let i = subprogram.start; i < subprogram.end; i++) if (facts[i]!.fastcallSpills > 0) modified = true;
    if (modified && !subprogram.keepFastcallStack) subprogram.stackDepth = -subprogram.fastcallStackOff;
  }
}
