const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The first `size` (at most 4) bytes of a word in memory, as hex. */
export function hexWord(word: number, size: number): string {
  let text = "";
  for (let i = 0; i < size; i++) text += HEX[(word >>> (8 * i)) & 255];
  return text;
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

/** A register that points to nothing known, in words: small numbers in decimal, others in hex. */
export function registerText(low: number, high: number): string {
  if (high === 0) return String(low >>> 0);
  if (high === -1 && low < 0) return String(low);
  return `0x${(high >>> 0).toString(16)}${hex(low)}`;
}

/** The number of `size` (at most 8) bytes, given as two words, in decimal. */
export function numberText(low: number, high: number, size: number, signed: boolean): string {
  if (size <= 4) {
    const shift = 8 * (4 - size);
    return String(signed ? (low << shift) >> shift : (low << shift) >>> shift);
  }
  const shift = 8 * (8 - size);
  const top = signed ? (high << shift) >> shift : (high << shift) >>> shift;
  if (top >= 0 && top < 0x20_0000) return String(top * 0x1_0000_0000 + (low >>> 0));
  return String((BigInt(top) << 32n) | BigInt(low >>> 0));
}
