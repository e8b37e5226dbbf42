/**
 * A WebAssembly module rearranged so that gzip finds more in it: the parts of its instructions stand in streams of their own
 * (opcodes, local indices, constants…), block by block, and numbers are as short as they can be. Unpacking gives a module that means
 * the same, not the same bytes: linkers pad numbers.
 *
 * Layout, integers little-endian: "PWM1", u32 bytes of the module, then records. Each begins with a byte: RAW, u32 length, bytes that
 * are copied; FUNCTIONS, u32 count, u32 length of each stream, the streams; END.
 */
export const MAGIC = 0x314d_5750;
export const RECORD_RAW = 0;
export const RECORD_FUNCTIONS = 1;
export const RECORD_END = 2;

export const OPS = 0;
export const LOCALS = 1;
export const CALLS = 2;
export const CONST32 = 3;
export const CONST64 = 4;
export const OFFSETS = 5;
/** Natural alignment of the access minus the given one. */
export const ALIGNS = 6;
export const LABELS = 7;
export const BLOCKS = 8;
export const OTHERS = 9;
export const STREAMS = 10;

/** How the bytes behind an opcode are made; the streams that take them are in the packer and the unpacker. */
export const NONE = 0;
export const LOCAL = 1;
export const CALL = 2;
export const I32 = 3;
export const I64 = 4;
export const MEMORY = 5;
export const LABEL = 6;
export const LABEL_TABLE = 7;
export const BLOCK = 8;
/** An index of something else. */
export const INDEX = 9;
export const TWO_INDICES = 10;
export const FLOAT32 = 11;
export const FLOAT64 = 12;
export const TYPES = 13;
export const PREFIXED = 14;
export const UNKNOWN = 255;

/** Shape of each opcode's operands; UNKNOWN for what this format does not carry (SIMD, exceptions, references). */
export const SHAPES: Uint8Array = shapes();
/** log2 of the bytes that an access takes. */
export const NATURAL_ALIGN: Uint8Array = naturalAlign();

function shapes(): Uint8Array {
  const table = new Uint8Array(256).fill(UNKNOWN);
  const set = (shape: number, ...opcodes: number[]): void => {
    for (const opcode of opcodes) table[opcode] = shape;
  };
  // unreachable, nop, else, end, return, drop, select
  set(NONE, 0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b);
  // eqz to the last sign extension
  for (let opcode = 0x45; opcode <= 0xc4; opcode++) table[opcode] = NONE;
  set(BLOCK, 0x02, 0x03, 0x04);
  set(LABEL, 0x0c, 0x0d);
  set(LABEL_TABLE, 0x0e);
  set(CALL, 0x10);
  set(TWO_INDICES, 0x11);
  set(TYPES, 0x1c);
  set(LOCAL, 0x20, 0x21, 0x22);
  // globals, memory.size, memory.grow
  set(INDEX, 0x23, 0x24, 0x3f, 0x40);
  for (let opcode = 0x28; opcode <= 0x3e; opcode++) table[opcode] = MEMORY;
  set(I32, 0x41);
  set(I64, 0x42);
  set(FLOAT32, 0x43);
  set(FLOAT64, 0x44);
  set(PREFIXED, 0xfc);
  return table;
}

function naturalAlign(): Uint8Array {
  const table = new Uint8Array(256);
  const aligns = [2, 3, 2, 3, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 3, 2, 3, 0, 1, 0, 1, 2];
  aligns.forEach((align, i) => {
    table[0x28 + i] = align;
  });
  return table;
}

/** Indices behind an opcode with prefix 0xfc: saturating conversions none, bulk memory one or two; -1 when unknown. */
export function prefixedIndices(code: number): number {
  if (code < 8) return 0;
  if (code === 8 || code === 10 || code === 12 || code === 14) return 2;
  return code <= 17 ? 1 : -1;
}
