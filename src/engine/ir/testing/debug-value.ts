import type { MetadataNode } from "../metadata.ts";
import type { IrDebugRecord } from "../module.ts";
import { expressionElements } from "../read-debug-record.ts";

/** What a debug record says that a variable, or its part, is: a number, or what lies at an address. */
export interface DebugValue {
  readonly value: bigint;
  readonly memory: boolean;
}

/** Evaluates a DIExpression by LLVM's rules; null for what is lost, or uses an operation that is not known here. */
export function evaluateRecord(
  record: Pick<IrDebugRecord, "kind" | "values"> & { readonly expression: MetadataNode },
  values: readonly (bigint | null)[],
): DebugValue | null {
  if (values.length === 0 || values.some((v) => v === null)) return null;
  const elements = expressionElements(record.expression);
  const stack: bigint[] = elements[0] === "DW_OP_LLVM_arg" ? [] : [values[0] as bigint];
  let memory = record.kind === "declare";
  let width = 64;
  const wrap = (x: bigint): bigint => BigInt.asUintN(64, x);
  const two = (f: (a: bigint, b: bigint) => bigint): void => {
    const b = stack.pop() as bigint;
    const a = stack.pop() as bigint;
    stack.push(wrap(f(a, b)));
  };
  for (let i = 0; i < elements.length; ) {
    const op = elements[i++];
    const number = (): bigint => elements[i++] as bigint;
    if (memory && record.kind === "value" && op !== "DW_OP_stack_value" && op !== "DW_OP_LLVM_fragment") return null;
    switch (op) {
      case "DW_OP_LLVM_arg":
        stack.push(values[Number(number())] as bigint);
        break;
      case "DW_OP_plus_uconst":
        stack.push(wrap((stack.pop() as bigint) + number()));
        break;
      case "DW_OP_constu":
      case "DW_OP_consts":
        stack.push(wrap(number()));
        break;
      case "DW_OP_plus":
        two((a, b) => a + b);
        break;
      case "DW_OP_minus":
        two((a, b) => a - b);
        break;
      case "DW_OP_mul":
        two((a, b) => a * b);
        break;
      case "DW_OP_and":
        two((a, b) => a & b);
        break;
      case "DW_OP_or":
        two((a, b) => a | b);
        break;
      case "DW_OP_xor":
        two((a, b) => a ^ b);
        break;
      case "DW_OP_shl":
        two((a, b) => a << b);
        break;
      case "DW_OP_shr":
        two((a, b) => a >> b);
        break;
      case "DW_OP_LLVM_convert": {
        const bits = Number(number());
        const signed = elements[i++] === "DW_ATE_signed";
        const x = BigInt.asUintN(Math.min(width, bits), stack.pop() as bigint);
        stack.push(wrap(signed ? BigInt.asIntN(Math.min(width, bits), x) : x));
        width = bits;
        break;
      }
      case "DW_OP_deref":
        if (memory) return null;
        memory = true;
        break;
      case "DW_OP_stack_value":
        break;
      case "DW_OP_LLVM_fragment":
        i += 2;
        break;
      default:
        return null;
    }
  }
  const value = stack.pop();
  return value === undefined ? null : { value, memory };
}
