import type { Diagnostic } from "../base/diagnostic.ts";
import type { BtfId } from "../btf/types.ts";
import { type InitialPointer, MAX_VARIABLE, readInitialValue } from "./initialiser.ts";
import { stringLiteral, textOf, unquote, withoutComments } from "./literals.ts";
import { readMap, type SourceMap } from "./map-declaration.ts";
import { readWholeStatement, type Statement } from "./statement.ts";
import { LineError, type Token, TokenReader, tokenize } from "./tokens.ts";
import { readBaseType, readDeclarator, readParameters, startsType, TypeTable } from "./types.ts";

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

export interface SourceVariable {
  readonly name: string;
  readonly section: string;
  readonly isStatic: boolean;
  readonly type: BtfId;
  /** null for zeros */
  readonly bytes: Uint8Array | null;
  readonly size: number;
  readonly pointers: readonly InitialPointer[];
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
        this.#maps.push(readMap(reader, this.#types, (name) => this.#claim(reader, name)));
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
    const initial = reader.accept("=") ? readInitialValue(reader, this.#types, v) : null;
    const type = initial?.type ?? v.type;
    const bytes = initial?.bytes ?? null;
    const pointers = initial?.pointers ?? [];
    const size = this.#types.sizeOf(type);
    if (size === null || size === 0) reader.failAt(v.name, "the type of this variable has no size");
    if (size > MAX_VARIABLE) reader.failAt(v.name, `the variable is larger than ${MAX_VARIABLE} bytes`);
    const filled = pointers.length > 0 || bytes?.some((b) => b !== 0) === true;
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
      pointers,
    });
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

function rest(reader: TokenReader): Token[] {
  const tokens: Token[] = [];
  while (!reader.atEnd) tokens.push(reader.take());
  return tokens;
}
