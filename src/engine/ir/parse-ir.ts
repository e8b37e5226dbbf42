import type { Diagnostic } from "../base/diagnostic.ts";
import { pointSpan } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { readValue } from "./constants.ts";
import type { MetadataNode } from "./metadata.ts";
import type { IrFunction, IrGlobal, IrLinkage, IrModule } from "./module.ts";
import { type AttributeGroups, linkageOf, readFunction } from "./read-function.ts";
import { readNode } from "./read-metadata.ts";
import { IrReader, type NamedTypes } from "./reader.ts";
import { decodeText } from "./scanner.ts";

/** What the name of the IR text is in messages about the text itself: it is never the visitor's own file. */
const IR_FILE = "module.ll";

/**
 * Reads the text of an LLVM module as clang 22 prints it for BPF. An instruction that BPF has no use for is kept as `unsupported`;
 * the error is for text that is no IR, with the line of the IR.
 */
export function parseIr(text: string): Result<IrModule, readonly Diagnostic[]> {
  const named = findNamedTypes(text);
  const groups = findAttributeGroups(text);
  const reader = new IrReader(text, named);
  const globals: IrGlobal[] = [];
  const functions: IrFunction[] = [];
  const nodes = new Map<number, MetadataNode>();
  const namedNodes = new Map<string, readonly number[]>();
  const assembly: string[] = [];
  const aliases: string[] = [];
  let sourceFile = "";

  while (reader.at < text.length && reader.failure === null) {
    switch (text.charCodeAt(reader.at)) {
      case 64: // @
        readGlobal(reader, globals, aliases);
        break;
      case 33: {
        // !
        reader.at++;
        const name = reader.word();
        reader.expect("=");
        if (/^[0-9]+$/.test(name)) {
          nodes.set(Number(name), readNode(reader, Number(name)));
        } else {
          const ids = readNode(reader, null).elements.flatMap((e) => (e.kind === "ref" ? [e.id] : []));
          namedNodes.set(name, ids);
        }
        break;
      }
      case 37: // % : a named type, read when used
      case 59: // ;
      case 10:
      case 13:
      case 36: // $comdat
      case 94: // ^summary
        break;
      default: {
        const word = reader.word();
        if (word === "define" || word === "declare") {
          functions.push(readFunction(reader, word === "declare", groups));
        } else if (word === "source_filename") {
          reader.expect("=");
          reader.blanks();
          sourceFile = decodeText(reader.quotedRaw());
        } else if (word === "module") {
          reader.acceptWord("asm");
          reader.blanks();
          assembly.push(decodeText(reader.quotedRaw()));
        } else if (word === "attributes" || word === "target" || word === "uselistorder") {
          break;
        } else {
          reader.fail(
            `'${text.slice(reader.at - word.length, reader.lineEnd()).slice(0, 40)}' begins nothing that IR has`,
          );
        }
      }
    }
    if (reader.failure === null) reader.nextLine();
  }
  if (reader.failure !== null) {
    const line = text.slice(0, reader.failedAt).split("\n").length;
    const span = pointSpan(IR_FILE, line, 1);
    return err([{ severity: "error", message: `the compiler's IR cannot be read: ${reader.failure}`, span }]);
  }
  return ok({ sourceFile, globals, functions, aliases, metadata: { nodes, named: namedNodes }, assembly });
}

function findNamedTypes(text: string): NamedTypes {
  const places = new Map<string, number>();
  for (const match of text.matchAll(/^%("[^"\n]*"|[-\w.$]+) = type /gm)) {
    const raw = match[1] as string;
    const name = raw.startsWith('"') ? decodeText(raw.slice(1, -1)) : raw;
    places.set(name, match.index + match[0].length);
  }
  return { places, known: new Map(), open: new Set() };
}

function findAttributeGroups(text: string): AttributeGroups {
  const naked = new Set<string>();
  const noreturn = new Set<string>();
  for (const match of text.matchAll(/^attributes #([0-9]+) = \{([^\n]*)\}/gm)) {
    const words = ` ${(match[2] as string).replace(/"[^"]*"/g, "")} `;
    if (words.includes(" naked ")) naked.add(match[1] as string);
    if (words.includes(" noreturn ")) noreturn.add(match[1] as string);
  }
  return { naked, noreturn };
}

const GLOBAL_WORDS = /^(global|constant|alias|ifunc)$/;

function readGlobal(reader: IrReader, globals: IrGlobal[], aliases: string[]): void {
  reader.at++;
  const name = reader.name();
  reader.expect("=");
  let linkage: IrLinkage = "external";
  let hidden = false;
  let external = false;
  let threadLocal = false;
  let unnamed = false;
  let kind = reader.word();
  while (!GLOBAL_WORDS.test(kind) && kind !== "" && reader.failure === null) {
    const found = linkageOf(kind);
    if (found !== undefined) linkage = found;
    if (kind === "external" || kind === "extern_weak" || kind === "available_externally") external = true;
    if (kind === "hidden") hidden = true;
    if (kind === "thread_local") threadLocal = true;
    if (kind === "unnamed_addr") unnamed = true;
    if (reader.peek() === "(") reader.skipGroup();
    kind = reader.word();
  }
  if (!GLOBAL_WORDS.test(kind)) reader.fail(`expected a global at '${kind}'`);
  if (kind === "alias" || kind === "ifunc") {
    aliases.push(name);
    return;
  }
  const type = reader.type();
  const initialiser = external ? null : readValue(reader, type);
  let align = 0;
  let section = "";
  let debug: number | null = null;
  while (reader.failure === null && reader.accept(",")) {
    if (reader.accept("!")) {
      const attachment = reader.word();
      if (reader.accept("!")) {
        const id = reader.integer();
        if (attachment === "dbg") debug ??= id;
      }
    } else if (reader.acceptWord("align")) align = reader.integer();
    else if (reader.acceptWord("section")) {
      reader.blanks();
      section = decodeText(reader.quotedRaw());
    } else reader.attribute();
  }
  globals.push({
    name,
    linkage,
    hidden,
    constant: kind === "constant",
    threadLocal,
    unnamed,
    type,
    align,
    section,
    initialiser,
    debug,
  });
}
