import type { HrtimerQueue } from "../state.ts";

/**
 * The timers of one CPU and clock in order of expiry; equal expiries are served first come, first served (measured on Linux).
 *
 * A heap with four children a node, in one typed array: an entry is two numbers, its expiry and a tag (order of queueing and timer
 * number), so that the four children lie beside each other. No timer knows its place: one that is cancelled leaves its entry
 * behind, which is passed over when it comes up, and cleared away when such entries outnumber the others. So arming writes at the
 * end, cancelling writes one word, and with a million timers both cost about one cache miss.
 */
const FIRST = 3;
const TAG = 2 ** 21;
/** Fewer stale entries than this are not worth clearing away. */
const FEW = 1024;

export function makeHrtimerQueue(): HrtimerQueue {
  return { size: 0, live: 0, heap: new Float64Array(128), current: new Float64Array(64).fill(-1) };
}

/** The rest of a division, without its cost: TAG is a power of two, and tags are exact. */
const indexOf = (tag: number): number => tag - Math.floor(tag / TAG) * TAG;

function siftUp(heap: Float64Array, from: number, key: number, tag: number): void {
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 2;
    const p = 2 * (parent + FIRST);
    const other = heap[p] as number;
    if (other < key || (other === key && (heap[p + 1] as number) < tag)) break;
    const here = 2 * (at + FIRST);
    heap[here] = other;
    heap[here + 1] = heap[p + 1] as number;
    at = parent;
  }
  const here = 2 * (at + FIRST);
  heap[here] = key;
  heap[here + 1] = tag;
}

function siftDown(heap: Float64Array, size: number, from: number, key: number, tag: number): void {
  let at = from;
  for (;;) {
    const first = 4 * at + 1;
    if (first >= size) break;
    const end = 2 * (Math.min(first + 4, size) + FIRST);
    let best = 2 * (first + FIRST);
    let bestKey = heap[best] as number;
    for (let child = best + 2; child < end; child += 2) {
      const k = heap[child] as number;
      if (k < bestKey || (k === bestKey && (heap[child + 1] as number) < (heap[best + 1] as number))) {
        best = child;
        bestKey = k;
      }
    }
    const bestTag = heap[best + 1] as number;
    if (key < bestKey || (key === bestKey && tag < bestTag)) break;
    const here = 2 * (at + FIRST);
    heap[here] = bestKey;
    heap[here + 1] = bestTag;
    at = (best >> 1) - FIRST;
  }
  const here = 2 * (at + FIRST);
  heap[here] = key;
  heap[here + 1] = tag;
}

/** Adds a timer that is in no queue. `key` is its expiry (ns); `order`, below 2^32, rises with each call. */
export function enqueueHrtimer(queue: HrtimerQueue, index: number, key: number, order: number): void {
  if (2 * (queue.size + FIRST + 1) > queue.heap.length) {
    const heap = new Float64Array(queue.heap.length * 2);
    heap.set(queue.heap);
    queue.heap = heap;
  }
  if (index >= queue.current.length) {
    const current = new Float64Array(Math.max(index + 1, queue.current.length * 2)).fill(-1);
    current.set(queue.current);
    queue.current = current;
  }
  const tag = order * TAG + index;
  queue.current[index] = tag;
  queue.live++;
  siftUp(queue.heap, queue.size++, key, tag);
}

/** Takes out a timer; false when it is not in this queue. */
export function dequeueHrtimer(queue: HrtimerQueue, index: number): boolean {
  if (index >= queue.current.length || (queue.current[index] as number) < 0) return false;
  queue.current[index] = -1;
  queue.live--;
  if (queue.size - queue.live > FEW && queue.live * 2 < queue.size) clearStale(queue);
  return true;
}

function clearStale(queue: HrtimerQueue): void {
  const { heap, current } = queue;
  let kept = 0;
  for (let i = 0; i < queue.size; i++) {
    const from = 2 * (i + FIRST);
    const tag = heap[from + 1] as number;
    if (current[indexOf(tag)] !== tag) continue;
    const to = 2 * (kept++ + FIRST);
    heap[to] = heap[from] as number;
    heap[to + 1] = tag;
  }
  queue.size = kept;
  for (let i = (kept - 2) >> 2; i >= 0; i--) {
    const at = 2 * (i + FIRST);
    siftDown(heap, kept, i, heap[at] as number, heap[at + 1] as number);
  }
}

/** Drops stale entries until the first one is live, or none is left. */
function prune(queue: HrtimerQueue): void {
  const { heap, current } = queue;
  while (queue.size > 0) {
    const tag = heap[2 * FIRST + 1] as number;
    if (current[indexOf(tag)] === tag) return;
    removeFirst(queue);
  }
}

function removeFirst(queue: HrtimerQueue): void {
  const size = --queue.size;
  const last = 2 * (size + FIRST);
  if (size > 0) siftDown(queue.heap, size, 0, queue.heap[last] as number, queue.heap[last + 1] as number);
}

/** A timer in the queue. */
export interface QueuedHrtimer {
  readonly index: number;
  /** ns */
  readonly key: number;
  readonly order: number;
}

const entryAt = (heap: Float64Array, place: number): QueuedHrtimer => {
  const at = 2 * (place + FIRST);
  const tag = heap[at + 1] as number;
  return { index: indexOf(tag), key: heap[at] as number, order: Math.floor(tag / TAG) };
};

/** Expiry of the timer that comes first; Infinity when there is none. */
export function firstKey(queue: HrtimerQueue): number {
  prune(queue);
  return queue.size === 0 ? Number.POSITIVE_INFINITY : (queue.heap[2 * FIRST] as number);
}

/** The timer that comes first; null when there is none. */
export function firstHrtimer(queue: HrtimerQueue): QueuedHrtimer | null {
  prune(queue);
  return queue.size === 0 ? null : entryAt(queue.heap, 0);
}

/** Takes out the timer that comes first; its number, or -1. */
export function popHrtimer(queue: HrtimerQueue): number {
  prune(queue);
  if (queue.size === 0) return -1;
  const index = indexOf(queue.heap[2 * FIRST + 1] as number);
  queue.current[index] = -1;
  queue.live--;
  removeFirst(queue);
  return index;
}

/** The live timers in order of service. */
export function hrtimersInOrder(queue: HrtimerQueue): QueuedHrtimer[] {
  const timers: QueuedHrtimer[] = [];
  for (let place = 0; place < queue.size; place++) {
    const tag = queue.heap[2 * (place + FIRST) + 1] as number;
    if (queue.current[indexOf(tag)] === tag) timers.push(entryAt(queue.heap, place));
  }
  return timers.sort((a, b) => a.key - b.key || a.order - b.order);
}

/**
 * The first timer that an interrupt is programmed for. An absolute time of 2^63 or more has a negative key: it stands in front, yet no
 * interrupt is programmed for it (measured). Null when there is none.
 */
export function firstProgrammed(queue: HrtimerQueue): QueuedHrtimer | null {
  if (firstKey(queue) >= 0) return firstHrtimer(queue);
  return hrtimersInOrder(queue).find((timer) => timer.key >= 0) ?? null;
}
