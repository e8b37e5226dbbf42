import type { Instruction } from "../../isa/instruction.ts";
import { CALLS_CALLBACK, PRUNE_POINT, successors } from "../passes/control-flow.ts";
import type { Subprogram, VerifierState } from "../state.ts";
import type { Walker } from "./walker.ts";

/** Slots of one frame at one instruction, as masks of 64 bits in two words. */
interface Masks {
  /** Read on some walk. */
  readLo: number;
  readHi: number;
  /** Overwritten whole on every walk. */
  writeLo: number;
  writeHi: number;
  /** Read later before they are overwritten. */
  liveLo: number;
  liveHi: number;
  /** Overwritten on every way from here to the function's end. */
  writtenLo: number;
  writtenHi: number;
}

/** What one chain of calls does with the stack. */
interface Instance {
  readonly name: string;
  readonly callsites: readonly number[];
  readonly subprogram: Subprogram;
  /** By frame: masks by slot of the program, relative to the function's start. */
  readonly frames: (Masks[] | null)[];
  readonly writeSeen: Uint8Array;
  updated: boolean;
  writeDropped: boolean;
}

const newMasks = (): Masks => ({
  readLo: 0,
  readHi: 0,
  writeLo: 0,
  writeHi: 0,
  liveLo: 0,
  liveHi: 0,
  writtenLo: 0,
  writtenHi: 0,
});
const NO_MASKS: Masks = newMasks();

/** Which stack slots are still read, by backward data flow over what the walk has seen so far. */
export class StackLiveness {
  private readonly w: Walker;
  private readonly insns: readonly Instruction[];
  private instances = new Map<string, Instance>();
  /** Instance of the state walked last; kept while calls and returns do not change it. */
  private current: Instance | null = null;
  private readonly writtenLo = new Int32Array(8);
  private readonly writtenHi = new Int32Array(8);
  private anyWritten = false;

  constructor(w: Walker) {
    this.w = w;
    this.insns = w.insns;
  }

  /** The innermost frame of the walk has changed. */
  forgetCurrent(): void {
    this.current = null;
  }

  private instanceAt(state: VerifierState, frameno: number): Instance {
    const frames = state.frames;
    const frame = frames[frameno]!;
    let key = "";
    for (let f = 0; f <= frameno; f++) key += `${frames[f]!.callsite}/${frames[f]!.subprog},`;
    let instance = this.instances.get(key);
    if (instance === undefined) {
      const subprogram = this.w.subprograms[frame.subprog]!;
      const callsites: number[] = [];
      for (let f = 1; f <= frameno; f++) callsites.push(frames[f]!.callsite);
      instance = {
        name: `(${[...callsites, subprogram.start].join(",")})`,
        callsites,
        subprogram,
        frames: new Array<Masks[] | null>(frameno + 1).fill(null),
        writeSeen: new Uint8Array(subprogram.end - subprogram.start),
        updated: false,
        writeDropped: false,
      };
      this.instances.set(key, instance);
    }
    return instance;
  }

  private currentInstance(state: VerifierState): Instance {
    this.current ??= this.instanceAt(state, state.frames.length - 1);
    return this.current;
  }

  private masksAt(instance: Instance, frameno: number, insn: number): Masks {
    let list = instance.frames[frameno];
    if (list === null || list === undefined) {
      list = [];
      instance.frames[frameno] = list;
    }
    const at = insn - instance.subprogram.start;
    let masks = list[at];
    if (masks === undefined) {
      masks = newMasks();
      list[at] = masks;
    }
    return masks;
  }

  /** The instruction at `insn` reads slot `k` of frame `frameno`. */
  read(state: VerifierState, frameno: number, insn: number, k: number): void {
    const lo = k < 32 ? 1 << k : 0;
    const hi = k < 32 ? 0 : 1 << (k - 32);
    this.addRead(this.currentInstance(state), frameno, insn, lo, hi);
  }

  private addRead(instance: Instance, frameno: number, insn: number, lo: number, hi: number): void {
    if ((lo | hi) === 0) {
      this.masksAt(instance, frameno, insn);
      return;
    }
    const masks = this.masksAt(instance, frameno, insn);
    const newLo = masks.readLo | lo;
    const newHi = masks.readHi | hi;
    if (newLo === masks.readLo && newHi === masks.readHi) return;
    if ((newLo & ~masks.liveLo) !== 0 || (newHi & ~masks.liveHi) !== 0) instance.updated = true;
    masks.readLo = newLo;
    masks.readHi = newHi;
  }

  /** The current instruction overwrites slot `k` of frame `frameno` as a whole. */
  write(frameno: number, k: number): void {
    if (k < 32) this.writtenLo[frameno] = this.writtenLo[frameno]! | (1 << k);
    else this.writtenHi[frameno] = this.writtenHi[frameno]! | (1 << (k - 32));
    this.anyWritten = true;
  }

  /** The instruction has been processed: its overwritten slots are settled. `state` is that before it. */
  commit(instance: Instance, insn: number): void {
    // A call or return of a function of the program leaves the chain: the call's sets come from its callee.
    if (this.current === instance) this.settle(instance, insn);
  }

  private settle(instance: Instance, insn: number): void {
    const at = insn - instance.subprogram.start;
    const seen = instance.writeSeen[at] !== 0;
    if (!this.anyWritten && seen && instance.frames.every((f) => f === null)) return;
    for (let f = 0; f < instance.frames.length; f++) {
      let lo = this.writtenLo[f]!;
      let hi = this.writtenHi[f]!;
      const existing = instance.frames[f]?.[at];
      if (existing === undefined && (lo | hi) === 0) continue;
      const masks = existing ?? this.masksAt(instance, f, insn);
      const { writeLo, writeHi } = masks;
      if (seen) {
        lo &= writeLo;
        hi &= writeHi;
      }
      if (lo !== writeLo || hi !== writeHi) {
        masks.writeLo = lo;
        masks.writeHi = hi;
        instance.updated = true;
      }
      if ((writeLo & ~lo) !== 0 || (writeHi & ~hi) !== 0) instance.writeDropped = true;
    }
    instance.writeSeen[at] = 1;
    if (this.anyWritten) {
      this.writtenLo.fill(0);
      this.writtenHi.fill(0);
      this.anyWritten = false;
    }
  }

  /** Instance of the innermost frame, to be handed to {@link commit} after the instruction. */
  begin(state: VerifierState): Instance {
    return this.currentInstance(state);
  }

  /** A path or function ends: sets of all chains that changed are computed anew, innermost first. */
  update(state: VerifierState): void {
    this.current = null;
    for (let f = state.frames.length - 1; f >= 0; f--) this.updateInstance(state, f);
  }

  private updateInstance(state: VerifierState, frameno: number): void {
    const instance = this.instanceAt(state, frameno);
    if (!instance.updated) return;
    if (instance.writeDropped) {
      for (const list of instance.frames) {
        for (const masks of list ?? []) if (masks) masks.writtenLo = masks.writtenHi = 0;
      }
    }
    const order = this.w.tables.postOrders[instance.subprogram.index]!;
    let rounds = 0;
    for (let changed = true; changed; ) {
      changed = false;
      for (let f = 0; f < instance.frames.length; f++) {
        if (instance.frames[f] === null) continue;
        for (let i = 0; i < order.length; i++) if (this.updateInsn(instance, f, order[i]!)) changed = true;
      }
      rounds++;
    }
    this.w.detail(`${instance.name} live stack update done in ${rounds} iterations`);
    if (frameno > 0) this.passOutwards(state, frameno, instance);
    instance.updated = false;
    instance.writeDropped = false;
  }

  /** What a callee does to frames outside it happens, for its caller, at the call. */
  private passOutwards(state: VerifierState, frameno: number, instance: Instance): void {
    const outer = this.instanceAt(state, frameno - 1);
    const callsite = instance.callsites[frameno - 1]!;
    for (let f = 0; f < frameno; f++) {
      const masks = instance.frames[f]?.[0];
      if (masks === undefined) continue;
      this.writtenLo[f] = this.writtenLo[f]! | masks.writtenLo;
      this.writtenHi[f] = this.writtenHi[f]! | masks.writtenHi;
      this.anyWritten = true;
      this.addRead(outer, f, callsite, masks.liveLo, masks.liveHi);
    }
    this.settle(outer, callsite);
  }

  private updateInsn(instance: Instance, frameno: number, at: number): boolean {
    const list = instance.frames[frameno]!;
    const start = instance.subprogram.start;
    const next = NEXT;
    const count = successors(this.insns, at, next);
    if (count === 0) return false;
    let liveLo = 0;
    let liveHi = 0;
    let writtenLo = -1;
    let writtenHi = -1;
    for (let i = 0; i < count; i++) {
      const s = list[next[i]! - start] ?? NO_MASKS;
      liveLo |= s.liveLo;
      liveHi |= s.liveHi;
      writtenLo &= s.writtenLo;
      writtenHi &= s.writtenHi;
    }
    const own = list[at - start] ?? NO_MASKS;
    liveLo = (liveLo & ~own.writeLo) | own.readLo;
    liveHi = (liveHi & ~own.writeHi) | own.readHi;
    writtenLo |= own.writeLo;
    writtenHi |= own.writeHi;
    if (liveLo === own.liveLo && liveHi === own.liveHi && writtenLo === own.writtenLo && writtenHi === own.writtenHi)
      return false;
    const masks = own === NO_MASKS ? this.masksAt(instance, frameno, at) : own;
    if (
      this.w.detailed &&
      ((masks.readLo | masks.readHi | masks.writeLo | masks.writeHi) !== 0 ||
        at === start ||
        (this.w.tables.marks[at]! & PRUNE_POINT) !== 0)
    ) {
      this.logChange(instance, "live", frameno, at, masks.liveLo, masks.liveHi, liveLo, liveHi);
      this.logChange(instance, "written", frameno, at, masks.writtenLo, masks.writtenHi, writtenLo, writtenHi);
    }
    masks.liveLo = liveLo;
    masks.liveHi = liveHi;
    masks.writtenLo = writtenLo;
    masks.writtenHi = writtenHi;
    return true;
  }

  private logChange(
    instance: Instance,
    what: string,
    frameno: number,
    at: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
  ): void {
    if (oldLo === lo && oldHi === hi) return;
    let text = `${instance.name} frame ${frameno} insn ${at} `;
    const added = slotList(lo & ~oldLo, hi & ~oldHi);
    const removed = slotList(oldLo & ~lo, oldHi & ~hi);
    if (added !== "") text += `+${what} ${added} `;
    if (removed !== "") text += `-${what} ${removed} `;
    this.w.detail(text);
  }

  /** Slot `k` of frame `frameno` of a kept state is still read. */
  isAlive(state: VerifierState, frameno: number, k: number): boolean {
    const top = state.frames.length - 1;
    if (this.liveBefore(this.instanceAt(state, top), state.insnIdx, frameno, k)) return true;
    for (let f = frameno; f < top; f++) {
      const callsite = state.frames[f + 1]!.callsite;
      const back = (this.w.tables.marks[callsite]! & CALLS_CALLBACK) !== 0;
      if (this.liveBefore(this.instanceAt(state, f), back ? callsite : callsite + 1, frameno, k)) return true;
    }
    return false;
  }

  private liveBefore(instance: Instance, insn: number, frameno: number, k: number): boolean {
    const masks = instance.frames[frameno]?.[insn - instance.subprogram.start];
    if (masks === undefined) return false;
    return k < 32 ? (masks.liveLo & (1 << k)) !== 0 : (masks.liveHi & (1 << (k - 32))) !== 0;
  }
}

const NEXT: number[] = [];

function slotList(lo: number, hi: number): string {
  const names: string[] = [];
  for (let k = 0; k < 64; k++) {
    const bit = k < 32 ? lo & (1 << k) : hi & (1 << (k - 32));
    if (bit !== 0) names.push(String(-8 * (k + 1)));
  }
  return names.join(",");
}
