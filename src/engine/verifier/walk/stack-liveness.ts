import { CALLS_CALLBACK, PRUNE_POINT } from "../passes/control-flow.ts";
import type { Subprogram, VerifierState } from "../state.ts";
import type { Walker } from "./walker.ts";

/** Arrays by instruction of the function, each two words of slots (0..31, 32..63). */
class FrameMasks {
  /** 1: something was ever noted at the instruction. */
  readonly used: Uint8Array;
  /** Read on some walk. */
  readonly readLo: Int32Array;
  readonly readHi: Int32Array;
  /** Overwritten whole on every walk. */
  readonly writeLo: Int32Array;
  readonly writeHi: Int32Array;
  /** Read later before they are overwritten. */
  readonly liveLo: Int32Array;
  readonly liveHi: Int32Array;
  /** Overwritten on every way from here to the function's end. */
  readonly writtenLo: Int32Array;
  readonly writtenHi: Int32Array;
  /** By place in the function's post order: what the instruction's sets depend on has changed. All such places lie in [first, last]. */
  readonly dirty: Uint8Array;
  firstDirty: number;
  lastDirty = -1;

  constructor(length: number) {
    this.dirty = new Uint8Array(length);
    this.firstDirty = length;
    this.used = new Uint8Array(length);
    this.readLo = new Int32Array(length);
    this.readHi = new Int32Array(length);
    this.writeLo = new Int32Array(length);
    this.writeHi = new Int32Array(length);
    this.liveLo = new Int32Array(length);
    this.liveHi = new Int32Array(length);
    this.writtenLo = new Int32Array(length);
    this.writtenHi = new Int32Array(length);
  }

  markDirty(place: number): void {
    this.dirty[place] = 1;
    if (place < this.firstDirty) this.firstDirty = place;
    if (place > this.lastDirty) this.lastDirty = place;
  }

  /** Overwritten sets are to be found anew. */
  forgetWritten(count: number): void {
    this.writtenLo.fill(0);
    this.writtenHi.fill(0);
    this.dirty.fill(1, 0, count);
    this.firstDirty = 0;
    this.lastDirty = count - 1;
  }
}

/** What one chain of calls does with the stack. */
interface Instance {
  readonly name: string;
  readonly callsites: readonly number[];
  readonly subprogram: Subprogram;
  /** By frame; null where nothing was noted. */
  readonly frames: (FrameMasks | null)[];
  /** Some frame has masks. */
  any: boolean;
  readonly writeSeen: Uint8Array;
  updated: boolean;
  writeDropped: boolean;
}

/** Which stack slots are still read, by backward data flow over what the walk has seen so far. */
export class StackLiveness {
  private readonly w: Walker;
  private instances = new Map<string, Instance>();
  /** Instance of the state walked last; kept while calls and returns do not change it. */
  private current: Instance | null = null;
  private readonly writtenLo = new Int32Array(8);
  private readonly writtenHi = new Int32Array(8);
  private anyWritten = false;

  constructor(w: Walker) {
    this.w = w;
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
        frames: new Array<FrameMasks | null>(frameno + 1).fill(null),
        any: false,
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

  private masksOf(instance: Instance, frameno: number): FrameMasks {
    let masks = instance.frames[frameno] ?? null;
    if (masks === null) {
      masks = new FrameMasks(instance.subprogram.end - instance.subprogram.start);
      instance.frames[frameno] = masks;
      instance.any = true;
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
    const masks = this.masksOf(instance, frameno);
    const at = insn - instance.subprogram.start;
    masks.used[at] = 1;
    const newLo = masks.readLo[at]! | lo;
    const newHi = masks.readHi[at]! | hi;
    if (newLo === masks.readLo[at] && newHi === masks.readHi[at]) return;
    if ((newLo & ~masks.liveLo[at]!) !== 0 || (newHi & ~masks.liveHi[at]!) !== 0) instance.updated = true;
    masks.readLo[at] = newLo;
    masks.readHi[at] = newHi;
    masks.markDirty(this.w.tables.postPlaces[insn]!);
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
    if (!this.anyWritten && !instance.any) {
      instance.writeSeen[at] = 1;
      return;
    }
    for (let f = 0; f < instance.frames.length; f++) {
      let lo = this.writtenLo[f]!;
      let hi = this.writtenHi[f]!;
      const existing = instance.frames[f]!;
      if ((lo | hi) === 0 && (existing === null || existing.used[at] === 0)) continue;
      const masks = existing ?? this.masksOf(instance, f);
      masks.used[at] = 1;
      const writeLo = masks.writeLo[at]!;
      const writeHi = masks.writeHi[at]!;
      if (seen) {
        lo &= writeLo;
        hi &= writeHi;
      }
      if (lo !== writeLo || hi !== writeHi) {
        masks.writeLo[at] = lo;
        masks.writeHi[at] = hi;
        masks.markDirty(this.w.tables.postPlaces[insn]!);
        instance.updated = true;
        if ((writeLo & ~lo) !== 0 || (writeHi & ~hi) !== 0) instance.writeDropped = true;
      }
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
      const { length } = this.w.tables.postOrders[instance.subprogram.index]!;
      for (const masks of instance.frames) masks?.forgetWritten(length);
    }
    let rounds = 0;
    for (let changed = true; changed; ) {
      changed = false;
      for (let f = 0; f < instance.frames.length; f++) {
        const masks = instance.frames[f]!;
        if (masks !== null && this.updateFrame(instance, f, masks)) changed = true;
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
      const masks = instance.frames[f]!;
      if (masks === null) continue;
      this.writtenLo[f] = this.writtenLo[f]! | masks.writtenLo[0]!;
      this.writtenHi[f] = this.writtenHi[f]! | masks.writtenHi[0]!;
      this.anyWritten = true;
      this.addRead(outer, f, callsite, masks.liveLo[0]!, masks.liveHi[0]!);
    }
    this.settle(outer, callsite);
  }

  /**
   * One round of data flow over the function in post order, for one frame. Instructions of which nothing has changed that their sets
   * depend on are passed over.
   */
  private updateFrame(instance: Instance, frameno: number, masks: FrameMasks): boolean {
    const { graph, postOrders, postPlaces, predecessors, marks } = this.w.tables;
    const { first, second } = graph;
    const order = postOrders[instance.subprogram.index]!;
    const { start } = instance.subprogram;
    const { readLo, readHi, writeLo, writeHi, liveLo, liveHi, writtenLo, writtenHi } = masks;
    const { detailed } = this.w;
    const { dirty } = masks;
    let changed = false;
    let last = masks.lastDirty;
    let i = masks.firstDirty;
    masks.firstDirty = order.length;
    masks.lastDirty = -1;
    for (; i <= last; i++) {
      if (dirty[i] === 0) continue;
      dirty[i] = 0;
      const at = order[i]!;
      const a = first[at]!;
      if (a < 0) continue;
      const k = at - start;
      const b = second[at]!;
      let aliveLo = liveLo[a - start]!;
      let aliveHi = liveHi[a - start]!;
      let doneLo = writtenLo[a - start]!;
      let doneHi = writtenHi[a - start]!;
      if (b >= 0) {
        aliveLo |= liveLo[b - start]!;
        aliveHi |= liveHi[b - start]!;
        doneLo &= writtenLo[b - start]!;
        doneHi &= writtenHi[b - start]!;
      }
      aliveLo = (aliveLo & ~writeLo[k]!) | readLo[k]!;
      aliveHi = (aliveHi & ~writeHi[k]!) | readHi[k]!;
      doneLo |= writeLo[k]!;
      doneHi |= writeHi[k]!;
      if (aliveLo === liveLo[k] && aliveHi === liveHi[k] && doneLo === writtenLo[k] && doneHi === writtenHi[k])
        continue;
      changed = true;
      if (
        detailed &&
        ((readLo[k]! | readHi[k]! | writeLo[k]! | writeHi[k]!) !== 0 ||
          at === start ||
          (marks[at]! & PRUNE_POINT) !== 0)
      ) {
        this.logChange(instance, "live", frameno, at, liveLo[k]!, liveHi[k]!, aliveLo, aliveHi);
        this.logChange(instance, "written", frameno, at, writtenLo[k]!, writtenHi[k]!, doneLo, doneHi);
      }
      liveLo[k] = aliveLo;
      liveHi[k] = aliveHi;
      writtenLo[k] = doneLo;
      writtenHi[k] = doneHi;
      for (let p = predecessors.start[at]!; p < predecessors.start[at + 1]!; p++) {
        const place = postPlaces[predecessors.list[p]!]!;
        if (place <= i) masks.markDirty(place);
        else {
          dirty[place] = 1;
          if (place > last) last = place;
        }
      }
    }
    return changed;
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
    const masks = instance.frames[frameno] ?? null;
    if (masks === null) return false;
    const at = insn - instance.subprogram.start;
    return k < 32 ? (masks.liveLo[at]! & (1 << k)) !== 0 : (masks.liveHi[at]! & (1 << (k - 32))) !== 0;
  }
}

function slotList(lo: number, hi: number): string {
  const names: string[] = [];
  for (let k = 0; k < 64; k++) {
    const bit = k < 32 ? lo & (1 << k) : hi & (1 << (k - 32));
    if (bit !== 0) names.push(String(-8 * (k + 1)));
  }
  return names.join(",");
}
