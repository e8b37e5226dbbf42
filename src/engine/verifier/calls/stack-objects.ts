import type { Reg } from "../register.ts";
import { CONST_PTR_TO_DYNPTR, PTR_MAYBE_NULL, PTR_TO_MEM, PTR_TO_STACK, REG_UNKNOWN } from "../register.ts";
import type { StackByte, StackObject } from "../stack.ts";
import {
  allBytes,
  SLOT_INVALID,
  Slot,
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_IRQ_FLAG,
  STACK_ITER,
  STACK_MISC,
  setByte,
} from "../stack.ts";
import type { Frame, Walk } from "../state.ts";

export type DynptrObject = Extract<StackObject, { kind: "dynptr" }>;
export type IteratorObject = Extract<StackObject, { kind: "iter" }>;

const SLOT_BYTES = 8;
const MAX_SLOTS = 64;
const DYNPTR_SLOTS = 2;
const DYNPTR_BYTES = 16;

/** Dynptrs whose memory is given back: they hold a reference. */
function isReferenced(kind: string): boolean {
  return kind === "ringbuf" || kind === "file";
}

/** Slices of these die when the packet changes. */
export function isPacketDynptr(kind: string): boolean {
  return kind === "skb" || kind === "xdp" || kind === "skb_meta";
}

/**
 * Slot of the object's lowest bytes, for an object of `count` slots; "outside" when it lies beyond the stack. Null after a note in the log:
 * the pointer cannot name such an object.
 */
function objectSlot(walk: Walk, reg: Reg, what: string, count: number): number | "outside" | null {
  if (!reg.scalar.isConst) {
    walk.line(`${what} has to be at a constant offset`);
    return null;
  }
  const off = reg.off + reg.scalar.value;
  // Offset 0 counts as the first slot here, as the kernel's division has it; the bytes are checked later.
  const slot = Math.trunc((-off - 1) / SLOT_BYTES);
  if (off % SLOT_BYTES !== 0 || slot + 1 < count) {
    walk.line(`cannot pass in ${what} at an offset=${off}`);
    return null;
  }
  return slot >= MAX_SLOTS ? "outside" : slot;
}

/** As {@link objectSlot}, for slots that must already be in use. */
function usedSlot(walk: Walk, reg: Reg, what: string, count: number): number | null {
  const slot = objectSlot(walk, reg, what, count);
  if (typeof slot !== "number") return null;
  return slot < walk.frameOf(reg).slots.length ? slot : null;
}

function setObject(walk: Walk, frame: Frame, slot: number, kind: StackByte, object: StackObject): void {
  frame.setSlot(slot, new Slot(allBytes(kind), null, object));
  walk.touchSlot(frame, slot);
}

function clearSlots(walk: Walk, frame: Frame, slots: readonly number[]): void {
  for (const slot of slots) {
    frame.setSlot(slot, SLOT_INVALID);
    walk.touchSlot(frame, slot);
  }
  walk.noteStackWrite(frame, slots);
}

// Dynptrs.

function dynptrIn(frame: Frame, slot: number): DynptrObject | null {
  const object = frame.slot(slot).object;
  return object?.kind === "dynptr" ? object : null;
}

/** What a register that points to a dynptr names: an object on the stack, or a constant one of a callback or global function. */
export interface DynptrFacts {
  readonly kind: string;
  readonly id: number;
  readonly refId: number;
  readonly frame: Frame | null;
  readonly slot: number;
}

/** The dynptr behind a register that {@link checkDynptr} has passed. */
export function dynptrOf(walk: Walk, reg: Reg): DynptrFacts | null {
  if (reg.type === CONST_PTR_TO_DYNPTR) return { kind: reg.btfName, id: reg.id, refId: 0, frame: null, slot: -1 };
  const frame = walk.frameOf(reg);
  const slot = -(reg.off + reg.scalar.value) / SLOT_BYTES - 1;
  const object = dynptrIn(frame, slot);
  return object === null ? null : { kind: object.dynptr, id: object.id, refId: object.refId, frame, slot };
}

/** Kills slices of the dynptr: their memory is no longer vouched for. Those that kfuncs handed out outlive it, as on Linux 6.18. */
function forgetSlices(walk: Walk, id: number): void {
  const isSlice = (reg: Reg): boolean =>
    reg.type === PTR_TO_MEM && (reg.flags & ~PTR_MAYBE_NULL) === 0 && reg.dynptrId === id;
  walk.state.mapRegs((reg) => (isSlice(reg) ? REG_UNKNOWN : reg));
}

/** A plain store hits the dynptr in `slot`: both halves become ordinary bytes. */
function destroyDynptr(walk: Walk, frame: Frame, slot: number): boolean {
  const object = dynptrIn(frame, slot);
  if (object === null) return true;
  if (isReferenced(object.dynptr)) {
    return walk.reject("EINVAL", "cannot overwrite referenced dynptr", "dynptr-overwrite");
  }
  const first = object.first ? slot : slot + 1;
  clearSlots(walk, frame, [first, first - 1]);
  forgetSlices(walk, object.id);
  return true;
}

/** What a call asks of a dynptr argument. */
export type DynptrRole =
  | { readonly role: "new"; readonly kind: string; readonly cloneOf: DynptrFacts | null }
  | { readonly role: "use"; readonly kind: string; readonly mutates: boolean };

/** The pointer to a dynptr in register `regno`; constructs it for the role `new`. `argument` counts from 0. */
export function checkDynptr(walk: Walk, regno: number, argument: number, wanted: DynptrRole, at: number): boolean {
  const reg = walk.reg(regno);
  if (reg.type !== PTR_TO_STACK && reg.type !== CONST_PTR_TO_DYNPTR) {
    return walk.reject(
      "EINVAL",
      `arg#${argument} expected pointer to stack or const struct bpf_dynptr`,
      "dynptr-not-on-stack",
      regno,
    );
  }
  return wanted.role === "new"
    ? constructDynptr(walk, regno, reg, wanted.kind, wanted.cloneOf, at)
    : takeDynptr(walk, regno, reg, argument, wanted.kind, wanted.mutates);
}

function constructDynptr(
  walk: Walk,
  regno: number,
  reg: Reg,
  kind: string,
  cloneOf: DynptrFacts | null,
  at: number,
): boolean {
  const notUninitialized = (): boolean =>
    walk.reject("EINVAL", "Dynptr has to be an uninitialized dynptr", "dynptr-not-uninitialized", regno);
  if (reg.type === CONST_PTR_TO_DYNPTR) return notUninitialized();
  const place = objectSlot(walk, reg, "dynptr", DYNPTR_SLOTS);
  if (place === null) return notUninitialized();
  const frame = walk.frameOf(reg);
  for (let i = 0; i < DYNPTR_BYTES; i += SLOT_BYTES) {
    if (walk.accessMemory(regno, i, SLOT_BYTES, true, -1, false) === null) return false;
  }
  const slot = -(reg.off + reg.scalar.value) / SLOT_BYTES - 1;
  const id = walk.newId();
  let refId = 0;
  if (isReferenced(kind)) {
    refId =
      cloneOf !== null
        ? cloneOf.refId
        : walk.state.acquire({ kind: "pointer", id: walk.newId(), insn: at, lock: null });
  }
  const base = { kind: "dynptr", dynptr: kind, id, refId, rdonly: false } as const;
  setObject(walk, frame, slot, STACK_DYNPTR, { ...base, first: true });
  setObject(walk, frame, slot - 1, STACK_DYNPTR, { ...base, first: false });
  walk.noteStackWrite(frame, [slot, slot - 1]);
  return true;
}

function takeDynptr(walk: Walk, regno: number, reg: Reg, argument: number, kind: string, mutates: boolean): boolean {
  if (reg.type === CONST_PTR_TO_DYNPTR && mutates) {
    return walk.reject(
      "EINVAL",
      "cannot pass pointer to const bpf_dynptr, the helper mutates it",
      "dynptr-const-mutated",
      regno,
    );
  }
  if (reg.type === PTR_TO_STACK) {
    const slot = usedSlot(walk, reg, "dynptr", DYNPTR_SLOTS);
    const frame = walk.frameOf(reg);
    if (slot === null || dynptrIn(frame, slot)?.first !== true || dynptrIn(frame, slot - 1)?.first !== false) {
      return walk.reject(
        "EINVAL",
        `Expected an initialized dynptr as arg #${argument}`,
        "dynptr-not-initialized",
        regno,
      );
    }
    if (!expectKind(walk, regno, argument, kind, dynptrIn(frame, slot)!.dynptr)) return false;
    walk.touchSlot(frame, slot);
    walk.touchSlot(frame, slot - 1);
    walk.noteStackRead(frame, [slot, slot - 1]);
    return true;
  }
  return expectKind(walk, regno, argument, kind, reg.btfName);
}

function expectKind(walk: Walk, regno: number, argument: number, wanted: string, found: string): boolean {
  if (wanted === "any" || wanted === found) return true;
  return walk.reject("EINVAL", `Expected a dynptr of type ${wanted} as arg #${argument}`, "dynptr-wrong-kind", regno);
}

/** A released dynptr argument must be on the stack and hold a reference. `regno` is 1-based in the message. */
export function checkDynptrReleasable(walk: Walk, regno: number): boolean {
  const reg = walk.reg(regno);
  if (reg.type !== PTR_TO_STACK) {
    return walk.reject("EINVAL", "cannot release unowned const bpf_dynptr", "dynptr-const-release", regno);
  }
  const slot = usedSlot(walk, reg, "dynptr", DYNPTR_SLOTS);
  if (slot === null || refIdIn(walk.frameOf(reg), slot) === 0) {
    return walk.reject("EINVAL", `arg ${regno} is an unacquired reference`, "dynptr-not-acquired", regno);
  }
  return true;
}

/** Reference named by whatever the slot holds: an object, or a spilled pointer. */
function refIdIn(frame: Frame, slot: number): number {
  const { object, spill } = frame.slot(slot);
  if (object?.kind === "dynptr" || object?.kind === "iter") return object.refId;
  if (object?.kind === "irq") return object.id;
  return spill?.refObjId ?? 0;
}

/** Gives the dynptr's memory back: it, its clones and slices are gone. False when its reference was never acquired. */
export function releaseDynptr(walk: Walk, regno: number): boolean {
  const facts = dynptrOf(walk, walk.reg(regno));
  if (facts === null || facts.frame === null) return false;
  if (!isReferenced(facts.kind)) {
    clearSlots(walk, facts.frame, [facts.slot, facts.slot - 1]);
    return true;
  }
  const released = walk.releaseReference(facts.refId);
  const { frame } = facts;
  for (let slot = 1; slot < frame.slots.length; slot++) {
    const object = dynptrIn(frame, slot);
    if (object?.first && object.refId === facts.refId) clearSlots(walk, frame, [slot, slot - 1]);
  }
  return released;
}

// Iterators.

/** Bytes of the iterators that are modelled. */
const ITERATOR_SLOTS = 1;

export interface IteratorPlace {
  readonly frameno: number;
  readonly slot: number;
  readonly refId: number;
}

/** An iterator argument: constructed, used, or destroyed. Null when rejected. */
export function checkIterator(
  walk: Walk,
  regno: number,
  iter: string,
  role: "new" | "use" | "end",
  at: number,
): IteratorPlace | null {
  const reg = walk.reg(regno);
  const argument = regno - 1;
  if (reg.type !== PTR_TO_STACK) {
    walk.reject("EINVAL", `arg#${argument} expected pointer to an iterator on stack`, "iterator-not-on-stack", regno);
    return null;
  }
  const frame = walk.frameOf(reg);
  const what = `iter_${iter}`;
  if (role === "new") {
    const place = objectSlot(walk, reg, "iter", ITERATOR_SLOTS);
    if (place === null || (place !== "outside" && frame.slot(place).object?.kind === "iter")) {
      walk.reject("EINVAL", `expected uninitialized ${what} as arg #${argument}`, "iterator-not-uninitialized", regno);
      return null;
    }
    if (walk.accessMemory(regno, 0, SLOT_BYTES, true, -1, false) === null) return null;
    const slot = -(reg.off + reg.scalar.value) / SLOT_BYTES - 1;
    const refId = walk.state.acquire({ kind: "pointer", id: walk.newId(), insn: at, lock: null });
    setObject(walk, frame, slot, STACK_ITER, { kind: "iter", iter, refId, state: "active", depth: 0, first: true });
    walk.noteStackWrite(frame, [slot]);
    return { frameno: frame.frameno, slot, refId };
  }
  const slot = usedSlot(walk, reg, "iter", ITERATOR_SLOTS);
  const object = slot === null ? null : frame.slot(slot).object;
  if (slot === null || object?.kind !== "iter" || object.iter !== iter) {
    walk.reject("EINVAL", `expected an initialized ${what} as arg #${argument}`, "iterator-not-initialized", regno);
    return null;
  }
  walk.touchSlot(frame, slot);
  walk.noteStackRead(frame, [slot]);
  if (role === "end") {
    walk.releaseReference(object.refId);
    clearSlots(walk, frame, [slot]);
  }
  return { frameno: frame.frameno, slot, refId: object.refId };
}

/** Replaces the iterator's state in a frame. */
export function setIterator(
  frame: Frame,
  slot: number,
  change: Partial<Pick<IteratorObject, "state" | "depth">>,
): void {
  const object = frame.slot(slot).object;
  if (object?.kind !== "iter") return;
  frame.setSlot(slot, new Slot(allBytes(STACK_ITER), null, { ...object, ...change }));
}

// Flags of interrupts switched off.

export function checkIrqFlag(walk: Walk, regno: number, save: boolean, at: number): boolean {
  const reg = walk.reg(regno);
  const argument = regno - 1;
  if (reg.type !== PTR_TO_STACK) {
    return walk.reject(
      "EINVAL",
      `arg#${argument} doesn't point to an irq flag on stack`,
      "irq-flag-not-on-stack",
      regno,
    );
  }
  return save ? saveIrq(walk, regno, reg, argument, at) : restoreIrq(walk, regno, reg, argument);
}

function saveIrq(walk: Walk, regno: number, reg: Reg, argument: number, at: number): boolean {
  const frame = walk.frameOf(reg);
  const place = objectSlot(walk, reg, "irq_flag", 1);
  if (place === null || (place !== "outside" && frame.slot(place).object?.kind === "irq")) {
    return walk.reject(
      "EINVAL",
      `expected uninitialized irq flag as arg#${argument}`,
      "irq-flag-not-uninitialized",
      regno,
    );
  }
  if (walk.accessMemory(regno, 0, SLOT_BYTES, true, -1, false) === null) return false;
  const slot = -(reg.off + reg.scalar.value) / SLOT_BYTES - 1;
  const id = walk.state.acquire({ kind: "irq", id: walk.newId(), insn: at, lock: null });
  walk.state.activeIrqId = id;
  setObject(walk, frame, slot, STACK_IRQ_FLAG, { kind: "irq", id });
  walk.noteStackWrite(frame, [slot]);
  return true;
}

function restoreIrq(walk: Walk, regno: number, reg: Reg, argument: number): boolean {
  const { state } = walk;
  const frame = walk.frameOf(reg);
  const slot = usedSlot(walk, reg, "irq_flag", 1);
  const object = slot === null ? null : frame.slot(slot).object;
  if (slot === null || object?.kind !== "irq") {
    return walk.reject(
      "EINVAL",
      `expected an initialized irq flag as arg#${argument}`,
      "irq-flag-not-initialized",
      regno,
    );
  }
  walk.touchSlot(frame, slot);
  walk.noteStackRead(frame, [slot]);
  if (object.id !== state.activeIrqId) {
    const active = state.refs.find((r) => r.id === state.activeIrqId);
    return walk.reject(
      "EACCES",
      `cannot restore irq state out of order, expected id=${state.activeIrqId} acquired at insn_idx=${active?.insn ?? 0}`,
      "irq-restore-order",
      regno,
    );
  }
  state.refs = state.refs.filter((r) => r.id !== object.id);
  state.activeIrqId = state.refs.findLast((r) => r.kind === "irq")?.id ?? 0;
  clearSlots(walk, frame, [slot]);
  return true;
}

/**
 * A store hits a slot that holds an object. Dynptrs lose both halves (or refuse); iterators and irq flags become unknown bytes, their
 * reference stays.
 */
export function destroyStackObject(walk: Walk, frame: Frame, slot: number): boolean {
  const held = frame.slot(slot);
  if (held.object === null) return true;
  if (held.object.kind === "dynptr") return destroyDynptr(walk, frame, slot);
  let types = 0;
  for (let k = 0; k < SLOT_BYTES; k++) {
    types = setByte(types, k, held.byte(k) === STACK_INVALID ? STACK_INVALID : STACK_MISC);
  }
  frame.setSlot(slot, new Slot(types));
  return true;
}
