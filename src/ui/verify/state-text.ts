/** Reads the verifier's own text of a register (`scalar(umin=3,umax=6,var_off=(0x0; 0x7))`) into parts. */
export interface ParsedState {
  readonly type: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly scalar: ScalarFacts | null;
}

export interface ScalarFacts {
  readonly umin: bigint;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
  /** Bits known to be set, and bits not known. */
  readonly value: bigint;
  readonly mask: bigint;
  readonly exact: boolean;
}

const U64 = (1n << 64n) - 1n;
const S64_MIN = -(1n << 63n);
const S64_MAX = (1n << 63n) - 1n;

function integer(text: string): bigint | null {
  const match = /^(-?)(0x[\da-f]+|\d+)$/i.exec(text.trim());
  if (!match) return null;
  const value = BigInt(match[2] ?? "0");
  return match[1] ? -value : value;
}

/** Splits at commas that are not inside parentheses. */
function pieces(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const ch = text[i];
    if (ch === "(") depth++;
    else if (ch === ")") depth--;
    else if (ch === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const piece of pieces(text)) {
    const names = piece.split("=");
    const value = names.pop() ?? "";
    for (const name of names) fields.set(name.trim(), value);
  }
  return fields;
}

function scalarOf(fields: ReadonlyMap<string, string>): ScalarFacts {
  const at = (name: string, otherwise: bigint) => integer(fields.get(name) ?? "") ?? otherwise;
  const off = /\(\s*(0x[\da-f]+|\d+)\s*;\s*(0x[\da-f]+|\d+)\s*\)/i.exec(fields.get("var_off") ?? "");
  const value = off ? BigInt(off[1] ?? "0") : 0n;
  const mask = off ? BigInt(off[2] ?? "0") : U64;
  const smin = at("smin", S64_MIN);
  const smax = at("smax", S64_MAX);
  return { umin: at("umin", value), umax: at("umax", value | mask), smin, smax, value, mask, exact: false };
}

/** Never fails: what is not understood keeps its text as its type. */
export function parseState(text: string): ParsedState {
  const clean = text.replace(/^P(?=scalar|\d|-)/, "");
  const number = integer(clean);
  if (number !== null) {
    const u = BigInt.asUintN(64, number);
    return {
      type: "scalar",
      fields: new Map(),
      scalar: {
        umin: u,
        umax: u,
        smin: BigInt.asIntN(64, number),
        smax: BigInt.asIntN(64, number),
        value: u,
        mask: 0n,
        exact: true,
      },
    };
  }
  const match = /^([^(]*)\((.*)\)$/s.exec(clean);
  if (!match) return { type: clean, fields: new Map(), scalar: clean === "scalar" ? scalarOf(new Map()) : null };
  const type = (match[1] ?? "").trim();
  const fields = fieldsOf(match[2] ?? "");
  return { type, fields, scalar: type === "scalar" ? scalarOf(fields) : null };
}

const short = (value: bigint): string => {
  const size = value < 0n ? -value : value;
  return size > 99_999n ? `${value < 0n ? "-" : ""}0x${size.toString(16)}` : value.toString();
};

/** `0..3`, `5`, `any`, for a scalar. */
export function rangeText(scalar: ScalarFacts): string {
  if (scalar.umin === scalar.umax) return short(scalar.umin);
  if (scalar.umin === 0n && scalar.umax === U64)
    return scalar.smin === S64_MIN && scalar.smax === S64_MAX ? "any" : `${short(scalar.smin)}..${short(scalar.smax)}`;
  return `${short(scalar.umin)}..${short(scalar.umax)}`;
}

/** A register's text in few characters, for beside an instruction. */
export function shortState(text: string): string {
  const parsed = parseState(text);
  if (parsed.scalar) {
    const range = rangeText(parsed.scalar);
    return range === "any" ? "scalar" : range;
  }
  const id = parsed.fields.get("id");
  const off = parsed.fields.get("off");
  return `${parsed.type}${id ? ` id=${id}` : ""}${off && off !== "0" ? ` off=${off}` : ""}`;
}

/** What stands beside the type: `hmap, ks 4, vs 16, id 2`. */
export function detailText(parsed: ParsedState): string {
  if (parsed.scalar) return rangeText(parsed.scalar);
  const order = ["map", "ks", "vs", "id", "ref_obj_id", "off", "imm", "r", "sz"];
  return order
    .filter((name) => parsed.fields.has(name) && !(name === "off" && parsed.fields.get("off") === "0"))
    .map((name) => (name === "map" ? parsed.fields.get(name) : `${name} ${parsed.fields.get(name)}`))
    .join(", ");
}
