import type { IrFunction, IrInstruction, IrValue } from "../../ir/module.ts";
import type { IrType } from "../../ir/types.ts";
import { storeSizeOf } from "../../ir/types.ts";

/**
 * How many low bits of a value's register can be set: `low` of its lower half (0..32), `all` of the whole (0..64). A value of
 * type iN lives in a register whose bits above N are arbitrary unless these say otherwise.
 */
export interface KnownBits {
  readonly low: Uint8Array;
  readonly all: Uint8Array;
}

export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** Bits of an integer type; 64 for pointers, 0 for anything else. */
export function bitsOf(type: IrType): number {
  return type.kind === "int" ? type.bits : type.kind === "ptr" ? 64 : 0;
}

/** Width at which a value of `bits` is computed. */
export function nativeWidth(bits: number, alu32: boolean): 32 | 64 {
  return alu32 && bits <= 32 ? 32 : 64;
}

/** The constant as its register will hold it: see `Selector.constant`. */
export function constantBits(value: bigint, bits: number, alu32: boolean): number {
  if (bits <= 32 && !alu32) return value >= 0x8000_0000n ? 64 : bitLength(value);
  return bitLength(value);
}

type Pair = readonly [low: number, all: number];

const MAX_ROUNDS = 8;

/** Forward analysis over the function; phis start from nothing and grow, and give up after a few rounds. */
export function findKnownBits(
  fn: IrFunction,
  alu32: boolean,
  signedLoads: boolean,
  isNarrow: (insn: IrInstruction) => boolean,
): KnownBits {
  const low = new Uint8Array(fn.valueCount);
  const all = new Uint8Array(fn.valueCount);
  fn.parameters.forEach((p, i) => {
    const bits = bitsOf(p.type);
    // The caller extends to 32 bits and no further.
    low[i] = p.extension === "zero" ? Math.min(32, bits) : 32;
    all[i] = 64;
  });
  const loads = new Set<number>();
  if (signedLoads) {
    for (const block of fn.blocks)
      for (const insn of block.instructions) if (insn.op === "load") loads.add(insn.result);
  }
  const analysis = new Analysis(low, all, alu32, loads, isNarrow);
  for (let round = 0; ; round++) {
    let changed = false;
    for (const block of fn.blocks) {
      for (const insn of block.instructions) {
        if (insn.result < 0) continue;
        let [l, a] = analysis.transfer(insn);
        if (insn.op === "phi" && round >= MAX_ROUNDS && (low[insn.result] !== l || all[insn.result] !== a)) {
          l = 32;
          a = 64;
        }
        if (low[insn.result] !== l || all[insn.result] !== a) {
          changed = true;
          low[insn.result] = l;
          all[insn.result] = a;
        }
      }
    }
    if (!changed) return { low, all };
  }
}

class Analysis {
  readonly #low: Uint8Array;
  readonly #all: Uint8Array;
  readonly #alu32: boolean;

  /** Loads that may extend a sign over the whole register. */
  readonly #loads: ReadonlySet<number>;

  readonly #isNarrow: (insn: IrInstruction) => boolean;

  constructor(
    low: Uint8Array,
    all: Uint8Array,
    alu32: boolean,
    loads: ReadonlySet<number>,
    isNarrow: (insn: IrInstruction) => boolean,
  ) {
    this.#isNarrow = isNarrow;
    this.#loads = loads;
    this.#low = low;
    this.#all = all;
    this.#alu32 = alu32;
  }

  of(value: IrValue): Pair {
    switch (value.kind) {
      case "local":
        return [this.#low[value.index] as number, this.#all[value.index] as number];
      case "int": {
        const all = constantBits(value.value, bitsOf(value.type), this.#alu32);
        return [Math.min(all, 32), all];
      }
      case "undef":
        return [0, 0];
      default:
        return [32, 64];
    }
  }

  /** Bits set in the part of the register that an operation of `width` sees. */
  at(value: IrValue, width: 32 | 64): number {
    return this.of(value)[width === 32 ? 0 : 1];
  }

  transfer(insn: IrInstruction): Pair {
    const bits = bitsOf(insn.type);
    if (bits === 0 || bits > 64) return [32, 64];
    const width = this.#alu32 && this.#isNarrow(insn) ? 32 : nativeWidth(bits, this.#alu32);
    const computed = (n: number): Pair => {
      const k = Math.max(0, Math.min(n, width));
      return [Math.min(k, 32), k];
    };
    switch (insn.op) {
      case "load":
        return computed(insn.ordering === null || insn.ordering === "unordered" ? storeSizeOf(insn.type) * 8 : 64);
      case "icmp":
        return [1, 1];
      case "binary":
        // Signed division may be done in 64 bits.
        if (insn.operator === "sdiv" || insn.operator === "srem") return [32, 64];
        return computed(this.#binary(insn, bits, width));
      case "cast":
        return this.#cast(insn, bits, width);
      case "select":
        return this.#join(this.of(insn.a), this.of(insn.b));
      case "phi":
        return insn.incoming.reduce<Pair>((sum, { value }) => this.#join(sum, this.of(value)), [0, 0]);
      case "freeze":
        return this.of(insn.value);
      case "atomicrmw":
        return bits <= 32 ? [bits, this.#alu32 ? bits : 64] : [32, 64];
      case "call": {
        const name =
          insn.callee !== null && "kind" in insn.callee && insn.callee.kind === "global" ? insn.callee.name : "";
        return this.#intrinsic(insn, name, bits, width);
      }
      default:
        return [32, 64];
    }
  }

  #intrinsic(insn: IrInstruction & { op: "call" }, name: string, bits: number, width: 32 | 64): Pair {
    const base = /^llvm\.([a-z]+)\./.exec(name)?.[1];
    const [a, b] = insn.args;
    switch (base) {
      case "bswap":
        return bits < 64 ? [Math.min(bits, 32), bits] : [32, 64];
      case "ctpop":
      case "ctlz":
      case "cttz": {
        const k = bitLength(BigInt(bits));
        return [k, k];
      }
      case "bitreverse":
        return [Math.min(bits, 32), bits];
      case "abs":
      case "fshl":
      case "fshr":
        return [32, width];
      case "umin":
      case "umax":
      case "smin":
      case "smax":
        if (a === undefined || b === undefined) return [32, 64];
        // Narrow signed operands are extended to the whole width first.
        if (base.startsWith("s") && bits < width) return [32, 64];
        return this.#join(this.#extended(a.value, bits, width), this.#extended(b.value, bits, width));
      default:
        return [32, 64];
    }
  }

  /** Bits of a value whose register is zero-extended from `bits` to `width` where it is not so already. */
  #extended(value: IrValue, bits: number, width: 32 | 64): Pair {
    return this.#zeroExtended(this.of(value), bits, width);
  }

  #join(a: Pair, b: Pair): Pair {
    return [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
  }

  #binary(insn: IrInstruction & { op: "binary" }, bits: number, width: 32 | 64): number {
    const a = this.at(insn.a, width);
    const b = this.at(insn.b, width);
    const constant = insn.b.kind === "int" ? insn.b.value : null;
    switch (insn.operator) {
      case "and":
        return Math.min(a, b);
      case "or":
      case "xor":
        return Math.max(a, b);
      case "add":
        return Math.max(a, b) + 1;
      case "mul":
        return a + b;
      case "shl":
        return constant === null ? width : a + Number(constant);
      case "lshr":
        return Math.min(a, bits) - (constant === null ? 0 : Number(constant));
      case "ashr":
        return a < bits ? a - (constant === null ? 0 : Number(constant)) : width;
      case "udiv":
        return Math.min(a, bits) - (constant === null || constant === 0n ? 0 : bitLength(constant) - 1);
      case "urem":
        // A remainder by a constant is x - q * d: the verifier sees no bound in that, so none is claimed.
        if (constant !== null && width === 32)
          return (constant & (constant - 1n)) === 0n ? bitLength(constant - 1n) : width;
        return constant === null || constant === 0n ? Math.min(a, bits) : Math.min(a, bits, bitLength(constant - 1n));
      default:
        return width;
    }
  }

  #cast(insn: IrInstruction & { op: "cast" }, bits: number, width: 32 | 64): Pair {
    const source = bitsOf(insn.value.type);
    const pair = this.of(insn.value);
    if (source === 0 || source > 64) return [32, 64];
    switch (insn.cast) {
      case "zext":
        return this.#zeroExtended(pair, source, width);
      case "sext": {
        const seen = width === 32 ? pair[0] : pair[1];
        // The sign bit is known to be 0: the same as a zero extension.
        if (seen < source) return this.#zeroExtended(pair, source, width);
        const byLoad = insn.value.kind === "local" && this.#loads.has(insn.value.index);
        return [32, width === 32 && !byLoad ? 32 : 64];
      }
      case "inttoptr":
      case "ptrtoint":
        return source < bits ? this.#zeroExtended(pair, source, width) : pair;
      default:
        return pair;
    }
  }

  #zeroExtended(pair: Pair, source: number, width: 32 | 64): Pair {
    const seen = width === 32 ? pair[0] : pair[1];
    if (seen <= source) return pair;
    const k = Math.min(pair[0], source, 64);
    if (source >= 32) return [Math.min(k, 32), source > 32 ? Math.min(pair[1], source) : Math.min(pair[0], 32)];
    return [k, k];
  }
}
