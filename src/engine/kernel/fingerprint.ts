import type { VmFrame } from "../vm/frame.ts";
import type { Kernel } from "./kernel.ts";
import type { Frame, Task, Timer, Work } from "./state.ts";
import { hrtimersInOrder } from "./timers/hrtimer-queue.ts";
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
 * Names a state by what decides how it goes on: memory, objects and their holders, timers, tasks, time. States that differ only in
 * what was told, or in the numbers of tasks and tickets, have the same name.
 */
export function fingerprint(kernel: Kernel): string {
  const { state } = kernel;
  const digest = new Digest();
  digest.number(state.now);
  digest.text(state.oops === null ? "" : state.oops.message);
  hashMemory(kernel, digest);
  for (const map of state.maps.values()) {
    digest.text(`${map.id}${map.freed ? "f" : ""}${map.frozen ? "z" : ""}${[...map.holders.keys()].sort().join()}`);
    const { storage } = map;
    if (storage.kind === "slots")
      digest.text(
        [...storage.slots]
          .map(([key, id]) => `${key}=${id}`)
          .sort()
          .join(),
      );
    else if (storage.kind === "list") digest.text(storage.values.join());
    else if (storage.kind === "hash")
      digest.text(`${storage.free.join()};${storage.spare.join()};${storage.carved};${storage.newest}`);
    else if (storage.kind === "ringbuf") digest.text(storage.ring.records.map((r) => `${r.at}${r.state}`).join());
    else if (storage.kind === "timers") digest.text([...storage.timers].join());
  }
  for (const program of state.programs.values()) {
    digest.text(`${program.id}${program.state}${[...program.holders.keys()].sort().join()}`);
  }
  for (const process of state.processes.values()) digest.text(`${process.id}:${[...process.fds.keys()].join()}`);
  digest.text([...state.pins.keys()].join());
  for (const timer of state.timers.values()) hashTimer(digest, timer);
  for (const work of state.works.values()) hashWork(digest, work);
  for (const cpu of state.cpus) {
    for (const queue of [cpu.hrtimers.monotonic, cpu.hrtimers.boottime]) {
      for (const timer of hrtimersInOrder(queue)) digest.number(timer.index);
      digest.word(-2);
    }
    if (cpu.wheel.count > 0) {
      digest.number(cpu.wheel.clk);
      for (let bucket = 0; bucket < cpu.wheel.heads.length; bucket++) {
        for (const index of bucketTimers(cpu.wheel, bucket)) digest.number(bucket * 4096 + index);
      }
    }
    for (const control of cpu.works) digest.number(control);
    digest.number(cpu.served);
    digest.number(cpu.locksHeld);
    for (const id of cpu.stack) hashTask(kernel, digest, state.tasks.get(id) as Task);
    digest.word(-3);
  }
  const names = new Map<number, string>();
  const workers = [...state.tasks.values()].filter((task) => task.cpu < 0);
  for (const task of workers) {
    const own = new Digest();
    hashTask(kernel, own, task);
    names.set(task.id, own.value);
  }
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
      .map((c) => `${c.what};${c.waitFor.map(place).sort().join()};${c.free.join()};${c.timers.join()}`)
      .sort()
      .join("|"),
  );
  return digest.value;
}

/** All that lives; of stacks what is open. */
function hashMemory(kernel: Kernel, digest: Digest): void {
  const { memory } = kernel;
  const { view, shadow } = memory;
  for (const object of memory.live()) {
    digest.word(object.start);
    const end = object.start + object.block;
    for (let at = object.start; at < end; at += 8) {
      if (object.kind === "stack" && shadow[at >>> 3] === 0) continue;
      const low = view.getInt32(at, true);
      const high = view.getInt32(at + 4, true);
      if ((low | high) === 0) continue;
      digest.word(at);
      digest.word(low);
      digest.word(high);
    }
  }
}

function hashTimer(digest: Digest, timer: Timer): void {
  digest.number(timer.control);
  digest.number(timer.queuedOn < 0 ? -1 : timer.expires);
  digest.word(timer.queuedOn * 64 + timer.runningOn);
  digest.word(timer.cancelling * 2 + (timer.detached ? 1 : 0));
  digest.text(timer.callback === null ? "" : `${timer.callback.program}.${timer.callback.entry}`);
  digest.word(timer.holds ?? -1);
}

function hashWork(digest: Digest, work: Work): void {
  digest.number(work.control);
  digest.number(work.queuedOn < 0 ? -1 : work.due);
  digest.word(work.runningOn * 2 + (work.detached ? 1 : 0));
  digest.text(work.callback === null ? "" : `${work.callback.program}.${work.callback.entry}`);
  digest.word(work.holds ?? -1);
}

function hashTask(kernel: Kernel, digest: Digest, task: Task): void {
  digest.text(task.kind);
  digest.word(task.timer);
  digest.word(task.work);
  digest.word(task.rcu);
  if (kernel.settings.insnCost > 0) digest.number(task.time);
  const wait = task.wait;
  if (wait !== null)
    digest.text(wait.on === "callback" ? `c${wait.control}` : wait.on === "lock" ? `l${wait.at}` : wait.on);
  for (const frame of task.frames) hashFrame(digest, frame);
}

function hashFrame(digest: Digest, frame: Frame): void {
  if (frame.kind === "op") {
    digest.text(frame.name);
    digest.word(frame.step);
    for (const [name, value] of Object.entries(frame.data)) {
      // The note of a call is for telling; a ticket's number says nothing.
      if (name === "call" || name === "ticket") continue;
      if (typeof value === "number") {
        digest.text(name);
        digest.number(value);
      } else if (typeof value === "string" || typeof value === "boolean") digest.text(`${name}${value}`);
      else if (Array.isArray(value)) digest.text(`${name}${value.join()}`);
    }
    return;
  }
  hashRegisters(digest, frame);
}

function hashRegisters(digest: Digest, frame: VmFrame): void {
  digest.word(frame.program);
  digest.word(frame.pc);
  for (let r = 0; r <= 10; r++) {
    digest.word(frame.lo[r] as number);
    digest.word(frame.hi[r] as number);
  }
}
