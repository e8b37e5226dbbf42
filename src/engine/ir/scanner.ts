const SPACE = 32;
const NEWLINE = 10;

function isWordCode(c: number): boolean {
  // letters, digits, '_', '.', '$', '-'
  return (
    (c >= 97 && c <= 122) ||
    (c >= 65 && c <= 90) ||
    (c >= 48 && c <= 57) ||
    c === 95 ||
    c === 46 ||
    c === 36 ||
    c === 45
  );
}

/**
 * A cursor over LLVM IR text. Reading methods skip blanks but never a line's end unless told so; the first failure is kept
 * in `failure` and moves the cursor to the end of the line, so that every loop ends.
 */
export class Scanner {
  readonly text: string;
  at: number;
  end: number;
  failure: string | null = null;
  /** Where the first failure was. */
  failedAt = 0;

  constructor(text: string, at = 0, end = text.length) {
    this.text = text;
    this.at = at;
    this.end = end;
  }

  fail(message: string): void {
    if (this.failure === null) {
      this.failure = message;
      this.failedAt = this.at;
    }
    this.at = this.lineEnd();
  }

  lineEnd(): number {
    const stop = this.text.indexOf("\n", this.at);
    return stop < 0 || stop > this.end ? this.end : stop;
  }

  nextLine(): void {
    this.at = Math.min(this.lineEnd() + 1, this.end);
  }

  blanks(): void {
    while (this.at < this.end) {
      const c = this.text.charCodeAt(this.at);
      if (c !== SPACE && c !== 9) return;
      this.at++;
    }
  }

  /** Blanks, line ends and comments. */
  space(): void {
    for (; this.at < this.end; this.at++) {
      const c = this.text.charCodeAt(this.at);
      if (c === 59) {
        this.at = this.lineEnd();
        if (this.at >= this.end) return;
      } else if (c !== SPACE && c !== NEWLINE && c !== 9 && c !== 13) return;
    }
  }

  /** The next character without taking it; "" at the end of the text. */
  peek(): string {
    this.blanks();
    return this.at < this.end ? this.text.charAt(this.at) : "";
  }

  atLineEnd(): boolean {
    const c = this.peek();
    return c === "" || c === "\n" || c === ";" || c === "\r";
  }

  accept(token: string): boolean {
    this.blanks();
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.accept(token))
      this.fail(`expected '${token}' at '${this.text.slice(this.at, this.at + 30).split("\n")[0]}'`);
  }

  /** Takes `word` when it stands here as a whole word. */
  acceptWord(word: string): boolean {
    this.blanks();
    if (!this.text.startsWith(word, this.at) || isWordCode(this.text.charCodeAt(this.at + word.length))) return false;
    this.at += word.length;
    return true;
  }

  peekWord(): string {
    const start = this.at;
    const word = this.word();
    this.at = start;
    return word;
  }

  /** Letters, digits, `_ . $ -`; "" when there is none. */
  word(): string {
    this.blanks();
    const start = this.at;
    while (this.at < this.end && isWordCode(this.text.charCodeAt(this.at))) this.at++;
    return this.text.slice(start, this.at);
  }

  integer(): number {
    const word = this.word();
    const value = Number(word);
    if (word === "" || !Number.isInteger(value)) this.fail(`expected a number at '${word}'`);
    return value;
  }

  /** The name after a sigil (`@ % $ !`): a word or a quoted string. */
  name(): string {
    if (this.text.charCodeAt(this.at) === 34) return decodeText(this.quotedRaw());
    return this.word();
  }

  /** The raw inside of a quoted string. IR strings contain no bare quote: it is written \22. */
  quotedRaw(): string {
    this.blanks();
    if (this.text.charCodeAt(this.at) !== 34) {
      this.fail("expected a string");
      return "";
    }
    const close = this.text.indexOf('"', this.at + 1);
    if (close < 0) {
      this.fail("unterminated string");
      return "";
    }
    const raw = this.text.slice(this.at + 1, close);
    this.at = close + 1;
    return raw;
  }

  /** Skips a bracketed group that starts here, nested groups and strings within it. */
  skipGroup(): void {
    let depth = 0;
    while (this.at < this.end) {
      const c = this.text.charAt(this.at);
      if (c === '"') {
        this.quotedRaw();
        continue;
      }
      this.at++;
      if (c === "(" || c === "[" || c === "{" || c === "<") depth++;
      else if (c === ")" || c === "]" || c === "}" || c === ">") {
        depth--;
        if (depth <= 0) return;
      }
    }
  }
}

/** Bytes of an IR string: `\XX` is a byte in hex, `\\` a backslash; other characters stand for their UTF-8. */
export function decodeBytes(raw: string): Uint8Array {
  const out: number[] = [];
  for (let i = 0; i < raw.length; i++) {
    const c = raw.codePointAt(i) ?? 0;
    if (c === 92) {
      if (raw.charAt(i + 1) === "\\") {
        out.push(92);
        i++;
        continue;
      }
      const value = Number.parseInt(raw.slice(i + 1, i + 3), 16);
      if (!Number.isNaN(value)) {
        out.push(value);
        i += 2;
        continue;
      }
    }
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else {
      out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
      i++;
    }
  }
  return Uint8Array.from(out);
}

/** The string as text: its bytes read as UTF-8. */
export function decodeText(raw: string): string {
  if (!raw.includes("\\")) return raw;
  const bytes = decodeBytes(raw);
  let out = "";
  for (let i = 0; i < bytes.length; ) {
    const b = bytes[i] ?? 0;
    const length = b < 0x80 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
    if (length === 1) {
      out += String.fromCharCode(b);
    } else {
      let code = b & (0xff >> (length + 1));
      for (let k = 1; k < length; k++) code = (code << 6) | ((bytes[i + k] ?? 0) & 63);
      out += String.fromCodePoint(Math.min(code >>> 0, 0x10ffff));
    }
    i += length;
  }
  return out;
}
