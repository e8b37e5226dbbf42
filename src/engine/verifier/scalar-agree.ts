import type { Scalar } from "./scalar.ts";
import { bits32, S32_MAX, SIGN, slt, ult } from "./words.ts";

/** How the known bits and the four ranges of a {@link Scalar} learn from each other, in the steps of Linux 6.18. */

/** Ranges of the low half from its known bits. */
export function rangesFromBits32(s: Scalar): void {
  const v = s.vLo;
  const m = s.mLo;
  const lo = v | (m & SIGN);
  if (lo > s.s32min) s.s32min = lo;
  const hi = v | (m & S32_MAX);
  if (hi < s.s32max) s.s32max = hi;
  if (v >>> 0 > s.u32min >>> 0) s.u32min = v;
  const top = v | m;
  if (top >>> 0 < s.u32max >>> 0) s.u32max = top;
}

/** Ranges of both widths from the known bits (step A). */
export function rangesFromBits(s: Scalar): void {
  rangesFromBits32(s);
  const vHi = s.vHi;
  const vLo = s.vLo;
  const mHi = s.mHi;
  const mLo = s.mLo;
  const topHi = vHi | mHi;
  const topLo = vLo | mLo;
  const lowHi = vHi | (mHi & SIGN);
  if (slt(s.sminHi, s.sminLo, lowHi, vLo)) {
    s.sminHi = lowHi;
    s.sminLo = vLo;
  }
  const highHi = vHi | (mHi & S32_MAX);
  if (slt(highHi, topLo, s.smaxHi, s.smaxLo)) {
    s.smaxHi = highHi;
    s.smaxLo = topLo;
  }
  if (ult(s.uminHi, s.uminLo, vHi, vLo)) {
    s.uminHi = vHi;
    s.uminLo = vLo;
  }
  if (ult(topHi, topLo, s.umaxHi, s.umaxLo)) {
    s.umaxHi = topHi;
    s.umaxLo = topLo;
  }
  pinOnlyMember(s);
}

/** When the unsigned range holds a single member of the known bits, the value is that member. */
function pinOnlyMember(s: Scalar): void {
  const { vHi, vLo, mHi, mLo, uminHi, uminLo, umaxHi, umaxLo } = s;
  if ((mHi & mLo) === -1) {
    if (uminHi === umaxHi && uminLo === umaxLo && (uminHi & uminLo) !== -1) s.setConstant(uminHi, uminLo);
    return;
  }
  const member = (uminHi & ~mHi) === vHi && (uminLo & ~mLo) === vLo;
  if (member) {
    // A contiguous low mask with room above the minimum has a next member inside the range in the common case.
    const one = NEXT;
    nextMember(vHi, vLo, mHi, mLo, uminHi, uminLo, one);
    if (ult(umaxHi, umaxLo, one.hi, one.lo)) s.setConstant(uminHi, uminLo);
    return;
  }
  const n = NEXT;
  nextMember(vHi, vLo, mHi, mLo, uminHi, uminLo, n);
  const nHi = n.hi;
  const nLo = n.lo;
  if (nHi === (vHi | mHi) && nLo === (vLo | mLo)) {
    s.setConstant(nHi, nLo);
    return;
  }
  if (!ult(umaxHi, umaxLo, nHi, nLo)) {
    nextMember(vHi, vLo, mHi, mLo, nHi, nLo, n);
    if (ult(umaxHi, umaxLo, n.hi, n.lo)) s.setConstant(nHi, nLo);
  }
}

/** One round of deductions among the four ranges; true when something changed. */
export function deduce(s: Scalar): boolean {
  let { uminHi, uminLo, umaxHi, umaxLo, sminHi, sminLo, smaxHi, smaxLo, u32min, u32max, s32min, s32max } = s;

  // 32 bits from 64 bits.
  if (uminHi === umaxHi) {
    if (uminLo >>> 0 > u32min >>> 0) u32min = uminLo;
    if (umaxLo >>> 0 < u32max >>> 0) u32max = umaxLo;
    if (uminLo <= umaxLo) {
      if (uminLo > s32min) s32min = uminLo;
      if (umaxLo < s32max) s32max = umaxLo;
    }
  }
  if (sminHi === smaxHi) {
    if (sminLo >>> 0 <= smaxLo >>> 0) {
      if (sminLo >>> 0 > u32min >>> 0) u32min = sminLo;
      if (smaxLo >>> 0 < u32max >>> 0) u32max = smaxLo;
    }
    if (sminLo <= smaxLo) {
      if (sminLo > s32min) s32min = sminLo;
      if (smaxLo < s32max) s32max = smaxLo;
    }
  }
  if (((uminHi + 1) | 0) === umaxHi && uminLo < 0 && umaxLo >= 0) {
    if (uminLo > s32min) s32min = uminLo;
    if (umaxLo < s32max) s32max = umaxLo;
  }
  if (((sminHi + 1) | 0) === smaxHi && sminLo < 0 && smaxLo >= 0) {
    if (sminLo > s32min) s32min = sminLo;
    if (smaxLo < s32max) s32max = smaxLo;
  }
  // 32 bits, signed and unsigned from each other.
  if (u32min <= u32max) {
    if (u32min > s32min) s32min = u32min;
    if (u32max < s32max) s32max = u32max;
  }
  if (s32min >>> 0 <= s32max >>> 0) {
    if (s32min >>> 0 > u32min >>> 0) u32min = s32min;
    if (s32max >>> 0 < u32max >>> 0) u32max = s32max;
  } else if (u32max >>> 0 < s32min >>> 0) {
    s32min = u32min;
    if (s32max >>> 0 < u32max >>> 0) u32max = s32max;
  } else if (s32max >>> 0 < u32min >>> 0) {
    s32max = u32max;
    if (s32min >>> 0 > u32min >>> 0) u32min = s32min;
  }

  // 64 bits, signed and unsigned from each other.
  if (!slt(umaxHi, umaxLo, uminHi, uminLo)) {
    if (slt(sminHi, sminLo, uminHi, uminLo)) {
      sminHi = uminHi;
      sminLo = uminLo;
    }
    if (slt(umaxHi, umaxLo, smaxHi, smaxLo)) {
      smaxHi = umaxHi;
      smaxLo = umaxLo;
    }
  }
  if (!ult(smaxHi, smaxLo, sminHi, sminLo)) {
    if (ult(uminHi, uminLo, sminHi, sminLo)) {
      uminHi = sminHi;
      uminLo = sminLo;
    }
    if (ult(smaxHi, smaxLo, umaxHi, umaxLo)) {
      umaxHi = smaxHi;
      umaxLo = smaxLo;
    }
  } else if (ult(umaxHi, umaxLo, sminHi, sminLo)) {
    sminHi = uminHi;
    sminLo = uminLo;
    if (ult(smaxHi, smaxLo, umaxHi, umaxLo)) {
      umaxHi = smaxHi;
      umaxLo = smaxLo;
    }
  } else if (ult(smaxHi, smaxLo, uminHi, uminLo)) {
    smaxHi = umaxHi;
    smaxLo = umaxLo;
    if (ult(uminHi, uminLo, sminHi, sminLo)) {
      uminHi = sminHi;
      uminLo = sminLo;
    }
  }

  // 64 bits from 32 bits: the upper half stays, the lower half is narrowed.
  if (u32min >>> 0 > uminLo >>> 0) uminLo = u32min;
  if (u32max >>> 0 < umaxLo >>> 0) umaxLo = u32max;
  if (u32min >>> 0 > sminLo >>> 0) sminLo = u32min;
  if (u32max >>> 0 < smaxLo >>> 0) smaxLo = u32max;
  if (s32min >= 0 && (sminHi >= 0 || (sminHi === -1 && sminLo < 0)) && (smaxHi < 0 || (smaxHi === 0 && smaxLo >= 0))) {
    sminHi = uminHi = 0;
    sminLo = uminLo = s32min;
    // s32max is not below s32min except in contradictory states; its sign is carried on.
    smaxHi = umaxHi = s32max >> 31;
    smaxLo = umaxLo = s32max;
    intersectBitsWithRange(s, sminHi, sminLo, smaxHi, smaxLo);
  }

  const changed =
    uminLo !== s.uminLo ||
    uminHi !== s.uminHi ||
    umaxLo !== s.umaxLo ||
    umaxHi !== s.umaxHi ||
    sminLo !== s.sminLo ||
    sminHi !== s.sminHi ||
    smaxLo !== s.smaxLo ||
    smaxHi !== s.smaxHi ||
    u32min !== s.u32min ||
    u32max !== s.u32max ||
    s32min !== s.s32min ||
    s32max !== s.s32max;
  if (changed) {
    s.uminLo = uminLo;
    s.uminHi = uminHi;
    s.umaxLo = umaxLo;
    s.umaxHi = umaxHi;
    s.sminLo = sminLo;
    s.sminHi = sminHi;
    s.smaxLo = smaxLo;
    s.smaxHi = smaxHi;
    s.u32min = u32min;
    s.u32max = u32max;
    s.s32min = s32min;
    s.s32max = s32max;
  }
  return changed;
}

/** Known bits intersected with those that every number in [lo, hi] shares. */
export function intersectBitsWithRange(s: Scalar, loHi: number, loLo: number, hiHi: number, hiLo: number): void {
  const diffHi = loHi ^ hiHi;
  const diffLo = loLo ^ hiLo;
  const n = diffHi !== 0 ? 32 + bits32(diffHi) : bits32(diffLo);
  if (n > 63) return;
  let maskHi: number;
  let maskLo: number;
  if (n >= 32) {
    maskLo = -1;
    maskHi = n === 32 ? 0 : -1 >>> (64 - n);
  } else {
    maskHi = 0;
    maskLo = n === 0 ? 0 : -1 >>> (32 - n);
  }
  const newHi = s.mHi & maskHi;
  const newLo = s.mLo & maskLo;
  s.vHi = (s.vHi | (loHi & ~maskHi)) & ~newHi;
  s.vLo = (s.vLo | (loLo & ~maskLo)) & ~newLo;
  s.mHi = newHi;
  s.mLo = newLo;
}

/** Step C. */
export function bitsFromRanges(s: Scalar): void {
  intersectBitsWithRange(s, s.uminHi, s.uminLo, s.umaxHi, s.umaxLo);
  const n = bits32(s.u32min ^ s.u32max);
  const mask = n === 0 ? 0 : -1 >>> (32 - n);
  const m = s.mLo & mask;
  s.vLo = (s.vLo | (s.u32min & ~mask)) & ~m;
  s.mLo = m;
}

/** A 64-bit result of a function called in the innermost loops, reused there instead of a fresh object. */
interface Pair {
  hi: number;
  lo: number;
}
const NEXT: Pair = { hi: 0, lo: 0 };

/** The smallest member of (v; m) above z; the largest member when there is none. */
function nextMember(vHi: number, vLo: number, mHi: number, mLo: number, zHi: number, zLo: number, out: Pair): void {
  const maxHi = vHi | mHi;
  const maxLo = vLo | mLo;
  if (!ult(zHi, zLo, maxHi, maxLo)) {
    out.hi = maxHi;
    out.lo = maxLo;
    return;
  }
  if (ult(zHi, zLo, vHi, vLo)) {
    out.hi = vHi;
    out.lo = vLo;
    return;
  }
  // The highest fixed bit in which z differs decides: 1 wanted, 0 there: fill up below; else carry into the unknown bits above.
  const diffHi = (zHi ^ vHi) & ~mHi;
  const diffLo = (zLo ^ vLo) & ~mLo;
  let lowHi = 0;
  let lowLo = 0;
  if (diffHi !== 0) {
    lowHi = -1 >>> Math.clz32(diffHi);
    lowLo = -1;
    if ((vHi & diffHi & ~(lowHi >>> 1)) !== 0) {
      out.hi = (zHi & ~lowHi) | (vHi & lowHi);
      out.lo = vLo;
      return;
    }
  } else if (diffLo !== 0) {
    lowLo = -1 >>> Math.clz32(diffLo);
    if ((vLo & diffLo & ~(lowLo >>> 1)) !== 0) {
      out.hi = zHi;
      out.lo = (zLo & ~lowLo) | (vLo & lowLo);
      return;
    }
  }
  const baseLo = zLo | ~mLo | lowLo;
  const sumLo = (baseLo + 1) | 0;
  const sumHi = ((zHi | ~mHi | lowHi) + (sumLo === 0 ? 1 : 0)) | 0;
  out.hi = (sumHi & mHi & ~lowHi) | vHi;
  out.lo = (sumLo & mLo & ~lowLo) | vLo;
}
