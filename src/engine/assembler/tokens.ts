/** A word, number or sign of a text of assembly; lines and columns count from 1, the end is exclusive. */
export interface Token {
  readonly kind: "word" | "number" | "string" | "sign" | "unknown";
  readonly text: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

const NUMBER = /(?:0[xX][0-9a-fA-F]+|\d+)(?![\w.])/y;
/** Also numbered labels (`1b`, `2f`), and opcodes in hexadecimal digits that begin with a decimal one. */
const WORD = /[A-Za-z_.$%@][\w.$%@]*|\d+[a-fA-F](?!\w)/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
/** Longest first. The `s` of signed operators belongs to the sign. */
const SIGN =
  /s>>=|s>=|s<=|s\/=|s%=|s>|s<|<<=|>>=|==|!=|<=|>=|\+=|-=|\*=|\/=|%=|&=|\|=|\^=|[-+*/%&|^=<>()[\]{}#:,;?!~]/y;

/** Splits one line; text that no rule takes becomes one `unknown` token per character. */
export function tokenize(line: string, lineNumber = 1): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < line.length) {
    const char = line.charCodeAt(at);
    if (char === 32 || char === 9 || char === 13) {
      at++;
      continue;
    }
    const [kind, text] = match(line, at);
    tokens.push({ kind, text, line: lineNumber, column: at + 1, endColumn: at + 1 + text.length });
    at += text.length;
  }
  return tokens;
}

function match(line: string, at: number): [Token["kind"], string] {
  for (const [kind, pattern] of [
    ["sign", SIGN],
    ["number", NUMBER],
    ["word", WORD],
    ["string", STRING],
  ] as const) {
    pattern.lastIndex = at;
    const found = pattern.exec(line);
    if (found) return [kind, found[0]];
  }
  return ["unknown", line[at] as string];
}

/** A fault at a place of the text. */
export interface LineFault {
  readonly message: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/** Thrown inside the parsers of one line, caught at their edge. */
export class LineError extends Error {
  readonly fault: LineFault;
  constructor(message: string, place: { line: number; column: number; endColumn: number }) {
    super(message);
    this.fault = { message, line: place.line, column: place.column, endColumn: place.endColumn };
  }
}

/** Walks over the tokens of a statement. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#next >= this.#tokens.length;
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#next + ahead];
  }

  is(text: string, ahead = 0): boolean {
    return this.peek(ahead)?.text === text;
  }

  take(): Token {
    const token = this.peek();
    if (token === undefined) this.fail("the line ends too early");
    this.#next++;
    return token;
  }

  /** Takes the next token when it is this one. */
  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.#next++;
    return true;
  }

  expect(text: string): Token {
    if (!this.is(text)) this.fail(`expected '${text}'`);
    return this.take();
  }

  word(what: string): Token {
    if (this.peek()?.kind !== "word") this.fail(`expected ${what}`);
    return this.take();
  }

  end(): void {
    if (!this.atEnd) this.fail(`unexpected '${this.peek()?.text}'`);
  }

  /** A whole number with an optional sign, of any size. */
  number(what = "a number"): { value: bigint; token: Token } {
    const minus = this.is("-");
    if (minus || this.is("+")) this.take();
    const token = this.peek();
    if (token?.kind !== "number") this.fail(`expected ${what}`);
    this.take();
    const value = BigInt(token.text);
    return { value: minus ? -value : value, token };
  }

  /** Reports at the next token, or behind the last one. */
  fail(message: string): never {
    const token = this.peek();
    if (token) throw new LineError(message, token);
    const last = this.#tokens.at(-1);
    const end = last?.endColumn ?? 1;
    throw new LineError(message, { line: last?.line ?? 1, column: end, endColumn: end + 1 });
  }

  failAt(token: Token, message: string): never {
    throw new LineError(message, token);
  }
}
