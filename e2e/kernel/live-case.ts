import { readFileSync } from "node:fs";
import { readBtf } from "../../src/engine/btf/read.ts";
import { writeBtf } from "../../src/engine/btf/write.ts";
import type { Instruction } from "../../src/engine/isa/instruction.ts";
import { encodeInstructions } from "../../src/engine/isa/instruction.ts";
import {
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  CALL,
  LD_IMM64,
} from "../../src/engine/isa/opcodes.ts";
import type { VerifierMap } from "../../src/engine/verifier/types.ts";
import { type CaseLoad, FIRST_FD } from "./case-program.ts";
import type { KernelLoad, KernelMap } from "./kernel-judge.ts";

let kfuncIds: Map<string, number> | null = null;

/** BTF ids of the running kernel's functions by name. */
export function liveKfuncIds(): Map<string, number> {
  if (kfuncIds !== null) return kfuncIds;
  kfuncIds = new Map();
  const btf = readBtf(new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux")));
  if (!btf.ok) throw new Error("the kernel's BTF cannot be read");
  for (const [id, type] of btf.value.types.entries()) if (type.kind === "func") kfuncIds.set(type.name, id);
  return kfuncIds;
}

/** A case as a load for the live kernel: maps by index, kfuncs by the ids of that kernel. */
export function liveLoad({ program, maps, logLevel }: CaseLoad): KernelLoad {
  const btfs: Uint8Array[] = [];
  const kernelMap = (map: VerifierMap): KernelMap => {
    const base = {
      type: map.type,
      keySize: map.keySize,
      valueSize: map.valueSize,
      maxEntries: map.maxEntries,
      flags: map.flags,
      name: map.name,
      freeze: map.frozen,
      ...(map.inner === null ? {} : { inner: kernelMap(map.inner) }),
      ...(map.frozen
        ? { entries: [{ key: new Uint8Array(map.keySize), value: map.readConstant(0, map.valueSize)! }] }
        : {}),
    };
    if (map.btf === null) return base;
    const written = writeBtf(map.btf);
    btfs.push(written);
    return { ...base, btf: { index: btfs.length - 1, keyType: map.keyType, valueType: map.valueType } };
  };
  const kernelMaps = maps.map(kernelMap);
  const insns: Instruction[] = program.insns.map((insn, at) => {
    if (insn.opcode === LD_IMM64 && (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_VALUE)) {
      return { ...insn, imm: insn.imm - FIRST_FD };
    }
    if (insn.opcode === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL) {
      return { ...insn, imm: liveKfuncIds().get(program.kfuncs.get(at) ?? "") ?? insn.imm };
    }
    return insn;
  });
  const withBtf = program.btf !== null && program.functions !== null;
  if (withBtf) btfs.push(writeBtf(program.btf!));
  const records = new Uint8Array((program.functions?.length ?? 0) * 8);
  const view = new DataView(records.buffer);
  for (const [i, f] of (program.functions ?? []).entries()) {
    view.setUint32(8 * i, f.insn, true);
    view.setUint32(8 * i + 4, f.type, true);
  }
  return {
    btfs,
    maps: kernelMaps,
    type: program.type,
    insns: encodeInstructions(insns),
    license: program.license,
    name: program.name,
    flags: program.flags,
    expectedAttachType: program.expectedAttachType,
    logLevel,
    ...(withBtf ? { btf: btfs.length - 1, funcInfo: records } : {}),
  };
}
