import { writeBtf } from "../../src/engine/btf/write.ts";
import { encodeInstructions } from "../../src/engine/isa/instruction.ts";
import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE } from "../../src/engine/isa/opcodes.ts";
import { loadObject } from "../../src/engine/loader/load-object.ts";
import type { CollectionSpec, MapSpec, ProgramSpec } from "../../src/engine/loader/spec.ts";
import type { KernelJudge, KernelLoad, KernelMap, KernelVerdict } from "./kernel-judge.ts";
import { liveKfuncIds } from "./live-case.ts";

/** BPF_LOG_STATS: the log is the processed count and little else. */
const LOG_STATS = 4;

export interface ObjectLoad {
  readonly name: string;
  readonly load: KernelLoad;
}

/**
 * Every program of an object as a load for the live kernel, with the object's maps, data and types. Slots of program arrays and
 * maps of maps stay empty: this is for verdicts, and for runs of programs that use none. Throws when the object cannot be read.
 */
export function objectLoads(bytes: Uint8Array): ObjectLoad[] {
  const loaded = loadObject(bytes, "object.bpf.o");
  if (!loaded.ok) throw new Error(loaded.error.map((d) => d.message).join("; "));
  const collection = loaded.value;
  return collection.programs.map((program) => ({ name: program.name, load: programLoad(collection, program) }));
}

/** Asks the kernel as libbpf does: types that it refuses (some packed bit-fields of clang's) are left out, and the load is tried again. */
export async function judgeLoad(kernel: KernelJudge, load: KernelLoad): Promise<KernelVerdict> {
  const verdict = await kernel.judge(load);
  if (verdict.failed !== "btf") return verdict;
  const { btf: _btf, funcInfo: _funcInfo, ...untyped } = load;
  const maps = load.maps.map(({ btf: _types, ...map }) => map);
  return kernel.judge({ ...untyped, maps, btfs: [] });
}

function programLoad(collection: CollectionSpec, program: ProgramSpec): KernelLoad {
  // Maps that the program does not name cannot change its verdict.
  const used = new Set(program.mapReferences.map((r) => r.map));
  const maps = collection.maps.filter((m) => used.has(m.name));
  const insns = program.insns.slice();
  for (const { insn, map, offset } of program.mapReferences) {
    const index = maps.findIndex((m) => m.name === map);
    const first = insns[insn];
    const second = insns[insn + 1];
    if (index < 0 || first === undefined || second === undefined) throw new Error(`${program.name}: no map ${map}`);
    insns[insn] = { ...first, src: offset === null ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE, imm: index };
    insns[insn + 1] = { ...second, imm: offset ?? 0 };
  }
  for (const { insn, name } of program.kfuncReferences) {
    const call = insns[insn];
    if (call !== undefined) insns[insn] = { ...call, imm: liveKfuncIds().get(name) ?? 0 };
  }
  const typed = collection.btf !== null;
  const withTypes = typed && program.functions.every((f) => f.type !== 0);
  const records = new Uint32Array(program.functions.flatMap((f) => [f.insn, f.type]));
  return {
    btfs: collection.btf === null ? [] : [writeBtf(collection.btf)],
    maps: maps.map((map) => kernelMap(map, typed)),
    type: program.type,
    insns: encodeInstructions(insns),
    license: program.license,
    name: program.name.slice(0, 15),
    flags: program.flags,
    expectedAttachType: program.expectedAttachType,
    logLevel: LOG_STATS,
    ...(withTypes ? { btf: 0, funcInfo: new Uint8Array(records.buffer) } : {}),
  };
}

function kernelMap(map: MapSpec, typed: boolean): KernelMap {
  return {
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    name: map.name.slice(0, 15),
    mapExtra: map.mapExtra,
    ...(typed && (map.keyType !== 0 || map.valueType !== 0)
      ? { btf: { index: 0, keyType: map.keyType, valueType: map.valueType } }
      : {}),
    ...(map.inner === null ? {} : { inner: kernelMap(map.inner, false) }),
    ...(map.globalData === null
      ? {}
      : { entries: [{ key: new Uint8Array(map.keySize), value: map.globalData.contents }] }),
    ...(map.frozen ? { freeze: true } : {}),
  };
}
