import type { Btf, BtfId, BtfType } from "./types.ts";

/** Bytes of a pointer in BPF. */
const POINTER_BYTES = 8;
/** Types nest at most this deep here; a chain of modifiers that is longer, or runs in a circle, has no layout. */
const MAX_DEPTH = 64;

/** The type at `id`; void for an id that does not exist. */
export function typeAt(btf: Btf, id: BtfId): BtfType {
  return btf.types[id] ?? { kind: "void" };
}

/** Id without const, volatile, restrict and type tags. */
export function skipModifiers(btf: Btf, id: BtfId): BtfId {
  return skip(btf, id, false);
}

/** Id without const, volatile, restrict, type tags and typedefs. */
export function skipModifiersAndTypedefs(btf: Btf, id: BtfId): BtfId {
  return skip(btf, id, true);
}

function skip(btf: Btf, start: BtfId, typedefs: boolean): BtfId {
  let id = start;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const type = typeAt(btf, id);
    switch (type.kind) {
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        id = type.type;
        break;
      case "typedef":
        if (!typedefs) return id;
        id = type.type;
        break;
      default:
        return id;
    }
  }
  return 0;
}

/** Bytes of a value of this type; null for what has no size (void, functions, declared-only structs). */
export function sizeOfType(btf: Btf, id: BtfId, depth = 0): number | null {
  if (depth > MAX_DEPTH) return null;
  const type = typeAt(btf, id);
  switch (type.kind) {
    case "int":
    case "struct":
    case "union":
    case "enum":
    case "float":
    case "datasec":
      return type.size;
    case "ptr":
      return POINTER_BYTES;
    case "array": {
      const element = sizeOfType(btf, type.type, depth + 1);
      return element === null ? null : element * type.count;
    }
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "var":
    case "decl_tag":
    case "type_tag":
      return sizeOfType(btf, type.type, depth + 1);
    case "void":
    case "fwd":
    case "func":
    case "func_proto":
      return null;
  }
}

/** Alignment in bytes, as C lays the type out; null where {@link sizeOfType} is null. Packed structs have that of their members' places. */
export function alignOfType(btf: Btf, id: BtfId, depth = 0): number | null {
  if (depth > MAX_DEPTH) return null;
  const type = typeAt(btf, id);
  switch (type.kind) {
    case "int":
    case "enum":
    case "float":
      return Math.min(POINTER_BYTES, type.size);
    case "ptr":
      return POINTER_BYTES;
    case "array":
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "var":
    case "decl_tag":
    case "type_tag":
      return alignOfType(btf, type.type, depth + 1);
    case "struct":
    case "union": {
      let most = 1;
      for (const member of type.members) {
        const align = alignOfType(btf, member.type, depth + 1);
        if (align === null) return null;
        // A member that lies across its natural boundary can only come from a packed struct.
        if (member.bitSize === 0 && (member.bitOffset % (align * 8) !== 0 || type.size % align !== 0)) return 1;
        most = Math.max(most, align);
      }
      return type.size % most === 0 ? most : 1;
    }
    case "void":
    case "fwd":
    case "func":
    case "func_proto":
    case "datasec":
      return null;
  }
}

/** True when the integer-like type is signed (`char` is, on BPF). */
export function isSigned(btf: Btf, id: BtfId): boolean {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, id));
  return type.kind === "int" ? type.encoding === "signed" : type.kind === "enum" && type.signed;
}

/** The type as C writes it without a declared name: `struct elem *`, `__u32[4]`, `long (*)(void *, int)`. */
export function typeText(btf: Btf, id: BtfId): string {
  return declarationText(btf, id, "");
}

/** Declaration of `name` with this type: `int (*next)(void)`, `char comm[16]`. */
export function declarationText(btf: Btf, id: BtfId, name: string, depth = 0): string {
  if (depth > MAX_DEPTH) return name;
  const type = typeAt(btf, id);
  switch (type.kind) {
    case "void":
      return join(name, "void");
    case "int":
    case "float":
      return join(name, type.name);
    case "struct":
    case "union":
      return join(name, type.name === "" ? `${type.kind} {…}` : `${type.kind} ${type.name}`);
    case "enum":
      return join(name, type.name === "" ? "enum {…}" : `enum ${type.name}`);
    case "fwd":
      return join(name, `${type.union ? "union" : "struct"} ${type.name}`);
    case "typedef":
      return join(name, type.name);
    case "const":
    case "volatile":
    case "restrict": {
      const inner = typeAt(btf, type.type);
      // A qualifier of a pointer stands behind the star, any other before the type.
      return inner.kind === "ptr"
        ? declarationText(btf, type.type, name === "" ? type.kind : `${type.kind} ${name}`, depth + 1)
        : `${type.kind} ${declarationText(btf, type.type, name, depth + 1)}`;
    }
    case "type_tag":
      return declarationText(btf, type.type, name, depth + 1);
    case "ptr": {
      const target = typeAt(btf, skipModifiers(btf, type.type)).kind;
      const starred = `*${name}`;
      const grouped = target === "array" || target === "func_proto" ? `(${starred})` : starred;
      return declarationText(btf, type.type, grouped, depth + 1);
    }
    case "array":
      return declarationText(btf, type.type, `${name}[${type.count}]`, depth + 1);
    case "func_proto": {
      const params = type.params.map((p) => (p.type === 0 ? "..." : declarationText(btf, p.type, p.name, depth + 1)));
      return declarationText(btf, type.returnType, `${name}(${params.length ? params.join(", ") : "void"})`, depth + 1);
    }
    case "func":
    case "var":
      return declarationText(btf, type.type, type.name, depth + 1);
    case "datasec":
      return join(name, type.name);
    case "decl_tag":
      return declarationText(btf, type.type, name, depth + 1);
  }
}

/** The name behind its base type. */
const join = (name: string, base: string): string =>
  name === "" ? base : name.startsWith("[") ? base + name : `${base} ${name}`;

/** Id of the first type of this kind and name; null when there is none. */
export function findType(btf: Btf, kind: BtfType["kind"], name: string): BtfId | null {
  const id = btf.types.findIndex((t) => t.kind === kind && "name" in t && t.name === name);
  return id < 0 ? null : id;
}
