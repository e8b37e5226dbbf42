import { constantOffset } from "../../ir/constants.ts";
import type { IrFunction, IrInstruction, IrValue } from "../../ir/module.ts";
import { bitsOf } from "../select/known-bits.ts";
import type { Selector } from "../select/selector.ts";
import { readForm } from "./expression.ts";
import type { VariableFlow } from "./variable-flow.ts";

/** What a debug record speaks of, after selection. `add` counts as 64 bits. */
export type Operand =
  /** An SSA value that was marked (see `Mark`), of which so many low bits are right. */
  | { readonly kind: "value"; readonly value: number; readonly bits: number; readonly add: bigint }
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "frame"; readonly slot: number; readonly add: bigint }
  | { readonly kind: "symbol"; readonly symbol: string; readonly add: bigint };

export interface Binding {
  readonly operand: Operand;
  /** Low bits of the operand that are the variable's, before {@link signed} or zeros fill the rest of the variable. */
  readonly bits: number;
  readonly signed: boolean;
  /** What lies above those bits is known: it is filled as {@link signed} says. Otherwise it is not the variable's. */
  readonly extends: boolean;
  /** The variable lies at that address. */
  readonly memory: boolean;
}

/** Why a record tells nothing. */
export type Loss = "optimised out" | "computed from other values" | "in several registers";

/** Values that debug records mention, and those from which a mentioned one without a register can be told. */
export function wantedValues(fn: IrFunction, flow: VariableFlow): Uint8Array {
  const wanted = new Uint8Array(fn.valueCount);
  const definitions: (IrInstruction | undefined)[] = new Array(fn.valueCount);
  for (const block of fn.blocks) {
    for (const insn of block.instructions) if (insn.result >= 0) definitions[insn.result] = insn;
  }
  const want = (value: IrValue): void => {
    for (let v: IrValue | null = value; v?.kind === "local" && wanted[v.index] === 0; ) {
      wanted[v.index] = 1;
      v = sourceOf(definitions[v.index]);
    }
  };
  for (const record of flow.records) for (const value of record.values) want(value);
  return wanted;
}

/** The value that an instruction without code of its own merely moves by a constant. */
function sourceOf(insn: IrInstruction | undefined): IrValue | null {
  if (insn?.op === "gep") return constantOffset(insn.source, insn.indices) === null ? null : insn.base;
  if (insn?.op === "freeze") return insn.value;
  if (insn?.op !== "cast" || insn.cast === "sext" || insn.cast === "zext") return null;
  return insn.value;
}

/** What each record of the function speaks of, when everything is selected. */
export function bindRecords(s: Selector, flow: VariableFlow): readonly (Binding | Loss)[] {
  return flow.records.map((record): Binding | Loss => {
    if (record.early || record.values.length === 0 || record.values.some((v) => v.kind === "undef"))
      return "optimised out";
    const form = readForm(record.expression, record.kind === "declare");
    if (form === null || record.values.length > 1) return "computed from other values";
    const value = record.values[form.operand];
    if (value === undefined) return "optimised out";
    const operand = operandOf(s, value, form.add);
    if (typeof operand === "string") return operand;
    const width = form.memory ? 64 : Math.max(1, bitsOf(value.type));
    const known = operand.kind === "value" ? operand.bits : 64;
    const meant = Math.min(width, form.convert?.bits ?? 64);
    return {
      operand,
      bits: Math.min(meant, known),
      signed: form.convert?.signed ?? false,
      extends: meant <= known && (form.convert !== null || width === 1),
      memory: form.memory,
    };
  });
}

/** Of a value that only the lower half is wanted of, only that is computed. */
export function validBits(s: Selector, value: IrValue): number {
  const bits = bitsOf(value.type);
  if (bits <= 32 || value.kind !== "local" || !s.alu32) return bits;
  return (s.demanded[value.index] as number) <= 32 ? 32 : bits;
}

function operandOf(s: Selector, value: IrValue, add: bigint): Operand | Loss {
  switch (value.kind) {
    case "int":
      return { kind: "constant", value: BigInt.asUintN(64, value.value + add) };
    case "global":
      return { kind: "symbol", symbol: value.name, add: BigInt(value.addend) + add };
    case "local":
      break;
    default:
      return "optimised out";
  }
  const stack = s.stackPlace(value);
  if (stack !== null) return { kind: "frame", slot: stack.slot, add: BigInt(stack.offset) + add };
  const helper = s.helperNumber(value);
  if (helper !== null) return { kind: "constant", value: helper };
  const folded = s.uses.folded[value.index] === 1;
  const registers = s.values[value.index];
  if (!folded && registers !== undefined) {
    if (registers.length !== 1) return "in several registers";
    const bits = validBits(s, value);
    if (add !== 0n && bits < 64) return "computed from other values";
    return { kind: "value", value: value.index, bits, add };
  }
  const definition = s.uses.definitions[value.index];
  if (definition?.op === "gep") {
    const offset = constantOffset(definition.source, definition.indices);
    return offset === null ? "computed from other values" : operandOf(s, definition.base, add + BigInt(offset));
  }
  const source = sourceOf(definition);
  return source === null || add !== 0n || bitsOf(source.type) !== bitsOf(value.type)
    ? "optimised out"
    : operandOf(s, source, add);
}
