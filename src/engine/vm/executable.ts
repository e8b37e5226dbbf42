import type { Instruction } from "../isa/instruction.ts";
import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, LD_IMM64 } from "../isa/opcodes.ts";
import type { FunctionRecord, LineRecord } from "../loader/spec.ts";

/** A program ready to run: fields in typed arrays, addresses resolved. Never changed once made. */
export interface Executable {
  readonly name: string;
  readonly insns: readonly Instruction[];
  readonly op: Uint8Array;
  readonly dst: Uint8Array;
  readonly src: Uint8Array;
  readonly off: Int32Array;
  /** For the first slot of a 64-bit load: the low half of the resolved constant. */
  readonly imm: Int32Array;
  /** The high half of a 64-bit load's constant. */
  readonly immHigh: Int32Array;
  /** Function starts, ascending. */
  readonly starts: readonly number[];
  readonly functionNames: readonly string[];
  readonly lines: readonly LineRecord[];
  /** Slot -> index into `lines`, -1 when there is none. */
  readonly lineOf: Int32Array;
  readonly kfuncs: ReadonlyMap<number, string>;
  /** Address of slot 0 as function pointers show it; slot n lies 8 n further. */
  readonly codeBase: bigint;
}

export interface ExecutableSource {
  readonly name: string;
  readonly insns: readonly Instruction[];
  readonly functions: readonly FunctionRecord[] | null;
  readonly lines: readonly LineRecord[] | null;
  readonly kfuncs: ReadonlyMap<number, string>;
  readonly codeBase: bigint;
  /** Value of a 64-bit load that names a map or the like; null keeps the immediate as it is. */
  resolve(slot: number, first: Instruction, second: Instruction): bigint | null;
}

export function makeExecutable(source: ExecutableSource): Executable {
  const n = source.insns.length;
  const op = new Uint8Array(n);
  const dst = new Uint8Array(n);
  const src = new Uint8Array(n);
  const off = new Int32Array(n);
  const imm = new Int32Array(n);
  const immHigh = new Int32Array(n);
  const starts = new Set<number>([0]);
  for (const f of source.functions ?? []) starts.add(f.insn);
  for (let i = 0; i < n; i++) {
    const insn = source.insns[i] as Instruction;
    op[i] = insn.opcode;
    dst[i] = insn.dst;
    src[i] = insn.src;
    off[i] = insn.off;
    imm[i] = insn.imm;
    if (insn.opcode === CALL && insn.src === BPF_PSEUDO_CALL) starts.add(i + 1 + insn.imm);
    if (insn.opcode === LD_IMM64 && i + 1 < n) {
      const second = source.insns[i + 1] as Instruction;
      const target = i + 1 + insn.imm;
      if (insn.src === BPF_PSEUDO_FUNC) starts.add(target);
      const value =
        insn.src === BPF_PSEUDO_FUNC ? source.codeBase + 8n * BigInt(target) : source.resolve(i, insn, second);
      const low = value === null ? insn.imm : Number(BigInt.asIntN(32, value));
      const high = value === null ? second.imm : Number(BigInt.asIntN(32, value >> 32n));
      imm[i] = low;
      immHigh[i] = high;
      i++;
      op[i] = second.opcode;
      imm[i] = second.imm;
    }
  }
  const sorted = [...starts].filter((s) => s >= 0 && s < n).sort((a, b) => a - b);
  const names = sorted.map(
    (start) => source.functions?.find((f) => f.insn === start)?.name ?? (start === 0 ? source.name : `sub_${start}`),
  );
  const lines = source.lines ?? [];
  const lineOf = new Int32Array(n).fill(-1);
  lines.forEach((line, index) => {
    const end = lines[index + 1]?.insn ?? n;
    for (let i = line.insn; i < end && i < n; i++) lineOf[i] = index;
  });
  return {
    name: source.name,
    insns: source.insns,
    op,
    dst,
    src,
    off,
    imm,
    immHigh,
    starts: sorted,
    functionNames: names,
    lines,
    lineOf,
    kfuncs: source.kfuncs,
    codeBase: source.codeBase,
  };
}

/** Name of the function that a slot belongs to. */
export function functionAt(executable: Executable, slot: number): string {
  let name = executable.name;
  for (let i = 0; i < executable.starts.length; i++) {
    if ((executable.starts[i] as number) > slot) break;
    name = executable.functionNames[i] as string;
  }
  return name;
}

/** Source line (from 1) of a slot; 0 when unknown. */
export function lineAt(executable: Executable, slot: number): number {
  const index = executable.lineOf[slot] ?? -1;
  return index < 0 ? 0 : (executable.lines[index]?.line ?? 0);
}
