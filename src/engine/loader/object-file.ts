import type { Diagnostic, SourceSpan } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { utf8Text } from "../base/utf8.ts";
import type { BtfSection } from "../btf/read.ts";
import { readBtfSection } from "../btf/read.ts";
import { readVariableTable, type TableVariable, VARIABLE_SECTION } from "../btf/variable-table.ts";
import { readElf } from "../elf/read.ts";
import type { ElfObject, ElfSection, ElfSymbol } from "../elf/types.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS } from "../elf/types.ts";
import type { BtfExt } from "./btf-ext.ts";
import { readBtfExt } from "./btf-ext.ts";

/** Gathers what is wrong with an object, so that one reading names every fault. */
export class Problems {
  readonly list: Diagnostic[] = [];

  error(message: string, span?: SourceSpan): void {
    this.list.push(span === undefined ? { severity: "error", message } : { severity: "error", message, span });
  }
}

/** An opened object: its ELF parts, and BTF as it is in the file. */
export interface ObjectFile {
  /** Base name up to the first dot, as libbpf names an object. */
  readonly name: string;
  readonly elf: ElfObject;
  readonly btf: BtfSection | null;
  readonly ext: BtfExt;
  /** Variables of each function by `section:slot`; none in objects that another compiler made. */
  readonly variables: ReadonlyMap<string, readonly TableVariable[]>;
}

export type DataKind = "data" | "rodata" | "bss";

export function openObject(bytes: Uint8Array, fileName: string): Result<ObjectFile, string> {
  const elf = readElf(bytes);
  if (!elf.ok) return elf;
  const base = fileName.slice(fileName.lastIndexOf("/") + 1);
  const name = base.split(".", 1)[0] as string;
  const section = findSection(elf.value, ".BTF");
  const extSection = findSection(elf.value, ".BTF.ext");
  const variables = readVariables(elf.value);
  if (section === null)
    return ok({ name, elf: elf.value, btf: null, ext: { functions: [], lines: [], relocations: [] }, variables });
  const btf = readBtfSection(section.bytes);
  if (!btf.ok) return err(`section .BTF: ${btf.error}`);
  const ext = readBtfExt(extSection?.bytes ?? null, btf.value);
  if (!ext.ok) return err(`section .BTF.ext: ${ext.error}`);
  return ok({ name, elf: elf.value, btf: btf.value, ext: ext.value, variables });
}

/** A table that cannot be read is none: it tells where variables are, and the program runs without. */
function readVariables(elf: ElfObject): ObjectFile["variables"] {
  const bytes = findSection(elf, VARIABLE_SECTION)?.bytes;
  const table = bytes === undefined ? null : readVariableTable(bytes);
  return new Map((table?.functions ?? []).map((f) => [`${f.section}:${f.slot}`, f.variables]));
}

export function findSection(elf: ElfObject, name: string): ElfSection | null {
  return elf.sections.find((s) => s.name === name) ?? null;
}

/** The text of a section that holds one C string; null when there is no such section. */
export function sectionText(elf: ElfObject, name: string): string | null {
  const section = findSection(elf, name);
  if (section === null) return null;
  const end = section.bytes.indexOf(0);
  return utf8Text(end < 0 ? section.bytes : section.bytes.subarray(0, end));
}

export function isCodeSection(section: ElfSection): boolean {
  return section.type === SHT_PROGBITS && (section.flags & SHF_EXECINSTR) !== 0 && section.size > 0;
}

/** Kind of a section that becomes a map of global data; null for any other. */
export function dataKind(section: ElfSection): DataKind | null {
  if ((section.flags & SHF_ALLOC) === 0 || section.size === 0) return null;
  if (section.type === SHT_NOBITS) return isNamed(section.name, ".bss") ? "bss" : null;
  if (section.type !== SHT_PROGBITS) return null;
  if (isNamed(section.name, ".data")) return "data";
  return isNamed(section.name, ".rodata") ? "rodata" : null;
}

function isNamed(name: string, base: string): boolean {
  return name === base || name.startsWith(`${base}.`);
}

/** Symbols of functions or objects that lie in a section, in order of their places. */
export function symbolsIn(elf: ElfObject, section: number, type: ElfSymbol["type"]): ElfSymbol[] {
  return elf.symbols.filter((s) => s.section === section && s.type === type).sort((a, b) => a.value - b.value);
}
