import { makePrng, nextBelow, type Prng } from "../../base/prng.ts";

/** Words of 8 bytes that a random program reads of its context. */
export const CONTEXT_WORDS = 8;

/** Elements of every array: indices are masked. */
const LENGTH = 8;

interface IntType {
  readonly name: string;
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}

const TYPES: readonly IntType[] = ([8, 16, 32, 64] as const).flatMap((bits) => [
  { name: `__u${bits}`, bits, signed: false },
  { name: `__s${bits}`, bits, signed: true },
]);

interface Variable {
  readonly text: string;
  readonly type: IntType;
}

interface Callee {
  readonly name: string;
  readonly result: IntType;
  readonly parameters: readonly IntType[];
  /** Takes a local array as its first argument. */
  readonly array: IntType | null;
}

/** What an expression or statement may name. */
interface Scope {
  /** May be read. */
  readonly values: Variable[];
  /** May be assigned as well. */
  readonly places: Variable[];
  readonly arrays: Variable[];
  /** Whole structures of the program's one structure type. */
  readonly structures: string[];
  readonly callees: readonly Callee[];
  /** Loops around. */
  readonly loops: number;
}

export interface RandomCOptions {
  /** Signed division and remainder, which BPF has from v4 on. */
  readonly signedDivision: boolean;
}

/**
 * One translation unit with a `SEC("syscall")` program `p<seed>` for each seed. A program depends on its own seed only, has no
 * undefined behaviour, ends by construction, and folds all that it has computed into its result.
 */
export function randomC(seeds: readonly number[], options: RandomCOptions = { signedDivision: false }): string {
  return [
    "#include <linux/bpf.h>",
    "#include <bpf/bpf_helpers.h>",
    "#define NOINLINE __attribute__((noinline))",
    "#define MIX(h, v) (h) = ((h) ^ (__u64)(v)) * 0x100000001b3ULL + ((h) >> 29)",
    ...seeds.map((seed) => new ProgramWriter(seed, options).write()),
    'char LICENSE[] SEC("license") = "GPL";',
    "",
  ].join("\n");
}

class ProgramWriter {
  readonly #prng: Prng;
  readonly #name: string;
  readonly #options: RandomCOptions;
  readonly #lines: string[] = [];
  readonly #fields: Variable[] = [];
  #serial = 0;
  /** Nodes of expressions that this function may still get. */
  #budget = 0;

  constructor(seed: number, options: RandomCOptions) {
    this.#prng = makePrng(seed);
    this.#name = `p${seed}`;
    this.#options = options;
  }

  write(): string {
    const globals = this.#globals();
    this.#structure();
    const callees: Callee[] = [];
    for (let i = this.#below(4); i > 0; i--) callees.push(this.#subprogram(globals, callees.slice()));
    this.#entry(globals, callees);
    return this.#lines.join("\n");
  }

  #below(bound: number): number {
    return nextBelow(this.#prng, bound);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #fresh(prefix: string): string {
    return `${prefix}${++this.#serial}`;
  }

  /** Scalars and arrays in .data, .bss and .rodata. */
  #globals(): Scope {
    const scope: Scope = { values: [], places: [], arrays: [], structures: [], callees: [], loops: 0 };
    for (let i = 2 + this.#below(4); i > 0; i--) {
      const type = this.#pick(TYPES);
      const name = this.#fresh(`${this.#name}_g`);
      const kind = this.#below(5);
      const list = `{${Array.from({ length: LENGTH }, () => this.#constant(type)).join(", ")}}`;
      if (kind === 0) this.#lines.push(`${type.name} ${name};`);
      else if (kind === 1) this.#lines.push(`${type.name} ${name} = ${this.#constant(type)};`);
      else if (kind === 2) this.#lines.push(`const volatile ${type.name} ${name}[${LENGTH}] = ${list};`);
      else if (kind === 3) this.#lines.push(`${type.name} ${name}[${LENGTH}] = ${list};`);
      else this.#lines.push(`static ${type.name} ${name}[${LENGTH}];`);
      const variable = { text: name, type };
      if (kind < 2) {
        scope.values.push(variable);
        scope.places.push(variable);
      } else if (kind === 2) scope.values.push({ text: `${name}[${this.#below(LENGTH)}]`, type });
      else scope.arrays.push(variable);
    }
    return scope;
  }

  #structure(): void {
    const members: string[] = [];
    for (let i = 3 + this.#below(5); i > 0; i--) {
      const type = this.#pick(TYPES);
      const name = this.#fresh("m");
      const shape = this.#below(4);
      if (shape < 2) members.push(`${type.name} ${name} : ${1 + this.#below(type.bits)};`);
      else if (shape === 2) members.push(`${type.name} ${name};`);
      else members.push(`${type.name} ${name}[2];`);
      this.#fields.push({ text: shape === 3 ? `${name}[${this.#below(2)}]` : name, type });
    }
    const packed = this.#below(4) === 0 ? " __attribute__((packed))" : "";
    this.#lines.push(`struct ${this.#name}_s { ${members.join(" ")} }${packed};`);
  }

  #subprogram(globals: Scope, callees: readonly Callee[]): Callee {
    const name = this.#fresh(`${this.#name}_f`);
    const result = this.#pick(TYPES);
    const array = this.#below(3) === 0 ? this.#pick(TYPES) : null;
    const parameters = Array.from({ length: this.#below(array === null ? 6 : 5) }, () => this.#pick(TYPES));
    const variables = parameters.map((type, i) => ({ text: `a${i}`, type }));
    const scope: Scope = {
      values: [...globals.values, ...variables],
      places: [...globals.places, ...variables],
      arrays: [...globals.arrays, ...(array === null ? [] : [{ text: "v", type: array }])],
      structures: [],
      callees,
      loops: 1,
    };
    const list = [
      ...(array === null ? [] : [`${array.name} *v`]),
      ...variables.map(({ text, type }) => `${type.name} ${text}`),
    ];
    // A global function is verified by itself and may not be given a pointer of unknown size.
    const linkage = array !== null || this.#below(3) > 0 ? "static " : "";
    this.#lines.push(`${linkage}NOINLINE ${result.name} ${name}(${list.join(", ") || "void"})`, "{");
    this.#budget = 30;
    this.#block(scope, 1 + this.#below(3), 1);
    this.#lines.push(`return ${this.#expression(result, scope, 2)};`, "}");
    return { name, result, parameters, array };
  }

  #entry(globals: Scope, callees: readonly Callee[]): void {
    this.#lines.push(`SEC("syscall") int ${this.#name}(void *ctx)`, "{", "__u64 h = 0xcbf29ce484222325ULL;");
    const scope: Scope = {
      values: globals.values.slice(),
      places: globals.places.slice(),
      arrays: globals.arrays.slice(),
      structures: [],
      callees,
      loops: 0,
    };
    const locals: Variable[] = [];
    for (let i = 4 + this.#below(3); i > 0; i--) {
      const type = this.#pick(TYPES);
      const text = this.#fresh("x");
      this.#lines.push(`${type.name} ${text} = ((__u64 *)ctx)[${this.#below(CONTEXT_WORDS)}];`);
      locals.push({ text, type });
    }
    scope.values.push(...locals);
    scope.places.push(...locals);
    if (this.#below(2) === 0) {
      const type = this.#pick(TYPES);
      const text = this.#fresh("l");
      const first = this.#pick(locals).text;
      this.#lines.push(`${type.name} ${text}[${LENGTH}] = {${first}, ${this.#constant(type)}, 3};`);
      scope.arrays.push({ text, type });
    }
    for (let i = this.#below(3); i > 0; i--) {
      const text = this.#fresh("s");
      this.#lines.push(`struct ${this.#name}_s ${text} = {};`);
      scope.structures.push(text);
      const fields = this.#fields.map((f) => ({ text: `${text}.${f.text}`, type: f.type }));
      scope.values.push(...fields);
      scope.places.push(...fields);
    }
    this.#budget = 90;
    this.#block(scope, 5 + this.#below(8), 0);
    for (const { text } of scope.values) this.#lines.push(`MIX(h, ${text});`);
    for (const { text } of scope.arrays) {
      this.#lines.push(`for (__u32 i = 0; i < ${LENGTH}; i++) MIX(h, ${text}[i]);`);
    }
    this.#lines.push("return (__u32)(h ^ (h >> 32));", "}");
  }

  #block(scope: Scope, statements: number, depth: number): void {
    for (let i = 0; i < statements && this.#budget > 0; i++) this.#statement(scope, depth);
  }

  #statement(scope: Scope, depth: number): void {
    const kind = this.#below(depth >= 3 ? 6 : 12);
    const line = (text: string): void => void this.#lines.push(text);
    if (kind === 3 && scope.arrays.length > 0) {
      const { text, type } = this.#pick(scope.arrays);
      line(`${text}[${this.#index(scope)}] = ${this.#expression(type, scope, 2)};`);
    } else if (kind === 4 && scope.structures.length > 1) {
      line(`${scope.structures[0]} = ${scope.structures[1]};`);
    } else if (kind === 5) this.#special(scope);
    else if (kind === 6 || kind === 7) {
      line(`if (${this.#condition(scope)}) {`);
      this.#block(scope, 1 + this.#below(3), depth + 1);
      if (this.#below(2) === 0) {
        line("} else {");
        this.#block(scope, 1 + this.#below(2), depth + 1);
      }
      line("}");
    } else if (kind === 8 || kind === 9) this.#loop(scope, depth);
    else if (kind === 10) this.#switch(scope, depth);
    else this.#assignment(scope);
  }

  #assignment(scope: Scope): void {
    if (scope.places.length === 0) return;
    const { text, type } = this.#pick(scope.places);
    this.#lines.push(`${text} = ${this.#expression(type, scope, 3)};`);
  }

  /** Atomics and arithmetic that tells of overflow, on variables of their own. */
  #special(scope: Scope): void {
    const wide = this.#below(2) === 0;
    const type = TYPES.find((t) => t.bits === (wide ? 64 : 32) && t.signed === (this.#below(2) === 0)) ?? TYPES[4];
    if (type === undefined || scope.places.length === 0) return;
    const target = this.#pick(scope.places);
    const temporary = this.#fresh("t");
    const [a, b] = [this.#expression(type, scope, 2), this.#expression(type, scope, 2)];
    if (this.#below(2) === 0) {
      const name = this.#pick(["add", "sub"]);
      this.#lines.push(`{ ${type.name} ${temporary}; if (__builtin_${name}_overflow(${a}, ${b}, &${temporary}))`);
      this.#lines.push(`${target.text} = ${temporary}; else ${target.text} = ${this.#constant(target.type)}; }`);
    } else {
      const name = this.#pick(["add", "or", "and", "xor"]);
      this.#lines.push(`{ ${type.name} ${temporary} = ${a};`);
      this.#lines.push(`${target.text} = __sync_fetch_and_${name}(&${temporary}, ${b}) ^ ${temporary}; }`);
    }
  }

  #loop(scope: Scope, depth: number): void {
    if (scope.loops >= 2) {
      this.#assignment(scope);
      return;
    }
    const i = this.#fresh("i");
    const counter: Variable = { text: i, type: TYPES[4] as IntType };
    const inner: Scope = { ...scope, values: [...scope.values, counter], loops: scope.loops + 1 };
    const most = scope.loops === 0 ? 6 : 3;
    const bound =
      this.#below(3) === 0 ? `(${this.#expression(counter.type, scope, 1)} & ${most})` : `${1 + this.#below(most)}`;
    const shape = this.#below(3);
    this.#lines.push("{", `__u32 ${i} = 0, ${i}_end = ${bound};`);
    this.#lines.push(shape === 2 ? "do {" : `while (${i} < ${i}_end) {`);
    this.#lines.push(`${i}++;`);
    this.#block(inner, 1 + this.#below(2), depth + 1);
    if (this.#below(3) === 0) {
      this.#lines.push(`if (${this.#condition(inner)}) ${this.#pick(["break", "continue"])};`);
      this.#block(inner, 1, depth + 1);
    }
    this.#lines.push(shape === 2 ? `} while (${i} < ${i}_end);` : "}", "}");
  }

  #switch(scope: Scope, depth: number): void {
    const type = this.#pick(TYPES);
    const dense = this.#below(2) === 0;
    this.#lines.push(
      `switch ((${type.name})(${this.#expression(type, scope, 2)}${dense && !type.signed ? " & 7" : ""})) {`,
    );
    const seen = new Set<bigint>();
    for (let i = 1 + this.#below(6); i > 0; i--) {
      const value = dense ? BigInt(this.#below(8)) : BigInt.asUintN(type.bits, this.#bits(type));
      const label = type.signed ? BigInt.asIntN(type.bits, value) : value;
      if (seen.has(label)) continue;
      seen.add(label);
      // The smallest number has no literal of its own.
      if (label === -(1n << 63n)) continue;
      this.#lines.push(`case ${label}${type.signed ? "LL" : "ULL"}:`);
      this.#block(scope, 1, depth + 1);
      this.#lines.push(this.#below(4) > 0 ? "break;" : "/* fall through */;");
    }
    this.#lines.push("default:");
    this.#block(scope, 1, depth + 1);
    this.#lines.push(";", "}");
  }

  #index(scope: Scope): string {
    return this.#below(2) === 0
      ? `${this.#below(LENGTH)}`
      : `${this.#expression(TYPES[4] as IntType, scope, 1)} & ${LENGTH - 1}`;
  }

  #condition(scope: Scope): string {
    const type = this.#pick(TYPES);
    const operator = this.#pick(["<", "<=", ">", ">=", "==", "!=", "&"]);
    const left = this.#expression(type, scope, 2);
    return `${left} ${operator} ${this.#below(2) === 0 ? this.#constant(type) : this.#expression(type, scope, 1)}`;
  }

  /** An interesting pattern of bits: small, near a power of two, or anything. */
  #bits(type: IntType): bigint {
    const kind = this.#below(4);
    if (kind === 0) return BigInt(this.#below(16));
    const power = 1n << BigInt(this.#below(type.bits));
    if (kind === 1) return power - BigInt(this.#below(2));
    if (kind === 2) return -power;
    return (BigInt(this.#below(2 ** 31)) << 33n) ^ (BigInt(this.#below(2 ** 31)) << 3n) ^ BigInt(this.#below(8));
  }

  #constant(type: IntType): string {
    return `(${type.name})0x${BigInt.asUintN(type.bits, this.#bits(type)).toString(16)}ULL`;
  }

  /** An expression of exactly this type. */
  #expression(type: IntType, scope: Scope, depth: number): string {
    this.#budget--;
    if (depth <= 0 || this.#budget <= 0) return this.#leaf(type, scope);
    const t = type.name;
    // Arithmetic is unsigned and at least 32 bits wide, where it wraps.
    const u = type.bits === 64 ? "__u64" : "__u32";
    const own = (): string => this.#expression(type, scope, depth - 1);
    const mask = type.bits - 1;
    const kind = this.#below(16);
    if (kind < 5) return `((${t})((${u})${own()} ${this.#pick(["+", "-", "*", "&", "|", "^"])} (${u})${own()}))`;
    if (kind === 5) return `((${t})((${u})${own()} << ((${u})${own()} & ${mask})))`;
    if (kind === 6) return `((${t})(${own()} >> (${own()} & ${mask})))`;
    if (kind === 7) return this.#division(type, own(), own());
    if (kind === 8) return `((${t})(${this.#condition(scope)}))`;
    if (kind === 9) return `((${t})(${this.#condition(scope)} ? ${own()} : ${own()}))`;
    if (kind === 10) return `((${t})${this.#pick(["~", "!", "-(__u64)"])}${own()})`;
    if (kind === 11) return `((${t})${this.#expression(this.#pick(TYPES), scope, depth - 1)})`;
    if (kind === 12) return this.#builtin(type, scope, depth);
    if (kind === 13 && scope.arrays.length > 0) {
      return `((${t})${this.#pick(scope.arrays).text}[${this.#index(scope)}])`;
    }
    if (kind === 14 && scope.callees.length > 0 && scope.loops < 2) {
      const call = this.#call(scope, depth);
      if (call !== null) return `((${t})${call})`;
    }
    return this.#leaf(type, scope);
  }

  #leaf(type: IntType, scope: Scope): string {
    if (scope.values.length === 0 || this.#below(4) === 0) return `(${this.#constant(type)})`;
    return `((${type.name})${this.#pick(scope.values).text})`;
  }

  #division(type: IntType, a: string, b: string): string {
    const operator = this.#pick(["/", "%"]);
    if (type.signed && this.#options.signedDivision) return `((${type.name})(${a} ${operator} ((${b} & 0x3f) | 1)))`;
    const u = type.bits === 64 ? "__u64" : "__u32";
    const narrow = `__u${type.bits}`;
    return `((${type.name})((${u})(${narrow})${a} ${operator} ((${u})(${narrow})${b} | 1)))`;
  }

  #builtin(type: IntType, scope: Scope, depth: number): string {
    const wide = TYPES.find((t) => t.name === "__u64") as IntType;
    const word = TYPES.find((t) => t.name === "__u32") as IntType;
    const of = (t: IntType): string => this.#expression(t, scope, depth - 1);
    const calls: readonly (() => string)[] = [
      () => `__builtin_bswap16((__u16)${of(word)})`,
      () => `__builtin_bswap32(${of(word)})`,
      () => `__builtin_bswap64(${of(wide)})`,
      () => `__builtin_popcount(${of(word)})`,
      () => `__builtin_popcountll(${of(wide)})`,
      () => `__builtin_ctz(${of(word)} | 0x80000000U)`,
      () => `__builtin_ctzll(${of(wide)} | 1ULL << 63)`,
      () => `__builtin_clz(${of(word)} | 1)`,
      () => `__builtin_clzll(${of(wide)} | 1)`,
      () => `__builtin_bitreverse32(${of(word)})`,
      () => `__builtin_rotateleft32(${of(word)}, ${of(word)})`,
      () => `__builtin_rotateright64(${of(wide)}, ${of(wide)})`,
    ];
    return `((${type.name})${this.#pick(calls)()})`;
  }

  #call(scope: Scope, depth: number): string | null {
    const callee = this.#pick(scope.callees);
    const args: string[] = [];
    if (callee.array !== null) {
      const fitting = scope.arrays.filter((a) => a.type.name === callee.array?.name);
      if (fitting.length === 0) return null;
      args.push(this.#pick(fitting).text);
    }
    for (const type of callee.parameters) args.push(this.#expression(type, scope, depth - 1));
    return `${callee.name}(${args.join(", ")})`;
  }
}
