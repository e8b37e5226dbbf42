/** Types of LLVM IR as clang emits them for BPF. `unsupported` keeps the text of what BPF has no registers for (float, vectors). */
export type IrType =
  | { readonly kind: "void" }
  | { readonly kind: "int"; readonly bits: number }
  | { readonly kind: "ptr" }
  | { readonly kind: "array"; readonly count: number; readonly element: IrType }
  | { readonly kind: "struct"; readonly packed: boolean; readonly fields: readonly IrType[] }
  | { readonly kind: "opaque"; readonly name: string }
  | { readonly kind: "unsupported"; readonly text: string };

export const VOID: IrType = { kind: "void" };
export const PTR: IrType = { kind: "ptr" };

const integers = new Map<number, IrType>([1, 8, 16, 32, 64, 128].map((bits) => [bits, { kind: "int", bits }]));

export function intType(bits: number): IrType {
  return integers.get(bits) ?? { kind: "int", bits };
}

function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

/** ABI alignment in bytes under `e-m:e-p:64:64-i64:64-i128:128-n32:64-S128`. Types without a size have alignment 1. */
export function alignOf(type: IrType): number {
  switch (type.kind) {
    case "int":
      for (const align of [1, 2, 4, 8]) if (type.bits <= align * 8) return align;
      return 16;
    case "ptr":
      return 8;
    case "array":
      return alignOf(type.element);
    case "struct":
      return type.packed ? 1 : type.fields.reduce((most, field) => Math.max(most, alignOf(field)), 1);
    default:
      return 1;
  }
}

/** Bytes that a store of the type writes. */
export function storeSizeOf(type: IrType): number {
  return type.kind === "int" ? Math.ceil(type.bits / 8) : sizeOf(type);
}

/** Bytes from one array element to the next. 0 for types without a size. */
export function sizeOf(type: IrType): number {
  switch (type.kind) {
    case "int":
      return roundUp(Math.ceil(type.bits / 8), alignOf(type));
    case "ptr":
      return 8;
    case "array":
      return type.count * sizeOf(type.element);
    case "struct": {
      let size = 0;
      for (const field of type.fields) size = (type.packed ? size : roundUp(size, alignOf(field))) + sizeOf(field);
      return roundUp(size, alignOf(type));
    }
    default:
      return 0;
  }
}

/** Byte offset of a struct's field, or of an array's element. */
export function offsetOf(type: IrType, index: number): number {
  if (type.kind === "array") return index * sizeOf(type.element);
  if (type.kind !== "struct") return 0;
  let offset = 0;
  for (let i = 0; i <= index; i++) {
    const field = type.fields[i];
    if (field === undefined) return offset;
    if (!type.packed) offset = roundUp(offset, alignOf(field));
    if (i < index) offset += sizeOf(field);
  }
  return offset;
}

/** The type of one element of an aggregate; undefined when there is no such element. */
export function elementType(type: IrType, index: number): IrType | undefined {
  if (type.kind === "array") return type.element;
  return type.kind === "struct" ? type.fields[index] : undefined;
}

/** As LLVM writes it, for messages. */
export function formatType(type: IrType): string {
  switch (type.kind) {
    case "int":
      return `i${type.bits}`;
    case "array":
      return `[${type.count} x ${formatType(type.element)}]`;
    case "struct":
      return `{ ${type.fields.map(formatType).join(", ")} }`;
    case "opaque":
      return type.name;
    case "unsupported":
      return type.text;
    default:
      return type.kind;
  }
}
