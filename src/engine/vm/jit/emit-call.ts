import { ERRNO } from "../../abi/errno.ts";
import { BPF_HELPER_CALL, BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL } from "../../isa/opcodes.ts";
import { GUEST_BASE, GUEST_HIGH } from "../memory.ts";
import type { FunctionCode } from "./function-code.ts";
import {
  ADDRESS_LOCAL,
  FINISH,
  FUEL_AT,
  LOOP_DONE_AT,
  LOW_LOCAL,
  MARK_LOCAL,
  STACK_BYTES,
  STACK_LOCAL,
  STOP,
  WIDE_LOCAL,
} from "./layout.ts";
import { CONSTANT, STACK } from "./provenance.ts";
import * as w from "./wasm-code.ts";

const MAP_LOOKUP = 1;
const MAP_UPDATE = 2;
const MAP_DELETE = 3;
const TAIL_CALL = 12;
const LOOP = 181;
/** Longer keys are compared by the host. */
const MAX_INLINE_KEY = 64;
/** Iterations that bpf_loop grants at most. */
const MAX_LOOPS = 1 << 23;
/** About what a callback costs; the callback's own loops count for themselves. */
const CALLBACK_FUEL = 8;
/** Calls of a bpf_loop between two questions for fuel. */
const STRETCH = 1 << 13;

/** Code of a call of any kind; false when its encoding is none that the tables know. */
export function emitCall(f: FunctionCode, slot: number): boolean {
  const { program } = f;
  const imm = program.imm[slot] as number;
  switch (program.src[slot]) {
    case BPF_HELPER_CALL:
      helper(f, slot, imm);
      return true;
    case BPF_PSEUDO_CALL: {
      const target = f.parts.functions.get(slot + 1 + imm);
      if (target === undefined) return false;
      f.giveFuel();
      enter(f, slot);
      for (let r = 1; r <= 5; r++) f.get(r);
      pushCalleeStack(f);
      f.code.call(target);
      f.set(0);
      if (f.parts.suspends.has(slot + 1 + imm)) f.leaveToo(slot);
      leave(f);
      f.takeFuel();
      return true;
    }
    case BPF_PSEUDO_KFUNC_CALL:
      hostCall(f, slot, "kfunc");
      return true;
    default:
      return false;
  }
}

function helper(f: FunctionCode, slot: number, id: number): void {
  if (id === TAIL_CALL) {
    tailCall(f, slot);
    return;
  }
  if (f.info.access === "bare") {
    const map = constantOffset(f, 1);
    if (map !== null && id === MAP_LOOKUP) {
      if (isInline(f, map)) {
        lookup(f, slot, map);
        tellLookup(f, slot, map);
      } else unlessTold(f, slot, () => lookup(f, slot, map));
      f.keepLow(0);
      f.foundAt = slot;
      return;
    }
    if (map !== null && (id === MAP_DELETE || (id === MAP_UPDATE && isSmall(f, 4)))) {
      unlessTold(f, slot, () => changeMap(f, slot, map, id));
      return;
    }
    const callback = id === LOOP && f.info.inlineLoop ? constantFunction(f, 2) : null;
    if (callback !== null) {
      unlessTold(f, slot, () => loop(f, slot, callback.index, callback.slot));
      return;
    }
  }
  hostCall(f, slot, "helper");
}

/** An update or delete with offsets in place of registers. */
function changeMap(f: FunctionCode, slot: number, map: number, id: number): void {
  f.pushPlace(slot);
  f.code.i32(map);
  f.low(2);
  if (id === MAP_UPDATE) {
    f.low(3);
    f.low(4);
  }
  f.import(id === MAP_UPDATE ? "update" : "remove");
  f.code.byte(w.I64_EXTEND_I32_S);
  f.set(0);
}

/** A register that holds a constant below 2^32. */
function isSmall(f: FunctionCode, r: number): boolean {
  return f.registers?.kind[r] === CONSTANT && f.registers.high[r] === 0;
}

/** Compiled code's own way, or the host's while it tells of each call. */
function unlessTold(f: FunctionCode, slot: number, own: () => void): void {
  if (!f.info.watched) {
    own();
    return;
  }
  f.pushTells();
  f.code.byte(w.IF);
  f.code.byte(w.EMPTY_BLOCK);
  hostCall(f, slot, "helper");
  // As `lookup` leaves them.
  f.low(0);
  f.code.set(LOW_LOCAL);
  f.get(0);
  f.code.i64(0);
  f.code.byte(w.I64_NE);
  f.code.set(MARK_LOCAL);
  f.code.byte(w.ELSE);
  own();
  f.code.byte(w.END);
}

/** The host sees all registers: a helper may end in an oops, which shows them. */
function hostCall(f: FunctionCode, slot: number, name: "helper" | "kfunc"): void {
  f.spillAll();
  f.giveFuel();
  f.pushPlace(slot);
  f.import(name);
  f.haltIf(slot);
  f.fetch(0);
  f.takeFuel();
}

/** In the place of the function, another program; else the function goes on. */
function tailCall(f: FunctionCode, slot: number): void {
  const { code } = f;
  f.spillAll();
  f.giveFuel();
  f.pushPlace(slot);
  f.import("tail");
  code.tee(ADDRESS_LOCAL);
  code.i32(STOP);
  code.byte(w.I32_EQ);
  f.haltIf(slot);
  code.get(ADDRESS_LOCAL);
  code.i32(FINISH);
  code.byte(w.I32_EQ);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  f.returnShared();
  code.byte(w.END);
  f.fetch(0);
  f.takeFuel();
}

/** The lookup that compiled code has just done itself is told of, while such are. */
function tellLookup(f: FunctionCode, slot: number, map: number): void {
  if (!f.info.watched) return;
  const { code } = f;
  f.pushTells();
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  f.pushPlace(slot);
  code.i32(map);
  f.low(2);
  f.low(0);
  f.import("found");
  code.byte(w.DROP);
  code.byte(w.END);
}

/** Compiled code searches this map without its host. */
function isInline(f: FunctionCode, map: number): boolean {
  return f.info.arrayAt(map) !== null || (f.info.hashAt(map)?.keySize ?? MAX_INLINE_KEY + 1) <= MAX_INLINE_KEY;
}

/**
 * Element of an array: an index within bounds, or no value. Hash maps: a search of their table. Other maps: one call with
 * offsets, no registers. Leaves whether there is a value in MARK_LOCAL, its offset in r0's low half, its address in r0.
 */
function lookup(f: FunctionCode, slot: number, map: number): void {
  const { code } = f;
  const array = f.info.arrayAt(map);
  const hash = array === null ? f.info.hashAt(map) : null;
  if (array !== null) {
    pushKeyWord(f);
    code.tee(ADDRESS_LOCAL);
    code.i32(array.maxEntries);
    code.byte(w.I32_LT_U);
    code.set(MARK_LOCAL);
    code.get(ADDRESS_LOCAL);
    if ((array.stride & (array.stride - 1)) === 0) {
      code.i32(31 - Math.clz32(array.stride));
      code.byte(w.I32_SHL);
    } else {
      code.i32(array.stride);
      code.byte(w.I32_MUL);
    }
    code.i32(array.base);
    code.byte(w.I32_ADD);
  } else if (hash !== null && hash.keySize <= MAX_INLINE_KEY) {
    f.low(2);
    code.i32(hash.buckets);
    code.i32(hash.mask);
    code.call(f.parts.finder(hash.keySize));
    code.tee(MARK_LOCAL);
    code.i32(hash.valueOffset);
    code.byte(w.I32_ADD);
  } else {
    f.pushPlace(slot);
    code.i32(map);
    f.low(2);
    f.import("lookup");
    code.tee(MARK_LOCAL);
  }
  code.tee(LOW_LOCAL);
  code.byte(w.I64_EXTEND_I32_U);
  code.i64Big(BigInt.asIntN(64, GUEST_BASE));
  code.byte(w.I64_ADD);
  code.i64(0);
  code.get(MARK_LOCAL);
  code.byte(w.SELECT);
  f.set(0);
}

/** Pushes (i32) the key of an array: from the own stack when r2 is known to point there. */
function pushKeyWord(f: FunctionCode): void {
  const registers = f.registers;
  const at = STACK_BYTES + (registers?.low[2] ?? 0);
  if (registers?.kind[2] === STACK && at >= 0 && at + 4 <= STACK_BYTES) {
    f.code.get(STACK_LOCAL);
    f.code.memory(w.I32_LOAD, at);
  } else {
    f.low(2);
    f.code.memory(w.I32_LOAD, 0);
  }
}

/**
 * bpf_loop(count, callback, callback context, flags): the callback's index is the number of calls before it. Every so many calls it
 * asks for fuel, and may be left.
 */
function loop(f: FunctionCode, slot: number, callback: number, callbackSlot: number): void {
  const { code } = f;
  f.get(4);
  code.i64(0);
  code.byte(w.I64_NE);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  code.i64(-ERRNO.EINVAL);
  f.set(0);
  code.byte(w.ELSE);
  f.low(1);
  code.tee(ADDRESS_LOCAL);
  code.i32(MAX_LOOPS);
  code.byte(w.I32_GT_U);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  code.i64(-ERRNO.E2BIG);
  f.set(0);
  code.byte(w.ELSE);
  // WIDE_LOCAL counts the calls; ADDRESS_LOCAL is the limit of all, MARK_LOCAL of a stretch that begins at LOW_LOCAL.
  if (f.from === slot) {
    code.i32(0);
    code.memory(w.I64_LOAD32_U, LOOP_DONE_AT);
    code.set(WIDE_LOCAL);
    code.i32(0);
    code.i32(0);
    code.memory(w.I32_STORE, LOOP_DONE_AT);
  } else {
    code.i64(0);
    code.set(WIDE_LOCAL);
  }
  f.giveFuel();
  code.byte(w.BLOCK);
  code.byte(w.EMPTY_BLOCK);
  code.byte(w.LOOP);
  code.byte(w.EMPTY_BLOCK);
  code.get(WIDE_LOCAL);
  code.byte(w.I32_WRAP_I64);
  code.tee(LOW_LOCAL);
  code.i32(f.info.stretch ?? STRETCH);
  code.byte(w.I32_ADD);
  code.tee(MARK_LOCAL);
  code.get(ADDRESS_LOCAL);
  code.get(MARK_LOCAL);
  code.get(ADDRESS_LOCAL);
  code.byte(w.I32_LT_U);
  code.byte(w.SELECT);
  code.set(MARK_LOCAL);
  code.byte(w.BLOCK);
  code.byte(w.EMPTY_BLOCK);
  code.byte(w.LOOP);
  code.byte(w.EMPTY_BLOCK);
  code.get(WIDE_LOCAL);
  code.byte(w.I32_WRAP_I64);
  code.get(MARK_LOCAL);
  code.byte(w.I32_GE_U);
  code.brIf(1);
  code.get(WIDE_LOCAL);
  f.get(3);
  for (let r = 3; r <= 5; r++) code.i64(0);
  pushCalleeStack(f);
  code.call(callback);
  code.get(WIDE_LOCAL);
  code.i64(1);
  code.byte(w.I64_ADD);
  code.set(WIDE_LOCAL);
  code.byte(w.I64_EQZ);
  code.brIf(0);
  // The callback has ended the loop, or was left.
  code.br(3);
  code.byte(w.END);
  code.byte(w.END);
  code.get(WIDE_LOCAL);
  code.byte(w.I32_WRAP_I64);
  code.get(ADDRESS_LOCAL);
  code.byte(w.I32_GE_U);
  code.brIf(1);
  code.i32(0);
  code.get(WIDE_LOCAL);
  code.memory(w.I64_STORE32, LOOP_DONE_AT);
  spend(f, slot);
  code.i32(0);
  code.i32(0);
  code.memory(w.I32_STORE, LOOP_DONE_AT);
  code.br(0);
  code.byte(w.END);
  code.byte(w.END);
  if (f.parts.suspends.has(callbackSlot)) {
    f.pushSuspended();
    code.byte(w.IF);
    code.byte(w.EMPTY_BLOCK);
    f.giveMayGoto();
    f.spillAll();
    f.pushPlace(slot);
    code.get(ADDRESS_LOCAL);
    code.get(WIDE_LOCAL);
    code.byte(w.I32_WRAP_I64);
    f.import("loop");
    code.byte(w.DROP);
    f.returnLeft();
    code.byte(w.END);
  }
  code.get(WIDE_LOCAL);
  f.set(0);
  spend(f, slot + 1);
  f.takeFuel();
  code.byte(w.END);
  code.byte(w.END);
}

/** Pays for the calls since LOW_LOCAL, so that loops of loops come to an end too; without fuel the code is left before `next`. */
function spend(f: FunctionCode, next: number): void {
  const { code } = f;
  code.i32(0);
  code.i32(0);
  code.memory(w.I32_LOAD, FUEL_AT);
  code.get(WIDE_LOCAL);
  code.byte(w.I32_WRAP_I64);
  code.get(LOW_LOCAL);
  code.byte(w.I32_SUB);
  code.i32(CALLBACK_FUEL);
  code.byte(w.I32_MUL);
  code.byte(w.I32_SUB);
  code.memory(w.I32_STORE, FUEL_AT);
  code.i32(0);
  code.memory(w.I32_LOAD, FUEL_AT);
  code.i32(0);
  code.byte(w.I32_LT_S);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  f.refuel(next);
  code.byte(w.END);
}

function pushCalleeStack(f: FunctionCode): void {
  f.code.get(STACK_LOCAL);
  f.code.i32(f.info.frameStride);
  f.code.byte(w.I32_ADD);
}

function enter(f: FunctionCode, slot: number): void {
  if (f.info.access !== "checked") return;
  pushCalleeStack(f);
  f.import("enter");
  f.haltIf(slot);
}

function leave(f: FunctionCode): void {
  if (f.info.access !== "checked") return;
  pushCalleeStack(f);
  f.import("leave");
  f.code.byte(w.DROP);
}

/** Offset that a register holds, when it is a constant guest address. */
function constantOffset(f: FunctionCode, r: number): number | null {
  const registers = f.registers;
  if (registers?.kind[r] !== CONSTANT || registers.high[r] !== GUEST_HIGH) return null;
  return (registers.low[r] as number) >>> 0;
}

/** The function that a register points to, when it is a constant: its slot, and its index in the module. */
function constantFunction(f: FunctionCode, r: number): { readonly slot: number; readonly index: number } | null {
  const registers = f.registers;
  if (registers?.kind[r] !== CONSTANT) return null;
  const value = (BigInt((registers.high[r] as number) >>> 0) << 32n) | BigInt((registers.low[r] as number) >>> 0);
  const distance = value - BigInt.asUintN(64, f.program.codeBase);
  if (distance < 0n || distance % 8n !== 0n) return null;
  const slot = Number(distance / 8n);
  const index = f.parts.functions.get(slot);
  return index === undefined ? null : { slot, index };
}
