import { forEachDef, isPassage, type MachineFunction, type MachineInsn, type Mark, successors } from "../machine.ts";

/** Values that a place holds, ascending. Lists are never changed, so that states may share them. */
export type Held = readonly number[];
const EMPTY: Held = [];

/** Registers r0 to r9 come first, then the slots into which registers are spilled. */
export const REGISTERS = 10;

/** What is known at one point of the code: where each value is, and which instruction can make it again. */
export class HolderState {
  /** By place. */
  readonly held: Held[];
  readonly remade: Map<number, MachineInsn>;

  constructor(held: Held[], remade: Map<number, MachineInsn>) {
    this.held = held;
    this.remade = remade;
  }

  copy(): HolderState {
    return new HolderState([...this.held], new Map(this.remade));
  }

  /** Keeps what both know; true when that is less than before. */
  meet(other: HolderState): boolean {
    let changed = false;
    this.held.forEach((values, place) => {
      const others = other.held[place] as Held;
      if (values === others || values.length === 0) return;
      const common = values.filter((v) => others.includes(v));
      if (common.length === values.length) return;
      this.held[place] = common.length === 0 ? EMPTY : common;
      changed = true;
    });
    for (const value of this.remade.keys()) {
      if (other.remade.has(value)) continue;
      this.remade.delete(value);
      changed = true;
    }
    return changed;
  }
}

/**
 * Where values are in allocated code. A value is where its mark says, and where it was copied to from there, until something
 * else is put there, or control comes again to where it is computed. `bits` tells how much of a value's register counts.
 */
export class Holders {
  readonly #fn: MachineFunction;
  readonly #homes: Int32Array;
  readonly #indices: Int32Array;
  readonly #bits: (value: number) => number;
  readonly #into: (HolderState | undefined)[];
  /** Place of each spill slot in a state; -1 for other slots. */
  readonly #placeOf: Int32Array;
  readonly #places: number;

  constructor(
    fn: MachineFunction,
    { homes, indices }: { readonly homes: Int32Array; readonly indices: Int32Array },
    bits: (value: number) => number,
  ) {
    this.#fn = fn;
    this.#homes = homes;
    this.#indices = indices;
    this.#bits = bits;
    let places = REGISTERS;
    this.#placeOf = Int32Array.from(fn.slots, (slot) => (slot.spill ? places++ : -1));
    this.#places = places;
    this.#into = new Array(fn.blocks.length);
  }

  /** Frame slot of a place that is no register. */
  slotOf(place: number): number {
    return this.#placeOf.indexOf(place);
  }

  solve(order: readonly number[]): void {
    this.#into[0] = new HolderState(new Array<Held>(this.#places).fill(EMPTY), new Map());
    for (let changed = true; changed; ) {
      changed = false;
      for (const id of order) {
        const start = this.#into[id];
        const block = this.#fn.blocks[id];
        if (start === undefined || block === undefined) continue;
        const state = start.copy();
        for (const insn of block.insns) {
          this.before(state, insn.marks);
          this.after(state, insn);
        }
        if (!isPassage(block)) this.before(state, block.marks);
        if (block.term.kind === "asm") this.after(state, block.term.code);
        for (const to of successors(block.term)) {
          const known = this.#into[to];
          if (known === undefined) {
            this.#into[to] = state.copy();
            changed = true;
          } else if (known.meet(state)) changed = true;
        }
      }
    }
  }

  /** What is known where a block begins. */
  start(block: number): HolderState | null {
    return this.#into[block]?.copy() ?? null;
  }

  /** Takes in what marks say. */
  before(state: HolderState, marks: readonly Mark[] | undefined): void {
    for (const mark of marks ?? []) {
      if (mark.kind === "place") {
        this.#forget(state, mark.block, mark.index);
        continue;
      }
      const { holder, value } = mark;
      if (holder.kind === "remake") {
        state.remade.set(value, holder.insn);
        continue;
      }
      const place = holder.kind === "register" ? holder.reg : (this.#placeOf[holder.slot] as number);
      const held = state.held[place];
      if (held !== undefined && !held.includes(value)) state.held[place] = [...held, value].sort((a, b) => a - b);
    }
  }

  /** What a block computes from here on is not what it computed when control was in it last. */
  #forget(state: HolderState, block: number, index: number): void {
    const stale = (value: number): boolean => this.#homes[value] === block && (this.#indices[value] as number) >= index;
    state.held.forEach((values, place) => {
      if (values.some(stale)) state.held[place] = values.filter((v) => !stale(v));
    });
    for (const value of state.remade.keys()) if (stale(value)) state.remade.delete(value);
  }

  /** Registers that the instruction writes hold nothing known, while it is under way and behind it. */
  clobber(state: HolderState, insn: MachineInsn): void {
    forEachDef(insn, (reg) => {
      if (reg < REGISTERS) state.held[reg] = EMPTY;
    });
  }

  /** The state behind an instruction. */
  after(state: HolderState, insn: MachineInsn): void {
    let copied: Held = EMPTY;
    if (insn.op === "mov") copied = this.#copied(state, insn.src, insn.width);
    else if (insn.op === "zext") copied = this.#copied(state, insn.src, 32);
    else if (insn.op === "movsx") copied = this.#copied(state, insn.src, insn.bits);
    else if (insn.op === "load" && insn.place.slot >= 0) {
      const place = this.#placeOf[insn.place.slot] as number;
      if (place >= 0 && insn.size === 8 && insn.place.offset === 0) copied = state.held[place] as Held;
    }
    this.clobber(state, insn);
    if ("dst" in insn && insn.dst < REGISTERS && copied.length > 0) state.held[insn.dst] = copied;
    if ((insn.op === "store" || insn.op === "storei" || insn.op === "atomic") && insn.place.slot >= 0) {
      const place = this.#placeOf[insn.place.slot] as number;
      if (place >= 0) state.held[place] = insn.op === "store" ? ((state.held[insn.src] ?? EMPTY) as Held) : EMPTY;
    }
  }

  #copied(state: HolderState, src: number, bits: number): Held {
    const held = state.held[src] ?? EMPTY;
    if (bits === 64 || held.every((v) => this.#bits(v) <= bits)) return held;
    return held.filter((v) => this.#bits(v) <= bits);
  }
}
