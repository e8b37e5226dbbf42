import { ByteWriter } from "../base/byte-writer.ts";
import { StringTable } from "../btf/strings.ts";
import type { ElfRelocation, ElfSymbol } from "./types.ts";
import {
  EM_BPF,
  ET_REL,
  SHF_INFO_LINK,
  SHT_NOBITS,
  SHT_REL,
  SHT_STRTAB,
  SHT_SYMTAB,
  STV_HIDDEN,
  SYMBOL_BINDINGS,
  SYMBOL_TYPES,
} from "./types.ts";

/** A section to be written; symbols name sections by their place in {@link ElfParts.sections}, counted from 0. */
export interface SectionPart {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly entrySize: number;
  readonly bytes: Uint8Array;
  /** bytes; differs from `bytes.length` only for NOBITS */
  readonly size: number;
  /** `symbol` is a place in {@link ElfParts.symbols}. */
  readonly relocations: readonly ElfRelocation[];
}

/** Section of a symbol: place in {@link ElfParts.sections}, or none. */
export type SymbolPart = Omit<ElfSymbol, "section"> & { readonly section: number | "undefined" | "absolute" };

export interface ElfParts {
  readonly sections: readonly SectionPart[];
  readonly symbols: readonly SymbolPart[];
}

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly entrySize: number;
  readonly link: number;
  readonly info: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

const HEADER_BYTES = 64;

/**
 * Bytes of a relocatable object: string table first, each section followed by its relocations, symbol table last, as LLVM
 * orders them. Local symbols are moved before the others, which keep their order.
 */
export function writeElf({ sections, symbols }: ElfParts): Uint8Array {
  const order = symbols.map((_, i) => i);
  const sorted = [
    ...order.filter((i) => symbols[i]?.binding === "local"),
    ...order.filter((i) => symbols[i]?.binding !== "local"),
  ];
  const symbolIndex = new Map(sorted.map((original, position) => [original, position + 1]));
  const sectionIndex: number[] = [];
  let next = 2;
  for (const section of sections) {
    sectionIndex.push(next);
    next += section.relocations.length > 0 ? 2 : 1;
  }
  const symtabIndex = next;

  const strings = new StringTable();
  const headers: Header[] = [];
  for (const section of sections) {
    headers.push({ ...section, link: 0, info: 0 });
    if (section.relocations.length === 0) continue;
    const bytes = new ByteWriter();
    for (const r of section.relocations) {
      bytes.u64(BigInt(r.offset));
      bytes.u32(r.type);
      bytes.u32(symbolIndex.get(r.symbol) ?? 0);
    }
    headers.push({
      name: `.rel${section.name}`,
      type: SHT_REL,
      flags: SHF_INFO_LINK,
      align: 8,
      entrySize: 16,
      link: symtabIndex,
      info: headers.length + 1,
      bytes: bytes.toBytes(),
      size: bytes.length,
    });
  }

  const table = new ByteWriter();
  table.bytes(new Uint8Array(24));
  for (const original of sorted) {
    const s = symbols[original] as SymbolPart;
    table.u32(strings.add(s.name));
    table.u8((SYMBOL_BINDINGS.indexOf(s.binding) << 4) | SYMBOL_TYPES.indexOf(s.type));
    table.u8(s.hidden ? STV_HIDDEN : 0);
    table.u16(s.section === "undefined" ? 0 : s.section === "absolute" ? 0xfff1 : (sectionIndex[s.section] ?? 0));
    table.u64(BigInt(s.value));
    table.u64(BigInt(s.size));
  }
  headers.push({
    name: ".symtab",
    type: SHT_SYMTAB,
    flags: 0,
    align: 8,
    entrySize: 24,
    link: 1,
    info: 1 + symbols.filter((s) => s.binding === "local").length,
    bytes: table.toBytes(),
    size: table.length,
  });
  for (const header of headers) strings.add(header.name);
  strings.add(".strtab");
  const names: Header = {
    name: ".strtab",
    type: SHT_STRTAB,
    flags: 0,
    align: 1,
    entrySize: 0,
    link: 0,
    info: 0,
    bytes: strings.toBytes(),
    size: strings.byteLength,
  };
  return layOut([names, ...headers], strings);
}

function layOut(headers: readonly Header[], strings: StringTable): Uint8Array {
  const body = new ByteWriter();
  body.bytes(new Uint8Array(HEADER_BYTES));
  const offsets: number[] = [];
  for (const header of headers) {
    body.align(Math.max(1, header.align));
    offsets.push(body.length);
    if (header.type !== SHT_NOBITS) body.bytes(header.bytes);
  }
  body.align(8);
  const tableOffset = body.length;

  body.bytes(new Uint8Array(64));
  headers.forEach((header, i) => {
    body.u32(strings.add(header.name));
    body.u32(header.type);
    body.u64(BigInt(header.flags));
    body.u64(0n);
    body.u64(BigInt(offsets[i] ?? 0));
    body.u64(BigInt(header.size));
    body.u32(header.link);
    body.u32(header.info);
    body.u64(BigInt(header.align));
    body.u64(BigInt(header.entrySize));
  });

  const bytes = body.toBytes();
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  view.setUint16(16, ET_REL, true);
  view.setUint16(18, EM_BPF, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(tableOffset), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, headers.length + 1, true);
  view.setUint16(62, 1, true);
  return bytes;
}
