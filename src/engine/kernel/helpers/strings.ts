import type { VmFrame } from "../../vm/frame.ts";
import { GUEST_HIGH } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { type HelperImplementation, u64Of } from "./implementation.ts";

/** XATTR_SIZE_MAX: longer strings are -E2BIG. */
const LONGEST = 65_536;

/** The string behind a register, without its NUL, at most `limit` bytes; a negative errno when it cannot be read. */
function stringArgument(kernel: Kernel, frame: VmFrame, register: number, limit = LONGEST): Uint8Array | number {
  const at = (frame.lo[register] as number) >>> 0;
  // Addresses of user space and near it are refused before they are read.
  if ((frame.hi[register] as number) >= 0) return negative("ERANGE");
  if (frame.hi[register] !== GUEST_HIGH) return negative("EFAULT");
  const { memory } = kernel;
  for (let i = 0; i < limit; i++) {
    if (!memory.readable(at + i, 1)) return negative("EFAULT");
    if (memory.bytes[at + i] === 0) return memory.bytes.subarray(at, at + i);
  }
  return limit === LONGEST ? negative("E2BIG") : memory.bytes.subarray(at, at + limit);
}

const lower = (byte: number): number => (byte >= 65 && byte <= 90 ? byte + 32 : byte);
const foundOr = (index: number): number => (index < 0 ? negative("ENOENT") : index);
const charOf = (frame: VmFrame, register: number): number => (frame.lo[register] as number) & 0xff;
const limitOf = (frame: VmFrame, register: number): number => Math.min(LONGEST, u64Of(frame, register));

const compare =
  (fold: (byte: number) => number): HelperImplementation =>
  (kernel, _task, frame) => {
    const a = stringArgument(kernel, frame, 1);
    const b = typeof a === "number" ? a : stringArgument(kernel, frame, 2);
    if (typeof a === "number") return a;
    if (typeof b === "number") return b;
    for (let i = 0; i <= a.length; i++) {
      const x = fold(a[i] ?? 0);
      const y = fold(b[i] ?? 0);
      if (x !== y) return x < y ? -1 : 1;
    }
    return 0;
  };

/** Something found in the string in r1. */
const inString =
  (find: (text: Uint8Array, frame: VmFrame) => number, limit?: number): HelperImplementation =>
  (kernel, _task, frame) => {
    const text = stringArgument(kernel, frame, 1, limit === undefined ? LONGEST : limitOf(frame, limit));
    return typeof text === "number" ? text : find(text, frame);
  };

/** Place of a character; the NUL at the end counts as one of the string's. */
const place = (text: Uint8Array, char: number): number => (char === 0 ? text.length : text.indexOf(char));

/** Length of the beginning whose bytes are (not) among those of the string in r2. */
const span =
  (accept: boolean): HelperImplementation =>
  (kernel, _task, frame) => {
    const text = stringArgument(kernel, frame, 1);
    const set = typeof text === "number" ? text : stringArgument(kernel, frame, 2);
    if (typeof text === "number") return text;
    if (typeof set === "number") return set;
    const end = text.findIndex((byte) => set.includes(byte) !== accept);
    return end < 0 ? text.length : end;
  };

/** Place of the string in r2 within that in r1. */
const search =
  (limit?: number): HelperImplementation =>
  (kernel, _task, frame) => {
    const text = stringArgument(kernel, frame, 1, limit === undefined ? LONGEST : limitOf(frame, limit));
    const wanted = typeof text === "number" ? text : stringArgument(kernel, frame, 2);
    if (typeof text === "number") return text;
    if (typeof wanted === "number") return wanted;
    for (let i = 0; i + wanted.length <= text.length; i++) {
      if (wanted.every((byte, j) => text[i + j] === byte)) return i;
    }
    return negative("ENOENT");
  };

export const STRING_KFUNCS: readonly (readonly [string, HelperImplementation])[] = [
  ["bpf_strcmp", compare((byte) => byte)],
  ["bpf_strcasecmp", compare(lower)],
  ["bpf_strlen", inString((text) => text.length)],
  ["bpf_strnlen", inString((text) => text.length, 2)],
  ["bpf_strchr", inString((text, frame) => foundOr(place(text, charOf(frame, 2))))],
  [
    "bpf_strnchr",
    inString((text, frame) => {
      const at = place(text, charOf(frame, 3));
      return foundOr(at < limitOf(frame, 2) ? at : -1);
    }, 2),
  ],
  [
    "bpf_strchrnul",
    inString((text, frame) => {
      const at = place(text, charOf(frame, 2));
      return at < 0 ? text.length : at;
    }),
  ],
  [
    "bpf_strrchr",
    inString((text, frame) => {
      const char = charOf(frame, 2);
      return foundOr(char === 0 ? text.length : text.lastIndexOf(char));
    }),
  ],
  ["bpf_strspn", span(true)],
  ["bpf_strcspn", span(false)],
  ["bpf_strstr", search()],
  ["bpf_strnstr", search(3)],
];
