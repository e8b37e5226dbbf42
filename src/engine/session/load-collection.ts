import type { Errno } from "../abi/errno.ts";
import { InternalError } from "../base/errors.ts";
import type { Instruction } from "../isa/instruction.ts";
import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE } from "../isa/opcodes.ts";
import type { Kernel } from "../kernel/api.ts";
import type { CollectionSpec, MapSpec, ProgramSpec } from "../loader/spec.ts";
import { writeInteger } from "../script/encode-value.ts";
import type { VerifierProgram, VerifyResult } from "../verifier/types.ts";
import { fdOf, type NameTable, type ObjectKind, withFd, withId } from "./names.ts";

/** What libbpf does with a collection, as system calls of `process`. */
export interface CreatedMaps {
  readonly names: NameTable;
  /** Why a map could not be made. */
  readonly failed: ReadonlyMap<string, Errno>;
}

const KEY_ZERO = new Uint8Array(4);

/** Creates every map and fills those of global data (bpf_object__create_maps). */
export function createMaps(
  kernel: Kernel,
  process: number,
  collection: CollectionSpec,
  before: NameTable,
): CreatedMaps {
  let names = before;
  const failed = new Map<string, Errno>();
  for (const spec of collection.maps) {
    const { btf, dialect } = collection;
    let made = kernel.call(process, { name: "map-create", spec, btf, dialect });
    if (made.errno !== null && (spec.keyType !== 0 || spec.valueType !== 0)) {
      // As libbpf does: some types of map take no BTF.
      made = kernel.call(process, { name: "map-create", spec: withoutTypes(spec), btf, dialect });
    }
    if (made.errno !== null) {
      failed.set(spec.name, made.errno);
      continue;
    }
    const fd = Number(made.retval);
    names = remember(kernel, names, process, "map", spec.name, fd);
    const contents = spec.globalData?.contents;
    if (contents?.some((byte) => byte !== 0)) {
      kernel.call(process, { name: "map-update", fd, key: KEY_ZERO, value: contents, flags: 0 });
    }
    if (spec.frozen) kernel.call(process, { name: "map-freeze", fd });
  }
  fillSlots(kernel, process, collection.maps, "map", names);
  return { names, failed };
}

function withoutTypes(spec: MapSpec): MapSpec {
  const { keyType, valueType } = spec;
  return { ...spec, keyType: 0, valueType: 0, declaredKeyType: keyType, declaredValueType: valueType };
}

/** Puts maps and programs that C names as initial values into their maps; programs once they are loaded. */
export function fillSlots(
  kernel: Kernel,
  process: number,
  maps: readonly MapSpec[],
  kind: ObjectKind,
  names: NameTable,
): void {
  for (const spec of maps) {
    const fd = fdOf(names, process, "map", spec.name);
    if (fd === null) continue;
    for (const slot of spec.slots) {
      const target = slot.kind === kind ? fdOf(names, process, kind, slot.name) : null;
      if (target === null) continue;
      const key = new Uint8Array(spec.keySize);
      const value = new Uint8Array(4);
      writeInteger(key, 0, key.length, BigInt(slot.index));
      writeInteger(value, 0, 4, BigInt(target));
      kernel.call(process, { name: "map-update", fd, key, value, flags: 0 });
    }
  }
}

/** The program as BPF_PROG_LOAD takes it: map loads carry the fds of `process`. Null when one of its maps does not exist. */
export function programForLoad(
  collection: CollectionSpec,
  spec: ProgramSpec,
  process: number,
  names: NameTable,
): VerifierProgram | null {
  const insns: Instruction[] = spec.insns.slice();
  for (const reference of spec.mapReferences) {
    const fd = fdOf(names, process, "map", reference.map);
    const first = insns[reference.insn];
    const second = insns[reference.insn + 1];
    if (fd === null) return null;
    if (first === undefined || second === undefined) throw new InternalError("a map reference points past the program");
    const src = reference.offset === null ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
    insns[reference.insn] = { ...first, src, imm: fd };
    insns[reference.insn + 1] = { ...second, imm: reference.offset ?? 0 };
  }
  return {
    name: spec.name,
    type: spec.type,
    expectedAttachType: spec.expectedAttachType,
    flags: spec.flags,
    license: spec.license,
    insns,
    btf: collection.btf,
    functions: spec.functions,
    lines: spec.lines,
    kfuncs: new Map(spec.kfuncReferences.map((k) => [k.insn, k.name])),
    dialect: collection.dialect,
  };
}

export interface JudgedProgram {
  readonly spec: ProgramSpec;
  readonly program: VerifierProgram;
  readonly result: VerifyResult;
}

/** Loads the programs; those that the verifier refused as well when `unverified`. */
export function loadPrograms(
  kernel: Kernel,
  process: number,
  judged: readonly JudgedProgram[],
  unverified: boolean,
  before: NameTable,
): { readonly names: NameTable; readonly failed: ReadonlyMap<string, Errno> } {
  let names = before;
  const failed = new Map<string, Errno>();
  for (const { spec, program, result } of judged) {
    if (result.verdict !== "accept" && !unverified) continue;
    const section = spec.section;
    const made = kernel.call(
      process,
      result.verdict === "accept"
        ? { name: "prog-load", program: result.program, section }
        : { name: "prog-load-unverified", program, section },
    );
    if (made.errno !== null) failed.set(spec.name, made.errno);
    else names = remember(kernel, names, process, "prog", spec.name, Number(made.retval));
  }
  return { names, failed };
}

/** Notes fd and id of an object that the process has just got. */
export function remember(
  kernel: Kernel,
  names: NameTable,
  process: number,
  kind: ObjectKind,
  name: string,
  fd: number,
): NameTable {
  const target = kernel.state.processes.get(process)?.fds.get(fd);
  if (target === undefined) throw new InternalError(`process ${process} has no fd ${fd}`);
  return withId(withFd(names, process, kind, name, fd), kind, name, target.id);
}
