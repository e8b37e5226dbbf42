import type { NodeId } from "./event-types.ts";
import type { Kernel } from "./kernel.ts";
import { bytesOf, hexOf, hideSpecialFields, indexOfValue, nextValue } from "./maps/values.ts";
import type { BpfMap, FileTarget, Timer, Work } from "./state.ts";
import { hrtimersInOrder } from "./timers/hrtimer-queue.ts";
import { shownExpiry } from "./timers/timer-object.ts";
import { bucketJiffy, bucketTimers, LEVEL_SIZE } from "./timers/wheel.ts";

/** One entry of a map, for showing. */
export interface MapEntry {
  /** `element:MAPID:KEYHEX` */
  readonly node: NodeId;
  readonly key: Uint8Array;
  readonly keyHex: string;
  /** One value; one per CPU in per-CPU maps. Special fields are zero, as user space sees them. */
  readonly values: readonly Uint8Array[];
  /** Offset of the value in guest memory (CPU 0's); 0 when it lies nowhere. */
  readonly valueAt: number;
  /** What the entry of a map of maps or programs holds. */
  readonly target: FileTarget | null;
  /** The timer in the value, or of the entry. */
  readonly timer: Timer | null;
  /** The work queue in the value. */
  readonly work: Work | null;
}

function keyBytes(kernel: Kernel, map: BpfMap, valueAt: number): Uint8Array {
  const { storage } = map;
  if (storage.kind !== "hash") return entryKey(indexOfValue(map, valueAt));
  return kernel.memory.slice(valueAt - storage.valueOffset + storage.keyOffset, map.keySize);
}

const entryKey = (index: number): Uint8Array =>
  Uint8Array.of(index & 255, (index >> 8) & 255, (index >> 16) & 255, index >>> 24);

/** The first `limit` entries of a map in the order of iteration; of queues and ring buffers what would be read next first. */
export function mapEntries(kernel: Kernel, mapId: number, limit: number): MapEntry[] {
  const map = kernel.map(mapId);
  const { storage } = map;
  const entries: MapEntry[] = [];
  if (map.freed) return entries;
  const add = (key: Uint8Array, rest: Partial<MapEntry>): void => {
    const keyHex = hexOf(key);
    const node = `element:${map.id}:${keyHex}`;
    entries.push({ node, key, keyHex, values: [], valueAt: 0, target: null, timer: null, work: null, ...rest });
  };
  switch (storage.kind) {
    case "array":
    case "hash": {
      const copies = storage.cpuStride === 0 ? 1 : kernel.settings.cpus;
      for (let at = nextValue(kernel, map, 0); at !== 0 && entries.length < limit; at = nextValue(kernel, map, at)) {
        const values = Array.from({ length: copies }, (_, cpu) => {
          const bytes = kernel.memory.slice(at + cpu * storage.cpuStride, map.valueSize);
          hideSpecialFields(map, bytes);
          return bytes;
        });
        const control = map.timerAt < 0 ? 0 : kernel.memory.view.getUint32(at + map.timerAt, true);
        const timer = kernel.state.timers.get(control) ?? null;
        const item = map.wqAt < 0 ? 0 : kernel.memory.view.getUint32(at + map.wqAt, true);
        const work = kernel.state.works.get(item) ?? null;
        add(keyBytes(kernel, map, at), { values, valueAt: at, timer, work });
      }
      break;
    }
    case "slots":
      for (const [keyHex, id] of [...storage.slots].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)) {
        add(bytesOf(keyHex), { values: [entryKey(id)], target: { kind: storage.of, id } });
      }
      break;
    case "list": {
      const order = storage.lifo ? [...storage.values].reverse() : storage.values;
      order.slice(0, limit).forEach((at, index) => {
        add(entryKey(index), { values: [kernel.memory.slice(at, map.valueSize)], valueAt: at });
      });
      break;
    }
    case "ringbuf":
      storage.ring.records
        .filter((record) => record.state !== "discarded")
        .slice(0, limit)
        .forEach((record, index) => {
          add(entryKey(index), { values: [kernel.memory.slice(record.at, record.size)], valueAt: record.at });
        });
      break;
    case "timers":
      for (const [id, control] of storage.timers) {
        if (entries.length >= limit) break;
        const timer = kernel.state.timers.get(control) ?? null;
        const value = new Uint8Array(8);
        const expires = timer !== null && timer.queuedOn >= 0 && Number.isFinite(timer.expires) ? timer.expires : 0;
        new DataView(value.buffer).setBigUint64(0, BigInt(expires), true);
        add(entryKey(id), { values: [value], timer });
      }
      break;
  }
  return entries;
}

export type QueueBase = "monotonic" | "boottime" | "wheel";

export interface QueuedTimer {
  readonly timer: Timer;
  /** ns; null when it lies beyond every recording. */
  readonly expires: number | null;
}

function timersOf(kernel: Kernel, indexes: readonly number[]): QueuedTimer[] {
  const { timers, timerControls } = kernel.state;
  return indexes.flatMap((index) => {
    const timer = timers.get(timerControls[index] as number);
    return timer === undefined ? [] : [{ timer, expires: shownExpiry(kernel, timer) }];
  });
}

/** What waits in one queue of a CPU, in order of service. */
export function queuedTimers(kernel: Kernel, cpuId: number, base: QueueBase): QueuedTimer[] {
  const cpu = kernel.state.cpus[cpuId];
  if (cpu === undefined) return [];
  if (base !== "wheel")
    return timersOf(
      kernel,
      hrtimersInOrder(cpu.hrtimers[base]).map((timer) => timer.index),
    );
  return wheelBuckets(kernel, cpuId)
    .sort((a, b) => a.expiresJiffies - b.expiresJiffies || b.level - a.level)
    .flatMap((bucket) => bucket.timers);
}

export interface WheelBucket {
  readonly level: number;
  readonly bucket: number;
  /** Jiffy at which it is served. */
  readonly expiresJiffies: number;
  readonly timers: readonly QueuedTimer[];
}

/** The occupied buckets of a CPU's wheel, finest level first. */
export function wheelBuckets(kernel: Kernel, cpuId: number): WheelBucket[] {
  const wheel = kernel.state.cpus[cpuId]?.wheel;
  const buckets: WheelBucket[] = [];
  if (wheel === undefined || wheel.count === 0) return buckets;
  for (let i = 0; i < wheel.heads.length; i++) {
    if ((wheel.heads[i] as number) < 0) continue;
    buckets.push({
      level: Math.floor(i / LEVEL_SIZE),
      bucket: i % LEVEL_SIZE,
      expiresJiffies: bucketJiffy(wheel.clk, i),
      timers: timersOf(kernel, bucketTimers(wheel, i)),
    });
  }
  return buckets;
}

/** Where a wheel timer waits; null when it is none, or is not queued. */
export function wheelPlaceOf(
  kernel: Kernel,
  timer: Timer,
): { readonly level: number; readonly bucket: number; readonly expiresJiffies: number } | null {
  const wheel = timer.clock === "jiffies" ? kernel.state.cpus[timer.queuedOn]?.wheel : undefined;
  const bucket = wheel?.buckets[timer.index] ?? -1;
  if (wheel === undefined || bucket < 0) return null;
  return {
    level: Math.floor(bucket / LEVEL_SIZE),
    bucket: bucket % LEVEL_SIZE,
    expiresJiffies: bucketJiffy(wheel.clk, bucket),
  };
}

export const timerState = (timer: Timer): ObjectState => stateOf(timer);

export const workState = (work: Work): ObjectState => stateOf(work);

/** A queued work item counts as armed, one whose callback runs as firing. */
export type ObjectState = "idle" | "armed" | "firing" | "freed";

function stateOf(timer: Pick<Timer, "freed" | "runningOn" | "queuedOn" | "detached">): ObjectState {
  if (timer.freed) return "freed";
  if (timer.runningOn >= 0) return "firing";
  if (timer.queuedOn >= 0) return "armed";
  // Dropped: its field no longer names it, and only a grace period stands between it and its end.
  return timer.detached ? "freed" : "idle";
}

/** Expiry in ns of `state.now`'s clock; null when the timer is idle, or due beyond every recording. */
export function timerExpiry(kernel: Kernel, timer: Timer): number | null {
  return timer.queuedOn < 0 ? null : shownExpiry(kernel, timer);
}
