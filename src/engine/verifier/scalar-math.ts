import type { Scalar } from "./scalar.ts";
import { rangesFromBits } from "./scalar-agree.ts";
import { slt, ult } from "./words.ts";

/**
 * Arithmetic on {@link Scalar}s: known bits and all four ranges, as measured on Linux 6.18. Every function changes `d`, which the
 * caller has copied, and leaves `x` alone. The caller ends with {@link Scalar.sync} (64 bits) or {@link Scalar.zeroExtend32}.
 */

const TWO32 = 0x1_0000_0000;
const EXACT = 2 ** 53;

const carry = (sum: number, a: number): number => (sum >>> 0 < a >>> 0 ? 1 : 0);

export function addScalar(d: Scalar, x: Scalar): void {
  // 32-bit ranges.
  const sLo = d.s32min + x.s32min;
  const sHi = d.s32max + x.s32max;
  if (sLo !== (sLo | 0) || sHi !== (sHi | 0)) {
    d.s32min = -0x8000_0000;
    d.s32max = 0x7fff_ffff;
  } else {
    d.s32min = sLo;
    d.s32max = sHi;
  }
  const uLo = (d.u32min >>> 0) + (x.u32min >>> 0);
  const uHi = (d.u32max >>> 0) + (x.u32max >>> 0);
  if (uLo < TWO32 && uHi >= TWO32) {
    d.u32min = 0;
    d.u32max = -1;
  } else {
    d.u32min = uLo | 0;
    d.u32max = uHi | 0;
  }

  // 64-bit ranges, signed.
  const minLo = (d.sminLo + x.sminLo) | 0;
  const minHi = (d.sminHi + x.sminHi + carry(minLo, d.sminLo)) | 0;
  const maxLo = (d.smaxLo + x.smaxLo) | 0;
  const maxHi = (d.smaxHi + x.smaxHi + carry(maxLo, d.smaxLo)) | 0;
  if (((d.sminHi ^ minHi) & (x.sminHi ^ minHi)) < 0 || ((d.smaxHi ^ maxHi) & (x.smaxHi ^ maxHi)) < 0) {
    d.fullSigned64();
  } else {
    d.sminHi = minHi;
    d.sminLo = minLo;
    d.smaxHi = maxHi;
    d.smaxLo = maxLo;
  }
  // Unsigned.
  const nLo = (d.uminLo + x.uminLo) | 0;
  const nHi = (d.uminHi + x.uminHi + carry(nLo, d.uminLo)) | 0;
  const mLo = (d.umaxLo + x.umaxLo) | 0;
  const mHi = (d.umaxHi + x.umaxHi + carry(mLo, d.umaxLo)) | 0;
  const minOver = ult(nHi, nLo, d.uminHi, d.uminLo);
  const maxOver = ult(mHi, mLo, d.umaxHi, d.umaxLo);
  if (!minOver && maxOver) d.fullUnsigned64();
  else {
    d.uminHi = nHi;
    d.uminLo = nLo;
    d.umaxHi = mHi;
    d.umaxLo = mLo;
  }
  addBits(d, x.vHi, x.vLo, x.mHi, x.mLo);
}

function addBits(d: Scalar, vHi: number, vLo: number, mHi: number, mLo: number): void {
  const svLo = (d.vLo + vLo) | 0;
  const svHi = (d.vHi + vHi + carry(svLo, vLo)) | 0;
  const smLo = (d.mLo + mLo) | 0;
  const smHi = (d.mHi + mHi + carry(smLo, mLo)) | 0;
  const tLo = (smLo + svLo) | 0;
  const tHi = (smHi + svHi + carry(tLo, smLo)) | 0;
  const muLo = (tLo ^ svLo) | d.mLo | mLo;
  const muHi = (tHi ^ svHi) | d.mHi | mHi;
  d.vLo = svLo & ~muLo;
  d.vHi = svHi & ~muHi;
  d.mLo = muLo;
  d.mHi = muHi;
}

export function subScalar(d: Scalar, x: Scalar): void {
  const sLo = d.s32min - x.s32max;
  const sHi = d.s32max - x.s32min;
  if (sLo !== (sLo | 0) || sHi !== (sHi | 0)) {
    d.s32min = -0x8000_0000;
    d.s32max = 0x7fff_ffff;
  } else {
    d.s32min = sLo;
    d.s32max = sHi;
  }
  const uLo = (d.u32min >>> 0) - (x.u32max >>> 0);
  const uHi = (d.u32max >>> 0) - (x.u32min >>> 0);
  if (uLo < 0 && uHi >= 0) {
    d.u32min = 0;
    d.u32max = -1;
  } else {
    d.u32min = uLo | 0;
    d.u32max = uHi | 0;
  }

  const minLo = (d.sminLo - x.smaxLo) | 0;
  const minHi = (d.sminHi - x.smaxHi - (d.sminLo >>> 0 < x.smaxLo >>> 0 ? 1 : 0)) | 0;
  const maxLo = (d.smaxLo - x.sminLo) | 0;
  const maxHi = (d.smaxHi - x.sminHi - (d.smaxLo >>> 0 < x.sminLo >>> 0 ? 1 : 0)) | 0;
  if (((d.sminHi ^ x.smaxHi) & (d.sminHi ^ minHi)) < 0 || ((d.smaxHi ^ x.sminHi) & (d.smaxHi ^ maxHi)) < 0) {
    d.fullSigned64();
  } else {
    d.sminHi = minHi;
    d.sminLo = minLo;
    d.smaxHi = maxHi;
    d.smaxLo = maxLo;
  }
  const minUnder = ult(d.uminHi, d.uminLo, x.umaxHi, x.umaxLo);
  const maxUnder = ult(d.umaxHi, d.umaxLo, x.uminHi, x.uminLo);
  if (minUnder && !maxUnder) d.fullUnsigned64();
  else {
    const nLo = (d.uminLo - x.umaxLo) | 0;
    const nHi = (d.uminHi - x.umaxHi - (d.uminLo >>> 0 < x.umaxLo >>> 0 ? 1 : 0)) | 0;
    const mLo = (d.umaxLo - x.uminLo) | 0;
    const mHi = (d.umaxHi - x.uminHi - (d.umaxLo >>> 0 < x.uminLo >>> 0 ? 1 : 0)) | 0;
    d.uminHi = nHi;
    d.uminLo = nLo;
    d.umaxHi = mHi;
    d.umaxLo = mLo;
  }
  subBits(d, x);
}

function subBits(d: Scalar, x: Scalar): void {
  const dvLo = (d.vLo - x.vLo) | 0;
  const dvHi = (d.vHi - x.vHi - (d.vLo >>> 0 < x.vLo >>> 0 ? 1 : 0)) | 0;
  const aLo = (dvLo + d.mLo) | 0;
  const aHi = (dvHi + d.mHi + carry(aLo, dvLo)) | 0;
  const bLo = (dvLo - x.mLo) | 0;
  const bHi = (dvHi - x.mHi - (dvLo >>> 0 < x.mLo >>> 0 ? 1 : 0)) | 0;
  const muLo = (aLo ^ bLo) | d.mLo | x.mLo;
  const muHi = (aHi ^ bHi) | d.mHi | x.mHi;
  d.vLo = dvLo & ~muLo;
  d.vHi = dvHi & ~muHi;
  d.mLo = muLo;
  d.mHi = muHi;
}

/** Ranges and bits of pointer + scalar (or - with `subtract`) in 64 bits; the 32-bit ranges become full. */
export function pointerOffset(d: Scalar, x: Scalar, subtract: boolean): void {
  if (subtract) {
    const under = ult(d.uminHi, d.uminLo, x.umaxHi, x.umaxLo);
    subScalar(d, x);
    if (under) d.fullUnsigned64();
  } else {
    const over = ((): boolean => {
      const lo = (d.umaxLo + x.umaxLo) | 0;
      const hi = (d.umaxHi + x.umaxHi + carry(lo, d.umaxLo)) | 0;
      return ult(hi, lo, d.umaxHi, d.umaxLo);
    })();
    addScalar(d, x);
    if (over) d.fullUnsigned64();
  }
  d.fullRange32();
  d.sync();
}

export function mulScalar(d: Scalar, x: Scalar): void {
  mulBits(d, x);
  mul32(d, x);
  const top = d.umax * x.umax;
  if (top < EXACT) {
    const low = d.umin * x.umin;
    d.uminHi = Math.floor(low / TWO32) | 0;
    d.uminLo = low | 0;
    d.umaxHi = Math.floor(top / TWO32) | 0;
    d.umaxLo = top | 0;
  } else if (top >= 2 ** 65) d.fullUnsigned64();
  else {
    const low = d.bigUmin * x.bigUmin;
    const high = d.bigUmax * x.bigUmax;
    if (high > 0xffff_ffff_ffff_ffffn || low > 0xffff_ffff_ffff_ffffn) d.fullUnsigned64();
    else {
      d.uminHi = Number(BigInt.asIntN(32, low >> 32n));
      d.uminLo = Number(BigInt.asIntN(32, low));
      d.umaxHi = Number(BigInt.asIntN(32, high >> 32n));
      d.umaxLo = Number(BigInt.asIntN(32, high));
    }
  }
  const products = [d.smin * x.smin, d.smin * x.smax, d.smax * x.smin, d.smax * x.smax];
  let least = Math.min(...products);
  let most = Math.max(...products);
  if (least > -EXACT && most < EXACT) {
    least += 0;
    most += 0;
    d.sminHi = Math.floor(least / TWO32) | 0;
    d.sminLo = least | 0;
    d.smaxHi = Math.floor(most / TWO32) | 0;
    d.smaxLo = most | 0;
  } else if (least < -(2 ** 64) || most > 2 ** 64) d.fullSigned64();
  else {
    const exact = [d.bigSmin * x.bigSmin, d.bigSmin * x.bigSmax, d.bigSmax * x.bigSmin, d.bigSmax * x.bigSmax];
    if (exact.some((p) => p !== BigInt.asIntN(64, p))) d.fullSigned64();
    else {
      exact.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      const min = exact[0]!;
      const max = exact[3]!;
      d.sminHi = Number(min >> 32n);
      d.sminLo = Number(BigInt.asIntN(32, min));
      d.smaxHi = Number(max >> 32n);
      d.smaxLo = Number(BigInt.asIntN(32, max));
    }
  }
}

/** The 32-bit ranges of a product; products of 32-bit numbers are compared as doubles and made exact with imul. */
function mul32(d: Scalar, x: Scalar): void {
  const high = (d.u32max >>> 0) * (x.u32max >>> 0);
  const low = (d.u32min >>> 0) * (x.u32min >>> 0);
  if (high >= TWO32 || low >= TWO32) {
    d.u32min = 0;
    d.u32max = -1;
  } else {
    d.u32min = low | 0;
    d.u32max = high | 0;
  }
  const a = d.s32min * x.s32min;
  const b = d.s32min * x.s32max;
  const c = d.s32max * x.s32min;
  const e = d.s32max * x.s32max;
  const least = Math.min(a, b, c, e);
  const most = Math.max(a, b, c, e);
  if (least < -0x8000_0000 || most > 0x7fff_ffff) {
    d.s32min = -0x8000_0000;
    d.s32max = 0x7fff_ffff;
  } else {
    d.s32min = least | 0;
    d.s32max = most | 0;
  }
}

/** Known bits of a product by long multiplication: an unknown bit of `d` keeps both possibilities. */
function mulBits(d: Scalar, x: Scalar): void {
  let aVHi = d.vHi;
  let aVLo = d.vLo;
  let aMHi = d.mHi;
  let aMLo = d.mLo;
  let bVHi = x.vHi;
  let bVLo = x.vLo;
  let bMHi = x.mHi;
  let bMLo = x.mLo;
  d.vHi = d.vLo = d.mHi = d.mLo = 0;
  while ((aVHi | aVLo | aMHi | aMLo) !== 0) {
    if (aVLo & 1) addBits(d, bVHi, bVLo, bMHi, bMLo);
    else if (aMLo & 1) {
      const vHi = d.vHi;
      const vLo = d.vLo;
      const mHi = d.mHi;
      const mLo = d.mLo;
      addBits(d, bVHi, bVLo, bMHi, bMLo);
      const muHi = (d.vHi ^ vHi) | d.mHi | mHi;
      const muLo = (d.vLo ^ vLo) | d.mLo | mLo;
      d.vHi = d.vHi & vHi & ~muHi;
      d.vLo = d.vLo & vLo & ~muLo;
      d.mHi = muHi;
      d.mLo = muLo;
    }
    aVLo = (aVLo >>> 1) | (aVHi << 31);
    aVHi = aVHi >>> 1;
    aMLo = (aMLo >>> 1) | (aMHi << 31);
    aMHi = aMHi >>> 1;
    bVHi = (bVHi << 1) | (bVLo >>> 31);
    bVLo = bVLo << 1;
    bMHi = (bMHi << 1) | (bMLo >>> 31);
    bMLo = bMLo << 1;
  }
}

const and = 0;
const or = 1;
const xor = 2;
type Bitwise = typeof and | typeof or | typeof xor;

function bitwise(d: Scalar, x: Scalar, kind: Bitwise): void {
  const bothConst32 = (d.mLo | x.mLo) === 0;
  const bothConst = bothConst32 && (d.mHi | x.mHi) === 0;
  if (kind === and) {
    const vHi = d.vHi & x.vHi;
    const vLo = d.vLo & x.vLo;
    d.mHi = (d.vHi | d.mHi) & (x.vHi | x.mHi) & ~vHi;
    d.mLo = (d.vLo | d.mLo) & (x.vLo | x.mLo) & ~vLo;
    d.vHi = vHi;
    d.vLo = vLo;
  } else if (kind === or) {
    const vHi = d.vHi | x.vHi;
    const vLo = d.vLo | x.vLo;
    d.mHi = (d.mHi | x.mHi) & ~vHi;
    d.mLo = (d.mLo | x.mLo) & ~vLo;
    d.vHi = vHi;
    d.vLo = vLo;
  } else {
    const vHi = d.vHi ^ x.vHi;
    const vLo = d.vLo ^ x.vLo;
    d.mHi |= x.mHi;
    d.mLo |= x.mLo;
    d.vHi = vHi & ~d.mHi;
    d.vLo = vLo & ~d.mLo;
  }
  // 32-bit ranges.
  if (bothConst32) {
    d.u32min = d.u32max = d.s32min = d.s32max = d.vLo;
  } else {
    if (kind === and) {
      d.u32min = d.vLo;
      if (x.u32max >>> 0 < d.u32max >>> 0) d.u32max = x.u32max;
    } else {
      d.u32min = kind === or && x.u32min >>> 0 > d.u32min >>> 0 ? x.u32min : kind === or ? d.u32min : d.vLo;
      d.u32max = d.vLo | d.mLo;
    }
    if (d.u32min <= d.u32max) {
      d.s32min = d.u32min;
      d.s32max = d.u32max;
    } else {
      d.s32min = -0x8000_0000;
      d.s32max = 0x7fff_ffff;
    }
  }
  // 64-bit ranges.
  if (bothConst) {
    d.setConstant(d.vHi, d.vLo);
    return;
  }
  if (kind === and) {
    d.uminHi = d.vHi;
    d.uminLo = d.vLo;
    if (ult(x.umaxHi, x.umaxLo, d.umaxHi, d.umaxLo)) {
      d.umaxHi = x.umaxHi;
      d.umaxLo = x.umaxLo;
    }
  } else {
    if (kind === or) {
      if (ult(d.uminHi, d.uminLo, x.uminHi, x.uminLo)) {
        d.uminHi = x.uminHi;
        d.uminLo = x.uminLo;
      }
    } else {
      d.uminHi = d.vHi;
      d.uminLo = d.vLo;
    }
    d.umaxHi = d.vHi | d.mHi;
    d.umaxLo = d.vLo | d.mLo;
  }
  if (!slt(d.umaxHi, d.umaxLo, d.uminHi, d.uminLo)) {
    d.sminHi = d.uminHi;
    d.sminLo = d.uminLo;
    d.smaxHi = d.umaxHi;
    d.smaxLo = d.umaxLo;
  } else d.fullSigned64();
  rangesFromBits(d);
}

export const andScalar = (d: Scalar, x: Scalar): void => bitwise(d, x, and);
export const orScalar = (d: Scalar, x: Scalar): void => bitwise(d, x, or);
export const xorScalar = (d: Scalar, x: Scalar): void => bitwise(d, x, xor);
