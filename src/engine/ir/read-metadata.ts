import { readValue } from "./constants.ts";
import type { MetadataNode, MetadataValue } from "./metadata.ts";
import type { IrReader } from "./reader.ts";
import { decodeText } from "./scanner.ts";

const NO_FIELDS: ReadonlyMap<string, MetadataValue> = new Map();
const NO_ELEMENTS: readonly MetadataValue[] = [];

/** Reads a node after its `!N = `: `[distinct] !DIX(…)` or `[distinct] !{…}`. */
export function readNode(reader: IrReader, id: number | null): MetadataNode {
  const empty: MetadataNode = { id, distinct: false, tag: "tuple", fields: NO_FIELDS, elements: NO_ELEMENTS };
  if (!reader.enter()) {
    reader.leave();
    return empty;
  }
  const distinct = reader.acceptWord("distinct");
  reader.expect("!");
  let node: MetadataNode;
  if (reader.accept("{")) {
    node = { id, distinct, tag: "tuple", fields: NO_FIELDS, elements: readList(reader, "}") };
  } else {
    const tag = reader.word();
    reader.expect("(");
    const fields = new Map<string, MetadataValue>();
    const elements: MetadataValue[] = [];
    while (reader.failure === null && !reader.accept(")")) {
      const start = reader.at;
      const name = reader.word();
      if (name !== "" && reader.accept(":")) {
        fields.set(name, readMetadataValue(reader));
      } else {
        reader.at = start;
        elements.push(readMetadataValue(reader));
      }
      if (!reader.accept(",") && reader.peek() !== ")") reader.fail("expected ',' in metadata");
    }
    node = { id, distinct, tag, fields, elements: elements.length === 0 ? NO_ELEMENTS : elements };
  }
  reader.leave();
  return node;
}

function readList(reader: IrReader, close: string): MetadataValue[] {
  const elements: MetadataValue[] = [];
  while (reader.failure === null && !reader.accept(close)) {
    elements.push(readMetadataValue(reader));
    if (!reader.accept(",") && reader.peek() !== close) reader.fail("expected ',' in metadata");
  }
  return elements;
}

function readMetadataValue(reader: IrReader): MetadataValue {
  const c = reader.peek();
  if (c === "!") {
    const next = reader.text.charCodeAt(reader.at + 1);
    if (next >= 48 && next <= 57) {
      reader.at++;
      return { kind: "ref", id: reader.integer() };
    }
    if (next === 34) {
      reader.at++;
      return { kind: "string", value: decodeText(reader.quotedRaw()) };
    }
    return { kind: "node", node: readNode(reader, null) };
  }
  if (c === '"') return { kind: "string", value: decodeText(reader.quotedRaw()) };
  const start = reader.at;
  const word = reader.word();
  const code = word.charCodeAt(0);
  if ((code >= 48 && code <= 57) || code === 45) {
    return /^-?[0-9]+$/.test(word) ? { kind: "int", value: BigInt(word) } : { kind: "word", value: word };
  }
  switch (word) {
    case "true":
      return { kind: "bool", value: true };
    case "false":
      return { kind: "bool", value: false };
    case "null":
      return { kind: "null" };
    case "distinct":
      reader.at = start;
      return { kind: "node", node: readNode(reader, null) };
    case "":
      reader.at = start;
      if (!reader.atType()) {
        reader.fail(`unexpected '${c}' in metadata`);
        return { kind: "null" };
      }
      break;
  }
  reader.at = start;
  if (reader.atType()) {
    const value = readValue(reader, reader.type());
    const text = reader.text.slice(start, reader.at);
    if (value.kind === "int") return { kind: "int", value: BigInt.asIntN(64, value.value) };
    return { kind: "value", text, global: value.kind === "global" ? value.name : null };
  }
  // Bare words, joined by `|`.
  let words = reader.word();
  while (reader.accept("|")) words += ` | ${reader.word()}`;
  return { kind: "word", value: words };
}
