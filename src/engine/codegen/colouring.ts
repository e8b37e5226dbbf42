import { computeLiveness } from "./liveness.ts";
import {
  FIRST_VIRTUAL,
  FRAME_POINTER,
  forEachDef,
  forEachTermUse,
  forEachUse,
  type MachineFunction,
  type MachineInsn,
  type Reg,
} from "./machine.ts";

/** r0..r9: what there is to hand out. */
const COLOURS = 10;
/** Registers that calls destroy come first, so that r6..r9 are left for what lives across calls. */
const PREFERENCE: readonly Reg[] = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9];
/** Up to this many registers a bit matrix is small; beyond, a set of pairs. */
const MATRIX_LIMIT = 8192;

export interface Colouring {
  /** Register of each virtual register; meaningless for those in `spilled` and what is joined with them. */
  readonly colour: Int32Array;
  /** Virtual registers that were joined with another are represented by it. */
  readonly alias: (reg: Reg) => Reg;
  readonly spilled: readonly Reg[];
  /** How many registers each one interferes with, before any were joined. */
  readonly degree: Int32Array;
}

interface Move {
  readonly dst: Reg;
  readonly src: Reg;
  readonly weight: number;
  state: "worklist" | "active" | "done";
}

class EdgeSet {
  readonly #n: number;
  readonly #matrix: Uint32Array | null;
  readonly #pairs = new Set<number>();

  constructor(n: number) {
    this.#n = n;
    this.#matrix = n <= MATRIX_LIMIT ? new Uint32Array((n * n + 31) >>> 5) : null;
  }

  has(a: Reg, b: Reg): boolean {
    const at = a < b ? a * this.#n + b : b * this.#n + a;
    if (this.#matrix === null) return this.#pairs.has(at);
    return (((this.#matrix[at >>> 5] as number) >>> (at & 31)) & 1) === 1;
  }

  add(a: Reg, b: Reg): void {
    const at = a < b ? a * this.#n + b : b * this.#n + a;
    if (this.#matrix === null) this.#pairs.add(at);
    else this.#matrix[at >>> 5] = (this.#matrix[at >>> 5] as number) | (1 << (at & 31));
  }
}

/**
 * Iterated register coalescing (George and Appel): removes registers of low degree, joins the two sides of moves where that
 * keeps the graph colourable, and names those that must live on the stack. `costs` gives what it costs to spill a register.
 */
export function colour(fn: MachineFunction, costs: (reg: Reg) => number): Colouring {
  return new Colourer(fn, costs).run();
}

/** Which registers of a block hold equal values, as far as copies and constants tell. */
class ValueNumbering {
  readonly #number: Int32Array;
  readonly #stamp: Int32Array;
  #round = 0;
  #next = 0;

  constructor(registers: number) {
    this.#number = new Int32Array(registers);
    this.#stamp = new Int32Array(registers);
  }

  /** For the places of copies and constants: the registers that hold then what the instruction writes. */
  run(insns: readonly MachineInsn[]): Map<number, readonly Reg[]> {
    this.#round++;
    const found = new Map<number, readonly Reg[]>();
    const holders = new Map<number, Reg[]>();
    const constants = new Map<string, number>();
    insns.forEach((insn, i) => {
      if (insn.op !== "mov" && insn.op !== "imm") {
        forEachDef(insn, (r) => this.#set(r, ++this.#next));
        return;
      }
      let number: number;
      if (insn.op === "mov") number = this.#of(insn.src);
      else {
        const key = `${insn.imm}:${insn.width}`;
        number = constants.get(key) ?? ++this.#next;
        constants.set(key, number);
      }
      const all = holders.get(number) ?? [];
      if (insn.op === "mov" && !all.includes(insn.src)) all.push(insn.src);
      const same = all.filter((r) => this.#of(r) === number);
      this.#set(insn.dst, number);
      if (same.length > (insn.op === "mov" ? 1 : 0)) found.set(i, same);
      if (!same.includes(insn.dst)) same.push(insn.dst);
      holders.set(number, same);
    });
    return found;
  }

  #of(r: Reg): number {
    if (this.#stamp[r] !== this.#round) this.#set(r, ++this.#next);
    return this.#number[r] as number;
  }

  #set(r: Reg, number: number): void {
    this.#stamp[r] = this.#round;
    this.#number[r] = number;
  }
}

class Colourer {
  readonly #fn: MachineFunction;
  readonly #costs: (reg: Reg) => number;
  readonly #n: number;
  readonly #edges: EdgeSet;
  readonly #neighbours: Reg[][];
  readonly #degree: Int32Array;
  readonly #alias: Int32Array;
  readonly #moves: Move[] = [];
  readonly #movesOf: Move[][];
  readonly #where: Uint8Array; // 0 none, 1 simplify, 2 freeze, 3 spill, 4 on stack, 5 joined
  readonly #simplify: Reg[] = [];
  readonly #freeze: Reg[] = [];
  readonly #stack: Reg[] = [];
  readonly #used: Uint8Array;
  #worklistMoves: Move[] = [];
  #original = new Int32Array(0);

  constructor(fn: MachineFunction, costs: (reg: Reg) => number) {
    this.#fn = fn;
    this.#costs = costs;
    const n = fn.nextRegister;
    this.#n = n;
    this.#edges = new EdgeSet(n);
    this.#neighbours = Array.from({ length: n }, () => []);
    this.#movesOf = Array.from({ length: n }, () => []);
    this.#degree = new Int32Array(n);
    this.#alias = Int32Array.from({ length: n }, (_, i) => i);
    this.#where = new Uint8Array(n);
    this.#used = new Uint8Array(n);
  }

  run(): Colouring {
    this.#build();
    this.#original = Int32Array.from(this.#degree);
    for (let r = 0; r < FIRST_VIRTUAL; r++) this.#degree[r] = 0x3fff_ffff;
    for (let r = FIRST_VIRTUAL; r < this.#n; r++) if (this.#used[r] === 1) this.#enlist(r);
    // Moves that run most often are joined first.
    this.#worklistMoves = [...this.#moves].sort((a, b) => a.weight - b.weight);
    for (;;) {
      const node = this.#pop(this.#simplify, 1);
      if (node !== undefined) {
        this.#push(node);
        continue;
      }
      const move = this.#worklistMoves.pop();
      if (move !== undefined) {
        if (move.state === "worklist") this.#coalesce(move);
        continue;
      }
      const frozen = this.#pop(this.#freeze, 2);
      if (frozen !== undefined) {
        this.#where[frozen] = 1;
        this.#simplify.push(frozen);
        this.#freezeMoves(frozen);
        continue;
      }
      const victim = this.#victim();
      if (victim < 0) break;
      this.#where[victim] = 1;
      this.#simplify.push(victim);
      this.#freezeMoves(victim);
    }
    return this.#assign();
  }

  #build(): void {
    const { order, liveOut } = computeLiveness(this.#fn);
    const live: Reg[] = [];
    const place = new Int32Array(this.#n).fill(-1);
    const add = (r: Reg): void => {
      if (r === FRAME_POINTER || place[r] !== -1) return;
      place[r] = live.length;
      live.push(r);
      this.#used[r] = 1;
    };
    const drop = (r: Reg): void => {
      const at = place[r] as number;
      if (at < 0) return;
      const last = live.pop() as Reg;
      if (last !== r) {
        live[at] = last;
        place[last] = at;
      }
      place[r] = -1;
    };
    const defs: Reg[] = [];
    const numbering = new ValueNumbering(this.#n);
    for (const id of order) {
      const block = this.#fn.blocks[id];
      const out = liveOut[id];
      if (block === undefined || out === undefined) continue;
      for (const r of live) place[r] = -1;
      live.length = 0;
      for (let w = 0; w < out.length; w++) {
        let bits = out[w] as number;
        while (bits !== 0) {
          const bit = 31 - Math.clz32(bits & -bits);
          add(w * 32 + bit);
          bits &= bits - 1;
        }
      }
      if (block.term.kind === "asm") {
        this.#clobber(block.term.code.defs, live);
        for (const d of block.term.code.defs) drop(d);
      }
      forEachTermUse(block.term, add);
      if (block.term.kind === "asm") this.#clobber(block.term.code.early, block.term.code.uses);
      const equals = numbering.run(block.insns);
      for (let i = block.insns.length - 1; i >= 0; i--) {
        const insn = block.insns[i] as MachineInsn;
        if (insn.op === "mov") {
          drop(insn.src);
          if (insn.src !== FRAME_POINTER) {
            const move: Move = { dst: insn.dst, src: insn.src, weight: block.weight, state: "worklist" };
            this.#moves.push(move);
            this.#movesOf[insn.dst]?.push(move);
            this.#movesOf[insn.src]?.push(move);
          }
        }
        defs.length = 0;
        forEachDef(insn, (r) => defs.push(r));
        const same = equals.get(i);
        if (same === undefined) this.#clobber(defs, live);
        else this.#define(defs[0] as Reg, live, same);
        for (const d of defs) drop(d);
        forEachUse(insn, add);
        if (insn.op === "asm") this.#clobber(insn.early, insn.uses);
      }
    }
  }

  #clobber(defs: readonly Reg[], live: readonly Reg[]): void {
    for (const d of defs) {
      this.#used[d] = 1;
      for (const l of live) this.#connect(l, d);
      for (const other of defs) this.#connect(other, d);
    }
  }

  /** A definition by a copy or constant: whoever holds the same value may share the register. */
  #define(d: Reg, live: readonly Reg[], same: readonly Reg[]): void {
    this.#used[d] = 1;
    for (const l of live) if (!same.includes(l)) this.#connect(l, d);
  }

  #connect(a: Reg, b: Reg): void {
    if (a === b || (a < FIRST_VIRTUAL && b < FIRST_VIRTUAL) || this.#edges.has(a, b)) return;
    this.#edges.add(a, b);
    if (a >= FIRST_VIRTUAL) {
      this.#neighbours[a]?.push(b);
      this.#degree[a] = (this.#degree[a] as number) + 1;
    }
    if (b >= FIRST_VIRTUAL) {
      this.#neighbours[b]?.push(a);
      this.#degree[b] = (this.#degree[b] as number) + 1;
    }
  }

  #enlist(r: Reg): void {
    if ((this.#degree[r] as number) >= COLOURS) this.#where[r] = 3;
    else if (this.#moveRelated(r)) {
      this.#where[r] = 2;
      this.#freeze.push(r);
    } else {
      this.#where[r] = 1;
      this.#simplify.push(r);
    }
  }

  #pop(list: Reg[], where: number): Reg | undefined {
    for (let r = list.pop(); r !== undefined; r = list.pop()) if (this.#where[r] === where) return r;
    return undefined;
  }

  #moveRelated(r: Reg): boolean {
    return (this.#movesOf[r] ?? []).some((m) => m.state !== "done");
  }

  #isLive(r: Reg): boolean {
    const where = this.#where[r] as number;
    return where !== 4 && where !== 5;
  }

  #push(node: Reg): void {
    this.#where[node] = 4;
    this.#stack.push(node);
    for (const m of this.#neighbours[node] ?? []) if (this.#isLive(m)) this.#decrement(m);
  }

  #decrement(m: Reg): void {
    if (m < FIRST_VIRTUAL) return;
    const d = this.#degree[m] as number;
    this.#degree[m] = d - 1;
    if (d !== COLOURS) return;
    this.#enableMoves(m);
    for (const t of this.#neighbours[m] ?? []) if (this.#isLive(t)) this.#enableMoves(t);
    if (this.#where[m] === 3) {
      if (this.#moveRelated(m)) {
        this.#where[m] = 2;
        this.#freeze.push(m);
      } else {
        this.#where[m] = 1;
        this.#simplify.push(m);
      }
    }
  }

  #enableMoves(r: Reg): void {
    for (const m of this.#movesOf[r] ?? []) {
      if (m.state === "active") {
        m.state = "worklist";
        this.#worklistMoves.push(m);
      }
    }
  }

  /** Follows joins to the register that stands for `r`. */
  find(r: Reg): Reg {
    let at = r;
    while (this.#where[at] === 5) at = this.#alias[at] as number;
    return at;
  }

  #addWork(r: Reg): void {
    if (r >= FIRST_VIRTUAL && this.#where[r] === 2 && !this.#moveRelated(r) && (this.#degree[r] as number) < COLOURS) {
      this.#where[r] = 1;
      this.#simplify.push(r);
    }
  }

  #coalesce(move: Move): void {
    let u = this.find(move.dst);
    let v = this.find(move.src);
    if (v < FIRST_VIRTUAL) [u, v] = [v, u];
    if (u === v) {
      move.state = "done";
      this.#addWork(u);
      return;
    }
    if (v < FIRST_VIRTUAL || this.#edges.has(u, v)) {
      move.state = "done";
      this.#addWork(u);
      this.#addWork(v);
      return;
    }
    const safe =
      u < FIRST_VIRTUAL ? this.#george(u, v) : this.#briggs(u, v) || this.#george(u, v) || this.#george(v, u);
    if (safe) {
      move.state = "done";
      this.#combine(u, v);
      this.#addWork(u);
    } else move.state = "active";
  }

  /** Every neighbour of v is harmless beside u. */
  #george(u: Reg, v: Reg): boolean {
    for (const t of this.#neighbours[v] ?? []) {
      if (!this.#isLive(t)) continue;
      if (
        t < FIRST_VIRTUAL
          ? u >= FIRST_VIRTUAL && !this.#edges.has(t, u)
          : (this.#degree[t] as number) >= COLOURS && !this.#edges.has(t, u)
      ) {
        return false;
      }
    }
    return true;
  }

  #briggs(u: Reg, v: Reg): boolean {
    const seen = new Set<Reg>();
    let heavy = 0;
    for (const side of [u, v]) {
      for (const t of this.#neighbours[side] ?? []) {
        if (!this.#isLive(t) || seen.has(t)) continue;
        seen.add(t);
        let degree = this.#degree[t] as number;
        // A common neighbour loses one.
        if (t >= FIRST_VIRTUAL && this.#edges.has(t, u) && this.#edges.has(t, v)) degree--;
        if (degree >= COLOURS) heavy++;
      }
    }
    return heavy < COLOURS;
  }

  #combine(u: Reg, v: Reg): void {
    this.#where[v] = 5;
    this.#alias[v] = u;
    this.#prices = null;
    this.#movesOf[u]?.push(...(this.#movesOf[v] ?? []));
    for (const t of this.#neighbours[v] ?? []) {
      if (!this.#isLive(t)) continue;
      const known = this.#edges.has(t, u);
      this.#connect(t, u);
      // t had v and u; it has one of them now.
      if (known) this.#decrement(t);
      else if (t >= FIRST_VIRTUAL) this.#degree[t] = (this.#degree[t] as number) - 1;
    }
    if (u >= FIRST_VIRTUAL && (this.#degree[u] as number) >= COLOURS && this.#where[u] === 2) this.#where[u] = 3;
  }

  #freezeMoves(r: Reg): void {
    for (const m of this.#movesOf[r] ?? []) {
      if (m.state === "done") continue;
      m.state = "done";
      const a = this.find(m.dst);
      const b = this.find(m.src);
      this.#addWork(a === this.find(r) ? b : a);
    }
  }

  #victim(): Reg {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let r = FIRST_VIRTUAL; r < this.#n; r++) {
      if (this.#where[r] !== 3) continue;
      const price = this.#price(r) / (this.#degree[r] as number);
      if (best < 0 || price < least) {
        best = r;
        least = price;
      }
    }
    return best;
  }

  #prices: Float64Array | null = null;

  /** Cost of a register and of all that are joined with it. */
  #price(r: Reg): number {
    if (this.#prices === null) {
      const prices = new Float64Array(this.#n);
      for (let i = FIRST_VIRTUAL; i < this.#n; i++) {
        if (this.#used[i] === 1) {
          const rep = this.find(i);
          prices[rep] = (prices[rep] as number) + this.#costs(i);
        }
      }
      this.#prices = prices;
    }
    return this.#prices[r] as number;
  }

  #assign(): Colouring {
    const colour = new Int32Array(this.#n).fill(-1);
    for (let r = 0; r < FIRST_VIRTUAL; r++) colour[r] = r;
    const spilled: Reg[] = [];
    for (let r = this.#stack.pop(); r !== undefined; r = this.#stack.pop()) {
      let taken = 0;
      for (const t of this.#neighbours[r] ?? []) {
        const c = colour[this.find(t)] as number;
        if (c >= 0) taken |= 1 << c;
      }
      const c = this.#choose(r, taken, colour);
      if (c < 0) spilled.push(r);
      colour[r] = c;
    }
    for (let r = FIRST_VIRTUAL; r < this.#n; r++) if (this.#where[r] === 5) colour[r] = colour[this.find(r)] as number;
    return { colour, alias: (r) => this.find(r), spilled, degree: this.#original };
  }

  /** A free colour, best that of a register that it is moved from or to. */
  #choose(r: Reg, taken: number, colour: Int32Array): number {
    let best = -1;
    let most = 0;
    for (const m of this.#movesOf[r] ?? []) {
      const a = this.find(m.dst);
      const other = a === r ? this.find(m.src) : a;
      const c = colour[other] as number;
      if (c >= 0 && c < COLOURS && ((taken >>> c) & 1) === 0 && m.weight > most) {
        best = c;
        most = m.weight;
      }
    }
    if (best >= 0) return best;
    return PREFERENCE.find((c) => ((taken >>> c) & 1) === 0) ?? -1;
  }
}
