import { MAP_TYPES } from "../abi/types.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { utf8Bytes } from "../base/utf8.ts";
import type { BtfId } from "../btf/types.ts";
import { readWholeStatement, type Statement } from "./statement.ts";
import { LineError, type Token, TokenReader, tokenize } from "./tokens.ts";
import { readBaseType, readDeclarator, readParameters, readPointers, startsType, TypeTable } from "./types.ts";

/** An instruction with its place in the text. */
export interface SourceInsn {
  readonly statement: Statement;
  /** from 1 */
  readonly line: number;
  readonly column: number;
}

export interface SourceFunction {
  readonly name: string;
  readonly section: string;
  readonly linkage: "static" | "global" | "weak";
  readonly returnType: BtfId;
  readonly parameters: readonly { readonly name: string; readonly type: BtfId }[];
  readonly line: number;
  readonly body: SourceInsn[];
  /** Label -> index in the body. */
  readonly labels: Map<string, number>;
}

export interface SourceMap {
  readonly name: string;
  readonly line: number;
  /** Numbers by libbpf's field names: type, max_entries, map_flags, key_size… */
  readonly numbers: ReadonlyMap<string, number>;
  readonly key: BtfId | null;
  readonly value: BtfId | null;
  /** Name of the map whose definition the inner maps have. */
  readonly inner: Token | null;
  /** Initial entries of a map of maps or of programs. */
  readonly slots: readonly { readonly index: number; readonly name: Token }[];
}

export interface SourceVariable {
  readonly name: string;
  readonly section: string;
  readonly isStatic: boolean;
  readonly type: BtfId;
  /** null for zeros */
  readonly bytes: Uint8Array | null;
  readonly size: number;
  /** Addresses in the initial value: 8 bytes at `offset` are to hold symbol + addend. */
  readonly pointers: readonly { readonly offset: number; readonly symbol: Token; readonly addend: number }[];
}

/** A function or variable of the kernel. */
export interface SourceExtern {
  readonly name: string;
  readonly weak: boolean;
  /** `.ksyms` or `.kconfig` */
  readonly section: string;
  /** Of the variable, or what the function returns. */
  readonly type: BtfId;
  /** null for a variable */
  readonly parameters: SourceFunction["parameters"] | null;
}

export interface AssemblySource {
  readonly types: TypeTable;
  readonly functions: readonly SourceFunction[];
  readonly maps: readonly SourceMap[];
  readonly variables: readonly SourceVariable[];
  readonly externs: readonly SourceExtern[];
  readonly license: string | null;
  readonly dialect: string | null;
}

/** Directives that other assemblers want and that say nothing here. */
const IGNORED = new Set([".file", ".ident", ".p2align", ".align", ".size", ".addrsig", ".addrsig_sym", ".loc"]);
const CONTROL = new Set(["license", "dialect", "map", "SEC", "extern", "static", "weak"]);

/**
 * Reads an assembly text: declarations in C's spelling (`struct`, variables, function heads that end with a colon), `map NAME { … }`,
 * `license "GPL"`, `dialect rfc`, `SEC("xdp")` or `.section xdp`, labels, and instructions. `;` separates, `//`, `/ * * /`, `#` behind white
 * space and a `;` that begins a line start comments.
 */
export function readSource(text: string, file: string): { source: AssemblySource; problems: readonly Diagnostic[] } {
  const reader = new SourceReader(file);
  reader.read(text);
  return { source: reader.source(), problems: reader.problems };
}

class SourceReader {
  readonly problems: Diagnostic[] = [];
  readonly #file: string;
  readonly #types = new TypeTable();
  readonly #functions: SourceFunction[] = [];
  readonly #maps: SourceMap[] = [];
  readonly #variables: SourceVariable[] = [];
  readonly #externs: SourceExtern[] = [];
  readonly #names = new Set<string>();
  readonly #globals = new Set<string>();
  /** Addresses in the initialiser that is being read. */
  #pointers: { offset: number; symbol: Token; addend: number }[] = [];
  #license: string | null = null;
  #dialect: string | null = null;
  /** Section that stays until the next `.section`. */
  #section = ".text";
  /** No function has begun since the last `.section`. */
  #sectionBegun = false;
  /** Section of the next function only. */
  #nextSection: string | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  source(): AssemblySource {
    return {
      types: this.#types,
      functions: this.#functions,
      maps: this.#maps,
      variables: this.#variables,
      externs: this.#externs,
      license: this.#license,
      dialect: this.#dialect,
    };
  }

  read(text: string): void {
    let open: Token[] = [];
    let depth = 0;
    const lines = withoutComments(text);
    lines.forEach((line, index) => {
      if (depth === 0 && /^\s*;/.test(line)) return;
      for (const token of tokenize(line, index + 1)) {
        if (token.text === "{") depth++;
        if (token.text === "}") depth--;
        if (token.text === ";" && depth <= 0) {
          this.#statement(open);
          open = [];
        } else open.push(token);
      }
      if (depth <= 0) {
        depth = 0;
        this.#statement(open);
        open = [];
      }
    });
    this.#statement(open);
  }

  #statement(tokens: readonly Token[]): void {
    const first = tokens[0];
    if (first === undefined) return;
    try {
      if (first.text.startsWith(".") && tokens[1]?.text !== ":") this.#directive(tokens);
      else if (CONTROL.has(first.text) || startsType(first)) this.#declaration(tokens);
      else this.#code(tokens);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      const { message, line, column, endColumn } = error.fault;
      this.#report(message, { line, column, endColumn });
    }
  }

  #report(message: string, { line, column, endColumn }: { line: number; column: number; endColumn: number }): void {
    this.problems.push({
      severity: "error",
      message,
      span: { file: this.#file, line, column, endLine: line, endColumn },
    });
  }

  #claim(reader: TokenReader, name: Token): void {
    if (this.#names.has(name.text)) reader.failAt(name, `'${name.text}' is there already`);
    this.#names.add(name.text);
  }

  #directive(tokens: readonly Token[]): void {
    const reader = new TokenReader(tokens);
    const name = reader.take();
    switch (name.text) {
      case ".section": {
        const section = reader.take();
        this.#section = section.kind === "string" ? unquote(section.text) : section.text;
        // A name like tracepoint/syscalls/sys_enter_openat without quotes is several tokens.
        while (reader.is("/") || reader.is(".")) this.#section += reader.take().text + reader.take().text;
        this.#nextSection = null;
        this.#sectionBegun = true;
        return;
      }
      case ".text":
        this.#section = ".text";
        this.#nextSection = null;
        this.#sectionBegun = true;
        return;
      case ".globl":
      case ".global":
        this.#globals.add(reader.word("the name of a symbol").text);
        return;
      case ".type":
      case ".weak":
      case ".local":
      case ".hidden":
        return;
      default:
        if (IGNORED.has(name.text) || name.text.startsWith(".cfi_")) return;
        reader.failAt(name, `there is no directive '${name.text}'`);
    }
  }

  #declaration(tokens: readonly Token[]): void {
    const reader = new TokenReader(tokens);
    switch (reader.peek()?.text) {
      case "license":
        reader.take();
        this.#license = stringLiteral(reader);
        break;
      case "dialect":
        this.#readDialect(reader);
        break;
      case "SEC":
        reader.take();
        reader.expect("(");
        this.#nextSection = stringLiteral(reader);
        reader.expect(")");
        if (!reader.atEnd) this.#declaration(rest(reader));
        return;
      case "map":
        this.#readMap(reader);
        break;
      case "struct":
        if (reader.is("{", 2)) this.#readStruct(reader);
        else this.#readNamed(reader);
        break;
      case "extern":
        this.#readExtern(reader);
        break;
      default:
        this.#readNamed(reader);
    }
    reader.end();
  }

  #readDialect(reader: TokenReader): void {
    reader.take();
    let name = reader.word("linux, rfc or timer-map").text;
    if (reader.accept("-")) name += `-${reader.word("map").text}`;
    if (name !== "linux" && name !== "rfc" && name !== "timer-map") reader.fail(`dialect '${name}' is not known`);
    this.#dialect = name;
    this.#types.timerBytes = name === "rfc" ? 8 : 16;
  }

  #readStruct(reader: TokenReader): void {
    reader.take();
    const name = reader.word("the name of a structure");
    reader.expect("{");
    const members: { name: string; type: BtfId }[] = [];
    while (!reader.accept("}")) {
      const base = readBaseType(reader, this.#types);
      do {
        const member = readDeclarator(reader, this.#types, base);
        if (this.#types.sizeOf(member.type) === null) reader.failAt(member.name, "the type of this member has no size");
        members.push({ name: member.name.text, type: member.type });
      } while (reader.accept(","));
      reader.expect(";");
    }
    if (!this.#types.defineStruct(name.text, members)) reader.failAt(name, `struct ${name.text} is there already`);
  }

  /** `extern int f(int);`, `extern weak int CONFIG_X __kconfig;` */
  #readExtern(reader: TokenReader): void {
    reader.take();
    const weak = reader.accept("weak");
    const { name, type } = readDeclarator(reader, this.#types, readBaseType(reader, this.#types));
    this.#claim(reader, name);
    const parameters = reader.is("(") ? readParameters(reader, this.#types) : null;
    const section = reader.accept("__kconfig") ? ".kconfig" : ".ksyms";
    reader.accept("__ksym");
    this.#externs.push({ name: name.text, weak, section, type, parameters });
  }

  /** A variable, or the head of a function. */
  #readNamed(reader: TokenReader): void {
    const isStatic = reader.accept("static");
    const weak = reader.accept("weak");
    const isConst = reader.is("const");
    const base = readBaseType(reader, this.#types);
    const { name, type, unsized } = readDeclarator(reader, this.#types, base);
    this.#claim(reader, name);
    if (reader.is("(")) {
      const parameters = readParameters(reader, this.#types);
      reader.expect(":");
      this.#begin(name, isStatic ? "static" : weak ? "weak" : "global", type, parameters);
      if (!reader.atEnd) this.#code(rest(reader));
      return;
    }
    this.#readVariable(reader, { name, type, unsized, isStatic, isConst });
  }

  #readVariable(
    reader: TokenReader,
    v: { name: Token; type: BtfId; unsized: boolean; isStatic: boolean; isConst: boolean },
  ): void {
    let type = v.type;
    let bytes: Uint8Array | null = null;
    this.#pointers = [];
    if (reader.accept("=")) {
      const literal = reader.peek()?.kind === "string" ? utf8Bytes(`${stringLiteral(reader)}\0`) : null;
      const array = this.#types.types[type];
      if (v.unsized && array?.kind === "array") {
        const count = literal ? literal.length : countElements(reader);
        type = this.#types.array(array.type, count);
      }
      const size = this.#types.sizeOf(type) ?? 0;
      bytes = new Uint8Array(size);
      if (literal === null) this.#initialise(reader, bytes, 0, type);
      else if (literal.length - 1 > size) reader.failAt(v.name, "the text is longer than the array");
      else bytes.set(literal.subarray(0, size));
    }
    const size = this.#types.sizeOf(type);
    if (size === null || size === 0) reader.failAt(v.name, "the type of this variable has no size");
    const filled = this.#pointers.length > 0 || bytes?.some((b) => b !== 0) === true;
    const plain = v.isConst ? ".rodata" : filled ? ".data" : ".bss";
    const section = this.#nextSection ?? plain;
    this.#nextSection = null;
    if (section === "license" || section === "version") {
      if (section === "license" && bytes) this.#license = textOf(bytes);
      return;
    }
    this.#variables.push({
      name: v.name.text,
      section,
      isStatic: v.isStatic,
      type,
      bytes: section.startsWith(".bss") ? null : (bytes ?? new Uint8Array(size)),
      size,
      pointers: this.#pointers,
    });
  }

  /** A number, or `{ … }` for arrays and structures; what is left out is zero. */
  #initialise(reader: TokenReader, bytes: Uint8Array, offset: number, type: BtfId): void {
    const resolved = this.#types.resolve(type);
    if (reader.accept("{")) {
      const places: { offset: number; type: BtfId }[] =
        resolved.kind === "array"
          ? Array.from({ length: resolved.count }, (_, i) => ({
              offset: offset + i * (this.#types.sizeOf(resolved.type) ?? 0),
              type: resolved.type,
            }))
          : resolved.kind === "struct"
            ? resolved.members.map((m) => ({ offset: offset + m.bitOffset / 8, type: m.type }))
            : reader.fail("a number is expected here");
      for (const place of places) {
        if (reader.is("}")) break;
        this.#initialise(reader, bytes, place.offset, place.type);
        if (!reader.accept(",")) break;
      }
      reader.expect("}");
      return;
    }
    if (resolved.kind !== "int" && resolved.kind !== "ptr") reader.fail("this type is initialised with { … }");
    const size = resolved.kind === "int" ? resolved.size : 8;
    if (resolved.kind === "ptr" && reader.peek()?.kind === "word") {
      const symbol = reader.take();
      const addend = reader.is("+") || reader.is("-") ? Number(reader.number().value) : 0;
      this.#pointers.push({ offset, symbol, addend });
      return;
    }
    const { value } = reader.number();
    for (let i = 0; i < size; i++) {
      bytes[offset + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
    }
  }

  #readMap(reader: TokenReader): void {
    reader.take();
    const name = reader.word("the name of a map");
    this.#claim(reader, name);
    const numbers = new Map<string, number>();
    const map: { key: BtfId | null; value: BtfId | null; inner: Token | null } = {
      key: null,
      value: null,
      inner: null,
    };
    const slots: { index: number; name: Token }[] = [];
    reader.expect("{");
    while (!reader.accept("}")) {
      const field = reader.word("a field of the map");
      if (!reader.accept("=")) reader.expect(":");
      switch (field.text) {
        case "type":
          numbers.set("type", mapType(reader));
          break;
        case "key":
        case "value":
          map[field.text] = readPointers(reader, this.#types, readBaseType(reader, this.#types));
          break;
        case "inner":
          map.inner = reader.word("the name of a map");
          break;
        case "slots":
          do {
            const { value } = reader.number("the index of a slot");
            reader.expect("=");
            slots.push({ index: Number(value), name: reader.word("the name of a map or program") });
          } while (reader.accept(","));
          break;
        default: {
          const known = MAP_NUMBERS[field.text];
          if (known === undefined) reader.failAt(field, `a map has no field '${field.text}'`);
          numbers.set(known, Number(BigInt.asUintN(32, reader.number().value)));
        }
      }
      if (!reader.is("}") && !reader.accept(";") && !reader.accept(",")) {
        // The end of a line separates too.
        const next = reader.peek();
        if (next === undefined || next.line === field.line) reader.fail("expected ';' or '}'");
      }
    }
    if (!numbers.has("type")) reader.failAt(name, `map ${name.text} has no type`);
    this.#maps.push({ name: name.text, line: name.line, numbers, ...map, slots });
  }

  #begin(
    name: Token,
    linkage: SourceFunction["linkage"],
    returnType: BtfId,
    parameters: SourceFunction["parameters"],
  ): void {
    // libbpf wants static functions in .text.
    const section = linkage === "static" ? ".text" : (this.#nextSection ?? this.#section);
    this.#nextSection = null;
    this.#sectionBegun = false;
    this.#functions.push({
      name: name.text,
      section,
      linkage,
      returnType,
      parameters,
      line: name.line,
      body: [],
      labels: new Map(),
    });
  }

  /** A label or an instruction. */
  #code(tokens: readonly Token[]): void {
    const first = tokens[0] as Token;
    const reader = new TokenReader(tokens);
    if (first.kind === "word" && tokens[1]?.text === ":") {
      reader.take();
      reader.take();
      this.#label(reader, first);
      if (!reader.atEnd) this.#statement(rest(reader));
      return;
    }
    const current = this.#functions.at(-1);
    if (current === undefined) {
      return reader.fail(
        "an instruction has to be in a function: write its head first, such as `int prog(struct xdp_md *ctx):`",
      );
    }
    current.body.push({ statement: readWholeStatement(tokens), line: first.line, column: first.column });
  }

  #label(reader: TokenReader, label: Token): void {
    const current = this.#functions.at(-1);
    // A plain label begins a function when it is declared global, or when none is open in this section.
    const begins =
      this.#globals.has(label.text) ||
      this.#nextSection !== null ||
      current === undefined ||
      (this.#sectionBegun && !label.text.startsWith("."));
    if (begins) {
      this.#claim(reader, label);
      const context = this.#types.pointer(0);
      this.#begin(label, "global", this.#types.base("int") as BtfId, [{ name: "ctx", type: context }]);
      return;
    }
    if (current.labels.has(label.text)) reader.failAt(label, `label '${label.text}' is there already`);
    current.labels.set(label.text, current.body.length);
  }
}

const MAP_NUMBERS: Readonly<Record<string, string>> = {
  max_entries: "max_entries",
  entries: "max_entries",
  flags: "map_flags",
  map_flags: "map_flags",
  key_size: "key_size",
  value_size: "value_size",
  map_extra: "map_extra",
  numa_node: "numa_node",
  pinning: "pinning",
};

/** `hash`, `BPF_MAP_TYPE_HASH` or a number. */
function mapType(reader: TokenReader): number {
  if (reader.peek()?.kind === "number") return Number(reader.number().value);
  const token = reader.word("a type of map");
  const name = token.text.replace(/^BPF_MAP_TYPE_/, "").toLowerCase();
  const type = Object.hasOwn(MAP_TYPES, name) ? MAP_TYPES[name as keyof typeof MAP_TYPES] : undefined;
  if (type === undefined) reader.failAt(token, `'${token.text}' is no type of map`);
  return type;
}

function rest(reader: TokenReader): Token[] {
  const tokens: Token[] = [];
  while (!reader.atEnd) tokens.push(reader.take());
  return tokens;
}

/** Elements of the initialiser that comes next, without taking it. */
function countElements(reader: TokenReader): number {
  let depth = 0;
  let count = 0;
  for (let ahead = 0; reader.peek(ahead) !== undefined; ahead++) {
    if (reader.is("{", ahead)) depth++;
    else if (reader.is("}", ahead)) depth--;
    else if (depth === 1 && !reader.is(",", ahead)) {
      if (reader.is(",", ahead - 1) || reader.is("{", ahead - 1)) count++;
    }
    if (depth === 0) break;
  }
  return count;
}

function stringLiteral(reader: TokenReader): string {
  const token = reader.peek();
  if (token?.kind !== "string") reader.fail("expected a text in quotes");
  reader.take();
  return unquote(token.text);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\", '"': '"' };

function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{1,2}|.)/g, (_, code: string) =>
      code.startsWith("x") && code.length > 1
        ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
        : (ESCAPES[code] ?? code),
    );
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}

/** The lines, comments replaced by blanks so that columns stay. */
function withoutComments(text: string): string[] {
  const blank = (comment: string): string => comment.replace(/[^\n]/g, " ");
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/"(?:[^"\\\n]|\\.)*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*|(?<=^|[ \t])#(?!\d)[^\n]*/gm, (match) =>
      match.startsWith('"') ? match : blank(match),
    )
    .split("\n");
}
