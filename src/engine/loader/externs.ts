import { alignOfType, findType, sizeOfType, typeAt } from "../btf/layout.ts";
import type { BtfType } from "../btf/types.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, dataMap, internalMapName } from "./global-data.ts";
import type { ObjectFile, Problems } from "./object-file.ts";
import type { MapSpec } from "./spec.ts";

/** What an undefined symbol stands for. */
export type Extern =
  | { readonly kind: "kconfig"; readonly offset: number }
  | { readonly kind: "function" }
  /** A weak symbol that nothing defines: its address is 0. */
  | { readonly kind: "missing" };

export interface Externs {
  readonly byName: ReadonlyMap<string, Extern>;
  /** Map of the kernel's configuration; null when nothing asks for it. */
  readonly kconfigMap: MapSpec | null;
}

/** Values of `.kconfig` externs, by name: numbers, `y`/`m`/`n`, or strings. */
export type KernelConfig = Readonly<Record<string, bigint | "y" | "m" | "n" | { readonly text: string }>>;

/** Linux 6.18 of the figures in this project; `LINUX_KERNEL_VERSION` is what libbpf supplies itself. */
export const DEFAULT_KERNEL_CONFIG: KernelConfig = {
  LINUX_KERNEL_VERSION: BigInt((6 << 16) + (18 << 8)),
  LINUX_HAS_BPF_COOKIE: 1n,
  LINUX_HAS_SYSCALL_WRAPPER: 1n,
  CONFIG_BPF: "y",
  CONFIG_BPF_SYSCALL: "y",
  CONFIG_BPF_JIT: "y",
  CONFIG_HZ: 1000n,
  CONFIG_SMP: "y",
  CONFIG_64BIT: "y",
  CONFIG_X86_64: "y",
};

interface KconfigVariable {
  readonly name: string;
  readonly type: number;
  readonly weak: boolean;
  readonly size: number;
  readonly align: number;
}

/** Finds what each undefined symbol stands for; reports those that nothing can satisfy. */
export function resolveExterns(object: ObjectFile, config: KernelConfig, problems: Problems): Externs {
  const byName = new Map<string, Extern>();
  const wanted: KconfigVariable[] = [];
  for (const symbol of object.elf.symbols) {
    if (symbol.section !== 0 || symbol.name === "" || symbol.binding === "local") continue;
    const weak = symbol.binding === "weak";
    const declared = findExtern(object, symbol.name);
    if (declared === null) {
      problems.error(`'${symbol.name}' is not defined, and the object does not say what it is (no BTF of an extern)`);
    } else if (declared.type.kind === "func") {
      byName.set(symbol.name, { kind: "function" });
    } else if (declared.section === ".kconfig") {
      const btf = (object.btf as NonNullable<ObjectFile["btf"]>).btf;
      const size = sizeOfType(btf, declared.type.type);
      const align = alignOfType(btf, declared.type.type);
      if (size === null || align === null || size === 0) problems.error(`extern '${symbol.name}' has no size`);
      else wanted.push({ name: symbol.name, type: declared.type.type, weak, size, align });
    } else if (weak) {
      byName.set(symbol.name, { kind: "missing" });
    } else if (declared.section === ".ksyms") {
      problems.error(
        `extern '${symbol.name}' is a variable of the kernel; the playground has none (make it weak to test for it)`,
      );
    } else {
      problems.error(`extern '${symbol.name}' is not defined in this object; linking several objects is not supported`);
    }
  }
  return { byName, kconfigMap: layOutKconfig(object, wanted, config, byName, problems) };
}

function findExtern(
  object: ObjectFile,
  name: string,
): { readonly section: string; readonly type: Extract<BtfType, { kind: "func" | "var" }> } | null {
  const types = object.btf?.btf.types ?? [];
  const id = types.findIndex(
    (t) => (t.kind === "func" || t.kind === "var") && t.name === name && t.linkage === "extern",
  );
  const type = types[id];
  if (type?.kind !== "func" && type?.kind !== "var") return null;
  const section = types.find((t) => t.kind === "datasec" && t.vars.some((v) => v.type === id));
  return { section: section?.kind === "datasec" ? section.name : "", type };
}

/** libbpf's order: by alignment, the greatest first, then by size, then by name. */
function layOutKconfig(
  object: ObjectFile,
  wanted: readonly KconfigVariable[],
  config: KernelConfig,
  byName: Map<string, Extern>,
  problems: Problems,
): MapSpec | null {
  if (wanted.length === 0) return null;
  const sorted = [...wanted].sort(
    (a, b) => b.align - a.align || a.size - b.size || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const places: { readonly variable: KconfigVariable; readonly offset: number }[] = [];
  let end = 0;
  for (const variable of sorted) {
    const offset = Math.ceil(end / variable.align) * variable.align;
    places.push({ variable, offset });
    byName.set(variable.name, { kind: "kconfig", offset });
    end = offset + variable.size;
  }
  const contents = new Uint8Array(end);
  for (const { variable, offset } of places) {
    const value = config[variable.name];
    if (value === undefined) {
      if (!variable.weak)
        problems.error(`extern '${variable.name}' (strong): the playground's kernel has no such setting`);
      continue;
    }
    const bytes = encodeSetting(object, variable, value);
    if (bytes === null) problems.error(`extern '${variable.name}': its type does not fit the setting's value`);
    else contents.set(bytes, offset);
  }
  const datasec = findType((object.btf as NonNullable<ObjectFile["btf"]>).btf, "datasec", ".kconfig") ?? 0;
  const flags = BPF_F_RDONLY_PROG | BPF_F_MMAPABLE;
  return dataMap(internalMapName(object.name, ".kconfig"), ".kconfig", contents, flags, datasec, true);
}

function encodeSetting(object: ObjectFile, variable: KconfigVariable, value: KernelConfig[string]): Uint8Array | null {
  const btf = (object.btf as NonNullable<ObjectFile["btf"]>).btf;
  const bytes = new Uint8Array(variable.size);
  let id = variable.type;
  let type = typeAt(btf, id);
  while (type.kind === "const" || type.kind === "volatile" || type.kind === "typedef" || type.kind === "type_tag") {
    id = type.type;
    type = typeAt(btf, id);
  }
  if (typeof value === "object") {
    if (type.kind !== "array" || type.count === 0) return null;
    for (let i = 0; i < Math.min(type.count - 1, value.text.length); i++) bytes[i] = value.text.charCodeAt(i) & 0x7f;
    return bytes;
  }
  if (typeof value === "string") {
    if (type.kind === "enum") bytes[0] = { n: 0, y: 1, m: 2 }[value];
    else if (type.kind === "int" && type.encoding === "bool") bytes[0] = value === "n" ? 0 : 1;
    else if (type.kind === "int" && type.size === 1) bytes[0] = value.charCodeAt(0);
    else return null;
    return bytes;
  }
  if (type.kind !== "int" || variable.size > 8 || BigInt.asUintN(8 * variable.size, value) !== value) return null;
  for (let i = 0; i < variable.size; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return bytes;
}
