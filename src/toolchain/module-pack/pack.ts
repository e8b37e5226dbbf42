import * as f from "./format.ts";

/** Functions of a block: about four megabytes of code. */
const BLOCK_FUNCTIONS = 8000;
const CODE_SECTION = 10;

class Bytes {
  #bytes = new Uint8Array(1 << 16);
  length = 0;

  push(byte: number): void {
    if (this.length === this.#bytes.length) this.#grow(this.length + 1);
    this.#bytes[this.length++] = byte;
  }

  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(this.length + bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  u32(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.push((value >>> shift) & 0xff);
  }

  /** Unsigned LEB128, as short as it can be. */
  leb(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.push((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.push(rest);
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #grow(needed: number): void {
    const bigger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bigger.set(this.view());
    this.#bytes = bigger;
  }
}

const lebLength = (value: number): number => (value < 0x80 ? 1 : 1 + lebLength(Math.floor(value / 0x80)));

class ModuleReader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("the module ends too early");
    return byte;
  }

  unsigned(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return value;
      scale *= 0x80;
    }
  }

  /** Copies a LEB128 number in its shortest form; the number of bytes written. */
  copyLeb(out: Bytes, signed: boolean): number {
    const start = this.at;
    while ((this.byte() & 0x80) !== 0);
    let length = this.at - start;
    let last = this.bytes[this.at - 1] as number;
    while (length > 1) {
      const before = this.bytes[start + length - 2] as number;
      const negative = (before & 0x40) !== 0;
      const redundant = signed ? (last === 0 && !negative) || (last === 0x7f && negative) : last === 0;
      if (!redundant) break;
      length--;
      last = before & 0x7f;
    }
    for (let i = 0; i < length - 1; i++) out.push(this.bytes[start + i] as number);
    out.push(last);
    return length;
  }

  copy(out: Bytes, count: number): number {
    for (let i = 0; i < count; i++) out.push(this.byte());
    return count;
  }
}

/** Rearranges a module; throws when it holds instructions that the format does not carry. */
export function packModule(module: Uint8Array): Uint8Array {
  const reader = new ModuleReader(module);
  reader.at = 8;
  let codeStart = -1;
  let bodies = 0;
  let codeEnd = 0;
  while (reader.at < module.length) {
    const start = reader.at;
    const id = reader.byte();
    const size = reader.unsigned();
    if (id === CODE_SECTION) {
      codeStart = start;
      bodies = reader.at;
      codeEnd = reader.at + size;
      break;
    }
    reader.at += size;
  }
  if (codeStart < 0) throw new Error("the module has no code");
  reader.at = bodies;
  const count = reader.unsigned();
  const blocks = new Bytes();
  let codeBytes = lebLength(count);
  for (let done = 0; done < count; done += BLOCK_FUNCTIONS) {
    codeBytes += packBlock(reader, Math.min(BLOCK_FUNCTIONS, count - done), blocks);
  }
  if (reader.at !== codeEnd) throw new Error("the code section has another length than it says");

  const head = new Bytes();
  head.append(module.subarray(0, codeStart));
  head.push(CODE_SECTION);
  head.leb(codeBytes);
  head.leb(count);
  const tail = module.subarray(codeEnd);
  const out = new Bytes();
  out.u32(f.MAGIC);
  out.u32(head.length + codeBytes - lebLength(count) + tail.length);
  raw(out, head.view());
  out.append(blocks.view());
  raw(out, tail);
  out.push(f.RECORD_END);
  return out.view().slice();
}

function raw(out: Bytes, bytes: Uint8Array): void {
  out.push(f.RECORD_RAW);
  out.u32(bytes.length);
  out.append(bytes);
}

/** Bytes that the functions take in the unpacked module, lengths included. */
function packBlock(reader: ModuleReader, functions: number, out: Bytes): number {
  const streams = Array.from({ length: f.STREAMS }, () => new Bytes());
  let total = 0;
  for (let i = 0; i < functions; i++) {
    const size = reader.unsigned();
    const end = reader.at + size;
    const length = packFunction(reader, end, streams);
    if (reader.at !== end) throw new Error("a function has another length than it says");
    total += lebLength(length) + length;
  }
  out.push(f.RECORD_FUNCTIONS);
  out.u32(functions);
  for (const stream of streams) out.u32(stream.length);
  for (const stream of streams) out.append(stream.view());
  return total;
}

function packFunction(reader: ModuleReader, end: number, streams: readonly Bytes[]): number {
  const stream = (index: number): Bytes => streams[index] as Bytes;
  const others = stream(f.OTHERS);
  const groups = reader.unsigned();
  others.leb(groups);
  let length = lebLength(groups);
  for (let i = 0; i < groups; i++) length += reader.copyLeb(others, false) + reader.copy(others, 1);
  const ops = stream(f.OPS);
  let depth = 0;
  while (reader.at < end) {
    const opcode = reader.byte();
    ops.push(opcode);
    length += 1 + packOperands(reader, opcode, streams);
    if (opcode >= 0x02 && opcode <= 0x04) depth++;
    else if (opcode === 0x0b) depth--;
  }
  // The unpacker finds a function's end as the validator does: by the `end` that closes it.
  if (depth !== -1) throw new Error("a function's blocks do not match");
  return length;
}

function packOperands(reader: ModuleReader, opcode: number, streams: readonly Bytes[]): number {
  const stream = (index: number): Bytes => streams[index] as Bytes;
  const others = stream(f.OTHERS);
  switch (f.SHAPES[opcode]) {
    case f.NONE:
      return 0;
    case f.LOCAL:
      return reader.copyLeb(stream(f.LOCALS), false);
    case f.CALL:
      return reader.copyLeb(stream(f.CALLS), false);
    case f.I32:
      return reader.copyLeb(stream(f.CONST32), true);
    case f.I64:
      return reader.copyLeb(stream(f.CONST64), true);
    case f.MEMORY: {
      const align = reader.unsigned();
      const natural = f.NATURAL_ALIGN[opcode] as number;
      if (align > natural) throw new Error("an access is aligned more than it can be");
      stream(f.ALIGNS).push(natural - align);
      return 1 + reader.copyLeb(stream(f.OFFSETS), false);
    }
    case f.LABEL:
      return reader.copyLeb(stream(f.LABELS), false);
    case f.LABEL_TABLE: {
      const labels = stream(f.LABELS);
      const count = reader.unsigned();
      labels.leb(count);
      let length = lebLength(count);
      for (let i = 0; i <= count; i++) length += reader.copyLeb(labels, false);
      return length;
    }
    case f.BLOCK:
      return reader.copyLeb(stream(f.BLOCKS), true);
    case f.INDEX:
      return reader.copyLeb(others, false);
    case f.TWO_INDICES:
      return reader.copyLeb(others, false) + reader.copyLeb(others, false);
    case f.FLOAT32:
      return reader.copy(others, 4);
    case f.FLOAT64:
      return reader.copy(others, 8);
    case f.TYPES: {
      const count = reader.unsigned();
      others.leb(count);
      return lebLength(count) + reader.copy(others, count);
    }
    case f.PREFIXED: {
      const code = reader.unsigned();
      const indices = f.prefixedIndices(code);
      if (indices < 0) throw new Error(`opcode 0xfc ${code} is not carried`);
      others.leb(code);
      let length = lebLength(code);
      for (let i = 0; i < indices; i++) length += reader.copyLeb(others, false);
      return length;
    }
    default:
      throw new Error(`opcode 0x${opcode.toString(16)} is not carried`);
  }
}
