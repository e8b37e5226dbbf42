import {
  BPF_ALU,
  BPF_ALU64,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_ST,
  BPF_STX,
} from "../isa/opcodes.ts";
import { fault, loadSlow, type MemoryAccess, storeSlow } from "./access.ts";
import { div32, div64, endian, mod32, mod64, mul64 } from "./arithmetic.ts";
import { atomic } from "./atomic.ts";
import type { Executable } from "./executable.ts";
import type { Trap, VmFrame } from "./frame.ts";
import { GUEST_HIGH } from "./memory.ts";

/** Why {@link interpret} came back. */
export const FUEL = 0;
/** A helper call: its id is in `machine.callee`; pc is already behind it. */
export const HELPER = 1;
/** A kfunc call: its slot is in `machine.callee`. */
export const KFUNC = 2;
/** A call of the function at slot `machine.callee`. */
export const CALL_FUNCTION = 3;
/** r0 is the function's result. */
export const RETURN = 4;
/** `machine.trap` says what happened; pc is at the instruction. */
export const TRAP = 5;
/** A legacy packet load (LD_ABS, LD_IND) at pc. */
export const PACKET_LOAD = 6;

export type ExitReason = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** What the interpreter works on besides the frame. */
export interface Machine extends MemoryAccess {
  callee: number;
  trap: Trap | null;
}

/**
 * Runs at most `fuel` instructions of `frame`. Every access is checked against live memory, so a program that no verifier has
 * seen can run. RFC 9669; shifts use the low 6 (5) bits of their count, 32-bit results are zero-extended.
 */
export function interpret(machine: Machine, program: Executable, frame: VmFrame, fuel: number): ExitReason {
  const { op: ops, dst: dsts, src: srcs, off: offs, imm: imms, immHigh } = program;
  const lo = frame.lo;
  const hi = frame.hi;
  const memory = machine.memory;
  const bytes = memory.bytes;
  const view = memory.view;
  const shadow = memory.shadow;
  const top = bytes.length - 8;
  const length = ops.length;
  let pc = frame.pc;
  let left = fuel;

  for (;;) {
    if (left-- <= 0) {
      left = 0;
      return leave(frame, pc, fuel - left, FUEL);
    }
    if (pc < 0 || pc >= length) {
      return fail(machine, frame, pc, fuel - left, {
        what: "invalid-instruction",
        message: `execution left the program at slot ${pc}`,
        address: null,
      });
    }
    const op = ops[pc] as number;
    const d = dsts[pc] as number;
    const s = srcs[pc] as number;
    switch (op & 7) {
      case BPF_ALU64: {
        let bl: number;
        let bh: number;
        if ((op & 8) !== 0) {
          bl = lo[s] as number;
          bh = hi[s] as number;
        } else {
          bl = imms[pc] as number;
          bh = bl >> 31;
        }
        switch (op >> 4) {
          case 0: {
            const al = lo[d] as number;
            const sum = (al + bl) | 0;
            lo[d] = sum;
            hi[d] = ((hi[d] as number) + bh + (sum >>> 0 < al >>> 0 ? 1 : 0)) | 0;
            break;
          }
          case 1: {
            const al = lo[d] as number;
            lo[d] = (al - bl) | 0;
            hi[d] = ((hi[d] as number) - bh - (al >>> 0 < bl >>> 0 ? 1 : 0)) | 0;
            break;
          }
          case 2:
            mul64(lo, hi, d, bl, bh);
            break;
          case 3:
            div64(lo, hi, d, bl, bh, offs[pc] === 1);
            break;
          case 4:
            lo[d] = (lo[d] as number) | bl;
            hi[d] = (hi[d] as number) | bh;
            break;
          case 5:
            lo[d] = (lo[d] as number) & bl;
            hi[d] = (hi[d] as number) & bh;
            break;
          case 6: {
            const n = bl & 63;
            if (n >= 32) {
              hi[d] = (lo[d] as number) << (n - 32);
              lo[d] = 0;
            } else if (n > 0) {
              hi[d] = ((hi[d] as number) << n) | ((lo[d] as number) >>> (32 - n));
              lo[d] = (lo[d] as number) << n;
            }
            break;
          }
          case 7: {
            const n = bl & 63;
            if (n >= 32) {
              lo[d] = (hi[d] as number) >>> (n - 32);
              hi[d] = 0;
            } else if (n > 0) {
              lo[d] = ((lo[d] as number) >>> n) | ((hi[d] as number) << (32 - n));
              hi[d] = (hi[d] as number) >>> n;
            }
            break;
          }
          case 8: {
            const al = lo[d] as number;
            lo[d] = -al | 0;
            hi[d] = (~(hi[d] as number) + (al === 0 ? 1 : 0)) | 0;
            break;
          }
          case 9:
            mod64(lo, hi, d, bl, bh, offs[pc] === 1);
            break;
          case 10:
            lo[d] = (lo[d] as number) ^ bl;
            hi[d] = (hi[d] as number) ^ bh;
            break;
          case 11: {
            const o = offs[pc] as number;
            if (o === 0) {
              lo[d] = bl;
              hi[d] = bh;
            } else {
              const x = (bl << (32 - o)) >> (32 - o);
              lo[d] = x;
              hi[d] = x >> 31;
            }
            break;
          }
          case 12: {
            const n = bl & 63;
            if (n >= 32) {
              lo[d] = (hi[d] as number) >> (n - 32);
              hi[d] = (hi[d] as number) >> 31;
            } else if (n > 0) {
              lo[d] = ((lo[d] as number) >>> n) | ((hi[d] as number) << (32 - n));
              hi[d] = (hi[d] as number) >> n;
            }
            break;
          }
          case 13:
            endian(lo, hi, d, imms[pc] as number, true);
            break;
          default:
            return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
        }
        pc++;
        break;
      }
      case BPF_ALU: {
        const a = lo[d] as number;
        const b = (op & 8) !== 0 ? (lo[s] as number) : (imms[pc] as number);
        switch (op >> 4) {
          case 0:
            lo[d] = (a + b) | 0;
            break;
          case 1:
            lo[d] = (a - b) | 0;
            break;
          case 2:
            lo[d] = Math.imul(a, b);
            break;
          case 3:
            lo[d] = div32(a, b, offs[pc] === 1);
            break;
          case 4:
            lo[d] = a | b;
            break;
          case 5:
            lo[d] = a & b;
            break;
          case 6:
            lo[d] = a << (b & 31);
            break;
          case 7:
            lo[d] = a >>> (b & 31);
            break;
          case 8:
            lo[d] = -a | 0;
            break;
          case 9:
            lo[d] = mod32(a, b, offs[pc] === 1);
            break;
          case 10:
            lo[d] = a ^ b;
            break;
          case 11: {
            const o = offs[pc] as number;
            lo[d] = o === 0 || o === 32 ? b : (b << (32 - o)) >> (32 - o);
            break;
          }
          case 12:
            lo[d] = a >> (b & 31);
            break;
          case 13:
            endian(lo, hi, d, imms[pc] as number, (op & 8) !== 0);
            pc++;
            continue;
          default:
            return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
        }
        hi[d] = 0;
        pc++;
        break;
      }
      case BPF_JMP: {
        const code = op >> 4;
        if (code === 0) {
          if (op !== 0x05) return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
          pc += 1 + (offs[pc] as number);
          break;
        }
        if (code === 8) {
          if (op !== 0x85) return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
          const kind = s;
          machine.callee = kind === BPF_PSEUDO_CALL ? pc + 1 + (imms[pc] as number) : (imms[pc] as number);
          if (kind === BPF_PSEUDO_KFUNC_CALL) machine.callee = pc;
          pc++;
          return leave(frame, pc, fuel - left, kind === 0 ? HELPER : kind === BPF_PSEUDO_CALL ? CALL_FUNCTION : KFUNC);
        }
        if (code === 9) {
          if (op !== 0x95) return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
          return leave(frame, pc, fuel - left, RETURN);
        }
        if (code === 14) {
          if (frame.mayGoto > 0) {
            frame.mayGoto--;
            pc++;
          } else {
            pc += 1 + (offs[pc] as number);
          }
          break;
        }
        const al = lo[d] as number;
        const ah = hi[d] as number;
        let bl: number;
        let bh: number;
        if ((op & 8) !== 0) {
          bl = lo[s] as number;
          bh = hi[s] as number;
        } else {
          bl = imms[pc] as number;
          bh = bl >> 31;
        }
        let taken: boolean;
        switch (code) {
          case 1:
            taken = al === bl && ah === bh;
            break;
          case 2:
            taken = ah === bh ? al >>> 0 > bl >>> 0 : ah >>> 0 > bh >>> 0;
            break;
          case 3:
            taken = ah === bh ? al >>> 0 >= bl >>> 0 : ah >>> 0 > bh >>> 0;
            break;
          case 4:
            taken = ((al & bl) | (ah & bh)) !== 0;
            break;
          case 5:
            taken = al !== bl || ah !== bh;
            break;
          case 6:
            taken = ah === bh ? al >>> 0 > bl >>> 0 : ah > bh;
            break;
          case 7:
            taken = ah === bh ? al >>> 0 >= bl >>> 0 : ah > bh;
            break;
          case 10:
            taken = ah === bh ? al >>> 0 < bl >>> 0 : ah >>> 0 < bh >>> 0;
            break;
          case 11:
            taken = ah === bh ? al >>> 0 <= bl >>> 0 : ah >>> 0 < bh >>> 0;
            break;
          case 12:
            taken = ah === bh ? al >>> 0 < bl >>> 0 : ah < bh;
            break;
          case 13:
            taken = ah === bh ? al >>> 0 <= bl >>> 0 : ah < bh;
            break;
          default:
            return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
        }
        pc += taken ? 1 + (offs[pc] as number) : 1;
        break;
      }
      case BPF_JMP32: {
        const a = lo[d] as number;
        const b = (op & 8) !== 0 ? (lo[s] as number) : (imms[pc] as number);
        let taken: boolean;
        switch (op >> 4) {
          case 0:
            if (op !== 0x06) return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
            pc += 1 + (imms[pc] as number);
            continue;
          case 1:
            taken = a === b;
            break;
          case 2:
            taken = a >>> 0 > b >>> 0;
            break;
          case 3:
            taken = a >>> 0 >= b >>> 0;
            break;
          case 4:
            taken = (a & b) !== 0;
            break;
          case 5:
            taken = a !== b;
            break;
          case 6:
            taken = a > b;
            break;
          case 7:
            taken = a >= b;
            break;
          case 10:
            taken = a >>> 0 < b >>> 0;
            break;
          case 11:
            taken = a >>> 0 <= b >>> 0;
            break;
          case 12:
            taken = a < b;
            break;
          case 13:
            taken = a <= b;
            break;
          default:
            return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
        }
        pc += taken ? 1 + (offs[pc] as number) : 1;
        break;
      }
      case BPF_LDX: {
        const size = op & 0x18;
        const width = size === 0 ? 4 : size === 0x08 ? 2 : size === 0x10 ? 1 : 8;
        const at = ((lo[s] as number) >>> 0) + (offs[pc] as number);
        if (
          hi[s] !== GUEST_HIGH ||
          at < 0 ||
          at > top ||
          (at & 7) + width > ((shadow[at >>> 3] as number) & 15) ||
          (shadow[at >>> 3] as number) >= 0x40 ||
          op >= 0x80
        ) {
          if (op >> 5 !== 3 && (op >> 5 !== 4 || width === 8))
            return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
          if (!loadSlow(machine, lo[s] as number, hi[s] as number, offs[pc] as number, width)) {
            return fail(
              machine,
              frame,
              pc,
              fuel - left,
              machine.trap ?? fault(machine, lo[s] as number, hi[s] as number, offs[pc] as number, width, false),
            );
          }
          lo[d] = machine.low;
          hi[d] = machine.high;
          if (op >= 0x80) {
            const shift = 32 - 8 * width;
            const x = shift > 0 ? ((lo[d] as number) << shift) >> shift : (lo[d] as number);
            lo[d] = x;
            hi[d] = x >> 31;
          }
        } else if (width === 8) {
          lo[d] = view.getInt32(at, true);
          hi[d] = view.getInt32(at + 4, true);
        } else {
          lo[d] =
            width === 4 ? view.getInt32(at, true) : width === 2 ? view.getUint16(at, true) : (bytes[at] as number);
          hi[d] = 0;
        }
        pc++;
        break;
      }
      case BPF_ST:
      case BPF_STX: {
        const size = op & 0x18;
        const width = size === 0 ? 4 : size === 0x08 ? 2 : size === 0x10 ? 1 : 8;
        if (op >> 5 === 6) {
          if ((op & 7) !== BPF_STX) return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
          frame.pc = pc;
          const problem = atomic(machine, lo, hi, d, s, offs[pc] as number, imms[pc] as number, width);
          if (problem === "invalid") return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
          if (problem === "fault") {
            return fail(
              machine,
              frame,
              pc,
              fuel - left,
              machine.trap ?? fault(machine, lo[d] as number, hi[d] as number, offs[pc] as number, width, true),
            );
          }
          pc++;
          break;
        }
        if (op >> 5 !== 3) return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
        let vl: number;
        let vh: number;
        if ((op & 7) === BPF_STX) {
          vl = lo[s] as number;
          vh = hi[s] as number;
        } else {
          vl = imms[pc] as number;
          vh = vl >> 31;
        }
        const at = ((lo[d] as number) >>> 0) + (offs[pc] as number);
        const mark = at >= 0 && at <= top ? (shadow[at >>> 3] as number) : 0;
        if (hi[d] !== GUEST_HIGH || mark > 8 || (at & 7) + width > mark) {
          frame.pc = pc;
          if (!storeSlow(machine, lo[d] as number, hi[d] as number, offs[pc] as number, width, vl, vh)) {
            return fail(
              machine,
              frame,
              pc,
              fuel - left,
              machine.trap ?? fault(machine, lo[d] as number, hi[d] as number, offs[pc] as number, width, true),
            );
          }
        } else if (width === 8) {
          view.setInt32(at, vl, true);
          view.setInt32(at + 4, vh, true);
        } else if (width === 4) view.setInt32(at, vl, true);
        else if (width === 2) view.setInt16(at, vl, true);
        else bytes[at] = vl;
        pc++;
        break;
      }
      case BPF_LD:
        if (op === 0x18) {
          lo[d] = imms[pc] as number;
          hi[d] = immHigh[pc] as number;
          pc += 2;
        } else if (op >> 5 === 1 || op >> 5 === 2) {
          return leave(frame, pc, fuel - left, PACKET_LOAD);
        } else {
          return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
        }
        break;
      default:
        return fail(machine, frame, pc, fuel - left, badInstruction(op, pc));
    }
  }
}

function leave(frame: VmFrame, pc: number, executed: number, reason: ExitReason): ExitReason {
  frame.pc = pc;
  frame.executed += executed;
  return reason;
}

function fail(machine: Machine, frame: VmFrame, pc: number, executed: number, trap: Trap): ExitReason {
  machine.trap = trap;
  return leave(frame, pc, executed, TRAP);
}

function badInstruction(op: number, pc: number): Trap {
  return {
    what: "invalid-instruction",
    message: `unknown opcode ${op.toString(16).padStart(2, "0")} at slot ${pc}`,
    address: null,
  };
}
