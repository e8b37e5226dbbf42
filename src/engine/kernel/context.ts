import { type ContextLayout, checkContextAccess, contextLayout } from "../abi/contexts.ts";
import type { Errno } from "../abi/errno.ts";
import { progTypeName } from "../abi/types.ts";
import type { VmFrame } from "../vm/frame.ts";
import { guestAddress, SHADOW_CONTEXT } from "../vm/memory.ts";
import type { Kernel } from "./kernel.ts";
import type { ContextDescriptor, LoadedProgram, Task } from "./state.ts";
import { setPointer } from "./tasks.ts";

/** Room in front of and behind packet data, for programs that move its ends. */
const HEADROOM = 256;
const TAILROOM = 320;
const ETH_HLEN = 14;
/**
 * Bytes in front of a context whose loads may have any negative offset of an instruction. On Linux whatever lies there is read; here
 * it is zero.
 */
const FRONT = 0x8000;
const LOOPBACK_IFINDEX = 1;

/** Behind a context that is not plain memory: what data, data_end and data_meta point to, for compiled code. */
const POINTER_BYTES = 32;
const pointersBehind = (size: number): number => (size + 7) & ~7;

/** Layouts by type and attach type: tables, made once. */
const LAYOUTS = new Map<string, ContextLayout>();

function layoutOf(programType: number, attachType: number): ContextLayout {
  const key = `${programType}:${attachType}`;
  let layout = LAYOUTS.get(key);
  if (layout === undefined) {
    layout = contextLayout(programType, attachType);
    LAYOUTS.set(key, layout);
  }
  return layout;
}

/** The whole context is memory as programs see it. */
const isPlain = (layout: ContextLayout): boolean =>
  layout.flat !== null && layout.fields.every((field) => field.pointer === null);

/** Contexts that are plain memory have at least so many bytes of what their programs may read. */
const MAX_PLAIN = 8192;

/** Where compiled code finds what an access to the context of a program yields; null when it has to ask. */
export function contextPlace(
  programType: number,
  expectedAttachType: number,
  off: number,
  width: number,
  write: boolean,
): { readonly at: number; readonly pointer: boolean } | null {
  const layout = layoutOf(programType, expectedAttachType);
  const access = checkContextAccess(layout, off, width, write);
  const plain = isPlain(layout);
  const end = plain ? Math.min(layout.flat?.end ?? 0, MAX_PLAIN) : layout.size;
  if (!access.ok || off < 0 || off + width > end) return null;
  if (access.pointer === null) return { at: off, pointer: false };
  const which = ["pkt", "pkt_end", "pkt_meta"].indexOf(access.pointer);
  return which < 0 || plain ? null : { at: pointersBehind(Math.max(layout.size, 8)) + 8 * which, pointer: true };
}

const SKB_TYPES: ReadonlySet<string> = new Set([
  "socket_filter",
  "sched_cls",
  "sched_act",
  "cgroup_skb",
  "lwt_in",
  "lwt_out",
  "lwt_xmit",
  "lwt_seg6local",
  "sk_skb",
  "flow_dissector",
]);
/** Types that see the Ethernet header: for the others BPF_PROG_TEST_RUN has taken it off. */
const L2_TYPES: ReadonlySet<string> = new Set(["sched_cls", "sched_act", "flow_dissector"]);

/**
 * Context of a test run; EINVAL as BPF_PROG_TEST_RUN says it. Null: the task has its context. What a test run needs for itself is not
 * hit by fault injection: that is for what programs and maps ask for.
 */
export function buildContext(
  kernel: Kernel,
  task: Task,
  program: LoadedProgram,
  data: Uint8Array,
  given: Uint8Array | null,
): Errno | null {
  const type = progTypeName(program.type) ?? "";
  const layout = layoutOf(program.type, program.expectedAttachType);
  const skb = SKB_TYPES.has(type);
  const packet = skb || type === "xdp";
  if (packet && data.length < ETH_HLEN) return "EINVAL";
  const flat = isPlain(layout);
  const size = flat
    ? Math.max(given?.length ?? 0, Math.min(layout.flat?.end ?? 0, MAX_PLAIN), 8)
    : Math.max(layout.size, 8);
  if (given !== null && given.length > size) return "EINVAL";
  const front = layout.flat?.negative ? FRONT : 0;
  const behind = flat ? 0 : POINTER_BYTES;
  const shadow = flat ? 0 : SHADOW_CONTEXT;
  const block = kernel.memory.allocate(front + size + behind, "context", `context of ${program.name}`, null, shadow);
  if (block === null) return "ENOMEM";
  const at = block + front;
  if (behind > 0) kernel.memory.poison(at + pointersBehind(size), size + behind - pointersBehind(size));
  const context: ContextDescriptor = {
    block,
    at,
    size,
    programType: program.type,
    expectedAttachType: program.expectedAttachType,
    data: 0,
    end: 0,
    packetBlock: 0,
    packetBlockSize: 0,
    meta: 0,
  };
  if (given !== null) kernel.memory.bytes.set(given, at);
  task.context = context;
  if (packet || data.length > 0) {
    const blockSize = HEADROOM + data.length + TAILROOM;
    const packetBlock = kernel.memory.allocate(blockSize, "packet", "packet", null);
    if (packetBlock === null) {
      freeContext(kernel, task);
      return "ENOMEM";
    }
    context.packetBlock = packetBlock;
    context.packetBlockSize = blockSize;
    context.data = packetBlock + HEADROOM;
    context.end = context.data + data.length;
    kernel.memory.bytes.set(data, context.data);
  }
  if (skb) {
    if (!L2_TYPES.has(type)) context.data += ETH_HLEN;
    fillSkb(kernel, context, data);
  }
  if (type === "xdp") {
    const view = kernel.memory.view;
    if (view.getUint32(at + 12, true) === 0) view.setUint32(at + 12, LOOPBACK_IFINDEX, true);
  }
  context.meta = context.data;
  exposePacket(kernel, context);
  return null;
}

/** What the network stack has filled in: length, protocol, device, kind of destination. Fields that the user gives stay. */
function fillSkb(kernel: Kernel, context: ContextDescriptor, data: Uint8Array): void {
  const view = kernel.memory.view;
  const set = (off: number, value: number): void => {
    if (view.getUint32(context.at + off, true) === 0) view.setUint32(context.at + off, value, true);
  };
  set(0, context.end - context.data);
  const mac = data.subarray(0, 6);
  const kind = mac.every((b) => b === 0) ? 0 : mac.every((b) => b === 255) ? 1 : ((mac[0] as number) & 1) !== 0 ? 2 : 3;
  set(4, kind);
  set(16, (data[12] as number) | ((data[13] as number) << 8));
  set(40, LOOPBACK_IFINDEX);
}

/** Marks exactly the packet [meta, end) as accessible, up to the 8 bytes around its start. */
export function exposePacket(kernel: Kernel, context: ContextDescriptor): void {
  if (context.packetBlock === 0) return;
  const layout = layoutOf(context.programType, context.expectedAttachType);
  if (!isPlain(layout)) {
    const at = context.at + pointersBehind(context.size);
    [context.data, context.end, context.meta].forEach((to, i) => {
      kernel.memory.writeU64(at + 8 * i, to === 0 ? 0n : guestAddress(to));
    });
  }
  kernel.memory.poison(context.packetBlock, context.packetBlockSize);
  const start = Math.min(context.data, context.meta) & ~7;
  kernel.memory.expose(start, context.end - start);
}

/** First arguments of a program: its context. */
export function setUpStart(task: Task, frame: VmFrame): void {
  setPointer(frame, 1, task.context?.at ?? 0);
}

export function freeContext(kernel: Kernel, task: Task): void {
  const context = task.context;
  if (context === null) return;
  kernel.memory.free(context.block, kernel.state.now);
  if (context.packetBlock !== 0) kernel.memory.free(context.packetBlock, kernel.state.now);
  task.context = null;
}

export function packetAfter(kernel: Kernel, task: Task): Uint8Array {
  const context = task.context;
  return context === null ? new Uint8Array() : kernel.memory.slice(context.data, context.end - context.data);
}

export function contextAfter(kernel: Kernel, task: Task): Uint8Array {
  const context = task.context;
  return context === null ? new Uint8Array() : kernel.memory.slice(context.at, context.size);
}

function contextAt(kernel: Kernel, offset: number): ContextDescriptor | null {
  const own = kernel.current?.context ?? null;
  if (own !== null && offset >= own.at && offset < own.at + own.size) return own;
  for (const task of kernel.state.tasks.values()) {
    const context = task.context;
    if (context !== null && offset >= context.at && offset < context.at + context.size) return context;
  }
  return null;
}

/** A load from a context; null when the program's type may not read there. */
export function loadContextField(kernel: Kernel, offset: number, size: number): bigint | null {
  const context = contextAt(kernel, offset);
  if (context === null) return null;
  const off = offset - context.at;
  const access = checkContextAccess(layoutOf(context.programType, context.expectedAttachType), off, size, false);
  if (!access.ok) return null;
  const pointer = (at: number): bigint => (at === 0 ? 0n : guestAddress(at));
  switch (access.pointer) {
    case null:
      break;
    case "pkt":
      return pointer(context.data);
    case "pkt_end":
      return pointer(context.end);
    case "pkt_meta":
      return pointer(context.meta);
    default:
      // Sockets and the like: none is there.
      return 0n;
  }
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(kernel.memory.bytes[offset + i] as number);
  return value;
}

/** A store to a context; false when the program's type may not write there. */
export function storeContextField(kernel: Kernel, offset: number, size: number, value: bigint): boolean {
  const context = contextAt(kernel, offset);
  if (context === null) return false;
  const off = offset - context.at;
  if (!checkContextAccess(layoutOf(context.programType, context.expectedAttachType), off, size, true).ok) return false;
  let rest = value;
  for (let i = 0; i < size; i++) {
    kernel.memory.bytes[offset + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return true;
}
