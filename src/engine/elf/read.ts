import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { stringAt } from "../base/utf8.ts";
import type { ElfObject, ElfRelocation, ElfSection, ElfSymbol } from "./types.ts";
import {
  EM_BPF,
  ET_REL,
  SHT_NOBITS,
  SHT_REL,
  SHT_RELA,
  SHT_SYMTAB,
  STV_HIDDEN,
  SYMBOL_BINDINGS,
  SYMBOL_TYPES,
} from "./types.ts";

const HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
/** More than any BPF object needs, and few enough that a hostile file costs nothing. */
const MAX_SECTIONS = 0xff00;

/**
 * Reads a relocatable BPF object. Every section of the result lies inside the file; symbols and relocations refer to
 * what exists. The error is a sentence for the person who brought the file.
 */
export function readElf(bytes: Uint8Array): Result<ElfObject, string> {
  if (bytes.length < HEADER_BYTES || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    return err("this is not an ELF file");
  }
  if (bytes[4] !== 2) return err("the ELF file is not a 64-bit one");
  if (bytes[5] !== 1) return err("the ELF file is big-endian; only little-endian BPF (bpfel) is supported");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const machine = view.getUint16(18, true);
  if (machine !== EM_BPF) return err(`the ELF file is for machine ${machine}, not for BPF (${EM_BPF})`);
  if (view.getUint16(16, true) !== ET_REL) return err("the ELF file is not a relocatable object");
  const sections = readSections(bytes, view);
  if (!sections.ok) return sections;
  const symbols = readSymbols(sections.value);
  if (!symbols.ok) return symbols;
  const relocations = readRelocations(sections.value, symbols.value.length);
  if (!relocations.ok) return relocations;
  return ok({ sections: sections.value, symbols: symbols.value, relocations: relocations.value });
}

function readSections(bytes: Uint8Array, view: DataView): Result<ElfSection[], string> {
  const table = view.getBigUint64(40, true);
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (view.getUint16(58, true) !== SECTION_HEADER_BYTES || count === 0 || count > MAX_SECTIONS) {
    return err("the ELF file has no usable section headers");
  }
  if (table + BigInt(count * SECTION_HEADER_BYTES) > BigInt(bytes.length)) {
    return err("the ELF file is cut off: its section headers lie beyond its end");
  }
  const sections: (Omit<ElfSection, "name"> & { readonly nameOffset: number })[] = [];
  for (let index = 0; index < count; index++) {
    const at = Number(table) + index * SECTION_HEADER_BYTES;
    const type = view.getUint32(at + 4, true);
    const offset = view.getBigUint64(at + 24, true);
    const size = view.getBigUint64(at + 32, true);
    const inFile = type === SHT_NOBITS || index === 0 ? 0n : size;
    if (offset + inFile > BigInt(bytes.length) && inFile > 0n) {
      return err(`the ELF file is cut off: section ${index} lies beyond its end`);
    }
    if (size > 0x10000000n) return err(`section ${index} of the ELF file is larger than 256 MiB`);
    sections.push({
      index,
      nameOffset: view.getUint32(at, true),
      type,
      flags: Number(view.getBigUint64(at + 8, true) & 0xffffffffn),
      size: Number(size),
      bytes: inFile === 0n ? new Uint8Array(0) : bytes.subarray(Number(offset), Number(offset + inFile)),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
      align: Number(view.getBigUint64(at + 48, true) & 0xffffffffn),
      entrySize: Number(view.getBigUint64(at + 56, true) & 0xffffffffn),
    });
  }
  const names = sections[namesIndex]?.bytes ?? new Uint8Array(1);
  return ok(
    sections.map(({ nameOffset, ...section }) => ({
      ...section,
      name: section.index === 0 ? "" : (stringAt(names, nameOffset) ?? ""),
    })),
  );
}

function readSymbols(sections: readonly ElfSection[]): Result<ElfSymbol[], string> {
  const table = sections.find((s) => s.type === SHT_SYMTAB);
  if (table === undefined) return ok([]);
  const names = sections[table.link]?.bytes;
  if (names === undefined) return err("the ELF file's symbol table has no string table");
  const view = new DataView(table.bytes.buffer, table.bytes.byteOffset, table.bytes.byteLength);
  const symbols: ElfSymbol[] = [];
  for (let at = 0; at + SYMBOL_BYTES <= table.bytes.length; at += SYMBOL_BYTES) {
    const name = stringAt(names, view.getUint32(at, true));
    const info = view.getUint8(at + 4);
    const section = view.getUint16(at + 6, true);
    const value = view.getBigUint64(at + 8, true);
    const size = view.getBigUint64(at + 16, true);
    const place = `symbol ${at / SYMBOL_BYTES} of the ELF file`;
    if (name === null) return err(`${place} has no name`);
    if (section < 0xff00 && section >= sections.length) return err(`${place} lies in a section that does not exist`);
    if (value > 0x7fffffffn || size > 0x7fffffffn) return err(`${place} lies beyond 2 GiB`);
    symbols.push({
      name,
      value: Number(value),
      size: Number(size),
      binding: SYMBOL_BINDINGS[info >> 4] ?? "global",
      type: SYMBOL_TYPES[info & 0xf] ?? "none",
      hidden: (view.getUint8(at + 5) & 3) === STV_HIDDEN,
      section,
    });
  }
  return ok(symbols);
}

function readRelocations(
  sections: readonly ElfSection[],
  symbolCount: number,
): Result<Map<number, readonly ElfRelocation[]>, string> {
  const bySection = new Map<number, readonly ElfRelocation[]>();
  for (const section of sections) {
    if (section.type === SHT_RELA) return err(`section ${section.name} holds RELA relocations; BPF objects have REL`);
    if (section.type !== SHT_REL) continue;
    const target = sections[section.info];
    if (target === undefined || section.info === 0) return err(`section ${section.name} relocates no section`);
    const view = new DataView(section.bytes.buffer, section.bytes.byteOffset, section.bytes.byteLength);
    const list: ElfRelocation[] = [];
    for (let at = 0; at + 16 <= section.bytes.length; at += 16) {
      const offset = view.getBigUint64(at, true);
      const relocation = {
        offset: Number(offset),
        type: view.getUint32(at + 8, true),
        symbol: view.getUint32(at + 12, true),
      };
      if (offset >= BigInt(target.size)) return err(`section ${section.name} has a relocation outside of its section`);
      if (relocation.symbol >= symbolCount) return err(`section ${section.name} names a symbol that does not exist`);
      list.push(relocation);
    }
    bySection.set(section.info, [...(bySection.get(section.info) ?? []), ...list]);
  }
  return ok(bySection);
}
