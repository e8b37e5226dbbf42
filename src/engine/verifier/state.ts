import type { Errno } from "../abi/errno.ts";
import type { Instruction } from "../isa/instruction.ts";
import type { Reg } from "./register.ts";
import { REG_NOT_INIT } from "./register.ts";
import { SLOT_INVALID, Slot } from "./stack.ts";
import type { VerifierEnvironment, VerifierMap, VerifierProgram } from "./types.ts";

/** What a verifier state holds until it is given back. Printed as `refs=…`, in order of acquisition. */
export interface Reference {
  readonly kind: "pointer" | "irq" | "lock";
  readonly id: number;
  /** Instruction that acquired it. */
  readonly insn: number;
  /** lock: what was locked (equal objects are one lock), and its kind. */
  readonly lock: { readonly map: VerifierMap | null; readonly kind: "spin" | "res" | "res-irq" } | null;
}

export interface ReturnRange {
  readonly min: number;
  readonly max: number;
}

/**
 * One function's registers and stack. Slot k is the eight bytes at fp-8(k+1). Register and slot values are shared
 * between frames of many states; `slots` itself is copied before the first write (see {@link Frame.setSlot}).
 */
export class Frame {
  readonly frameno: number;
  readonly subprog: number;
  /** Instruction of the call; -1 in the outermost frame. */
  readonly callsite: number;
  regs: Reg[];
  slots: Slot[];
  private slotsShared: boolean;
  /** Inside a callback that a helper runs before it returns. */
  inCallback = false;
  /** Range that r0 must have at the callback's return. */
  callbackRange: ReturnRange | null = null;
  /** Inside a callback that a timer or work queue runs later. */
  inAsyncCallback = false;
  asyncEntries = 0;
  /** How often the callback of the call in progress was entered on this path. */
  callbackDepth = 0;
  /** Bits r0..r9 and slots that are precise; only kept states have any. */
  preciseRegs = 0;
  preciseSlotsLo = 0;
  preciseSlotsHi = 0;

  constructor(frameno: number, subprog: number, callsite: number) {
    this.frameno = frameno;
    this.subprog = subprog;
    this.callsite = callsite;
    this.regs = [
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
      REG_NOT_INIT,
    ];
    this.slots = [];
    this.slotsShared = false;
  }

  /** A copy that is changed independently, without precision marks. */
  clone(): Frame {
    const f = new Frame(this.frameno, this.subprog, this.callsite);
    f.regs = this.regs.slice();
    f.slots = this.slots;
    f.slotsShared = true;
    this.slotsShared = true;
    f.inCallback = this.inCallback;
    f.callbackRange = this.callbackRange;
    f.inAsyncCallback = this.inAsyncCallback;
    f.asyncEntries = this.asyncEntries;
    f.callbackDepth = this.callbackDepth;
    return f;
  }

  /** Bytes of stack in use, a multiple of 8. */
  get allocatedStack(): number {
    return this.slots.length * 8;
  }

  slot(k: number): Slot {
    return this.slots[k] ?? SLOT_INVALID;
  }

  setSlot(k: number, slot: Slot): void {
    if (this.slotsShared) {
      this.slots = this.slots.slice();
      this.slotsShared = false;
    }
    while (this.slots.length <= k) this.slots.push(SLOT_INVALID);
    this.slots[k] = slot;
  }

  /** Grows the stack so that slot k exists. */
  growStack(k: number): void {
    if (this.slots.length <= k) this.setSlot(k, SLOT_INVALID);
  }
}

/** One path's knowledge at one instruction. */
export class VerifierState {
  frames: Frame[];
  /** In order of acquisition. Never changed in place. */
  refs: readonly Reference[] = [];
  /** Number of locks among `refs`. */
  activeLocks = 0;
  /** The lock taken last, by reference id. */
  activeLockId = 0;
  activePreemptLocks = 0;
  /** Id of the irq flag saved last, 0: none. */
  activeIrqId = 0;
  activeRcuLock = false;
  /** False inside asynchronous timer callbacks and in programs that may not sleep. */
  inSleepable: boolean;
  mayGotoDepth = 0;
  /** Callbacks that a helper runs before it returns, entered on this path. */
  callbackUnrollDepth = 0;
  /** Kept states on the way from the start. */
  depth = 0;
  /** Instruction that follows next and the one before it, when the state is pending or kept. */
  insnIdx = 0;
  firstInsn = 0;
  lastInsn = -1;

  /** Unfinished paths that start from this state. */
  branches = 1;
  /** Kept state that this one descends from. */
  parent: VerifierState | null = null;
  /** Way from `parent` to here; owned by the walk's history module. */
  history: HistoryEntry[] = [];
  /** Bookkeeping of kept states; owned by the pruning module. */
  kept: KeptInfo | null = null;

  constructor(frames: Frame[], inSleepable: boolean) {
    this.frames = frames;
    this.inSleepable = inSleepable;
  }

  get frame(): Frame {
    return this.frames[this.frames.length - 1]!;
  }

  /** A copy that is changed independently. Parent, branches and history are left to the caller. */
  clone(): VerifierState {
    const frames = this.frames;
    const copies: Frame[] = new Array(frames.length);
    for (let i = 0; i < frames.length; i++) copies[i] = frames[i]!.clone();
    const s = new VerifierState(copies, this.inSleepable);
    s.refs = this.refs;
    s.activeLocks = this.activeLocks;
    s.activeLockId = this.activeLockId;
    s.activePreemptLocks = this.activePreemptLocks;
    s.activeIrqId = this.activeIrqId;
    s.activeRcuLock = this.activeRcuLock;
    s.mayGotoDepth = this.mayGotoDepth;
    s.callbackUnrollDepth = this.callbackUnrollDepth;
    s.depth = this.depth;
    return s;
  }

  /** Adds a reference and returns its id. */
  acquire(reference: Reference): number {
    this.refs = [...this.refs, reference];
    return reference.id;
  }

  /** Drops the pointer reference `id`; false when there is none. */
  release(id: number): boolean {
    const at = this.refs.findIndex((r) => r.kind === "pointer" && r.id === id);
    if (at < 0) return false;
    this.refs = this.refs.filter((_, i) => i !== at);
    return true;
  }

  /** Applies `change` to every register and spilled register of all frames; a returned other value replaces it. */
  mapRegs(change: (reg: Reg) => Reg): void {
    for (const frame of this.frames) {
      const regs = frame.regs;
      for (let i = 0; i < regs.length; i++) {
        const before = regs[i]!;
        const after = change(before);
        if (after !== before) regs[i] = after;
      }
      for (let k = 0; k < frame.slots.length; k++) {
        const slot = frame.slots[k]!;
        if (slot.spill === null) continue;
        const after = change(slot.spill);
        if (after !== slot.spill) frame.setSlot(k, withSpill(slot, after));
      }
    }
  }
}

/** The same slot with other spilled contents. */
export function withSpill(slot: Slot, spill: Reg): Slot {
  return new Slot(slot.types, spill);
}

export interface HistoryEntry {
  readonly insn: number;
  readonly from: number;
  /** Bits: access to a fixed stack slot, its frame and slot number. */
  flags: number;
  /** Registers and slots that got bounds together, packed; null when none. */
  linked: readonly number[] | null;
}

export interface KeptInfo {
  hits: number;
  misses: number;
  cleaned: boolean;
  dropped: boolean;
  /** Path of the trace that kept it; 0 without a trace. */
  readonly path: number;
}

/** A function of the program being verified. */
export interface Subprogram {
  readonly index: number;
  /** [start, end) in slots */
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** From func_info; static when the program has none. */
  readonly linkage: "static" | "global";
  /** BTF id of the FUNC, 0: none. */
  readonly btfId: number;
  /** Bytes of stack used, as far as walked. */
  stackDepth: number;
  isCallback: boolean;
  isAsyncCallback: boolean;
  hasTailCall: boolean;
  hasLdAbs: boolean;
  /** A mismatch between its BTF and its use was seen. */
  unreliable: boolean;
  /** Contains a call that changes packet data, itself or through callees. */
  changesPacketData: boolean;
  mightSleep: boolean;
  mightThrow: boolean;
  /** global: called by walked code; walked itself. */
  called: boolean;
  verified: boolean;
  /** Slots below this are spills around inlinable calls only (negative, or 0: none). */
  fastcallStackOff: number;
  keepFastcallStack: boolean;
}

/** What the walk learns about an instruction, for the passes that follow. */
export class InsnFacts {
  reached = false;
  /** Base type of the pointer that a load or store goes through, NOT_INIT until walked. */
  pointerType = 0;
  /** The one map of a lookup, update… at this place; "many" when paths differ. */
  map: VerifierMap | "many" | null = null;
  mapUnprivileged = false;
  /** Constant key of a tail call, "many" when it differs. */
  mapKey: number | "many" | null = null;
  /** bpf_loop: eligible for inlining, and with which callback. */
  loopInline: { fits: boolean; subprog: number } | null = null;
  /** Calls: the subprogram of a callback argument. */
  callback = -1;
  /** Spill or fill that goes away with an inlined call (number of pairs), 0: none. */
  fastcallSpills = 0;
  fastcallPattern = false;
  /** Global function call found; packet, sleeping etc. */
  nonNullLookup = false;
  /** An arena or other cast is required here. */
  irqKind = 0;
}

/**
 * The walk in progress, as the rules see it. A rule that fails calls {@link Walk.reject} and returns its value, false;
 * true means "go on". After a false nothing more may be done.
 */
export interface Walk {
  readonly program: VerifierProgram;
  readonly env: VerifierEnvironment;
  readonly insns: readonly Instruction[];
  readonly subprograms: readonly Subprogram[];
  readonly facts: readonly InsnFacts[];
  readonly sleepableProgram: boolean;

  /** The state of the current path; other objects on other paths. */
  readonly state: VerifierState;
  /** Innermost frame of `state`. */
  readonly frame: Frame;
  readonly insnIdx: number;
  readonly prevInsnIdx: number;

  /** Ends verification: the line `message` (unless empty) and errno. `register` is the one at fault, if any. */
  reject(errno: Errno, message: string, rule: string, register?: number): false;
  /** As reject, for messages that the kernel prints without a newline: the statistics follow on the same line. */
  rejectUnended(errno: Errno, message: string, rule: string, register?: number): false;
  /**
   * After a check that this rule asked for has rejected: one more line, which becomes the rejection's message and rule; errno null keeps
   * that of the first.
   */
  rejectFurther(errno: Errno | null, message: string, rule: string): false;
  /** Ends verification: a feature that the playground does not model. `what` completes "not modelled here: …". */
  unsupported(what: string): false;
  /** A whole line of the log, printed at every level but 0; part of an error message or a note. */
  line(text: string): void;
  /** A line printed at level 2 only. */
  detail(text: string): void;
  readonly detailed: boolean;

  /** A fresh number of the counter shared by all paths. */
  newId(): number;

  /** Register `n` of the current frame, unchecked. */
  reg(n: number): Reg;
  /** Replaces register `n` of the current frame; it is printed with this instruction's state. */
  setReg(n: number, reg: Reg): void;
  /** `Rn is invalid` and `Rn !read_ok`; the register is printed with this instruction's state. */
  checkReadable(n: number): boolean;
  /** Prints the slot with this instruction's state. */
  touchSlot(frame: Frame, slot: number): void;
  /** Makes r0..r5 of the current frame unreadable (r0 is then the caller's to set). */
  clobberCallerSaved(): void;

  /** Slot of the stack pointer's frame. */
  frameOf(reg: Reg): Frame;
  /**
   * A memory access by load, store or helper through register `regno` at `off` beyond it: alignment, bounds, special fields, type.
   * `size` 1..8. For stores `value` is the register stored (-1: none, unknown bytes). Returns the loaded
   * contents (REG_UNKNOWN for stores), or null when rejected.
   */
  accessMemory(regno: number, off: number, size: number, write: boolean, value: number, strict: boolean): Reg | null;
  /**
   * Bounds of a map value access, messages included; checks special fields too. `off` here and in the checks below counts from the
   * register, as in {@link accessMemory}: its own fixed offset is added inside (helpers pass 0).
   */
  checkMapRegion(regno: number, off: number, size: number, zeroSize: boolean, helper: boolean): boolean;
  /** `invalid access to map value/key/memory` and the min/max value lines. */
  checkMemRegion(regno: number, off: number, size: number, memSize: number, zeroSize: boolean): boolean;
  checkPacketRegion(regno: number, off: number, size: number, zeroSize: boolean): boolean;
  checkMapAccessRights(regno: number, off: number, size: number, write: boolean): boolean;
  /**
   * Stack memory handed to a helper: bounds, contents, marks what is read as read.
   * `raw`: output memory, not initialised; `zeroSize`: size 0 allowed. `write`: the messages say "write to".
   */
  checkStackRange(
    regno: number,
    off: number,
    size: number,
    zeroSize: boolean,
    write: boolean,
    raw: { written: number } | null,
  ): boolean;
  /** Offset rules of a pointer that must be unmodified: `negative offset …`, `dereference of modified …`, `variable … access`. */
  checkUnmodifiedPointer(reg: Reg, regno: number, fixedOffsetAllowed: boolean): boolean;
  /** `misaligned … access`, under strict alignment or `strict`. */
  checkAlignment(reg: Reg, off: number, size: number, strict: boolean): boolean;
  /** Bytes of a stack range become unknown data, as by a one-byte store each. */
  writeStackMisc(regno: number, off: number, size: number): boolean;

  /** Scalars in register `n` that a decision rests on: walks back over the path (log lines at level 2). */
  markPrecise(n: number): boolean;
  /** The same for a stack slot of the frame. */
  markPreciseSlot(frame: Frame, slot: number): boolean;

  /** Stack liveness: the current instruction reads, or fully overwrites, these slots of `frame`. */
  noteStackRead(frame: Frame, slots: readonly number[]): void;
  noteStackWrite(frame: Frame, slots: readonly number[]): void;

  /**
   * Puts a copy of the current state on the stack of pending paths, to go on at `insnIdx` (coming from `prevInsnIdx`).
   * The copy may be changed until the current path ends. Null: too many pending (already rejected).
   */
  pushPending(
    insnIdx: number,
    prevInsnIdx: number,
    kind: "branch" | "iterator" | "sync-callback",
  ): VerifierState | null;
  /** A pending path that starts with an empty state, frame 0 in `subprog`. */
  pushAsyncCallback(subprog: number, insnIdx: number, prevInsnIdx: number, sleepable: boolean): VerifierState | null;
  /** Adds the frame of a callee to `state`: r1..r5 as `setup` leaves them. Null: too many frames (already rejected). */
  pushFrame(
    state: VerifierState,
    subprog: number,
    callsite: number,
    setup: (caller: Frame, callee: Frame) => boolean,
  ): Frame | null;
  /** The newest kept, unfinished state at `insnIdx` with the same call sites, strictly older than `state`. */
  previousAt(state: VerifierState, insnIdx: number): VerifierState | null;
  /** Scalars that differ between `older` and `state` and are precise in neither become unknown in `state`. */
  widenImprecise(older: VerifierState, state: VerifierState): void;

  /** Releases a reference: false when it was never acquired. Every register with that reference becomes unknown. */
  releaseReference(refObjId: number): boolean;
  /** Every packet pointer, and slice of a packet's dynptr, in all frames becomes an unknown scalar. */
  clearPacketPointers(): void;
  /** A subprogram by the slot where it starts, -1: none. */
  subprogramAt(insnIdx: number): number;
}
