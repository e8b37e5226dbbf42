import { utf8Bytes } from "../base/utf8.ts";
import type { BtfId, BtfType } from "../btf/types.ts";
import { stringLiteral } from "./literals.ts";
import type { Token, TokenReader } from "./tokens.ts";
import type { TypeTable } from "./types.ts";

/** An address in an initial value: 8 bytes at `offset` are to hold symbol + addend. */
export interface InitialPointer {
  readonly offset: number;
  readonly symbol: Token;
  readonly addend: number;
}

export interface InitialValue {
  /** With its number of elements, where the declaration left that open. */
  readonly type: BtfId;
  readonly bytes: Uint8Array;
  readonly pointers: readonly InitialPointer[];
}

/** bytes: larger data than any map of global data that makes sense here */
export const MAX_VARIABLE = 1 << 24;

/** What stands behind `=`: a number, a text, an address, or `{ … }`. `unsized`: an array declared with `[]`. */
export function readInitialValue(
  reader: TokenReader,
  types: TypeTable,
  declared: { readonly name: Token; readonly type: BtfId; readonly unsized: boolean },
): InitialValue {
  let { type } = declared;
  const literal = reader.peek()?.kind === "string" ? utf8Bytes(`${stringLiteral(reader)}\0`) : null;
  const array = types.types[type];
  if (declared.unsized && array?.kind === "array") {
    type = types.array(array.type, literal ? literal.length : countElements(reader));
  }
  const size = types.sizeOf(type) ?? 0;
  if (size > MAX_VARIABLE) reader.failAt(declared.name, `the variable is larger than ${MAX_VARIABLE} bytes`);
  const bytes = new Uint8Array(size);
  if (literal === null) {
    const filler = new Filler(types);
    filler.fill(reader, bytes, 0, type);
    return { type, bytes, pointers: filler.pointers };
  }
  if (literal.length - 1 > size) reader.failAt(declared.name, "the text is longer than the array");
  bytes.set(literal.subarray(0, size));
  return { type, bytes, pointers: [] };
}

class Filler {
  readonly pointers: InitialPointer[] = [];
  readonly #types: TypeTable;

  constructor(types: TypeTable) {
    this.#types = types;
  }

  /** A number, or `{ … }` for arrays and structures; what is left out is zero. */
  fill(reader: TokenReader, bytes: Uint8Array, offset: number, type: BtfId): void {
    const resolved = this.#types.resolve(type);
    if (reader.accept("{")) {
      for (let index = 0; !reader.is("}"); index++) {
        const place = this.#place(resolved, index) ?? reader.fail("this is one value too many");
        this.fill(reader, bytes, offset + place.offset, place.type);
        if (!reader.accept(",")) break;
      }
      reader.expect("}");
      return;
    }
    if (resolved.kind !== "int" && resolved.kind !== "ptr") reader.fail("this type is initialised with { … }");
    const size = resolved.kind === "int" ? resolved.size : 8;
    if (resolved.kind === "ptr" && reader.peek()?.kind === "word") {
      const symbol = reader.take();
      const addend = reader.is("+") || reader.is("-") ? Number(reader.number().value) : 0;
      this.pointers.push({ offset, symbol, addend });
      return;
    }
    const { value } = reader.number();
    for (let i = 0; i < size; i++) {
      bytes[offset + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
    }
  }

  /** Where the value with this index goes; null behind the last one. */
  #place(type: BtfType, index: number): { readonly offset: number; readonly type: BtfId } | null {
    if (type.kind === "array") {
      if (index >= type.count) return null;
      return { offset: index * (this.#types.sizeOf(type.type) ?? 0), type: type.type };
    }
    const member = type.kind === "struct" ? type.members[index] : undefined;
    return member === undefined ? null : { offset: member.bitOffset / 8, type: member.type };
  }
}

/** Elements of the initialiser that comes next, without taking it. */
function countElements(reader: TokenReader): number {
  let depth = 0;
  let count = 0;
  for (let ahead = 0; reader.peek(ahead) !== undefined; ahead++) {
    if (reader.is("{", ahead)) depth++;
    else if (reader.is("}", ahead)) depth--;
    else if (depth === 1 && !reader.is(",", ahead)) {
      if (reader.is(",", ahead - 1) || reader.is("{", ahead - 1)) count++;
    }
    if (depth === 0) break;
  }
  return count;
}
