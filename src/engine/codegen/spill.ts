import {
  forEachDef,
  forEachTermUse,
  forEachUse,
  joinMarks,
  type MachineBlock,
  type MachineFunction,
  type MachineInsn,
  type Mark,
  mapRegisters,
  NO_MARKS,
  NO_REG,
  type Reg,
  type Terminator,
} from "./machine.ts";

const SLOT_BYTES = 8;
/** A value stays in its register for uses that follow within so many instructions; farther ones load it again. */
const KEEP_DISTANCE = 8;

/** What is remembered from one round of spilling to the next. */
export interface SpillState {
  /** Registers that live for one instruction only: never spilled again. */
  readonly short: Set<Reg>;
  /** Registers that hold what lies in a slot: spilled again, they are loaded at each use. */
  readonly homes: Map<Reg, number>;
}

export function makeSpillState(): SpillState {
  return { short: new Set(), homes: new Map() };
}

/** How the uses of a spilled register get its value. */
interface Source {
  readonly slot: number;
  /** A constant or address that is made again instead; the slot is -1 then. */
  readonly remake: MachineInsn | null;
  /** Loads may be kept for the uses that follow. */
  readonly keep: boolean;
}

const CONSTANT_OPS: ReadonlySet<string> = new Set(["imm", "wide", "address", "frame"]);

function sameConstant(a: MachineInsn, b: MachineInsn): boolean {
  if (a.op === "imm" && b.op === "imm") return a.imm === b.imm && a.width === b.width;
  if (a.op === "wide" && b.op === "wide") return a.value === b.value;
  if (a.op === "address" && b.op === "address") return a.symbol === b.symbol && a.addend === b.addend;
  return a.op === "frame" && b.op === "frame" && a.slot === b.slot && a.offset === b.offset;
}

/** Rewrites the function so that the registers live on the stack, or are made anew at each use. Each group shares a slot. */
export function spill(fn: MachineFunction, state: SpillState, groups: readonly (readonly Reg[])[]): void {
  const groupOf = new Map<Reg, number>();
  groups.forEach((members, i) => {
    for (const reg of members) groupOf.set(reg, i);
  });
  const definitions = definitionsOf(fn, groupOf);
  const sources = new Map<Reg, Source>();
  groups.forEach((members, i) => {
    const source = sourceOf(fn, state, members, definitions.get(i) ?? []);
    for (const member of members) sources.set(member, source);
  });
  for (const block of fn.blocks) new BlockRewriter(fn, state, sources).run(block);
}

/** What defines each group, moves within the group aside. */
function definitionsOf(fn: MachineFunction, groupOf: ReadonlyMap<Reg, number>): Map<number, MachineInsn[]> {
  const found = new Map<number, MachineInsn[]>();
  for (const block of fn.blocks) {
    for (const insn of block.insns) {
      forEachDef(insn, (reg) => {
        const group = groupOf.get(reg);
        if (group === undefined) return;
        if (insn.op === "mov" && groupOf.get(insn.src) === group) return;
        const list = found.get(group);
        if (list === undefined) found.set(group, [insn]);
        else list.push(insn);
      });
    }
  }
  return found;
}

function sourceOf(
  fn: MachineFunction,
  state: SpillState,
  members: readonly Reg[],
  defs: readonly MachineInsn[],
): Source {
  const first = defs[0];
  if (first !== undefined && CONSTANT_OPS.has(first.op) && defs.every((d) => sameConstant(first, d))) {
    return { slot: NO_REG, remake: first, keep: false };
  }
  const home = members[0] === undefined ? undefined : state.homes.get(members[0]);
  if (
    home !== undefined &&
    members.every((m) => state.homes.get(m) === home) &&
    defs.every((d) => readsHome(d, home))
  ) {
    return { slot: home, remake: null, keep: false };
  }
  fn.slots.push({ size: SLOT_BYTES, align: SLOT_BYTES, offset: 0, dbg: -1, spill: true });
  return { slot: fn.slots.length - 1, remake: null, keep: !members.some((m) => state.homes.has(m)) };
}

/** A definition that leaves in the register what the slot holds. */
function readsHome(insn: MachineInsn, slot: number): boolean {
  return insn.op === "mov" || (insn.op === "load" && insn.place.slot === slot);
}

class BlockRewriter {
  readonly #fn: MachineFunction;
  readonly #state: SpillState;
  readonly #sources: ReadonlyMap<Reg, Source>;
  #out: MachineInsn[] = [];
  #insns: readonly MachineInsn[] = [];
  #at = 0;
  #term: Terminator = { kind: "none" };
  /** Slot -> register that holds its value here. */
  readonly #kept = new Map<number, Reg>();

  constructor(fn: MachineFunction, state: SpillState, sources: ReadonlyMap<Reg, Source>) {
    this.#fn = fn;
    this.#state = state;
    this.#sources = sources;
  }

  run(block: MachineBlock): void {
    const { insns, term } = block;
    this.#insns = [...insns];
    this.#term = term;
    let carried = NO_MARKS;
    for (this.#at = 0; this.#at < this.#insns.length; this.#at++) {
      const insn = this.#insns[this.#at] as MachineInsn;
      carried = joinMarks(carried, this.#moveMarks(insn.marks));
      insn.marks = NO_MARKS;
      const from = this.#out.length;
      this.#instruction(insn);
      const first = this.#out[from];
      if (first === undefined) continue;
      first.marks = carried;
      carried = NO_MARKS;
    }
    const rest = this.#out.length;
    if (term.kind === "if") {
      term.a = this.#use(term.a, term.dbg, new Map());
      if (term.b !== NO_REG) term.b = this.#use(term.b, term.dbg, new Map());
    } else if (term.kind === "asm") {
      const held = new Map<Reg, Reg>();
      const map = (reg: Reg): Reg => this.#use(reg, term.code.dbg, held);
      mapRegisters(term.code, map, map);
    }
    const first = this.#out[rest];
    if (first !== undefined) {
      first.marks = carried;
      carried = NO_MARKS;
    }
    block.marks = joinMarks(carried, this.#moveMarks(block.marks));
    insns.length = 0;
    for (const insn of this.#out) insns.push(insn);
  }

  /** Marks of spilled registers are of their slots now, or of what makes them again. */
  #moveMarks(marks: readonly Mark[] | undefined): readonly Mark[] {
    if (marks === undefined) return NO_MARKS;
    return marks.map((mark) => {
      const source =
        mark.kind === "holds" && mark.holder.kind === "register" ? this.#sources.get(mark.holder.reg) : undefined;
      if (source === undefined || mark.kind !== "holds") return mark;
      const { slot, remake } = source;
      return { ...mark, holder: remake === null ? { kind: "slot", slot } : { kind: "remake", insn: remake } };
    });
  }

  #instruction(insn: MachineInsn): void {
    const from = insn.op === "mov" ? this.#sources.get(insn.src) : undefined;
    const to = insn.op === "mov" ? this.#sources.get(insn.dst) : undefined;
    if (insn.op === "mov" && from !== undefined && from === to) return;
    if (insn.op === "mov" && from !== undefined && to === undefined) {
      this.#fill(insn.dst, from, insn.dbg);
      return;
    }
    if (CONSTANT_OPS.has(insn.op) && "dst" in insn && this.#sources.get(insn.dst)?.remake != null) return;
    if ((insn.op === "mov" || insn.op === "load") && this.#isHome(insn.dst)) return;
    if (insn.op === "mov" && to !== undefined && to.slot >= 0) {
      this.#store(insn.src, to, insn.dbg);
      return;
    }

    const held = new Map<Reg, Reg>();
    const stores: [Reg, Source][] = [];
    const uses = new Set<Reg>();
    forEachUse(insn, (reg) => uses.add(reg));
    const defs = new Set<Reg>();
    forEachDef(insn, (reg) => defs.add(reg));
    mapRegisters(
      insn,
      (reg) => this.#use(reg, insn.dbg, held),
      (reg) => {
        const source = this.#sources.get(reg);
        if (source === undefined) return reg;
        const twoAddress = uses.has(reg);
        const own = held.get(reg);
        if (own !== undefined && stores.some(([r]) => r === own)) return own;
        const fresh = this.#fresh();
        if (twoAddress) this.#fill(fresh, source, insn.dbg);
        held.set(reg, fresh);
        if (defs.has(reg)) stores.push([fresh, source]);
        return fresh;
      },
    );
    this.#out.push(insn);
    if (insn.op === "call" || insn.op === "packet" || insn.op === "asm") this.#kept.clear();
    for (const [reg, source] of stores) {
      if (source.slot < 0) continue;
      this.#store(reg, source, insn.dbg);
    }
  }

  /** The register is one that a slot was loaded into, and is spilled again: it goes without a definition. */
  #isHome(reg: Reg): boolean {
    const source = this.#sources.get(reg);
    return source !== undefined && source.slot >= 0 && this.#state.homes.get(reg) === source.slot;
  }

  #store(src: Reg, source: Source, dbg: number): void {
    const place = { base: NO_REG, slot: source.slot, offset: 0 };
    const value = this.#use(src, dbg, new Map());
    this.#out.push({ op: "store", src: value, place, size: SLOT_BYTES, dbg });
    this.#kept.delete(source.slot);
    if (!this.#wantedSoon(source)) return;
    const copy = this.#fn.nextRegister++;
    this.#out.push({ op: "mov", dst: copy, src: value, width: 64, dbg });
    this.#state.homes.set(copy, source.slot);
    this.#kept.set(source.slot, copy);
  }

  /** Whether the value of a slot is wanted again soon, before anything that destroys registers. */
  #wantedSoon(source: Source): boolean {
    if (!source.keep) return false;
    const end = Math.min(this.#insns.length, this.#at + 1 + KEEP_DISTANCE);
    for (let i = this.#at + 1; i < end; i++) {
      const insn = this.#insns[i] as MachineInsn;
      let found = false;
      forEachUse(insn, (reg) => {
        found ||= this.#sources.get(reg) === source;
      });
      if (found) return true;
      if (insn.op === "call" || insn.op === "packet" || insn.op === "asm") return false;
    }
    let last = false;
    if (end === this.#insns.length) {
      forEachTermUse(this.#term, (reg) => {
        last ||= this.#sources.get(reg) === source;
      });
    }
    return last;
  }

  #fresh(): Reg {
    const reg = this.#fn.nextRegister++;
    this.#state.short.add(reg);
    return reg;
  }

  #use(reg: Reg, dbg: number, held: Map<Reg, Reg>): Reg {
    const source = this.#sources.get(reg);
    if (source === undefined) return reg;
    const known = held.get(reg) ?? (source.keep ? this.#kept.get(source.slot) : undefined);
    if (known !== undefined) return known;
    let fresh: Reg;
    const keep = this.#wantedSoon(source);
    if (keep) {
      fresh = this.#fn.nextRegister++;
      this.#state.homes.set(fresh, source.slot);
    } else fresh = this.#fresh();
    this.#fill(fresh, source, dbg);
    if (keep) this.#kept.set(source.slot, fresh);
    held.set(reg, fresh);
    return fresh;
  }

  #fill(dst: Reg, source: Source, dbg: number): void {
    if (source.remake !== null) {
      this.#out.push({ ...source.remake, dst, dbg, marks: NO_MARKS } as MachineInsn);
      return;
    }
    const kept = source.keep ? this.#kept.get(source.slot) : undefined;
    if (kept !== undefined) this.#out.push({ op: "mov", dst, src: kept, width: 64, dbg });
    else {
      this.#out.push({
        op: "load",
        dst,
        place: { base: NO_REG, slot: source.slot, offset: 0 },
        size: SLOT_BYTES,
        signed: false,
        dbg,
      });
    }
  }
}
