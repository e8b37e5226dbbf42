import type { MetadataNode } from "../../ir/metadata.ts";
import { expressionElements } from "../../ir/read-debug-record.ts";

/** What a DIExpression makes of the operand of its record, when it is one of the simple ones. */
export interface Form {
  /** Which of the record's values. */
  readonly operand: number;
  readonly add: bigint;
  /** The variable lies at the address that results; otherwise it is what results. */
  readonly memory: boolean;
  /** Only so many low bits of the operand count, extended by zeros or by their sign; null: all. */
  readonly convert: { readonly bits: number; readonly signed: boolean } | null;
  /** The part of the variable that the record is about, in bits; null: all of it. */
  readonly fragment: Fragment | null;
}

export interface Fragment {
  readonly offset: number;
  readonly bits: number;
}

/** The part that an expression is about, whatever else it says. */
export function fragmentOf(expression: MetadataNode): Fragment | null {
  const elements = expressionElements(expression);
  const at = elements.indexOf("DW_OP_LLVM_fragment");
  return at < 0 ? null : { offset: Number(elements[at + 1]), bits: Number(elements[at + 2]) };
}

/** Null for expressions that compute more than an address, an offset or an extension. */
export function readForm(expression: MetadataNode, declare: boolean): Form | null {
  const elements = expressionElements(expression);
  let operand = 0;
  let add = 0n;
  let memory = declare;
  let convert: Form["convert"] = null;
  let pending: number | null = null;
  let seenOperand = false;
  for (let i = 0; i < elements.length; ) {
    const op = elements[i++];
    const number = (): bigint => {
      const element = elements[i++];
      return typeof element === "bigint" ? element : 0n;
    };
    switch (op) {
      case "DW_OP_LLVM_arg":
        if (seenOperand) return null;
        seenOperand = true;
        operand = Number(number());
        break;
      case "DW_OP_plus_uconst":
        if ((memory && !declare) || convert !== null) return null;
        add += number();
        break;
      case "DW_OP_constu":
      case "DW_OP_consts": {
        const constant = number();
        const then = elements[i++];
        if ((then !== "DW_OP_plus" && then !== "DW_OP_minus") || memory || convert !== null) return null;
        add += then === "DW_OP_plus" ? constant : -constant;
        break;
      }
      case "DW_OP_deref":
        if (memory || convert !== null) return null;
        memory = true;
        break;
      case "DW_OP_LLVM_convert": {
        // A pair: read as so many bits, then take so many of the result.
        const bits = Number(number());
        const signed = elements[i++] === "DW_ATE_signed";
        if (memory || add !== 0n) return null;
        if (pending === null) pending = bits;
        else {
          if (convert !== null && convert.bits !== pending) return null;
          convert = { bits: Math.min(pending, bits), signed };
          pending = null;
        }
        break;
      }
      case "DW_OP_stack_value":
        break;
      case "DW_OP_LLVM_fragment":
        i += 2;
        break;
      default:
        return null;
    }
  }
  if (pending !== null) return null;
  return { operand, add, memory, convert, fragment: fragmentOf(expression) };
}
