import type { IrType } from "../../ir/types.ts";
import { intType, offsetOf, sizeOf } from "../../ir/types.ts";

/** A part of a value that one register holds, with its byte offset in memory. */
export interface Leaf {
  readonly type: IrType;
  readonly offset: number;
}

/** More parts than this are no value that clang keeps in registers. */
const MAX_LEAVES = 128;

const cache = new WeakMap<IrType, readonly Leaf[] | null>();

/** The registers that a value of the type takes, in order; null when it has a part that none can hold. */
export function leavesOf(type: IrType): readonly Leaf[] | null {
  const known = cache.get(type);
  if (known !== undefined) return known;
  const out: Leaf[] = [];
  const result = collect(type, 0, out) ? out : null;
  cache.set(type, result);
  return result;
}

function collect(type: IrType, offset: number, out: Leaf[]): boolean {
  switch (type.kind) {
    case "void":
      return true;
    case "ptr":
      out.push({ type, offset });
      return out.length <= MAX_LEAVES;
    case "int":
      if (type.bits <= 64) out.push({ type, offset });
      else if (type.bits <= 128) {
        out.push({ type: intType(64), offset }, { type: intType(type.bits - 64), offset: offset + 8 });
      } else return false;
      return out.length <= MAX_LEAVES;
    case "array": {
      const size = sizeOf(type.element);
      if (type.count > MAX_LEAVES) return false;
      for (let i = 0; i < type.count; i++) if (!collect(type.element, offset + i * size, out)) return false;
      return true;
    }
    case "struct":
      return type.fields.every((field, i) => collect(field, offset + offsetOf(type, i), out));
    default:
      return false;
  }
}

/** Where the parts of the element at `path` stand among the parts of the whole: `[first, count]`. */
export function leafRange(type: IrType, path: readonly number[]): readonly [number, number] {
  let first = 0;
  let at = type;
  for (const index of path) {
    if (at.kind === "array") {
      first += index * (leavesOf(at.element)?.length ?? 0);
      at = at.element;
    } else if (at.kind === "struct") {
      for (let i = 0; i < index; i++) first += leavesOf(at.fields[i] as IrType)?.length ?? 0;
      at = at.fields[index] ?? { kind: "void" };
    }
  }
  return [first, leavesOf(at)?.length ?? 0];
}
