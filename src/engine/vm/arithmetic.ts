/**
 * 64-bit operations on register halves that are too rare or too long to stand in the interpreter's loop.
 * Each writes its result to `lo[d]`, `hi[d]`. Rules: RFC 9669, section 4.1.
 */

/** The upper 32 bits of the product of two unsigned 32-bit numbers. */
export function mulHigh32(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)) | 0;
}

export function mul64(lo: Int32Array, hi: Int32Array, d: number, bl: number, bh: number): void {
  const al = lo[d] as number;
  const ah = hi[d] as number;
  lo[d] = Math.imul(al, bl);
  hi[d] = (mulHigh32(al, bl) + Math.imul(al, bh) + Math.imul(ah, bl)) | 0;
}

const join = (l: number, h: number): bigint => (BigInt(h >>> 0) << 32n) | BigInt(l >>> 0);

function put(lo: Int32Array, hi: Int32Array, d: number, value: bigint): void {
  lo[d] = Number(BigInt.asIntN(32, value));
  hi[d] = Number(BigInt.asIntN(32, value >> 32n));
}

/** Division by zero gives 0; LLONG_MIN / -1 gives LLONG_MIN. */
export function div64(lo: Int32Array, hi: Int32Array, d: number, bl: number, bh: number, signed: boolean): void {
  if ((bl | bh) === 0) {
    lo[d] = 0;
    hi[d] = 0;
  } else if (!signed && hi[d] === 0 && bh === 0) {
    lo[d] = ((lo[d] as number) >>> 0) / (bl >>> 0);
    hi[d] = 0;
  } else {
    const a = join(lo[d] as number, hi[d] as number);
    const b = join(bl, bh);
    put(lo, hi, d, signed ? BigInt.asIntN(64, a) / BigInt.asIntN(64, b) : a / b);
  }
}

/** Modulo by zero leaves the destination; LLONG_MIN % -1 gives 0. */
export function mod64(lo: Int32Array, hi: Int32Array, d: number, bl: number, bh: number, signed: boolean): void {
  if ((bl | bh) === 0) return;
  if (!signed && hi[d] === 0 && bh === 0) {
    lo[d] = ((lo[d] as number) >>> 0) % (bl >>> 0);
    return;
  }
  const a = join(lo[d] as number, hi[d] as number);
  const b = join(bl, bh);
  put(lo, hi, d, signed ? BigInt.asIntN(64, a) % BigInt.asIntN(64, b) : a % b);
}

export function div32(a: number, b: number, signed: boolean): number {
  if (b === 0) return 0;
  return signed ? (a / b) | 0 : ((a >>> 0) / (b >>> 0)) | 0;
}

export function mod32(a: number, b: number, signed: boolean): number {
  if (b === 0) return a;
  return signed ? (a % b) | 0 : ((a >>> 0) % (b >>> 0)) | 0;
}

export function bswap32(x: number): number {
  return (x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24) | 0;
}

/** Byte order conversion to `width` bits, zero-extended; `swap` is false for the host's own order. */
export function endian(lo: Int32Array, hi: Int32Array, d: number, width: number, swap: boolean): void {
  const l = lo[d] as number;
  const h = hi[d] as number;
  if (width === 16) {
    lo[d] = swap ? ((l & 0xff) << 8) | ((l >>> 8) & 0xff) : l & 0xffff;
    hi[d] = 0;
  } else if (width === 32) {
    lo[d] = swap ? bswap32(l) : l;
    hi[d] = 0;
  } else if (swap) {
    lo[d] = bswap32(h);
    hi[d] = bswap32(l);
  }
}
