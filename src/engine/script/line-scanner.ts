/** Reads one line from left to right. The first fault is kept; whoever meets it returns null up to the top. */
export class LineScanner {
  readonly text: string;
  at = 0;
  fault: { readonly message: string; readonly column: number; readonly endColumn: number } | null = null;

  constructor(text: string) {
    this.text = text;
  }

  get column(): number {
    return this.at + 1;
  }

  fail(message: string, column = this.column, endColumn = column + 1): null {
    this.fault ??= { message, column, endColumn };
    return null;
  }

  skipSpace(): void {
    while (this.at < this.text.length && /\s/.test(this.text[this.at] as string)) this.at++;
  }

  /** True at the end of the line or before a comment. */
  atEnd(): boolean {
    this.skipSpace();
    return this.at >= this.text.length || this.text[this.at] === "#";
  }

  peek(): string {
    return this.text[this.at] ?? "";
  }

  /** Takes `text` when it stands here. */
  take(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  /** Takes what a sticky pattern matches here; null when it does not. */
  match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return null;
    this.at += found.length;
    return found;
  }

  /** The next blank-separated word, not taken: for messages. */
  upcoming(): string {
    const word = /[^\s#]+/y;
    word.lastIndex = this.at;
    return word.exec(this.text)?.[0] ?? "";
  }

  /** Takes a keyword that must stand here. */
  keyword(words: readonly string[], after: string): string | null {
    this.skipSpace();
    const start = this.at;
    const word = this.match(/[A-Za-z][\w-]*/y);
    if (word !== null && words.includes(word)) return word;
    this.at = start;
    const list = words.length === 1 ? words[0] : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
    const found = this.upcoming();
    return this.fail(
      found === "" ? `${after} needs ${list}` : `${after} is followed by ${list}, not by '${found}'`,
      start + 1,
      start + 1 + Math.max(1, found.length),
    );
  }

  /** Takes a name of a map, program, field or process. */
  name(what: string): string | null {
    this.skipSpace();
    const name = this.match(/[A-Za-z_.$][\w.$]*/y);
    if (name !== null) return name;
    const found = this.upcoming();
    return this.fail(
      found === "" ? `the name of a ${what} is missing here` : `'${found}' is no name of a ${what}`,
      this.column,
      this.column + Math.max(1, found.length),
    );
  }

  /** Takes a decimal or hexadecimal integer with an optional sign. */
  integer(what: string): bigint | null {
    this.skipSpace();
    const start = this.column;
    const text = this.match(/[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![\w.])/y);
    if (text !== null) return parseInteger(text);
    const found = this.upcoming();
    return this.fail(
      found === "" ? `${what} is missing here` : `${what} must be a whole number, not '${found}'`,
      start,
      start + Math.max(1, found.length),
    );
  }

  /** Takes a quoted text: C escapes, no line breaks. */
  quoted(): string | null {
    const start = this.column;
    if (!this.take('"')) return this.fail("a text in quotation marks is missing here");
    let text = "";
    while (this.at < this.text.length) {
      const c = this.text[this.at++] as string;
      if (c === '"') return text;
      if (c !== "\\") {
        text += c;
        continue;
      }
      const escaped = this.text[this.at++] ?? "";
      const simple = ({ n: "\n", t: "\t", r: "\r", "0": "\0", '"': '"', "\\": "\\" } as Record<string, string>)[
        escaped
      ];
      if (simple !== undefined) {
        text += simple;
      } else if (escaped === "x") {
        const digits = this.match(/[0-9a-fA-F]{2}/y);
        if (digits === null) return this.fail("\\x needs two hexadecimal digits", this.column - 2, this.column);
        text += String.fromCharCode(Number.parseInt(digits, 16));
      } else {
        return this.fail(`unknown escape '\\${escaped}'`, this.column - 2, this.column);
      }
    }
    return this.fail("this text has no closing quotation mark", start, this.text.length + 1);
  }
}

export function parseInteger(text: string): bigint {
  const negative = text.startsWith("-");
  const digits = text.replace(/^[-+]/, "");
  const value = BigInt(digits);
  return negative ? -value : value;
}

/** Bytes of hexadecimal digits; null when their number is odd or one is no digit. */
export function parseHex(digits: string): Uint8Array | null {
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return null;
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
