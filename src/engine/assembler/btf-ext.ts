import { ByteWriter } from "../base/byte-writer.ts";
import type { StringTable } from "../btf/strings.ts";
import type { BtfId } from "../btf/types.ts";
import { INSTRUCTION_BYTES } from "../isa/instruction.ts";

export interface BtfExtFunction {
  readonly section: string;
  /** First slot, counted in the section. */
  readonly insn: number;
  readonly type: BtfId;
}

export interface BtfExtLine {
  readonly section: string;
  readonly insn: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

const MAGIC = 0xeb9f;
const HEADER_BYTES = 32;
const FUNCTION_RECORD = 8;
const LINE_RECORD = 16;

/** Bytes of `.BTF.ext`: func_info and line_info, section by section. Texts go to the string table of `.BTF`. */
export function writeBtfExt(
  functions: readonly BtfExtFunction[],
  lines: readonly BtfExtLine[],
  strings: StringTable,
): Uint8Array {
  const functionPart = block(functions, FUNCTION_RECORD, strings, (out, f) => out.u32(f.type));
  const linePart = block(lines, LINE_RECORD, strings, (out, l) => {
    out.u32(strings.add(l.file));
    out.u32(strings.add(l.text));
    out.u32(((l.line << 10) | Math.min(l.column, 0x3ff)) >>> 0);
  });
  const out = new ByteWriter();
  out.u16(MAGIC);
  out.u8(1);
  out.u8(0);
  out.u32(HEADER_BYTES);
  out.u32(0);
  out.u32(functionPart.length);
  out.u32(functionPart.length);
  out.u32(linePart.length);
  out.u32(functionPart.length + linePart.length);
  out.u32(0);
  out.bytes(functionPart);
  out.bytes(linePart);
  return out.toBytes();
}

function block<T extends { readonly section: string; readonly insn: number }>(
  records: readonly T[],
  recordBytes: number,
  strings: StringTable,
  write: (out: ByteWriter, record: T) => void,
): Uint8Array {
  const out = new ByteWriter();
  out.u32(recordBytes);
  for (const section of new Set(records.map((r) => r.section))) {
    const own = records.filter((r) => r.section === section);
    out.u32(strings.add(section));
    out.u32(own.length);
    for (const record of own) {
      out.u32(record.insn * INSTRUCTION_BYTES);
      write(out, record);
    }
  }
  return out.toBytes();
}
