import type { IrBlock, IrDebugRecord, IrFunction, IrInstruction, IrModule, IrValue } from "../module.ts";
import { elementType, type IrType, offsetOf, sizeOf, storeSizeOf } from "../types.ts";

/** A scalar is the unsigned reading of its width; an aggregate a list. */
export type Value = bigint | readonly Value[];

export const BUFFER_BASE = 0x10000n;

const MAX_STEPS = 2_000_000;

/** Is told what a run comes to. Values are those that a debug record names, in their order; null for one that is lost. */
export interface IrObserver {
  call(name: string): void;
  block(index: number): void;
  record(record: IrDebugRecord, values: readonly (bigint | null)[]): void;
  leave(): void;
}

/** Tells what a helper call returns; arguments as given. */
export type HelperModel = (id: number, args: readonly bigint[]) => bigint;

/**
 * What a module means, by the rules of LLVM's language reference and nothing of this compiler's: the judge of its code where
 * no other compiler is at hand. Memory is one flat buffer at {@link BUFFER_BASE} and whatever functions allocate.
 */
export class IrInterpreter {
  readonly #functions: ReadonlyMap<string, IrFunction>;
  readonly #helper: HelperModel;
  readonly memory = new Map<bigint, number>();
  #top = 0x10_0000n;
  #steps = 0;

  readonly #globals = new Map<string, bigint>();
  observer: IrObserver | null = null;

  constructor(module: IrModule, helper: HelperModel) {
    this.#functions = new Map(module.functions.map((f) => [f.name, f]));
    this.#helper = helper;
    for (const g of module.globals) {
      const at = (this.#top + 63n) & ~63n;
      this.#globals.set(g.name, at);
      this.#top = at + BigInt(sizeOf(g.type) + 64);
    }
    for (const g of module.globals) {
      if (g.initialiser !== null) this.#initialise(this.#globals.get(g.name) as bigint, g.initialiser);
    }
  }

  #initialise(at: bigint, value: IrValue): void {
    if (value.kind === "bytes") this.place(value.bytes, at);
    else if (value.kind === "aggregate") {
      value.elements.forEach((e, i) => {
        this.#initialise(at + BigInt(offsetOf(value.type, i)), e);
      });
    } else if (value.kind === "int" || value.kind === "global") this.#store(at, value.type, this.#value([], value));
  }

  /** Where globals lie. */
  get globals(): ReadonlyMap<string, bigint> {
    return this.#globals;
  }

  place(bytes: Uint8Array, at: bigint): void {
    bytes.forEach((b, i) => {
      this.memory.set(at + BigInt(i), b);
    });
  }

  bytesAt(at: bigint, size: number): Uint8Array {
    return Uint8Array.from({ length: size }, (_, i) => this.memory.get(at + BigInt(i)) ?? 0);
  }

  call(name: string, args: readonly Value[]): Value {
    const fn = this.#functions.get(name);
    if (fn === undefined) throw new Error(`no function ${name}`);
    this.observer?.call(name);
    const values: Value[] = [...args];
    let block = 0;
    let previous = -1;
    for (;;) {
      const { instructions, records } = fn.blocks[block] as IrBlock;
      this.observer?.block(block);
      let told = 0;
      const phis: [number, Value][] = [];
      for (const insn of instructions) {
        if (insn.op !== "phi") break;
        const value = insn.incoming.find((i) => i.block === previous)?.value;
        phis.push([insn.result, this.#value(values, value as IrValue)]);
      }
      for (const [index, value] of phis) values[index] = value;
      let next = -1;
      for (const [i, insn] of instructions.entries()) {
        if (++this.#steps > MAX_STEPS) throw new Error("the program does not end");
        if (this.observer !== null) {
          for (let r = records[told]; r !== undefined && r.before <= i; r = records[++told]) this.#tell(values, r);
        }
        if (insn.op === "phi") continue;
        if (insn.op === "ret") {
          this.observer?.leave();
          return insn.value === null ? 0n : this.#value(values, insn.value);
        }
        if (insn.op === "br") next = insn.target;
        else if (insn.op === "condbr") {
          next = (this.#value(values, insn.condition) as bigint) === 1n ? insn.taken : insn.otherwise;
        } else if (insn.op === "switch") {
          const value = this.#value(values, insn.value);
          next = insn.cases.find((c) => c.value === value)?.block ?? insn.otherwise;
        } else {
          const result = this.#execute(values, insn);
          if (insn.result >= 0) values[insn.result] = result;
        }
      }
      if (next < 0) throw new Error("control ran off a block");
      previous = block;
      block = next;
    }
  }

  #tell(values: readonly Value[], record: IrDebugRecord): void {
    const told = record.values.map((v) => {
      const value = v.kind === "undef" ? undefined : this.#value(values, v);
      return typeof value === "bigint" ? value : null;
    });
    this.observer?.record(record, told);
  }

  #value(values: readonly Value[], value: IrValue): Value {
    switch (value.kind) {
      case "local":
        return values[value.index] as Value;
      case "int":
        return value.value;
      case "zero":
      case "undef":
        return zeroValue(value.type);
      case "aggregate":
        return value.elements.map((e) => this.#value(values, e));
      case "global":
        return BigInt.asUintN(64, (this.#globals.get(value.name) ?? 0n) + BigInt(value.addend));
      default:
        throw new Error(`value of kind ${value.kind}`);
    }
  }

  #number(values: readonly Value[], value: IrValue): bigint {
    return this.#value(values, value) as bigint;
  }

  #load(at: bigint, type: IrType): Value {
    if (type.kind === "array" || type.kind === "struct") {
      const count = type.kind === "array" ? type.count : type.fields.length;
      return Array.from({ length: count }, (_, i) =>
        this.#load(at + BigInt(offsetOf(type, i)), elementType(type, i) as IrType),
      );
    }
    let value = 0n;
    const size = storeSizeOf(type);
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.memory.get(at + BigInt(i)) ?? 0);
    return BigInt.asUintN(widthOf(type), value);
  }

  #store(at: bigint, type: IrType, value: Value): void {
    if (typeof value !== "bigint") {
      value.forEach((element, i) => {
        this.#store(at + BigInt(offsetOf(type, i)), elementType(type, i) as IrType, element);
      });
      return;
    }
    for (let i = 0; i < storeSizeOf(type); i++) {
      this.memory.set(at + BigInt(i), Number((value >> BigInt(8 * i)) & 255n));
    }
  }

  #execute(values: readonly Value[], insn: IrInstruction): Value {
    const n = (v: IrValue): bigint => this.#number(values, v);
    switch (insn.op) {
      case "binary":
        return binary(insn.operator, n(insn.a), n(insn.b), widthOf(insn.type));
      case "icmp":
        return compare(insn.predicate, n(insn.a), n(insn.b), widthOf(insn.a.type)) ? 1n : 0n;
      case "cast": {
        const value = n(insn.value);
        const to = widthOf(insn.type);
        return BigInt.asUintN(to, insn.cast === "sext" ? BigInt.asIntN(widthOf(insn.value.type), value) : value);
      }
      case "select":
        return this.#value(values, n(insn.condition) === 1n ? insn.a : insn.b);
      case "freeze":
        return this.#value(values, insn.value);
      case "alloca": {
        const at = this.#top;
        this.#top += BigInt(sizeOf(insn.allocated) + 64);
        return (at + 63n) & ~63n;
      }
      case "load":
        return this.#load(n(insn.address), insn.type);
      case "store":
        this.#store(n(insn.address), insn.value.type, this.#value(values, insn.value));
        return 0n;
      case "gep": {
        let at = n(insn.base);
        let type = insn.source;
        insn.indices.forEach((index, i) => {
          const k = BigInt.asIntN(widthOf(index.type), n(index));
          if (i === 0) at += k * BigInt(sizeOf(type));
          else {
            at += type.kind === "array" ? k * BigInt(sizeOf(type.element)) : BigInt(offsetOf(type, Number(k)));
            type = elementType(type, Number(k)) as IrType;
          }
        });
        return BigInt.asUintN(64, at);
      }
      case "extractvalue":
        return insn.path.reduce<Value>((v, i) => (v as readonly Value[])[i] as Value, this.#value(values, insn.value));
      case "insertvalue": {
        const whole = [...(this.#value(values, insn.value) as readonly Value[])];
        whole[insn.path[0] as number] = this.#value(values, insn.element);
        return whole;
      }
      case "atomicrmw": {
        const at = n(insn.address);
        const old = this.#load(at, insn.value.type) as bigint;
        const operand = n(insn.value);
        const operator = insn.operator as "add" | "sub" | "and" | "or" | "xor" | "xchg";
        const value = operator === "xchg" ? operand : binary(operator, old, operand, widthOf(insn.value.type));
        this.#store(at, insn.value.type, value);
        return old;
      }
      case "cmpxchg": {
        const at = n(insn.address);
        const old = this.#load(at, insn.expected.type) as bigint;
        const same = old === n(insn.expected);
        if (same) this.#store(at, insn.expected.type, n(insn.desired));
        return [old, same ? 1n : 0n];
      }
      case "fence":
        return 0n;
      case "call": {
        if ("template" in insn.callee)
          return insn.args.length === 0 ? 0n : n((insn.args[0] as { value: IrValue }).value);
        const args = insn.args.map((a) => this.#value(values, a.value));
        if (insn.callee.kind === "local") {
          // At -O0 a helper's number is loaded from a variable.
          const id = this.#number(values, insn.callee);
          return BigInt.asUintN(widthOf(insn.type), this.#helper(Number(id), args as bigint[]));
        }
        if (insn.callee.kind === "int") {
          return BigInt.asUintN(widthOf(insn.type), this.#helper(Number(insn.callee.value), args as bigint[]));
        }
        if (insn.callee.kind !== "global") throw new Error("a call through a value");
        const name = insn.callee.name;
        if (name === "memcmp" || name === "bcmp") return this.#memcmp(args as bigint[]);
        return name.startsWith("llvm.") ? this.#intrinsic(name, insn, args as bigint[]) : this.call(name, args);
      }
      default:
        throw new Error(`cannot interpret ${insn.op}`);
    }
  }

  #memcmp([a = 0n, b = 0n, n = 0n]: readonly bigint[]): bigint {
    const [x, y] = [this.bytesAt(a, Number(n)), this.bytesAt(b, Number(n))];
    const at = x.findIndex((byte, i) => byte !== y[i]);
    return at < 0 ? 0n : BigInt.asUintN(32, BigInt((x[at] as number) - (y[at] as number)));
  }

  #intrinsic(name: string, insn: IrInstruction & { op: "call" }, args: readonly bigint[]): Value {
    const base = (/^llvm\.([a-z.]+?)\.(?:i\d|p0)/.exec(name)?.[1] ?? name).replace(/\.$/, "");
    const [a = 0n, b = 0n, c = 0n] = args;
    const type = (insn.args[0]?.value.type ?? insn.type) as IrType;
    const w = widthOf(type);
    const wrap = (x: bigint): bigint => BigInt.asUintN(w, x);
    const s = (x: bigint): bigint => BigInt.asIntN(w, x);
    switch (base) {
      case "lifetime.start":
      case "lifetime.end":
      case "llvm.assume":
        return 0n;
      case "memcpy":
      case "memmove":
        this.place(this.bytesAt(b, Number(c)), a);
        return 0n;
      case "memset":
        this.place(new Uint8Array(Number(c)).fill(Number(b)), a);
        return 0n;
      case "umin":
        return lesser(a, b);
      case "umax":
        return lesser(a, b) === a ? b : a;
      case "smin":
        return s(a) < s(b) ? a : b;
      case "smax":
        return s(a) > s(b) ? a : b;
      case "abs":
        return wrap(s(a) < 0n ? -s(a) : s(a));
      case "bswap":
        return fold(w / 8, (i) => ((a >> BigInt(8 * i)) & 255n) << BigInt(w - 8 - 8 * i));
      case "bitreverse":
        return fold(w, (i) => ((a >> BigInt(i)) & 1n) << BigInt(w - 1 - i));
      case "ctpop":
        return fold(w, (i) => (a >> BigInt(i)) & 1n, true);
      case "ctlz":
        return BigInt(w - (a === 0n ? 0 : a.toString(2).length));
      case "cttz":
        return BigInt(a === 0n ? w : (/0*$/.exec(a.toString(2))?.[0].length ?? 0));
      case "fshl":
      case "fshr": {
        const n = c % BigInt(w);
        const joined = (a << BigInt(w)) | b;
        return base === "fshl" ? wrap((joined << n) >> BigInt(w)) : wrap(joined >> n);
      }
      case "uadd.sat":
        return lesser(a + b, wrap(-1n));
      case "usub.sat":
        return a > b ? a - b : 0n;
      case "sadd.sat":
        return wrap(clamp(s(a) + s(b), w));
      case "ssub.sat":
        return wrap(clamp(s(a) - s(b), w));
      case "uadd.with.overflow":
        return [wrap(a + b), a + b !== wrap(a + b) ? 1n : 0n];
      case "usub.with.overflow":
        return [wrap(a - b), a < b ? 1n : 0n];
      case "umul.with.overflow":
        return [wrap(a * b), a * b !== wrap(a * b) ? 1n : 0n];
      case "sadd.with.overflow":
        return [wrap(s(a) + s(b)), s(a) + s(b) !== s(wrap(s(a) + s(b))) ? 1n : 0n];
      case "ssub.with.overflow":
        return [wrap(s(a) - s(b)), s(a) - s(b) !== s(wrap(s(a) - s(b))) ? 1n : 0n];
      case "smul.with.overflow":
        return [wrap(s(a) * s(b)), s(a) * s(b) !== s(wrap(s(a) * s(b))) ? 1n : 0n];
      case "ucmp":
        return BigInt.asUintN(widthOf(insn.type), a < b ? -1n : a > b ? 1n : 0n);
      case "scmp":
        return BigInt.asUintN(widthOf(insn.type), s(a) < s(b) ? -1n : s(a) > s(b) ? 1n : 0n);
      case "expect":
      case "expect.with.probability":
        return a;
      case "is.constant":
      case "experimental.noalias.scope.decl":
        return 0n;
      default:
        throw new Error(`intrinsic ${name}`);
    }
  }
}

function fold(count: number, part: (i: number) => bigint, add = false): bigint {
  let sum = 0n;
  for (let i = 0; i < count; i++) sum = add ? sum + part(i) : sum | part(i);
  return sum;
}

function clamp(x: bigint, w: number): bigint {
  const most = (1n << BigInt(w - 1)) - 1n;
  return x > most ? most : x < -most - 1n ? -most - 1n : x;
}

function zeroValue(type: IrType): Value {
  if (type.kind === "array") return Array.from({ length: type.count }, () => zeroValue(type.element));
  return type.kind === "struct" ? type.fields.map(zeroValue) : 0n;
}

function widthOf(type: IrType): number {
  return type.kind === "int" ? type.bits : 64;
}

function binary(operator: string, a: bigint, b: bigint, w: number): bigint {
  const s = (x: bigint): bigint => BigInt.asIntN(w, x);
  const wrap = (x: bigint): bigint => BigInt.asUintN(w, x);
  switch (operator) {
    case "add":
      return wrap(a + b);
    case "sub":
      return wrap(a - b);
    case "mul":
      return wrap(a * b);
    case "udiv":
      return a / b;
    case "urem":
      return a % b;
    case "sdiv":
      return wrap(s(a) / s(b));
    case "srem":
      return wrap(s(a) % s(b));
    case "shl":
      return wrap(a << b);
    case "lshr":
      return a >> b;
    case "ashr":
      return wrap(s(a) >> b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    default:
      throw new Error(`operator ${operator}`);
  }
}

function compare(predicate: string, a: bigint, b: bigint, w: number): boolean {
  const [x, y] = predicate.startsWith("s") ? [BigInt.asIntN(w, a), BigInt.asIntN(w, b)] : [a, b];
  switch (predicate) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "ugt":
    case "sgt":
      return x > y;
    case "uge":
    case "sge":
      return x >= y;
    case "ult":
    case "slt":
      return x < y;
    default:
      return x <= y;
  }
}

/** Math.min does not take bigint. */
function lesser(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}
