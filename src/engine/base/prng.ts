/**
 * Seeded random numbers for the whole engine: the same seed gives the same run.
 * The state is one 32-bit word, so a checkpoint can carry it.
 */
export interface Prng {
  state: number;
}

export function makePrng(seed: number): Prng {
  return { state: seed | 0 };
}

/** The next unsigned 32-bit number (mulberry32). */
export function nextU32(prng: Prng): number {
  prng.state = (prng.state + 0x6d2b79f5) | 0;
  let t = prng.state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
}

/** A whole number in [0, bound). `bound` must be in 1..2^32. */
export function nextBelow(prng: Prng, bound: number): number {
  return Math.floor((nextU32(prng) / 0x1_0000_0000) * bound);
}
