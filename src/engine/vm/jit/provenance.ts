import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_END,
  BPF_FETCH,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MOV,
  BPF_OR,
  BPF_PSEUDO_CALL,
  BPF_RSH,
  BPF_STORE_REL,
  BPF_STX,
  BPF_SUB,
  BPF_X,
  BPF_XOR,
  CALL,
  EXIT,
  LD_IMM64,
  MODE_MASK,
  OP_MASK,
  R10,
  SIZE_MASK,
} from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import { type Block, type ControlFlow, targetsOf } from "./control-flow.ts";

/** What a register may hold, as far as accesses through it differ. */
export const NOTHING = 0;
/** A 64-bit constant: `low`, `high`. */
export const CONSTANT = 1;
/** r10 plus a constant in `low`. */
export const STACK = 2;
/** Into the function's own stack, somewhere. */
export const STACK_SOMEWHERE = 3;
/** A number, or a pointer to anything but a program context. */
export const PLAIN = 4;
/** The program's context, or somewhere in it. */
export const CONTEXT = 5;
/** The beginning of the program's context. */
export const CONTEXT_START = 7;
/** Anything at all. */
export const ANYTHING = 6;

/** Values of r0..r10 at a place of a program. */
export class Registers {
  readonly kind = new Uint8Array(11);
  readonly low = new Int32Array(11);
  readonly high = new Int32Array(11);
  /** Registers (one bit each) whose upper half is known to be zero; all of them where no path has come yet. */
  narrow = -1;

  put(r: number, kind: number, low = 0, high = 0): void {
    this.kind[r] = kind;
    this.low[r] = low;
    this.high[r] = high;
  }

  copy(r: number, from: Registers, s: number): void {
    this.put(r, from.kind[s] as number, from.low[s] as number, from.high[s] as number);
  }

  assign(from: Registers): void {
    this.kind.set(from.kind);
    this.low.set(from.low);
    this.high.set(from.high);
    this.narrow = from.narrow;
  }

  /** Takes in what another path brings for `r`; true when that changed it. */
  join(r: number, from: Registers, s = r): boolean {
    const a = this.kind[r] as number;
    const b = from.kind[s] as number;
    if (b === NOTHING) return false;
    const same = a === b && this.low[r] === from.low[s] && this.high[r] === from.high[s];
    if (same || a === ANYTHING) return false;
    if (a === NOTHING) {
      this.copy(r, from, s);
      return true;
    }
    const kind = joinKinds(a, b);
    if (kind === a && a > STACK) return false;
    this.put(r, kind);
    return true;
  }

  joinAll(from: Registers): boolean {
    let changed = false;
    for (let r = 0; r < 11; r++) changed = this.join(r, from) || changed;
    const narrow = this.narrow & from.narrow;
    if (narrow !== this.narrow) changed = true;
    this.narrow = narrow;
    return changed;
  }
}

const isContext = (kind: number): boolean => kind === CONTEXT || kind === CONTEXT_START;
const isStack = (kind: number): boolean => kind === STACK || kind === STACK_SOMEWHERE;

function joinKinds(a: number, b: number): number {
  if (isStack(a) && isStack(b)) return STACK_SOMEWHERE;
  if (isContext(a) && isContext(b)) return a === b ? a : CONTEXT;
  if (isContext(a) || isContext(b) || a === ANYTHING || b === ANYTHING) return ANYTHING;
  return PLAIN;
}

export interface FunctionFacts {
  readonly flow: ControlFlow;
  /** Registers at the start of each block. */
  readonly at: readonly Registers[];
}

/**
 * Where pointers come from, for a program that the verifier accepted: only then does an access through {@link PLAIN} never meet
 * the context. What nothing is known about is {@link ANYTHING}, which costs a check at the access and no more.
 */
export class Provenance {
  readonly #program: Executable;
  readonly #flows: ReadonlyMap<number, ControlFlow>;
  /** The context may lie in memory, so any pointer that is loaded may be it. */
  contextInMemory = false;
  readonly #args = new Map<number, Registers>();
  readonly #returns = new Map<number, Registers>();
  readonly #callers = new Map<number, Set<number>>();
  readonly #blocks = new Map<number, Registers[]>();
  #pending: number[] = [];

  constructor(program: Executable, flows: ReadonlyMap<number, ControlFlow>) {
    this.#program = program;
    this.#flows = flows;
    this.#solve();
    if (this.contextInMemory) this.#solve();
  }

  /** Registers at the start of each block of the function that begins at `entry`. */
  blocks(entry: number): readonly Registers[] {
    return this.#blocks.get(entry) as Registers[];
  }

  #solve(): void {
    this.#args.clear();
    this.#returns.clear();
    this.#callers.clear();
    const called = new Set<number>();
    const program = this.#program;
    for (let i = 0; i < program.op.length; i++) {
      if (program.op[i] === CALL && program.src[i] === BPF_PSEUDO_CALL) called.add(i + 1 + (program.imm[i] as number));
    }
    for (const entry of this.#flows.keys()) {
      this.#returns.set(entry, new Registers());
      this.#callers.set(entry, new Set());
      const args = new Registers();
      args.put(R10, STACK, 0);
      if (entry === program.starts[0]) args.put(1, CONTEXT_START);
      // Callbacks get a map, a key, a value or a pointer into a stack; nobody can hand them the context.
      else if (!called.has(entry)) for (let r = 1; r <= 5; r++) args.put(r, PLAIN);
      this.#args.set(entry, args);
    }
    this.#pending = [...this.#flows.keys()];
    while (this.#pending.length > 0) this.#function(this.#pending.shift() as number);
  }

  #again(entry: number): void {
    if (!this.#pending.includes(entry)) this.#pending.push(entry);
  }

  #function(entry: number): void {
    const flow = this.#flows.get(entry) as ControlFlow;
    const at = flow.blocks.map(() => new Registers());
    (at[0] as Registers).assign(this.#args.get(entry) as Registers);
    (at[0] as Registers).narrow = 0;
    const dirty = flow.blocks.map((_, index) => index === 0);
    const now = new Registers();
    for (let changed = true; changed; ) {
      changed = false;
      for (let b = 0; b < flow.blocks.length; b++) {
        if (!dirty[b]) continue;
        dirty[b] = false;
        const block = flow.blocks[b] as Block;
        now.assign(at[b] as Registers);
        for (let i = block.start; i < block.end; i++) {
          this.step(now, i, entry);
          if (this.#program.op[i] === LD_IMM64) i++;
        }
        for (const to of targetsOf(block.exit)) {
          if ((at[to] as Registers).joinAll(now)) {
            dirty[to] = true;
            changed = true;
          }
        }
      }
    }
    this.#blocks.set(entry, at);
  }

  /** The effect of the instruction at slot `i` on `now`. `entry` is its function, -1 once everything is known. */
  step(now: Registers, i: number, entry = -1): void {
    const program = this.#program;
    const op = program.op[i] as number;
    const d = program.dst[i] as number;
    const s = program.src[i] as number;
    if (d > 10 || s > 10) return;
    now.narrow = narrowAfter(program, i, now.narrow);
    switch (op & 7) {
      case BPF_ALU64:
        this.#alu64(now, op, d, s, program.imm[i] as number, program.off[i] as number);
        break;
      case BPF_ALU:
        now.put(d, PLAIN);
        break;
      case BPF_LDX:
        now.put(
          d,
          this.contextInMemory && !isContext(now.kind[s] as number) && (op & SIZE_MASK) === 0x18 ? ANYTHING : PLAIN,
        );
        break;
      case BPF_STX: {
        const wide = (op & SIZE_MASK) === 0x18;
        if (wide && (isContext(now.kind[s] as number) || now.kind[s] === ANYTHING)) this.contextInMemory = true;
        if ((op & MODE_MASK) !== BPF_ATOMIC) break;
        const loaded = this.contextInMemory && wide ? ANYTHING : PLAIN;
        const imm = program.imm[i] as number;
        if (imm === BPF_LOAD_ACQ) now.put(d, loaded);
        else if (imm === 0xf1) now.put(0, loaded);
        else if ((imm & 1) !== 0) now.put(s, loaded);
        break;
      }
      default:
        if (op === LD_IMM64) {
          now.put(d, CONSTANT, program.imm[i] as number, program.immHigh[i] as number);
        } else if (op === CALL) {
          this.#call(now, i, s, entry);
        } else if (op === EXIT) {
          if (entry >= 0 && this.#returns.get(entry)?.join(0, now)) {
            for (const caller of this.#callers.get(entry) ?? []) this.#again(caller);
          }
        } else if ((op & 7) === 0) {
          now.put(0, PLAIN);
        }
    }
  }

  #call(now: Registers, i: number, s: number, entry: number): void {
    if (s !== BPF_PSEUDO_CALL) {
      now.put(0, PLAIN);
      return;
    }
    const target = i + 1 + (this.#program.imm[i] as number);
    const args = this.#args.get(target);
    if (args === undefined) {
      now.put(0, ANYTHING);
      return;
    }
    if (entry >= 0) {
      this.#callers.get(target)?.add(entry);
      let changed = false;
      for (let r = 1; r <= 5; r++) {
        // The callee's stack is another: a pointer into the caller's is no offset from its r10.
        const kind = now.kind[r] as number;
        const before = args.kind[r];
        if (isStack(kind)) {
          const other = new Registers();
          other.put(r, PLAIN);
          changed = args.join(r, other) || changed;
        } else changed = args.join(r, now) || changed;
        if (before !== args.kind[r]) changed = true;
      }
      if (changed) this.#again(target);
    }
    const result = this.#returns.get(target) as Registers;
    const kind = result.kind[0] as number;
    if (isStack(kind)) now.put(0, PLAIN);
    else now.copy(0, result, 0);
  }

  #alu64(now: Registers, op: number, d: number, s: number, imm: number, off: number): void {
    const code = op & OP_MASK;
    const kind = now.kind[d] as number;
    const byRegister = (op & BPF_X) !== 0;
    if (code === BPF_MOV) {
      if (!byRegister) now.put(d, CONSTANT, imm, imm >> 31);
      else if (off === 0) now.copy(d, now, s);
      else now.put(d, PLAIN);
      return;
    }
    const other = byRegister ? (now.kind[s] as number) : CONSTANT;
    if (code === BPF_ADD || code === BPF_SUB) {
      if (isContext(kind) || isContext(other) || kind === ANYTHING || other === ANYTHING) {
        now.put(d, isContext(kind) && !byRegister ? CONTEXT : ANYTHING);
      } else if (kind === STACK && !byRegister) {
        now.put(d, STACK, ((now.low[d] as number) + (code === BPF_ADD ? imm : -imm)) | 0);
      } else if (isStack(kind) && !isStack(other)) {
        now.put(d, STACK_SOMEWHERE);
      } else if (isStack(other) && !isStack(kind) && code === BPF_ADD) {
        now.put(d, STACK_SOMEWHERE);
      } else now.put(d, PLAIN);
      return;
    }
    now.put(d, kind === ANYTHING || other === ANYTHING || isContext(kind) || isContext(other) ? ANYTHING : PLAIN);
  }
}

const put = (narrow: number, r: number, zero: boolean): number => (zero ? narrow | r : narrow & ~r);

/** Which upper halves are zero behind the instruction at slot `i`. */
function narrowAfter(program: Executable, i: number, narrow: number): number {
  const op = program.op[i] as number;
  const d = 1 << (program.dst[i] as number);
  const s = 1 << (program.src[i] as number);
  const imm = program.imm[i] as number;
  const word = (op & SIZE_MASK) !== 0x18;
  switch (op & 7) {
    case BPF_ALU:
      return put(narrow, d, (op & OP_MASK) !== BPF_END || imm !== 64);
    case BPF_ALU64: {
      const byRegister = (op & BPF_X) !== 0;
      const other = byRegister ? (narrow & s) !== 0 : imm >= 0;
      const own = (narrow & d) !== 0;
      switch (op & OP_MASK) {
        case BPF_MOV:
          return put(narrow, d, other && program.off[i] === 0);
        case BPF_AND:
          return put(narrow, d, own || other);
        case BPF_OR:
        case BPF_XOR:
          return put(narrow, d, own && other);
        case BPF_RSH:
          return put(narrow, d, own || (!byRegister && (imm & 63) >= 32));
        default:
          return put(narrow, d, false);
      }
    }
    case BPF_LDX:
      return put(narrow, d, word && (op & MODE_MASK) === BPF_MEM);
    case BPF_STX:
      if ((op & MODE_MASK) !== BPF_ATOMIC) return narrow;
      if (imm === BPF_LOAD_ACQ) return put(narrow, d, word);
      if (imm === BPF_CMPXCHG) return put(narrow, 1, word);
      return (imm & BPF_FETCH) !== 0 && imm !== BPF_STORE_REL ? put(narrow, s, word) : narrow;
    case BPF_LD:
      return op === LD_IMM64 ? put(narrow, d, program.immHigh[i] === 0) : put(narrow, 1, true);
    default:
      return op === CALL ? put(narrow, 1, false) : narrow;
  }
}
