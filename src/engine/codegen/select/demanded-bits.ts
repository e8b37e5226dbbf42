import type { IrFunction, IrInstruction, IrValue } from "../../ir/module.ts";
import { bitLength, bitsOf } from "./known-bits.ts";
import { forEachOperand } from "./uses.ts";

/**
 * How many low bits of each value anybody looks at. What only the lower half is wanted of can be computed in 32 bits.
 */
export function findDemandedBits(fn: IrFunction): Uint8Array {
  const demanded = new Uint8Array(fn.valueCount);
  const ask = (value: IrValue, bits: number): boolean => {
    if (value.kind !== "local" || (demanded[value.index] as number) >= bits) return false;
    demanded[value.index] = Math.min(bits, 255);
    return true;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = fn.blocks.length - 1; at >= 0; at--) {
      const { instructions } = fn.blocks[at] as { instructions: readonly IrInstruction[] };
      for (let i = instructions.length - 1; i >= 0; i--) {
        const insn = instructions[i] as IrInstruction;
        const wanted = insn.result < 0 ? 0 : (demanded[insn.result] as number);
        if (step(insn, wanted, ask)) changed = true;
      }
    }
  }
  return demanded;
}

function step(insn: IrInstruction, wanted: number, ask: (value: IrValue, bits: number) => boolean): boolean {
  switch (insn.op) {
    case "binary": {
      const constant = insn.b.kind === "int" ? insn.b.value : null;
      const shift = constant === null ? null : Number(constant);
      switch (insn.operator) {
        case "add":
        case "sub":
        case "mul":
        case "or":
        case "xor":
          return [ask(insn.a, wanted), ask(insn.b, wanted)].includes(true);
        case "and": {
          const limit = constant === null ? wanted : Math.min(wanted, bitLength(constant));
          return [ask(insn.a, limit), ask(insn.b, wanted)].includes(true);
        }
        case "shl":
          if (shift !== null) return ask(insn.a, Math.max(0, wanted - shift));
          return [ask(insn.a, wanted), ask(insn.b, bitsOf(insn.b.type))].includes(true);
        case "lshr":
          if (shift !== null) return ask(insn.a, wanted === 0 ? 0 : Math.min(bitsOf(insn.type), wanted + shift));
      }
      break;
    }
    case "cast":
      if (insn.cast === "trunc") return ask(insn.value, wanted);
      if (insn.cast === "zext") return ask(insn.value, Math.min(wanted, bitsOf(insn.value.type)));
      break;
    case "select":
      return [ask(insn.condition, 1), ask(insn.a, wanted), ask(insn.b, wanted)].includes(true);
    case "freeze":
      return ask(insn.value, wanted);
    case "phi": {
      let changed = false;
      for (const { value } of insn.incoming) changed = ask(value, wanted) || changed;
      return changed;
    }
  }
  let changed = false;
  forEachOperand(insn, (value) => {
    changed = ask(value, Math.max(1, bitsOf(value.type))) || changed;
  });
  return changed;
}

const NARROWABLE: ReadonlySet<string> = new Set(["add", "sub", "mul", "and", "or", "xor", "shl"]);

/** Whether a 64-bit operation may be done in 32 bits, because nobody looks at its upper half. */
export function isNarrowable(insn: IrInstruction, demanded: Uint8Array): boolean {
  if (insn.op !== "binary" || bitsOf(insn.type) <= 32 || bitsOf(insn.type) > 64) return false;
  if (!NARROWABLE.has(insn.operator) || (demanded[insn.result] as number) > 32) return false;
  // A shift by 32 or more leaves nothing, which 32-bit shifts cannot say.
  return insn.operator !== "shl" || (insn.b.kind === "int" && insn.b.value < 32n);
}
