import type { IrValue } from "../../ir/module.ts";
import { BPF_MUL } from "../../isa/opcodes.ts";
import type { Place, Reg } from "../machine.ts";
import { argument, type Call } from "./intrinsics.ts";
import { addressOf, alignAt, at, pieces, storePiece } from "./memory.ts";
import { fitsS16, placeOf, type Selector } from "./selector.ts";

/** clang's limit for copying in place: 128 eight-byte moves. */
const MAX_INLINE_BYTES = 1024;

function constantLength(s: Selector, insn: Call, name: string): number | null {
  const length = s.constantOf(argument(insn, 2));
  if (length !== null && length <= BigInt(MAX_INLINE_BYTES)) return Number(length);
  s.fail(`A call to built-in function '${name}' is not supported.`);
  return null;
}

/** A place all of whose `size` bytes can be reached by offset. */
function reachable(s: Selector, place: Place, size: number): Place {
  return place.slot >= 0 || fitsS16(place.offset + size) ? place : placeOf(s.placeAddress(place));
}

function alignOfArgument(insn: Call, index: number): number {
  return Math.max(1, insn.args[index]?.align ?? 1);
}

/** The bytes of a constant that a copy reads from, when they are known. */
function constantSource(s: Selector, value: IrValue, size: number): Uint8Array | null {
  if (value.kind !== "global") return null;
  const global = s.context.globals.get(value.name);
  if (global?.constant !== true || global.initialiser === null || global.linkage === "weak") return null;
  const init = global.initialiser;
  if (init.kind === "zero" || (init.kind === "int" && init.value === 0n)) return new Uint8Array(size);
  if (init.kind !== "bytes") return null;
  return init.bytes.every((b) => b === 0) ? new Uint8Array(size) : null;
}

export function selectMemcpy(s: Selector, insn: Call, mayOverlap: boolean): void {
  const length = constantLength(s, insn, mayOverlap ? "memmove" : "memcpy");
  if (length === null || length === 0) return;
  const align = Math.min(alignOfArgument(insn, 0), alignOfArgument(insn, 1));
  const to = reachable(s, addressOf(s, argument(insn, 0)), length);
  const zeros = constantSource(s, argument(insn, 1), length);
  if (zeros !== null) {
    fill(s, to, 0n, length, alignOfArgument(insn, 0));
    return;
  }
  const from = reachable(s, addressOf(s, argument(insn, 1)), length);
  const parts = pieces(length, align);
  if (!mayOverlap) {
    for (const { offset, size } of parts) {
      s.emit({ op: "store", src: s.load(at(from, offset), size), place: at(to, offset), size });
    }
    return;
  }
  const loaded = parts.map(({ offset, size }) => s.load(at(from, offset), size));
  parts.forEach(({ offset, size }, i) => {
    s.emit({ op: "store", src: loaded[i] as Reg, place: at(to, offset), size });
  });
}

function fill(s: Selector, to: Place, byte: bigint, length: number, align: number): void {
  for (const { offset, size } of pieces(length, align)) {
    storePiece(s, at(to, offset), repeat(byte, size), size);
  }
}

function repeat(byte: bigint, size: number): bigint {
  let value = 0n;
  for (let i = 0; i < size; i++) value = (value << 8n) | byte;
  return value;
}

export function selectMemset(s: Selector, insn: Call): void {
  const length = constantLength(s, insn, "memset");
  if (length === null || length === 0) return;
  const align = alignOfArgument(insn, 0);
  const to = reachable(s, addressOf(s, argument(insn, 0)), length);
  const value = argument(insn, 1);
  const constant = s.constantOf(value);
  if (constant !== null) {
    fill(s, to, constant, length, align);
    return;
  }
  const byte = s.zeroExtended(value, 64);
  const widest = pieces(length, align).reduce((most, p) => Math.max(most, p.size), 1);
  const repeated = widest === 1 ? byte : s.alu(BPF_MUL, 64, byte, s.constant(repeat(1n, widest), 64));
  for (const { offset, size } of pieces(length, alignAt(align, 0))) {
    s.emit({ op: "store", src: repeated, place: at(to, offset), size });
  }
}
