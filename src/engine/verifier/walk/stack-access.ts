import type { Instruction } from "../../isa/instruction.ts";
import { BPF_MEM, BPF_ST, CLASS_MASK, MODE_MASK } from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import { constReg, PTR_TO_STACK, REG_UNKNOWN, REG_ZERO, type Reg, SCALAR_VALUE, stackReg } from "../register.ts";
import { Slot, STACK_INVALID, STACK_MISC, STACK_SPILL, STACK_ZERO, setByte } from "../stack.ts";
import type { Frame } from "../state.ts";
import { bitsInMessage } from "../text/number-text.ts";
import { withIdForCopy, withoutId } from "./linked.ts";
import { packStackAccess } from "./precision.ts";
import type { Walker } from "./walker.ts";

const MAX_STACK = 512;
const MAX_VARIABLE_OFFSET = 2 ** 29;
/** Below every offset: the function keeps its spills around calls. */
const NO_FASTCALL = -32768;

const FRAME_POINTERS: Reg[] = [];
/** The frame pointer of frame `frameno`. */
export function framePointer(frameno: number): Reg {
  FRAME_POINTERS[frameno] ??= stackReg(frameno, 0);
  return FRAME_POINTERS[frameno]!;
}

const slotOf = (off: number): number => Math.floor((-off - 1) / 8);
/** Byte of its slot, 0 = lowest address. */
const byteOf = (off: number): number => off & 7;

/** Bounds of an access of `size` bytes at `off` (the pointer's fixed offset included) and growth of the frame. */
export function checkStackBounds(w: Walker, regno: number, off: number, size: number, write: boolean): boolean {
  const reg = w.reg(regno);
  const s = reg.scalar;
  const direction = write ? "write to" : "read from";
  let min: number;
  let max: number;
  if (s.isConst) {
    min = s.value + off;
    max = min + size;
  } else {
    if (s.smax >= MAX_VARIABLE_OFFSET || s.smin <= -MAX_VARIABLE_OFFSET)
      return w.reject(
        "EACCES",
        `invalid unbounded variable-offset ${direction} stack R${regno}`,
        "stack-offset-unbounded",
        regno,
      );
    min = s.smin + off;
    max = s.smax + off + size;
  }
  const outside = min < -MAX_STACK || min > -1;
  if (outside || max > 0) {
    const message = s.isConst
      ? `invalid ${direction} stack R${regno} off=${min} size=${size}`
      : `invalid variable-offset ${direction} stack R${regno} var_off=${bitsInMessage(s)} off=${off} size=${size}`;
    return w.reject(outside ? "EACCES" : "EINVAL", message, "stack-out-of-bounds", regno);
  }
  growFrame(w, w.frameOf(reg), -min);
  return true;
}

function growFrame(w: Walker, frame: Frame, bytes: number): void {
  const slots = Math.ceil(bytes / 8);
  if (frame.slots.length >= slots) return;
  frame.growStack(slots - 1);
  const subprogram = w.subprograms[frame.subprog]!;
  if (subprogram.stackDepth < slots * 8) subprogram.stackDepth = slots * 8;
}

/** All written bytes of the slot become unknown data, as when a spill in it is destroyed. */
function scrub(types: number): number {
  let result = 0;
  for (let k = 0; k < 8; k++)
    if (((types >>> (4 * k)) & 0xf) !== STACK_INVALID) result = setByte(result, k, STACK_MISC);
  return result;
}

/** Bytes that a spill of `size` bytes leaves in the slot. */
function spillTypes(old: number, size: number): number {
  let types = 0x1111_1111;
  for (let k = size; k < 8; k++) {
    const before = (old >>> (4 * k)) & 0xf;
    types = setByte(types, k, before === STACK_ZERO || before === STACK_INVALID ? before : STACK_MISC);
  }
  return types;
}

const isStoreImmediate = (insn: Instruction): boolean =>
  (insn.opcode & CLASS_MASK) === BPF_ST && (insn.opcode & MODE_MASK) === BPF_MEM;

/** Slots with objects are destroyed or refused before their bytes change. */
function destroyObjects(w: Walker, frame: Frame, slot: number): boolean {
  if (frame.slot(slot).object === null) return true;
  return calls.destroyStackObject(w, frame, slot);
}

/** Store of register `value` (-1: none) at a fixed offset, inside bounds and aligned. */
export function storeFixed(w: Walker, frame: Frame, off: number, size: number, value: number): boolean {
  const k = slotOf(off);
  const current = w.frame;
  const insn = w.insns[w.insnIdx]!;
  let reg = value >= 0 ? current.regs[value]! : null;
  if (!destroyObjects(w, frame, k)) return false;
  noteFastcallContract(w, frame, off);
  const aligned = (off & 7) === 0;
  if (aligned && size === 8) w.stackLiveness.write(frame.frameno, k);
  w.touchSlot(frame, k);
  const old = frame.slot(k);

  if (aligned && ((reg !== null && reg.type === SCALAR_VALUE) || (reg === null && isStoreImmediate(insn)))) {
    if (reg === null) reg = constReg(insn.imm);
    else {
      const fits = size === 8 || fitsWidth(reg, size);
      if (fits) {
        const named = withIdForCopy(w, reg);
        if (named !== reg) {
          current.regs[value] = named;
          reg = named;
        }
      } else if (reg.id !== 0) {
        reg = withoutId(reg);
      }
    }
    frame.setSlot(k, new Slot(spillTypes(old.types, size), reg));
  } else if (reg?.isPointer) {
    if (size !== 8) {
      w.printSourceLine(w.insnIdx);
      return w.reject("EACCES", "invalid size of register spill", "spill-size", value);
    }
    if (frame !== current && reg.type === PTR_TO_STACK)
      return w.reject(
        "EINVAL",
        "cannot spill pointers to stack into stack frame of the caller",
        "spill-stack-pointer",
        value,
      );
    frame.setSlot(k, new Slot(0x1111_1111, reg));
  } else {
    let types = old.spill !== null || old.object !== null || old.byte(0) === STACK_SPILL ? scrub(old.types) : old.types;
    let kind = STACK_MISC;
    if (reg !== null ? reg.isNullConstant : isStoreImmediate(insn) && insn.imm === 0) {
      // Zero bytes outside a spill carry no precision: the register they stem from must be exact.
      if (reg !== null && !w.markPrecise(value)) return false;
      kind = STACK_ZERO;
    }
    for (let i = 0; i < size; i++) types = setByte(types, byteOf(off + i), kind);
    frame.setSlot(k, new Slot(types));
    return true;
  }
  w.pushHistory(packStackAccess(frame.frameno, k), null);
  return true;
}

/** True when the scalar's unsigned maximum fits `size` bytes. */
export function fitsWidth(reg: Reg, size: number): boolean {
  if (size === 8) return true;
  const s = reg.scalar;
  if (s.umaxHi !== 0) return false;
  return size === 4 || s.umaxLo >>> 0 < 2 ** (8 * size);
}

/** Store through a stack pointer with a variable part: every slot it may hit loses what it held. */
export function storeVariable(w: Walker, regno: number, off: number, size: number, value: number): boolean {
  const pointer = w.reg(regno);
  const frame = w.frameOf(pointer);
  const insn = w.insns[w.insnIdx]!;
  const min = pointer.scalar.smin + off;
  const end = pointer.scalar.smax + off + size;
  const reg = value >= 0 ? w.reg(value) : null;
  const zero = reg !== null ? reg.isNullConstant : isStoreImmediate(insn) && insn.imm === 0;
  let keptZero = false;
  for (let i = min; i < end; i++) if (!destroyObjects(w, frame, slotOf(i))) return false;
  noteFastcallContract(w, frame, min);
  for (let i = min; i < end; i++) {
    const k = slotOf(i);
    const b = byteOf(i);
    w.touchSlot(frame, k);
    const slot = frame.slot(k);
    const before = slot.byte(b);
    if (zero && before === STACK_SPILL && slot.spill?.isNullConstant) {
      keptZero = true;
      continue;
    }
    const kind = zero && before === STACK_ZERO ? STACK_ZERO : STACK_MISC;
    if (kind === STACK_ZERO) keptZero = true;
    // A spill that is hit is lost as a whole.
    const kept = slot.spill === null ? slot.types : scrub(slot.types);
    frame.setSlot(k, new Slot(setByte(kept, b, kind)));
  }
  return !keptZero || reg === null || w.markPrecise(value);
}

/**
 * Load of `size` bytes at a fixed offset. Returns the contents before truncation to the load's width; null when rejected.
 * `forValue` false: the bytes go nowhere.
 */
export function loadFixed(w: Walker, frame: Frame, off: number, size: number, forValue: boolean): Reg | null {
  const k = slotOf(off);
  const slot = frame.slot(k);
  w.touchSlot(frame, k);
  noteFastcallContract(w, frame, off);
  w.stackLiveness.read(w.state, frame.frameno, w.insnIdx, k);
  const access = packStackAccess(frame.frameno, k);
  const spill = slot.spill;
  if (spill !== null) {
    const spillSize = slot.spillSize;
    if (size === 8 && spillSize === 8) {
      w.pushHistory(access, null);
      return spill;
    }
    if (spill.type !== SCALAR_VALUE) {
      w.printSourceLine(w.insnIdx);
      w.reject("EACCES", "invalid size of register fill", "fill-size");
      return null;
    }
    if (!forValue) return REG_UNKNOWN;
    if (size <= spillSize && (off & 7) === 0) {
      let reg = spill;
      if (size === 4 && spillSize === 4 && fitsWidth(spill, 4)) {
        reg = withIdForCopy(w, spill);
        if (reg !== spill) frame.setSlot(k, new Slot(slot.types, reg));
      }
      if (!fitsWidth(reg, size) && reg.id !== 0) {
        reg = withoutId(reg);
      }
      w.pushHistory(access, null);
      return reg;
    }
    let spilled = 0;
    let zeros = 0;
    for (let i = 0; i < size; i++) {
      const kind = slot.byte(byteOf(off + i));
      if (kind === STACK_SPILL) spilled++;
      else if (kind === STACK_ZERO) zeros++;
      else if (!isPlain(kind)) return refuseBytes(w, off, i, size);
    }
    if (spilled === size && spill.isNullConstant) {
      w.pushHistory(access, null);
      return REG_ZERO;
    }
    return zeros === size ? REG_ZERO : REG_UNKNOWN;
  }
  let zeros = 0;
  for (let i = 0; i < size; i++) {
    const kind = slot.byte(byteOf(off + i));
    if (kind === STACK_ZERO) zeros++;
    else if (!isPlain(kind)) return refuseBytes(w, off, i, size);
  }
  return zeros === size ? REG_ZERO : REG_UNKNOWN;
}

const isPlain = (kind: number): boolean => kind === STACK_MISC || kind === STACK_INVALID || kind === STACK_ZERO;

function refuseBytes(w: Walker, off: number, at: number, size: number): null {
  w.reject("EACCES", `invalid read from stack off ${off}+${at} size ${size}`, "stack-object-read");
  return null;
}

export function loadVariable(w: Walker, regno: number, off: number, size: number): Reg | null {
  if (!checkStackRange(w, regno, off - w.reg(regno).off, size, false, false, null)) return null;
  const pointer = w.reg(regno);
  const frame = w.frameOf(pointer);
  const min = pointer.scalar.smin + off;
  const end = pointer.scalar.smax + off + size;
  let zeros = 0;
  for (let i = min; i < end; i++) {
    w.touchSlot(frame, slotOf(i));
    if (frame.slot(slotOf(i)).byte(byteOf(i)) !== STACK_ZERO) break;
    zeros++;
  }
  noteFastcallContract(w, frame, min);
  return zeros === end - min ? REG_ZERO : REG_UNKNOWN;
}

/** See {@link Walk.checkStackRange}: `off` counts from the register. */
export function checkStackRange(
  w: Walker,
  regno: number,
  off: number,
  size: number,
  zeroSize: boolean,
  write: boolean,
  raw: { written: number } | null,
): boolean {
  if (size === 0 && !zeroSize) return w.reject("EACCES", "invalid zero-sized read", "size-zero", regno);
  const reg = w.reg(regno);
  const from = reg.off + off;
  if (!checkStackBounds(w, regno, from, size, write)) return false;
  const frame = w.frameOf(reg);
  const s = reg.scalar;
  const min = (s.isConst ? s.value : s.smin) + from;
  const end = (s.isConst ? s.value : s.smax) + from + size;
  if (raw !== null && s.isConst) {
    for (let i = min; i < end; i++) {
      if (frame.slot(slotOf(i)).object?.kind === "dynptr")
        return w.reject("EACCES", `potential write to dynptr at off=${i} disallowed`, "stack-object-write", regno);
    }
    raw.written = size;
    return true;
  }
  for (let i = min; i < end; i++) {
    const k = slotOf(i);
    const slot = frame.slot(k);
    const kind = slot.byte(byteOf(i));
    if (kind === STACK_ZERO || kind === STACK_INVALID) {
      if (write) frame.setSlot(k, new Slot(setByte(slot.types, byteOf(i), STACK_MISC), slot.spill, slot.object));
    } else if (kind !== STACK_MISC) {
      if (slot.spill === null) {
        const message = s.isConst
          ? `invalid read from stack R${regno} off ${min}+${i - min} size ${size}`
          : `invalid read from stack R${regno} var_off ${bitsInMessage(s)}+${i - min} size ${size}`;
        return w.reject("EACCES", message, "stack-object-read", regno);
      }
      if (write) frame.setSlot(k, new Slot(scrub(slot.types)));
    }
    w.stackLiveness.read(w.state, frame.frameno, w.insnIdx, k);
  }
  return true;
}

/** A stack access below the slots that only hold registers around inlinable calls ends their special treatment. */
function noteFastcallContract(w: Walker, frame: Frame, off: number): void {
  const subprogram = w.subprograms[frame.subprog]!;
  if (subprogram.fastcallStackOff <= off || w.facts[w.insnIdx]!.fastcallPattern) return;
  subprogram.fastcallStackOff = NO_FASTCALL;
  for (let i = subprogram.start; i < subprogram.end; i++) {
    w.facts[i]!.fastcallSpills = 0;
    w.facts[i]!.fastcallPattern = false;
  }
}
