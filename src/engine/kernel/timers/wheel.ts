import type { Timer, Wheel } from "../state.ts";

/**
 * The hierarchical timer wheel of Linux 4.8 and later: each level has 64 buckets and is 8 times as coarse as the one below.
 * Timers never cascade: a distant one expires when its coarse bucket does, late by up to an eighth of its distance, never early.
 */
const LEVEL_BITS = 6;
const LEVEL_SIZE = 1 << LEVEL_BITS;
const LEVEL_SHIFT = 3;

/** Nine levels for HZ above 100, else eight. */
export const wheelLevels = (hz: number): number => (hz > 100 ? 9 : 8);

const granularity = (level: number): number => 2 ** (LEVEL_SHIFT * level);
/** First distance (jiffies) that belongs to `level`. */
const levelStart = (level: number): number => (level === 0 ? 0 : (LEVEL_SIZE - 1) * granularity(level - 1));

export interface WheelPlace {
  readonly level: number;
  /** 0..63 within the level */
  readonly bucket: number;
  /** The jiffy at which the bucket is served. */
  readonly expires: number;
}

/** Where a timer that is due at jiffy `expires` goes when the wheel stands at `clk`. */
export function wheelPlace(clk: number, expires: number, hz: number): WheelPlace {
  if (expires < clk) return { level: 0, bucket: clk % LEVEL_SIZE, expires: clk };
  const levels = wheelLevels(hz);
  const cutoff = levelStart(levels);
  const distance = expires - clk;
  let due = expires;
  if (distance >= cutoff) due = clk + cutoff - granularity(levels - 1);
  let level = 0;
  while (level < levels - 1 && due - clk >= levelStart(level + 1)) level++;
  const grain = granularity(level);
  const index = Math.floor(due / grain) + 1;
  return { level, bucket: index % LEVEL_SIZE, expires: index * grain };
}

const indexOf = (place: WheelPlace): number => place.level * LEVEL_SIZE + place.bucket;

/** Adds a timer; returns the jiffy at which it will be served. */
export function enqueueWheel(wheel: Wheel, timer: Timer, hz: number): WheelPlace {
  const place = wheelPlace(wheel.clk, timer.expires, hz);
  const index = indexOf(place);
  const bucket = wheel.buckets.get(index);
  if (bucket) bucket.push(timer);
  else wheel.buckets.set(index, [timer]);
  timer.slot = index;
  wheel.count++;
  return place;
}

export function dequeueWheel(wheel: Wheel, timer: Timer): void {
  const bucket = wheel.buckets.get(timer.slot);
  if (bucket !== undefined) {
    const at = bucket.indexOf(timer);
    if (at >= 0) {
      bucket.splice(at, 1);
      wheel.count--;
    }
    if (bucket.length === 0) wheel.buckets.delete(timer.slot);
  }
  timer.slot = -1;
}

/** The jiffy at which the next occupied bucket is served; Infinity when the wheel is empty. */
export function nextWheelJiffy(wheel: Wheel): number {
  let next = Number.POSITIVE_INFINITY;
  for (const index of wheel.buckets.keys()) next = Math.min(next, bucketJiffy(wheel, index));
  return next;
}

/** The first jiffy from `clk` on at which this bucket is served. */
export function bucketJiffy(wheel: Wheel, index: number): number {
  const level = Math.floor(index / LEVEL_SIZE);
  const grain = granularity(level);
  const position = index % LEVEL_SIZE;
  const now = Math.ceil(wheel.clk / grain);
  const ahead = (position - (now % LEVEL_SIZE) + LEVEL_SIZE) % LEVEL_SIZE;
  return (now + ahead) * grain;
}

/** Moves the wheel past `jiffy` and takes out the timers of every bucket that is served at it, finest level last as in Linux. */
export function collectWheel(wheel: Wheel, jiffy: number): Timer[] {
  const due: number[] = [];
  for (const index of wheel.buckets.keys()) if (bucketJiffy(wheel, index) <= jiffy) due.push(index);
  due.sort((a, b) => b - a);
  const timers: Timer[] = [];
  for (const index of due) {
    for (const timer of wheel.buckets.get(index) ?? []) {
      timer.slot = -1;
      timers.push(timer);
    }
    wheel.count -= wheel.buckets.get(index)?.length ?? 0;
    wheel.buckets.delete(index);
  }
  wheel.clk = jiffy + 1;
  return timers;
}

/** An idle wheel's clock jumps to now before a timer is added, as forward_timer_base does. */
export function forwardWheel(wheel: Wheel, jiffies: number): void {
  if (jiffies <= wheel.clk) return;
  wheel.clk = Math.min(jiffies, nextWheelJiffy(wheel));
}
