import type { HrtimerQueue } from "../state.ts";

/**
 * The timers of one CPU and clock in order of expiry: a heap with four children a node, whose keys lie in typed arrays beside
 * each other, so that a million pending timers cost few cache misses. Equal expiries are served first come, first served
 * (measured on Linux).
 */
export function makeHrtimerQueue(): HrtimerQueue {
  return {
    size: 0,
    keys: new Float64Array(64),
    orders: new Float64Array(64),
    items: new Int32Array(64),
    places: new Int32Array(64).fill(-1),
  };
}

function growHeap(queue: HrtimerQueue): void {
  const length = queue.keys.length * 2;
  const keys = new Float64Array(length);
  keys.set(queue.keys);
  queue.keys = keys;
  const orders = new Float64Array(length);
  orders.set(queue.orders);
  queue.orders = orders;
  const items = new Int32Array(length);
  items.set(queue.items);
  queue.items = items;
}

function growPlaces(queue: HrtimerQueue, index: number): void {
  const places = new Int32Array(Math.max(index + 1, queue.places.length * 2)).fill(-1);
  places.set(queue.places);
  queue.places = places;
}

function siftUp(queue: HrtimerQueue, from: number, key: number, order: number, item: number): void {
  const { keys, orders, items, places } = queue;
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 2;
    const other = keys[parent] as number;
    if (other < key || (other === key && (orders[parent] as number) < order)) break;
    keys[at] = other;
    orders[at] = orders[parent] as number;
    const moved = items[parent] as number;
    items[at] = moved;
    places[moved] = at;
    at = parent;
  }
  keys[at] = key;
  orders[at] = order;
  items[at] = item;
  places[item] = at;
}

function siftDown(queue: HrtimerQueue, from: number, key: number, order: number, item: number): void {
  const { keys, orders, items, places, size } = queue;
  let at = from;
  for (;;) {
    const first = 4 * at + 1;
    if (first >= size) break;
    const end = Math.min(first + 4, size);
    let best = first;
    let bestKey = keys[first] as number;
    for (let child = first + 1; child < end; child++) {
      const k = keys[child] as number;
      if (k < bestKey || (k === bestKey && (orders[child] as number) < (orders[best] as number))) {
        best = child;
        bestKey = k;
      }
    }
    if (key < bestKey || (key === bestKey && order < (orders[best] as number))) break;
    keys[at] = bestKey;
    orders[at] = orders[best] as number;
    const moved = items[best] as number;
    items[at] = moved;
    places[moved] = at;
    at = best;
  }
  keys[at] = key;
  orders[at] = order;
  items[at] = item;
  places[item] = at;
}

/** Adds a timer that is in no queue. `key` is its expiry (ns), `order` rises with each call. */
export function enqueueHrtimer(queue: HrtimerQueue, index: number, key: number, order: number): void {
  if (queue.size === queue.keys.length) growHeap(queue);
  if (index >= queue.places.length) growPlaces(queue, index);
  siftUp(queue, queue.size++, key, order, index);
}

/** Takes out a timer; false when it is not in this queue. */
export function dequeueHrtimer(queue: HrtimerQueue, index: number): boolean {
  const at = index < queue.places.length ? (queue.places[index] as number) : -1;
  if (at < 0) return false;
  queue.places[index] = -1;
  const last = --queue.size;
  if (at === last) return true;
  const key = queue.keys[last] as number;
  const order = queue.orders[last] as number;
  const item = queue.items[last] as number;
  const parent = (at - 1) >> 2;
  const up =
    at > 0 &&
    (key < (queue.keys[parent] as number) ||
      (key === (queue.keys[parent] as number) && order < (queue.orders[parent] as number)));
  if (up) siftUp(queue, at, key, order, item);
  else siftDown(queue, at, key, order, item);
  return true;
}

/** The number of the timer that comes first, or -1. */
export const firstHrtimer = (queue: HrtimerQueue): number => (queue.size === 0 ? -1 : (queue.items[0] as number));

/**
 * Expiry of the first timer that an interrupt is programmed for; Infinity when there is none. An absolute time of 2^63 or more
 * has a negative key: it stands in front, yet no interrupt is programmed for it (measured).
 */
export function nextHrtimerExpiry(queue: HrtimerQueue): number {
  if (queue.size === 0) return Number.POSITIVE_INFINITY;
  const first = queue.keys[0] as number;
  if (first >= 0) return first;
  let next = Number.POSITIVE_INFINITY;
  for (let i = 1; i < queue.size; i++) {
    const key = queue.keys[i] as number;
    if (key >= 0 && key < next) next = key;
  }
  return next;
}

/** Timer numbers in order of service. */
export function hrtimersInOrder(queue: HrtimerQueue): number[] {
  const at = Array.from({ length: queue.size }, (_, i) => i);
  at.sort(
    (a, b) =>
      (queue.keys[a] as number) - (queue.keys[b] as number) ||
      (queue.orders[a] as number) - (queue.orders[b] as number),
  );
  return at.map((i) => queue.items[i] as number);
}
