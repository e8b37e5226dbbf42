import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap, Ring } from "../state.ts";
import { round8 } from "./hash.ts";

/** Bytes that a record takes besides its data. */
const RECORD_HEADER = 8;
const RECORD_MAX = 0x3fff_ffff - RECORD_HEADER;

export function ringOf(map: BpfMap): Ring | null {
  return map.storage.kind === "ringbuf" ? map.storage.ring : null;
}

/** A new record; null when the ring has no room. The record is memory of its own: programs cannot reach its neighbours. */
export function reserveRecord(kernel: Kernel, map: BpfMap, size: number): number | null {
  const ring = ringOf(map);
  if (ring === null || size > RECORD_MAX) return null;
  const bytes = round8(size + RECORD_HEADER);
  if (bytes > map.maxEntries || ring.used + bytes > map.maxEntries - 1) return null;
  const at = kernel.memory.allocate(size, "record", `record of ${map.name}`, `map:${map.id}`);
  if (at === null) return null;
  ring.used += bytes;
  ring.produced += bytes;
  ring.records.push({ at, size, state: "busy" });
  return at;
}

/** Hands a record to user space, or throws it away. False: it is no record that a program still holds. */
export function finishRecord(kernel: Kernel, at: number, discard: boolean): boolean {
  for (const map of kernel.state.maps.values()) {
    const record = ringOf(map)?.records.find((r) => r.at === at && r.state === "busy");
    if (record === undefined) continue;
    record.state = discard ? "discarded" : "ready";
    kernel.memory.poison(at, Math.max(record.size, 1));
    if (!discard) kernel.emit({ kind: "ringbuf", map: map.id, bytes: record.size });
    return true;
  }
  return false;
}

/** The next record for user space, in order of reservation; null when there is none, or the next is still being written. */
export function readRecord(kernel: Kernel, map: BpfMap): Uint8Array | null {
  const ring = ringOf(map);
  if (ring === null) return null;
  for (;;) {
    const record = ring.records[0];
    if (record === undefined || record.state === "busy") return null;
    ring.records.shift();
    const bytes = round8(record.size + RECORD_HEADER);
    ring.used -= bytes;
    ring.consumed += bytes;
    const data = kernel.memory.slice(record.at, record.size);
    kernel.memory.free(record.at, kernel.state.now);
    if (record.state === "ready") return data;
  }
}

/** bpf_ringbuf_output. */
export function outputRecord(kernel: Kernel, map: BpfMap, bytes: Uint8Array, at: number, size: number): number {
  const record = reserveRecord(kernel, map, size);
  if (record === null) return negative("EAGAIN");
  kernel.memory.bytes.set(bytes.slice(at, at + size), record);
  finishRecord(kernel, record, false);
  return 0;
}
