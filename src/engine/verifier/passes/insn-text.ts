import { type FormatNames, formatInstruction } from "../../isa/format.ts";
import { BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE } from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import { hexWord } from "../text/number-text.ts";
import type { VerifierMap, VerifierProgram } from "../types.ts";

/** Upper half of the addresses that stand for kernel addresses of maps in the log. */
const KERNEL_HALF = 0xffff_8881 | 0;
/** Room for one map in the made-up address space. */
const MAP_SPACING = 0x10_0000;

export function mapAddress(map: VerifierMap): number {
  return map.id * MAP_SPACING;
}

/**
 * Text of instructions as the log has them, without index and opcode. Once maps are resolved their loads show an address
 * that is stable for a map, not the kernel's.
 */
export class InsnText {
  private readonly program: VerifierProgram;
  private readonly cache: (string | undefined)[] = [];
  private readonly maps: readonly (VerifierMap | null)[];
  private readonly names: FormatNames;

  /** `maps`: the map that the load at a slot names. */
  constructor(program: VerifierProgram, maps: readonly (VerifierMap | null)[]) {
    this.program = program;
    this.maps = maps;
    this.names = {
      call: (insn, at) => {
        if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
          const name = this.program.kfuncs.get(at);
          if (name === undefined) return `#${insn.imm}`;
          return `${name}#${insn.imm === 0 ? calls.kfuncId(name) : insn.imm}`;
        }
        if (insn.src === 0 && insn.imm === 0) return "bpf_unspec#0";
        const name = insn.src === 0 ? (calls.helperName(insn.imm) ?? "unknown") : "unknown";
        return `${name}#${insn.imm}`;
      },
      wide: (insn, value, at) => {
        const map = this.maps[at];
        if (map && (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_VALUE)) {
          const second = insn.src === BPF_PSEUDO_MAP_VALUE ? (this.program.insns[at + 1]?.imm ?? 0) : 0;
          return hexWord(KERNEL_HALF, (mapAddress(map) + second) | 0);
        }
        return hexWord(Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value)));
      },
    };
  }

  /** `(b7) r0 = 1` of the instruction at a slot. */
  at(index: number): string {
    let text = this.cache[index];
    if (text === undefined) {
      const insn = this.program.insns[index]!;
      const code = insn.opcode.toString(16).padStart(2, "0");
      const body = formatInstruction(insn, this.program.insns[index + 1], index, this.names);
      // What has no meaning is printed without its opcode in front.
      text = body.startsWith("BUG_") ? body : `(${code}) ${body}`;
      this.cache[index] = text;
    }
    return text;
  }
}
