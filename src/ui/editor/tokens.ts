import type { ObjectNames } from "./object-names.ts";

export type LanguageName = "bpf-c" | "bpf-script" | "bpf-asm";
export type TokenClass = "" | "kw" | "str" | "num" | "com" | "pp" | "map" | "prog" | "timer";

export interface Token {
  /** Column from 0. */
  readonly start: number;
  readonly cls: TokenClass;
}

const C_WORDS = new Set(
  (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register " +
    "return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false " +
    "__always_inline __noinline __weak __hidden __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 __be16 __be32 u8 u16 u32 " +
    "u64 s8 s16 s32 s64 size_t uint8_t uint16_t uint32_t uint64_t int8_t int16_t int32_t int64_t"
  ).split(" "),
);
const SCRIPT_WORDS = new Set(
  (
    "prog map timer advance expect process cpu fail rcu unpin object exit run attach detach close open pin update lookup " +
    "delete dump push pop create load settle next alloc ringbuf read missing freed pending contains no oops global trace"
  ).split(" "),
);
const ASM_WORDS = new Set(
  (
    "call callx exit goto gotol may_goto if ll lock raw map struct union const static weak extern license dialect " +
    "u8 u16 u32 u64 s8 s16 s32 s64 int long char void type key value max_entries map_flags inner slots " +
    "be16 be32 be64 le16 le32 le64 bswap16 bswap32 bswap64"
  ).split(" "),
);

const LEXERS: Record<LanguageName, RegExp> = {
  "bpf-c":
    /(?<com>\/\/.*|\/\*.*?(?:\*\/|$))|(?<str>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|(?<=#\s*include\s*)<[^>]*>)|(?<pp>#\s*\w+)|(?<num>\b(?:0[xX][\da-fA-F]+|\d+(?:\.\d+)?)[uUlL]*\b)|(?<word>[A-Za-z_]\w*)/g,
  "bpf-script":
    /(?<com>#.*)|(?<str>"(?:[^"\\]|\\.)*"?)|(?<num>-?\b(?:0[xX][\da-fA-F]+|\d+)(?:ns|us|ms|s|j)?\b)|(?<word>[A-Za-z_][\w-]*)/g,
  "bpf-asm":
    /(?<com>\/\/.*|\/\*.*?(?:\*\/|$)|^\s*;.*|(?:^|(?<=\s))#.*)|(?<str>"(?:[^"\\]|\\.)*"?)|(?<pp>\.[a-z_]\w*)|(?<num>\b(?:0[xX][\da-fA-F]+|\d+)\b)|(?<word>[A-Za-z_]\w*)/g,
};

function classOf(language: LanguageName, word: string, names: ObjectNames): TokenClass {
  if (names.maps.has(word)) return "map";
  if (names.programs.has(word)) return "prog";
  if (language === "bpf-c") {
    if (names.timers.has(word) || /^bpf_(timer|wq)(_|$)/.test(word)) return "timer";
    if (C_WORDS.has(word)) return "kw";
    return /^(SEC|__uint|__type|__array|__ulong|[A-Z][A-Z0-9_]{2,})$/.test(word) ? "pp" : "";
  }
  if (language === "bpf-script") return SCRIPT_WORDS.has(word) ? "kw" : /^E[A-Z0-9]+$/.test(word) ? "pp" : "";
  if (/^[rw]\d+$/.test(word)) return "";
  if (names.timers.has(word) || /^bpf_(timer|wq)/.test(word)) return "timer";
  return ASM_WORDS.has(word) ? "kw" : word === "SEC" ? "pp" : "";
}

/** Tokens of one line; `inComment` carries block comments of C from line to line. */
export function tokenizeLine(
  language: LanguageName,
  line: string,
  inComment: boolean,
  names: ObjectNames,
): { readonly tokens: readonly Token[]; readonly inComment: boolean } {
  const tokens: Token[] = [];
  let at = 0;
  let open = inComment;
  if (open) {
    tokens.push({ start: 0, cls: "com" });
    const end = line.indexOf("*/");
    if (end < 0) return { tokens, inComment: true };
    at = end + 2;
    open = false;
  }
  const lexer = new RegExp(LEXERS[language]);
  lexer.lastIndex = at;
  if (at < line.length) tokens.push({ start: at, cls: "" });
  for (let match = lexer.exec(line); match; match = lexer.exec(line)) {
    const groups = match.groups ?? {};
    const text = match[0];
    let cls: TokenClass = "";
    if (groups["com"] !== undefined) {
      cls = "com";
      if (text.startsWith("/*") && !text.endsWith("*/")) open = true;
    } else if (groups["str"] !== undefined) cls = "str";
    else if (groups["pp"] !== undefined) cls = "pp";
    else if (groups["num"] !== undefined) cls = "num";
    else cls = classOf(language, text, names);
    if (cls !== "") tokens.push({ start: match.index, cls }, { start: match.index + text.length, cls: "" });
    if (text === "") lexer.lastIndex++;
  }
  return { tokens, inComment: open };
}

export interface Span {
  readonly text: string;
  readonly cls: TokenClass;
}

/** Lines of coloured spans, for places that are not the editor. */
export function highlight(language: LanguageName, source: string, names: ObjectNames): readonly (readonly Span[])[] {
  let inComment = false;
  return source.split("\n").map((line) => {
    const result = tokenizeLine(language, line, inComment, names);
    inComment = result.inComment;
    return result.tokens
      .map((token, i) => ({
        text: line.slice(token.start, result.tokens[i + 1]?.start ?? line.length),
        cls: token.cls,
      }))
      .filter((span) => span.text !== "");
  });
}
