import { MAP_TYPES } from "../abi/types.ts";
import { findType, typeAt } from "../btf/layout.ts";
import type { BtfId } from "../btf/types.ts";
import type { ObjectFile } from "./object-file.ts";
import { dataKind } from "./object-file.ts";
import type { MapSpec } from "./spec.ts";

/** Map flags that libbpf gives to maps of global data. */
export const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_MMAPABLE = 1 << 10;

/** Longest name of a kernel object, without the NUL. */
const MAX_NAME = 15;

/**
 * Name of the map of a data section: up to 8 characters of the object's name and the section's, 15 in all; sections with a
 * second dot (`.rodata.str1.1`) keep their own name. What a kernel name may not hold becomes `_`.
 */
export function internalMapName(objectName: string, section: string): string {
  const suffix = section.slice(0, MAX_NAME);
  const prefix =
    section.indexOf(".", 1) >= 0 ? "" : objectName.slice(0, Math.min(8, MAX_NAME - Math.max(7, suffix.length)));
  return (prefix + suffix).replace(/[^A-Za-z0-9_.]/g, "_");
}

/** A map of one element that holds a section. */
export function dataMap(
  name: string,
  section: string,
  contents: Uint8Array,
  flags: number,
  valueType: BtfId,
  frozen: boolean,
): MapSpec {
  return {
    name,
    type: MAP_TYPES.array,
    keySize: 4,
    valueSize: contents.length,
    maxEntries: 1,
    flags,
    mapExtra: 0n,
    keyType: 0,
    valueType,
    inner: null,
    globalData: { section, contents },
    frozen,
    slots: [],
    pinByName: false,
  };
}

/** Maps of the object's data sections by section index, in the file's order. */
export function globalDataMaps(object: ObjectFile): Map<number, MapSpec> {
  const maps = new Map<number, MapSpec>();
  for (const section of object.elf.sections) {
    const kind = dataKind(section);
    if (kind === null) continue;
    const btf = object.btf?.btf;
    const type = (btf && findType(btf, "datasec", section.name)) ?? 0;
    const datasec = btf && typeAt(btf, type);
    // Static variables are invisible to user space, so a section of nothing else need not be mapped.
    const visible =
      datasec?.kind === "datasec" &&
      datasec.vars.some((v) => {
        const variable = typeAt(btf as NonNullable<typeof btf>, v.type);
        return variable.kind === "var" && variable.linkage !== "static";
      });
    const flags = (kind === "rodata" ? BPF_F_RDONLY_PROG : 0) | (visible ? BPF_F_MMAPABLE : 0);
    const contents = kind === "bss" ? new Uint8Array(section.size) : section.bytes.slice();
    const name = internalMapName(object.name, section.name);
    maps.set(section.index, dataMap(name, section.name, contents, flags, type, kind === "rodata"));
  }
  return maps;
}
