import type { IrInstruction, IrValue } from "../../ir/module.ts";
import { elementType, type IrType, offsetOf } from "../../ir/types.ts";

type Call = IrInstruction & { op: "call" };

function small(value: IrValue | undefined): number {
  return value?.kind === "int" ? Number(BigInt.asIntN(32, value.value)) : 0;
}

/** One step of `__builtin_preserve_access_index`: what is accessed, and how many bytes it adds to `base`. */
export interface AccessStep {
  readonly base: IrValue;
  readonly offset: number;
  /** Type of what the step leads to; null when it is not known (a union's member). */
  readonly type: IrType | null;
}

/** Reads a call of `llvm.preserve.{struct,union,array}.access.index`; null for any other instruction. */
export function accessStep(insn: IrInstruction | undefined): AccessStep | null {
  if (insn?.op !== "call" || !("kind" in insn.callee) || insn.callee.kind !== "global") return null;
  const kind = /^llvm\.preserve\.(struct|union|array)\.access\.index/.exec(insn.callee.name)?.[1];
  const base = insn.args[0]?.value;
  if (kind === undefined || base === undefined) return null;
  const whole = insn.args[0]?.elementType ?? null;
  if (kind === "union" || whole === null) return { base, offset: 0, type: null };
  return kind === "struct" ? structStep(insn, base, whole) : arrayStep(insn, base, whole);
}

function structStep(insn: Call, base: IrValue, whole: IrType): AccessStep {
  const index = small(insn.args[1]?.value);
  return { base, offset: offsetOf(whole, index), type: elementType(whole, index) ?? null };
}

/** The index applies after `dimension` arrays; with dimension 0 to the pointer itself. */
function arrayStep(insn: Call, base: IrValue, whole: IrType): AccessStep {
  const dimension = small(insn.args[1]?.value);
  let type = whole;
  for (let i = 0; i < dimension && type.kind === "array"; i++) type = type.element;
  return { base, offset: offsetOf({ kind: "array", count: 0, element: type }, small(insn.args[2]?.value)), type };
}
