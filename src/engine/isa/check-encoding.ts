import type { Instruction } from "./instruction.ts";
import * as op from "./opcodes.ts";

/** An instruction that RFC 9669 gives no meaning, or whose unused fields are not zero. */
export interface EncodingProblem {
  readonly slot: number;
  readonly message: string;
}

const ATOMIC_OPERATIONS = new Set([0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, op.BPF_XCHG, op.BPF_CMPXCHG]);

/**
 * The first problem of a program taken by itself: opcodes, register numbers, unused fields, jumps out of the code or into the
 * middle of a 64-bit load, a fall off the end. What a program does with its registers and memory is not asked. Null: well formed.
 */
export function checkEncoding(insns: readonly Instruction[]): EncodingProblem | null {
  const problem = (slot: number, message: string): EncodingProblem => ({ slot, message });
  if (insns.length === 0) return problem(0, "the program is empty");
  const second = new Set<number>();
  for (let i = 0; i < insns.length; i++) {
    if (insns[i]?.opcode === op.LD_IMM64) second.add(++i);
  }
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i] as Instruction;
    if (second.has(i)) {
      if (insn.opcode !== 0 || insn.dst !== 0 || insn.src !== 0 || insn.off !== 0)
        return problem(i, "the second half of a 64-bit load has fields that must be zero");
      continue;
    }
    const wrong = checkOne(insn);
    if (wrong !== null) return problem(i, wrong);
    if (insn.opcode === op.LD_IMM64 && i + 1 >= insns.length) return problem(i, "half of a 64-bit load is missing");
    const target = targetOf(insn, i);
    if (target !== null && (target < 0 || target >= insns.length || second.has(target)))
      return problem(i, `jump to slot ${target}, where no instruction begins`);
  }
  const last = insns[insns.length - 1] as Instruction;
  if (last.opcode !== op.EXIT && last.opcode !== op.JA && last.opcode !== op.JA32)
    return problem(insns.length - 1, "control falls off the end of the program");
  return null;
}

function targetOf(insn: Instruction, at: number): number | null {
  const group = insn.opcode & op.CLASS_MASK;
  if (group !== op.BPF_JMP && group !== op.BPF_JMP32) return null;
  if (insn.opcode === op.EXIT) return null;
  if (insn.opcode === op.CALL) return insn.src === op.BPF_PSEUDO_CALL ? at + 1 + insn.imm : null;
  return at + 1 + (insn.opcode === op.JA32 ? insn.imm : insn.off);
}

function unused(insn: Instruction, ...fields: ("dst" | "src" | "off" | "imm")[]): string | null {
  for (const field of fields) if (insn[field] !== 0) return `reserved field ${field} is not zero`;
  return null;
}

const unknown = (insn: Instruction): string => `unknown opcode 0x${insn.opcode.toString(16).padStart(2, "0")}`;

function checkOne(insn: Instruction): string | null {
  if (insn.dst > op.R10 || insn.src > op.R10) return `there is no register r${Math.max(insn.dst, insn.src)}`;
  switch (insn.opcode & op.CLASS_MASK) {
    case op.BPF_ALU:
    case op.BPF_ALU64:
      return checkAlu(insn) ?? readOnlyFrame(insn.dst);
    case op.BPF_JMP:
    case op.BPF_JMP32:
      return checkJump(insn);
    case op.BPF_LD:
      return checkLd(insn);
    case op.BPF_LDX:
      return checkLdx(insn);
    default:
      return checkStore(insn);
  }
}

const readOnlyFrame = (r: number): string | null => (r === op.R10 ? "r10 is read-only" : null);

function checkAlu(insn: Instruction): string | null {
  const wide = (insn.opcode & op.CLASS_MASK) === op.BPF_ALU64;
  const byRegister = (insn.opcode & op.BPF_X) !== 0;
  const operation = insn.opcode & op.OP_MASK;
  if (operation > op.BPF_END) return unknown(insn);
  if (operation === op.BPF_END) {
    if (wide && byRegister) return unknown(insn);
    if (insn.imm !== 16 && insn.imm !== 32 && insn.imm !== 64) return `byte swap of ${insn.imm} bits`;
    return unused(insn, "src", "off");
  }
  if (operation === op.BPF_NEG) return byRegister ? unknown(insn) : unused(insn, "src", "off", "imm");
  const wrong = byRegister ? unused(insn, "imm") : unused(insn, "src");
  if (wrong !== null || insn.off === 0) return wrong;
  if ((operation === op.BPF_DIV || operation === op.BPF_MOD) && insn.off === 1) return null;
  if (operation === op.BPF_MOV && byRegister && (insn.off === 8 || insn.off === 16 || (wide && insn.off === 32)))
    return null;
  return "reserved field off is not zero";
}

function checkJump(insn: Instruction): string | null {
  const wide = (insn.opcode & op.CLASS_MASK) === op.BPF_JMP;
  const byRegister = (insn.opcode & op.BPF_X) !== 0;
  switch (insn.opcode & op.OP_MASK) {
    case op.BPF_JA:
      if (byRegister) return unknown(insn);
      return wide ? unused(insn, "dst", "src", "imm") : unused(insn, "dst", "src", "off");
    case op.BPF_CALL:
      if (!wide || byRegister) return unknown(insn);
      if (insn.src > op.BPF_PSEUDO_KFUNC_CALL) return "reserved field src is not zero";
      return insn.src === op.BPF_PSEUDO_KFUNC_CALL ? unused(insn, "dst") : unused(insn, "dst", "off");
    case op.BPF_EXIT:
      return !wide || byRegister ? unknown(insn) : unused(insn, "dst", "src", "off", "imm");
    case op.BPF_JCOND:
      return !wide || byRegister ? unknown(insn) : unused(insn, "dst", "src", "imm");
    case 0xf0:
      return unknown(insn);
    default:
      return byRegister ? unused(insn, "imm") : unused(insn, "src");
  }
}

function checkLd(insn: Instruction): string | null {
  const mode = insn.opcode & op.MODE_MASK;
  const size = insn.opcode & op.SIZE_MASK;
  if (mode === op.BPF_IMM && size === op.BPF_DW) {
    if (insn.src > op.BPF_PSEUDO_MAP_IDX_VALUE) return `64-bit load of unknown kind ${insn.src}`;
    return unused(insn, "off") ?? readOnlyFrame(insn.dst);
  }
  if (size === op.BPF_DW) return unknown(insn);
  if (mode === op.BPF_ABS) return unused(insn, "dst", "src", "off");
  if (mode === op.BPF_IND) return unused(insn, "dst", "off");
  return unknown(insn);
}

function checkLdx(insn: Instruction): string | null {
  const mode = insn.opcode & op.MODE_MASK;
  if (mode !== op.BPF_MEM && (mode !== op.BPF_MEMSX || (insn.opcode & op.SIZE_MASK) === op.BPF_DW))
    return unknown(insn);
  return unused(insn, "imm") ?? readOnlyFrame(insn.dst);
}

function checkStore(insn: Instruction): string | null {
  const mode = insn.opcode & op.MODE_MASK;
  const byRegister = (insn.opcode & op.CLASS_MASK) === op.BPF_STX;
  if (mode === op.BPF_MEM) return byRegister ? unused(insn, "imm") : unused(insn, "src");
  if (mode !== op.BPF_ATOMIC || !byRegister) return unknown(insn);
  if (insn.imm === op.BPF_LOAD_ACQ) return readOnlyFrame(insn.dst);
  if (insn.imm === op.BPF_STORE_REL) return null;
  if (!ATOMIC_OPERATIONS.has(insn.imm)) return `unknown atomic operation 0x${(insn.imm >>> 0).toString(16)}`;
  const size = insn.opcode & op.SIZE_MASK;
  if (size !== op.BPF_W && size !== op.BPF_DW) return unknown(insn);
  const fetches = insn.imm !== op.BPF_CMPXCHG && (insn.imm & op.BPF_FETCH) !== 0;
  return fetches ? readOnlyFrame(insn.src) : null;
}
