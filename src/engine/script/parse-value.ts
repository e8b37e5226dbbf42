import { type LineScanner, parseHex, parseInteger } from "./line-scanner.ts";
import type { MemberExpression, ValueExpression } from "./types.ts";

/** Braces and brackets nest at most this deep. */
const MAX_DEPTH = 32;

/** A key or value as the script writes it; null with the scanner's fault set when there is none. */
export function parseValue(scanner: LineScanner, what: string, depth = 0): ValueExpression | null {
  scanner.skipSpace();
  const column = scanner.column;
  if (depth > MAX_DEPTH) return scanner.fail("values nest too deep here");
  const next = scanner.peek();
  if (next === "{") return parseStruct(scanner, depth);
  if (next === "[") return parseList(scanner, depth);
  if (next === '"') {
    const text = scanner.quoted();
    return text === null ? null : { kind: "string", text, column };
  }
  const character = scanner.match(/'(?:[^'\\]|\\.)'/y);
  if (character !== null) return { kind: "number", value: BigInt(characterCode(character)), column };
  if (scanner.take("hex:")) {
    const digits = scanner.match(/[^\s#,\]}]*/y) ?? "";
    const bytes = parseHex(digits);
    return bytes === null
      ? scanner.fail("hex: needs an even number of hexadecimal digits", column, scanner.column)
      : { kind: "hex", bytes, column };
  }
  const object = scanner.match(/(?:map|prog):/y);
  if (object !== null) {
    const of = object.startsWith("map") ? "map" : "prog";
    const name = scanner.name(of === "map" ? "map" : "program");
    return name === null ? null : { kind: "object", of, name, column };
  }
  const float = scanner.match(/[-+]?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?(?![\w.])/y);
  if (float !== null) return { kind: "float", value: Number(float), column };
  const integer = scanner.match(/[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![\w.])/y);
  if (integer !== null) return { kind: "number", value: parseInteger(integer), column };
  const name = scanner.match(/[A-Za-z_]\w*(?![\w.])/y);
  if (name !== null) return { kind: "name", name, column };
  const found = scanner.upcoming();
  return scanner.fail(
    found === "" ? `the ${what} is missing here` : `'${found}' is no value`,
    column,
    column + Math.max(1, found.length),
  );
}

function characterCode(quoted: string): number {
  const inner = quoted.slice(1, -1);
  if (!inner.startsWith("\\")) return inner.charCodeAt(0);
  const escapes: Record<string, number> = { n: 10, t: 9, r: 13, "0": 0 };
  return escapes[inner[1] as string] ?? inner.charCodeAt(1);
}

function parseStruct(scanner: LineScanner, depth: number): ValueExpression | null {
  const column = scanner.column;
  scanner.take("{");
  const members: MemberExpression[] = [];
  for (;;) {
    scanner.skipSpace();
    if (scanner.take("}")) return { kind: "struct", members, column };
    scanner.take(".");
    const at = scanner.column;
    const name = scanner.match(/[A-Za-z_]\w*/y);
    if (name === null) return scanner.fail(scanner.atEnd() ? "'}' is missing" : "the name of a member is missing here");
    if (members.some((m) => m.name === name))
      return scanner.fail(`member '${name}' is given twice`, at, at + name.length);
    scanner.skipSpace();
    if (!scanner.take(":") && !scanner.take("=")) return scanner.fail(`':' and a value must follow '${name}'`);
    const value = parseValue(scanner, `value of '${name}'`, depth + 1);
    if (value === null) return null;
    members.push({ name, column: at, value });
    if (!separator(scanner, "}")) return null;
  }
}

function parseList(scanner: LineScanner, depth: number): ValueExpression | null {
  const column = scanner.column;
  scanner.take("[");
  const items: ValueExpression[] = [];
  for (;;) {
    scanner.skipSpace();
    if (scanner.take("]")) return { kind: "list", items, column };
    const value = parseValue(scanner, "value", depth + 1);
    if (value === null) return null;
    items.push(value);
    if (!separator(scanner, "]")) return null;
  }
}

/** Takes a comma, or leaves the closing bracket for the caller. */
function separator(scanner: LineScanner, close: string): boolean {
  scanner.skipSpace();
  if (scanner.take(",") || scanner.peek() === close) return true;
  scanner.fail(scanner.atEnd() ? `'${close}' is missing` : `',' or '${close}' must stand here`);
  return false;
}
