import type { TokenReader } from "./tokens.ts";

/** A text in quotes, escapes replaced. */
export function stringLiteral(reader: TokenReader): string {
  const token = reader.peek();
  if (token?.kind !== "string") reader.fail("expected a text in quotes");
  reader.take();
  return unquote(token.text);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\", '"': '"' };

export function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{1,2}|.)/g, (_, code: string) =>
      code.startsWith("x") && code.length > 1
        ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
        : (ESCAPES[code] ?? code),
    );
}

/** Text of bytes up to the NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}

/** The lines, comments replaced by blanks so that columns stay. */
export function withoutComments(text: string): string[] {
  const blank = (comment: string): string => comment.replace(/[^\n]/g, " ");
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/"(?:[^"\\\n]|\\.)*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*|(?<=^|[ \t])#(?!\d)[^\n]*/gm, (match) =>
      match.startsWith('"') ? match : blank(match),
    )
    .split("\n");
}
