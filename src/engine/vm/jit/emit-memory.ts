import {
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_XCHG,
  MODE_MASK,
  sizeInBytes,
} from "../../isa/opcodes.ts";
import { GUEST_BASE, SHADOW_CONTEXT, SHADOW_POINTER } from "../memory.ts";
import type { ContextPlace, FunctionCode } from "./function-code.ts";
import { ADDRESS_LOCAL, MARK_LOCAL, REGISTER_LOCAL, STACK_BYTES, STACK_LOCAL, WIDE_LOCAL } from "./layout.ts";
import { ANYTHING, CONTEXT, CONTEXT_START, NOTHING, STACK, STACK_SOMEWHERE } from "./provenance.ts";
import * as w from "./wasm-code.ts";

/** Where an access goes: the offset is on the WebAssembly stack when `push` has run, `displacement` is the instruction's own. */
interface Place {
  readonly push: () => void;
  readonly displacement: number;
}

type Check = "none" | "marks" | "told-marks" | "full" | "always-slow";

const LOADS: Readonly<Record<number, readonly [number, number]>> = {
  1: [w.I64_LOAD8_U, w.I64_LOAD8_S],
  2: [w.I64_LOAD16_U, w.I64_LOAD16_S],
  4: [w.I64_LOAD32_U, w.I64_LOAD32_S],
  8: [w.I64_LOAD, w.I64_LOAD],
};
const STORES: Readonly<Record<number, number>> = {
  1: w.I64_STORE8,
  2: w.I64_STORE16,
  4: w.I64_STORE32,
  8: w.I64_STORE,
};

/** Code of an instruction of class LDX, ST or STX; false when its encoding is none that the tables know. */
export function emitMemory(f: FunctionCode, slot: number): boolean {
  const { program } = f;
  const op = program.op[slot] as number;
  const d = program.dst[slot] as number;
  const s = program.src[slot] as number;
  const off = program.off[slot] as number;
  const mode = op & MODE_MASK;
  const width = sizeInBytes(op);
  if ((op & 7) === BPF_LDX) {
    if (mode !== BPF_MEM && (mode !== BPF_MEMSX || width === 8)) return false;
    load(f, slot, d, s, off, width, mode === BPF_MEMSX);
    return true;
  }
  if (mode === BPF_MEM) {
    const value = (op & 7) === BPF_ST ? null : s;
    store(f, slot, d, value, off, program.imm[slot] as number, width);
    return true;
  }
  if (mode === BPF_ATOMIC && (op & 7) === BPF_STX)
    return atomic(f, slot, d, s, off, program.imm[slot] as number, width);
  return false;
}

function load(
  f: FunctionCode,
  slot: number,
  d: number,
  s: number,
  off: number,
  width: 1 | 2 | 4 | 8,
  signed: boolean,
): void {
  const opcode = (LOADS[width] as readonly [number, number])[signed ? 1 : 0];
  const field = signed ? null : contextField(f, s, off, width, false);
  if (field !== null) {
    f.low(s);
    f.code.memory(field.pointer ? w.I64_LOAD : opcode, field.at);
    f.set(d);
    return;
  }
  access(f, slot, s, off, width, false, [s], [d], ({ push, displacement }) => {
    push();
    f.code.memory(opcode, displacement);
    f.set(d);
  });
}

function store(
  f: FunctionCode,
  slot: number,
  d: number,
  value: number | null,
  off: number,
  imm: number,
  width: 1 | 2 | 4 | 8,
): void {
  const field = contextField(f, d, off, width, true);
  if (field !== null) {
    f.low(d);
    if (value === null) f.code.i64(imm);
    else f.get(value);
    f.code.memory(STORES[width] as number, field.at);
    return;
  }
  const pushValue = (): void => {
    if (value === null) f.code.i64(imm);
    else f.get(value);
  };
  const told = (): void => {
    const { code } = f;
    f.pushPlace(slot);
    code.get(ADDRESS_LOCAL);
    code.i32(width);
    pushValue();
    code.byte(w.I32_WRAP_I64);
    if (width < 8) code.i32(0);
    else if (value === null) code.i32(imm >> 31);
    else {
      pushValue();
      code.i64(32);
      code.byte(w.I64_SHR_U);
      code.byte(w.I32_WRAP_I64);
    }
    f.import("write");
  };
  const fast = ({ push, displacement }: Place): void => {
    push();
    pushValue();
    f.code.memory(STORES[width] as number, displacement);
  };
  access(f, slot, d, off, width, true, value === null ? [d] : [d, value], [], fast, told);
}

/** The place of a context's field that lies in memory as programs see it; null when the access is the host's. */
function contextField(f: FunctionCode, base: number, off: number, width: number, write: boolean): ContextPlace | null {
  if (f.info.access !== "bare" || f.registers?.kind[base] !== CONTEXT_START) return null;
  return f.info.contextAt?.(off, width, write) ?? null;
}

const ATOMIC_OPERATORS: ReadonlyMap<number, number> = new Map([
  [0x00, w.I64_ADD],
  [0x40, w.I64_OR],
  [0x50, w.I64_AND],
  [0xa0, w.I64_XOR],
]);

function atomic(
  f: FunctionCode,
  slot: number,
  d: number,
  s: number,
  off: number,
  imm: number,
  width: 1 | 2 | 4 | 8,
): boolean {
  if (imm === BPF_LOAD_ACQ) {
    load(f, slot, d, s, off, width, false);
    return true;
  }
  if (imm === BPF_STORE_REL) {
    store(f, slot, d, s, off, 0, width);
    return true;
  }
  if (width < 4) return false;
  const operator = ATOMIC_OPERATORS.get(imm & ~BPF_FETCH);
  if (operator === undefined && imm !== BPF_XCHG && imm !== BPF_CMPXCHG) return false;
  const { code } = f;
  const loads = (LOADS[width] as readonly [number, number])[0];
  const stores = STORES[width] as number;
  const result = imm === BPF_CMPXCHG ? 0 : (imm & BPF_FETCH) !== 0 ? s : -1;
  access(f, slot, d, off, width, true, [0, d, s], result < 0 ? [] : [result], (place) => {
    // WIDE_LOCAL: the old value, zero-extended.
    place.push();
    code.tee(ADDRESS_LOCAL);
    code.memory(loads, place.displacement);
    code.set(WIDE_LOCAL);
    const write = (value: () => void): void => {
      code.get(ADDRESS_LOCAL);
      value();
      code.memory(stores, place.displacement);
    };
    if (imm === BPF_CMPXCHG) {
      code.get(WIDE_LOCAL);
      f.get(0);
      if (width === 4) {
        code.byte(w.I32_WRAP_I64);
        code.byte(w.I64_EXTEND_I32_U);
      }
      code.byte(w.I64_EQ);
      code.byte(w.IF);
      code.byte(w.EMPTY_BLOCK);
      write(() => f.get(s));
      code.byte(w.END);
    } else if (imm === BPF_XCHG) {
      write(() => f.get(s));
    } else {
      write(() => {
        code.get(WIDE_LOCAL);
        f.get(s);
        code.byte(operator as number);
      });
    }
    if (result >= 0) {
      code.get(WIDE_LOCAL);
      f.set(result);
    }
  });
  return true;
}

/** How much an access through `base` must ask before it may go on. */
function checkOf(f: FunctionCode, base: number, off: number, width: number, write: boolean): Check {
  const registers = f.registers;
  const kind = registers?.kind[base] ?? NOTHING;
  const at = (registers?.low[base] ?? 0) + off;
  const onStack = kind === STACK && at >= -STACK_BYTES && at + width <= 0;
  if (f.info.access === "checked") return onStack ? "none" : "full";
  if (kind === CONTEXT || kind === CONTEXT_START) return "always-slow";
  if (kind === ANYTHING || kind === NOTHING) return "marks";
  if (!write || kind === STACK || kind === STACK_SOMEWHERE) return "none";
  return f.info.watched ? "told-marks" : "none";
}

/** `told`: a way to make a store that is told of; the offset is in ADDRESS_LOCAL. It pushes (i32) 0 when it is done. */
function access(
  f: FunctionCode,
  slot: number,
  base: number,
  off: number,
  width: number,
  write: boolean,
  shared: readonly number[],
  changed: readonly number[],
  fast: (place: Place) => void,
  told: (() => void) | null = null,
): void {
  const { code } = f;
  const check = checkOf(f, base, off, width, write);
  const slow = (): void => {
    for (const r of shared) f.share(r);
    f.pushPlace(slot);
    f.import("slow");
    f.haltIf(slot);
    for (const r of changed) f.fetch(r);
  };
  if (check === "always-slow") {
    slow();
    return;
  }
  if (check === "none") {
    fast(plainPlace(f, base, off));
    return;
  }
  const here: Place = { push: () => code.get(ADDRESS_LOCAL), displacement: 0 };
  if (check === "full") {
    pushAllowed(f, base, off, width, write);
    code.byte(w.IF);
    code.byte(w.EMPTY_BLOCK);
    fast(here);
    code.byte(w.ELSE);
    slow();
    code.byte(w.END);
    return;
  }
  if (check === "told-marks") {
    f.pushTells();
    code.byte(w.IF);
    code.byte(w.I32);
    pushMarked(f, base, off, write);
    code.byte(w.ELSE);
    code.i32(0);
    code.byte(w.END);
  } else pushMarked(f, base, off, write);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  if (check === "told-marks" && told !== null) {
    told();
    code.byte(w.IF);
    code.byte(w.EMPTY_BLOCK);
    slow();
    code.byte(w.END);
  } else slow();
  code.byte(w.ELSE);
  fast(plainPlace(f, base, off));
  code.byte(w.END);
}

function plainPlace(f: FunctionCode, base: number, off: number): Place {
  const registers = f.registers;
  if (registers?.kind[base] === STACK) {
    const at = STACK_BYTES + (registers.low[base] as number) + off;
    if (at >= 0) return { push: () => f.code.get(STACK_LOCAL), displacement: at };
  }
  if (off >= 0) return { push: () => f.low(base), displacement: off };
  return {
    push: () => {
      f.low(base);
      f.code.i32(off);
      f.code.byte(w.I32_ADD);
    },
    displacement: 0,
  };
}

/** Leaves the offset in ADDRESS_LOCAL and pushes the shadow of its granule. */
function pushShadow(f: FunctionCode): void {
  const { code } = f;
  code.i32(3);
  code.byte(w.I32_SHR_U);
  code.i32(0);
  code.memory(w.I32_LOAD, SHADOW_POINTER);
  code.byte(w.I32_ADD);
  code.memory(w.I32_LOAD8_U, 0);
}

/** Pushes (i32) whether the place is marked as one where an access means more than bytes. */
function pushMarked(f: FunctionCode, base: number, off: number, write: boolean): void {
  const { code } = f;
  f.low(base);
  if (off !== 0) {
    code.i32(off);
    code.byte(w.I32_ADD);
  }
  code.tee(ADDRESS_LOCAL);
  pushShadow(f);
  code.i32(write ? 8 : SHADOW_CONTEXT - 1);
  code.byte(w.I32_GT_U);
}

/** Pushes (i32) whether `width` bytes lie inside one granule of plain, live memory. */
function pushAllowed(f: FunctionCode, base: number, off: number, width: number, write: boolean): void {
  const { code } = f;
  code.get(REGISTER_LOCAL[base] as number);
  code.i64Big(BigInt.asIntN(64, BigInt(off) - GUEST_BASE));
  code.byte(w.I64_ADD);
  code.tee(WIDE_LOCAL);
  code.byte(w.I32_WRAP_I64);
  code.set(ADDRESS_LOCAL);
  code.get(WIDE_LOCAL);
  code.i32(0);
  code.memory(w.I64_LOAD32_U, SHADOW_POINTER);
  code.byte(w.I64_LT_U);
  code.byte(w.IF);
  code.byte(w.I32);
  code.get(ADDRESS_LOCAL);
  code.i32(7);
  code.byte(w.I32_AND);
  code.i32(width);
  code.byte(w.I32_ADD);
  code.get(ADDRESS_LOCAL);
  pushShadow(f);
  if (!write) {
    // A mark that does not concern loads is no obstacle; a context's granule counts 0 bytes then.
    code.tee(MARK_LOCAL);
    code.i32(15);
    code.byte(w.I32_AND);
    code.i32(0);
    code.get(MARK_LOCAL);
    code.i32(SHADOW_CONTEXT);
    code.byte(w.I32_LT_U);
    code.byte(w.SELECT);
    code.byte(w.I32_LE_U);
  } else {
    code.tee(MARK_LOCAL);
    code.i32(0);
    code.get(MARK_LOCAL);
    code.i32(8);
    code.byte(w.I32_LE_U);
    code.byte(w.SELECT);
    code.byte(w.I32_LE_U);
  }
  code.byte(w.ELSE);
  code.i32(0);
  code.byte(w.END);
}
