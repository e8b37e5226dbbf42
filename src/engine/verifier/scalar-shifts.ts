import type { Scalar } from "./scalar.ts";
import { rangesFromBits, rangesFromBits32 } from "./scalar-agree.ts";
import { swap32 } from "./words.ts";

/** Shifts and byte swaps of {@link Scalar}s by known amounts; as in `scalar-math.ts`, `d` is changed and the caller synchronises. */

/** Shifts the known bits left by n in 0..63. */
function shiftBitsLeft(d: Scalar, n: number): void {
  if (n >= 32) {
    d.vHi = d.vLo << (n - 32);
    d.mHi = d.mLo << (n - 32);
    d.vLo = d.mLo = 0;
  } else if (n > 0) {
    d.vHi = (d.vHi << n) | (d.vLo >>> (32 - n));
    d.mHi = (d.mHi << n) | (d.mLo >>> (32 - n));
    d.vLo <<= n;
    d.mLo <<= n;
  }
}

function shl32Ranges(d: Scalar, n: number): void {
  d.s32min = -0x8000_0000;
  d.s32max = 0x7fff_ffff;
  if (n > 31 || d.u32max >>> 0 > 2 ** (31 - n)) {
    d.u32min = 0;
    d.u32max = -1;
  } else {
    d.u32min <<= n;
    d.u32max <<= n;
  }
}

/** `<<` by a known amount below the width. */
export function shlScalar(d: Scalar, n: number): void {
  if (n === 32) {
    d.sminHi = d.s32min;
    d.smaxHi = d.s32max;
    d.sminLo = d.smaxLo = 0;
  } else d.fullSigned64();
  shl32Ranges(d, n);
  const limit = 2 ** (63 - n);
  if (d.umax > limit || (d.umax === limit && d.bigUmax > BigInt(limit))) d.fullUnsigned64();
  else {
    shiftUnsignedLeft(d, n);
  }
  shiftBitsLeft(d, n);
  rangesFromBits(d);
}

function shiftUnsignedLeft(d: Scalar, n: number): void {
  if (n === 0) return;
  if (n >= 32) {
    d.uminHi = d.uminLo << (n - 32);
    d.umaxHi = d.umaxLo << (n - 32);
    d.uminLo = d.umaxLo = 0;
  } else {
    d.uminHi = (d.uminHi << n) | (d.uminLo >>> (32 - n));
    d.umaxHi = (d.umaxHi << n) | (d.umaxLo >>> (32 - n));
    d.uminLo <<= n;
    d.umaxLo <<= n;
  }
}

export function shlScalar32(d: Scalar, n: number): void {
  shl32Ranges(d, n);
  d.vLo <<= n;
  d.mLo <<= n;
  d.vHi = d.mHi = 0;
  d.fullRange64();
  rangesFromBits32(d);
}

export function shrScalar(d: Scalar, n: number): void {
  d.fullSigned64();
  if (n >= 32) {
    d.uminLo = d.uminHi >>> (n - 32);
    d.umaxLo = d.umaxHi >>> (n - 32);
    d.vLo = d.vHi >>> (n - 32);
    d.mLo = d.mHi >>> (n - 32);
    d.uminHi = d.umaxHi = d.vHi = d.mHi = 0;
  } else if (n > 0) {
    d.uminLo = (d.uminLo >>> n) | (d.uminHi << (32 - n));
    d.umaxLo = (d.umaxLo >>> n) | (d.umaxHi << (32 - n));
    d.vLo = (d.vLo >>> n) | (d.vHi << (32 - n));
    d.mLo = (d.mLo >>> n) | (d.mHi << (32 - n));
    d.uminHi >>>= n;
    d.umaxHi >>>= n;
    d.vHi >>>= n;
    d.mHi >>>= n;
  }
  signedWords(d);
  d.fullRange32();
  rangesFromBits(d);
}

/** `>>>` leaves unsigned numbers: fields are signed words. */
function signedWords(d: Scalar): void {
  d.uminLo |= 0;
  d.uminHi |= 0;
  d.umaxLo |= 0;
  d.umaxHi |= 0;
  d.vLo |= 0;
  d.vHi |= 0;
  d.mLo |= 0;
  d.mHi |= 0;
}

export function shrScalar32(d: Scalar, n: number): void {
  d.s32min = -0x8000_0000;
  d.s32max = 0x7fff_ffff;
  d.u32min = (d.u32min >>> n) | 0;
  d.u32max = (d.u32max >>> n) | 0;
  d.vLo = (d.vLo >>> n) | 0;
  d.mLo = (d.mLo >>> n) | 0;
  d.vHi = d.mHi = 0;
  d.fullRange64();
  rangesFromBits32(d);
}

export function sarScalar(d: Scalar, n: number): void {
  if (n >= 32) {
    d.sminLo = d.sminHi >> (n - 32);
    d.smaxLo = d.smaxHi >> (n - 32);
    d.vLo = d.vHi >> (n - 32);
    d.mLo = d.mHi >> (n - 32);
    d.sminHi >>= 31;
    d.smaxHi >>= 31;
    d.vHi >>= 31;
    d.mHi >>= 31;
  } else if (n > 0) {
    d.sminLo = (d.sminLo >>> n) | (d.sminHi << (32 - n));
    d.smaxLo = (d.smaxLo >>> n) | (d.smaxHi << (32 - n));
    d.vLo = (d.vLo >>> n) | (d.vHi << (32 - n));
    d.mLo = (d.mLo >>> n) | (d.mHi << (32 - n));
    d.sminHi >>= n;
    d.smaxHi >>= n;
    d.vHi >>= n;
    d.mHi >>= n;
  }
  d.fullUnsigned64();
  d.fullRange32();
  rangesFromBits(d);
}

export function sarScalar32(d: Scalar, n: number): void {
  d.s32min >>= n;
  d.s32max >>= n;
  d.u32min = 0;
  d.u32max = -1;
  d.vLo >>= n;
  d.mLo >>= n;
  d.vHi = d.mHi = 0;
  d.fullRange64();
  rangesFromBits32(d);
}

/** Bytes of the low 2, 4 or 8 bytes reversed; all ranges become full. */
export function swapScalar(d: Scalar, bits: number): void {
  if (bits === 64) {
    const vHi = swap32(d.vLo);
    const mHi = swap32(d.mLo);
    d.vLo = swap32(d.vHi);
    d.mLo = swap32(d.mHi);
    d.vHi = vHi;
    d.mHi = mHi;
  } else {
    d.vHi = d.mHi = 0;
    d.vLo = bits === 32 ? swap32(d.vLo) : swap32(d.vLo) >>> 16;
    d.mLo = bits === 32 ? swap32(d.mLo) : swap32(d.mLo) >>> 16;
  }
  d.fullRanges();
}
