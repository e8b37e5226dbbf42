import type { IrValue } from "./module.ts";
import type { IrReader } from "./reader.ts";
import { decodeBytes } from "./scanner.ts";
import { elementType, type IrType, offsetOf, PTR, sizeOf } from "./types.ts";

/** Finds the index of a local name; a function's reader supplies it. */
export type LocalIndex = (name: string) => number;

const noLocals: LocalIndex = () => -1;

/** Words that begin a value; any other word in front of one is an attribute. */
const VALUE_WORDS: ReadonlySet<string> = new Set([
  "null",
  "undef",
  "poison",
  "true",
  "false",
  "none",
  "zeroinitializer",
  "inttoptr",
  "ptrtoint",
  "ptrtoaddr",
  "getelementptr",
  "bitcast",
  "addrspacecast",
  "trunc",
  "add",
  "sub",
  "xor",
  "splat",
  "blockaddress",
  "dso_local_equivalent",
  "no_cfi",
  "c",
  "asm",
]);

export function startsValue(reader: IrReader): boolean {
  const c = reader.peek();
  if (c === "%" || c === "@" || c === "[" || c === "{" || c === "<" || c === "!") return true;
  const word = reader.peekWord();
  return VALUE_WORDS.has(word) || /^-?[0-9]/.test(word);
}

export function integerValue(type: IrType, value: bigint): IrValue {
  const bits = type.kind === "int" ? type.bits : 64;
  return { kind: "int", type, value: BigInt.asUintN(bits, value) };
}

/** The value 0 of a type. */
export function zeroOf(type: IrType): IrValue {
  return type.kind === "int" || type.kind === "ptr" ? { kind: "int", type, value: 0n } : { kind: "zero", type };
}

function unsupported(reader: IrReader, type: IrType, start: number): IrValue {
  const text = reader.text.slice(start, Math.min(reader.at, start + 80)).split("\n")[0] ?? "";
  return { kind: "unsupported", type, text };
}

/** Reads a value of a type that has been read already. */
export function readValue(reader: IrReader, type: IrType, local: LocalIndex = noLocals): IrValue {
  const start = reader.at;
  if (!reader.enter()) {
    reader.leave();
    return { kind: "undef", type };
  }
  const value = readInner(reader, type, local, start);
  reader.leave();
  return value;
}

function readInner(reader: IrReader, type: IrType, local: LocalIndex, start: number): IrValue {
  const c = reader.peek();
  switch (c) {
    case "%": {
      reader.at++;
      return { kind: "local", type, index: local(reader.name()) };
    }
    case "@": {
      reader.at++;
      return { kind: "global", type, name: reader.name(), addend: 0 };
    }
    case "[":
      return { kind: "aggregate", type, elements: readElements(reader, "[", "]", local) };
    case "{":
      return { kind: "aggregate", type, elements: readElements(reader, "{", "}", local) };
    case "<":
      if (reader.text.charAt(reader.at + 1) === "{") {
        reader.at++;
        const elements = readElements(reader, "{", "}", local);
        reader.expect(">");
        return { kind: "aggregate", type, elements };
      }
      reader.skipGroup();
      return unsupported(reader, type, start);
    case "!":
      reader.at = reader.lineEnd();
      return unsupported(reader, type, start);
  }
  const word = reader.word();
  switch (word) {
    case "null":
    case "zeroinitializer":
      return zeroOf(type);
    case "none":
    case "undef":
    case "poison":
      return { kind: "undef", type };
    case "true":
      return integerValue(type, 1n);
    case "false":
      return integerValue(type, 0n);
    case "c":
      if (reader.peek() === '"') return { kind: "bytes", type, bytes: decodeBytes(reader.quotedRaw()) };
      break;
    case "inttoptr":
    case "ptrtoint":
    case "ptrtoaddr":
    case "bitcast":
    case "addrspacecast":
    case "trunc":
      return readCast(reader, word, type, local, start);
    case "getelementptr":
      return readGep(reader, type, local, start);
    case "add":
    case "sub":
    case "xor":
      return readArithmetic(reader, word, type, local, start);
  }
  if (/^-?[0-9]+$/.test(word)) {
    if (type.kind === "int" || type.kind === "ptr") return integerValue(type, BigInt(word));
  } else if (word === "") {
    reader.fail(`expected a value at '${c}'`);
  }
  if (reader.peek() === "(") reader.skipGroup();
  return unsupported(reader, type, start);
}

function readElements(reader: IrReader, open: string, close: string, local: LocalIndex): IrValue[] {
  reader.expect(open);
  const elements: IrValue[] = [];
  if (reader.peek() !== close) {
    do elements.push(readValue(reader, reader.type(), local));
    while (reader.failure === null && reader.accept(","));
  }
  reader.expect(close);
  return elements;
}

function readCast(reader: IrReader, cast: string, type: IrType, local: LocalIndex, start: number): IrValue {
  reader.expect("(");
  const inner = readValue(reader, reader.type(), local);
  if (!reader.acceptWord("to")) reader.fail("expected 'to'");
  const target = reader.type();
  reader.expect(")");
  if (cast === "addrspacecast") return unsupported(reader, type, start);
  if (inner.kind === "int" && (target.kind === "int" || target.kind === "ptr"))
    return integerValue(target, inner.value);
  if (inner.kind === "undef") return { kind: "undef", type: target };
  const wide = target.kind === "ptr" || (target.kind === "int" && target.bits === 64);
  if (inner.kind === "global" && wide) return { ...inner, type: target };
  return unsupported(reader, type, start);
}

/** `add` and `sub` of addresses and numbers, as offsets. */
function readArithmetic(reader: IrReader, op: string, type: IrType, local: LocalIndex, start: number): IrValue {
  while (reader.peek() !== "(" && !reader.atLineEnd()) reader.word();
  reader.expect("(");
  const a = readValue(reader, reader.type(), local);
  reader.expect(",");
  const b = readValue(reader, reader.type(), local);
  reader.expect(")");
  if (a.kind === "int" && b.kind === "int") {
    return integerValue(type, op === "add" ? a.value + b.value : op === "sub" ? a.value - b.value : a.value ^ b.value);
  }
  if (op === "add" && a.kind === "int" && b.kind === "global") return { ...b, addend: b.addend + small(a.value) };
  if (a.kind === "global" && b.kind === "int" && op !== "xor") {
    return { ...a, addend: a.addend + (op === "add" ? small(b.value) : -small(b.value)) };
  }
  return unsupported(reader, type, start);
}

const small = (value: bigint): number => Number(BigInt.asIntN(64, value));

function readGep(reader: IrReader, type: IrType, local: LocalIndex, start: number): IrValue {
  // inbounds, nuw, nusw, inrange(-16, 8)
  while (reader.peek() !== "(" && !reader.atLineEnd()) {
    if (reader.word() === "inrange") reader.skipGroup();
  }
  reader.expect("(");
  const source = reader.type();
  reader.expect(",");
  const base = readValue(reader, reader.type(), local);
  const indices: IrValue[] = [];
  while (reader.failure === null && reader.accept(",")) indices.push(readValue(reader, reader.type(), local));
  reader.expect(")");
  const offset = constantOffset(source, indices);
  if (offset !== null && base.kind === "global") return { ...base, type: PTR, addend: base.addend + offset };
  if (offset !== null && base.kind === "int") return integerValue(PTR, base.value + BigInt(offset));
  return unsupported(reader, type, start);
}

/** Bytes that a getelementptr adds; null when an index is no constant or leads nowhere. */
export function constantOffset(source: IrType, indices: readonly IrValue[]): number | null {
  let offset = 0;
  let type: IrType = source;
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i];
    if (index?.kind !== "int") return null;
    const bits = index.type.kind === "int" ? index.type.bits : 64;
    const n = Number(BigInt.asIntN(bits, index.value));
    if (i === 0) {
      offset += n * sizeOf(source);
      continue;
    }
    const element = elementType(type, n);
    if (element === undefined) return null;
    offset += offsetOf(type, n);
    type = element;
  }
  return Number.isSafeInteger(offset) ? offset : null;
}
