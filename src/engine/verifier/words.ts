/** 64-bit words as pairs of signed 32-bit halves, `hi` and `lo`: what the scalars of the verifier are made of. */

/** Lowest 32-bit word read as signed, as a word. */
export const SIGN = 0x8000_0000 | 0;
export const S32_MAX = 0x7fff_ffff;
export const TWO32 = 0x1_0000_0000;

export function ult(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;
}

export function slt(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi < bHi;
}

export function ult32(a: number, b: number): boolean {
  return a >>> 0 < b >>> 0;
}

/** Bit length of a signed or unsigned 32-bit word. */
export function bits32(x: number): number {
  return 32 - Math.clz32(x);
}

/** The bytes of a 32-bit word reversed. */
export function swap32(x: number): number {
  return (x >>> 24) | ((x >>> 8) & 0xff00) | ((x & 0xff00) << 8) | (x << 24) | 0;
}
