import type { Wheel } from "../state.ts";

/**
 * The hierarchical timer wheel of Linux 4.8 and later: each level has 64 buckets and is 8 times as coarse as the one below.
 * Timers never cascade: a distant one expires when its coarse bucket does, late by up to an eighth of its distance, never early.
 */
const LEVEL_BITS = 6;
export const LEVEL_SIZE = 1 << LEVEL_BITS;
const LEVEL_SHIFT = 3;
const LEVELS = 9;

/** Nine levels for HZ above 100, else eight. */
export const wheelLevels = (hz: number): number => (hz > 100 ? 9 : 8);

const GRAIN = Array.from({ length: LEVELS + 1 }, (_, level) => 2 ** (LEVEL_SHIFT * level));
/** First distance (jiffies) that belongs to a level. */
const START = GRAIN.map((_, level) => (level === 0 ? 0 : (LEVEL_SIZE - 1) * (GRAIN[level - 1] as number)));

export function makeWheel(): Wheel {
  return {
    clk: 0,
    count: 0,
    heads: new Int32Array(LEVELS * LEVEL_SIZE).fill(-1),
    occupied: new Int32Array(LEVELS * 2),
    next: new Int32Array(64),
    previous: new Int32Array(64),
    buckets: new Int16Array(64).fill(-1),
    due: new Float64Array(64),
  };
}

function grow(wheel: Wheel, index: number): void {
  const length = Math.max(index + 1, wheel.next.length * 2);
  const next = new Int32Array(length);
  next.set(wheel.next);
  wheel.next = next;
  const previous = new Int32Array(length);
  previous.set(wheel.previous);
  wheel.previous = previous;
  const buckets = new Int16Array(length).fill(-1);
  buckets.set(wheel.buckets);
  wheel.buckets = buckets;
  const due = new Float64Array(length);
  due.set(wheel.due);
  wheel.due = due;
}

/**
 * The bucket (level * 64 + place in the level) of a timer that is due at jiffy `expires` when the wheel stands at `clk`.
 * A bucket is served one unit of its level after the time that it stands for, lest a timer be early.
 */
export function bucketFor(clk: number, expires: number, hz: number): number {
  if (expires < clk) return clk % LEVEL_SIZE;
  const levels = wheelLevels(hz);
  const cutoff = START[levels] as number;
  let due = expires;
  if (expires - clk >= cutoff) due = clk + cutoff - (GRAIN[levels - 1] as number);
  const distance = due - clk;
  let level = 0;
  while (level < levels - 1 && distance >= (START[level + 1] as number)) level++;
  const unit = Math.floor(due / (GRAIN[level] as number)) + 1;
  return level * LEVEL_SIZE + (unit % LEVEL_SIZE);
}

/** The first jiffy from `clk` on at which a bucket is served. */
export function bucketJiffy(clk: number, bucket: number): number {
  const level = bucket >> LEVEL_BITS;
  const grain = GRAIN[level] as number;
  const unit = Math.ceil(clk / grain);
  const ahead = ((bucket & (LEVEL_SIZE - 1)) - (unit % LEVEL_SIZE) + LEVEL_SIZE) % LEVEL_SIZE;
  return (unit + ahead) * grain;
}

/** Adds a timer that is in no bucket, in front of those already there, as the kernel does. */
export function enqueueWheel(wheel: Wheel, index: number, expires: number, hz: number): void {
  if (index >= wheel.next.length) grow(wheel, index);
  const bucket = bucketFor(wheel.clk, expires, hz);
  const head = wheel.heads[bucket] as number;
  wheel.next[index] = head;
  wheel.previous[index] = -1;
  if (head >= 0) wheel.previous[head] = index;
  else wheel.occupied[bucket >> 5] = (wheel.occupied[bucket >> 5] as number) | (1 << (bucket & 31));
  wheel.heads[bucket] = index;
  wheel.buckets[index] = bucket;
  wheel.due[index] = expires;
  wheel.count++;
}

/** Takes out a timer; false when it is in no bucket. */
export function dequeueWheel(wheel: Wheel, index: number): boolean {
  const bucket = index < wheel.buckets.length ? (wheel.buckets[index] as number) : -1;
  if (bucket < 0) return false;
  const next = wheel.next[index] as number;
  const previous = wheel.previous[index] as number;
  if (next >= 0) wheel.previous[next] = previous;
  if (previous >= 0) wheel.next[previous] = next;
  else {
    wheel.heads[bucket] = next;
    if (next < 0) wheel.occupied[bucket >> 5] = (wheel.occupied[bucket >> 5] as number) & ~(1 << (bucket & 31));
  }
  wheel.buckets[index] = -1;
  wheel.count--;
  return true;
}

/** Index of the lowest set bit of a word that is not 0. */
const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/** The first occupied place of a level from `from` on, going round; -1 when the level is empty. */
function nextOccupied(wheel: Wheel, level: number, from: number): number {
  const low = wheel.occupied[2 * level] as number;
  const high = wheel.occupied[2 * level + 1] as number;
  if ((low | high) === 0) return -1;
  if (from < 32) {
    const here = low & (-1 << from);
    if (here !== 0) return lowestBit(here);
    if (high !== 0) return 32 + lowestBit(high);
    return lowestBit(low);
  }
  const here = high & (-1 << (from - 32));
  if (here !== 0) return 32 + lowestBit(here);
  if (low !== 0) return lowestBit(low);
  return 32 + lowestBit(high);
}

/** The jiffy at which the next occupied bucket is served; Infinity when the wheel is empty. */
export function nextWheelJiffy(wheel: Wheel): number {
  let next = Number.POSITIVE_INFINITY;
  if (wheel.count === 0) return next;
  for (let level = 0; level < LEVELS; level++) {
    const grain = GRAIN[level] as number;
    const unit = Math.ceil(wheel.clk / grain);
    const place = nextOccupied(wheel, level, unit % LEVEL_SIZE);
    if (place < 0) continue;
    const jiffy = (unit + ((place - (unit % LEVEL_SIZE) + LEVEL_SIZE) % LEVEL_SIZE)) * grain;
    if (jiffy < next) next = jiffy;
  }
  return next;
}

/**
 * Takes out every timer that is served at or before `jiffy` and moves the clock behind it. Jiffy by jiffy, at each the coarsest
 * level first, within a bucket the newest first, as the kernel does.
 */
export function collectWheel(wheel: Wheel, jiffy: number): number[] {
  const due: number[] = [];
  for (;;) {
    const at = nextWheelJiffy(wheel);
    if (at > jiffy) break;
    for (let level = LEVELS - 1; level >= 0; level--) {
      const grain = GRAIN[level] as number;
      if (at % grain !== 0) continue;
      const bucket = level * LEVEL_SIZE + ((at / grain) % LEVEL_SIZE);
      for (let index = wheel.heads[bucket] as number; index >= 0; ) {
        due.push(index);
        const next = wheel.next[index] as number;
        wheel.buckets[index] = -1;
        wheel.count--;
        index = next;
      }
      wheel.heads[bucket] = -1;
      wheel.occupied[bucket >> 5] = (wheel.occupied[bucket >> 5] as number) & ~(1 << (bucket & 31));
    }
    wheel.clk = at + 1;
  }
  if (wheel.clk <= jiffy) wheel.clk = jiffy + 1;
  return due;
}

/** An idle wheel's clock jumps to now before a timer is added, but not over a bucket that waits to be served. */
export function forwardWheel(wheel: Wheel, jiffies: number): void {
  if (jiffies <= wheel.clk) return;
  wheel.clk = Math.min(jiffies, nextWheelJiffy(wheel));
}

/** Timer numbers of a bucket, in order of service. */
export function bucketTimers(wheel: Wheel, bucket: number): number[] {
  const timers: number[] = [];
  for (let i = wheel.heads[bucket] as number; i >= 0; i = wheel.next[i] as number) timers.push(i);
  return timers;
}
