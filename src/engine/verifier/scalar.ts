import { bitsFromRanges, deduce, intersectBitsWithRange, rangesFromBits } from "./scalar-agree.ts";
import { bits32, S32_MAX, SIGN, slt, TWO32, ult } from "./words.ts";

/**
 * What is known of a 64-bit value: its known bits and its range under four readings (linux-verifier rules of Linux
 * 6.18). 64-bit words are pairs of signed 32-bit halves, since bigint is far too slow here and doubles are not exact.
 */

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
    rangesFromBits(this);
    // A round that changes nothing ends the three rounds early: the following ones would change nothing either.
    if (deduce(this) && deduce(this)) deduce(this);
    bitsFromRanges(this);
    rangesFromBits(this);
    return this;
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
        intersectBitsWithRange(this, this.sminHi, min, this.smaxHi, max);
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
