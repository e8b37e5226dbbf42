import type { Errno } from "../../abi/errno.ts";
import { BPF_F_STRICT_ALIGNMENT } from "../../abi/types.ts";
import type { Instruction } from "../../isa/instruction.ts";
import type { FlowGraph, Predecessors } from "../passes/control-flow.ts";
import type { InsnText } from "../passes/insn-text.ts";
import type { PassFailure } from "../passes/outcome.ts";
import {
  DYNPTR_PACKET,
  NOT_INIT,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  REG_NOT_INIT,
  REG_UNKNOWN,
  type Reg,
} from "../register.ts";
import { Frame, type HistoryEntry, type InsnFacts, type Subprogram, VerifierState, type Walk } from "../state.ts";
import { commentPadding, LOG_BRANCHES, LOG_INSTRUCTIONS, type Log } from "../text/log.ts";
import { SourceLines } from "../text/source-lines.ts";
import { stateText, type Touched } from "../text/state-text.ts";
import type { VerifierEnvironment, VerifierMap, VerifierProgram, VerifierStats } from "../types.ts";
import { Checkpoints } from "./checkpoints.ts";
import * as memory from "./memory-access.ts";
import { markPreciseRegister, markPreciseSlot } from "./precision.ts";
import * as stack from "./stack-access.ts";
import { StackLiveness } from "./stack-liveness.ts";
import type { TraceRecorder } from "./trace.ts";

/** A path that waits to be walked. */
export interface PendingPath {
  readonly state: VerifierState;
  readonly insnIdx: number;
  readonly prevInsnIdx: number;
  /** Length of the log when it was put aside. */
  readonly logLength: number;
  /** Path of the trace that it branched off from. */
  readonly tracePath: number;
}

/** Why verification ended early. */
export type Ending =
  | { readonly kind: "rejected"; readonly failure: PassFailure }
  | { readonly kind: "unsupported"; readonly what: string; readonly insn: number | null };

/** Tables that the passes before the walk have made. */
export interface ProgramTables {
  /** Bits of `control-flow.ts` by slot. */
  readonly marks: Uint8Array;
  readonly liveRegs: Uint16Array;
  readonly components: Int32Array;
  readonly subprogramOf: Int32Array;
  readonly postOrders: readonly Int32Array[];
  /** Place of each slot in the post order of its function. */
  readonly postPlaces: Int32Array;
  readonly graph: FlowGraph;
  readonly predecessors: Predecessors;
}

const MAX_PENDING = 8192;
const MAX_FRAMES = 8;

/** The walk over all paths of a program: the state of the current path, the paths that wait, and what rules may ask. */
export class Walker implements Walk {
  readonly program: VerifierProgram;
  readonly env: VerifierEnvironment;
  readonly insns: readonly Instruction[];
  readonly subprograms: readonly Subprogram[];
  readonly facts: readonly InsnFacts[];
  readonly sleepableProgram: boolean;
  readonly strictAlignment: boolean;
  readonly log: Log;
  readonly logLevel: number;
  readonly detailed: boolean;
  /** States are printed (level 1 or 2). */
  readonly printing: boolean;
  readonly insnText: InsnText;
  readonly tables: ProgramTables;
  /** What map loads name, by slot. */
  readonly mapsBySlot: readonly (VerifierMap | null)[];
  readonly checkpoints: Checkpoints;
  readonly stackLiveness: StackLiveness;
  trace: TraceRecorder | null = null;

  state: VerifierState;
  insnIdx = 0;
  prevInsnIdx = -1;
  ending: Ending | null = null;
  /** The function that the current walk began with. */
  entrySubprog = 0;

  pending: PendingPath[] = [];
  /** Counters of the statistics. */
  insnsProcessed = 0;
  jumpsProcessed = 0;
  stats = { maxStatesPerInsn: 0, totalStates: 0, peakStates: 0 };
  idCounter = 0;
  /** History entry of the current instruction, when it has one. */
  currentEntry: HistoryEntry | null = null;

  /** What the next state line prints. */
  touchedRegs = -1;
  touchedSlotsLo = -1;
  touchedSlotsHi = -1;
  /** Log length after the last instruction line; the state is appended there when nothing came in between. */
  private insnLineEnd = 0;
  private insnLineLength = 0;
  readonly sourceLines: SourceLines;

  constructor(setup: {
    readonly program: VerifierProgram;
    readonly env: VerifierEnvironment;
    readonly subprograms: readonly Subprogram[];
    readonly facts: readonly InsnFacts[];
    readonly log: Log;
    readonly logLevel: number;
    readonly insnText: InsnText;
    readonly tables: ProgramTables;
    readonly mapsBySlot: readonly (VerifierMap | null)[];
    readonly sleepable: boolean;
  }) {
    this.program = setup.program;
    this.env = setup.env;
    this.insns = setup.program.insns;
    this.subprograms = setup.subprograms;
    this.facts = setup.facts;
    this.log = setup.log;
    this.logLevel = setup.logLevel;
    this.insnText = setup.insnText;
    this.tables = setup.tables;
    this.mapsBySlot = setup.mapsBySlot;
    this.sleepableProgram = setup.sleepable;
    this.strictAlignment = (setup.program.flags & BPF_F_STRICT_ALIGNMENT) !== 0;
    this.detailed = (setup.logLevel & LOG_INSTRUCTIONS) !== 0;
    this.printing = (setup.logLevel & (LOG_INSTRUCTIONS | LOG_BRANCHES)) !== 0;
    this.state = new VerifierState([new Frame(0, 0, -1)], setup.sleepable);
    this.sourceLines = new SourceLines(setup.program);
    this.checkpoints = new Checkpoints(this);
    this.stackLiveness = new StackLiveness(this);
  }

  get frame(): Frame {
    const frames = this.state.frames;
    return frames[frames.length - 1]!;
  }

  get result(): VerifierStats {
    return {
      insnsProcessed: this.insnsProcessed,
      maxStatesPerInsn: this.stats.maxStatesPerInsn,
      totalStates: this.stats.totalStates,
      peakStates: this.stats.peakStates,
    };
  }

  // Rejections and the log.

  reject(errno: Errno, message: string, rule: string, register?: number): false {
    if (message !== "") this.line(message);
    this.end(errno, message, rule, register);
    return false;
  }

  rejectUnended(errno: Errno, message: string, rule: string, register?: number): false {
    if (this.logLevel !== 0) this.log.write(message);
    this.end(errno, message, rule, register);
    return false;
  }

  rejectFurther(errno: Errno | null, message: string, rule: string): false {
    const first = this.ending?.kind === "rejected" ? this.ending.failure : null;
    if (this.ending?.kind === "unsupported") return false;
    this.line(message);
    this.ending = {
      kind: "rejected",
      failure: {
        errno: errno ?? first?.errno ?? "EINVAL",
        message,
        rule,
        insn: this.insnIdx,
        ...(first?.register === undefined ? {} : { register: first.register }),
      },
    };
    return false;
  }

  private lastLine = "";
  private lastLineAt = -1;

  private end(errno: Errno, message: string, rule: string, register?: number): void {
    this.ending = {
      kind: "rejected",
      failure: {
        errno,
        message: message !== "" || this.lastLineAt !== this.insnsProcessed ? message : this.lastLine,
        rule,
        insn: this.insnIdx,
        ...(register === undefined ? {} : { register }),
      },
    };
  }

  unsupported(what: string): false {
    this.ending = { kind: "unsupported", what, insn: this.insnIdx };
    return false;
  }

  line(text: string): void {
    this.lastLine = text;
    this.lastLineAt = this.insnsProcessed;
    if (this.logLevel !== 0) {
      this.log.write(text);
      this.log.write("\n");
    }
  }

  detail(text: string): void {
    if (this.detailed) {
      this.log.write(text);
      this.log.write("\n");
    }
  }

  /** A line at levels 1 and 2. */
  note(text: string): void {
    if (this.printing) {
      this.log.write(text);
      this.log.write("\n");
    }
  }

  touchAll(): void {
    this.touchedRegs = this.touchedSlotsLo = this.touchedSlotsHi = -1;
  }

  private touched(): Touched {
    return { regs: this.touchedRegs, slotsLo: this.touchedSlotsLo, slotsHi: this.touchedSlotsHi };
  }

  private clearTouched(): void {
    this.touchedRegs = this.touchedSlotsLo = this.touchedSlotsHi = 0;
  }

  /** The touched places: behind the last instruction's line, or as a line of their own. */
  printChangedState(): void {
    if (!this.printing) return;
    if (this.insnLineEnd !== 0 && this.insnLineEnd === this.log.length) {
      this.log.truncate(this.insnLineEnd - 1);
      this.log.write(`${commentPadding(this.insnLineLength)};`);
    } else {
      this.log.write(`${this.insnIdx}:`);
    }
    this.log.write(`${stateText(this.state, this.frame, this.touched())}\n`);
    this.clearTouched();
  }

  /** `from X to Y:` and the whole state. */
  printWholeState(): void {
    this.log.write(`\nfrom ${this.prevInsnIdx} to ${this.insnIdx}:${stateText(this.state, this.frame, null)}\n`);
  }

  printFrame(frame: Frame): void {
    this.log.write(`${stateText(this.state, frame, null)}\n`);
  }

  /** Source line, index and text of the instruction that is about to be processed. */
  printInstruction(): void {
    if ((this.touchedRegs | this.touchedSlotsLo | this.touchedSlotsHi) !== 0) this.printChangedState();
    this.printSourceLine(this.insnIdx);
    const text = `${this.insnIdx}: ${this.insnText.at(this.insnIdx)}`;
    this.log.write(text);
    this.log.write("\n");
    this.insnLineLength = text.length;
    this.insnLineEnd = this.log.length;
  }

  /** `; TEXT @ FILE:LINE`, when it is not the line printed last. */
  printSourceLine(at: number): void {
    if (this.logLevel !== 0) this.sourceLines.print(this.log, at);
  }

  newId(): number {
    return ++this.idCounter;
  }

  // Registers.

  reg(n: number): Reg {
    return this.frame.regs[n]!;
  }

  setReg(n: number, reg: Reg): void {
    this.frame.regs[n] = reg;
    this.touchedRegs |= 1 << n;
  }

  checkReadable(n: number): boolean {
    if (n > 10) return this.reject("EINVAL", `R${n} is invalid`, "register-invalid", n);
    this.touchedRegs |= 1 << n;
    if (this.frame.regs[n]!.type === NOT_INIT) return this.reject("EACCES", `R${n} !read_ok`, "register-unreadable", n);
    return true;
  }

  checkWritable(n: number): boolean {
    if (n > 10) return this.reject("EINVAL", `R${n} is invalid`, "register-invalid", n);
    this.touchedRegs |= 1 << n;
    if (n === 10) return this.reject("EACCES", "frame pointer is read only", "frame-pointer-write", n);
    return true;
  }

  touchSlot(_frame: Frame, slot: number): void {
    if (slot < 32) this.touchedSlotsLo |= 1 << slot;
    else this.touchedSlotsHi |= 1 << (slot - 32);
  }

  clobberCallerSaved(): void {
    const regs = this.frame.regs;
    for (let i = 0; i < 6; i++) regs[i] = REG_NOT_INIT;
    this.touchedRegs |= 0x3f;
  }

  // Memory: see memory-access.ts and stack-access.ts.

  frameOf(reg: Reg): Frame {
    return this.state.frames[reg.index]!;
  }

  accessMemory(regno: number, off: number, size: number, write: boolean, value: number, strict: boolean): Reg | null {
    return memory.accessMemory(this, regno, off, size, write, value, strict, false, write ? -1 : 0);
  }

  checkMapRegion(regno: number, off: number, size: number, zeroSize: boolean, helper: boolean): boolean {
    return memory.checkMapRegion(this, regno, off, size, zeroSize, helper);
  }

  checkMemRegion(regno: number, off: number, size: number, memSize: number, zeroSize: boolean): boolean {
    return memory.checkMemRegion(this, regno, off, size, memSize, zeroSize);
  }

  checkPacketRegion(regno: number, off: number, size: number, zeroSize: boolean): boolean {
    return memory.checkPacketRegion(this, regno, off, size, zeroSize);
  }

  checkMapAccessRights(regno: number, off: number, size: number, write: boolean): boolean {
    return memory.checkMapAccessRights(this, regno, off, size, write);
  }

  checkStackRange(
    regno: number,
    off: number,
    size: number,
    zeroSize: boolean,
    write: boolean,
    raw: { written: number } | null,
  ): boolean {
    return stack.checkStackRange(this, regno, off, size, zeroSize, write, raw);
  }

  checkUnmodifiedPointer(reg: Reg, regno: number, fixedOffsetAllowed: boolean): boolean {
    return memory.checkUnmodifiedPointer(this, reg, regno, fixedOffsetAllowed);
  }

  checkAlignment(reg: Reg, off: number, size: number, strict: boolean): boolean {
    return memory.checkAlignment(this, reg, off, size, strict);
  }

  writeStackMisc(regno: number, off: number, size: number): boolean {
    for (let i = 0; i < size; i++) {
      if (memory.accessMemory(this, regno, off + i, 1, true, -1, false, false, -1) === null) return false;
    }
    return true;
  }

  markPrecise(n: number): boolean {
    return markPreciseRegister(this, n);
  }

  markPreciseSlot(frame: Frame, slot: number): boolean {
    return markPreciseSlot(this, frame, slot);
  }

  noteStackRead(frame: Frame, slots: readonly number[]): void {
    for (const slot of slots) this.stackLiveness.read(this.state, frame.frameno, this.insnIdx, slot);
  }

  noteStackWrite(frame: Frame, slots: readonly number[]): void {
    for (const slot of slots) this.stackLiveness.write(frame.frameno, slot);
  }

  // Pending paths.

  pushPending(
    insnIdx: number,
    prevInsnIdx: number,
    kind: "branch" | "iterator" | "sync-callback",
  ): VerifierState | null {
    const current = this.state;
    const copy = current.clone();
    copy.parent = current.parent;
    copy.history = current.history.slice();
    copy.firstInsn = current.firstInsn;
    copy.lastInsn = current.lastInsn;
    copy.insnIdx = current.insnIdx;
    if (!this.addPending(copy, insnIdx, prevInsnIdx)) {
      this.reject(
        kind === "branch" ? "EFAULT" : "ENOMEM",
        `The sequence of ${this.pending.length} jumps is too complex.`,
        "too-many-pending",
      );
      return null;
    }
    if (copy.parent !== null) copy.parent.branches++;
    if (kind === "sync-callback") copy.callbackUnrollDepth++;
    return copy;
  }

  private addPending(state: VerifierState, insnIdx: number, prevInsnIdx: number): boolean {
    this.pending.push({
      state,
      insnIdx,
      prevInsnIdx,
      logLength: this.log.length,
      tracePath: this.trace?.currentPath ?? 0,
    });
    return this.pending.length <= MAX_PENDING;
  }

  pushAsyncCallback(subprog: number, insnIdx: number, prevInsnIdx: number, sleepable: boolean): VerifierState | null {
    const state = new VerifierState([this.newFrame(0, subprog, -1)], sleepable);
    if (!this.addPending(state, insnIdx, prevInsnIdx)) {
      this.reject(
        "EFAULT",
        `The sequence of ${this.pending.length} jumps is too complex for async cb.`,
        "too-many-pending",
      );
      return null;
    }
    return state;
  }

  /** An empty frame with its frame pointer; the next state line prints everything. */
  newFrame(frameno: number, subprog: number, callsite: number): Frame {
    const frame = new Frame(frameno, subprog, callsite);
    frame.regs[10] = stack.framePointer(frameno);
    this.touchAll();
    return frame;
  }

  pushFrame(
    state: VerifierState,
    subprog: number,
    callsite: number,
    setup: (caller: Frame, callee: Frame) => boolean,
  ): Frame | null {
    const caller = state.frame;
    if (state.frames.length >= MAX_FRAMES) {
      this.reject("E2BIG", `the call stack of ${state.frames.length + 1} frames is too deep`, "call-stack-too-deep");
      return null;
    }
    const callee = this.newFrame(state.frames.length, subprog, callsite);
    if (!setup(caller, callee)) return null;
    state.frames.push(callee);
    return callee;
  }

  previousAt(state: VerifierState, insnIdx: number): VerifierState | null {
    return this.checkpoints.previousAt(state, insnIdx);
  }

  widenImprecise(older: VerifierState, state: VerifierState): void {
    this.checkpoints.widenImprecise(older, state);
  }

  // References and packets.

  releaseReference(refObjId: number): boolean {
    if (!this.state.release(refObjId)) return false;
    this.state.mapRegs((reg) => (reg.refObjId === refObjId ? REG_UNKNOWN : reg));
    return true;
  }

  clearPacketPointers(): void {
    this.state.mapRegs((reg) =>
      reg.type === PTR_TO_PACKET ||
      reg.type === PTR_TO_PACKET_META ||
      reg.type === PTR_TO_PACKET_END ||
      (reg.type === PTR_TO_MEM && (reg.flags & DYNPTR_PACKET) !== 0)
        ? REG_UNKNOWN
        : reg,
    );
  }

  subprogramAt(insnIdx: number): number {
    const index = this.tables.subprogramOf[insnIdx];
    return index !== undefined && this.subprograms[index]!.start === insnIdx ? index : -1;
  }

  /** Adds to the history of the path, or to the entry that this instruction already has. */
  pushHistory(flags: number, linked: readonly number[] | null): void {
    const entry = this.currentEntry;
    if (entry !== null) {
      entry.flags |= flags;
      if (linked !== null) entry.linked = linked;
      return;
    }
    const added: HistoryEntry = { insn: this.insnIdx, from: this.prevInsnIdx, flags, linked };
    this.state.history.push(added);
    this.currentEntry = added;
  }
}
