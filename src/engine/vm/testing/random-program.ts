import { nextBelow, nextU32, type Prng } from "../../base/prng.ts";
import type { Instruction } from "../../isa/instruction.ts";

/** Bytes of memory that r9 points to: a scratch area, then the results r0..r7. */
export const SCRATCH_BYTES = 128;
export const RESULT_BYTES = 64;

export interface RandomShape {
  /** Only what Linux's verifier accepts. */
  readonly kernel: boolean;
  /** About this many instructions. */
  readonly size: number;
  /** Loops go round at most this often. */
  readonly rounds: number;
  /** Looks up, updates and deletes in {@link RANDOM_MAPS} too. */
  readonly maps?: boolean;
}

/** Maps of programs with `maps`, behind the memory that r9 points to (map 0): keys of 4 bytes, values of 16. */
export const RANDOM_MAPS = [
  { type: "hash", entries: 24 },
  { type: "array", entries: 16 },
  { type: "hash", entries: 64 },
] as const;
/** Keys that such programs use, at most. */
export const RANDOM_KEYS = 32;

const WIDTHS = [0x00, 0x08, 0x10, 0x18];
const BYTES = [4, 2, 1, 8];
const ALU_KINDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
const JUMP_KINDS = [1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13];
const INTERESTING = [0, 1, -1, 2, -2, 0x7fffffff, -0x80000000, 0xff, 0xffff, 0x8000, 0x80, 31, 32, 63, 64];

/**
 * A program that ends: r9 points to memory, r8 counts loops, r0..r7 hold numbers, which it stores behind the scratch area at its
 * end. No pointer ever becomes a number that is stored, so that its results mean the same on any machine.
 */
export function randomProgram(prng: Prng, shape: RandomShape): Instruction[] {
  return new Generator(prng, shape).program();
}

class Generator {
  readonly #prng: Prng;
  readonly #shape: RandomShape;
  #code: Instruction[] = [];
  readonly #calls: number[] = [];
  #inLoop = 0;
  #branches = 0;
  #loops = 0;

  constructor(prng: Prng, shape: RandomShape) {
    this.#prng = prng;
    this.#shape = shape;
  }

  program(): Instruction[] {
    this.#wide(9, 0, 0, 2);
    for (let r = 0; r <= 7; r++) this.#constant(r);
    this.#emit(0xb7, 8, 0, 0, 0);
    for (let i = 1; i <= 8; i++) this.#emit(0x7b, 10, i - 1, -8 * i, 0);
    while (this.#code.length < this.#shape.size) this.#statement(2);
    for (let r = 0; r <= 7; r++) this.#emit(0x7b, 9, r, SCRATCH_BYTES + 8 * r, 0);
    this.#emit(0x95, 0, 0, 0, 0);
    if (this.#calls.length > 0) {
      const start = this.#code.length;
      this.#subprogram();
      for (const at of this.#calls) {
        this.#code[at] = { ...(this.#code[at] as Instruction), imm: start - at - 1 };
      }
    }
    return this.#code;
  }

  #emit(opcode: number, dst: number, src: number, off: number, imm: number): void {
    this.#code.push({ opcode, dst, src, off, imm: imm | 0 });
  }

  #below(n: number): number {
    return nextBelow(this.#prng, n);
  }

  #pick(from: readonly number[]): number {
    return from[this.#below(from.length)] as number;
  }

  #imm(): number {
    const kind = this.#below(4);
    if (kind === 0) return this.#pick(INTERESTING);
    if (kind === 1) return this.#below(256) - 128;
    return nextU32(this.#prng) | 0;
  }

  #wide(dst: number, low: number, high: number, src = 0): void {
    this.#emit(0x18, dst, src, 0, low);
    this.#emit(0, 0, 0, 0, high);
  }

  #constant(r: number): void {
    if (this.#below(2) === 0) this.#wide(r, this.#imm(), this.#imm());
    else this.#emit(this.#below(2) === 0 ? 0xb7 : 0xb4, r, 0, 0, this.#imm());
  }

  #statement(depth: number): void {
    if (this.#shape.maps === true && this.#below(5) === 0) {
      this.#mapOperation();
      return;
    }
    const kind = this.#below(20);
    if (kind < 9) this.#alu();
    else if (kind < 13) this.#memory();
    else if (kind < 14) this.#atomic();
    else if (kind < 17 && depth > 0) this.#branch(depth);
    else if (kind < 18 && depth > 0 && this.#inLoop === 0 && this.#loops < 6) this.#loop(depth);
    else if (kind < 19 && this.#inLoop === 0 && this.#calls.length < 4) this.#call();
    else this.#rotation();
  }

  /** One call on a map; its outcome is stored, and r0..r5 are numbers again behind it. */
  #mapOperation(): void {
    const map = 1 + this.#below(RANDOM_MAPS.length);
    const key = this.#below(8);
    this.#emit(0xbf, 1, key, 0, 0);
    this.#emit(0x57, 1, 0, 0, RANDOM_KEYS - 1);
    this.#emit(0x63, 10, 1, -68, 0);
    const operation = this.#below(5);
    if (operation === 3) {
      this.#emit(0x7b, 10, 6, -88, 0);
      this.#emit(0x7b, 10, 7, -80, 0);
    }
    this.#wide(1, map, 0, 1);
    this.#emit(0xbf, 2, 10, 0, 0);
    this.#emit(0x07, 2, 0, 0, -68);
    if (operation < 3) {
      this.#emit(0x85, 0, 0, 0, 1);
      const found = this.#code.length;
      this.#emit(this.#below(2) === 0 ? 0x15 : 0x55, 0, 0, 0, 0);
      const whenFound = (this.#code[found] as Instruction).opcode === 0x15;
      if (!whenFound) {
        this.#emit(0x05, 0, 0, 0, 0);
        this.#patch(found);
      }
      const width = this.#below(4);
      const off = (BYTES[width] as number) * this.#below(16 / (BYTES[width] as number));
      if (operation === 0) this.#emit(0x61 | (WIDTHS[width] as number), 7, 0, off, 0);
      else if (operation === 1) this.#emit(0x63 | (WIDTHS[width] as number), 0, 6, off, 0);
      else this.#emit(0xdb, 0, 6, 8 * this.#below(2), 1);
      this.#patch(whenFound ? found : found + 1);
      this.#emit(0xb7, 0, 0, 0, 0);
    } else if (operation === 3) {
      this.#emit(0xbf, 3, 10, 0, 0);
      this.#emit(0x07, 3, 0, 0, -88);
      this.#emit(0xb7, 4, 0, 0, this.#pick([0, 0, 1, 2, 3]));
      this.#emit(0x85, 0, 0, 0, 2);
    } else this.#emit(0x85, 0, 0, 0, 3);
    this.#emit(0x7b, 9, 0, 8 * this.#below(SCRATCH_BYTES / 8), 0);
    for (let r = 0; r <= 5; r++) this.#constant(r);
  }

  /** The idiom by which compilers rotate, or nearly it. */
  #rotation(): void {
    const wide = this.#below(2) === 0;
    const group = wide ? 7 : 4;
    const bits = wide ? 64 : 32;
    const v = this.#below(8);
    const t = (v + 1 + this.#below(7)) % 8;
    const left = 1 + this.#below(bits - 1);
    const right = this.#below(5) === 0 ? this.#below(bits) : bits - left;
    this.#emit(0xb8 | (this.#below(4) === 0 ? 4 : group), t, v, 0, 0);
    const shifts = [() => this.#emit(0x70 | group, t, 0, 0, right), () => this.#emit(0x60 | group, v, 0, 0, left)];
    if (this.#below(2) === 0) shifts.reverse();
    shifts[0]?.();
    if (this.#below(3) === 0) this.#alu();
    shifts[1]?.();
    const join = this.#pick([0x48, 0xa8, 0x08]);
    if (this.#below(2) === 0) this.#emit(join | group, v, t, 0, 0);
    else this.#emit(join | group, t, v, 0, 0);
  }

  #alu(): void {
    const kind = this.#pick(ALU_KINDS);
    const wide = this.#below(2) === 0;
    const byRegister = this.#below(2) === 0;
    const d = this.#below(8);
    const s = this.#below(8);
    const group = wide ? 7 : 4;
    let imm = this.#imm();
    if (kind === 13) {
      this.#emit(0xd0 | (wide || !byRegister ? 0 : 8) | group, d, 0, 0, this.#pick([16, 32, 64]));
      return;
    }
    if (kind === 8) {
      this.#emit(0x80 | group, d, 0, 0, 0);
      return;
    }
    let off = 0;
    if ((kind === 3 || kind === 9) && this.#below(2) === 0) off = 1;
    if (kind === 11 && byRegister && this.#below(2) === 0) off = this.#pick(wide ? [8, 16, 32] : [8, 16]);
    if (!byRegister && this.#shape.kernel) {
      if ((kind === 3 || kind === 9) && imm === 0) imm = 1;
      if (kind === 6 || kind === 7 || kind === 12) imm = this.#below(wide ? 64 : 32);
    }
    this.#emit((kind << 4) | (byRegister ? 8 : 0) | group, d, byRegister ? s : 0, off, byRegister ? 0 : imm);
  }

  /** A place of `bytes` bytes: in the scratch area or on the stack. */
  #place(bytes: number): { base: number; off: number } {
    const aligned = this.#shape.kernel || this.#below(2) === 0;
    if (this.#below(2) === 0) {
      const off = this.#below(SCRATCH_BYTES - bytes + 1);
      return { base: 9, off: aligned ? off - (off % bytes) : off };
    }
    const off = this.#below(64 - bytes + 1);
    return { base: 10, off: -64 + (aligned ? off - (off % bytes) : off) };
  }

  #memory(): void {
    const which = this.#below(4);
    const bytes = BYTES[which] as number;
    const width = WIDTHS[which] as number;
    const { base, off } = this.#place(bytes);
    const kind = this.#below(4);
    const r = this.#below(8);
    if (kind === 0) this.#emit(0x61 | width, r, base, off, 0);
    else if (kind === 1 && bytes < 8) this.#emit(0x81 | width, r, base, off, 0);
    else if (kind === 2) this.#emit(0x62 | width, base, 0, off, this.#imm());
    else this.#emit(0x63 | width, base, r, off, 0);
  }

  #atomic(): void {
    const wide = this.#below(2) === 0;
    const bytes = wide ? 8 : 4;
    const found = this.#place(bytes);
    const off = found.off - (((found.off % bytes) + bytes) % bytes);
    const operation = this.#pick([0, 1, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110]);
    const r = this.#below(8);
    const opcode = wide ? 0xdb : 0xc3;
    if (operation === 0x100) this.#emit(opcode, r, found.base, off, operation);
    else this.#emit(opcode, found.base, r, off, operation);
    // Linux 6.18 on x86-64 leaves the upper half of r0 as it was where a 32-bit exchange succeeds on a path that its verifier
    // pruned: it forgets to extend the result there. The RFC says that the result is zero-extended, and so do the engines.
    if (operation === 0xf1 && !wide && this.#shape.kernel) this.#emit(0xbc, 0, 0, 0, 0);
  }

  #condition(off: number): void {
    const byRegister = this.#below(2) === 0;
    const group = this.#below(2) === 0 ? 5 : 6;
    this.#emit(
      (this.#pick(JUMP_KINDS) << 4) | (byRegister ? 8 : 0) | group,
      this.#below(8),
      byRegister ? this.#below(8) : 0,
      off,
      byRegister ? 0 : this.#imm(),
    );
  }

  #block(depth: number, most: number): void {
    const count = 1 + this.#below(most);
    for (let i = 0; i < count; i++) this.#statement(depth - 1);
  }

  #patch(at: number): void {
    const insn = this.#code[at] as Instruction;
    const distance = this.#code.length - at - 1;
    this.#code[at] = insn.opcode === 0x06 ? { ...insn, imm: distance } : { ...insn, off: distance };
  }

  #branch(depth: number): void {
    if (this.#shape.kernel && (this.#branches > 12 || this.#inLoop > 0)) {
      this.#alu();
      return;
    }
    this.#branches++;
    const at = this.#code.length;
    this.#condition(0);
    this.#block(depth, 4);
    if (this.#below(2) === 0) {
      const out = this.#code.length;
      if (this.#below(2) === 0) this.#emit(0x05, 0, 0, 0, 0);
      else this.#emit(0x06, 0, 0, 0, 0);
      this.#patch(at);
      this.#block(depth, 3);
      this.#patch(out);
    } else this.#patch(at);
  }

  #loop(depth: number): void {
    this.#loops++;
    this.#inLoop++;
    this.#emit(0xb7, 8, 0, 0, 1 + this.#below(this.#shape.rounds));
    // Sometimes control enters in the middle: a graph that no nesting of loops draws.
    const entry = this.#below(4) === 0 && !this.#shape.kernel ? this.#code.length : -1;
    if (entry >= 0) this.#condition(0);
    const head = this.#code.length;
    this.#block(depth, 4);
    if (entry >= 0) {
      this.#patch(entry);
      this.#block(depth, 3);
    }
    this.#emit(0x17, 8, 0, 0, 1);
    const back = this.#code.length;
    this.#emit(0x55, 8, 0, head - back - 1, 0);
    this.#inLoop--;
  }

  #call(): void {
    this.#calls.push(this.#code.length);
    this.#emit(0x85, 0, 1, 0, 0);
    for (let r = 1; r <= 5; r++) this.#constant(r);
  }

  /** Five numbers in, one out; r6..r9 are its own. */
  #subprogram(): void {
    this.#inLoop = 1;
    this.#branches = 0;
    for (const r of [0, 6, 7]) this.#constant(r);
    for (let i = 1; i <= 8; i++) this.#emit(0x7b, 10, i - 1, -8 * i, 0);
    const from = this.#code.length;
    while (this.#code.length < from + 12) {
      const kind = this.#below(3);
      if (kind < 2) this.#alu();
      else {
        const off = -8 * (1 + this.#below(8));
        if (this.#below(2) === 0) this.#emit(0x79, this.#below(8), 10, off, 0);
        else this.#emit(0x7b, 10, this.#below(8), off, 0);
      }
    }
    this.#emit(0x95, 0, 0, 0, 0);
  }
}
