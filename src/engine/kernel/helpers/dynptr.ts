import { packetAccess } from "../../abi/contexts.ts";
import { ERRNO } from "../../abi/errno.ts";
import type { VmFrame } from "../../vm/frame.ts";
import { GUEST_HIGH, guestAddress } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { finishRecord, reserveRecord } from "../maps/ring.ts";
import {
  type HelperImplementation,
  mapArgument,
  memoryArgument,
  returnPointer,
  u32Of,
  u64Of,
} from "./implementation.ts";

/**
 * `struct bpf_dynptr` as it lies on a program's stack: the address of the data, its size (24 bits), an offset. All zero: the null
 * dynptr, on which every operation fails.
 */
const DYNPTR_BYTES = 16;
const DYNPTR_MAX_SIZE = 2 ** 24 - 1;

/** Mark in the size word. */
const READ_ONLY = 0x8000_0000;

interface Dynptr {
  /** Offset of the first byte. */
  readonly data: number;
  readonly size: number;
  readonly readOnly: boolean;
  /** Where the dynptr itself lies. */
  readonly at: number;
}

function writeDynptr(kernel: Kernel, at: number, data: number, size: number, readOnly = false): void {
  kernel.memory.writeU64(at, data === 0 ? 0n : guestAddress(data));
  kernel.memory.view.setUint32(at + 8, (readOnly ? READ_ONLY : 0) + size, true);
  kernel.memory.view.setUint32(at + 12, 0, true);
}

/** The dynptr behind a register; null for the null dynptr; "oops". */
function dynptrArgument(kernel: Kernel, frame: VmFrame, register: number): Dynptr | null | "oops" {
  const at = memoryArgument(kernel, frame, register, DYNPTR_BYTES);
  if (at < 0) return "oops";
  const { view } = kernel.memory;
  const data = view.getUint32(at, true);
  if (data === 0 || (view.getUint32(at + 4, true) | 0) !== GUEST_HIGH) return null;
  const offset = view.getUint32(at + 12, true);
  const size = view.getUint32(at + 8, true);
  return { data: data + offset, size: size & DYNPTR_MAX_SIZE, readOnly: size >= READ_ONLY, at };
}

const fits = (pointer: Dynptr, offset: number, length: number): boolean =>
  length <= pointer.size && offset <= pointer.size - length;

const fromMemory: HelperImplementation = (kernel, _task, frame) => {
  const size = u64Of(frame, 2);
  const target = memoryArgument(kernel, frame, 4, DYNPTR_BYTES, true);
  if (target < 0) return 0;
  writeDynptr(kernel, target, 0, 0);
  if (size > DYNPTR_MAX_SIZE) return negative("E2BIG");
  if (u64Of(frame, 3) !== 0) return negative("EINVAL");
  const data = memoryArgument(kernel, frame, 1, size);
  if (data >= 0) writeDynptr(kernel, target, data, size);
  return 0;
};

const reserve: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  const target = map === null ? -1 : memoryArgument(kernel, frame, 4, DYNPTR_BYTES, true);
  if (map === null || target < 0) return 0;
  writeDynptr(kernel, target, 0, 0);
  const size = u32Of(frame, 2);
  if (u64Of(frame, 3) !== 0) return negative("EINVAL");
  if (size > DYNPTR_MAX_SIZE) return negative("E2BIG");
  const record = reserveRecord(kernel, map, size);
  if (record === null) return negative("EINVAL");
  writeDynptr(kernel, target, record, size);
  return 0;
};

const end =
  (discard: boolean): HelperImplementation =>
  (kernel, _task, frame) => {
    const pointer = dynptrArgument(kernel, frame, 1);
    if (pointer === "oops" || pointer === null) return 0;
    finishRecord(kernel, pointer.data, discard);
    writeDynptr(kernel, (frame.lo[1] as number) >>> 0, 0, 0);
    return 0;
  };

const read: HelperImplementation = (kernel, _task, frame) => {
  const length = u32Of(frame, 2);
  const target = memoryArgument(kernel, frame, 1, length, true);
  const source = target < 0 ? "oops" : dynptrArgument(kernel, frame, 3);
  if (source === "oops") return 0;
  if (source === null || u64Of(frame, 5) !== 0) return negative("EINVAL");
  const offset = u32Of(frame, 4);
  if (!fits(source, offset, length)) return negative("E2BIG");
  kernel.memory.bytes.copyWithin(target, source.data + offset, source.data + offset + length);
  return 0;
};

const write: HelperImplementation = (kernel, _task, frame) => {
  const length = u32Of(frame, 4);
  const source = memoryArgument(kernel, frame, 3, length);
  const target = source < 0 ? "oops" : dynptrArgument(kernel, frame, 1);
  if (target === "oops") return 0;
  if (target === null || target.readOnly || u64Of(frame, 5) !== 0) return negative("EINVAL");
  const offset = u32Of(frame, 2);
  if (!fits(target, offset, length)) return negative("E2BIG");
  kernel.memory.bytes.copyWithin(target.data + offset, source, source + length);
  return 0;
};

const data: HelperImplementation = (kernel, _task, frame) => {
  const pointer = dynptrArgument(kernel, frame, 1);
  if (pointer === "oops") return 0;
  const offset = u32Of(frame, 2);
  return returnPointer(
    frame,
    pointer !== null && !pointer.readOnly && fits(pointer, offset, u32Of(frame, 3)) ? pointer.data + offset : 0,
  );
};

export const DYNPTR_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [197, fromMemory],
  [198, reserve],
  [199, end(false)],
  [200, end(true)],
  [201, read],
  [202, write],
  [203, data],
];

/** A kfunc on the dynptr in r1; `none` answers for the null dynptr. */
const onDynptr =
  (
    none: number,
    answer: (pointer: Dynptr, kernel: Kernel, frame: VmFrame) => number | undefined,
  ): HelperImplementation =>
  (kernel, _task, frame) => {
    const pointer = dynptrArgument(kernel, frame, 1);
    if (pointer === "oops") return 0;
    return pointer === null ? none : answer(pointer, kernel, frame);
  };

const EINVAL = -ERRNO.EINVAL;

const slice = (write: boolean): HelperImplementation =>
  onDynptr(0, (pointer, _kernel, frame) => {
    const offset = u32Of(frame, 2);
    const allowed = (!write || !pointer.readOnly) && fits(pointer, offset, u32Of(frame, 4));
    return returnPointer(frame, allowed ? pointer.data + offset : 0);
  });

/** The packet of the context. Programs that may not write to it directly get a read-only one. */
const fromPacket: HelperImplementation = (kernel, task, frame) => {
  const target = memoryArgument(kernel, frame, 3, DYNPTR_BYTES, true);
  if (target < 0) return 0;
  writeDynptr(kernel, target, 0, 0);
  const context = task.context;
  if (u64Of(frame, 2) !== 0 || context === null) return EINVAL;
  const readOnly = packetAccess(context.programType) !== "write";
  writeDynptr(kernel, target, context.data, context.end - context.data, readOnly);
  return 0;
};

export const DYNPTR_KFUNCS: readonly (readonly [string, HelperImplementation])[] = [
  ["bpf_dynptr_is_null", onDynptr(1, () => 0)],
  ["bpf_dynptr_is_rdonly", onDynptr(0, (pointer) => (pointer.readOnly ? 1 : 0))],
  ["bpf_dynptr_size", onDynptr(EINVAL, (pointer) => pointer.size)],
  [
    "bpf_dynptr_adjust",
    onDynptr(EINVAL, (pointer, kernel, frame) => {
      const start = u32Of(frame, 2);
      const last = u32Of(frame, 3);
      if (start > last) return EINVAL;
      if (last > pointer.size) return negative("ERANGE");
      writeDynptr(kernel, pointer.at, pointer.data + start, last - start, pointer.readOnly);
      return 0;
    }),
  ],
  [
    "bpf_dynptr_clone",
    (kernel, _task, frame) => {
      const target = memoryArgument(kernel, frame, 2, DYNPTR_BYTES, true);
      const pointer = target < 0 ? "oops" : dynptrArgument(kernel, frame, 1);
      if (pointer === "oops") return 0;
      writeDynptr(kernel, target, pointer?.data ?? 0, pointer?.size ?? 0, pointer?.readOnly === true);
      return pointer === null ? EINVAL : 0;
    },
  ],
  ["bpf_dynptr_slice", slice(false)],
  ["bpf_dynptr_slice_rdwr", slice(true)],
  [
    "bpf_dynptr_copy",
    onDynptr(EINVAL, (target, kernel, frame) => {
      const source = dynptrArgument(kernel, frame, 3);
      if (source === "oops") return 0;
      if (source === null || target.readOnly) return EINVAL;
      const to = u32Of(frame, 2);
      const from = u32Of(frame, 4);
      const length = u32Of(frame, 5);
      if (!fits(target, to, length) || !fits(source, from, length)) return negative("E2BIG");
      const begin = source.data + from;
      kernel.memory.bytes.copyWithin(target.data + to, begin, begin + length);
      return 0;
    }),
  ],
  [
    "bpf_dynptr_memset",
    onDynptr(EINVAL, (pointer, kernel, frame) => {
      const offset = u32Of(frame, 2);
      const length = u32Of(frame, 3);
      if (pointer.readOnly) return EINVAL;
      if (!fits(pointer, offset, length)) return negative("E2BIG");
      const begin = pointer.data + offset;
      kernel.memory.bytes.fill(u32Of(frame, 4) & 0xff, begin, begin + length);
      return 0;
    }),
  ],
  ["bpf_dynptr_from_skb", fromPacket],
  ["bpf_dynptr_from_xdp", fromPacket],
  [
    "bpf_xdp_pull_data",
    (_kernel, task, frame) => {
      const context = task.context;
      return context !== null && u32Of(frame, 2) <= context.end - context.data ? 0 : EINVAL;
    },
  ],
];
