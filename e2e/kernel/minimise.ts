import { formatInstruction } from "../../src/engine/isa/format.ts";
import type { Instruction } from "../../src/engine/isa/instruction.ts";
import { JA, LD_IMM64 } from "../../src/engine/isa/opcodes.ts";
import type { GeneratedProgram } from "./generator/generate-program.ts";
import type { KernelJudge } from "./kernel-judge.ts";
import { type Disagreement, disagreementOf, judgeBoth } from "./oracle-compare.ts";

const NO_OPERATION: Instruction = { opcode: JA, dst: 0, src: 0, off: 0, imm: 0 };

/** Replaces instructions by jumps to the next one as long as the disagreement stays. Jumps keep their distances. */
export async function minimise(
  judge: KernelJudge,
  program: GeneratedProgram,
  kind: Disagreement,
  logLevel: number,
): Promise<readonly Instruction[]> {
  let insns: readonly Instruction[] = program.insns;
  for (let step = Math.max(1, insns.length >> 2); step >= 1; step >>= 1) {
    for (let at = 0; at < insns.length; at += step) {
      const tried = insns.slice();
      let changed = false;
      for (let i = at; i < Math.min(at + step, insns.length); i++) {
        const insn = tried[i];
        if (insn === undefined || insn.opcode === 0 || insn === NO_OPERATION) continue;
        changed = true;
        if (insn.opcode === LD_IMM64) tried[i + 1] = NO_OPERATION;
        tried[i] = NO_OPERATION;
      }
      if (!changed) continue;
      const result = await judgeBoth(judge, program, tried, logLevel).catch(() => null);
      if (result !== null && disagreementOf(result) === kind) insns = tried;
    }
  }
  return insns;
}

/** The instructions that do something; maps by their index in the universe. */
export function listing(insns: readonly Instruction[]): string {
  const names = {
    call: (insn: Instruction): string => `${insn.src === 0 ? "helper" : "kfunc"}#${insn.imm}`,
    wide: (insn: Instruction, value: bigint): string =>
      insn.src === 1
        ? `map[${insn.imm}] ll`
        : insn.src === 2
          ? `map_value[${insn.imm}]+${value >> 32n} ll`
          : `0x${value.toString(16)} ll`,
  };
  return insns
    .map((insn, i) =>
      insn.opcode === 0 || insn === NO_OPERATION ? "" : `${i}: ${formatInstruction(insn, insns[i + 1], i, names)}`,
    )
    .filter((line) => line !== "")
    .join("\n");
}
