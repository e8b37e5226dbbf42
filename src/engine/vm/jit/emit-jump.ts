import { BPF_JMP, BPF_JSET, BPF_X, OP_MASK } from "../../isa/opcodes.ts";
import { REGISTER_LOCAL } from "./layout.ts";
import * as w from "./wasm-code.ts";

/** Comparisons by the operation bits: [64-bit, 32-bit]. */
const COMPARISONS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0x10, [w.I64_EQ, w.I32_EQ]],
  [0x20, [w.I64_GT_U, w.I32_GT_U]],
  [0x30, [w.I64_GE_U, w.I32_GE_U]],
  [0x50, [w.I64_NE, w.I32_NE]],
  [0x60, [w.I64_GT_S, w.I32_GT_S]],
  [0x70, [w.I64_GE_S, w.I32_GE_S]],
  [0xa0, [w.I64_LT_U, w.I32_LT_U]],
  [0xb0, [w.I64_LE_U, w.I32_LE_U]],
  [0xc0, [w.I64_LT_S, w.I32_LT_S]],
  [0xd0, [w.I64_LE_S, w.I32_LE_S]],
]);

/** Pushes (i32) whether a conditional jump of class JMP or JMP32 is taken. */
export function emitCondition(code: w.WasmCode, op: number, d: number, s: number, imm: number): void {
  const wide = (op & 7) === BPF_JMP;
  const push = (r: number): void => {
    code.get(REGISTER_LOCAL[r] as number);
    if (!wide) code.byte(w.I32_WRAP_I64);
  };
  push(d);
  if ((op & BPF_X) !== 0) push(s);
  else if (wide) code.i64(imm);
  else code.i32(imm);
  const operation = op & OP_MASK;
  if (operation === BPF_JSET) {
    code.byte(wide ? w.I64_AND : w.I32_AND);
    if (wide) {
      code.i64(0);
      code.byte(w.I64_NE);
    }
    return;
  }
  const comparison = COMPARISONS.get(operation) as readonly [number, number];
  code.byte(wide ? comparison[0] : comparison[1]);
}
