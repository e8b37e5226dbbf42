import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_JMP,
  BPF_LDX,
  BPF_LSH,
  BPF_MOV,
  BPF_OR,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_X,
  BPF_XOR,
  LD_IMM64,
  OP_MASK,
} from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import type { Block } from "./control-flow.ts";
import type { FunctionCode } from "./function-code.ts";
import { LOW_LOCAL } from "./layout.ts";
import * as w from "./wasm-code.ts";

/** Operations of which the low half of the result depends on the low halves of the operands only. */
const NARROW_OPERATORS: ReadonlyMap<number, number> = new Map([
  [BPF_ADD, w.I32_ADD],
  [BPF_SUB, w.I32_SUB],
  [BPF_AND, w.I32_AND],
  [BPF_OR, w.I32_OR],
  [BPF_XOR, w.I32_XOR],
  [BPF_LSH, w.I32_SHL],
]);

export const isNarrow = (op: number, off: number, imm: number): boolean => {
  if ((op & 7) !== BPF_ALU64) return false;
  const operation = op & OP_MASK;
  if (operation === BPF_LSH) return (op & BPF_X) === 0 && imm >= 0 && imm < 32;
  return (operation === BPF_MOV && off === 0) || NARROW_OPERATORS.has(operation);
};

/**
 * The instructions of a block whose result is an address in the making: an access only wants the low half, and an offset that is
 * computed in 32 bits from the start costs less than a 64-bit address that is cut down at the access. One entry for each slot.
 */
export function addressChains(program: Executable, block: Block): Uint8Array {
  const marks = new Uint8Array(block.end - block.start);
  const slots: number[] = [];
  for (let i = block.start; i < block.end; i++) {
    slots.push(i);
    if (program.op[i] === LD_IMM64) i++;
  }
  /** Registers (one bit each) of which the low half is wanted. */
  let wanted = 0;
  for (let k = slots.length - 1; k >= 0; k--) {
    const i = slots[k] as number;
    const op = program.op[i] as number;
    const d = 1 << (program.dst[i] as number);
    const s = 1 << (program.src[i] as number);
    switch (op & 7) {
      case BPF_ALU64:
        if ((wanted & d) === 0) break;
        if (!isNarrow(op, program.off[i] as number, program.imm[i] as number)) {
          wanted &= ~d;
          break;
        }
        marks[i - block.start] = 1;
        if ((op & OP_MASK) === BPF_MOV) wanted &= ~d;
        if ((op & BPF_X) !== 0) wanted |= s;
        break;
      case BPF_ALU:
        wanted &= ~d;
        break;
      case BPF_LDX:
        wanted = (wanted & ~d) | s;
        break;
      case BPF_ST:
      case BPF_STX:
        wanted |= d;
        break;
      case BPF_JMP:
        // A call: its arguments may be pointers, but nothing of them is left behind it.
        wanted &= ~0b111111;
        break;
      default:
        if (op === LD_IMM64) {
          if ((wanted & d) !== 0) marks[i - block.start] = 1;
          wanted &= ~d;
        }
    }
  }
  return marks;
}

/** The low half of the result of a narrow operation, from the low halves of its operands; before the operation itself. */
export function emitLowHalf(f: FunctionCode, slot: number): void {
  const { program, code } = f;
  const op = program.op[slot] as number;
  const d = program.dst[slot] as number;
  const operation = op & OP_MASK;
  if (op === LD_IMM64 || (operation === BPF_MOV && (op & BPF_X) === 0)) code.i32(program.imm[slot] as number);
  else if (operation === BPF_MOV) f.low(program.src[slot] as number);
  else {
    f.low(d);
    if ((op & BPF_X) !== 0) f.low(program.src[slot] as number);
    else code.i32(program.imm[slot] as number);
    code.byte(NARROW_OPERATORS.get(operation) as number);
  }
  code.set(LOW_LOCAL + d);
}
