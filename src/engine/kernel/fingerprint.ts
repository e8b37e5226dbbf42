import type { VmFrame } from "../vm/frame.ts";
import { GUEST_HIGH } from "../vm/memory.ts";
import type { Kernel } from "./kernel.ts";
import type { Cpu, Frame, Task, Timer, Work } from "./state.ts";
import { STACK_BLOCK } from "./tasks.ts";
import { hrtimersInOrder } from "./timers/hrtimer-queue.ts";
import { CONTROL_BYTES } from "./timers/timer-object.ts";
import { bucketTimers } from "./timers/wheel.ts";

/** Two 32-bit sums of different mixing, read together as one 64-bit one. */
class Digest {
  #a = 0x9e3779b9 | 0;
  #b = 0x243f6a88 | 0;

  word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x85ebca6b);
    this.#a ^= this.#a >>> 15;
    this.#b = Math.imul(this.#b + value, 0x01000193) ^ (this.#b >>> 13);
  }

  number(value: number): void {
    this.word(value | 0);
    if (value !== (value | 0)) this.word(Number.isFinite(value) ? Math.floor(value / 0x1_0000_0000) | 0 : 0x7fffffff);
  }

  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.word(text.charCodeAt(i));
    this.word(-1);
  }

  get value(): string {
    return (this.#a >>> 0).toString(16).padStart(8, "0") + (this.#b >>> 0).toString(16).padStart(8, "0");
  }
}

/**
 * What belongs to one task alone, and the control blocks of timers and work queues, lie where they happened to be allocated: they are
 * named by what they belong to, and by the place within.
 */
interface Range {
  readonly start: number;
  readonly end: number;
  /** Negative, unlike any offset's upper half. */
  readonly name: number;
}

/** Places as {@link Range} names them. */
interface Places {
  readonly ranges: readonly Range[];
  /** Timers and work queues in an order that their addresses do not decide, but among those of one element that are gone from it. */
  readonly controls: readonly (Timer | Work)[];
  /** Name of a control block; 0 for none. */
  control(address: number): number;
}

function placesOf(kernel: Kernel): Places {
  const { timers, works } = kernel.state;
  const controls = [...timers.values(), ...works.values()].sort(
    (a, b) => compare(a.node, b.node) || Number(a.detached) - Number(b.detached) || a.control - b.control,
  );
  const names = new Map(controls.map(({ control }, i) => [control, i + 1]));
  const ranges = taskRanges(kernel);
  for (const [start, number] of names)
    ranges.push({ start, end: start + CONTROL_BYTES, name: -0x10_0000 - 16 * number });
  return { ranges, controls, control: (address) => names.get(address) ?? 0 };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function taskRanges(kernel: Kernel): Range[] {
  const ranges: Range[] = [];
  for (const cpu of kernel.state.cpus) {
    cpu.stack.forEach((id, depth) => {
      const task = kernel.state.tasks.get(id);
      if (task === undefined) return;
      const name = -16 * (64 * cpu.id + depth + 1);
      if (task.stackBlock !== 0) ranges.push({ start: task.stackBlock, end: task.stackBlock + STACK_BLOCK, name });
      const { context } = task;
      if (context === null) return;
      ranges.push({ start: context.at, end: context.at + Math.max(context.size, 1), name: name - 1 });
      if (context.packetBlock === 0) return;
      const end = context.packetBlock + context.packetBlockSize;
      ranges.push({ start: context.packetBlock, end, name: name - 2 });
    });
  }
  return ranges;
}

/** A 64-bit word, as a place when it points into a private range. */
function hashWord(digest: Digest, ranges: readonly Range[], low: number, high: number): void {
  if (high === GUEST_HIGH) {
    const at = low >>> 0;
    for (const range of ranges) {
      // One past the end is a place too: r10, and the end of a packet.
      if (at < range.start || at > range.end) continue;
      digest.word(range.name);
      digest.word(at - range.start);
      return;
    }
  }
  digest.word(low);
  digest.word(high);
}

/**
 * Names a state by what decides how it goes on: memory, objects and their holders, timers, tasks, time. States that differ only in
 * what was told, in the numbers of tasks, tickets and orders, or in where a task's stack and context lie, have the same name.
 */
export function fingerprint(kernel: Kernel): string {
  const { state } = kernel;
  const digest = new Digest();
  const places = placesOf(kernel);
  digest.number(state.now);
  digest.number(state.prng.state);
  digest.number(state.failAllocations);
  digest.text(state.oops === null ? "" : state.oops.message);
  hashMemory(kernel, digest, places.ranges);
  hashObjects(kernel, digest, places);
  for (const object of places.controls) {
    if ("fired" in object) hashTimer(digest, object);
    else hashWork(digest, object);
  }
  for (const cpu of state.cpus) hashCpu(kernel, digest, cpu, places);
  const names = new Map<number, string>();
  for (const task of state.tasks.values()) if (task.cpu < 0) names.set(task.id, nameTask(kernel, task, places));
  digest.text([...names.values()].sort().join());
  const place = (id: number): string => {
    const task = state.tasks.get(id);
    return task === undefined
      ? ""
      : task.cpu < 0
        ? (names.get(id) ?? "")
        : `${task.cpu}.${state.cpus[task.cpu]?.stack.indexOf(id)}`;
  };
  digest.text(
    state.rcu
      .map(
        (c) =>
          `${c.what};${c.waitFor.map(place).sort().join()};${c.free.join()};${c.timers.map(places.control).join()}`,
      )
      .sort()
      .join("|"),
  );
  return digest.value;
}

/** Names what a task is about to do; tasks of the same name are interchangeable. */
export const fingerprintTask = (kernel: Kernel, task: Task): string => nameTask(kernel, task, placesOf(kernel));

function nameTask(kernel: Kernel, task: Task, places: Places): string {
  const digest = new Digest();
  hashTask(kernel, digest, task, places);
  return digest.value;
}

function hashObjects(kernel: Kernel, digest: Digest, places: Places): void {
  const { state } = kernel;
  for (const map of state.maps.values()) {
    digest.text(`${map.id}${map.freed ? "f" : ""}${map.frozen ? "z" : ""}${[...map.holders.keys()].sort().join()}`);
    const { storage } = map;
    switch (storage.kind) {
      case "slots":
        digest.text(
          [...storage.slots]
            .map(([key, id]) => `${key}=${id}`)
            .sort()
            .join(),
        );
        break;
      case "list":
        digest.text(storage.values.join());
        break;
      case "hash": {
        const { free, spare, carved, newest, oldest, count } = storage;
        digest.text(`${free.join()};${spare.join()};${carved};${newest};${oldest};${count}`);
        break;
      }
      case "ringbuf": {
        const { used, produced, consumed, records } = storage.ring;
        digest.text(`${used};${produced};${consumed};${records.map((r) => `${r.at}${r.state}`).join()}`);
        break;
      }
      case "timers":
        digest.text(
          `${storage.nextTimerId};${[...storage.timers].map(([id, at]) => `${id}=${places.control(at)}`).join()}`,
        );
    }
  }
  for (const program of state.programs.values()) {
    digest.text(`${program.id}${program.state}${[...program.holders.keys()].sort().join()}`);
  }
  for (const link of state.links.values())
    digest.text(`${link.id}${link.gone ? "g" : ""}${[...link.holders.keys()].sort().join()}`);
  for (const process of state.processes.values())
    digest.text(`${process.id}:${[...process.fds.keys()].join()};${process.nextFd}${process.exited ? "x" : ""}`);
  digest.text([...state.pins.keys()].join());
}

function hashCpu(kernel: Kernel, digest: Digest, cpu: Cpu, places: Places): void {
  const { state } = kernel;
  // What a softirq serves are the timers that were queued before it began.
  let before = 0;
  for (const id of cpu.stack) {
    const frame = state.tasks.get(id)?.frames[0];
    if (frame?.kind === "op" && frame.name === "softirq") before = frame.data["before"];
  }
  for (const queue of [cpu.hrtimers.monotonic, cpu.hrtimers.boottime]) {
    for (const { index, order } of hrtimersInOrder(queue)) {
      digest.word(places.control(state.timerControls[index] as number));
      digest.word((order < before ? 1 : 0) + (order < cpu.servedOrder ? 2 : 0));
    }
    digest.word(-2);
  }
  if (cpu.wheel.count > 0) {
    digest.number(cpu.wheel.clk);
    for (let bucket = 0; bucket < cpu.wheel.heads.length; bucket++) {
      for (const index of bucketTimers(cpu.wheel, bucket)) {
        digest.word(bucket);
        digest.word(places.control(state.timerControls[index] as number));
      }
    }
  }
  for (const control of cpu.works) digest.word(places.control(control));
  digest.number(cpu.served);
  digest.number(cpu.locksHeld);
  for (const id of cpu.stack) hashTask(kernel, digest, state.tasks.get(id) as Task, places);
  digest.word(-3);
}

/** All that lives and is neither private to a task nor a control block. */
function hashMemory(kernel: Kernel, digest: Digest, ranges: readonly Range[]): void {
  const { memory } = kernel;
  for (const object of memory.live()) {
    if (object.kind === "stack" || object.kind === "context" || object.kind === "packet" || object.kind === "timer")
      continue;
    digest.word(object.start);
    hashBytes(kernel, digest, ranges, object.start, object.start + object.block);
  }
}

/** Words that are not zero, with their places from `start` on. */
function hashBytes(kernel: Kernel, digest: Digest, ranges: readonly Range[], start: number, end: number): void {
  const { view } = kernel.memory;
  for (let at = start; at < end; at += 8) {
    const low = view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    if ((low | high) === 0) continue;
    digest.word(at - start);
    hashWord(digest, ranges, low, high);
  }
}

function hashTimer(digest: Digest, timer: Timer): void {
  digest.text(timer.node);
  digest.number(timer.field);
  digest.number(timer.queuedOn < 0 ? -1 : timer.expires);
  digest.word(timer.queuedOn * 64 + timer.runningOn);
  digest.word(timer.cancelling * 2 + (timer.detached ? 1 : 0));
  digest.text(timer.callback === null ? "" : `${timer.callback.program}.${timer.callback.entry}`);
  digest.word(timer.holds ?? -1);
}

function hashWork(digest: Digest, work: Work): void {
  digest.text(work.node);
  digest.number(work.field);
  digest.number(work.queuedOn < 0 ? -1 : work.due);
  digest.word(work.runningOn * 2 + (work.detached ? 1 : 0));
  digest.text(work.callback === null ? "" : `${work.callback.program}.${work.callback.entry}`);
  digest.word(work.holds ?? -1);
}

function hashTask(kernel: Kernel, digest: Digest, task: Task, places: Places): void {
  const { ranges } = places;
  digest.text(task.kind);
  digest.word(places.control(task.timer));
  digest.word(places.control(task.work));
  digest.word(task.rcu);
  digest.word(task.tailCalls);
  if (kernel.settings.insnCost > 0) digest.number(task.time);
  const wait = task.wait;
  if (wait !== null)
    digest.text(
      wait.on === "callback" ? `c${places.control(wait.control)}` : wait.on === "lock" ? `l${wait.at}` : wait.on,
    );
  for (const frame of task.frames) hashFrame(digest, frame, places);
  const { context, stackBlock } = task;
  if (stackBlock !== 0) hashStack(kernel, digest, ranges, stackBlock);
  if (context === null) return;
  digest.word(context.data - context.packetBlock);
  digest.word(context.end - context.data);
  digest.word(context.meta - context.data);
  hashBytes(kernel, digest, ranges, context.at, context.at + context.size);
  if (context.packetBlock === 0) return;
  hashBytes(kernel, digest, ranges, context.packetBlock, context.packetBlock + context.packetBlockSize);
}

/** Of a stack what is open. */
function hashStack(kernel: Kernel, digest: Digest, ranges: readonly Range[], block: number): void {
  const { shadow } = kernel.memory;
  for (let at = block; at < block + STACK_BLOCK; at += 8) {
    if (shadow[at >>> 3] === 0) continue;
    let end = at + 8;
    while (end < block + STACK_BLOCK && shadow[end >>> 3] !== 0) end += 8;
    digest.word(at - block);
    hashBytes(kernel, digest, ranges, at, end);
    at = end;
  }
}

/** Not part of a name: the note of a call is for telling; a ticket's number says nothing; of an order see {@link hashCpu}. */
const UNNAMED: ReadonlySet<string> = new Set(["call", "ticket", "before"]);

function hashFrame(digest: Digest, frame: Frame, places: Places): void {
  if (frame.kind === "op") {
    digest.text(frame.name);
    digest.word(frame.step);
    for (const [name, value] of Object.entries(frame.data)) {
      if (UNNAMED.has(name)) continue;
      if (typeof value === "number") {
        digest.text(name);
        digest.number(name === "control" ? places.control(value) : value);
      } else if (typeof value === "string" || typeof value === "boolean") digest.text(`${name}${value}`);
      else if (Array.isArray(value) || value instanceof Uint8Array) digest.text(`${name}${value.join()}`);
    }
    return;
  }
  hashRegisters(digest, frame, places.ranges);
}

function hashRegisters(digest: Digest, frame: VmFrame, ranges: readonly Range[]): void {
  digest.word(frame.program);
  digest.word(frame.pc);
  if (frame.loopDone > 0) digest.word(frame.loopDone);
  digest.word(frame.mayGoto);
  for (let r = 0; r <= 10; r++) hashWord(digest, ranges, frame.lo[r] as number, frame.hi[r] as number);
}
