import { InternalError } from "../base/errors.ts";
import type { BtfId, BtfType } from "../btf/types.ts";
import type { Token, TokenReader } from "./tokens.ts";

type IntType = BtfType & { kind: "int" };

const int = (name: string, size: number, encoding: IntType["encoding"]): IntType => ({
  kind: "int",
  name,
  size,
  bits: encoding === "bool" ? 8 : size * 8,
  bitOffset: 0,
  encoding,
});

const CHAR = int("char", 1, "signed");
const BASE: Readonly<Record<string, IntType>> = {
  char: CHAR,
  "signed char": int("signed char", 1, "signed"),
  "unsigned char": int("unsigned char", 1, "unsigned"),
  short: int("short", 2, "signed"),
  "unsigned short": int("unsigned short", 2, "unsigned"),
  int: int("int", 4, "signed"),
  unsigned: int("unsigned int", 4, "unsigned"),
  "unsigned int": int("unsigned int", 4, "unsigned"),
  long: int("long", 8, "signed"),
  "unsigned long": int("unsigned long", 8, "unsigned"),
  "long long": int("long long", 8, "signed"),
  "unsigned long long": int("unsigned long long", 8, "unsigned"),
  bool: int("_Bool", 1, "bool"),
  _Bool: int("_Bool", 1, "bool"),
};

/** Names that C gets from <linux/types.h> and <stdint.h>. */
const ALIASES: Readonly<Record<string, string>> = Object.fromEntries(
  [8, 16, 32, 64].flatMap((bits) => {
    const name = { 8: "char", 16: "short", 32: "int", 64: "long long" }[bits] as string;
    const unsigned = `unsigned ${name}`;
    const signed = bits === 8 ? "signed char" : name;
    const wide = bits > 8 ? [[`__be${bits}`, unsigned] as const] : [];
    return [
      [`u${bits}`, unsigned] as const,
      [`__u${bits}`, unsigned] as const,
      [`uint${bits}_t`, unsigned] as const,
      [`s${bits}`, signed] as const,
      [`__s${bits}`, signed] as const,
      [`int${bits}_t`, signed] as const,
      ...wide,
    ];
  }),
);

/** Structures that the kernel knows by name: bytes, of which the alignment is that of the member type. */
const KERNEL_STRUCTS: Readonly<Record<string, { readonly element: string; readonly count: number }>> = {
  bpf_timer: { element: "u64", count: 2 },
  bpf_spin_lock: { element: "u32", count: 1 },
  bpf_res_spin_lock: { element: "u32", count: 2 },
  bpf_wq: { element: "u64", count: 2 },
  bpf_task_work: { element: "u64", count: 1 },
  bpf_dynptr: { element: "u64", count: 2 },
  bpf_iter_num: { element: "u64", count: 1 },
};

const POINTER_BYTES = 8;
const WORDS = new Set(["signed", "unsigned", "char", "short", "int", "long", "bool", "_Bool"]);

export interface Declared {
  readonly name: Token;
  readonly type: BtfId;
}

/** The BTF types of an assembly text, made as they are named in C spelling. */
export class TypeTable {
  readonly types: BtfType[] = [{ kind: "void" }];
  readonly #known = new Map<string, BtfId>();
  /** 8 in the dialect `rfc`. */
  timerBytes: 8 | 16 = 16;

  /** A type that is the same wherever it is written the same. */
  intern(type: BtfType): BtfId {
    const key = JSON.stringify(type);
    let id = this.#known.get(key);
    if (id === undefined) {
      id = this.add(type);
      this.#known.set(key, id);
    }
    return id;
  }

  add(type: BtfType): BtfId {
    return this.types.push(type) - 1;
  }

  pointer(type: BtfId): BtfId {
    return this.intern({ kind: "ptr", type });
  }

  array(type: BtfId, count: number): BtfId {
    const indexType = this.intern(int("__ARRAY_SIZE_TYPE__", 4, "unsigned"));
    return this.intern({ kind: "array", type, indexType, count });
  }

  base(name: string): BtfId | null {
    if (name === "void") return 0;
    const alias = ALIASES[name];
    if (alias !== undefined) return this.intern({ kind: "typedef", name, type: this.base(alias) as BtfId });
    const type = BASE[name];
    return type === undefined ? null : this.intern(type);
  }

  /** The structure of that name; one that is not declared yet may be, later. */
  struct(name: string): BtfId {
    const key = `struct ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const kernel = KERNEL_STRUCTS[name];
    if (kernel === undefined) {
      const id = this.add({ kind: "fwd", name, union: false });
      this.#known.set(key, id);
      return id;
    }
    const count = name === "bpf_timer" ? this.timerBytes / 8 : kernel.count;
    const member = this.array(this.base(kernel.element) as BtfId, count);
    const id = this.add({
      kind: "struct",
      name,
      size: this.sizeOf(member) as number,
      members: [{ name: "__opaque", type: member, bitOffset: 0, bitSize: 0 }],
    });
    this.#known.set(key, id);
    return id;
  }

  /** Lays the members out as C does. False when the structure is there already. */
  defineStruct(name: string, members: readonly { readonly name: string; readonly type: BtfId }[]): boolean {
    const id = this.struct(name);
    if (this.types[id]?.kind !== "fwd") return false;
    let end = 0;
    let align = 1;
    const laid = members.map((m) => {
      const own = this.alignOf(m.type);
      align = Math.max(align, own);
      const offset = Math.ceil(end / own) * own;
      end = offset + (this.sizeOf(m.type) ?? 0);
      return { ...m, bitOffset: offset * 8, bitSize: 0 };
    });
    this.types[id] = { kind: "struct", name, size: Math.ceil(end / align) * align, members: laid };
    return true;
  }

  /** bytes; null for what has no size */
  sizeOf(id: BtfId): number | null {
    const type = this.types[id];
    switch (type?.kind) {
      case "int":
      case "struct":
        return type.size;
      case "ptr":
        return POINTER_BYTES;
      case "array": {
        const element = this.sizeOf(type.type);
        return element === null ? null : element * type.count;
      }
      case "typedef":
      case "const":
      case "volatile":
        return this.sizeOf(type.type);
      default:
        return null;
    }
  }

  alignOf(id: BtfId): number {
    const type = this.types[id];
    switch (type?.kind) {
      case "int":
        return type.size;
      case "ptr":
        return POINTER_BYTES;
      case "struct":
        return type.members.reduce((most, m) => Math.max(most, this.alignOf(m.type)), 1);
      case "array":
      case "typedef":
      case "const":
      case "volatile":
        return this.alignOf(type.type);
      default:
        return 1;
    }
  }

  /** The element of an array type, else the type itself, without typedefs and qualifiers. */
  resolve(id: BtfId): BtfType {
    const type = this.types[id];
    if (type === undefined) throw new InternalError(`there is no type ${id}`);
    return type.kind === "typedef" || type.kind === "const" || type.kind === "volatile"
      ? this.resolve(type.type)
      : type;
  }
}

/** True when the token can begin a type. */
export function startsType(token: Token | undefined): boolean {
  if (token?.kind !== "word") return false;
  const { text } = token;
  return (
    text === "struct" ||
    text === "const" ||
    text === "volatile" ||
    text === "void" ||
    WORDS.has(text) ||
    text in ALIASES
  );
}

/** `unsigned int`, `struct elem`, `const u32`, without `*`. */
export function readBaseType(reader: TokenReader, types: TypeTable): BtfId {
  let constant = false;
  let id: BtfId | null = null;
  while (reader.is("const") || reader.is("volatile")) constant = reader.take().text === "const" || constant;
  const first = reader.word("a type");
  if (first.text === "struct") {
    id = types.struct(reader.word("the name of a structure").text);
  } else if (WORDS.has(first.text)) {
    const words = [first.text];
    while (WORDS.has(reader.peek()?.text ?? "")) words.push(reader.take().text);
    id = types.base(normalWords(words));
    if (id === null) reader.failAt(first, `'${words.join(" ")}' is no type`);
  } else {
    id = types.base(first.text);
    if (id === null) reader.failAt(first, `'${first.text}' is no type that is known here`);
  }
  if (reader.is("const")) {
    reader.take();
    constant = true;
  }
  return constant ? types.intern({ kind: "const", type: id }) : id;
}

/** `long unsigned int` and `unsigned long` are one. */
function normalWords(words: readonly string[]): string {
  const unsigned = words.includes("unsigned");
  const rest = words.filter((w) => w !== "unsigned" && w !== "signed");
  const core = rest.length > 1 ? rest.filter((w) => w !== "int") : rest;
  if (words.includes("signed") && core[0] === "char") return "signed char";
  const name = core.join(" ") || "int";
  return unsigned ? `unsigned ${name}` : name;
}

/** Pointers, name and array bounds behind a base type. */
export function readDeclarator(reader: TokenReader, types: TypeTable, base: BtfId): Declared & { unsized: boolean } {
  let type = readPointers(reader, types, base);
  const name = reader.word("a name");
  const bounds: number[] = [];
  let unsized = false;
  while (reader.accept("[")) {
    if (reader.is("]")) {
      unsized = true;
      bounds.push(0);
    } else {
      const { value, token } = reader.number("the number of elements");
      if (value < 0n || value > 0x7fff_ffffn) reader.failAt(token, "an array cannot have that many elements");
      bounds.push(Number(value));
    }
    reader.expect("]");
  }
  for (const bound of bounds.reverse()) type = types.array(type, bound);
  return { name, type, unsized };
}

export function readPointers(reader: TokenReader, types: TypeTable, base: BtfId): BtfId {
  let type = base;
  while (reader.accept("*")) {
    type = types.pointer(type);
    while (reader.is("const") || reader.is("restrict")) reader.take();
  }
  return type;
}

/** `(void *map, u32 *key)`, with or without names. */
export function readParameters(reader: TokenReader, types: TypeTable): { name: string; type: BtfId }[] {
  reader.expect("(");
  const parameters: { name: string; type: BtfId }[] = [];
  if (reader.is("void") && reader.is(")", 1)) reader.take();
  while (!reader.is(")")) {
    if (parameters.length > 0) reader.expect(",");
    const base = readBaseType(reader, types);
    const type = readPointers(reader, types, base);
    const name = reader.peek()?.kind === "word" ? reader.take().text : "";
    parameters.push({ name, type });
  }
  reader.expect(")");
  return parameters;
}

/** True when the assembler knows the name without any declaration. */
export function isTypeName(name: string): boolean {
  return name in ALIASES || name in BASE;
}

/** Structures that need no declaration. */
export function isKernelStruct(name: string): boolean {
  return name in KERNEL_STRUCTS;
}
