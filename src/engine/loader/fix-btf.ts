import type { Btf, BtfId, BtfType } from "../btf/types.ts";
import type { ObjectFile, Problems } from "./object-file.ts";
import { findSection } from "./object-file.ts";

type DataSection = Extract<BtfType, { kind: "datasec" }>;

/**
 * Completes the BTF of an object for the kernel, as libbpf does: sizes of data sections and places of global variables come
 * from the ELF file, hidden functions become static, those of the kernel global with named parameters, and `.ksyms` holds variables only.
 */
export function fixBtf(
  object: ObjectFile,
  kconfigOffsets: ReadonlyMap<string, number>,
  problems: Problems,
): Btf | null {
  if (object.btf === null) return null;
  const types: BtfType[] = [...object.btf.btf.types];
  let dummy: BtfId | null = null;
  const dummyVariable = (): BtfId => {
    if (dummy !== null) return dummy;
    let int = types.findIndex((t) => t.kind === "int" && t.size === 4);
    if (int < 0) {
      int = types.length;
      types.push({ kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" });
    }
    dummy = types.length;
    types.push({ kind: "var", name: "dummy_ksym", type: int, linkage: "global" });
    return dummy;
  };

  for (const [id, type] of object.btf.btf.types.entries()) {
    if (type.kind === "func") {
      const hidden = type.linkage === "global" && object.elf.symbols.some((s) => s.hidden && s.name === type.name);
      if (hidden) types[id] = { ...type, linkage: "static" };
      else if (type.linkage === "extern") {
        types[id] = { ...type, linkage: "global" };
        nameParameters(types, type.type);
      }
    } else if (type.kind === "datasec") {
      if (type.name === ".kconfig") types[id] = placeKconfig(types, type, kconfigOffsets);
      else if (type.name === ".ksyms") types[id] = placeKsyms(types, type, dummyVariable);
      else types[id] = placeVariables(object, types, type, problems);
    }
  }
  // The kernel wants every variable to have storage; an extern's is what the loader made for it.
  for (const [id, type] of types.entries()) {
    if (type.kind === "var" && type.linkage === "extern") types[id] = { ...type, linkage: "global" };
  }
  return { types };
}

/** Compilers leave the parameters of what is only declared without names; the kernel takes no function with such. */
function nameParameters(types: BtfType[], proto: BtfId): void {
  const type = types[proto];
  if (type?.kind !== "func_proto") return;
  const params = type.params.map((p) => (p.type !== 0 && p.name === "" ? { ...p, name: "dummy_ksym" } : p));
  types[proto] = { ...type, params };
}

function placeVariables(object: ObjectFile, types: readonly BtfType[], type: DataSection, problems: Problems): BtfType {
  const section = findSection(object.elf, type.name);
  if (section === null) {
    problems.error(`BTF describes section ${type.name}, which the object does not have`);
    return type;
  }
  const vars = type.vars.map((v) => {
    const variable = types[v.type];
    if (type.size !== 0 || variable?.kind !== "var" || variable.linkage === "static") return v;
    const symbol = object.elf.symbols.find((s) => s.name === variable.name && s.section === section.index);
    if (symbol === undefined) {
      problems.error(`variable '${variable.name}' of section ${type.name} has no symbol`);
      return v;
    }
    return { ...v, offset: symbol.value };
  });
  vars.sort((a, b) => a.offset - b.offset);
  return { ...type, size: type.size === 0 ? section.size : type.size, vars };
}

function placeKconfig(types: readonly BtfType[], type: DataSection, offsets: ReadonlyMap<string, number>): BtfType {
  const vars = type.vars.flatMap((v) => {
    const variable = types[v.type];
    const offset = variable?.kind === "var" ? offsets.get(variable.name) : undefined;
    return offset === undefined ? [] : [{ ...v, offset }];
  });
  vars.sort((a, b) => a.offset - b.offset);
  const last = vars.at(-1);
  return { ...type, size: last === undefined ? 0 : last.offset + last.size, vars };
}

function placeKsyms(types: readonly BtfType[], type: DataSection, dummyVariable: () => BtfId): BtfType {
  const vars = type.vars.map((v, i) => ({
    type: types[v.type]?.kind === "func" ? dummyVariable() : v.type,
    offset: 4 * i,
    size: 4,
  }));
  return { ...type, size: 4 * vars.length, vars };
}
