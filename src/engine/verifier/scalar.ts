export class Scalar {
  vLo = 0;
  vHi = 0;
  mLo = -1;
  mHi = -1;
  static fromNumber(_v: number): Scalar {
    return new Scalar();
  }
  get isConst(): boolean {
    return this.mLo === 0 && this.mHi === 0;
  }
}
export const SCALAR_UNKNOWN = new Scalar();
export const SCALAR_ZERO = new Scalar();
