import type { Instruction } from "./instruction.ts";
import { ldImm64Value } from "./instruction.ts";
import {
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CALL,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_END,
  BPF_EXIT,
  BPF_FETCH,
  BPF_IMM,
  BPF_IND,
  BPF_JA,
  BPF_JCOND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_CALL,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  BPF_XCHG,
  CLASS_MASK,
  MODE_MASK,
  OP_MASK,
  SIZE_MASK,
} from "./opcodes.ts";

/** Names that the instruction set does not know. */
export interface FormatNames {
  /** `bpf_map_lookup_elem#1`, `pc+3`… of a helper, kfunc or function call at slot `at`. */
  call(insn: Instruction, at: number): string;
  /** `0xffff…`, `map[m] ll`… of a two-slot load at slot `at`; `value` is unsigned. */
  wide(insn: Instruction, value: bigint, at: number): string;
}

/** Operators of ALU instructions by the upper four bits; undefined where there is none. */
export const ALU_OPERATORS: readonly (string | undefined)[] = [
  "+=",
  "-=",
  "*=",
  "/=",
  "|=",
  "&=",
  "<<=",
  ">>=",
  "neg",
  "%=",
  "^=",
  "=",
  "s>>=",
  "endian",
];

/** `off` of a 64-bit move that makes an address of this CPU's data of a per-CPU one (the kernel's own use). */
const PERCPU_ADDRESS = -1;

/** Operators of conditional jumps by the upper four bits. */
export const JUMP_OPERATORS: readonly (string | undefined)[] = [
  "jmp",
  "==",
  ">",
  ">=",
  "&",
  "!=",
  "s>",
  "s>=",
  "call",
  "exit",
  "<",
  "<=",
  "s<",
  "s<=",
];

const ATOMIC_NAMES: ReadonlyMap<number, string> = new Map([
  [0x00, "add"],
  [0x40, "or"],
  [0x50, "and"],
  [0xa0, "xor"],
]);

/** `u32`, `u16`, `u8`, `u64` by the size bits. */
const SIZE_NAMES = ["u32", "u16", "u8", "u64"];
const SIGNED_NAMES = ["s32", "s16", "s8", "s64"];

const sizeIndex = (opcode: number): number => (opcode & SIZE_MASK) >> 3;
const signed = (n: number): string => (n < 0 ? `${n}` : `+${n}`);
const hex2 = (n: number): string => n.toString(16).padStart(2, "0");
const hexImm = (imm: number): string => `0x${(imm >>> 0).toString(16)}`;

function memory(insn: Instruction, base: number): string {
  return `(${SIZE_NAMES[sizeIndex(insn.opcode)]} *)(r${base} ${signed(insn.off)})`;
}

function formatAlu(insn: Instruction, letter: "r" | "w"): string {
  const { opcode, dst, src, off, imm } = insn;
  const op = opcode & OP_MASK;
  const d = `${letter}${dst}`;
  if (op === BPF_END) {
    // In class ALU64 the same operation swaps whatever the machine's byte order is.
    if (letter === "r") return `r${dst} = bswap${imm} r${dst}`;
    return `r${dst} = ${opcode & BPF_X ? "be" : "le"}${imm} r${dst}`;
  }
  if (op === BPF_NEG) return `${d} = -${d}`;
  const operator = ALU_OPERATORS[op >> 4];
  if (operator === undefined) return `${d} (null) ${opcode & BPF_X ? `${letter}${src}` : imm}`;
  if ((opcode & BPF_X) !== 0) {
    if (op === BPF_MOV && off !== 0) {
      if (off === 8 || off === 16 || off === 32) return `${d} = (s${off})${letter}${src}`;
      if (off === PERCPU_ADDRESS && letter === "r") return `r${dst} = &(void __percpu *)(r${src})`;
      if (off === 1 && letter === "r") return `r${dst} = addr_space_cast(r${src}, ${imm >>> 16}, ${imm & 0xffff})`;
    }
    return `${d} ${isSignedDivision(op, off) ? `s${operator}` : operator} ${letter}${src}`;
  }
  return `${d} ${isSignedDivision(op, off) ? `s${operator}` : operator} ${imm}`;
}

function isSignedDivision(op: number, off: number): boolean {
  return (op === 0x30 || op === 0x90) && off === 1;
}

function formatAtomic(insn: Instruction): string {
  const { dst, src, imm, opcode } = insn;
  const wide = (opcode & SIZE_MASK) === BPF_DW ? "64" : "";
  const place = memory(insn, dst);
  const name = ATOMIC_NAMES.get(imm & ~BPF_FETCH);
  if (name !== undefined) {
    if ((imm & BPF_FETCH) === 0) return `lock *${place} ${ALU_OPERATORS[imm >> 4]} r${src}`;
    return `r${src} = atomic${wide}_fetch_${name}(${place}, r${src})`;
  }
  if (imm === BPF_CMPXCHG) return `r0 = atomic${wide}_cmpxchg(${place}, r0, r${src})`;
  if (imm === BPF_XCHG) return `r${src} = atomic${wide}_xchg(${place}, r${src})`;
  if (imm === BPF_LOAD_ACQ) return `r${dst} = load_acquire(${memory(insn, src)})`;
  if (imm === BPF_STORE_REL) return `store_release(${place}, r${src})`;
  return `BUG_${hex2(opcode)}`;
}

function formatJump(insn: Instruction, at: number, names: FormatNames): string {
  const { opcode, dst, src, off, imm } = insn;
  const op = opcode & OP_MASK;
  const wide = (opcode & CLASS_MASK) === BPF_JMP;
  if (op === BPF_CALL) {
    return src === BPF_PSEUDO_CALL ? `call pc${signed(imm)}` : `call ${names.call(insn, at)}`;
  }
  if (op === BPF_JA) {
    if (opcode === BPF_JMP) return `goto pc${signed(off)}`;
    if (opcode === BPF_JMP32) return `gotol pc${signed(imm)}`;
  }
  if (op === BPF_EXIT && opcode === (BPF_JMP | BPF_EXIT)) return "exit";
  if (op === BPF_JCOND && opcode === (BPF_JMP | BPF_JCOND) && src === 0) return `may_goto pc${signed(off)}`;
  const letter = wide ? "r" : "w";
  const right = opcode & BPF_X ? `${letter}${src}` : hexImm(imm);
  return `if ${letter}${dst} ${JUMP_OPERATORS[op >> 4] ?? "(null)"} ${right} goto pc${signed(off)}`;
}

/**
 * Text of the instruction at slot `at`, as the verifier's log and `bpftool prog dump xlated` write it, without the opcode
 * in front. `second` is the slot after it, for two-slot loads. Encodings without meaning give `BUG_…` as Linux does.
 */
export function formatInstruction(
  insn: Instruction,
  second: Instruction | undefined,
  at: number,
  names: FormatNames,
): string {
  const { opcode, dst, src, off, imm } = insn;
  switch (opcode & CLASS_MASK) {
    case BPF_ALU:
      return formatAlu(insn, "w");
    case BPF_ALU64:
      return formatAlu(insn, "r");
    case BPF_STX:
      if ((opcode & MODE_MASK) === BPF_MEM) return `*${memory(insn, dst)} = r${src}`;
      if ((opcode & MODE_MASK) === BPF_ATOMIC) return formatAtomic(insn);
      return `BUG_${hex2(opcode)}`;
    case BPF_ST:
      if ((opcode & MODE_MASK) === BPF_MEM) return `*${memory(insn, dst)} = ${imm}`;
      if ((opcode & MODE_MASK) === 0xc0) return "nospec";
      return `BUG_st_${hex2(opcode)}`;
    case BPF_LDX: {
      const mode = opcode & MODE_MASK;
      if (mode !== BPF_MEM && mode !== BPF_MEMSX) return `BUG_ldx_${hex2(opcode)}`;
      const type = (mode === BPF_MEM ? SIZE_NAMES : SIGNED_NAMES)[sizeIndex(opcode)];
      return `r${dst} = *(${type} *)(r${src} ${signed(off)})`;
    }
    case BPF_LD: {
      const mode = opcode & MODE_MASK;
      const type = SIZE_NAMES[sizeIndex(opcode)];
      if (mode === BPF_ABS) return `r0 = *(${type} *)skb[${imm}]`;
      if (mode === BPF_IND) return `r0 = *(${type} *)skb[r${src} + ${imm}]`;
      if (mode === BPF_IMM && (opcode & SIZE_MASK) === BPF_DW) {
        const high = second ?? { opcode: 0, dst: 0, src: 0, off: 0, imm: 0 };
        return `r${dst} = ${names.wide(insn, ldImm64Value(insn, high), at)}`;
      }
      return `BUG_ld_${hex2(opcode)}`;
    }
    default:
      return formatJump(insn, at, names);
  }
}
