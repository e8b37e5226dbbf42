import { LINK_32, LINK_NONE, type Reg, SCALAR_VALUE } from "../register.ts";
import { Scalar } from "../scalar.ts";
import { addScalar } from "../scalar-math.ts";
import { type Frame, type VerifierState, withSpill } from "../state.ts";
import type { Walker } from "./walker.ts";

/** Places of one group that are followed at most. */
const MAX_LINKED = 6;

/** A place packed into a number: frame, register or slot, its number. */
const packRegister = (frame: number, n: number): number => (frame << 8) | 0x80 | n;
const packSlot = (frame: number, k: number): number => (frame << 8) | k;
export const placeFrame = (place: number): number => place >> 8;
export const placeIsRegister = (place: number): boolean => (place & 0x80) !== 0;
export const placeNumber = (place: number): number => place & 0x7f;

/** The scalar without its group. */
export function withoutId(reg: Reg): Reg {
  if (reg.id === 0 && reg.link === LINK_NONE) return reg;
  const r = reg.copy();
  r.id = 0;
  r.link = LINK_NONE;
  r.delta = 0;
  return r;
}

/** The register as it must be just before it is copied: a scalar that is not constant gets a group. */
export function withIdForCopy(w: Walker, reg: Reg): Reg {
  if (reg.type !== SCALAR_VALUE) return reg;
  const constant = reg.scalar.isConst;
  if (reg.link === LINK_NONE && (reg.id !== 0 || constant)) return reg;
  const r = reg.copy();
  if (r.link !== LINK_NONE) {
    r.link = LINK_NONE;
    r.delta = 0;
    r.id = 0;
  }
  if (r.id === 0 && !constant) r.id = w.newId();
  return r;
}

/**
 * Adds to `into` the places of the current state that hold the group `id`; places beyond the limit leave the group. Collected twice (both
 * operands in one group), each place counts twice. A register that is
 * dead before the instruction at which its frame stands is not followed.
 */
export function collectLinked(w: Walker, id: number, into: number[]): void {
  const frames = w.state.frames;
  for (let f = frames.length - 1; f >= 0; f--) {
    const frame = frames[f]!;
    const at = f === frames.length - 1 ? w.insnIdx : frames[f + 1]!.callsite;
    const live = w.tables.liveRegs[at]!;
    const regs = frame.regs;
    for (let n = 0; n < 10; n++) {
      const reg = regs[n]!;
      if (reg.id !== id || reg.type !== SCALAR_VALUE || (live & (1 << n)) === 0) continue;
      if (!add(into, packRegister(f, n))) regs[n] = withoutId(reg);
    }
    for (let k = 0; k < frame.slots.length; k++) {
      const slot = frame.slots[k]!;
      const spill = slot.spill;
      if (spill === null || spill.id !== id || spill.type !== SCALAR_VALUE) continue;
      if (!add(into, packSlot(f, k))) frame.setSlot(k, withSpill(slot, withoutId(spill)));
    }
  }
}

function add(into: number[], place: number): boolean {
  if (into.length >= MAX_LINKED) return false;
  into.push(place);
  return true;
}

/** Carries what a branch has shown of register `n` of the innermost frame over to its group. */
export function syncLinked(state: VerifierState, n: number, places: readonly number[]): void {
  const own = state.frames.length - 1;
  const known = state.frames[own]!.regs[n]!;
  for (let i = places.length - 1; i >= 0; i--) {
    const place = places[i]!;
    const f = placeFrame(place);
    const number = placeNumber(place);
    const frame = state.frames[f]!;
    if (placeIsRegister(place)) {
      if (f === own && number === n) continue;
      const reg = frame.regs[number]!;
      const next = follow(reg, known);
      if (next !== reg) frame.regs[number] = next;
    } else {
      const slot = frame.slot(number);
      if (slot.spill === null) continue;
      const next = follow(slot.spill, known);
      if (next !== slot.spill) frame.setSlot(number, withSpill(slot, next));
    }
  }
}

function follow(reg: Reg, known: Reg): Reg {
  if (reg.type !== SCALAR_VALUE || reg.id !== known.id || reg === known) return reg;
  const both = reg.link !== LINK_NONE && known.link !== LINK_NONE;
  if (both && reg.link !== known.link) return reg;
  if ((reg.link === LINK_NONE && known.link === LINK_NONE) || reg.delta === known.delta) return known;
  const scalar = known.scalar.copy();
  addScalar(scalar, Scalar.fromNumber(reg.delta - known.delta));
  if (reg.link === LINK_32 || known.link === LINK_32) scalar.zeroExtend32();
  else scalar.sync();
  const r = reg.copy();
  r.scalar = scalar;
  return r;
}

export function frameAt(state: VerifierState, place: number): Frame {
  return state.frames[placeFrame(place)]!;
}
