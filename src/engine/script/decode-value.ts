import { utf8Text } from "../base/utf8.ts";
import { sizeOfType, skipModifiersAndTypedefs, typeAt, typeText } from "../btf/layout.ts";
import type { SpecialField, SpecialFields } from "../btf/special-fields.ts";
import type { Btf, BtfId, BtfMember } from "../btf/types.ts";
import type { DecodedValue } from "../snapshot/types.ts";
import { variableType } from "./encode-value.ts";

/** Arrays of more items are shown as bytes. */
const MAX_ITEMS = 512;
const MAX_DEPTH = 16;

export interface DecodeContext {
  readonly btf: Btf | null;
  readonly special: SpecialFields | null;
  /** What stands at a special field (a timer, a lock); null: it is shown like any other bytes. */
  specialValue(field: SpecialField): DecodedValue | null;
}

/** The same value at another moment, decoded: parts whose bytes are the same are the same objects again. */
export interface DecodedBefore {
  readonly bytes: Uint8Array;
  readonly value: DecodedValue;
}

export const PLAIN: DecodeContext = { btf: null, special: null, specialValue: () => null };

/** A value decoded through its BTF type; without one, as an integer when it has the size of one, else as bytes. */
export function decodeValue(
  bytes: Uint8Array,
  type: BtfId,
  context: DecodeContext,
  before: DecodedBefore | null = null,
): DecodedValue {
  const { btf } = context;
  if (btf === null || type === 0 || sizeOfType(btf, type) !== bytes.length) return untyped(bytes);
  return decodeTyped(bytes, 0, type, context, 0, before?.bytes.length === bytes.length ? before : null);
}

/** What was there before, when all its bytes are the same and none is special; else null. */
function unchanged(
  bytes: Uint8Array,
  offset: number,
  size: number,
  context: DecodeContext,
  before: DecodedBefore,
): DecodedValue | null {
  for (let i = offset; i < offset + size; i++) if (bytes[i] !== before.bytes[i]) return null;
  const special = context.special?.valid === true ? context.special.fields : [];
  return special.some((f) => f.offset < offset + size && offset < f.offset + f.size) ? null : before.value;
}

/** Part `index` of what was there before. */
function partBefore(before: DecodedBefore | null, index: number): DecodedBefore | null {
  const value = before?.value;
  const part =
    value?.kind === "struct" ? value.members[index]?.value : value?.kind === "array" ? value.items[index] : undefined;
  return before === null || part === undefined ? null : { bytes: before.bytes, value: part };
}

function untyped(bytes: Uint8Array): DecodedValue {
  return [1, 2, 4, 8].includes(bytes.length)
    ? { kind: "scalar", text: readInteger(bytes, 0, bytes.length, false).toString(), typeName: `u${8 * bytes.length}` }
    : { kind: "bytes", hex: hexOf(bytes) };
}

const rawBytes = (bytes: Uint8Array, offset: number, size: number): DecodedValue => ({
  kind: "bytes",
  hex: hexOf(bytes.subarray(offset, offset + size)),
});

function decodeTyped(
  bytes: Uint8Array,
  offset: number,
  id: BtfId,
  context: DecodeContext,
  depth: number,
  before: DecodedBefore | null = null,
): DecodedValue {
  const btf = context.btf as Btf;
  const base = skipModifiersAndTypedefs(btf, id);
  const type = typeAt(btf, base);
  const size = sizeOfType(btf, base) ?? 0;
  const same = before === null ? null : unchanged(bytes, offset, size, context, before);
  if (same !== null) return same;
  if (depth > MAX_DEPTH) return rawBytes(bytes, offset, size);
  switch (type.kind) {
    case "int":
    case "enum":
    case "ptr":
    case "float":
      return scalar(btf, base, id, scalarText(btf, base, bytes, offset));
    case "array": {
      const element = sizeOfType(btf, type.type) ?? 0;
      const text = element === 1 ? textOf(btf, type.type, bytes.subarray(offset, offset + type.count)) : null;
      const typeName = typeText(btf, id);
      if (text !== null && type.count > 64) return { kind: "array", typeName, items: [], text };
      if (type.count > MAX_ITEMS || (element === 1 && type.count > 64)) return rawBytes(bytes, offset, size);
      const items = Array.from({ length: type.count }, (_, i) =>
        decodeTyped(bytes, offset + i * element, type.type, context, depth + 1, partBefore(before, i)),
      );
      return { kind: "array", typeName, items, text };
    }
    case "struct":
    case "union": {
      const special = context.special?.valid
        ? context.special.fields.find((f) => f.offset === offset && f.kind === type.name && f.size === size)
        : undefined;
      const shown = special ? context.specialValue(special) : null;
      if (shown !== null) return shown;
      return {
        kind: "struct",
        typeName: typeText(btf, id),
        members: type.members.map((member, i) => ({
          name: member.name,
          offset: offset + Math.floor(member.bitOffset / 8),
          value: decodeMember(bytes, offset, member, context, depth, partBefore(before, i)),
        })),
      };
    }
    case "datasec":
      return {
        kind: "struct",
        typeName: type.name,
        members: type.vars.map((v, i) => {
          const variable = typeAt(btf, v.type);
          return {
            name: "name" in variable ? variable.name : "",
            offset: offset + v.offset,
            value: decodeTyped(
              bytes,
              offset + v.offset,
              variableType(btf, v.type),
              context,
              depth + 1,
              partBefore(before, i),
            ),
          };
        }),
      };
    default:
      return rawBytes(bytes, offset, size);
  }
}

function decodeMember(
  bytes: Uint8Array,
  offset: number,
  member: BtfMember,
  context: DecodeContext,
  depth: number,
  before: DecodedBefore | null,
): DecodedValue {
  const btf = context.btf as Btf;
  if (member.bitSize === 0)
    return decodeTyped(bytes, offset + member.bitOffset / 8, member.type, context, depth + 1, before);
  const value = readBitField(btf, bytes, offset, member);
  return { kind: "scalar", text: value.toString(), typeName: `${typeText(btf, member.type)}:${member.bitSize}` };
}

/** Value of a bit-field whose struct begins at `offset`. */
export function readBitField(btf: Btf, bytes: Uint8Array, offset: number, member: BtfMember): bigint {
  let value = 0n;
  for (let bit = member.bitSize - 1; bit >= 0; bit--) {
    const at = 8 * offset + member.bitOffset + bit;
    value = (value << 1n) | BigInt(((bytes[at >> 3] ?? 0) >> (at & 7)) & 1);
  }
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, member.type));
  const signed = type.kind === "int" ? type.encoding === "signed" : type.kind === "enum" && type.signed;
  return signed ? BigInt.asIntN(member.bitSize, value) : value;
}

function scalar(btf: Btf, base: BtfId, id: BtfId, text: string): DecodedValue {
  const type = typeAt(btf, base);
  const typeName = typeText(btf, id);
  if (type.kind !== "enum") return { kind: "scalar", text, typeName };
  const symbol = type.values.find((v) => v.value.toString() === text)?.name;
  return symbol === undefined ? { kind: "scalar", text, typeName } : { kind: "scalar", text, typeName, symbol };
}

/** An int, enum, pointer, bool or float as the script writes it. */
function scalarText(btf: Btf, base: BtfId, bytes: Uint8Array, offset: number): string {
  const type = typeAt(btf, base);
  const size = sizeOfType(btf, base) ?? 0;
  if (type.kind === "float") {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
    if (size === 4) return String(view.getFloat32(0, true));
    return size === 8 ? String(view.getFloat64(0, true)) : hexOf(bytes.subarray(offset, offset + size));
  }
  const value = readScalar(btf, base, bytes, offset);
  if (type.kind === "ptr") return `0x${value.toString(16)}`;
  if (type.kind === "int" && type.encoding === "bool")
    return value === 0n ? "false" : value === 1n ? "true" : String(value);
  return value.toString();
}

/** Integer value of an int, enum or pointer. */
export function readScalar(btf: Btf, id: BtfId, bytes: Uint8Array, offset: number): bigint {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, id));
  const size = sizeOfType(btf, id) ?? 0;
  const signed = type.kind === "int" ? type.encoding === "signed" : type.kind === "enum" && type.signed;
  return readInteger(bytes, offset, size, signed);
}

export function readInteger(bytes: Uint8Array, offset: number, size: number, signed: boolean): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[offset + i] ?? 0);
  return signed ? BigInt.asIntN(8 * size, value) : value;
}

/** Text of a char array that holds a printable NUL-terminated string; null when it holds anything else. */
function textOf(btf: Btf, elementType: BtfId, bytes: Uint8Array): string | null {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, elementType));
  const name = type.kind === "int" ? type.name : "";
  if (name !== "char" && name !== "signed char") return null;
  const end = bytes.indexOf(0);
  const used = end < 0 ? bytes : bytes.subarray(0, end);
  if (end >= 0 && bytes.subarray(end).some((b) => b !== 0)) return null;
  return used.every((b) => b >= 0x20 && b !== 0x7f) ? utf8Text(used) : null;
}

export const hexOf = (bytes: Uint8Array): string => {
  let hex = "";
  for (const byte of bytes) hex += (byte < 16 ? "0" : "") + byte.toString(16);
  return hex;
};

/** A decoded value in one line, as the script writes it. */
export function decodedText(value: DecodedValue): string {
  switch (value.kind) {
    case "scalar":
      return value.symbol ?? value.text;
    case "struct":
      return `{${value.members
        .map((m) =>
          m.name === "" ? decodedText(m.value).replace(/^\{(.*)\}$/, "$1") : `${m.name}: ${decodedText(m.value)}`,
        )
        .filter((t) => t !== "")
        .join(", ")}}`;
    case "array":
      return value.text !== null ? JSON.stringify(value.text) : `[${value.items.map(decodedText).join(", ")}]`;
    case "timer":
      return `timer(${value.state})`;
    case "work":
      return `work(${value.state})`;
    case "spin-lock":
      return value.locked ? "locked" : "unlocked";
    case "object":
      return value.label;
    case "bytes":
      return `hex:${value.hex}`;
  }
}
