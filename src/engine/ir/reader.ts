import { Scanner } from "./scanner.ts";
import { type IrType, intType, PTR, VOID } from "./types.ts";

/** Types nest in text; deeper than this is no program but an attack on the stack. */
const MAX_DEPTH = 200;

const NO_REGISTERS: ReadonlySet<string> = new Set([
  "half",
  "bfloat",
  "float",
  "double",
  "fp128",
  "x86_fp80",
  "ppc_fp128",
  "x86_amx",
  "token",
  "metadata",
  "label",
  "target",
]);

/** Named types of a module. Their bodies are read at first use, since one may name another that stands below it. */
export interface NamedTypes {
  /** Name -> where its body begins. */
  readonly places: ReadonlyMap<string, number>;
  readonly known: Map<string, IrType>;
  readonly open: Set<string>;
}

/** Told of an attribute: its word, the number behind it (`align 8`), the type of `elementtype(T)`. */
export type EachAttribute = (word: string, value: number, type: IrType | null) => void;

export function isIntegerWord(word: string): boolean {
  return /^i[0-9]{1,7}$/.test(word);
}

/** A scanner that knows the type syntax of one module. */
export class IrReader extends Scanner {
  readonly named: NamedTypes;
  depth = 0;

  constructor(text: string, named: NamedTypes, at = 0, end = text.length) {
    super(text, at, end);
    this.named = named;
  }

  /** Enters one level of nesting; false when the text is nested too deep. Pair with {@link leave}. */
  enter(): boolean {
    if (++this.depth <= MAX_DEPTH) return true;
    this.fail("nested too deep");
    return false;
  }

  leave(): void {
    this.depth--;
  }

  type(): IrType {
    if (!this.enter()) {
      this.leave();
      return VOID;
    }
    const type = this.#type();
    this.leave();
    return type;
  }

  /** True when a type begins here: decides where attributes end. */
  atType(): boolean {
    const c = this.peek();
    if (c === "%" || c === "[" || c === "{" || c === "<") return true;
    const word = this.peekWord();
    return word === "ptr" || word === "void" || isIntegerWord(word) || NO_REGISTERS.has(word);
  }

  #type(): IrType {
    const c = this.peek();
    if (c === "%") {
      this.at++;
      return this.#namedType(this.name());
    }
    if (c === "[") return this.#array("[", "]");
    if (c === "<") {
      if (this.text.charAt(this.at + 1) === "{") {
        this.at++;
        const type = this.#struct(true);
        this.expect(">");
        return type;
      }
      const start = this.at;
      this.skipGroup();
      return { kind: "unsupported", text: this.text.slice(start, this.at) };
    }
    if (c === "{") return this.#struct(false);
    const word = this.word();
    if (word === "ptr") {
      if (this.acceptWord("addrspace")) {
        const start = this.at;
        this.skipGroup();
        return { kind: "unsupported", text: `ptr addrspace${this.text.slice(start, this.at)}` };
      }
      return PTR;
    }
    if (word === "void") return VOID;
    if (isIntegerWord(word)) return intType(Number(word.slice(1)));
    if (NO_REGISTERS.has(word)) {
      if (word === "target" && this.peek() === "(") this.skipGroup();
      return { kind: "unsupported", text: word };
    }
    this.fail(`expected a type at '${word}'`);
    return VOID;
  }

  #array(open: string, close: string): IrType {
    this.expect(open);
    const count = this.integer();
    this.expect("x");
    const element = this.type();
    this.expect(close);
    return { kind: "array", count, element };
  }

  #struct(packed: boolean): IrType {
    this.expect("{");
    const fields: IrType[] = [];
    if (this.peek() !== "}") {
      do fields.push(this.type());
      while (this.failure === null && this.accept(","));
    }
    this.expect("}");
    return { kind: "struct", packed, fields };
  }

  #namedType(name: string): IrType {
    const { places, known, open } = this.named;
    const found = known.get(name);
    if (found !== undefined) return found;
    const place = places.get(name);
    if (place === undefined || open.has(name)) return { kind: "opaque", name: `%${name}` };
    open.add(name);
    const reader = new IrReader(this.text, this.named, place);
    reader.depth = this.depth;
    const type: IrType = reader.acceptWord("opaque") ? { kind: "opaque", name: `%${name}` } : reader.type();
    if (reader.failure !== null) this.fail(reader.failure);
    open.delete(name);
    known.set(name, type);
    return type;
  }

  /** Skips attributes (`noundef`, `range(i32 0, 3)`, `align 8`, `"k"="v"`) up to the next type. */
  skipToType(each?: EachAttribute): void {
    while (this.failure === null && !this.atLineEnd() && !this.atType()) this.attribute(each);
  }

  /** Skips one attribute. */
  attribute(each?: EachAttribute): void {
    const c = this.peek();
    if (c === '"') {
      this.quotedRaw();
      if (this.accept("=")) this.quotedRaw();
      return;
    }
    if (c === "#") {
      this.at++;
      this.word();
      return;
    }
    const word = this.word();
    if (word === "") {
      this.fail(`unexpected '${c}'`);
      return;
    }
    if (word === "elementtype" && this.accept("(")) {
      each?.(word, 0, this.type());
      this.expect(")");
    } else if (this.peek() === "(") {
      const start = this.at + 1;
      this.skipGroup();
      each?.(word, Number.parseInt(this.text.slice(start, this.at), 10) || 0, null);
    } else if (word === "align" || word === "alignstack") each?.(word, Number(this.word()) || 0, null);
    else each?.(word, 0, null);
  }
}
