import type { VmFrame } from "../../vm/frame.ts";
import { exposePacket } from "../context.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { ContextDescriptor, Task } from "../state.ts";
import { popFunction } from "../tasks.ts";
import { type HelperImplementation, memoryArgument, u32Of, u64Of } from "./implementation.ts";

const signed32 = (frame: VmFrame, register: number): number => frame.lo[register] as number;

/** The packet of the context in r1; the task's own. */
const packetOf = (task: Task): ContextDescriptor | null => task.context;

const loadBytes: HelperImplementation = (kernel, task, frame) => {
  const size = u32Of(frame, 4);
  const target = memoryArgument(kernel, frame, 3, size, true);
  if (target < 0) return 0;
  const context = packetOf(task);
  const off = u32Of(frame, 2);
  const { bytes } = kernel.memory;
  if (context === null || off > 0x7fffffff || context.data + off + size > context.end) {
    bytes.fill(0, target, target + size);
    return negative("EFAULT");
  }
  bytes.copyWithin(target, context.data + off, context.data + off + size);
  return 0;
};

const storeBytes: HelperImplementation = (kernel, task, frame) => {
  const size = u32Of(frame, 4);
  const from = memoryArgument(kernel, frame, 3, size);
  if (from < 0) return 0;
  const context = packetOf(task);
  const off = u32Of(frame, 2);
  if (u64Of(frame, 5) > 3) return negative("EINVAL");
  if (context === null || off > 0x7fffffff || context.data + off + size > context.end) return negative("EFAULT");
  kernel.memory.bytes.copyWithin(context.data + off, from, from + size);
  return 0;
};

const xdpStoreBytes: HelperImplementation = (kernel, task, frame) => {
  const size = u32Of(frame, 4);
  const from = memoryArgument(kernel, frame, 3, size);
  if (from < 0) return 0;
  const context = packetOf(task);
  const off = u32Of(frame, 2);
  if (context === null || context.data + off + size > context.end) return negative("EINVAL");
  kernel.memory.bytes.copyWithin(context.data + off, from, from + size);
  return 0;
};

const xdpLoadBytes: HelperImplementation = (kernel, task, frame) => {
  const size = u32Of(frame, 4);
  const target = memoryArgument(kernel, frame, 3, size, true);
  if (target < 0) return 0;
  const context = packetOf(task);
  const off = u32Of(frame, 2);
  if (context === null || context.data + off + size > context.end) return negative("EINVAL");
  kernel.memory.bytes.copyWithin(target, context.data + off, context.data + off + size);
  return 0;
};

/** Room for metadata and the frame's own bookkeeping in front of XDP data. */
const XDP_FRAME = 40;
const ETH_HLEN = 14;

const adjustHead: HelperImplementation = (kernel, task, frame) => {
  const context = packetOf(task);
  if (context === null) return negative("EINVAL");
  const data = context.data + signed32(frame, 2);
  if (data < context.packetBlock + XDP_FRAME || data > context.end - ETH_HLEN) return negative("EINVAL");
  context.meta = context.meta === context.data ? data : Math.min(context.meta, data);
  context.data = data;
  exposePacket(kernel, context);
  return 0;
};

const adjustTail: HelperImplementation = (kernel, task, frame) => {
  const context = packetOf(task);
  if (context === null) return negative("EINVAL");
  const end = context.end + signed32(frame, 2);
  if (end > context.packetBlock + context.packetBlockSize || end < context.data + ETH_HLEN) return negative("EINVAL");
  if (end > context.end) kernel.memory.bytes.fill(0, context.end, end);
  context.end = end;
  exposePacket(kernel, context);
  return 0;
};

const adjustMeta: HelperImplementation = (kernel, task, frame) => {
  const context = packetOf(task);
  if (context === null) return negative("EINVAL");
  const meta = context.meta + signed32(frame, 2);
  const length = context.data - meta;
  if (meta < context.packetBlock + XDP_FRAME || meta > context.data) return negative("EINVAL");
  if (length % 4 !== 0 || length > 252) return negative("EACCES");
  context.meta = meta;
  exposePacket(kernel, context);
  return 0;
};

const buffLen: HelperImplementation = (_kernel, task) => {
  const context = packetOf(task);
  return context === null ? 0 : context.end - context.data;
};

/** The packet is one piece of memory here: nothing needs to be pulled in. */
const pullData: HelperImplementation = (_kernel, task, frame) => {
  const context = packetOf(task);
  return context !== null && u32Of(frame, 2) > context.end - context.data ? negative("ENOMEM") : 0;
};

const changeTail: HelperImplementation = (kernel, task, frame) => {
  const context = packetOf(task);
  const length = u32Of(frame, 2);
  if (context === null || u64Of(frame, 3) !== 0) return negative("EINVAL");
  const end = context.data + length;
  if (length < ETH_HLEN || end > context.packetBlock + context.packetBlockSize) return negative("EINVAL");
  if (end > context.end) kernel.memory.bytes.fill(0, context.end, end);
  context.end = end;
  kernel.memory.view.setUint32(context.at, length, true);
  exposePacket(kernel, context);
  return 0;
};

/** Folds a difference into a 16-bit checksum field. `size` 0: the difference is in `to`. */
function replaceChecksum(kernel: Kernel, at: number, from: bigint, to: bigint): void {
  const { view } = kernel.memory;
  let total = (~BigInt(view.getUint16(at, true)) & 0xffffn) + (~from & 0xffff_ffffn) + (to & 0xffff_ffffn);
  while (total > 0xffffn) total = (total & 0xffffn) + (total >> 16n);
  view.setUint16(at, Number(~total & 0xffffn), true);
}

const csumReplace =
  (layer: 3 | 4): HelperImplementation =>
  (kernel, task, frame) => {
    const context = packetOf(task);
    const off = u32Of(frame, 2);
    const flags = u64Of(frame, 5);
    const size = flags & 0xf;
    if (flags > (layer === 3 ? 0xf : 0x7f) || (off & 1) !== 0) return negative("EINVAL");
    if (context === null || context.data + off + 2 > context.end) return negative("EFAULT");
    const at = context.data + off;
    const to = BigInt(u32Of(frame, 4));
    // BPF_F_MARK_MANGLED_0: a UDP checksum of zero means that there is none.
    if (layer === 4 && (flags & 0x20) !== 0 && kernel.memory.view.getUint16(at, true) === 0) return 0;
    if (size === 0) {
      if (u64Of(frame, 3) !== 0) return negative("EINVAL");
      replaceChecksum(kernel, at, 0xffff_ffffn, to);
    } else if (size === 2 || size === 4) {
      replaceChecksum(kernel, at, BigInt(u32Of(frame, 3)), to);
    } else {
      return negative("EINVAL");
    }
    return 0;
  };

const csumLevel: HelperImplementation = () => 0;

/** XDP_REDIRECT and TC_ACT_REDIRECT: where the packet would go is not modelled, the verdict is. */
const redirect: HelperImplementation = (kernel, task, frame) => {
  const xdp = kernel.program(frame.program).type === 6;
  if (u64Of(frame, 2) > (xdp ? 0 : 1)) return xdp ? 0 : 2;
  return task.context === null ? 2 : xdp ? 4 : 7;
};

/** Legacy loads of packet bytes in network order; outside the packet the function ends with 0. */
export function legacyPacketLoad(kernel: Kernel, task: Task, frame: VmFrame): void {
  const executable = kernel.executable(frame.program);
  const op = executable.op[frame.pc] as number;
  const size = (op & 0x18) === 0 ? 4 : (op & 0x18) === 0x08 ? 2 : 1;
  const indirect = op >> 5 === 2 ? (frame.lo[executable.src[frame.pc] as number] as number) : 0;
  const off = ((executable.imm[frame.pc] as number) + indirect) | 0;
  const context = task.context;
  if (context === null || off < 0 || context.data + off + size > context.end) {
    frame.lo[0] = 0;
    frame.hi[0] = 0;
    popFunction(kernel, task);
    return;
  }
  const { view } = kernel.memory;
  const at = context.data + off;
  frame.lo[0] = size === 4 ? view.getUint32(at, false) | 0 : size === 2 ? view.getUint16(at, false) : view.getUint8(at);
  frame.hi[0] = 0;
  frame.pc++;
}

export const PACKET_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [9, storeBytes],
  [26, loadBytes],
  [10, csumReplace(3)],
  [11, csumReplace(4)],
  [135, csumLevel],
  [38, changeTail],
  [39, pullData],
  [23, redirect],
  [44, adjustHead],
  [54, adjustMeta],
  [65, adjustTail],
  [188, buffLen],
  [189, xdpLoadBytes],
  [190, xdpStoreBytes],
];
