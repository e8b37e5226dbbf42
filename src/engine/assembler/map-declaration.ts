import { MAP_TYPES } from "../abi/types.ts";
import type { BtfId } from "../btf/types.ts";
import type { Token, TokenReader } from "./tokens.ts";
import { readBaseType, readPointers, type TypeTable } from "./types.ts";

export interface SourceMap {
  readonly name: string;
  readonly line: number;
  /** Numbers by libbpf's field names: type, max_entries, map_flags, key_size… */
  readonly numbers: ReadonlyMap<string, number>;
  readonly key: BtfId | null;
  readonly value: BtfId | null;
  /** Name of the map whose definition the inner maps have. */
  readonly inner: Token | null;
  /** Initial entries of a map of maps or of programs. */
  readonly slots: readonly { readonly index: number; readonly name: Token }[];
}

/** `map NAME { type: hash; key: u32; … }`, from the word `map` on. `claim` takes the name, or refuses it. */
export function readMap(reader: TokenReader, types: TypeTable, claim: (name: Token) => void): SourceMap {
  reader.take();
  const name = reader.word("the name of a map");
  claim(name);
  const numbers = new Map<string, number>();
  const map: { key: BtfId | null; value: BtfId | null; inner: Token | null } = {
    key: null,
    value: null,
    inner: null,
  };
  const slots: { index: number; name: Token }[] = [];
  reader.expect("{");
  while (!reader.accept("}")) {
    const field = reader.word("a field of the map");
    if (!reader.accept("=")) reader.expect(":");
    switch (field.text) {
      case "type":
        numbers.set("type", mapType(reader));
        break;
      case "key":
      case "value":
        map[field.text] = readPointers(reader, types, readBaseType(reader, types));
        break;
      case "inner":
        map.inner = reader.word("the name of a map");
        break;
      case "slots":
        do {
          const { value, token } = reader.number("the index of a slot");
          if (value < 0n || value > MAX_SLOT) reader.failAt(token, `slots are numbered from 0 to ${MAX_SLOT}`);
          reader.expect("=");
          slots.push({ index: Number(value), name: reader.word("the name of a map or program") });
        } while (reader.accept(","));
        break;
      default: {
        const known = MAP_NUMBERS[field.text];
        if (known === undefined) reader.failAt(field, `a map has no field '${field.text}'`);
        numbers.set(known, Number(BigInt.asUintN(32, reader.number().value)));
      }
    }
    if (!reader.is("}") && !reader.accept(";") && !reader.accept(",")) {
      // The end of a line separates too.
      const next = reader.peek();
      if (next === undefined || next.line === field.line) reader.fail("expected ';' or '}'");
    }
  }
  if (!numbers.has("type")) reader.failAt(name, `map ${name.text} has no type`);
  return { name: name.text, line: name.line, numbers, ...map, slots };
}

const MAX_SLOT = 0xffffn;

const MAP_NUMBERS: Readonly<Record<string, string>> = {
  max_entries: "max_entries",
  entries: "max_entries",
  flags: "map_flags",
  map_flags: "map_flags",
  key_size: "key_size",
  value_size: "value_size",
  map_extra: "map_extra",
  numa_node: "numa_node",
  pinning: "pinning",
};

/** `hash`, `BPF_MAP_TYPE_HASH` or a number. */
function mapType(reader: TokenReader): number {
  if (reader.peek()?.kind === "number") return Number(reader.number().value);
  const token = reader.word("a type of map");
  const name = token.text.replace(/^BPF_MAP_TYPE_/, "").toLowerCase();
  const type = Object.hasOwn(MAP_TYPES, name) ? MAP_TYPES[name as keyof typeof MAP_TYPES] : undefined;
  if (type === undefined) reader.failAt(token, `'${token.text}' is no type of map`);
  return type;
}
