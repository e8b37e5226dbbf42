import { err, ok, type Result } from "../base/result.ts";
import { sizeOfType, skipModifiersAndTypedefs, typeAt, typeText } from "../btf/layout.ts";
import type { SpecialFields } from "../btf/special-fields.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import { readBitField, readInteger, readScalar } from "./decode-value.ts";
import { encodeValue, findMember, type ResolveObject, type ValueFault, variableType } from "./encode-value.ts";
import type { Comparison, PathStep, ValueExpression } from "./types.ts";

/** A part of a value: bytes with the type that they have; type 0 when none is known. */
export interface ValuePart {
  readonly btf: Btf | null;
  readonly type: BtfId;
  readonly bytes: Uint8Array;
  /** Set for a bit-field: its value as such. */
  readonly bits: bigint | null;
  /** Special fields of the whole value; the kernel shows them as zero, so comparisons leave them out. */
  readonly special: SpecialFields | null;
  /** Where `bytes` begin in the whole value. */
  readonly offset: number;
}

/** Follows `.member` and `[index]` into a value. */
export function partOf(whole: ValuePart, path: readonly PathStep[]): Result<ValuePart, ValueFault> {
  let part = whole;
  for (const step of path) {
    const { btf } = part;
    const type = btf === null ? null : typeAt(btf, skipModifiersAndTypedefs(btf, part.type));
    if (btf === null || type === null || part.type === 0) {
      return err({ message: "there is no BTF type here to look into", column: step.column });
    }
    if (step.kind === "index") {
      if (type.kind !== "array")
        return err({ message: `${typeText(btf, part.type)} is no array`, column: step.column });
      if (step.index < 0 || step.index >= type.count)
        return err({ message: `${typeText(btf, part.type)} has no item ${step.index}`, column: step.column });
      const size = sizeOfType(btf, type.type) ?? 0;
      part = slice(part, type.type, step.index * size, size);
      continue;
    }
    if (type.kind === "datasec") {
      const found = type.vars.find((v) => {
        const variable = typeAt(btf, v.type);
        return "name" in variable && variable.name === step.name;
      });
      if (!found) return err({ message: `${type.name} has no variable '${step.name}'`, column: step.column });
      const id = variableType(btf, found.type);
      part = slice(part, id, found.offset, sizeOfType(btf, id) ?? found.size);
      continue;
    }
    const found = findMember(btf, part.type, step.name);
    if (found === null)
      return err({ message: `${typeText(btf, part.type)} has no member '${step.name}'`, column: step.column });
    if (found.member.bitSize > 0) {
      const outer = found.bitOffset - found.member.bitOffset;
      const bits = readBitField(btf, part.bytes, outer / 8, found.member);
      part = { ...part, type: found.member.type, bits };
    } else {
      part = slice(part, found.member.type, found.bitOffset / 8, sizeOfType(btf, found.member.type) ?? 0);
    }
  }
  return ok(part);
}

function slice(part: ValuePart, type: BtfId, at: number, size: number): ValuePart {
  return { ...part, type, bytes: part.bytes.subarray(at, at + size), bits: null, offset: part.offset + at };
}

/** True when the comparison holds. Aggregates know `==` and `!=`; what the expression omits must be zero. */
export function compareValue(
  part: ValuePart,
  comparison: Comparison,
  expected: ValueExpression,
  resolve: ResolveObject,
): Result<boolean, ValueFault> {
  const { btf, bytes } = part;
  const type = btf === null ? null : typeAt(btf, skipModifiersAndTypedefs(btf, part.type));
  const scalar =
    part.bits !== null ||
    type?.kind === "int" ||
    type?.kind === "enum" ||
    type?.kind === "ptr" ||
    ((type === null || part.type === 0) && bytes.length <= 8);
  if (scalar && expected.kind === "number") {
    const actual =
      part.bits ??
      (btf !== null && part.type !== 0
        ? readScalar(btf, part.type, bytes, 0)
        : readInteger(bytes, 0, bytes.length, expected.value < 0n));
    return ok(holds(actual, comparison, expected.value));
  }
  const encoded = encodeValue(expected, { btf, type: part.type, size: bytes.length }, resolve);
  if (!encoded.ok) return encoded;
  if (scalar && btf !== null && part.type !== 0) {
    return ok(holds(readScalar(btf, part.type, bytes, 0), comparison, readScalar(btf, part.type, encoded.value, 0)));
  }
  if (type?.kind === "float" && (bytes.length === 8 || bytes.length === 4)) {
    return ok(holds(readFloat(bytes), comparison, readFloat(encoded.value)));
  }
  if (comparison !== "==" && comparison !== "!=") {
    return err({ message: `only == and != compare ${btf === null ? "bytes" : typeText(btf, part.type)}`, column: 1 });
  }
  const equal = bytes.every((byte, i) => byte === encoded.value[i] || inSpecialField(part, i));
  return ok(equal === (comparison === "=="));
}

function readFloat(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.length === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

function inSpecialField(part: ValuePart, index: number): boolean {
  if (!part.special?.valid) return false;
  const at = part.offset + index;
  return part.special.fields.some((f) => at >= f.offset && at < f.offset + f.size);
}

export function holds<T extends bigint | number>(actual: T, comparison: Comparison, expected: T): boolean {
  switch (comparison) {
    case "==":
      return actual === expected;
    case "!=":
      return actual !== expected;
    case "<":
      return actual < expected;
    case "<=":
      return actual <= expected;
    case ">":
      return actual > expected;
    case ">=":
      return actual >= expected;
  }
}
