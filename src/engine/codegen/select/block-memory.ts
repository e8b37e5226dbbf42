import type { IrValue } from "../../ir/module.ts";
import { BPF_JNE, BPF_MUL, BPF_SUB } from "../../isa/opcodes.ts";
import type { Place, Reg } from "../machine.ts";
import { branchOnRegisters } from "./conditions.ts";
import { argument, type Call } from "./intrinsics.ts";
import { addressOf, at, pieces, storePiece } from "./memory.ts";
import { fitsS16, placeOf, type Selector } from "./selector.ts";
import { forEachOperand } from "./uses.ts";

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
  const to = reachable(s, addressOf(s, argument(insn, 0)), length);
  const zeros = constantSource(s, argument(insn, 1), length);
  if (zeros !== null) {
    fill(s, to, 0n, length, s.alignment(to, alignOfArgument(insn, 0)));
    return;
  }
  const from = reachable(s, addressOf(s, argument(insn, 1)), length);
  const align = Math.min(s.alignment(to, alignOfArgument(insn, 0)), s.alignment(from, alignOfArgument(insn, 1)));
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

/** Comparisons longer than this stay calls, as clang leaves them. */
const MAX_ORDERED_BYTES = 64;

/**
 * Expands `memcmp` and `bcmp` of a constant length in place. Returns false when the call has to stay: the length is not known
 * or too long.
 */
export function selectMemcmp(s: Selector, insn: Call, name: string): boolean {
  const length = s.constantOf(argument(insn, 2));
  if (insn.args.length !== 3 || length === null || length > BigInt(MAX_INLINE_BYTES) || insn.result < 0) return false;
  const onlyEquality = name === "bcmp" || comparedWithZeroOnly(s, insn);
  if (!onlyEquality && length > BigInt(MAX_ORDERED_BYTES)) return false;
  const size = Number(length);
  const a = reachable(s, addressOf(s, argument(insn, 0)), size);
  const b = reachable(s, addressOf(s, argument(insn, 1)), size);
  const align = onlyEquality
    ? Math.min(s.alignment(a, alignOfArgument(insn, 0)), s.alignment(b, alignOfArgument(insn, 1)))
    : 1;
  const dst = s.newReg();
  const [x, y] = [s.newReg(), s.newReg()];
  const different = s.newBlock();
  const join = s.newBlock();
  const held = s.saveHeld();
  if (onlyEquality) s.constantInto(dst, 1n, 32);
  for (const { offset, size: bytes } of pieces(size, align)) {
    const width = s.width(bytes * 8);
    s.emit({ op: "load", dst: x, place: at(a, offset), size: bytes, signed: false });
    s.emit({ op: "load", dst: y, place: at(b, offset), size: bytes, signed: false });
    const next = s.newBlock();
    branchOnRegisters(s, BPF_JNE, width, x, y, different.id, next.id);
    s.continueIn(next);
  }
  s.constantInto(dst, 0n, 32);
  s.end({ kind: "goto", to: join.id });
  s.continueIn(different);
  if (!onlyEquality && size > 0) {
    s.move(dst, x, 64);
    s.emit({ op: "alu", code: BPF_SUB, width: s.width(32), dst, src: y, signed: false });
  }
  s.end({ kind: "goto", to: join.id });
  s.continueIn(join);
  s.restoreHeld(held);
  s.set(insn, dst);
  return true;
}

function comparedWithZeroOnly(s: Selector, insn: Call): boolean {
  return s.fn.blocks.every((block) =>
    block.instructions.every((user) => {
      let only = true;
      forEachOperand(user, (value) => {
        if (value.kind !== "local" || value.index !== insn.result) return;
        only &&=
          user.op === "icmp" && (user.predicate === "eq" || user.predicate === "ne") && s.constantOf(user.b) === 0n;
      });
      return only;
    }),
  );
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
  const to = reachable(s, addressOf(s, argument(insn, 0)), length);
  const align = s.alignment(to, alignOfArgument(insn, 0));
  const value = argument(insn, 1);
  const constant = s.constantOf(value);
  if (constant !== null) {
    fill(s, to, constant, length, align);
    return;
  }
  const byte = s.zeroExtended(value, 64);
  const widest = pieces(length, align).reduce((most, p) => Math.max(most, p.size), 1);
  const repeated = widest === 1 ? byte : s.alu(BPF_MUL, 64, byte, s.constant(repeat(1n, widest), 64));
  for (const { offset, size } of pieces(length, align)) {
    s.emit({ op: "store", src: repeated, place: at(to, offset), size });
  }
}
