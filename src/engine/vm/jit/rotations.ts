import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_LSH,
  BPF_MOV,
  BPF_OR,
  BPF_RSH,
  BPF_X,
  BPF_XOR,
  LD_IMM64,
  OP_MASK,
} from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import type { Block } from "./control-flow.ts";
import type { FunctionCode } from "./function-code.ts";
import { ROTATE_LOCALS, ROTATE32_LOCAL, ROTATE64_LOCAL } from "./layout.ts";
import * as w from "./wasm-code.ts";

interface Shift {
  readonly left: boolean;
  readonly amount: number;
  /** Number of the value that was shifted. */
  readonly value: number;
  /** Which local keeps that value, and since when. */
  readonly keeper: number;
  readonly since: number;
}

/**
 * BPF has no rotation: compilers shift a value left and a copy of it right and join the two. Within a block this finds such pairs,
 * keeps the value that both came from in a local, and writes a rotation in the place of the joining instruction.
 */
export class Rotations {
  readonly #f: FunctionCode;
  /** Amounts that occur in the block, by width and direction: shifts without a counterpart are left alone. */
  readonly #amounts = {
    left64: new Set<number>(),
    right64: new Set<number>(),
    left32: new Set<number>(),
    right32: new Set<number>(),
  };
  /** Numbers of the values that the registers hold: all 64 bits, and the low 32. */
  readonly #values = { 64: new Int32Array(11), 32: new Int32Array(11) };
  readonly #shifts: Record<32 | 64, (Shift | null)[]> = { 64: new Array(11).fill(null), 32: new Array(11).fill(null) };
  readonly #kept: Record<32 | 64, { value: number; since: number }[]>;
  #next = 0;
  #turn = 0;
  #some = false;

  constructor(f: FunctionCode) {
    this.#f = f;
    const empty = () => Array.from({ length: ROTATE_LOCALS }, () => ({ value: -1, since: 0 }));
    this.#kept = { 64: empty(), 32: empty() };
  }

  /** Starts a block: nothing is known of its registers. */
  begin(program: Executable, block: Block): void {
    const amounts = this.#amounts;
    for (const set of Object.values(amounts)) set.clear();
    for (let i = block.start; i < block.end; i++) {
      const op = program.op[i] as number;
      const operation = op & OP_MASK;
      if ((op & BPF_X) === 0 && (operation === BPF_LSH || operation === BPF_RSH)) {
        const imm = program.imm[i] as number;
        if ((op & 7) === BPF_ALU64) (operation === BPF_LSH ? amounts.left64 : amounts.right64).add(imm);
        else if ((op & 7) === BPF_ALU) (operation === BPF_LSH ? amounts.left32 : amounts.right32).add(imm);
      }
      if (op === LD_IMM64) i++;
    }
    this.#some =
      (amounts.left64.size > 0 && amounts.right64.size > 0) || (amounts.left32.size > 0 && amounts.right32.size > 0);
    if (!this.#some) return;
    for (let r = 0; r < 11; r++) {
      this.#values[64][r] = this.#next++;
      this.#values[32][r] = this.#next++;
    }
    this.#shifts[64].fill(null);
    this.#shifts[32].fill(null);
  }

  /** To be asked before each instruction. True: a rotation was written in its place. */
  before(program: Executable, i: number): boolean {
    if (!this.#some) return false;
    const op = program.op[i] as number;
    const group = op & 7;
    const width = group === BPF_ALU64 ? 64 : group === BPF_ALU ? 32 : 0;
    const d = program.dst[i] as number;
    if (width === 0) return false;
    const s = program.src[i] as number;
    const operation = op & OP_MASK;
    if ((op & BPF_X) === 0) {
      if (operation === BPF_LSH || operation === BPF_RSH)
        this.#keep(width, operation === BPF_LSH, d, program.imm[i] as number);
      return false;
    }
    if (operation !== BPF_OR && operation !== BPF_XOR && operation !== BPF_ADD) return false;
    const a = this.#shifts[width][d];
    const b = this.#shifts[width][s];
    if (!a || !b || a.left === b.left || a.value !== b.value || a.amount + b.amount !== width) return false;
    const shift = this.#holds(width, a) ? a : this.#holds(width, b) ? b : null;
    if (shift === null) return false;
    const { code } = this.#f;
    code.get((width === 64 ? ROTATE64_LOCAL : ROTATE32_LOCAL) + shift.keeper);
    const amount = a.left ? a.amount : b.amount;
    if (width === 64) {
      code.i64(amount);
      code.byte(w.I64_ROTL);
    } else {
      code.i32(amount);
      code.byte(w.I32_ROTL);
      code.byte(w.I64_EXTEND_I32_U);
    }
    this.#f.set(d);
    return true;
  }

  /** To be told after each instruction. */
  after(program: Executable, i: number): void {
    if (!this.#some) return;
    const op = program.op[i] as number;
    const d = program.dst[i] as number;
    const s = program.src[i] as number;
    if (d > 10 || s > 10) return;
    const group = op & 7;
    if ((group === BPF_ALU64 || group === BPF_ALU) && (op & OP_MASK) === BPF_MOV && (op & BPF_X) !== 0) {
      if (program.off[i] === 0) {
        this.#values[32][d] = this.#values[32][s] as number;
        this.#shifts[32][d] = this.#shifts[32][s] ?? null;
        this.#values[64][d] = group === BPF_ALU64 ? (this.#values[64][s] as number) : this.#next++;
        this.#shifts[64][d] = group === BPF_ALU64 ? (this.#shifts[64][s] ?? null) : null;
        return;
      }
    }
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) {
      this.#wrote(d);
      this.#shifts[pending.width][d] = pending.shift;
    } else if (group === BPF_ALU64 || group === BPF_ALU) this.#wrote(d);
    else for (let r = 0; r < 10; r++) if (r === 0 || r === d || r === s) this.#wrote(r);
  }

  #pending: { readonly width: 32 | 64; readonly shift: Shift } | null = null;

  #wrote(r: number): void {
    this.#values[64][r] = this.#next++;
    this.#values[32][r] = this.#next++;
    this.#shifts[64][r] = null;
    this.#shifts[32][r] = null;
  }

  #holds(width: 32 | 64, shift: Shift): boolean {
    return this.#kept[width][shift.keeper]?.since === shift.since;
  }

  /** Keeps the value of `d` that is about to be shifted, if a counterpart may come. */
  #keep(width: 32 | 64, left: boolean, d: number, amount: number): void {
    this.#pending = null;
    const counterparts = this.#amounts[`${left ? "right" : "left"}${width}`];
    if (amount <= 0 || amount >= width || !counterparts.has(width - amount)) return;
    const value = this.#values[width][d] as number;
    const kept = this.#kept[width];
    let keeper = kept.findIndex((k) => k.value === value);
    if (keeper < 0) {
      keeper = this.#turn++ % ROTATE_LOCALS;
      kept[keeper] = { value, since: this.#next++ };
      const { code } = this.#f;
      if (width === 64) this.#f.get(d);
      else this.#f.low(d);
      code.set((width === 64 ? ROTATE64_LOCAL : ROTATE32_LOCAL) + keeper);
    }
    const since = kept[keeper]?.since as number;
    this.#pending = { width, shift: { left, amount, value, keeper, since } };
  }
}
