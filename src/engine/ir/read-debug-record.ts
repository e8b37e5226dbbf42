import { type LocalIndex, readValue } from "./constants.ts";
import type { MetadataNode } from "./metadata.ts";
import type { IrDebugRecord, IrValue } from "./module.ts";
import { readNode } from "./read-metadata.ts";
import type { IrReader } from "./reader.ts";

/**
 * Reads a debug record at its `#`: `#dbg_value(i32 %3, !12, !DIExpression(), !14)`. Null for one that tells nothing of where a
 * variable is (`#dbg_label`, and assignments, whose value records stand beside them).
 */
export function readDebugRecord(reader: IrReader, local: LocalIndex, before: number): IrDebugRecord | null {
  reader.expect("#");
  const word = reader.word();
  if (word !== "dbg_value" && word !== "dbg_declare") return null;
  reader.expect("(");
  const values = readLocation(reader, local);
  reader.expect(",");
  const variable = reference(reader);
  reader.expect(",");
  const expression = readNode(reader, null);
  reader.expect(",");
  const dbg = reference(reader);
  reader.expect(")");
  return { kind: word === "dbg_value" ? "value" : "declare", before, values, variable, expression, dbg };
}

function readLocation(reader: IrReader, local: LocalIndex): IrValue[] {
  if (reader.peek() !== "!") return [readValue(reader, reader.type(), local)];
  const start = reader.at;
  reader.at++;
  if (reader.word() !== "DIArgList") {
    // `!{}`: what was here is gone.
    reader.at = start;
    readNode(reader, null);
    return [];
  }
  reader.expect("(");
  const values: IrValue[] = [];
  while (reader.failure === null && !reader.accept(")")) {
    values.push(readValue(reader, reader.type(), local));
    if (!reader.accept(",") && reader.peek() !== ")") reader.fail("expected ',' between values");
  }
  return values;
}

function reference(reader: IrReader): number {
  reader.expect("!");
  return reader.integer();
}

/** An operand of a DIExpression: `DW_OP_plus_uconst`, or a number. */
export type ExpressionElement = string | bigint;

export function expressionElements(expression: MetadataNode): readonly ExpressionElement[] {
  return expression.elements.map((e) => (e.kind === "int" ? e.value : e.kind === "word" ? e.value : ""));
}
