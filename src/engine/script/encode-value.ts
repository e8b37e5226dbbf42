import { err, ok, type Result } from "../base/result.ts";
import { utf8Bytes } from "../base/utf8.ts";
import { isSigned, sizeOfType, skipModifiersAndTypedefs, typeAt, typeText } from "../btf/layout.ts";
import type { Btf, BtfId, BtfMember } from "../btf/types.ts";
import type { MemberExpression, ValueExpression } from "./types.ts";

export interface ValueFault {
  readonly message: string;
  /** from 1, in the script's line */
  readonly column: number;
}

/** What `map:NAME` and `prog:NAME` stand for in a value: the fd; null when the process has none of that name. */
export type ResolveObject = (of: "map" | "prog", name: string) => number | null;

export interface ValueType {
  readonly btf: Btf | null;
  /** 0: untyped; then a number fills all `size` bytes. */
  readonly type: BtfId;
  /** bytes */
  readonly size: number;
}

/** Bytes of a key or value that a script writes for `type`. */
export function encodeValue(
  expression: ValueExpression,
  { btf, type, size }: ValueType,
  resolve: ResolveObject,
): Result<Uint8Array, ValueFault> {
  const bytes = new Uint8Array(size);
  const encoder = new Encoder(btf, bytes, resolve);
  const typed = btf !== null && type !== 0 && sizeOfType(btf, type) === size;
  const fault = typed ? encoder.typed(expression, type, 0) : encoder.untyped(expression, 0, size);
  return fault === null ? ok(bytes) : err(fault);
}

/** Writes `value` as a little-endian integer of `size` bytes. */
export function writeInteger(bytes: Uint8Array, offset: number, size: number, value: bigint): void {
  let rest = value;
  for (let i = 0; i < size; i++) {
    bytes[offset + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

class Encoder {
  readonly #btf: Btf | null;
  readonly #bytes: Uint8Array;
  readonly #resolve: ResolveObject;

  constructor(btf: Btf | null, bytes: Uint8Array, resolve: ResolveObject) {
    this.#btf = btf;
    this.#bytes = bytes;
    this.#resolve = resolve;
  }

  untyped(e: ValueExpression, offset: number, size: number): ValueFault | null {
    switch (e.kind) {
      case "number":
        return this.#integer(e.value, e.column, offset, size, 8 * size, `${size} bytes`);
      case "hex":
        return this.#raw(e.bytes, e.column, offset, size);
      case "string":
        return this.#text(e.text, e.column, offset, size);
      case "object":
        return this.#object(e.of, e.name, e.column, offset, size);
      case "list":
        for (const [i, item] of e.items.entries()) {
          if (i >= size)
            return { message: `a value of ${size} bytes has no room for ${e.items.length}`, column: item.column };
          const fault = this.untyped(item, offset + i, 1);
          if (fault !== null) return fault;
        }
        return null;
      case "struct":
        return e.members.length === 0
          ? null
          : { message: "there is no BTF type here that has members; write hex: or a number", column: e.column };
      case "name":
      case "float":
        return { message: "there is no BTF type here; write hex: or a whole number", column: e.column };
    }
  }

  typed(e: ValueExpression, id: BtfId, offset: number): ValueFault | null {
    const btf = this.#btf as Btf;
    const base = skipModifiersAndTypedefs(btf, id);
    const type = typeAt(btf, base);
    const size = sizeOfType(btf, base) ?? 0;
    if (e.kind === "hex") return this.#raw(e.bytes, e.column, offset, size);
    if (e.kind === "object") return this.#object(e.of, e.name, e.column, offset, size);
    switch (type.kind) {
      case "int": {
        if (e.kind === "string" && size === 1) return this.#text(e.text, e.column, offset, 1);
        const value = e.kind === "name" ? truth(e.name) : e.kind === "number" ? e.value : null;
        if (value === null) return { message: `${typeText(btf, id)} takes a whole number`, column: e.column };
        if (type.encoding === "bool" && value !== 0n && value !== 1n)
          return { message: "a bool is true, false, 0 or 1", column: e.column };
        return this.#integer(value, e.column, offset, size, type.bits, typeText(btf, id));
      }
      case "enum": {
        const value =
          e.kind === "number"
            ? e.value
            : e.kind === "name"
              ? type.values.find((v) => v.name === e.name)?.value
              : undefined;
        if (value === undefined) {
          const known = type.values.slice(0, 4).map((v) => v.name);
          return {
            message: `${typeText(btf, id)} takes a number or a name such as ${known.join(", ")}`,
            column: e.column,
          };
        }
        return this.#integer(value, e.column, offset, size, 8 * size, typeText(btf, id));
      }
      case "ptr":
        return e.kind === "number"
          ? this.#integer(e.value, e.column, offset, 8, 64, typeText(btf, id))
          : { message: "a pointer takes a number", column: e.column };
      case "float": {
        if (e.kind !== "number" && e.kind !== "float")
          return { message: `${type.name} takes a number`, column: e.column };
        const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + offset);
        if (size === 4) view.setFloat32(0, Number(e.value), true);
        else view.setFloat64(0, Number(e.value), true);
        return null;
      }
      case "array": {
        const element = sizeOfType(btf, type.type) ?? 0;
        if (e.kind === "string" && element === 1) return this.#text(e.text, e.column, offset, type.count);
        if (isZero(e)) return null;
        if (e.kind !== "list") return { message: `${typeText(btf, id)} takes [value, …]`, column: e.column };
        for (const [i, item] of e.items.entries()) {
          if (i >= type.count) return { message: `${typeText(btf, id)} has no item ${i}`, column: item.column };
          const fault = this.typed(item, type.type, offset + i * element);
          if (fault !== null) return fault;
        }
        return null;
      }
      case "struct":
      case "union": {
        if (isZero(e)) return null;
        if (e.kind !== "struct") return { message: `${typeText(btf, id)} takes {member: value}`, column: e.column };
        for (const member of e.members) {
          const fault = this.#member(member, base, offset);
          if (fault !== null) return fault;
        }
        return null;
      }
      case "datasec": {
        if (e.kind !== "struct") return { message: `section ${type.name} takes {variable: value}`, column: e.column };
        for (const member of e.members) {
          const found = type.vars.find((v) => nameOf(btf, v.type) === member.name);
          if (!found)
            return { message: `section ${type.name} has no variable '${member.name}'`, column: member.column };
          const fault = this.typed(member.value, variableType(btf, found.type), offset + found.offset);
          if (fault !== null) return fault;
        }
        return null;
      }
      default:
        return { message: `${typeText(btf, id)} cannot be written by name; use hex:`, column: e.column };
    }
  }

  #member(member: MemberExpression, struct: BtfId, offset: number): ValueFault | null {
    const btf = this.#btf as Btf;
    const found = findMember(btf, struct, member.name);
    if (found === null) {
      const names = memberNames(btf, struct).slice(0, 8).join(", ");
      return {
        message: `${typeText(btf, struct)} has no member '${member.name}'${names ? ` (it has ${names})` : ""}`,
        column: member.column,
      };
    }
    if (found.member.bitSize === 0) return this.typed(member.value, found.member.type, offset + found.bitOffset / 8);
    if (member.value.kind !== "number")
      return { message: `bit-field '${member.name}' takes a number`, column: member.column };
    const signed = isSigned(btf, found.member.type);
    if (!fits(member.value.value, found.member.bitSize, signed)) {
      return {
        message: `${member.value.value} does not fit into the ${found.member.bitSize} bits of '${member.name}'`,
        column: member.value.column,
      };
    }
    for (let bit = 0; bit < found.member.bitSize; bit++) {
      const at = 8 * offset + found.bitOffset + bit;
      if ((member.value.value >> BigInt(bit)) & 1n) (this.#bytes[at >> 3] as number) |= 1 << (at & 7);
      else (this.#bytes[at >> 3] as number) &= ~(1 << (at & 7));
    }
    return null;
  }

  #integer(value: bigint, column: number, offset: number, size: number, bits: number, name: string): ValueFault | null {
    if (!fits(value, bits, true) && !fits(value, bits, false)) {
      return { message: `${value} does not fit into ${name}`, column };
    }
    writeInteger(this.#bytes, offset, size, value);
    return null;
  }

  #raw(bytes: Uint8Array, column: number, offset: number, size: number): ValueFault | null {
    if (bytes.length !== size) return { message: `hex: must give ${size} bytes here, not ${bytes.length}`, column };
    this.#bytes.set(bytes, offset);
    return null;
  }

  #text(text: string, column: number, offset: number, size: number): ValueFault | null {
    const bytes = utf8Bytes(text);
    if (bytes.length > size)
      return { message: `this text has ${bytes.length} bytes, there is room for ${size}`, column };
    this.#bytes.set(bytes, offset);
    return null;
  }

  #object(of: "map" | "prog", name: string, column: number, offset: number, size: number): ValueFault | null {
    const fd = this.#resolve(of, name);
    if (fd === null)
      return { message: `this process has no ${of === "map" ? "map" : "program"} '${name}' open`, column };
    if (size < 4) return { message: "a file descriptor needs 4 bytes", column };
    writeInteger(this.#bytes, offset, size, BigInt(fd));
    return null;
  }
}

/** `0` stands for all-zero aggregates too. */
const isZero = (e: ValueExpression): boolean => e.kind === "number" && e.value === 0n;

const truth = (name: string): bigint | null => (name === "true" ? 1n : name === "false" ? 0n : null);

function fits(value: bigint, bits: number, signed: boolean): boolean {
  return (signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)) === value;
}

function nameOf(btf: Btf, id: BtfId): string {
  const type = typeAt(btf, id);
  return "name" in type ? type.name : "";
}

/** Type of a variable that a data section lists. */
export function variableType(btf: Btf, id: BtfId): BtfId {
  const type = typeAt(btf, id);
  return type.kind === "var" ? type.type : id;
}

/** A member by name, also inside unnamed structs and unions; `bitOffset` counts from the outer struct. */
export function findMember(
  btf: Btf,
  struct: BtfId,
  name: string,
  bitOffset = 0,
  depth = 0,
): { readonly member: BtfMember; readonly bitOffset: number } | null {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, struct));
  if ((type.kind !== "struct" && type.kind !== "union") || depth > 16) return null;
  for (const member of type.members) {
    if (member.name === name) return { member, bitOffset: bitOffset + member.bitOffset };
    if (member.name !== "") continue;
    const inner = findMember(btf, member.type, name, bitOffset + member.bitOffset, depth + 1);
    if (inner !== null) return inner;
  }
  return null;
}

function memberNames(btf: Btf, struct: BtfId, depth = 0): string[] {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, struct));
  if ((type.kind !== "struct" && type.kind !== "union") || depth > 16) return [];
  return type.members.flatMap((m) => (m.name === "" ? memberNames(btf, m.type, depth + 1) : [m.name]));
}
