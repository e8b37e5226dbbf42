import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MOV,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  JA,
  JA32,
  LD_IMM64,
  MAY_GOTO,
  MODE_MASK,
  OP_MASK,
} from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import { type Block, type ControlFlow, targetsOf } from "./control-flow.ts";

const ALL = 0x7ff;
const ARGUMENTS = 0b111110;
const CALLER_SAVED = 0b111111;
const bit = (r: number): number => 1 << r;

/** Registers (one bit each) that are live before the instruction at slot `i`, given those live after it. */
function before(program: Executable, i: number, after: number, clobber: number): number {
  const op = program.op[i] as number;
  const d = bit(program.dst[i] as number);
  const s = bit(program.src[i] as number);
  switch (op & 7) {
    case BPF_ALU:
    case BPF_ALU64: {
      const moves = (op & OP_MASK) === BPF_MOV;
      return (after & ~d) | (moves ? 0 : d) | ((op & BPF_X) !== 0 ? s : 0);
    }
    case BPF_LDX:
      return (after & ~d) | s;
    case BPF_ST:
      return after | d;
    case BPF_STX: {
      if ((op & MODE_MASK) !== BPF_ATOMIC) return after | d | s;
      const imm = program.imm[i] as number;
      if (imm === BPF_LOAD_ACQ) return (after & ~d) | s;
      if (imm === BPF_STORE_REL || (imm & BPF_FETCH) === 0) return after | d | s;
      return imm === BPF_CMPXCHG ? after | d | s | 1 : after | d | s;
    }
    case BPF_JMP:
    case BPF_JMP32:
      if (op === CALL) return (after & ~clobber) | ARGUMENTS;
      if (op === EXIT) return 1;
      if (op === JA || op === JA32 || op === MAY_GOTO) return after;
      return after | d | ((op & BPF_X) !== 0 ? s : 0);
    case BPF_LD:
      return op === LD_IMM64 ? after & ~d : ALL;
    default:
      return ALL;
  }
}

/**
 * Registers that are live at the start of each block. In verified programs (`trusted`) a call leaves nothing in r1..r5; in
 * others they keep what was there.
 */
export function liveAtStart(program: Executable, flow: ControlFlow, trusted: boolean): Int32Array {
  const live = new Int32Array(flow.blocks.length);
  const clobber = trusted ? CALLER_SAVED : 1;
  const slots = flow.blocks.map((block) => slotsOf(program, block));
  for (let changed = true; changed; ) {
    changed = false;
    for (let b = flow.blocks.length - 1; b >= 0; b--) {
      const { exit } = flow.blocks[b] as Block;
      let now = exit.kind === "leave" ? ALL : 0;
      for (const to of targetsOf(exit)) now |= live[to] as number;
      const list = slots[b] as readonly number[];
      for (let k = list.length - 1; k >= 0; k--) now = before(program, list[k] as number, now, clobber);
      if (now !== live[b]) {
        live[b] = now;
        changed = true;
      }
    }
  }
  return live;
}

/** First slots of a block's instructions. */
function slotsOf(program: Executable, block: Block): number[] {
  const slots: number[] = [];
  for (let i = block.start; i < block.end; i++) {
    slots.push(i);
    if (program.op[i] === LD_IMM64) i++;
  }
  return slots;
}
