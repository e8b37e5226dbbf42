import { ERRNO } from "../abi/errno.ts";
import type { LineScanner } from "./line-scanner.ts";
import { parseValue } from "./parse-value.ts";
import type { Comparison, Expectation, PathStep } from "./types.ts";

const SUBJECTS = ["retval", "errno", "map", "global", "timers", "works", "prog", "trace", "no", "oops"] as const;

/** Kinds of oops that an expectation may name. */
const OOPSES = [
  "use-after-free",
  "null-dereference",
  "out-of-bounds",
  "invalid-address",
  "write-to-read-only",
  "dead-stack",
  "runaway",
  "deadlock",
  "invalid-instruction",
  "stack-overflow",
  "warn",
];

/** What stands behind `expect`. */
export function parseExpectation(scanner: LineScanner): Expectation | null {
  const subject = scanner.keyword(SUBJECTS, "expect") as (typeof SUBJECTS)[number] | null;
  switch (subject) {
    case null:
      return null;
    case "retval": {
      const comparison = parseComparison(scanner);
      const value = comparison === null ? null : scanner.integer("the expected return value");
      return comparison === null || value === null ? null : { kind: "retval", comparison, value };
    }
    case "errno":
      return parseErrno(scanner);
    case "map":
      return parseMap(scanner);
    case "global":
      return parseGlobal(scanner);
    case "timers":
    case "works": {
      if (scanner.keyword(["pending"], `expect ${subject}`) === null) return null;
      const comparison = parseComparison(scanner);
      const count = comparison === null ? null : scanner.integer(`the number of ${subject}`);
      return comparison === null || count === null
        ? null
        : { kind: `${subject}-pending`, comparison, count: Number(count) };
    }
    case "prog": {
      const name = scanner.name("program");
      if (name === null || scanner.keyword(["freed"], `expect prog ${name}`) === null) return null;
      return { kind: "freed", of: "prog", name };
    }
    case "trace": {
      if (scanner.keyword(["contains"], "expect trace") === null) return null;
      scanner.skipSpace();
      const text = scanner.quoted();
      return text === null ? null : { kind: "trace", text };
    }
    case "no":
      return scanner.keyword(["oops"], "expect no") === null ? null : { kind: "no-oops" };
    case "oops": {
      if (scanner.atEnd()) return { kind: "oops", what: null };
      const what = scanner.keyword(OOPSES, "expect oops");
      return what === null ? null : { kind: "oops", what };
    }
  }
}

function parseComparison(scanner: LineScanner): Comparison | null {
  scanner.skipSpace();
  const found = scanner.match(/==|!=|<=|>=|<|>/y);
  if (found !== null) return found as Comparison;
  const next = scanner.upcoming();
  return scanner.fail(
    next === "=" ? "a comparison is written '=='" : "a comparison (== != < <= > >=) is missing here",
    scanner.column,
    scanner.column + Math.max(1, next.length),
  );
}

function parseErrno(scanner: LineScanner): Expectation | null {
  const comparison = parseComparison(scanner);
  if (comparison === null) return null;
  if (comparison !== "==" && comparison !== "!=") return scanner.fail("an errno can only be compared by == and !=");
  scanner.skipSpace();
  const column = scanner.column;
  if (scanner.match(/0(?!\w)/y) !== null) return { kind: "errno", comparison, errno: null };
  const name = scanner.match(/[A-Za-z]\w*/y);
  if (name !== null && Object.hasOwn(ERRNO, name)) return { kind: "errno", comparison, errno: name };
  const found = name ?? scanner.upcoming();
  return scanner.fail(
    found === "" ? "the name of an error (or 0) is missing here" : `'${found}' is no error that BPF calls return`,
    column,
    column + Math.max(1, found.length),
  );
}

function parseMap(scanner: LineScanner): Expectation | null {
  const map = scanner.name("map");
  if (map === null) return null;
  scanner.skipSpace();
  if (!scanner.take("[")) {
    return scanner.keyword(["freed"], `expect map ${map} without a [key]`) === null
      ? null
      : { kind: "freed", of: "map", name: map };
  }
  const key = parseValue(scanner, "key");
  if (key === null) return null;
  scanner.skipSpace();
  if (!scanner.take("]")) return scanner.fail("']' must follow the key");
  const path = parsePath(scanner);
  if (path === null) return null;
  scanner.skipSpace();
  if (scanner.match(/missing(?!\w)/y) !== null) {
    return path.length === 0
      ? { kind: "map-missing", map, key }
      : scanner.fail("only a whole element can be missing", path[0]?.column);
  }
  const comparison = parseComparison(scanner);
  const value = comparison === null ? null : parseValue(scanner, "expected value");
  return comparison === null || value === null ? null : { kind: "map", map, key, path, comparison, value };
}

function parseGlobal(scanner: LineScanner): Expectation | null {
  scanner.skipSpace();
  const name = scanner.match(/[A-Za-z_]\w*/y) ?? scanner.name("global variable");
  if (name === null) return null;
  const path = parsePath(scanner);
  if (path === null) return null;
  const comparison = parseComparison(scanner);
  const value = comparison === null ? null : parseValue(scanner, "expected value");
  return comparison === null || value === null ? null : { kind: "global", name, path, comparison, value };
}

function parsePath(scanner: LineScanner): PathStep[] | null {
  const path: PathStep[] = [];
  for (;;) {
    const column = scanner.column;
    if (scanner.take(".")) {
      const name = scanner.match(/[A-Za-z_]\w*/y);
      if (name === null) return scanner.fail("the name of a member is missing here");
      path.push({ kind: "member", name, column });
    } else if (scanner.take("[")) {
      const index = scanner.integer("the index");
      if (index === null) return null;
      scanner.skipSpace();
      if (!scanner.take("]")) return scanner.fail("']' must follow the index");
      path.push({ kind: "index", index: Number(index), column });
    } else {
      return path;
    }
  }
}
