import type { Scalar } from "../scalar.ts";

const TWO32 = 0x1_0000_0000;

/** `0x…` of a 64-bit word. */
export function hexWord(hi: number, lo: number): string {
  if (hi === 0) return `0x${(lo >>> 0).toString(16)}`;
  return `0x${(hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(8, "0")}`;
}

/** A signed 64-bit number as states print it: decimal in -32768..32767, else 64-bit hex. */
export function signedText(hi: number, lo: number): string {
  if ((hi === 0 && lo >= 0 && lo <= 32767) || (hi === -1 && lo < 0 && lo >= -32768)) return String(lo);
  return hexWord(hi, lo);
}

/** A signed 64-bit number in the exact range of a double. */
export function signedNumberText(value: number): string {
  return signedText(Math.floor(value / TWO32) | 0, value | 0);
}

/** An unsigned 64-bit number: decimal up to 65535. */
export function unsignedText(hi: number, lo: number): string {
  if (hi === 0 && lo >= 0 && lo <= 65535) return String(lo);
  return hexWord(hi, lo);
}

/** Known bits that are not constant, `(0xV; 0xM)`. */
export function bitsText(s: Scalar): string {
  if (s.isConst) return constantText(s.vHi, s.vLo);
  return `(${hexWord(s.vHi, s.vLo)}; ${hexWord(s.mHi, s.mLo)})`;
}

/** A constant: decimal in -32768..65535, else hex. */
export function constantText(hi: number, lo: number): string {
  if ((hi === 0 && lo >= 0 && lo <= 65535) || (hi === -1 && lo < 0 && lo >= -32768)) return String(lo);
  return hexWord(hi, lo);
}

/** Known bits in messages: `(0xV; 0xM)`, a constant as an unsigned number. */
export function bitsInMessage(s: Scalar): string {
  if (s.isConst) return unsignedText(s.vHi, s.vLo);
  return `(${hexWord(s.vHi, s.vLo)}; ${hexWord(s.mHi, s.mLo)})`;
}

const NAMES = ["smin", "smax", "umin", "umax", "smin32", "smax32", "umin32", "umax32"] as const;

/** The ends of the ranges, `smin=smin32=0`, `umax=…`; each that is not at its natural limit, equal ones of a side joined. */
export function rangeTexts(s: Scalar): string[] {
  const hi: number[] = [s.sminHi, s.smaxHi, s.uminHi, s.umaxHi, 0, 0, 0, 0];
  const lo: number[] = [s.sminLo, s.smaxLo, s.uminLo, s.umaxLo, s.s32min, s.s32max, s.u32min, s.u32max];
  // 32-bit signed ends take part as sign-extended numbers when they print as decimals, else zero-extended.
  if (s.s32min < 0 && s.s32min >= -32768) hi[4] = -1;
  if (s.s32max < 0 && s.s32max >= -32768) hi[5] = -1;
  const natural = [
    s.sminHi === -0x8000_0000 && s.sminLo === 0,
    s.smaxHi === 0x7fff_ffff && s.smaxLo === -1,
    (s.uminHi | s.uminLo) === 0,
    (s.umaxHi & s.umaxLo) === -1,
    s.s32min === -0x8000_0000,
    s.s32max === 0x7fff_ffff,
    s.u32min === 0,
    s.u32max === -1,
  ];
  const texts: string[] = [];
  for (let i = 0; i < 8; i++) {
    if (natural[i]) continue;
    let text = `${NAMES[i]}=`;
    const negative = isSigned(i) && isNegative(i, hi[i]!, lo[i]!);
    for (let k = i + 2; k < 8; k += 2) {
      if (natural[k] || hi[k] !== hi[i] || lo[k] !== lo[i]) continue;
      if (negative && !isSigned(k)) continue;
      if (isSigned(k) && isNegative(k, hi[k]!, lo[k]!) && !isSigned(i)) continue;
      text += `${NAMES[k]}=`;
      natural[k] = true;
    }
    text += isSigned(i) ? signedText(hi[i]!, lo[i]!) : unsignedText(hi[i]!, lo[i]!);
    texts.push(text);
  }
  return texts;
}

const isSigned = (end: number): boolean => (end & 2) === 0;
/** A 32-bit end that prints as hex is compared as the positive number that it prints. */
const isNegative = (_end: number, hi: number, _lo: number): boolean => hi < 0;
