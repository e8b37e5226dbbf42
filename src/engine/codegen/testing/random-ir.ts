import { makePrng, nextBelow, type Prng } from "../../base/prng.ts";

/** Bytes of the buffer that a generated function takes. */
export const RANDOM_BUFFER = 256;

const WIDTHS = [1, 8, 16, 32, 64] as const;
const PREDICATES = ["eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle"];
const BINARY = ["add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "udiv", "urem", "sdiv", "srem"];

/**
 * IR of a function `i64 @test(ptr buffer)`, with helpers of its own, that ends and has no undefined behaviour: shifts are
 * masked, divisors are not zero, indices stay inside. The same seed gives the same text.
 */
export function randomIr(seed: number, size: number): string {
  return new Generator(seed, size).module();
}

interface Pool {
  readonly values: { readonly name: string; readonly bits: number }[];
}

class Generator {
  readonly #prng: Prng;
  readonly #size: number;
  #lines: string[] = [];
  #next = 0;
  #pool: Pool = { values: [] };
  #block = "entry";
  readonly #declared = new Set<string>();
  #local = false;

  constructor(seed: number, size: number) {
    this.#prng = makePrng(seed);
    this.#size = size;
  }

  module(): string {
    const sub = this.#function(
      "define internal i64 @sub(i64 %a, i32 %b, i8 zeroext %c)",
      ["i64:%a", "i32:%b", "i8:%c"],
      8,
    );
    this.#local = true;
    const main = this.#function("define i64 @test(ptr %buf)", [], this.#size);
    return [...sub, ...main, ...this.#declared].join("\n");
  }

  #below(n: number): number {
    return nextBelow(this.#prng, n);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #name(): string {
    return `%v${this.#next++}`;
  }

  #emit(line: string): void {
    this.#lines.push(`  ${line}`);
  }

  #define(bits: number, text: string): string {
    const name = this.#name();
    this.#emit(`${name} = ${text}`);
    this.#pool.values.push({ name, bits });
    return name;
  }

  #enter(label: string): void {
    this.#lines.push(`${label}:`);
    this.#block = label;
  }

  #function(head: string, parameters: readonly string[], size: number): string[] {
    this.#lines = [`${head} {`];
    this.#next = 0;
    this.#pool = { values: [] };
    this.#enter("entry");
    for (const p of parameters) {
      const [type = "", name = ""] = p.split(":");
      this.#pool.values.push({ name, bits: Number(type.slice(1)) });
    }
    const main = parameters.length === 0;
    if (main) {
      this.#emit("%frame = alloca [64 x i8], align 8");
      this.#emit("call void @llvm.memset.p0.i64(ptr align 8 %frame, i8 7, i64 64, i1 false)");
      this.#declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)");
      for (let i = 0; i < 4; i++) this.#load();
    }
    this.#statements(size, main, 0);
    let sum = this.#value(64);
    for (const { name, bits } of this.#pool.values.slice(-12)) {
      const wide = bits === 64 ? name : this.#define(64, `zext i${bits} ${name} to i64`);
      sum = this.#define(64, `xor i64 ${sum}, ${wide}`);
      sum = this.#define(64, `mul i64 ${sum}, 6364136223846793005`);
    }
    this.#emit(`ret i64 ${sum}`);
    this.#lines.push("}");
    return this.#lines;
  }

  #constant(bits: number): string {
    const mask = (1n << BigInt(bits)) - 1n;
    const r = BigInt(this.#below(0x1_0000_0000)) | (BigInt(this.#below(0x1_0000_0000)) << 32n);
    const small = BigInt(this.#below(20)) - 5n;
    const value = BigInt.asIntN(
      bits,
      [r & mask, small, 1n << BigInt(this.#below(bits)), 0n, -1n][this.#below(5)] ?? 0n,
    );
    return bits === 1 ? (value === 0n ? "false" : "true") : String(value);
  }

  /** A value of the width: one at hand, converted when needed, or a constant. */
  #value(bits: number): string {
    const fitting = this.#pool.values.filter((v) => v.bits === bits);
    const roll = this.#below(8);
    if (roll === 0) return this.#constant(bits);
    if (fitting.length > 0 && roll < 7)
      return this.#below(2) === 0 ? (fitting.at(-1)?.name ?? "0") : this.#pick(fitting).name;
    const other = this.#pool.values.length === 0 ? undefined : this.#pick(this.#pool.values);
    if (other === undefined || other.bits === bits) return other?.name ?? this.#constant(bits);
    const cast = other.bits > bits ? "trunc" : this.#below(2) === 0 ? "zext" : "sext";
    return this.#define(bits, `${cast} i${other.bits} ${other.name} to i${bits}`);
  }

  /** A variable, so that nothing folds. */
  #local64(): string {
    return this.#value(64);
  }

  #load(): void {
    const bits = this.#pick([8, 16, 32, 64]);
    const address = this.#address(bits);
    this.#define(bits, `load i${bits}, ptr ${address.name}, align ${address.align}`);
  }

  #address(bits: number): { name: string; align: number } {
    const bytes = bits / 8;
    const frame = this.#local && this.#below(3) === 0;
    const limit = frame ? 64 : RANDOM_BUFFER;
    const align = this.#below(6) === 0 ? 1 : bytes;
    const name = this.#name();
    if (this.#below(3) === 0) {
      const index = this.#define(64, `and i64 ${this.#local64()}, ${limit / bytes / 2 - 1}`);
      this.#emit(
        `${name} = getelementptr inbounds [${limit / bytes} x i${bits}], ptr %${frame ? "frame" : "buf"}, i64 0, i64 ${index}`,
      );
      if (this.#below(2) === 0) {
        const moved = this.#name();
        this.#emit(`${moved} = getelementptr i8, ptr ${name}, i64 ${bytes * this.#below(3)}`);
        return { name: moved, align };
      }
      return { name, align };
    }
    const offset = this.#below(limit / bytes) * bytes;
    this.#emit(`${name} = getelementptr inbounds nuw i8, ptr %${frame ? "frame" : "buf"}, i64 ${offset}`);
    return { name, align };
  }

  #statements(count: number, main: boolean, depth: number): void {
    for (let i = 0; i < count; i++) {
      const roll = this.#below(30);
      if (roll < 11) this.#binary();
      else if (roll < 13) this.#compare();
      else if (roll < 15) this.#select();
      else if (roll < 18) this.#intrinsic();
      else if (roll < 19) this.#overflow();
      else if (roll < 21 && main) this.#load();
      else if (roll < 23 && main) this.#store();
      else if (roll < 24 && main) this.#call();
      else if (roll < 25 && main) this.#atomic();
      else if (roll < 26 && main) this.#copy();
      else if (roll < 27) this.#wide();
      else if (depth < 3) this.#control(main, depth);
      else this.#binary();
    }
  }

  #binary(): void {
    const bits = this.#pick(WIDTHS);
    const operator = this.#pick(bits === 1 ? ["and", "or", "xor"] : BINARY);
    const a = this.#value(bits);
    let b = this.#value(bits);
    if (/sh/.test(operator)) {
      b = this.#below(2) === 0 ? String(this.#below(bits)) : this.#define(bits, `and i${bits} ${b}, ${bits - 1}`);
    } else if (/^u(div|rem)/.test(operator)) {
      if (this.#below(2) === 0 && bits > 1) b = String(1 + this.#below(bits === 8 ? 200 : 60_000));
      else b = this.#define(bits, `or i${bits} ${b}, 1`);
    }
    if (/^s(div|rem)/.test(operator)) {
      const power = 1n << BigInt(this.#below(bits - 1));
      const other = BigInt(3 + this.#below(60)) * (this.#below(2) === 0 ? 1n : -1n);
      b = String(bits > 32 || this.#below(2) === 0 ? power : other);
    }
    this.#define(bits, `${operator} i${bits} ${a}, ${b}`);
  }

  #compare(): string {
    const bits = this.#pick(WIDTHS);
    const a = this.#value(bits);
    return this.#define(1, `icmp ${this.#pick(PREDICATES)} i${bits} ${a}, ${this.#value(bits)}`);
  }

  #condition(): string {
    const first = this.#below(3) === 0 ? this.#value(1) : this.#compare();
    switch (this.#below(5)) {
      case 0:
        return this.#define(1, `${this.#pick(["and", "or"])} i1 ${first}, ${this.#compare()}`);
      case 1:
        return this.#define(1, `xor i1 ${first}, true`);
      case 2:
        return this.#define(1, `select i1 ${first}, i1 ${this.#compare()}, i1 false`);
      case 3:
        return this.#define(1, `trunc i64 ${this.#value(64)} to i1`);
      default:
        return first;
    }
  }

  #select(): void {
    const condition = this.#condition();
    for (let i = 0; i <= this.#below(2); i++) {
      const bits = this.#pick(WIDTHS);
      const a = this.#value(bits);
      this.#define(bits, `select i1 ${condition}, i${bits} ${a}, i${bits} ${this.#value(bits)}`);
    }
  }

  #declare(result: string, name: string, parameters: readonly string[]): void {
    this.#declared.add(`declare ${result} @${name}(${parameters.join(", ")})`);
  }

  #intrinsic(): void {
    const bits = this.#pick([8, 16, 32, 64]);
    const base = this.#pick([
      "umin",
      "umax",
      "smin",
      "smax",
      "abs",
      "bswap",
      "bitreverse",
      "ctpop",
      "ctlz",
      "cttz",
      "fshl",
      "fshr",
      "uadd.sat",
      "usub.sat",
      "sadd.sat",
      "ssub.sat",
    ]);
    if (base === "bswap" && bits === 8) return;
    const type = `i${bits}`;
    const name = `llvm.${base}.${type}`;
    const flag = base === "abs" || base === "ctlz" || base === "cttz";
    const count = /^fsh/.test(base) ? 3 : /bswap|bitreverse|ctpop/.test(base) || flag ? 1 : 2;
    const args = Array.from({ length: count }, () => `${type} ${this.#value(bits)}`);
    if (base.startsWith("fsh") && this.#below(2) === 0) args[2] = `${type} ${this.#below(bits)}`;
    if (flag) args.push("i1 false");
    this.#declare(type, name, [...Array.from({ length: count }, () => type), ...(flag ? ["i1"] : [])]);
    this.#define(bits, `call ${type} @${name}(${args.join(", ")})`);
  }

  #overflow(): void {
    const bits = this.#pick([8, 16, 32, 64]);
    const name = `llvm.${this.#pick(["uadd", "usub", "umul", "sadd", "ssub", "smul"])}.with.overflow.i${bits}`;
    const pair = `{ i${bits}, i1 }`;
    this.#declare(pair, name, [`i${bits}`, `i${bits}`]);
    const a = this.#value(bits);
    const b = this.#value(bits);
    const both = this.#name();
    this.#emit(`${both} = call ${pair} @${name}(i${bits} ${a}, i${bits} ${b})`);
    this.#define(bits, `extractvalue ${pair} ${both}, 0`);
    this.#define(1, `extractvalue ${pair} ${both}, 1`);
  }

  #store(): void {
    const bits = this.#pick([8, 16, 32, 64]);
    const value = this.#value(bits);
    const address = this.#address(bits);
    this.#emit(`store i${bits} ${value}, ptr ${address.name}, align ${address.align}`);
  }

  #call(): void {
    if (this.#below(2) === 0) {
      const a = this.#value(64);
      this.#define(64, `call i64 inttoptr (i64 200 to ptr)(i64 ${a}, i64 ${this.#value(64)})`);
      return;
    }
    const [a, b, c] = [this.#value(64), this.#value(32), this.#value(8)];
    this.#define(64, `call i64 @sub(i64 ${a}, i32 ${b}, i8 zeroext ${c})`);
  }

  #atomic(): void {
    const bits = this.#pick([32, 64]);
    const value = this.#value(bits);
    const offset = this.#below(RANDOM_BUFFER / 8) * 8;
    const address = this.#name();
    this.#emit(`${address} = getelementptr inbounds nuw i8, ptr %buf, i64 ${offset}`);
    if (this.#below(4) === 0) {
      const expected = this.#value(bits);
      const both = this.#name();
      this.#emit(
        `${both} = cmpxchg ptr ${address}, i${bits} ${expected}, i${bits} ${value} seq_cst seq_cst, align ${bits / 8}`,
      );
      this.#define(bits, `extractvalue { i${bits}, i1 } ${both}, 0`);
      this.#define(1, `extractvalue { i${bits}, i1 } ${both}, 1`);
      return;
    }
    const operator = this.#pick(["add", "sub", "and", "or", "xor", "xchg"]);
    const text = `atomicrmw ${operator} ptr ${address}, i${bits} ${value} seq_cst, align ${bits / 8}`;
    if (this.#below(3) === 0) this.#emit(`${this.#name()} = ${text}`);
    else this.#define(bits, text);
  }

  #copy(): void {
    const align = this.#pick([1, 4, 8]);
    const size = 1 + this.#below(24);
    const [to, from] = [this.#name(), this.#name()];
    this.#emit(`${to} = getelementptr inbounds nuw i8, ptr %buf, i64 ${8 * this.#below(8)}`);
    this.#emit(
      `${from} = getelementptr inbounds nuw i8, ptr %${this.#pick(["frame", "buf"])}, i64 ${this.#below(4) * 8}`,
    );
    const move = this.#below(2) === 0 ? "memmove" : "memcpy";
    if (move === "memcpy") {
      this.#emit(`${from}b = getelementptr inbounds nuw i8, ptr ${from}, i64 0`);
      this.#emit(`${to}b = getelementptr inbounds nuw i8, ptr %buf, i64 ${128 + 8 * this.#below(8)}`);
      this.#declare("void", "llvm.memcpy.p0.p0.i64", ["ptr", "ptr", "i64", "i1"]);
      this.#emit(
        `call void @llvm.memcpy.p0.p0.i64(ptr align ${align} ${to}b, ptr align ${align} ${from}b, i64 ${size}, i1 false)`,
      );
      return;
    }
    this.#declare("void", "llvm.memmove.p0.p0.i64", ["ptr", "ptr", "i64", "i1"]);
    this.#emit(
      `call void @llvm.memmove.p0.p0.i64(ptr align ${align} ${to}, ptr align ${align} ${from}, i64 ${size}, i1 false)`,
    );
  }

  /** 128-bit and odd integers, back to 64 bits. */
  #wide(): void {
    const bits = this.#pick([128, 128, 24, 40, 48]);
    const convert = (): string => {
      const name = this.#name();
      if (bits > 64) this.#emit(`${name} = ${this.#pick(["zext", "sext"])} i64 ${this.#value(64)} to i${bits}`);
      else this.#emit(`${name} = trunc i64 ${this.#value(64)} to i${bits}`);
      return name;
    };
    let value = convert();
    for (let i = 0; i < 3; i++) {
      const other = convert();
      const operator = this.#pick(["add", "sub", "and", "or", "xor", "shl", "lshr", "ashr", "mul"]);
      const name = this.#name();
      this.#emit(`${name} = ${operator} i${bits} ${value}, ${/sh/.test(operator) ? this.#below(bits) : other}`);
      value = name;
    }
    if (this.#below(2) === 0) this.#define(1, `icmp ${this.#pick(PREDICATES)} i${bits} ${value}, ${convert()}`);
    const name = this.#name();
    if (bits > 64) {
      this.#emit(`${name} = lshr i${bits} ${value}, ${this.#below(64)}`);
      this.#define(64, `trunc i${bits} ${name} to i64`);
    } else this.#define(64, `${this.#pick(["zext", "sext"])} i${bits} ${value} to i64`);
  }

  #control(main: boolean, depth: number): void {
    const id = this.#next++;
    const saved = this.#pool;
    const inner = (label: string, size: number): { block: string; values: Pool["values"] } => {
      this.#enter(label);
      this.#pool = { values: [...saved.values] };
      this.#statements(size, main, depth + 1);
      return { block: this.#block, values: this.#pool.values };
    };
    const size = 1 + this.#below(4);
    const kind = this.#below(3);
    if (kind === 0) {
      this.#emit(`br i1 ${this.#condition()}, label %a${id}, label %b${id}`);
      const a = inner(`a${id}`, size);
      const [x, y] = [this.#value(32), this.#value(64)];
      this.#emit(`br label %c${id}`);
      const b = inner(`b${id}`, size);
      const [x2, y2] = [this.#value(32), this.#value(64)];
      this.#emit(`br label %c${id}`);
      this.#pool = saved;
      this.#enter(`c${id}`);
      // Conversions that #value makes stand in the block that is current then: the blocks' ends are asked for afterwards.
      this.#define(32, `phi i32 [ ${x}, %${a.block} ], [ ${x2}, %${b.block} ]`);
      this.#define(64, `phi i64 [ ${y}, %${a.block} ], [ ${y2}, %${b.block} ]`);
    } else if (kind === 1) {
      const bits = this.#pick([8, 32, 64]);
      const value = this.#value(bits);
      const cases = [...new Set(Array.from({ length: 2 + this.#below(7) }, () => this.#constant(bits)))];
      const start = this.#value(64);
      const from = this.#block;
      this.#emit(`switch i${bits} ${value}, label %d${id} [`);
      const arms = cases.map((c, i) => ({ c, label: i % 3 === 2 ? `d${id}` : `s${id}_${i % 3 === 0 ? i : i - 1}` }));
      for (const { c, label } of arms) this.#emit(`  i${bits} ${c}, label %${label}`);
      this.#emit("]");
      const labels = [...new Set(arms.map((arm) => arm.label))].filter((l) => l !== `d${id}`);
      const ends = labels.map((label) => {
        inner(label, 1 + this.#below(2));
        const v = this.#value(64);
        const block = this.#block;
        this.#emit(`br label %d${id}`);
        return `[ ${v}, %${block} ]`;
      });
      this.#pool = saved;
      this.#enter(`d${id}`);
      // One entry for each edge that the switch itself has to this block.
      const direct = arms.filter((arm) => arm.label === `d${id}`).length + 1;
      const all = [...Array.from({ length: direct }, () => `[ ${start}, %${from} ]`), ...ends];
      this.#define(64, `phi i64 ${all.join(", ")}`);
    } else {
      const [start, other, limit] = [this.#value(64), this.#value(32), 1 + this.#below(6)];
      const from = this.#block;
      const [i, x, y] = [this.#name(), this.#name(), this.#name()];
      this.#emit(`br label %l${id}`);
      const at = this.#lines.length;
      const names = [...saved.values, { name: x, bits: 64 }, { name: y, bits: 32 }];
      this.#pool = { values: names };
      this.#enter(`l${id}`);
      const head = this.#lines.length;
      this.#statements(size, main, depth + 1);
      const [nx, ny] = [this.#value(64), this.#value(32)];
      const step = this.#name();
      this.#emit(`${step} = add nuw nsw i32 ${i}, 1`);
      const done = this.#name();
      this.#emit(`${done} = icmp eq i32 ${step}, ${limit}`);
      const end = this.#block;
      this.#emit(`br i1 ${done}, label %e${id}, label %l${id}`);
      void at;
      this.#lines.splice(
        head,
        0,
        `  ${i} = phi i32 [ 0, %${from} ], [ ${step}, %${end} ]`,
        `  ${x} = phi i64 [ ${start}, %${from} ], [ ${nx}, %${end} ]`,
        `  ${y} = phi i32 [ ${other}, %${from} ], [ ${ny}, %${end} ]`,
      );
      this.#pool = { values: [...saved.values, { name: nx, bits: 64 }].filter((v) => v.name.startsWith("%")) };
      this.#enter(`e${id}`);
    }
  }
}
