import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { stringAt } from "../base/utf8.ts";
import { BTF_MAGIC } from "../btf/kinds.ts";
import type { BtfSection } from "../btf/read.ts";
import type { BtfId } from "../btf/types.ts";

/** Records of `.BTF.ext`; `offset` is bytes from the start of the section named. */
export interface ExtFunction {
  readonly section: string;
  readonly offset: number;
  readonly type: BtfId;
}

export interface ExtLine {
  readonly section: string;
  readonly offset: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

export interface ExtRelocation {
  readonly section: string;
  readonly offset: number;
  readonly type: BtfId;
  /** `0:1:2` */
  readonly access: string;
  readonly kind: number;
}

export interface BtfExt {
  readonly functions: readonly ExtFunction[];
  readonly lines: readonly ExtLine[];
  readonly relocations: readonly ExtRelocation[];
}

/** Reads `.BTF.ext`; null gives empty tables. */
export function readBtfExt(bytes: Uint8Array | null, { btf, strings }: BtfSection): Result<BtfExt, string> {
  const functions: ExtFunction[] = [];
  const lines: ExtLine[] = [];
  const relocations: ExtRelocation[] = [];
  if (bytes === null) return ok({ functions, lines, relocations });
  if (bytes.length < 24) return err("it is shorter than its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0, true) !== BTF_MAGIC) return err("wrong magic number");
  const header = view.getUint32(4, true);
  const text = (offset: number): string => stringAt(strings, offset) ?? "";

  const table = (
    headerOffset: number,
    least: number,
    record: (section: string, at: number) => string | null,
  ): string | null => {
    if (header < headerOffset + 8) return null;
    const start = header + view.getUint32(headerOffset, true);
    const length = view.getUint32(headerOffset + 4, true);
    if (length === 0) return null;
    if (start + length > bytes.length) return "a table lies beyond its end";
    const size = view.getUint32(start, true);
    if (size < least || size % 4 !== 0) return `records of ${size} bytes are not known`;
    let at = start + 4;
    while (at < start + length) {
      if (at + 8 > start + length) return "a table is cut off";
      const section = text(view.getUint32(at, true));
      const count = view.getUint32(at + 4, true);
      at += 8;
      if (count * size > start + length - at) return "a table is cut off";
      for (let i = 0; i < count; i++, at += size) {
        const bad = record(section, at);
        if (bad !== null) return bad;
      }
    }
    return null;
  };

  const problem =
    (header < 24 ? "its header is too short" : null) ??
    table(8, 8, (section, at) => {
      const type = view.getUint32(at + 4, true);
      if (btf.types[type]?.kind !== "func") return `func_info refers to type ${type}, which is no function`;
      functions.push({ section, offset: view.getUint32(at, true), type });
      return null;
    }) ??
    table(16, 16, (section, at) => {
      const place = view.getUint32(at + 12, true);
      lines.push({
        section,
        offset: view.getUint32(at, true),
        file: text(view.getUint32(at + 4, true)),
        line: place >>> 10,
        column: place & 0x3ff,
        text: text(view.getUint32(at + 8, true)),
      });
      return null;
    }) ??
    table(24, 16, (section, at) => {
      const type = view.getUint32(at + 4, true);
      if (type >= btf.types.length) return `a CO-RE relocation refers to type ${type}, which does not exist`;
      relocations.push({
        section,
        offset: view.getUint32(at, true),
        type,
        access: text(view.getUint32(at + 8, true)),
        kind: view.getUint32(at + 12, true),
      });
      return null;
    });
  return problem === null ? ok({ functions, lines, relocations }) : err(problem);
}
