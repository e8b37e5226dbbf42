import type { LocalIndex } from "./constants.ts";
import type { IrBlock, IrDebugRecord, IrFunction, IrInstruction, IrLinkage, IrParameter } from "./module.ts";
import { readDebugRecord } from "./read-debug-record.ts";
import { InstructionReader } from "./read-instruction.ts";
import type { IrReader } from "./reader.ts";
import { decodeText } from "./scanner.ts";
import type { IrType } from "./types.ts";

const LINKAGES: ReadonlyMap<string, IrLinkage> = new Map([
  ["external", "external"],
  ["internal", "internal"],
  ["private", "private"],
  ["weak", "weak"],
  ["weak_odr", "weak"],
  ["linkonce", "weak"],
  ["linkonce_odr", "weak"],
  ["extern_weak", "extern_weak"],
  ["common", "common"],
  ["appending", "appending"],
  ["available_externally", "available_externally"],
]);

export function linkageOf(word: string): IrLinkage | undefined {
  return LINKAGES.get(word);
}

/** What attribute groups (`#3`) say that matters here. */
export interface AttributeGroups {
  readonly naked: ReadonlySet<string>;
  readonly noreturn: ReadonlySet<string>;
}

interface Header {
  name: string;
  linkage: IrLinkage;
  hidden: boolean;
  section: string;
  returnType: IrType;
  parameters: IrParameter[];
  parameterNames: string[];
  variadic: boolean;
  naked: boolean;
  subprogram: number | null;
}

/**
 * Reads a `define` or `declare` at the cursor, which ends behind it. For a definition the text up to the `}` that stands
 * alone at the beginning of a line belongs to it.
 */
export function readFunction(reader: IrReader, declaration: boolean, groups: AttributeGroups): IrFunction {
  const header = readHeader(reader, groups);
  const common = {
    name: header.name,
    linkage: header.linkage,
    hidden: header.hidden,
    section: header.section,
    returnType: header.returnType,
    parameters: header.parameters,
    variadic: header.variadic,
    declaration,
    naked: header.naked,
    subprogram: header.subprogram,
  };
  if (declaration) return { ...common, blocks: [], valueCount: header.parameters.length };
  reader.nextLine();
  const body = readBody(reader, header.parameterNames, groups);
  return { ...common, ...body };
}

function readHeader(reader: IrReader, groups: AttributeGroups): Header {
  const header: Header = {
    name: "",
    linkage: "external",
    hidden: false,
    section: "",
    returnType: { kind: "void" },
    parameters: [],
    parameterNames: [],
    variadic: false,
    naked: false,
    subprogram: null,
  };
  const subprogram = (): void => {
    // `!dbg !12`; other attachments stand here too
    reader.at++;
    const kind = reader.word();
    if (reader.accept("!")) {
      const id = reader.integer();
      if (kind === "dbg") header.subprogram = id;
    }
  };
  while (reader.failure === null && !reader.atLineEnd() && !reader.atType()) {
    if (reader.peek() === "!") subprogram();
    else
      reader.attribute((word) => {
        const linkage = LINKAGES.get(word);
        if (linkage !== undefined) header.linkage = linkage;
        else if (word === "hidden") header.hidden = true;
      });
  }
  header.returnType = reader.type();
  reader.expect("@");
  header.name = reader.name();
  reader.expect("(");
  while (reader.failure === null && !reader.accept(")")) {
    if (reader.accept("...")) {
      header.variadic = true;
      continue;
    }
    const type = reader.type();
    const marks = { byval: false, sret: false, extension: null as "zero" | "sign" | null };
    while (reader.failure === null && !/^[,)%]?$/.test(reader.peek())) {
      reader.attribute((word) => markParameter(marks, word));
    }
    header.parameters.push({ type, ...marks });
    header.parameterNames.push(reader.accept("%") ? reader.name() : "");
    if (!reader.accept(",") && reader.peek() !== ")") reader.fail("expected ',' between parameters");
  }
  while (reader.failure === null && !reader.atLineEnd()) {
    const c = reader.peek();
    if (c === "{") break;
    if (c === "!") subprogram();
    else if (c === "#") {
      reader.at++;
      if (groups.naked.has(reader.word())) header.naked = true;
    } else if (reader.acceptWord("section")) header.section = decodeText(reader.quotedRaw());
    else if (reader.acceptWord("personality") || reader.acceptWord("prefix") || reader.acceptWord("prologue")) {
      reader.fail("personality, prefix and prologue are not known here");
    } else
      reader.attribute((word) => {
        if (word === "naked") header.naked = true;
      });
  }
  return header;
}

export function markParameter(
  marks: { byval: boolean; sret: boolean; extension: "zero" | "sign" | null },
  word: string,
): void {
  if (word === "byval" || word === "byref" || word === "inalloca") marks.byval = true;
  else if (word === "sret") marks.sret = true;
  else if (word === "zeroext") marks.extension = "zero";
  else if (word === "signext") marks.extension = "sign";
}

/** Label at the beginning of a line (`12:`, `name:`, `"odd name":`), or null. */
function labelAt(text: string, at: number): string | null {
  const c = text.charCodeAt(at);
  if (c === 34) {
    const close = text.indexOf('"', at + 1);
    return close > 0 && text.charCodeAt(close + 1) === 58 ? decodeText(text.slice(at + 1, close)) : null;
  }
  let end = at;
  for (; ; end++) {
    const k = text.charCodeAt(end);
    if (k === 58) return end > at ? text.slice(at, end) : null;
    const word =
      (k >= 97 && k <= 122) ||
      (k >= 65 && k <= 90) ||
      (k >= 48 && k <= 57) ||
      k === 95 ||
      k === 46 ||
      k === 36 ||
      k === 45;
    if (!word) return null;
  }
}

function readBody(
  reader: IrReader,
  parameterNames: readonly string[],
  groups: AttributeGroups,
): { blocks: IrBlock[]; valueCount: number } {
  const text = reader.text;
  const start = reader.at;
  const blockIndex = new Map<string, number>();
  let end = start;
  let first = true;
  let count = 0;
  // First pass: where the body ends and which label is which block.
  for (let at = start; ; ) {
    const stop = text.indexOf("\n", at);
    const lineEnd = stop < 0 ? text.length : stop;
    const c = text.charCodeAt(at);
    if (c === 125 || at >= text.length) {
      end = at;
      break;
    }
    if (c !== 32 && c !== 59 && lineEnd > at) {
      const label = labelAt(text, at);
      if (label !== null) {
        if (first && count > 0) first = false;
        blockIndex.set(label, count++);
        first = false;
      }
    } else if (first && c === 32 && count === 0) {
      // Entry without a label: it takes the number after the parameters.
      const used = parameterNames.filter((name) => name === "" || /^[0-9]+$/.test(name)).length;
      blockIndex.set(String(used), count++);
      first = false;
    }
    if (stop < 0) {
      end = text.length;
      break;
    }
    at = stop + 1;
  }

  const values = new Map<string, number>();
  parameterNames.forEach((name, i) => {
    values.set(name === "" ? String(i) : name, i);
  });
  let next = parameterNames.length;
  const local: LocalIndex = (name) => {
    let index = values.get(name);
    if (index === undefined) {
      index = next++;
      values.set(name, index);
    }
    return index;
  };
  const known: LocalIndex = (name) => {
    const index = values.get(name);
    if (index === undefined) reader.fail(`nothing defines '%${name}'`);
    return index ?? -1;
  };
  const blocks: { instructions: IrInstruction[]; records: IrDebugRecord[] }[] = Array.from({ length: count }, () => ({
    instructions: [],
    records: [],
  }));
  // Debug records are read when every value has its number: they must not be the first to name one.
  const records: RecordPlace[] = [];
  const block = (name: string): number => {
    const index = blockIndex.get(name);
    if (index === undefined) reader.fail(`no block is called '${name}'`);
    return index ?? 0;
  };
  const instructions = new InstructionReader(reader, local, block, groups.noreturn);
  let current = -1;
  reader.at = start;
  while (reader.at < end && reader.failure === null) {
    const c = text.charCodeAt(reader.at);
    if (c === 32 || c === 9) {
      reader.blanks();
      const k = text.charCodeAt(reader.at);
      // debug records and comments
      if (k === 35 || k === 59 || k === 10 || reader.at >= end) {
        if (k === 35) {
          const block = Math.max(0, current);
          records.push({ at: reader.at, block, before: blocks[block]?.instructions.length ?? 0 });
        }
        reader.nextLine();
        continue;
      }
      if (current < 0) current = 0;
      blocks[current]?.instructions.push(instructions.read());
    } else if (c !== 10 && c !== 59) {
      const label = labelAt(text, reader.at);
      if (label === null) reader.fail(`unexpected '${text.slice(reader.at, reader.at + 30)}'`);
      else current = blockIndex.get(label) ?? 0;
    }
    if (reader.failure === null) reader.nextLine();
  }
  if (reader.failure === null && !readRecords(reader, known, records, blocks)) {
    // What cannot be told of variables must not cost the program.
    for (const b of blocks) b.records.length = 0;
  }
  if (reader.failure === null) {
    reader.at = Math.min(end + 1, text.length);
    if (blocks.length === 0) reader.fail("a function without a body");
    for (const b of blocks) if (b.instructions.length === 0) reader.fail("a block without instructions");
  }
  return { blocks, valueCount: next };
}

interface RecordPlace {
  readonly at: number;
  readonly block: number;
  readonly before: number;
}

/** False when a record cannot be read; the reader is as if there had been none. */
function readRecords(
  reader: IrReader,
  local: LocalIndex,
  places: readonly RecordPlace[],
  blocks: readonly { readonly records: IrDebugRecord[] }[],
): boolean {
  for (const { at, block, before } of places) {
    reader.at = at;
    const record = readDebugRecord(reader, local, before);
    if (reader.failure !== null) {
      reader.failure = null;
      return false;
    }
    if (record !== null) blocks[block]?.records.push(record);
  }
  return true;
}
