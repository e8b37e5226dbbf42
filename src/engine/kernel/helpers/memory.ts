import type { VmFrame } from "../../vm/frame.ts";
import { GUEST_HIGH } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { type HelperImplementation, memoryArgument, returnPointer, setU64, u32Of, u64Of } from "./implementation.ts";

/** Offset of memory that a probe may read; -1: it faults, which a probe survives. */
function probe(kernel: Kernel, frame: VmFrame, register: number, size: number): number {
  const at = (frame.lo[register] as number) >>> 0;
  return frame.hi[register] === GUEST_HIGH && kernel.memory.readable(at, size) ? at : -1;
}

const probeRead: HelperImplementation = (kernel, _task, frame) => {
  const size = u64Of(frame, 2);
  const target = memoryArgument(kernel, frame, 1, size, true);
  if (target < 0) return 0;
  const from = probe(kernel, frame, 3, size);
  const { bytes } = kernel.memory;
  if (from < 0) {
    bytes.fill(0, target, target + size);
    return negative("EFAULT");
  }
  bytes.copyWithin(target, from, from + size);
  return 0;
};

/** User space has no memory of its own here: every address of it faults. */
const probeReadUser: HelperImplementation = (kernel, _task, frame) => {
  const size = u64Of(frame, 2);
  const target = memoryArgument(kernel, frame, 1, size, true);
  if (target < 0) return 0;
  kernel.memory.bytes.fill(0, target, target + size);
  return negative("EFAULT");
};

/** Copies up to and with the NUL; the result is the length with it. */
const probeReadString: HelperImplementation = (kernel, _task, frame) => {
  const size = u64Of(frame, 2);
  const target = memoryArgument(kernel, frame, 1, size, true);
  if (target < 0) return 0;
  const { bytes } = kernel.memory;
  if (size === 0) return 0;
  for (let i = 0; i < size; i++) {
    const at = probe(kernel, frame, 3, 1);
    if (at < 0 || !kernel.memory.readable(at + i, 1)) {
      bytes.fill(0, target, target + size);
      return negative("EFAULT");
    }
    const byte = i === size - 1 ? 0 : (bytes[at + i] as number);
    bytes[target + i] = byte;
    if (byte === 0) return i + 1;
  }
  return size;
};

const strncmp: HelperImplementation = (kernel, _task, frame) => {
  const size = u64Of(frame, 2);
  const first = memoryArgument(kernel, frame, 1, size);
  if (first < 0) return 0;
  const { bytes } = kernel.memory;
  for (let i = 0; i < size; i++) {
    const second = probe(kernel, frame, 3, i + 1);
    if (second < 0) {
      memoryArgument(kernel, frame, 3, i + 1);
      return 0;
    }
    const a = bytes[first + i] as number;
    const b = bytes[second + i] as number;
    if (a !== b) return a < b ? -1 : 1;
    if (a === 0) break;
  }
  return 0;
};

/** bpf_strtol and bpf_strtoul: the number of characters taken, or an errno. `flags`: the base, 0 for as C writes numbers. */
const parse =
  (signed: boolean): HelperImplementation =>
  (kernel, _task, frame) => {
    const size = u64Of(frame, 2);
    const at = memoryArgument(kernel, frame, 1, size);
    const target = at < 0 ? -1 : memoryArgument(kernel, frame, 4, 8, true);
    if (target < 0) return 0;
    let base = u64Of(frame, 3);
    if (base !== 0 && base !== 8 && base !== 10 && base !== 16) return negative("EINVAL");
    let text = "";
    for (let i = 0; i < size && kernel.memory.bytes[at + i] !== 0; i++) {
      text += String.fromCharCode(kernel.memory.bytes[at + i] as number);
    }
    const spaces = /^[ \t\n\v\f\r]*/.exec(text)?.[0].length ?? 0;
    let rest = text.slice(spaces);
    let used = spaces;
    const minus = rest.startsWith("-");
    if (minus && !signed) return negative("EINVAL");
    if (minus) {
      rest = rest.slice(1);
      used++;
    }
    if (base === 16 ? /^0[xX]/.test(rest) : base === 0 && /^0[xX][0-9a-fA-F]/.test(rest)) {
      base = 16;
      rest = rest.slice(2);
      used += 2;
    } else if (base === 0) {
      base = rest.startsWith("0") ? 8 : 10;
    }
    let value = 0n;
    let digits = 0;
    for (const char of rest) {
      const digit = Number.parseInt(char, 36);
      if (Number.isNaN(digit) || digit >= base) break;
      value = value * BigInt(base) + BigInt(digit);
      digits++;
    }
    if (digits === 0) return negative("EINVAL");
    const result = minus ? -value : value;
    const low = signed ? -(1n << 63n) : 0n;
    const high = signed ? (1n << 63n) - 1n : (1n << 64n) - 1n;
    if (result < low || result > high) return negative("ERANGE");
    kernel.memory.writeU64(target, result);
    return used + digits;
  };

/** One's complement sum of 4-byte words. */
function sum(kernel: Kernel, at: number, size: number, invert: boolean): bigint {
  let total = 0n;
  for (let i = 0; i < size; i += 4) {
    const word = kernel.memory.view.getUint32(at + i, true);
    total += BigInt(invert ? ~word >>> 0 : word);
  }
  return total;
}

const csumDiff: HelperImplementation = (kernel, _task, frame) => {
  const fromSize = u32Of(frame, 2);
  const toSize = u32Of(frame, 4);
  if ((fromSize | toSize) % 4 !== 0) return negative("EINVAL");
  const from = fromSize === 0 ? 0 : memoryArgument(kernel, frame, 1, fromSize);
  const to = toSize === 0 || from < 0 ? 0 : memoryArgument(kernel, frame, 3, toSize);
  if (from < 0 || to < 0) return 0;
  let total = BigInt(u32Of(frame, 5)) + sum(kernel, from, fromSize, true) + sum(kernel, to, toSize, false);
  while (total > 0xffffn) total = (total & 0xffffn) + (total >> 16n);
  return setU64(frame, 0, total);
};

/** Per-CPU variables of the kernel (ksyms) are not modelled: a null pointer. */
const perCpuPointer: HelperImplementation = (_kernel, _task, frame) => returnPointer(frame, 0);

export const MEMORY_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [4, probeRead],
  [113, probeRead],
  [45, probeReadString],
  [115, probeReadString],
  [112, probeReadUser],
  [114, probeReadUser],
  [148, probeReadUser],
  [182, strncmp],
  [105, parse(true)],
  [106, parse(false)],
  [28, csumDiff],
  [153, perCpuPointer],
];
