import {
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CALL,
  BPF_END,
  BPF_EXIT,
  BPF_IND,
  BPF_JA,
  BPF_JCOND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CLASS_MASK,
  MODE_MASK,
  OP_MASK,
  R10,
} from "../../isa/opcodes.ts";
import { callsBack } from "../passes/control-flow.ts";
import { isPseudoCall } from "../passes/subprograms.ts";
import { SCALAR_VALUE } from "../register.ts";
import type { Frame, HistoryEntry, VerifierState } from "../state.ts";
import { isSlotPrecise, stateText } from "../text/state-text.ts";
import { placeFrame, placeIsRegister, placeNumber } from "./linked.ts";
import type { Walker } from "./walker.ts";

/** Bits of {@link HistoryEntry.flags}: frame 0..2, slot 3..8, then what they are. */
export const HISTORY_STACK = 0x200;
export const HISTORY_DST_STACK = 0x400;
export const HISTORY_SRC_STACK = 0x800;

export function packStackAccess(frame: number, slot: number): number {
  return HISTORY_STACK | (slot << 3) | frame;
}

const ARGUMENTS = 0x3e;
const MAX_FRAMES = 8;

/** The registers and slots, by frame, whose exact values are wanted on the way back. */
class Wanted {
  frame = 0;
  readonly regs = new Int32Array(MAX_FRAMES);
  readonly slotsLo = new Int32Array(MAX_FRAMES);
  readonly slotsHi = new Int32Array(MAX_FRAMES);

  start(frame: number): void {
    this.frame = frame;
  }

  reset(): void {
    this.frame = 0;
    this.regs.fill(0);
    this.slotsLo.fill(0);
    this.slotsHi.fill(0);
  }

  get empty(): boolean {
    for (let i = 0; i <= this.frame; i++) {
      if ((this.regs[i]! | this.slotsLo[i]! | this.slotsHi[i]!) !== 0) return false;
    }
    return true;
  }

  hasReg(n: number): boolean {
    return (this.regs[this.frame]! & (1 << n)) !== 0;
  }
  addReg(n: number): void {
    this.regs[this.frame] = this.regs[this.frame]! | (1 << n);
  }
  dropReg(n: number): void {
    this.regs[this.frame] = this.regs[this.frame]! & ~(1 << n);
  }
  hasSlot(frame: number, k: number): boolean {
    return k < 32 ? (this.slotsLo[frame]! & (1 << k)) !== 0 : (this.slotsHi[frame]! & (1 << (k - 32))) !== 0;
  }
  addSlot(frame: number, k: number): void {
    if (k < 32) this.slotsLo[frame] = this.slotsLo[frame]! | (1 << k);
    else this.slotsHi[frame] = this.slotsHi[frame]! | (1 << (k - 32));
  }
  dropSlot(frame: number, k: number): void {
    if (k < 32) this.slotsLo[frame] = this.slotsLo[frame]! & ~(1 << k);
    else this.slotsHi[frame] = this.slotsHi[frame]! & ~(1 << (k - 32));
  }

  regsText(frame: number): string {
    const names: string[] = [];
    for (let n = 0; n < 32; n++) if (this.regs[frame]! & (1 << n)) names.push(`r${n}`);
    return names.join(",");
  }
  slotsText(frame: number): string {
    const names: string[] = [];
    for (let k = 0; k < 64; k++) if (this.hasSlot(frame, k)) names.push(String(-8 * (k + 1)));
    return names.join(",");
  }
}

const wanted = new Wanted();

/** The scalar in register `n` decides something: it becomes precise in all kept states that it stems from. */
export function markPreciseRegister(w: Walker, n: number): boolean {
  if (w.reg(n).type !== SCALAR_VALUE) {
    return w.reject("EFAULT", "verifier bug: backtracking misuse", "precision-misuse", n);
  }
  wanted.reset();
  wanted.start(w.state.frames.length - 1);
  wanted.addReg(n);
  return walkBack(w, w.state);
}

export function markPreciseSlot(w: Walker, frame: Frame, slot: number): boolean {
  wanted.reset();
  wanted.start(w.state.frames.length - 1);
  wanted.addSlot(frame.frameno, slot);
  return walkBack(w, w.state);
}

/** What `older` needed precisely, `state`, which was found equal to it, needs too. True when nothing went wrong. */
export function propagatePrecision(w: Walker, older: VerifierState, state: VerifierState): boolean {
  wanted.reset();
  wanted.start(state.frames.length - 1);
  for (let f = older.frames.length - 1; f >= 0; f--) {
    const frame = older.frames[f]!;
    if ((frame.preciseRegs | frame.preciseSlotsLo | frame.preciseSlotsHi) === 0) continue;
    const names: string[] = [];
    for (let n = 0; n < 10; n++) {
      if ((frame.preciseRegs & (1 << n)) === 0 || frame.regs[n]!.type !== SCALAR_VALUE) continue;
      wanted.regs[f] = wanted.regs[f]! | (1 << n);
      names.push(`r${n}`);
    }
    for (let k = 0; k < frame.slots.length; k++) {
      if (!isSlotPrecise(frame, k) || frame.slots[k]!.spill?.type !== SCALAR_VALUE) continue;
      wanted.addSlot(f, k);
      names.push(`fp${-8 * (k + 1)}`);
    }
    if (names.length > 0 && w.detailed) w.detail(`frame ${f}: propagating ${names.join(",")}`);
  }
  return walkBack(w, state);
}

/** Set by {@link walkBack} when a kept state got a new mark. */
export const precisionChange = { happened: false };

/** Walks from the end of `start` back along its history and its parents', until nothing is wanted. */
function walkBack(w: Walker, start: VerifierState): boolean {
  if (wanted.empty) return true;
  let state = start;
  let first = state.firstInsn;
  let last = state.insnIdx;
  let next = -1;
  let skipFirst = true;
  const quick = !w.detailed;
  for (;;) {
    if (w.detailed)
      w.detail(`mark_precise: frame${wanted.frame}: last_idx ${last} first_idx ${first} subseq_idx ${next} `);
    if (last < 0) return enterGlobal(w, state);
    const history = state.history;
    const { firstInsn } = state;
    let left = history.length;
    let top = left > 0 ? history[left - 1]! : null;
    for (let i = last; ; ) {
      const entry = top !== null && top.insn === i ? top : null;
      if (skipFirst) skipFirst = false;
      else if (quick && (entry === null || entry.linked === null) && isUnaffected(w, i)) {
        // Neither the log nor what is wanted changes.
      } else {
        const outcome = stepBack(w, i, next, entry);
        if (outcome === "give-up") {
          forceAll(w, start);
          wanted.reset();
          return true;
        }
        if (outcome === "bug") return false;
        if (wanted.empty) return true;
      }
      next = i;
      if (i === firstInsn && (left === 0 || (left === 1 && entry !== null))) break;
      if (entry !== null) {
        i = entry.from;
        left--;
        top = left > 0 ? history[left - 1]! : null;
      } else i--;
      if (i < 0 || i >= w.insns.length) {
        // The entry of a path that has no kept state: nothing further is known of it.
        return w.reject("EFAULT", `verifier bug: backtracking idx ${i}`, "precision-misuse");
      }
    }
    const parent = state.parent;
    if (parent === null) break;
    state = parent;
    markState(w, state);
    if (wanted.empty) return true;
    next = first;
    last = state.lastInsn;
    first = state.firstInsn;
  }
  if (!wanted.empty) {
    forceAll(w, start);
    wanted.reset();
  }
  return true;
}

/** Going back over the instruction changes nothing, whatever its history says. */
function isUnaffected(w: Walker, i: number): boolean {
  const insn = w.insns[i]!;
  const { opcode } = insn;
  switch (opcode & CLASS_MASK) {
    case BPF_ALU:
    case BPF_ALU64:
      if ((wanted.regs[wanted.frame]! & (1 << insn.dst)) === 0) return true;
      return (opcode & BPF_X) === 0 && (opcode & OP_MASK) !== BPF_MOV;
    case BPF_LD:
    case BPF_LDX:
      return (wanted.regs[wanted.frame]! & (1 << insn.dst)) === 0;
    case BPF_JMP:
    case BPF_JMP32: {
      const op = opcode & OP_MASK;
      return op !== BPF_CALL && op !== BPF_EXIT && (opcode & BPF_X) === 0;
    }
    default:
      return false;
  }
}

/** Marks what is wanted in a kept state, and wants no longer what is no scalar or was marked before. */
function markState(w: Walker, state: VerifierState): void {
  for (let f = wanted.frame; f >= 0; f--) {
    const frame = state.frames[f]!;
    for (let n = 0; n < 11; n++) {
      const bit = 1 << n;
      if ((wanted.regs[f]! & bit) === 0) continue;
      if (frame.regs[n]!.type !== SCALAR_VALUE || (frame.preciseRegs & bit) !== 0)
        wanted.regs[f] = wanted.regs[f]! & ~bit;
      else {
        frame.preciseRegs |= bit;
        precisionChange.happened = true;
      }
    }
    if ((wanted.slotsLo[f]! | wanted.slotsHi[f]!) !== 0) {
      for (let k = 0; k < 64; k++) {
        if (!wanted.hasSlot(f, k)) continue;
        if (frame.slots[k]?.spill?.type !== SCALAR_VALUE || isSlotPrecise(frame, k)) wanted.dropSlot(f, k);
        else {
          markSlot(frame, k);
          precisionChange.happened = true;
        }
      }
    }
    if (w.detailed) {
      w.detail(
        `mark_precise: frame${f}: parent state regs=${wanted.regsText(f)} stack=${wanted.slotsText(f)}: ${stateText(state, frame, null)}`,
      );
    }
  }
}

function markSlot(frame: Frame, k: number): void {
  if (k < 32) frame.preciseSlotsLo |= 1 << k;
  else frame.preciseSlotsHi |= 1 << (k - 32);
}

/** The way back has left the first instruction of a global function: only its arguments may be wanted there. */
function enterGlobal(w: Walker, state: VerifierState): boolean {
  const frame = state.frames[0]!;
  if (
    state.frames.length === 1 &&
    frame.subprog > 0 &&
    frame.callsite === -1 &&
    (wanted.slotsLo[0]! | wanted.slotsHi[0]!) === 0 &&
    (wanted.regs[0]! & ~ARGUMENTS) === 0
  ) {
    for (let n = 1; n <= 5; n++) {
      if ((wanted.regs[0]! & (1 << n)) !== 0 && frame.regs[n]!.type === SCALAR_VALUE) {
        frame.preciseRegs |= 1 << n;
        precisionChange.happened = true;
      }
    }
    return true;
  }
  return w.reject("EFAULT", "verifier bug: backtracking func entry unexpected", "precision-misuse");
}

/** Every scalar of every kept state on the way becomes precise. */
export function forceAll(w: Walker, start: VerifierState): void {
  w.detail(`mark_precise: frame${start.frames.length - 1}: falling back to forcing all scalars precise`);
  for (let state = start.parent; state !== null; state = state.parent) {
    for (let f = 0; f < state.frames.length; f++) {
      const frame = state.frames[f]!;
      for (let n = 0; n < 10; n++) {
        if (frame.regs[n]!.type !== SCALAR_VALUE || (frame.preciseRegs & (1 << n)) !== 0) continue;
        frame.preciseRegs |= 1 << n;
        w.detail(`force_precise: frame${f}: forcing r${n} to be precise`);
      }
      for (let k = 0; k < frame.slots.length; k++) {
        if (frame.slots[k]!.spill?.type !== SCALAR_VALUE || isSlotPrecise(frame, k)) continue;
        markSlot(frame, k);
        w.detail(`force_precise: frame${f}: forcing fp${-8 * (k + 1)} to be precise`);
      }
    }
  }
}

type StepOutcome = "go-on" | "give-up" | "bug";

function bug(w: Walker, what: string): "bug" {
  w.reject("EFAULT", `verifier bug: ${what}`, "precision-misuse");
  return "bug";
}

/** When one of a group that got bounds together is wanted, all are. */
function wantGroup(entry: HistoryEntry | null): void {
  if (entry === null || entry.linked === null) return;
  const has = (place: number): boolean =>
    placeIsRegister(place)
      ? (wanted.regs[placeFrame(place)]! & (1 << placeNumber(place))) !== 0
      : wanted.hasSlot(placeFrame(place), placeNumber(place));
  if (!entry.linked.some(has)) return;
  for (const place of entry.linked) {
    const f = placeFrame(place);
    if (placeIsRegister(place)) wanted.regs[f] = wanted.regs[f]! | (1 << placeNumber(place));
    else wanted.addSlot(f, placeNumber(place));
  }
}

/** The effect of the instruction at `i`, going back over it; `next` is the one that followed on this path. */
function stepBack(w: Walker, i: number, next: number, entry: HistoryEntry | null): StepOutcome {
  const insn = w.insns[i]!;
  if (insn.opcode === 0) return "go-on";
  if (w.detailed) {
    w.detail(
      `mark_precise: frame${wanted.frame}: regs=${wanted.regsText(wanted.frame)} stack=${wanted.slotsText(wanted.frame)} before ${i}: ${w.insnText.at(i)}`,
    );
  }
  wantGroup(entry);
  const outcome = undo(w, i, next, entry);
  if (outcome === "go-on") wantGroup(entry);
  return outcome === "done" ? "go-on" : outcome;
}

/** "done": as "go-on", and the group is not looked at again. */
function undo(w: Walker, i: number, next: number, entry: HistoryEntry | null): StepOutcome | "done" {
  const insn = w.insns[i]!;
  const { dst, src } = insn;
  const cls = insn.opcode & CLASS_MASK;
  const op = insn.opcode & OP_MASK;
  const fromRegister = (insn.opcode & BPF_X) !== 0;
  switch (cls) {
    case BPF_ALU:
    case BPF_ALU64:
      if (!wanted.hasReg(dst) || op === BPF_END || op === BPF_NEG) return "done";
      if (op === BPF_MOV) wanted.dropReg(dst);
      if (fromRegister && src !== R10) wanted.addReg(src);
      return "go-on";
    case BPF_LD: {
      if (!wanted.hasReg(dst)) return "done";
      wanted.dropReg(dst);
      const mode = insn.opcode & MODE_MASK;
      return mode === BPF_ABS || mode === BPF_IND ? "give-up" : "go-on";
    }
    case BPF_LDX:
      return undoLoad(dst, entry);
    case BPF_ST:
    case BPF_STX:
      if (cls === BPF_STX && (insn.opcode & MODE_MASK) === BPF_ATOMIC && insn.imm === BPF_LOAD_ACQ)
        return undoLoad(dst, entry);
      if (wanted.hasReg(dst)) return "give-up";
      if (entry === null || (entry.flags & HISTORY_STACK) === 0) return "done";
      {
        const frame = entry.flags & 7;
        const slot = (entry.flags >> 3) & 0x3f;
        if (!wanted.hasSlot(frame, slot)) return "done";
        wanted.dropSlot(frame, slot);
        if (cls === BPF_STX) wanted.addReg(src);
      }
      return "go-on";
    case BPF_JMP:
    case BPF_JMP32:
      if (op === BPF_CALL) return undoCall(w, i, next);
      if (op === BPF_EXIT) return undoExit(w, next);
      if (op === BPF_JA || op === BPF_JCOND) return "go-on";
      if (!fromRegister) return "go-on";
      if (!wanted.hasReg(dst) && !wanted.hasReg(src)) return "done";
      if (entry === null || (entry.flags & HISTORY_SRC_STACK) === 0) wanted.addReg(src);
      if (entry === null || (entry.flags & HISTORY_DST_STACK) === 0) wanted.addReg(dst);
      return "go-on";
  }
  return "go-on";
}

function undoLoad(dst: number, entry: HistoryEntry | null): "go-on" | "done" {
  if (!wanted.hasReg(dst)) return "done";
  wanted.dropReg(dst);
  if (entry === null || (entry.flags & HISTORY_STACK) === 0) return "done";
  wanted.addSlot(entry.flags & 7, (entry.flags >> 3) & 0x3f);
  return "go-on";
}

function hex(n: number): string {
  return (n >>> 0).toString(16);
}

function undoCall(w: Walker, i: number, next: number): StepOutcome | "done" {
  const insn = w.insns[i]!;
  const f = wanted.frame;
  if (insn.src === BPF_PSEUDO_CALL) {
    const callee = w.subprograms[w.tables.subprogramOf[i + 1 + insn.imm]!]!;
    if (callee.index === 0 || callee.linkage === "global") {
      if ((wanted.regs[f]! & ARGUMENTS) !== 0) return bug(w, `global subprog unexpected regs ${hex(wanted.regs[f]!)}`);
      wanted.dropReg(0);
      return "done";
    }
    if ((wanted.regs[f]! & ~ARGUMENTS) !== 0) return bug(w, `static subprog unexpected regs ${hex(wanted.regs[f]!)}`);
    if ((wanted.slotsLo[f]! | wanted.slotsHi[f]!) !== 0) return bug(w, "static subprog leftover stack slots");
    if (f === 0) return bug(w, "subprog exit from frame 0");
    wanted.regs[f - 1] = wanted.regs[f - 1]! | wanted.regs[f]!;
    wanted.regs[f] = 0;
    wanted.frame--;
    return "done";
  }
  if (i !== next - 1 && callsBack(w.program, i) === "sync") {
    if ((wanted.regs[f]! & ~ARGUMENTS) !== 0) return bug(w, `callback unexpected regs ${hex(wanted.regs[f]!)}`);
    if ((wanted.slotsLo[f]! | wanted.slotsHi[f]!) !== 0) return bug(w, "callback leftover stack slots");
    if (f === 0) return bug(w, "subprog exit from frame 0");
    wanted.regs[f] = 0;
    wanted.frame--;
    return "done";
  }
  if (insn.src === BPF_PSEUDO_KFUNC_CALL && insn.imm === 0 && w.program.kfuncs.get(i) === undefined) return "give-up";
  wanted.dropReg(0);
  if ((wanted.regs[f]! & ARGUMENTS) !== 0) return bug(w, `backtracking call unexpected regs ${hex(wanted.regs[f]!)}`);
  return "go-on";
}

function undoExit(w: Walker, next: number): StepOutcome | "done" {
  if (next >= 0 && callsBack(w.program, next) === "sync") {
    wanted.regs[wanted.frame] = wanted.regs[wanted.frame]! & ~ARGUMENTS;
  }
  if ((wanted.regs[wanted.frame]! & ARGUMENTS) !== 0)
    return bug(w, `backtracking exit unexpected regs ${hex(wanted.regs[wanted.frame]!)}`);
  const call = next > 0 ? w.insns[next - 1] : undefined;
  const result = call !== undefined && isPseudoCall(call) && wanted.hasReg(0);
  wanted.dropReg(0);
  if (wanted.frame >= MAX_FRAMES - 1) return bug(w, "subprog enter from frame 7");
  wanted.frame++;
  if (result) wanted.addReg(0);
  return "done";
}
