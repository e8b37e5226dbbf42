import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { finishRecord, outputRecord, reserveRecord, ringOf } from "../maps/ring.ts";
import { type HelperImplementation, mapArgument, memoryArgument, returnPointer, u64Of } from "./implementation.ts";

/** BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP: nobody sleeps here. */
const WAKEUP_FLAGS = 3;

const reserve: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const record = u64Of(frame, 3) === 0 ? reserveRecord(kernel, map, u64Of(frame, 2)) : null;
  return returnPointer(frame, record ?? 0);
};

const end =
  (discard: boolean): HelperImplementation =>
  (kernel: Kernel, _task, frame) => {
    const at = (frame.lo[1] as number) >>> 0;
    if (!finishRecord(kernel, at, discard)) memoryArgument(kernel, frame, 1, 8);
    return 0;
  };

const output: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  if (map === null) return 0;
  const size = u64Of(frame, 3);
  const at = memoryArgument(kernel, frame, 2, size);
  if (at < 0) return 0;
  if ((u64Of(frame, 4) & ~WAKEUP_FLAGS) !== 0) return negative("EINVAL");
  return outputRecord(kernel, map, kernel.memory.bytes, at, size);
};

const query: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  const ring = map === null ? null : ringOf(map);
  if (map === null || ring === null) return 0;
  switch (u64Of(frame, 2)) {
    case 0:
      return ring.used;
    case 1:
      return map.maxEntries;
    case 2:
      return ring.consumed;
    case 3:
      return ring.produced;
    default:
      return 0;
  }
};

export const RINGBUF_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [130, output],
  [131, reserve],
  [132, end(false)],
  [133, end(true)],
  [134, query],
];
