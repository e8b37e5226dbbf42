import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { stringAt } from "../base/utf8.ts";
import {
  BTF_HEADER_BYTES,
  BTF_INT_BOOL,
  BTF_INT_CHAR,
  BTF_INT_SIGNED,
  BTF_KINDS,
  BTF_LINKAGES,
  BTF_MAGIC,
  BTF_VERSION,
} from "./kinds.ts";
import type { Btf, BtfType } from "./types.ts";

/** A `.BTF` section with its string table, which `.BTF.ext` refers to. */
export interface BtfSection {
  readonly btf: Btf;
  readonly strings: Uint8Array;
}

/** Reads a `.BTF` section; the error says what is wrong and where. Every type id inside is a valid index. */
export function readBtf(bytes: Uint8Array): Result<Btf, string> {
  const section = readBtfSection(bytes);
  return section.ok ? ok(section.value.btf) : section;
}

/** As {@link readBtf}, keeping the strings. */
export function readBtfSection(bytes: Uint8Array): Result<BtfSection, string> {
  if (bytes.length < BTF_HEADER_BYTES) return err("BTF is shorter than its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint16(0, true);
  if (magic !== BTF_MAGIC) {
    return err(magic === 0x9feb ? "BTF is big-endian, which is not supported" : "BTF has a wrong magic number");
  }
  if (view.getUint8(2) !== BTF_VERSION) return err(`BTF version ${view.getUint8(2)} is not supported`);
  const headerLength = view.getUint32(4, true);
  const typeStart = headerLength + view.getUint32(8, true);
  const typeEnd = typeStart + view.getUint32(12, true);
  const stringStart = headerLength + view.getUint32(16, true);
  const stringEnd = stringStart + view.getUint32(20, true);
  if (headerLength < BTF_HEADER_BYTES || typeEnd > bytes.length || stringEnd > bytes.length) {
    return err("BTF header points outside the section");
  }
  const strings = bytes.subarray(stringStart, stringEnd);
  if (strings.length === 0 || strings[0] !== 0 || strings[strings.length - 1] !== 0) {
    return err("BTF string table is malformed");
  }
  const types: BtfType[] = [{ kind: "void" }];
  const cursor = new TypeCursor(view, typeStart, typeEnd, strings);
  while (cursor.at < typeEnd) {
    const type = cursor.next();
    if (type === null) return err(`BTF type ${types.length}: ${cursor.problem}`);
    types.push(type);
  }
  for (const [id, type] of types.entries()) {
    const bad = referredTypes(type).find((t) => t >= types.length);
    if (bad !== undefined) return err(`BTF type ${id} refers to type ${bad}, which does not exist`);
  }
  return ok({ btf: { types }, strings });
}

class TypeCursor {
  at: number;
  problem = "is cut off";
  readonly #view: DataView;
  readonly #end: number;
  readonly #strings: Uint8Array;

  constructor(view: DataView, start: number, end: number, strings: Uint8Array) {
    this.#view = view;
    this.at = start;
    this.#end = end;
    this.#strings = strings;
  }

  #u32(): number {
    const value = this.#view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  #name(): string {
    const name = stringAt(this.#strings, this.#u32());
    if (name === null) this.problem = "its name lies outside the string table";
    return name ?? "\0";
  }

  next(): BtfType | null {
    if (this.#end - this.at < 12) return null;
    const name = this.#name();
    const info = this.#u32();
    const sizeOrType = this.#u32();
    const kind = (info >>> 24) & 0x1f;
    const vlen = info & 0xffff;
    if (this.#end - this.at < extraBytes(kind, vlen)) return null;
    const type = this.#body(kind, vlen, info >>> 31 === 1, name, sizeOrType);
    return this.problem === "is cut off" ? type : null;
  }

  #body(kind: number, vlen: number, flag: boolean, name: string, sizeOrType: number): BtfType | null {
    switch (kind) {
      case BTF_KINDS.int: {
        const word = this.#u32();
        const encoding = (word >>> 24) & 0xf;
        return {
          kind: "int",
          name,
          size: sizeOrType,
          bits: word & 0xff,
          bitOffset: (word >>> 16) & 0xff,
          encoding:
            encoding & BTF_INT_BOOL
              ? "bool"
              : encoding & BTF_INT_SIGNED
                ? "signed"
                : encoding & BTF_INT_CHAR
                  ? "char"
                  : "unsigned",
        };
      }
      case BTF_KINDS.ptr:
        return { kind: "ptr", type: sizeOrType };
      case BTF_KINDS.array:
        return { kind: "array", type: this.#u32(), indexType: this.#u32(), count: this.#u32() };
      case BTF_KINDS.struct:
      case BTF_KINDS.union:
        return {
          kind: kind === BTF_KINDS.struct ? "struct" : "union",
          name,
          size: sizeOrType,
          members: this.#times(vlen, () => {
            const memberName = this.#name();
            const type = this.#u32();
            const word = this.#u32();
            return flag
              ? { name: memberName, type, bitOffset: word & 0xffffff, bitSize: word >>> 24 }
              : { name: memberName, type, bitOffset: word, bitSize: 0 };
          }),
        };
      case BTF_KINDS.enum:
        return {
          kind: "enum",
          name,
          size: sizeOrType,
          signed: flag,
          wide: false,
          values: this.#times(vlen, () => {
            const valueName = this.#name();
            const word = this.#u32();
            return { name: valueName, value: BigInt(flag ? word | 0 : word) };
          }),
        };
      case BTF_KINDS.enum64:
        return {
          kind: "enum",
          name,
          size: sizeOrType,
          signed: flag,
          wide: true,
          values: this.#times(vlen, () => {
            const valueName = this.#name();
            const low = BigInt(this.#u32());
            const value = low | (BigInt(this.#u32()) << 32n);
            return { name: valueName, value: flag ? BigInt.asIntN(64, value) : value };
          }),
        };
      case BTF_KINDS.fwd:
        return { kind: "fwd", name, union: flag };
      case BTF_KINDS.typedef:
        return { kind: "typedef", name, type: sizeOrType };
      case BTF_KINDS.volatile:
        return { kind: "volatile", type: sizeOrType };
      case BTF_KINDS.const:
        return { kind: "const", type: sizeOrType };
      case BTF_KINDS.restrict:
        return { kind: "restrict", type: sizeOrType };
      case BTF_KINDS.func:
        return { kind: "func", name, type: sizeOrType, linkage: this.#linkage(vlen) };
      case BTF_KINDS.func_proto:
        return {
          kind: "func_proto",
          returnType: sizeOrType,
          params: this.#times(vlen, () => ({ name: this.#name(), type: this.#u32() })),
        };
      case BTF_KINDS.var:
        return { kind: "var", name, type: sizeOrType, linkage: this.#linkage(this.#u32()) };
      case BTF_KINDS.datasec:
        return {
          kind: "datasec",
          name,
          size: sizeOrType,
          vars: this.#times(vlen, () => ({ type: this.#u32(), offset: this.#u32(), size: this.#u32() })),
        };
      case BTF_KINDS.float:
        return { kind: "float", name, size: sizeOrType };
      case BTF_KINDS.decl_tag:
        return { kind: "decl_tag", name, type: sizeOrType, componentIndex: this.#u32() | 0 };
      case BTF_KINDS.type_tag:
        return { kind: "type_tag", name, type: sizeOrType };
      default:
        this.problem = `kind ${kind} is not known`;
        return null;
    }
  }

  #linkage(value: number): "static" | "global" | "extern" {
    const linkage = BTF_LINKAGES[value];
    if (linkage === undefined) this.problem = `linkage ${value} is not known`;
    return linkage ?? "static";
  }

  #times<T>(count: number, one: () => T): T[] {
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(one());
    return list;
  }
}

function extraBytes(kind: number, vlen: number): number {
  switch (kind) {
    case BTF_KINDS.int:
    case BTF_KINDS.var:
    case BTF_KINDS.decl_tag:
      return 4;
    case BTF_KINDS.array:
      return 12;
    case BTF_KINDS.struct:
    case BTF_KINDS.union:
    case BTF_KINDS.datasec:
    case BTF_KINDS.enum64:
      return 12 * vlen;
    case BTF_KINDS.enum:
    case BTF_KINDS.func_proto:
      return 8 * vlen;
    default:
      return 0;
  }
}

/** The type ids that a type holds, in the order of the format. */
export function referredTypes(type: BtfType): readonly number[] {
  switch (type.kind) {
    case "ptr":
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "func":
    case "var":
    case "decl_tag":
    case "type_tag":
      return [type.type];
    case "array":
      return [type.type, type.indexType];
    case "struct":
    case "union":
      return type.members.map((m) => m.type);
    case "func_proto":
      return [type.returnType, ...type.params.map((p) => p.type)];
    case "datasec":
      return type.vars.map((v) => v.type);
    case "void":
    case "int":
    case "enum":
    case "fwd":
    case "float":
      return [];
  }
}
