import { readElf } from "../../elf/read.ts";
import { R_BPF_64_32, SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS } from "../../elf/types.ts";
import { decodeInstructions, type Instruction } from "../../isa/instruction.ts";
import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, EXIT } from "../../isa/opcodes.ts";
import { type Executable, makeExecutable } from "../../vm/executable.ts";
import { GUEST_BASE } from "../../vm/memory.ts";
import type { StandaloneVm } from "../../vm/standalone.ts";

const NOTHING: Instruction = { opcode: 0, dst: 0, src: 0, off: 0, imm: 0 };

/**
 * Links an object's functions and data for a machine without a kernel; the result begins by calling `entry`. `places` is told the
 * first slot of each function, and where in guest memory each variable lies.
 */
export function linkObject(
  bytes: Uint8Array,
  entry: string,
  vm: StandaloneVm,
  places: Map<string, number> = new Map(),
): Executable {
  const elf = readElf(bytes);
  if (!elf.ok) throw new Error(elf.error);
  const { sections, symbols, relocations } = elf.value;
  const code = new Map<number, number>();
  const data = new Map<number, number>();
  const insns: Instruction[] = [
    { ...NOTHING, opcode: CALL, src: BPF_PSEUDO_CALL, imm: 0 },
    { ...NOTHING, opcode: EXIT },
  ];
  for (const s of sections) {
    if ((s.flags & SHF_ALLOC) === 0 || s.size === 0) continue;
    if ((s.flags & SHF_EXECINSTR) !== 0) {
      code.set(s.index, insns.length);
      insns.push(...decodeInstructions(s.bytes));
    } else {
      const image = s.type === SHT_NOBITS ? new Uint8Array(s.size) : s.bytes;
      data.set(s.index, vm.place(image, s.name));
    }
  }
  for (const symbol of symbols) {
    const start = code.get(symbol.section);
    const memory = data.get(symbol.section);
    if (symbol.type === "func" && start !== undefined) places.set(symbol.name, start + symbol.value / 8);
    else if (symbol.type === "object" && memory !== undefined) places.set(symbol.name, memory + symbol.value);
  }
  const constants = new Map<number, bigint>();
  for (const [section, list] of relocations) {
    const start = code.get(section);
    if (start === undefined) continue;
    for (const { offset, type, symbol } of list) {
      const at = start + offset / 8;
      const target = symbols[symbol];
      const insn = insns[at];
      if (target === undefined || insn === undefined) continue;
      const base = code.get(target.section);
      if (type === R_BPF_64_32) {
        if (base === undefined) throw new Error(`call of undefined ${target.name}`);
        // Against a section the immediate counts instructions, against a function it is -1.
        const to = base + target.value / 8 + insn.imm + 1;
        insns[at] = { ...insn, imm: to - at - 1 };
      } else if (base !== undefined) {
        const to = base + (target.value + insn.imm) / 8;
        insns[at] = { ...insn, src: BPF_PSEUDO_FUNC, imm: to - at - 1 };
      } else {
        const place = data.get(target.section);
        if (place === undefined) throw new Error(`address of undefined ${target.name}`);
        constants.set(at, GUEST_BASE + BigInt(place + target.value + insn.imm));
      }
    }
  }
  const main = symbols.find((s) => s.name === entry && s.type === "func");
  const start = main === undefined ? undefined : code.get(main.section);
  if (main === undefined || start === undefined) throw new Error(`no function ${entry}`);
  insns[0] = { ...(insns[0] as Instruction), imm: start + main.value / 8 - 1 };
  return makeExecutable({
    name: entry,
    insns,
    functions: null,
    lines: null,
    kfuncs: new Map(),
    codeBase: 0xffff_ffff_c000_0000n,
    resolve: (slot) => constants.get(slot) ?? null,
  });
}
