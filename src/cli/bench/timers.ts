import { performance } from "node:perf_hooks";
import { makePrng, nextBelow } from "../../engine/base/prng.ts";
import {
  dequeueHrtimer,
  enqueueHrtimer,
  firstKey,
  makeHrtimerQueue,
  popHrtimer,
} from "../../engine/kernel/timers/hrtimer-queue.ts";
import {
  collectWheel,
  dequeueWheel,
  enqueueWheel,
  makeWheel,
  nextWheelJiffy,
} from "../../engine/kernel/timers/wheel.ts";

/**
 * Timer queues with N timers pending. One round arms a timer, cancels another and arms it again, and lets one expire, which is
 * armed anew: arm, cancel and expire each count as one operation. Beside ours, the same on a plain binary heap of objects, which
 * finds what it cancels by its place and breaks ties by order, too.
 */
interface Contender {
  readonly name: string;
  fill(count: number): void;
  /** Arms the timer that has this number, to be due `ahead` after the first one pending. */
  arm(timer: number, ahead: number): void;
  cancel(timer: number): void;
  /** Takes out the timers that come first, at least one; their numbers. */
  expire(): readonly number[];
}

const SPREAD = 1_000_000_000;

function hrtimerQueue(): Contender {
  let queue = makeHrtimerQueue();
  let order = 0;
  let now = 0;
  const one = [0];
  const arm = (timer: number, ahead: number): void => enqueueHrtimer(queue, timer, now + ahead, order++);
  return {
    name: "hrtimer queue",
    fill(count) {
      queue = makeHrtimerQueue();
      now = 0;
      const prng = makePrng(1);
      for (let i = 0; i < count; i++) arm(i, nextBelow(prng, SPREAD));
    },
    arm,
    cancel: (timer) => dequeueHrtimer(queue, timer),
    expire() {
      now = firstKey(queue);
      one[0] = popHrtimer(queue);
      return one;
    },
  };
}

/** Jiffies of 1 ms: the same spread in time. */
function wheel(): Contender {
  let w = makeWheel();
  const arm = (timer: number, ahead: number): void => enqueueWheel(w, timer, w.clk + Math.floor(ahead / 1000), 1000);
  return {
    name: "timer wheel",
    fill(count) {
      w = makeWheel();
      const prng = makePrng(1);
      for (let i = 0; i < count; i++) arm(i, nextBelow(prng, SPREAD));
    },
    arm,
    cancel: (timer) => dequeueWheel(w, timer),
    expire: () => collectWheel(w, nextWheelJiffy(w)),
  };
}

interface HeapTimer {
  readonly number: number;
  expires: number;
  order: number;
  place: number;
}

function binaryHeap(): Contender {
  let heap: HeapTimer[] = [];
  let timers: HeapTimer[] = [];
  let order = 0;
  let now = 0;
  const before = (a: HeapTimer, b: HeapTimer): boolean =>
    a.expires < b.expires || (a.expires === b.expires && a.order < b.order);
  const put = (timer: HeapTimer, place: number): void => {
    heap[place] = timer;
    timer.place = place;
  };
  const up = (timer: HeapTimer, from: number): void => {
    let at = from;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1] as HeapTimer;
      if (!before(timer, parent)) break;
      put(parent, at);
      at = (at - 1) >> 1;
    }
    put(timer, at);
  };
  const down = (timer: HeapTimer, from: number): void => {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as HeapTimer, heap[child] as HeapTimer)) child++;
      const other = heap[child] as HeapTimer;
      if (!before(other, timer)) break;
      put(other, at);
      at = child;
    }
    put(timer, at);
  };
  const arm = (number: number, ahead: number): void => {
    const timer = timers[number] as HeapTimer;
    timer.expires = now + ahead;
    timer.order = order++;
    heap.push(timer);
    up(timer, heap.length - 1);
  };
  const cancel = (number: number): void => {
    const timer = timers[number] as HeapTimer;
    const last = heap.pop() as HeapTimer;
    if (last === timer) return;
    const at = timer.place;
    if (at > 0 && before(last, heap[(at - 1) >> 1] as HeapTimer)) up(last, at);
    else down(last, at);
  };
  return {
    name: "binary heap",
    fill(count) {
      heap = [];
      now = 0;
      timers = Array.from({ length: count }, (_, number) => ({ number, expires: 0, order: 0, place: -1 }));
      const prng = makePrng(1);
      for (let i = 0; i < count; i++) arm(i, nextBelow(prng, SPREAD));
    },
    arm,
    cancel,
    expire() {
      const first = heap[0] as HeapTimer;
      now = first.expires;
      cancel(first.number);
      return [first.number];
    },
  };
}

/** Operations per second, in millions: the best of three, each after warming up. */
function measure(contender: Contender, count: number): number {
  let best = 0;
  for (let attempt = 0; attempt < 3; attempt++) {
    contender.fill(count);
    const prng = makePrng(7);
    const rounds = Math.max(20_000, Math.min(400_000, count));
    // What is drawn is drawn beforehand: chance is not what is measured.
    const ahead = Float64Array.from({ length: 4 * rounds }, () => nextBelow(prng, SPREAD));
    const victims = Int32Array.from({ length: rounds }, () => nextBelow(prng, count));
    let drawn = 0;
    let operations = 0;
    const begin = performance.now();
    for (let i = 0; i < rounds && operations < 4 * rounds; i++) {
      const victim = victims[i] as number;
      contender.cancel(victim);
      contender.arm(victim, ahead[drawn++ % ahead.length] as number);
      const due = contender.expire();
      for (const timer of due) contender.arm(timer, ahead[drawn++ % ahead.length] as number);
      operations += 2 + 2 * due.length;
    }
    best = Math.max(best, operations / (performance.now() - begin) / 1000);
  }
  return best;
}

const USAGE = "usage: bench timers [--queues-only]";

/** `npm run bench -- timers`: the curve from a thousand to a million pending timers, then a program's way to the queue and back. */
export async function run(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg !== "--queues-only")) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const contenders = [hrtimerQueue(), wheel(), binaryHeap()];
  process.stdout.write("arm + cancel + expire, million operations per second\n");
  process.stdout.write(`${"pending".padEnd(12)}${contenders.map((c) => c.name.padStart(16)).join("")}\n`);
  let fine = true;
  for (const count of [1e3, 1e4, 1e5, 1e6]) {
    const speeds = contenders.map((contender) => measure(contender, count));
    process.stdout.write(`${String(count).padEnd(12)}${speeds.map((s) => s.toFixed(2).padStart(16)).join("")}\n`);
    if (count === 1e6) fine = (speeds[0] as number) >= 3 && (speeds[1] as number) >= 3;
  }
  process.stdout.write(`floor of 3 with a million pending: ${fine ? "kept" : "missed"}\n`);
  if (args.length === 0) (await import("./timers-kernel.ts")).measureKernelPath();
  return fine ? 0 : 1;
}
