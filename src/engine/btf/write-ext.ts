import { ByteWriter } from "../base/byte-writer.ts";
import { BTF_MAGIC } from "./kinds.ts";
import type { StringTable } from "./strings.ts";
import type { BtfId } from "./types.ts";

export interface ExtFunctionRecord {
  /** bytes from the start of the section */
  readonly offset: number;
  readonly type: BtfId;
}

export interface ExtLineRecord {
  readonly offset: number;
  readonly file: string;
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Records of one code section. */
export interface ExtSection {
  readonly name: string;
  readonly functions: readonly ExtFunctionRecord[];
  readonly lines: readonly ExtLineRecord[];
}

const HEADER_BYTES = 32;
const FUNCTION_BYTES = 8;
const LINE_BYTES = 16;
const MAX_COLUMN = 1023;
const MAX_LINE = 0x3f_ffff;

/** Bytes of `.BTF.ext`: func_info and line_info of each section, no CO-RE relocations. Strings go to BTF's own table. */
export function writeBtfExt(sections: readonly ExtSection[], strings: StringTable): Uint8Array {
  const functions = table(
    FUNCTION_BYTES,
    sections.map((s) => ({ name: s.name, records: s.functions })),
    strings,
    (out, r) => {
      out.u32(r.offset);
      out.u32(r.type);
    },
  );
  const lines = table(
    LINE_BYTES,
    sections.map((s) => ({ name: s.name, records: s.lines })),
    strings,
    (out, r) => {
      out.u32(r.offset);
      out.u32(strings.add(r.file));
      out.u32(strings.add(r.text));
      out.u32(((Math.min(r.line, MAX_LINE) << 10) | Math.min(r.column, MAX_COLUMN)) >>> 0);
    },
  );
  const out = new ByteWriter();
  out.u16(BTF_MAGIC);
  out.u8(1);
  out.u8(0);
  out.u32(HEADER_BYTES);
  out.u32(0);
  out.u32(functions.length);
  out.u32(functions.length);
  out.u32(lines.length);
  out.u32(functions.length + lines.length);
  out.u32(0);
  out.bytes(functions);
  out.bytes(lines);
  return out.toBytes();
}

function table<T>(
  size: number,
  sections: readonly { readonly name: string; readonly records: readonly T[] }[],
  strings: StringTable,
  write: (out: ByteWriter, record: T) => void,
): Uint8Array {
  const out = new ByteWriter();
  if (sections.every((s) => s.records.length === 0)) return out.toBytes();
  out.u32(size);
  for (const { name, records } of sections) {
    if (records.length === 0) continue;
    out.u32(strings.add(name));
    out.u32(records.length);
    for (const record of records) write(out, record);
  }
  return out.toBytes();
}
