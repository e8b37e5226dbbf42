/**
 * What is known of a 64-bit value: its known bits and its range under four readings (linux-verifier rules of Linux
 * 6.18). 64-bit words are pairs of signed 32-bit halves, since bigint is far too slow here and doubles are not exact.
 */

const SIGN = 0x8000_0000 | 0;
const S32_MAX = 0x7fff_ffff;
const TWO32 = 0x1_0000_0000;

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

/**
 * Known bits (`v`, `m`: a bit is unknown when set in m, else v has it), ranges u64, s64, u32, s32. The 32-bit ranges describe the
 * low half. All fields are signed 32-bit words; u64 and u32 words are compared as unsigned.
 * A scalar that a register holds is never changed; operations work on a {@link Scalar.copy}.
 */
export class Scalar {
  vHi = 0;
  vLo = 0;
  mHi = -1;
  mLo = -1;
  uminHi = 0;
  uminLo = 0;
  umaxHi = -1;
  umaxLo = -1;
  sminHi = SIGN;
  sminLo = 0;
  smaxHi = S32_MAX;
  smaxLo = -1;
  u32min = 0;
  u32max = -1;
  s32min = SIGN;
  s32max = S32_MAX;

  /** The constant hi:lo. */
  static constant(hi: number, lo: number): Scalar {
    const small = hi === 0 ? lo : hi === -1 && lo < 0 ? lo : 0x7fff_ffff;
    if (small >= SMALL_MIN && small < SMALL_MAX && (small >= 0 ? hi === 0 : hi === -1)) {
      return SMALL[small - SMALL_MIN]!;
    }
    return new Scalar().setConstant(hi, lo);
  }

  /** A whole number in the exact range of a double, as 64 bits. */
  static fromNumber(value: number): Scalar {
    return Scalar.constant(Math.floor(value / TWO32) | 0, value | 0);
  }

  static fromBigInt(value: bigint): Scalar {
    return Scalar.constant(Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value)));
  }

  /** Unsigned range [min, max] in the exact range of a double, not negative, synchronised. */
  static range(min: number, max: number): Scalar {
    const s = new Scalar();
    s.uminHi = s.sminHi = Math.floor(min / TWO32) | 0;
    s.uminLo = s.sminLo = min | 0;
    s.umaxHi = s.smaxHi = Math.floor(max / TWO32) | 0;
    s.umaxLo = s.smaxLo = max | 0;
    return s.sync();
  }

  /** Signed range [min, max] in the exact range of a double, synchronised. */
  static signedRange(min: number, max: number): Scalar {
    const s = new Scalar();
    s.sminHi = Math.floor(min / TWO32) | 0;
    s.sminLo = min | 0;
    s.smaxHi = Math.floor(max / TWO32) | 0;
    s.smaxLo = max | 0;
    return s.sync();
  }

  copy(): Scalar {
    const s = new Scalar();
    s.vHi = this.vHi;
    s.vLo = this.vLo;
    s.mHi = this.mHi;
    s.mLo = this.mLo;
    s.uminHi = this.uminHi;
    s.uminLo = this.uminLo;
    s.umaxHi = this.umaxHi;
    s.umaxLo = this.umaxLo;
    s.sminHi = this.sminHi;
    s.sminLo = this.sminLo;
    s.smaxHi = this.smaxHi;
    s.smaxLo = this.smaxLo;
    s.u32min = this.u32min;
    s.u32max = this.u32max;
    s.s32min = this.s32min;
    s.s32max = this.s32max;
    return s;
  }

  setConstant(hi: number, lo: number): this {
    this.vHi = this.uminHi = this.umaxHi = this.sminHi = this.smaxHi = hi;
    this.vLo = this.uminLo = this.umaxLo = this.sminLo = this.smaxLo = lo;
    this.u32min = this.u32max = this.s32min = this.s32max = lo;
    this.mHi = this.mLo = 0;
    return this;
  }

  get isConst(): boolean {
    return (this.mLo | this.mHi) === 0;
  }

  /** The low half is known. */
  get isConst32(): boolean {
    return this.mLo === 0;
  }

  get isUnknown(): boolean {
    return (
      (this.mLo & this.mHi) === -1 &&
      (this.uminHi | this.uminLo) === 0 &&
      (this.umaxHi & this.umaxLo) === -1 &&
      this.sminHi === SIGN &&
      this.sminLo === 0 &&
      this.smaxHi === S32_MAX &&
      this.smaxLo === -1 &&
      this.u32min === 0 &&
      this.u32max === -1 &&
      this.s32min === SIGN &&
      this.s32max === S32_MAX
    );
  }

  /** Ends of the ranges as doubles; exact below 2^53. */
  get smin(): number {
    return this.sminHi * TWO32 + (this.sminLo >>> 0);
  }
  get smax(): number {
    return this.smaxHi * TWO32 + (this.smaxLo >>> 0);
  }
  get umin(): number {
    return (this.uminHi >>> 0) * TWO32 + (this.uminLo >>> 0);
  }
  get umax(): number {
    return (this.umaxHi >>> 0) * TWO32 + (this.umaxLo >>> 0);
  }
  /** Known bits as a signed number: the value of a constant; exact below 2^53. */
  get value(): number {
    return this.vHi * TWO32 + (this.vLo >>> 0);
  }
  get sminIsLowest(): boolean {
    return this.sminHi === SIGN && this.sminLo === 0;
  }
  get bigSmin(): bigint {
    return toBig(this.sminHi, this.sminLo);
  }
  get bigSmax(): bigint {
    return toBig(this.smaxHi, this.smaxLo);
  }
  get bigUmin(): bigint {
    return BigInt.asUintN(64, toBig(this.uminHi, this.uminLo));
  }
  get bigUmax(): bigint {
    return BigInt.asUintN(64, toBig(this.umaxHi, this.umaxLo));
  }
  get bigValue(): bigint {
    return BigInt.asUintN(64, toBig(this.vHi, this.vLo));
  }
  get bigMask(): bigint {
    return BigInt.asUintN(64, toBig(this.mHi, this.mLo));
  }

  sameBounds(o: Scalar): boolean {
    return (
      this.vLo === o.vLo &&
      this.vHi === o.vHi &&
      this.mLo === o.mLo &&
      this.mHi === o.mHi &&
      this.uminLo === o.uminLo &&
      this.uminHi === o.uminHi &&
      this.umaxLo === o.umaxLo &&
      this.umaxHi === o.umaxHi &&
      this.sminLo === o.sminLo &&
      this.sminHi === o.sminHi &&
      this.smaxLo === o.smaxLo &&
      this.smaxHi === o.smaxHi &&
      this.u32min === o.u32min &&
      this.u32max === o.u32max &&
      this.s32min === o.s32min &&
      this.s32max === o.s32max
    );
  }

  /** Every range and bit of `o` lies inside this one. */
  contains(o: Scalar): boolean {
    if (this === o) return true;
    return (
      !ult(o.uminHi, o.uminLo, this.uminHi, this.uminLo) &&
      !ult(this.umaxHi, this.umaxLo, o.umaxHi, o.umaxLo) &&
      !slt(o.sminHi, o.sminLo, this.sminHi, this.sminLo) &&
      !slt(this.smaxHi, this.smaxLo, o.smaxHi, o.smaxLo) &&
      o.u32min >>> 0 >= this.u32min >>> 0 &&
      o.u32max >>> 0 <= this.u32max >>> 0 &&
      o.s32min >= this.s32min &&
      o.s32max <= this.s32max &&
      this.containsBits(o)
    );
  }

  containsBits(o: Scalar): boolean {
    return (
      (o.mLo & ~this.mLo) === 0 &&
      (o.mHi & ~this.mHi) === 0 &&
      this.vLo === (o.vLo & ~this.mLo) &&
      this.vHi === (o.vHi & ~this.mHi)
    );
  }

  fullRange64(): void {
    this.fullSigned64();
    this.fullUnsigned64();
  }
  fullSigned64(): void {
    this.sminHi = SIGN;
    this.sminLo = 0;
    this.smaxHi = S32_MAX;
    this.smaxLo = -1;
  }
  fullUnsigned64(): void {
    this.uminHi = this.uminLo = 0;
    this.umaxHi = this.umaxLo = -1;
  }
  fullRange32(): void {
    this.u32min = 0;
    this.u32max = -1;
    this.s32min = SIGN;
    this.s32max = S32_MAX;
  }
  fullRanges(): void {
    this.fullRange64();
    this.fullRange32();
  }
  unknownBits(): void {
    this.vHi = this.vLo = 0;
    this.mHi = this.mLo = -1;
  }

  /** Ranges of the low half from its known bits. */
  rangesFromBits32(): void {
    const v = this.vLo;
    const m = this.mLo;
    const lo = v | (m & SIGN);
    if (lo > this.s32min) this.s32min = lo;
    const hi = v | (m & S32_MAX);
    if (hi < this.s32max) this.s32max = hi;
    if (v >>> 0 > this.u32min >>> 0) this.u32min = v;
    const top = v | m;
    if (top >>> 0 < this.u32max >>> 0) this.u32max = top;
  }

  /** Ranges of both widths from the known bits (step A). */
  rangesFromBits(): void {
    this.rangesFromBits32();
    const vHi = this.vHi;
    const vLo = this.vLo;
    const mHi = this.mHi;
    const mLo = this.mLo;
    const topHi = vHi | mHi;
    const topLo = vLo | mLo;
    const lowHi = vHi | (mHi & SIGN);
    if (slt(this.sminHi, this.sminLo, lowHi, vLo)) {
      this.sminHi = lowHi;
      this.sminLo = vLo;
    }
    const highHi = vHi | (mHi & S32_MAX);
    if (slt(highHi, topLo, this.smaxHi, this.smaxLo)) {
      this.smaxHi = highHi;
      this.smaxLo = topLo;
    }
    if (ult(this.uminHi, this.uminLo, vHi, vLo)) {
      this.uminHi = vHi;
      this.uminLo = vLo;
    }
    if (ult(topHi, topLo, this.umaxHi, this.umaxLo)) {
      this.umaxHi = topHi;
      this.umaxLo = topLo;
    }
    this.pinOnlyMember();
  }

  /** When the unsigned range holds a single member of the known bits, the value is that member. */
  private pinOnlyMember(): void {
    const { vHi, vLo, mHi, mLo, uminHi, uminLo, umaxHi, umaxLo } = this;
    if ((mHi & mLo) === -1) {
      if (uminHi === umaxHi && uminLo === umaxLo && (uminHi & uminLo) !== -1) this.setConstant(uminHi, uminLo);
      return;
    }
    const member = (uminHi & ~mHi) === vHi && (uminLo & ~mLo) === vLo;
    if (member) {
      // A contiguous low mask with room above the minimum has a next member inside the range in the common case.
      const one = NEXT;
      nextMember(vHi, vLo, mHi, mLo, uminHi, uminLo, one);
      if (ult(umaxHi, umaxLo, one.hi, one.lo)) this.setConstant(uminHi, uminLo);
      return;
    }
    const n = NEXT;
    nextMember(vHi, vLo, mHi, mLo, uminHi, uminLo, n);
    const nHi = n.hi;
    const nLo = n.lo;
    if (nHi === (vHi | mHi) && nLo === (vLo | mLo)) {
      this.setConstant(nHi, nLo);
      return;
    }
    if (!ult(umaxHi, umaxLo, nHi, nLo)) {
      nextMember(vHi, vLo, mHi, mLo, nHi, nLo, n);
      if (ult(umaxHi, umaxLo, n.hi, n.lo)) this.setConstant(nHi, nLo);
    }
  }

  /** Makes ranges and bits agree (steps A to D). */
  sync(): this {
    if (
      (this.mLo | this.mHi) === 0 &&
      this.uminLo === this.vLo &&
      this.uminHi === this.vHi &&
      this.umaxLo === this.vLo &&
      this.umaxHi === this.vHi &&
      this.sminLo === this.vLo &&
      this.sminHi === this.vHi &&
      this.smaxLo === this.vLo &&
      this.smaxHi === this.vHi &&
      this.u32min === this.vLo &&
      this.u32max === this.vLo &&
      this.s32min === this.vLo &&
      this.s32max === this.vLo
    ) {
      return this;
    }
    this.rangesFromBits();
    // A round that changes nothing ends the three rounds early: the following ones would change nothing either.
    if (this.deduce() && this.deduce()) this.deduce();
    this.bitsFromRanges();
    this.rangesFromBits();
    return this;
  }

  /** One round of deductions among the four ranges; true when something changed. */
  private deduce(): boolean {
    let { uminHi, uminLo, umaxHi, umaxLo, sminHi, sminLo, smaxHi, smaxLo, u32min, u32max, s32min, s32max } = this;

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
    if (
      s32min >= 0 &&
      (sminHi >= 0 || (sminHi === -1 && sminLo < 0)) &&
      (smaxHi < 0 || (smaxHi === 0 && smaxLo >= 0))
    ) {
      sminHi = uminHi = 0;
      sminLo = uminLo = s32min;
      // s32max is not below s32min except in contradictory states; its sign is carried on.
      smaxHi = umaxHi = s32max >> 31;
      smaxLo = umaxLo = s32max;
      this.intersectBitsWithRange(sminHi, sminLo, smaxHi, smaxLo);
    }

    const changed =
      uminLo !== this.uminLo ||
      uminHi !== this.uminHi ||
      umaxLo !== this.umaxLo ||
      umaxHi !== this.umaxHi ||
      sminLo !== this.sminLo ||
      sminHi !== this.sminHi ||
      smaxLo !== this.smaxLo ||
      smaxHi !== this.smaxHi ||
      u32min !== this.u32min ||
      u32max !== this.u32max ||
      s32min !== this.s32min ||
      s32max !== this.s32max;
    if (changed) {
      this.uminLo = uminLo;
      this.uminHi = uminHi;
      this.umaxLo = umaxLo;
      this.umaxHi = umaxHi;
      this.sminLo = sminLo;
      this.sminHi = sminHi;
      this.smaxLo = smaxLo;
      this.smaxHi = smaxHi;
      this.u32min = u32min;
      this.u32max = u32max;
      this.s32min = s32min;
      this.s32max = s32max;
    }
    return changed;
  }

  /** Known bits intersected with those that every number in [lo, hi] shares. */
  intersectBitsWithRange(loHi: number, loLo: number, hiHi: number, hiLo: number): void {
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
    const newHi = this.mHi & maskHi;
    const newLo = this.mLo & maskLo;
    this.vHi = (this.vHi | (loHi & ~maskHi)) & ~newHi;
    this.vLo = (this.vLo | (loLo & ~maskLo)) & ~newLo;
    this.mHi = newHi;
    this.mLo = newLo;
  }

  /** Step C. */
  private bitsFromRanges(): void {
    this.intersectBitsWithRange(this.uminHi, this.uminLo, this.umaxHi, this.umaxLo);
    const n = bits32(this.u32min ^ this.u32max);
    const mask = n === 0 ? 0 : -1 >>> (32 - n);
    const m = this.mLo & mask;
    this.vLo = (this.vLo | (this.u32min & ~mask)) & ~m;
    this.mLo = m;
  }

  /** Result of a 32-bit operation: the upper half becomes 0. */
  zeroExtend32(): this {
    this.vHi = this.mHi = 0;
    this.uminHi = this.umaxHi = 0;
    this.uminLo = this.u32min;
    this.umaxLo = this.u32max;
    this.sminHi = this.smaxHi = 0;
    if (this.s32min >= 0) {
      this.sminLo = this.s32min;
      this.smaxLo = this.s32max;
      this.smaxHi = this.s32max >> 31;
    } else {
      this.sminLo = 0;
      this.smaxLo = -1;
    }
    return this.sync();
  }

  /** Keeps the low `size` bytes (1, 2, 4), zero-extended. */
  truncate(size: number): this {
    const maskLo = size === 4 ? -1 : size === 2 ? 0xffff : 0xff;
    this.vHi = this.mHi = 0;
    this.vLo &= maskLo;
    this.mLo &= maskLo;
    if (this.uminHi === this.umaxHi && (this.uminLo & ~maskLo) === (this.umaxLo & ~maskLo)) {
      this.uminLo &= maskLo;
      this.umaxLo &= maskLo;
    } else {
      this.uminLo = 0;
      this.umaxLo = maskLo;
    }
    this.uminHi = this.umaxHi = 0;
    this.sminHi = this.smaxHi = 0;
    this.sminLo = this.uminLo;
    this.smaxLo = this.umaxLo;
    if (size < 4) this.fullRange32();
    return this.sync();
  }

  /** Sign-extends the low `size` bytes (1, 2, 4) to 64 bits. Not synchronised. */
  signExtend64(size: number): this {
    const shift = 32 - 8 * size;
    if (this.isConst) {
      const lo = (this.vLo << shift) >> shift;
      return this.setConstant(lo >> 31, lo);
    }
    const above = size === 4 ? 0 : -1 << (8 * size);
    if (this.sminHi === this.smaxHi && (this.sminLo & above) === (this.smaxLo & above)) {
      const a = (this.sminLo << shift) >> shift;
      const b = (this.smaxLo << shift) >> shift;
      if (a >= 0 === b >= 0) {
        const min = Math.min(a, b);
        const max = Math.max(a, b);
        this.sminLo = this.uminLo = this.s32min = this.u32min = min;
        this.smaxLo = this.umaxLo = this.s32max = this.u32max = max;
        this.sminHi = this.uminHi = min >> 31;
        this.smaxHi = this.umaxHi = max >> 31;
        this.unknownBits();
        this.intersectBitsWithRange(this.sminHi, min, this.smaxHi, max);
        return this;
      }
    }
    const limit = size === 4 ? S32_MAX : (1 << (8 * size - 1)) - 1;
    this.sminHi = -1;
    this.sminLo = ~limit;
    this.smaxHi = 0;
    this.smaxLo = limit;
    this.s32min = ~limit;
    this.s32max = limit;
    this.fullUnsigned64();
    this.u32min = 0;
    this.u32max = -1;
    this.unknownBits();
    return this;
  }

  /** Sign-extends the low `size` bytes (1, 2) to 32 bits; the caller zero-extends. */
  signExtend32(size: number): this {
    const shift = 32 - 8 * size;
    if (this.isConst) {
      const lo = (this.vLo << shift) >> shift;
      this.vLo = lo;
      this.s32min = this.s32max = this.u32min = this.u32max = lo;
      return this;
    }
    const above = -1 << (8 * size);
    if ((this.s32min & above) === (this.s32max & above)) {
      const a = (this.s32min << shift) >> shift;
      const b = (this.s32max << shift) >> shift;
      if (a >= 0 === b >= 0) {
        const min = Math.min(a, b);
        const max = Math.max(a, b);
        this.s32min = this.u32min = min;
        this.s32max = this.u32max = max;
        const n = bits32(min ^ max);
        const mask = n === 0 ? 0 : -1 >>> (32 - n);
        this.vLo = min & ~mask;
        this.mLo = mask;
        return this;
      }
    }
    const limit = (1 << (8 * size - 1)) - 1;
    this.s32min = ~limit;
    this.s32max = limit;
    this.u32min = 0;
    this.u32max = -1;
    this.vLo = 0;
    this.mLo = -1;
    return this;
  }

  /** Why ranges and bits contradict each other; null when they do not. */
  contradiction(): string | null {
    if (
      ult(this.umaxHi, this.umaxLo, this.uminHi, this.uminLo) ||
      slt(this.smaxHi, this.smaxLo, this.sminHi, this.sminLo) ||
      this.u32min >>> 0 > this.u32max >>> 0 ||
      this.s32min > this.s32max
    ) {
      return "range bounds violation";
    }
    if (this.isConst) {
      const hi = this.vHi;
      const lo = this.vLo;
      if (
        this.uminLo !== lo ||
        this.uminHi !== hi ||
        this.umaxLo !== lo ||
        this.umaxHi !== hi ||
        this.sminLo !== lo ||
        this.sminHi !== hi ||
        this.smaxLo !== lo ||
        this.smaxHi !== hi
      ) {
        return "const tnum out of sync with range bounds";
      }
    }
    if (this.mLo === 0) {
      const lo = this.vLo;
      if (this.u32min !== lo || this.u32max !== lo || this.s32min !== lo || this.s32max !== lo) {
        return "const subreg tnum out of sync with range bounds";
      }
    }
    return null;
  }
}

function toBig(hi: number, lo: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo >>> 0);
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

const SMALL_MIN = -64;
const SMALL_MAX = 1025;
const SMALL: readonly Scalar[] = Array.from({ length: SMALL_MAX - SMALL_MIN }, (_, i) =>
  new Scalar().setConstant(i + SMALL_MIN < 0 ? -1 : 0, i + SMALL_MIN),
);

/** Nothing known. */
export const SCALAR_UNKNOWN = new Scalar();
export const SCALAR_ZERO = Scalar.constant(0, 0);
/** Unknown values of 1, 2 and 4 bytes, zero-extended. */
export const SCALAR_U8 = new Scalar().truncate(1);
export const SCALAR_U16 = new Scalar().truncate(2);
export const SCALAR_U32 = new Scalar().truncate(4);
