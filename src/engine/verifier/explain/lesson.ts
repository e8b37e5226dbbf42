import type { LineRecord } from "../../loader/spec.ts";
import type { Facts } from "./facts.ts";

/** Text to insert before a line (from 1) of the C source. */
export interface Edit {
  readonly line: number;
  readonly insert: string;
}

type Words = (match: RegExpExecArray, facts: Facts) => string;

/** One rule of the verifier in plain words. */
export interface Lesson {
  /** The kernel's message. */
  readonly pattern: RegExp;
  /** Narrows the pattern by the place. */
  readonly applies?: (facts: Facts, match: RegExpExecArray) => boolean;
  /** A headline of a few words. */
  readonly title: Words;
  /** Why Linux refuses. */
  readonly why: Words;
  /** What to write instead; null when nothing can be said. */
  readonly fix: (match: RegExpExecArray, facts: Facts) => string | null;
  /** Earlier places on the failing path that belong to the story: what was taken, where it was locked. */
  readonly earlier?: (facts: Facts) => readonly { readonly text: string; readonly insn: number }[];
  readonly edit?: (match: RegExpExecArray, facts: Facts) => Edit | null;
}

/** A lesson whose words do not depend on the place. */
export function lesson(pattern: RegExp, title: string, why: string, fix: string | null): Lesson {
  return { pattern, title: () => title, why: () => why, fix: () => fix };
}

/** What a register holds, in plain words, from the type that a message prints. */
export function describeType(type: string): string {
  const known: Readonly<Record<string, string>> = {
    fp: "a pointer to the stack",
    ctx: "the context pointer",
    scalar: "a number",
    map_ptr: "a map itself, not one of its elements",
    map_value: "a pointer to a map element",
    map_value_or_null: "the result of a lookup that may be NULL",
    map_key: "the key pointer of a callback",
    pkt: "a packet pointer",
    pkt_meta: "a pointer to the packet's metadata",
    pkt_end: "the pointer to the packet's end",
    mem: "a pointer to memory",
    mem_or_null: "memory that may be NULL",
    ringbuf_mem: "a ring buffer record",
    ringbuf_mem_or_null: "the result of a reserve that may be NULL",
    rdonly_mem: "read-only memory",
    rdonly_mem_or_null: "memory that may be NULL",
    func: "the address of a function",
    sock: "a socket",
    sock_or_null: "a socket pointer that may be NULL",
    sock_common: "a socket",
    sock_common_or_null: "a socket pointer that may be NULL",
    "?": "nothing: it was never written",
  };
  const said = known[type];
  if (said !== undefined) return said;
  return type.endsWith("_or_null") ? `a pointer (${type}) that may be NULL` : `a value of type ${type}`;
}

/** An early return for a pointer that may be NULL, put behind the statement that got it. */
export function nullCheckAfter(origin: LineRecord | null, variable: string): Edit | null {
  if (origin === null || variable === "" || !origin.text.trimEnd().endsWith(";")) return null;
  const indent = /^\s*/.exec(origin.text)?.[0] ?? "";
  const step = indent.includes("\t") ? "\t" : "    ";
  return { line: origin.line + 1, insert: `${indent}if (!${variable})\n${indent}${step}return 0;\n` };
}
