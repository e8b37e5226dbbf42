import * as f from "./format.ts";

const HEADER_BYTES = 8;
const LENGTH_BYTES = 4;
const FUNCTIONS_HEAD = 1 + LENGTH_BYTES * (1 + f.STREAMS);

/** Takes packed bytes as they arrive and gives the module's bytes as soon as they can be known. */
export class ModuleUnpacker {
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** Bytes without which nothing can be done. */
  #needed = HEADER_BYTES;
  #begun = false;
  #ended = false;
  readonly #emit: (bytes: Uint8Array) => void;

  /** `emit` gets the module's bytes in order; throws on what is no packed module. */
  constructor(emit: (bytes: Uint8Array) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    // Joined only when the next record is there as a whole: each byte is moved once or twice, not once per chunk.
    if (this.#length < this.#needed) return;
    const bytes = this.#join();
    let at = 0;
    if (!this.#begun && bytes.length >= HEADER_BYTES) {
      if (u32(bytes, 0) !== f.MAGIC) throw new Error("this is no packed module");
      this.#begun = true;
      at = HEADER_BYTES;
    }
    this.#needed = HEADER_BYTES;
    while (this.#begun && !this.#ended) {
      const size = recordSize(bytes, at);
      this.#needed = size;
      if (size > bytes.length - at) break;
      this.#record(bytes, at);
      at += size;
    }
    const rest = bytes.subarray(at);
    this.#chunks = [rest];
    this.#length = rest.length;
  }

  #join(): Uint8Array {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only !== undefined) return only;
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return joined;
  }

  finish(): void {
    if (!this.#ended) throw new Error("the packed module ends too early");
  }

  #record(bytes: Uint8Array, at: number): void {
    switch (bytes[at]) {
      case f.RECORD_RAW: {
        const start = at + 1 + LENGTH_BYTES;
        this.#emit(bytes.slice(start, start + u32(bytes, at + 1)));
        return;
      }
      case f.RECORD_FUNCTIONS: {
        const starts: number[] = [];
        let end = at + FUNCTIONS_HEAD;
        for (let i = 0; i < f.STREAMS; i++) {
          starts.push(end);
          end += u32(bytes, at + 1 + LENGTH_BYTES * (1 + i));
        }
        this.#emit(unpackFunctions(bytes, u32(bytes, at + 1), starts, end));
        return;
      }
      default:
        this.#ended = true;
    }
  }
}

/** Bytes of the record at `at`, or of as much of it as has to be there to know. */
function recordSize(bytes: Uint8Array, at: number): number {
  const left = bytes.length - at;
  if (left < 1) return 1;
  switch (bytes[at]) {
    case f.RECORD_RAW: {
      const head = 1 + LENGTH_BYTES;
      return left < head ? head : head + u32(bytes, at + 1);
    }
    case f.RECORD_FUNCTIONS: {
      let size = FUNCTIONS_HEAD;
      if (left < size) return size;
      for (let i = 0; i < f.STREAMS; i++) size += u32(bytes, at + 1 + LENGTH_BYTES * (1 + i));
      return size;
    }
    case f.RECORD_END:
      return 1;
    default:
      throw new Error("the packed module is broken");
  }
}

/** A module of the whole packed text, for tests and checks. */
export function unpackModule(packed: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  const unpacker = new ModuleUnpacker((bytes) => parts.push(bytes));
  unpacker.push(packed);
  unpacker.finish();
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/**
 * The functions of a block, each with its length in front. One loop over the opcodes with a cursor in every stream: it runs over
 * tens of millions of instructions while the download goes on, hence no calls per byte.
 */
function unpackFunctions(bytes: Uint8Array, count: number, starts: readonly number[], end: number): Uint8Array {
  const cursors = Int32Array.from(starts);
  let ops = starts[f.OPS] as number;
  let aligns = starts[f.ALIGNS] as number;
  // Every packed byte becomes one byte; the lengths of the functions come on top.
  let out = new Uint8Array(end - (starts[0] as number) + count * 5);
  let to = 0;
  let body = new Uint8Array(1 << 16);
  for (let i = 0; i < count; i++) {
    let at = 0;
    let depth = 0;
    const reserve = (room: number): void => {
      if (at + room <= body.length) return;
      const bigger = new Uint8Array(Math.max(body.length * 2, at + room));
      bigger.set(body);
      body = bigger;
    };
    const copyLeb = (stream: number): number => {
      let cursor = cursors[stream] as number;
      let value = 0;
      let shift = 0;
      let byte: number;
      do {
        byte = bytes[cursor++] as number;
        body[at++] = byte;
        value |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte >= 0x80);
      cursors[stream] = cursor;
      return value;
    };
    const copyBytes = (stream: number, length: number): void => {
      let cursor = cursors[stream] as number;
      for (let n = 0; n < length; n++) body[at++] = bytes[cursor++] as number;
      cursors[stream] = cursor;
    };
    reserve(16);
    const groups = copyLeb(f.OTHERS);
    for (let group = 0; group < groups; group++) {
      reserve(16);
      copyLeb(f.OTHERS);
      copyBytes(f.OTHERS, 1);
    }
    while (depth >= 0) {
      reserve(64);
      const opcode = bytes[ops++] as number;

      body[at++] = opcode;
      switch (f.SHAPES[opcode]) {
        case f.NONE:
          if (opcode === 0x0b) depth--;
          break;
        case f.LOCAL:
          copyLeb(f.LOCALS);
          break;
        case f.CALL:
          copyLeb(f.CALLS);
          break;
        case f.I32:
          copyLeb(f.CONST32);
          break;
        case f.I64:
          copyLeb(f.CONST64);
          break;
        case f.MEMORY:
          body[at++] = (f.NATURAL_ALIGN[opcode] as number) - (bytes[aligns++] as number);
          copyLeb(f.OFFSETS);
          break;
        case f.LABEL:
          copyLeb(f.LABELS);
          break;
        case f.LABEL_TABLE: {
          const labels = copyLeb(f.LABELS);
          reserve((labels + 1) * 5);
          for (let n = 0; n <= labels; n++) copyLeb(f.LABELS);
          break;
        }
        case f.BLOCK:
          depth++;
          copyLeb(f.BLOCKS);
          break;
        case f.INDEX:
          copyLeb(f.OTHERS);
          break;
        case f.TWO_INDICES:
          copyLeb(f.OTHERS);
          copyLeb(f.OTHERS);
          break;
        case f.FLOAT32:
          copyBytes(f.OTHERS, 4);
          break;
        case f.FLOAT64:
          copyBytes(f.OTHERS, 8);
          break;
        case f.TYPES: {
          const types = copyLeb(f.OTHERS);
          reserve(types);
          copyBytes(f.OTHERS, types);
          break;
        }
        case f.PREFIXED: {
          const indices = f.prefixedIndices(copyLeb(f.OTHERS));
          for (let n = 0; n < indices; n++) copyLeb(f.OTHERS);
          break;
        }
        default:
          throw new Error("the packed module is broken");
      }
    }
    if (to + at + 5 > out.length) {
      const bigger = new Uint8Array(Math.max(out.length * 2, to + at + 5));
      bigger.set(out.subarray(0, to));
      out = bigger;
    }
    let length = at;
    while (length >= 0x80) {
      out[to++] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    out[to++] = length;
    out.set(body.subarray(0, at), to);
    to += at;
  }
  return out.subarray(0, to);
}
