import { utf8Bytes } from "../../base/utf8.ts";
import { getRegister, type VmFrame } from "../../vm/frame.ts";
import { GUEST_BASE } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { type FormatSource, formatBpf } from "./format.ts";
import { type HelperImplementation, memoryArgument, u32Of, u64Of } from "./implementation.ts";

/** Lines that are kept; the oldest go first, as in the kernel's trace buffer. */
const TRACE_LINES = 10_000;
const TRACE_BYTES = 1024;

function sourceOf(kernel: Kernel): FormatSource {
  const offsetOf = (address: bigint): number =>
    address >= GUEST_BASE && address < GUEST_BASE + 0x1_0000_0000n ? Number(address - GUEST_BASE) : -1;
  return {
    string(address) {
      const at = offsetOf(address);
      if (at < 0) return null;
      let text = "";
      for (let i = 0; i < 512; i++) {
        if (!kernel.memory.readable(at + i, 1)) return i === 0 ? null : text;
        const byte = kernel.memory.bytes[at + i] as number;
        if (byte === 0) break;
        text += String.fromCharCode(byte);
      }
      return text;
    },
    bytes(address, size) {
      const at = offsetOf(address);
      return at >= 0 && kernel.memory.readable(at, size) ? kernel.memory.slice(at, size) : null;
    },
  };
}

/** A format string of `size` bytes that ends with a NUL; null: -EINVAL. */
function formatAt(kernel: Kernel, at: number, size: number): string | null {
  const { bytes } = kernel.memory;
  if (size === 0 || bytes[at + size - 1] !== 0) return null;
  let text = "";
  for (let i = 0; i < size && bytes[at + i] !== 0; i++) text += String.fromCharCode(bytes[at + i] as number);
  return text;
}

function trace(kernel: Kernel, text: string): number {
  const line = text.slice(0, TRACE_BYTES);
  kernel.state.trace.push(line.replace(/\n$/, ""));
  if (kernel.state.trace.length > TRACE_LINES) kernel.state.trace.shift();
  kernel.emit({ kind: "trace", text: line.replace(/\n$/, "") });
  return line.length;
}

const tracePrintk: HelperImplementation = (kernel, _task, frame) => {
  const size = u32Of(frame, 2);
  const at = memoryArgument(kernel, frame, 1, size);
  if (at < 0) return 0;
  const format = formatAt(kernel, at, size);
  if (format === null) return negative("EINVAL");
  const text = formatBpf(
    format,
    [3, 4, 5].map((r) => getRegister(frame, r)),
    sourceOf(kernel),
  );
  return text === null ? negative("EINVAL") : trace(kernel, text);
};

/** The array of 8-byte arguments behind a pointer and its size; null: -EINVAL; "oops". */
function argumentArray(kernel: Kernel, frame: VmFrame, register: number): bigint[] | null | "oops" {
  const size = u32Of(frame, register + 1);
  if (size % 8 !== 0 || size > 96) return null;
  if (size === 0) return [];
  const at = memoryArgument(kernel, frame, register, size);
  if (at < 0) return "oops";
  return Array.from({ length: size / 8 }, (_, i) => kernel.memory.readU64(at + 8 * i));
}

const traceVprintk: HelperImplementation = (kernel, _task, frame) => {
  const size = u32Of(frame, 2);
  const at = memoryArgument(kernel, frame, 1, size);
  const args = at < 0 ? "oops" : argumentArray(kernel, frame, 3);
  if (args === "oops") return 0;
  const format = formatAt(kernel, at, size);
  if (format === null || args === null) return negative("EINVAL");
  const text = formatBpf(format, args, sourceOf(kernel));
  return text === null ? negative("EINVAL") : trace(kernel, text);
};

/** The length with the NUL that the whole text needs, also when less was written. */
const snprintf: HelperImplementation = (kernel, _task, frame) => {
  const size = u32Of(frame, 2);
  const target = size === 0 ? 0 : memoryArgument(kernel, frame, 1, size, true);
  const args = target < 0 ? "oops" : argumentArray(kernel, frame, 4);
  if (args === "oops") return 0;
  const at = memoryArgument(kernel, frame, 3, 1);
  if (at < 0) return 0;
  let format = "";
  for (let i = 0; kernel.memory.bytes[at + i] !== 0 && kernel.memory.readable(at + i, 1); i++) {
    format += String.fromCharCode(kernel.memory.bytes[at + i] as number);
  }
  const text = args === null ? null : formatBpf(format, args, sourceOf(kernel));
  if (text === null) return negative("EINVAL");
  if (u64Of(frame, 2) > 0) {
    const bytes = utf8Bytes(text).slice(0, size - 1);
    kernel.memory.bytes.set(bytes, target);
    kernel.memory.bytes[target + bytes.length] = 0;
  }
  return text.length + 1;
};

export const PRINT_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [6, tracePrintk],
  [177, traceVprintk],
  [165, snprintf],
];
