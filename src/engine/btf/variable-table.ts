import { utf8Bytes, utf8Text } from "../base/utf8.ts";

/**
 * Where the variables of the source are in the code: what DWARF's location lists are for a debugger, in a section of its own
 * that travels in the object. Slots count from the start of the function.
 */
export type VariablePlace =
  /** The value is that of r0 to r9, plus `add`. */
  | { readonly kind: "register"; readonly register: number; readonly add: bigint }
  /** The value lies in the frame, `offset` bytes from r10; the variable's is that plus `add`. */
  | { readonly kind: "stack"; readonly offset: number; readonly add: bigint }
  | { readonly kind: "constant"; readonly value: bigint }
  /** The value is the address r10 + offset. */
  | { readonly kind: "frame"; readonly offset: number }
  /** The value is the address of a map, global or function, plus `add`. */
  | { readonly kind: "symbol"; readonly symbol: string; readonly add: bigint }
  /** The variable lies in memory, at an address that one of the other places has. */
  | { readonly kind: "pointee"; readonly address: AddressPlace }
  /** The code keeps the value nowhere; `why` completes "it is ...". */
  | { readonly kind: "lost"; readonly why: string };

export type AddressPlace = Extract<VariablePlace, { readonly kind: "register" | "stack" | "symbol" | "constant" }>;

export interface VariableRange {
  /** First and last slot before which the variable is at `place`. */
  readonly first: number;
  readonly last: number;
  readonly place: VariablePlace;
  /** Low bits of the place that count; the rest of the variable (or part) is filled with zeros or the sign. */
  readonly bits: number;
  readonly signed: boolean;
  /** Part of the variable, in bits from its start; null: all of it. */
  readonly part: { readonly offset: number; readonly bits: number } | null;
}

export type VariableEncoding = "signed" | "unsigned" | "bool" | "pointer" | "other";

export interface TableVariable {
  readonly name: string;
  /** As C writes it. */
  readonly type: string;
  /** bits */
  readonly size: number;
  readonly encoding: VariableEncoding;
  readonly parameter: boolean;
  readonly file: string;
  /** Line of the declaration, from 1. */
  readonly line: number;
  /** Lines of the block in which the variable is declared. */
  readonly scope: readonly [first: number, last: number];
  /** Name of the function that was inlined here and has the variable, and the line of the call; null for the function's own. */
  readonly inlined: { readonly name: string; readonly line: number } | null;
  /** By `first`. Where no range is, the variable has no value yet, or paths that join there disagree. */
  readonly ranges: readonly VariableRange[];
}

export interface VariableTable {
  readonly functions: readonly {
    readonly section: string;
    /** First slot in the section. */
    readonly slot: number;
    readonly variables: readonly TableVariable[];
  }[];
}

/** Loaders take sections of this prefix for DWARF and pass them over in silence. */
export const VARIABLE_SECTION = ".debug_bpf_variables";

const VERSION = 1;

/** Bytes of the section: a version and the table as JSON, numbers of 64 bits as text. */
export function writeVariableTable(table: VariableTable): Uint8Array {
  const text = JSON.stringify({ version: VERSION, ...table }, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return utf8Bytes(text);
}

/**
 * Reads the section of an object from anywhere: null when it is not such a table. Every field is checked, so that what follows may
 * trust the types.
 */
export function readVariableTable(bytes: Uint8Array): VariableTable | null {
  try {
    const read: unknown = JSON.parse(utf8Text(bytes));
    const { version, functions } = record(read);
    if (version !== VERSION) return null;
    return {
      functions: list(functions).map((f) => {
        const { section, slot, variables } = record(f);
        return { section: text(section), slot: count(slot), variables: list(variables).map(readVariable) };
      }),
    };
  } catch {
    return null;
  }
}

class Malformed extends Error {}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Malformed();
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Malformed();
  return value;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new Malformed();
  return value;
}

function count(value: unknown, most = 0x7fff_ffff): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most) throw new Malformed();
  return value;
}

function big(value: unknown): bigint {
  if (typeof value !== "string" || !/^-?\d{1,20}$/.test(value)) throw new Malformed();
  return BigInt(value);
}

function flag(value: unknown): boolean {
  if (typeof value !== "boolean") throw new Malformed();
  return value;
}

/** Bytes from r10, within a frame and what a program may reach above it. */
function frameOffset(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || Math.abs(value) > 0x8000) throw new Malformed();
  return value;
}

const ENCODINGS: readonly string[] = ["signed", "unsigned", "bool", "pointer", "other"];

function readVariable(value: unknown): TableVariable {
  const v = record(value);
  const encoding = text(v["encoding"]);
  if (!ENCODINGS.includes(encoding)) throw new Malformed();
  const [first, last] = list(v["scope"]);
  const inlined = v["inlined"] === null ? null : record(v["inlined"]);
  return {
    name: text(v["name"]),
    type: text(v["type"]),
    size: count(v["size"]),
    encoding: encoding as VariableEncoding,
    parameter: flag(v["parameter"]),
    file: text(v["file"]),
    line: count(v["line"]),
    scope: [count(first), count(last)],
    inlined: inlined === null ? null : { name: text(inlined["name"]), line: count(inlined["line"]) },
    ranges: list(v["ranges"]).map(readRange),
  };
}

function readRange(value: unknown): VariableRange {
  const r = record(value);
  const part = r["part"] === null ? null : record(r["part"]);
  return {
    first: count(r["first"]),
    last: count(r["last"]),
    place: readPlace(r["place"]),
    bits: count(r["bits"]),
    signed: flag(r["signed"]),
    part: part === null ? null : { offset: count(part["offset"]), bits: count(part["bits"]) },
  };
}

function readPlace(value: unknown): VariablePlace {
  const p = record(value);
  switch (p["kind"]) {
    case "frame":
      return { kind: "frame", offset: frameOffset(p["offset"]) };
    case "lost":
      return { kind: "lost", why: text(p["why"]) };
    case "pointee":
      return { kind: "pointee", address: readAddress(record(p["address"])) };
    default:
      return readAddress(p);
  }
}

function readAddress(p: Readonly<Record<string, unknown>>): AddressPlace {
  switch (p["kind"]) {
    case "register":
      return { kind: "register", register: count(p["register"], 9), add: big(p["add"]) };
    case "stack":
      return { kind: "stack", offset: frameOffset(p["offset"]), add: big(p["add"]) };
    case "constant":
      return { kind: "constant", value: big(p["value"]) };
    case "symbol":
      return { kind: "symbol", symbol: text(p["symbol"]), add: big(p["add"]) };
    default:
      throw new Malformed();
  }
}
