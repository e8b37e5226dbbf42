import { BPF_F_TEST_STATE_FREQ } from "../../abi/types.ts";
import { CALLS_CALLBACK, FORCE_CHECKPOINT, IS_MAY_GOTO, ITERATOR_NEXT, JUMP_POINT } from "../passes/control-flow.ts";
import { PTR_TO_STACK, REG_NOT_INIT, REG_UNKNOWN, SCALAR_VALUE } from "../register.ts";
import { SLOT_INVALID } from "../stack.ts";
import { type VerifierState, withSpill } from "../state.ts";
import { stateText } from "../text/state-text.ts";
import {
  EXACT,
  iteratorDepthsDiffer,
  mayLoop,
  NOT_EXACT,
  RANGE_WITHIN,
  resetIds,
  sameScalar,
  statesCovered,
} from "./compare.ts";
import { Loops } from "./loops.ts";
import { propagatePrecision } from "./precision.ts";
import type { Walker } from "./walker.ts";

const MAX_HISTORY = 40;

/** What became of an attempt to prune. */
export type Visit = "go-on" | "covered" | "rejected";

/** The states kept at prune points, and the decisions to keep, compare and drop them. */
export class Checkpoints {
  private readonly w: Walker;
  private buckets: VerifierState[][];
  readonly loops: Loops;
  /** After a visit that says "covered": the path that kept the state which covers, and where. */
  coveredBy: { readonly path: number; readonly insn: number } | null = null;
  private insnsAtLast = 0;
  private jumpsAtLast = 0;
  private inLists = 0;
  private droppedInUse = 0;
  private readonly everywhere: boolean;

  constructor(w: Walker) {
    this.w = w;
    this.buckets = new Array<VerifierState[]>(w.insns.length);
    this.loops = new Loops(w, this);
    this.everywhere = (w.program.flags & BPF_F_TEST_STATE_FREQ) !== 0;
  }

  /** A new walk begins: kept states of the last one are forgotten. The counters go on. */
  reset(): void {
    this.buckets = new Array<VerifierState[]>(this.w.insns.length);
    this.loops.reset();
  }

  private bucket(insnIdx: number): VerifierState[] {
    const callsite = this.w.frame.callsite;
    const at = ((insnIdx ^ callsite) >>> 0) % this.buckets.length;
    let bucket = this.buckets[at];
    if (bucket === undefined) {
      bucket = [];
      this.buckets[at] = bucket;
    }
    return bucket;
  }

  updatePeak(): void {
    const now = this.inLists + this.droppedInUse + this.loops.backedgeCount;
    if (now > this.w.stats.peakStates) this.w.stats.peakStates = now;
  }

  /** Compares the current state with those kept here, keeps it when that is due. */
  visit(): Visit {
    const w = this.w;
    const { insnIdx, state } = w;
    const marks = w.tables.marks[insnIdx]!;
    const forced = this.everywhere || (marks & FORCE_CHECKPOINT) !== 0 || state.history.length > MAX_HISTORY;
    const jumps = w.jumpsProcessed - this.jumpsAtLast;
    const insns = w.insnsProcessed - this.insnsAtLast;
    let keep = forced || (jumps >= 2 && insns >= 8);
    const bucket = this.bucket(insnIdx);
    this.cleanFinished(bucket, insnIdx);

    let looked = 0;
    // Outlives one comparison, as in Linux: a callback's hit behind a finished state of an open loop counts as a back edge.
    let loop = false;
    for (let i = bucket.length - 1; i >= 0; i--) {
      const old = bucket[i]!;
      looked++;
      if (old.insnIdx !== insnIdx) continue;
      let hit = false;
      if (old.branches > 0) {
        const verdict = this.compareUnfinished(old, marks);
        if (verdict === "rejected") return "rejected";
        if (verdict === "loop") hit = loop = true;
        else if (verdict === "hit") hit = true;
        else if (!forced && jumps < 20 && insns < 100) keep = false;
      } else {
        loop = this.loops.isOpen(old);
        hit = this.covered(old, loop ? RANGE_WITHIN : NOT_EXACT);
      }
      if (hit) {
        old.kept!.hits++;
        if ((marks & JUMP_POINT) !== 0) w.pushHistory(0, null);
        if (!propagatePrecision(w, old, state)) return "rejected";
        if (loop) this.loops.addBackedge(old, state);
        this.coveredBy = { path: old.kept!.path, insn: insnIdx };
        return "covered";
      }
      const kept = old.kept!;
      if (keep) kept.misses++;
      const n = (marks & FORCE_CHECKPOINT) !== 0 && old.branches > 0 ? 64 : 3;
      if (kept.misses > kept.hits * n + n) {
        kept.dropped = true;
        bucket.splice(i, 1);
        this.inLists--;
        // Back edges of a loop in progress refer to it: then it is not freed any more.
        if (old.branches > 0 || this.loops.isOpen(old)) this.droppedInUse++;
      }
    }
    if (looked > w.stats.maxStatesPerInsn) w.stats.maxStatesPerInsn = looked;
    if (keep) this.keep(bucket);
    return "go-on";
  }

  private covered(old: VerifierState, exactness: typeof NOT_EXACT | typeof RANGE_WITHIN | typeof EXACT): boolean {
    const w = this.w;
    return statesCovered(old, w.state, exactness, w.tables.liveRegs, w.insnIdx, w.idCounter);
  }

  /** A kept state whose paths are not finished: an ancestor, or an ancestor's sibling. */
  private compareUnfinished(old: VerifierState, marks: number): "hit" | "loop" | "miss" | "rejected" {
    const w = this.w;
    const { state } = w;
    const top = old.frame;
    if (top.inAsyncCallback && top.asyncEntries !== w.frame.asyncEntries) return "miss";
    if ((marks & ITERATOR_NEXT) !== 0) {
      if (!this.covered(old, RANGE_WITHIN)) return "miss";
      const pointer = w.frame.regs[1]!;
      if (pointer.type !== PTR_TO_STACK) return "miss";
      const slot = -(pointer.off + pointer.scalar.value) / 8 - 1;
      const object = w.frameOf(pointer).slots[slot]?.object;
      return object?.kind === "iter" && object.state === "active" ? "loop" : "miss";
    }
    if ((marks & IS_MAY_GOTO) !== 0) {
      if (old.mayGotoDepth !== state.mayGotoDepth && this.covered(old, RANGE_WITHIN)) return "loop";
    }
    if ((marks & CALLS_CALLBACK) !== 0) {
      return this.covered(old, RANGE_WITHIN) ? "hit" : "miss";
    }
    if (
      mayLoop(old, state) &&
      this.covered(old, EXACT) &&
      !iteratorDepthsDiffer(old, state) &&
      old.mayGotoDepth === state.mayGotoDepth &&
      old.callbackUnrollDepth === state.callbackUnrollDepth
    ) {
      w.printSourceLine(w.insnIdx);
      w.line(`infinite loop detected at insn ${w.insnIdx}`);
      w.line(`cur state:${stateText(state, w.frame, null)}`);
      const oldState = `old state:${stateText(old, old.frame, null)}`;
      w.line(oldState);
      w.reject("EINVAL", "", "infinite-loop");
      return "rejected";
    }
    return "miss";
  }

  private keep(bucket: VerifierState[]): void {
    const w = this.w;
    const { state } = w;
    w.stats.totalStates++;
    this.inLists++;
    this.updatePeak();
    this.jumpsAtLast = w.jumpsProcessed;
    this.insnsAtLast = w.insnsProcessed;
    const kept = state.clone();
    kept.parent = state.parent;
    kept.history = state.history;
    kept.firstInsn = state.firstInsn;
    kept.lastInsn = state.lastInsn;
    kept.insnIdx = w.insnIdx;
    kept.kept = { hits: 0, misses: 0, cleaned: false, dropped: false, path: w.trace?.currentPath ?? 0 };
    this.loops.enter(kept);
    state.parent = kept;
    state.firstInsn = w.insnIdx;
    state.depth = kept.depth + 1;
    state.history = [];
    w.currentEntry = null;
    bucket.push(kept);
  }

  /** States here whose paths are all finished lose what nothing reads any more. */
  private cleanFinished(bucket: readonly VerifierState[], insnIdx: number): void {
    const w = this.w;
    for (let i = bucket.length - 1; i >= 0; i--) {
      const old = bucket[i]!;
      if (old.branches > 0 || old.kept!.cleaned || old.insnIdx !== insnIdx) continue;
      if (!sameCallsites(old, w.state) || this.loops.isOpen(old)) continue;
      old.kept!.cleaned = true;
      const top = old.frames.length - 1;
      for (let f = 0; f <= top; f++) {
        const frame = old.frames[f]!;
        const live = w.tables.liveRegs[f === top ? insnIdx : old.frames[f + 1]!.callsite]!;
        for (let n = 0; n < 10; n++) if ((live & (1 << n)) === 0) frame.regs[n] = REG_NOT_INIT;
        for (let k = 0; k < frame.slots.length; k++) {
          if (frame.slots[k]!.types !== 0 && !w.stackLiveness.isAlive(old, f, k)) frame.setSlot(k, SLOT_INVALID);
        }
      }
    }
  }

  /** A path has ended: kept states that wait for no more paths are finished, innermost first. */
  finishPath(): boolean {
    let state: VerifierState | null = this.w.state;
    while (state !== null) {
      state.branches--;
      if (state.branches > 0) break;
      if (!this.loops.exit(state)) return false;
      if (state.kept?.dropped && !this.loops.isOpen(state)) this.droppedInUse--;
      state = state.parent;
    }
    return true;
  }

  /** See {@link Walk.previousAt}. */
  previousAt(state: VerifierState, insnIdx: number): VerifierState | null {
    const bucket = this.bucket(insnIdx);
    for (let i = bucket.length - 1; i >= 0; i--) {
      const old = bucket[i]!;
      if (old.insnIdx === insnIdx && old.branches > 0 && sameCallsites(old, state) && old.depth < state.depth)
        return old;
    }
    return null;
  }

  /** See {@link Walk.widenImprecise}. */
  widenImprecise(older: VerifierState, state: VerifierState): void {
    resetIds(this.w.idCounter);
    for (let f = state.frames.length - 1; f >= 0; f--) {
      const a = older.frames[f]!;
      const b = state.frames[f]!;
      for (let n = 0; n < 10; n++) {
        const x = a.regs[n]!;
        const y = b.regs[n]!;
        if (x.type !== SCALAR_VALUE || y.type !== SCALAR_VALUE || (a.preciseRegs & (1 << n)) !== 0) continue;
        if (!sameScalar(x, y)) b.regs[n] = REG_UNKNOWN;
      }
      for (let k = 0; k < a.slots.length && k < b.slots.length; k++) {
        const slot = b.slots[k]!;
        const x = a.slots[k]!.spill;
        const y = slot.spill;
        if (x === null || y === null || x.type !== SCALAR_VALUE || y.type !== SCALAR_VALUE) continue;
        const precise = k < 32 ? a.preciseSlotsLo & (1 << k) : a.preciseSlotsHi & (1 << (k - 32));
        if (precise === 0 && !sameScalar(x, y)) b.setSlot(k, withSpill(slot, REG_UNKNOWN));
      }
    }
  }
}

export function sameCallsites(a: VerifierState, b: VerifierState): boolean {
  if (a.frames.length !== b.frames.length) return false;
  for (let f = 0; f < a.frames.length; f++) if (a.frames[f]!.callsite !== b.frames[f]!.callsite) return false;
  return true;
}
