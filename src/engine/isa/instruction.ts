import { LD_IMM64 } from "./opcodes.ts";

/**
 * One 8-byte slot of a program (RFC 9669, section 3). A 64-bit immediate load takes two slots, the second with
 * opcode 0 and the upper 32 bits in `imm`; indices everywhere in the engine count slots, as the kernel does.
 */
export interface Instruction {
  /** 0..255 */
  readonly opcode: number;
  /** 0..15; only 0..10 name registers */
  readonly dst: number;
  readonly src: number;
  /** signed 16 bits */
  readonly off: number;
  /** signed 32 bits */
  readonly imm: number;
}

export const INSTRUCTION_BYTES = 8;

/** Reads little-endian slots. `bytes.length` must be a multiple of 8: a trailing part is not read. */
export function decodeInstructions(bytes: Uint8Array): Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const insns: Instruction[] = [];
  for (let at = 0; at + INSTRUCTION_BYTES <= bytes.length; at += INSTRUCTION_BYTES) {
    const registers = view.getUint8(at + 1);
    insns.push({
      opcode: view.getUint8(at),
      dst: registers & 0xf,
      src: registers >> 4,
      off: view.getInt16(at + 2, true),
      imm: view.getInt32(at + 4, true),
    });
  }
  return insns;
}

export function encodeInstructions(insns: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(insns.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  insns.forEach((insn, index) => {
    const at = index * INSTRUCTION_BYTES;
    view.setUint8(at, insn.opcode);
    view.setUint8(at + 1, (insn.dst & 0xf) | ((insn.src & 0xf) << 4));
    view.setInt16(at + 2, insn.off, true);
    view.setInt32(at + 4, insn.imm, true);
  });
  return bytes;
}

/** True for the first slot of a 64-bit immediate load. */
export function isLdImm64(insn: Instruction): boolean {
  return insn.opcode === LD_IMM64;
}

/** The 64-bit constant of a two-slot load, as unsigned. */
export function ldImm64Value(first: Instruction, second: Instruction): bigint {
  return (BigInt.asUintN(32, BigInt(second.imm)) << 32n) | BigInt.asUintN(32, BigInt(first.imm));
}
