import {
  LINK_NONE,
  NOT_INIT,
  PTR_TO_ARENA,
  PTR_TO_BUF,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_TP_BUFFER,
  REG_UNKNOWN,
  type Reg,
  SCALAR_VALUE,
} from "../register.ts";
import {
  SLOT_MISC,
  type Slot,
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_IRQ_FLAG,
  STACK_ITER,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
} from "../stack.ts";
import type { Frame, Reference, VerifierState } from "../state.ts";
import { isSlotPrecise } from "../text/state-text.ts";

/** How strictly a kept state is compared with the current one. */
export const NOT_EXACT = 0;
export const RANGE_WITHIN = 1;
export const EXACT = 2;
export type Exactness = typeof NOT_EXACT | typeof RANGE_WITHIN | typeof EXACT;

const MAX_IDS = 600;

/** One-to-one pairing of the ids of two states, built while they are compared. */
class IdMap {
  private readonly olds = new Float64Array(MAX_IDS);
  private readonly news = new Float64Array(MAX_IDS);
  private count = 0;
  private fresh = 0;

  reset(lastId: number): void {
    this.count = 0;
    this.fresh = lastId;
  }

  /** Both zero, or paired with each other. */
  same(old: number, now: number): boolean {
    if (old === 0 || now === 0) return old === now;
    for (let i = 0; i < this.count; i++) {
      if (this.olds[i] === old) return this.news[i] === now;
      if (this.news[i] === now) return false;
    }
    if (this.count >= MAX_IDS) return false;
    this.olds[this.count] = old;
    this.news[this.count++] = now;
    return true;
  }

  /** As {@link same}; a current scalar outside every group is a group of its own, and a kept one outside asks for none. */
  sameGroup(old: number, now: number): boolean {
    return old === 0 || this.same(old, now === 0 ? ++this.fresh : now);
  }
}

const ids = new IdMap();
const LINK_BIT = 2 ** 32;

/** A group's id with the kind of its constant distance: equal ids of different kinds are different. */
const groupKey = (reg: Reg): number => (reg.link === LINK_NONE ? reg.id : reg.id + reg.link * LINK_BIT);

/** Everything but ids, precision and the frame number. */
function sameShape(old: Reg, now: Reg): boolean {
  return (
    old.type === now.type &&
    old.flags === now.flags &&
    old.off === now.off &&
    old.map === now.map &&
    old.mapUid === now.mapUid &&
    old.range === now.range &&
    old.memSize === now.memSize &&
    old.btfName === now.btfName &&
    old.dynptrId === now.dynptrId &&
    old.delta === now.delta
  );
}

function exactlySame(old: Reg, now: Reg): boolean {
  if (old === now && old.id === 0 && old.refObjId === 0) return true;
  return (
    sameShape(old, now) &&
    old.scalar.sameBounds(now.scalar) &&
    ids.same(groupKey(old), groupKey(now)) &&
    ids.same(old.refObjId, now.refObjId)
  );
}

/** The register of the current state is covered by the kept one. */
function covers(old: Reg, precise: boolean, now: Reg, exactness: Exactness): boolean {
  if (exactness === EXACT) return exactlySame(old, now) && old.index === now.index;
  if (old.type === NOT_INIT && (exactness === NOT_EXACT || now.type === NOT_INIT)) return true;
  if (old.type !== now.type || old.flags !== now.flags) return false;
  switch (old.type) {
    case SCALAR_VALUE:
      if (!precise && exactness === NOT_EXACT) return true;
      if (old.id !== 0 && (old.link !== now.link || (old.link !== LINK_NONE && old.delta !== now.delta))) return false;
      return old.scalar.contains(now.scalar) && ids.sameGroup(groupKey(old), groupKey(now));
    case PTR_TO_MAP_KEY:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MEM:
    case PTR_TO_BUF:
    case PTR_TO_TP_BUFFER:
      return (
        sameShape(old, now) &&
        old.scalar.contains(now.scalar) &&
        ids.same(old.id, now.id) &&
        ids.same(old.refObjId, now.refObjId)
      );
    case PTR_TO_PACKET_META:
    case PTR_TO_PACKET:
      return (
        // Marks of "at or beyond the end" are no ranges: they match themselves only.
        (old.range < 0 || now.range < 0 ? old.range === now.range : old.range <= now.range) &&
        old.off === now.off &&
        ids.same(old.id, now.id) &&
        old.scalar.contains(now.scalar)
      );
    case PTR_TO_ARENA:
      return true;
    default:
      return exactlySame(old, now) && old.index === now.index;
  }
}

/** The slot as one 64-bit scalar, when it is one: an eight-byte spill, or bytes of which nothing is known. */
function asScalar(slot: Slot): Reg | null {
  if (slot.spill !== null && slot.types === 0x1111_1111 && slot.spill.type === SCALAR_VALUE) return slot.spill;
  if (slot === SLOT_MISC) return REG_UNKNOWN;
  for (let k = 0; k < 8; k++) {
    const kind = slot.byte(k);
    if (kind !== STACK_MISC && kind !== STACK_INVALID) return null;
  }
  return REG_UNKNOWN;
}

function stackCovers(old: Frame, now: Frame, exactness: Exactness): boolean {
  for (let k = 0; k < old.slots.length; k++) {
    const a = old.slots[k]!;
    const b = now.slots[k];
    if (exactness !== NOT_EXACT && (b === undefined || a.types !== b.types)) return false;
    if (a.types === 0) continue;
    let relevant = false;
    for (let i = 7; i >= 0; i--) {
      const kind = a.byte(i);
      if (kind !== STACK_INVALID && kind !== STACK_MISC) {
        relevant = true;
        break;
      }
    }
    if (!relevant) continue;
    if (b === undefined) return false;
    const precise = isSlotPrecise(old, k);
    const oldScalar = asScalar(a);
    const newScalar = oldScalar === null ? null : asScalar(b);
    if (oldScalar !== null && newScalar !== null) {
      if (!covers(oldScalar, precise && oldScalar === a.spill, newScalar, exactness)) return false;
      continue;
    }
    for (let i = 7; i >= 0; i--) {
      const was = a.byte(i);
      if (was === STACK_INVALID || was === STACK_MISC) continue;
      if (was !== b.byte(i)) return false;
    }
    if (!sameObject(a, b, precise, exactness)) return false;
  }
  return true;
}

/** What the lowest byte of both slots says they hold is the same. */
function sameObject(a: Slot, b: Slot, precise: boolean, exactness: Exactness): boolean {
  switch (a.byte(0)) {
    case STACK_SPILL:
      return a.spill === null || b.spill === null ? a.spill === b.spill : covers(a.spill, precise, b.spill, exactness);
    case STACK_DYNPTR:
      return (
        a.object?.kind === "dynptr" &&
        b.object?.kind === "dynptr" &&
        a.object.dynptr === b.object.dynptr &&
        a.object.first === b.object.first &&
        ids.same(a.object.refId, b.object.refId)
      );
    case STACK_ITER:
      return (
        a.object?.kind === "iter" &&
        b.object?.kind === "iter" &&
        a.object.iter === b.object.iter &&
        a.object.state === b.object.state &&
        ids.same(a.object.refId, b.object.refId)
      );
    case STACK_IRQ_FLAG:
      return a.object?.kind === "irq" && b.object?.kind === "irq" && ids.same(a.object.id, b.object.id);
    default:
      return true;
  }
}

function sameReference(a: Reference, b: Reference): boolean {
  return (
    ids.same(a.id, b.id) &&
    a.kind === b.kind &&
    (a.lock === null || (a.lock.kind === b.lock?.kind && a.lock.map?.id === b.lock.map?.id))
  );
}

function referencesCovered(old: VerifierState, now: VerifierState): boolean {
  if (
    old.refs.length !== now.refs.length ||
    old.activeLocks !== now.activeLocks ||
    old.activePreemptLocks !== now.activePreemptLocks ||
    old.activeRcuLock !== now.activeRcuLock ||
    !ids.same(old.activeIrqId, now.activeIrqId) ||
    !ids.same(old.activeLockId, now.activeLockId)
  )
    return false;
  for (let i = 0; i < old.refs.length; i++) if (!sameReference(old.refs[i]!, now.refs[i]!)) return false;
  return true;
}

/** The current state `now` needs no walk of its own, since whatever starts from `old` also covers it. */
export function statesCovered(
  old: VerifierState,
  now: VerifierState,
  exactness: Exactness,
  liveRegs: Uint16Array,
  insnIdx: number,
  lastId: number,
): boolean {
  const top = old.frames.length - 1;
  if (top !== now.frames.length - 1 || old.inSleepable !== now.inSleepable) return false;
  ids.reset(lastId);
  if (!referencesCovered(old, now)) return false;
  for (let f = 0; f <= top; f++) {
    const a = old.frames[f]!;
    const b = now.frames[f]!;
    if (a.callsite !== b.callsite) return false;
    if (a.callbackDepth > b.callbackDepth) return false;
    const live = liveRegs[f === top ? insnIdx : old.frames[f + 1]!.callsite]!;
    for (let n = 0; n < 11; n++) {
      if ((live & (1 << n)) === 0) continue;
      if (!covers(a.regs[n]!, (a.preciseRegs & (1 << n)) !== 0, b.regs[n]!, exactness)) return false;
    }
    if (!stackCovers(a, b, exactness)) return false;
  }
  return true;
}

/** A quick test before the exact comparison: the innermost registers are the same, ids included. */
export function mayLoop(old: VerifierState, now: VerifierState): boolean {
  const top = old.frames.length - 1;
  if (top !== now.frames.length - 1) return false;
  const a = old.frames[top]!.regs;
  const b = now.frames[top]!.regs;
  for (let n = 0; n < 11; n++) {
    const x = a[n]!;
    const y = b[n]!;
    if (x === y) continue;
    if (
      !sameShape(x, y) ||
      x.id !== y.id ||
      x.link !== y.link ||
      x.refObjId !== y.refObjId ||
      !x.scalar.sameBounds(y.scalar)
    )
      return false;
  }
  return true;
}

/** Some active iterator of `old` has been advanced in `now`. */
export function iteratorDepthsDiffer(old: VerifierState, now: VerifierState): boolean {
  for (let f = old.frames.length - 1; f >= 0; f--) {
    const slots = old.frames[f]!.slots;
    for (let k = 0; k < slots.length; k++) {
      const a = slots[k]!.object;
      if (a?.kind !== "iter" || !a.first || a.state !== "active") continue;
      const b = now.frames[f]?.slots[k]?.object;
      if (b?.kind === "iter" && b.depth !== a.depth) return true;
    }
  }
  return false;
}

/** `older` and `state` agree on the scalar. */
export function sameScalar(a: Reg, b: Reg): boolean {
  return (
    a.scalar.sameBounds(b.scalar) &&
    a.delta === b.delta &&
    ids.same(groupKey(a), groupKey(b)) &&
    ids.same(a.refObjId, b.refObjId)
  );
}

export function resetIds(lastId: number): void {
  ids.reset(lastId);
}

void STACK_ZERO;
