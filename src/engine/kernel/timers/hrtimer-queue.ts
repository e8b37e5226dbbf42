import type { HrtimerQueue, Timer } from "../state.ts";

/** True when `a` is served before `b`: by expiry, and first come, first served among equals (measured on Linux). */
const before = (a: Timer, b: Timer): boolean => a.expires < b.expires || (a.expires === b.expires && a.order < b.order);

function place(heap: Timer[], timer: Timer, slot: number): void {
  heap[slot] = timer;
  timer.slot = slot;
}

function siftUp(heap: Timer[], timer: Timer, from: number): void {
  let slot = from;
  while (slot > 0) {
    const parent = (slot - 1) >> 2;
    const other = heap[parent] as Timer;
    if (!before(timer, other)) break;
    place(heap, other, slot);
    slot = parent;
  }
  place(heap, timer, slot);
}

function siftDown(heap: Timer[], timer: Timer, from: number): void {
  const length = heap.length;
  let slot = from;
  for (;;) {
    const first = 4 * slot + 1;
    if (first >= length) break;
    let best = first;
    const last = Math.min(first + 4, length);
    for (let child = first + 1; child < last; child++) {
      if (before(heap[child] as Timer, heap[best] as Timer)) best = child;
    }
    const other = heap[best] as Timer;
    if (!before(other, timer)) break;
    place(heap, other, slot);
    slot = best;
  }
  place(heap, timer, slot);
}

/** Adds a timer that is in no queue; its `expires` and `order` must be set. */
export function enqueueHrtimer(queue: HrtimerQueue, timer: Timer): void {
  const heap = queue.heap;
  heap.push(timer);
  siftUp(heap, timer, heap.length - 1);
}

/** Takes out a timer that is in this queue. */
export function dequeueHrtimer(queue: HrtimerQueue, timer: Timer): void {
  const heap = queue.heap;
  const slot = timer.slot;
  const last = heap.pop() as Timer;
  timer.slot = -1;
  if (last === timer) return;
  if (slot > 0 && before(last, heap[(slot - 1) >> 2] as Timer)) siftUp(heap, last, slot);
  else siftDown(heap, last, slot);
}

export const firstHrtimer = (queue: HrtimerQueue): Timer | null => queue.heap[0] ?? null;
