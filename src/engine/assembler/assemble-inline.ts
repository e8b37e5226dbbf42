import { helperByName } from "../abi/helpers.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Instruction } from "../isa/instruction.ts";
import { BPF_PSEUDO_CALL } from "../isa/opcodes.ts";
import { readWholeStatement, type Statement } from "./statement.ts";
import { LineError, type Token, tokenize } from "./tokens.ts";

/** What an operand of the template stands for, after register allocation. */
export type InlineOperand =
  /** Width 32 prints as `w1`. */
  | { readonly kind: "reg"; readonly reg: number; readonly width: 32 | 64 }
  | { readonly kind: "imm"; readonly value: bigint }
  | { readonly kind: "symbol"; readonly symbol: string; readonly addend: number }
  | { readonly kind: "memory"; readonly base: number; readonly offset: number }
  /** A block of the function; `${1:l}` in the template. */
  | { readonly kind: "label"; readonly block: number };

export interface InlineCode {
  readonly insns: readonly Instruction[];
  /** Symbols used, by slot, as {@link InlineOperand} or the template names them. */
  readonly references: readonly {
    readonly insn: number;
    readonly kind: "address" | "call";
    readonly symbol: string;
    readonly addend: number;
  }[];
  /** Jumps out of the template: the field (`off`, or `imm` for gotol) of the slot leads to the block. */
  readonly jumps: readonly { readonly insn: number; readonly field: "off" | "imm"; readonly block: number }[];
}

/**
 * Assembles an inline-assembly template as LLVM IR carries it: `$0`, `${1:l}`, `$$`, `${:uid}`; statements end at a newline or `;`.
 * `unique` tells expansions apart. The error is a text for people; the place is the caller's.
 */
export function assembleInline(
  template: string,
  operands: readonly InlineOperand[],
  unique: number,
): Result<InlineCode, string> {
  try {
    return ok(assembleTemplate(expand(template, operands, unique)));
  } catch (error) {
    if (error instanceof LineError) return err(error.fault.message);
    throw error;
  }
}

/** Label of a block in the expanded text: no C label or directive looks like it. */
const BLOCK_LABEL = /^__block\.(\d+)$/;
const at = (line: number): { line: number; column: number; endColumn: number } => ({ line, column: 1, endColumn: 2 });

function expand(template: string, operands: readonly InlineOperand[], unique: number): string {
  return template.replace(
    /\$(?:(\$)|(\d+)|\{(\d*):?([a-zA-Z]*)\}|([\s\S]?))/g,
    (
      whole,
      dollar: string | undefined,
      plain: string | undefined,
      braced: string | undefined,
      modifier: string | undefined,
    ) => {
      if (dollar !== undefined) return "$";
      if (modifier === "uid") return String(unique);
      const index = plain ?? braced;
      if (index === undefined || index === "") throw new LineError(`invalid operand in inline asm: '${whole}'`, at(1));
      const operand = operands[Number(index)];
      if (operand === undefined) throw new LineError(`inline asm has no operand ${index}`, at(1));
      if (modifier !== undefined && modifier !== "" && !(modifier === "l" && operand.kind === "label")) {
        throw new LineError(`invalid operand in inline asm: '${whole}'`, at(1));
      }
      return print(operand);
    },
  );
}

function print(operand: InlineOperand): string {
  switch (operand.kind) {
    case "reg":
      return `${operand.width === 32 ? "w" : "r"}${operand.reg}`;
    case "imm":
      return String(operand.value);
    case "symbol":
      if (operand.addend === 0) return operand.symbol;
      return `${operand.symbol} ${operand.addend < 0 ? "-" : "+"} ${Math.abs(operand.addend)}`;
    case "memory":
      return `(r${operand.base} ${operand.offset < 0 ? "-" : "+"} ${Math.abs(operand.offset)})`;
    case "label":
      return `__block.${operand.block}`;
  }
}

interface Placed {
  readonly insn: number;
  readonly statement: Statement;
}

function assembleTemplate(text: string): InlineCode {
  const labels = new Map<string, number[]>();
  const placed: Placed[] = [];
  const insns: Instruction[] = [];
  for (const tokens of statements(text)) {
    let rest = tokens;
    while (rest[1]?.text === ":" && (rest[0]?.kind === "word" || rest[0]?.kind === "number")) {
      const name = rest[0].text;
      // Numbers may stand several times: `1b` is the one before, `1f` the one behind.
      if (rest[0].kind === "word" && labels.has(name)) throw new LineError(`label '${name}' is there twice`, rest[0]);
      labels.set(name, [...(labels.get(name) ?? []), insns.length]);
      rest = rest.slice(2);
    }
    if (rest.length === 0) continue;
    const statement = readWholeStatement(rest);
    placed.push({ insn: insns.length, statement });
    insns.push(...statement.slots);
  }
  const references: InlineCode["references"][number][] = [];
  const jumps: InlineCode["jumps"][number][] = [];
  for (const { insn, statement } of placed) {
    const reference = statement.reference;
    if (reference === null) continue;
    const patch = (change: Partial<Instruction>): void => {
      insns[insn] = { ...(insns[insn] as Instruction), ...change };
    };
    switch (reference.kind) {
      case "jump": {
        const block = BLOCK_LABEL.exec(reference.label);
        if (block) {
          jumps.push({ insn, field: reference.field, block: Number(block[1]) });
          break;
        }
        const to = findLabel(labels, reference.label, insn);
        if (to === undefined)
          throw new LineError(`there is no label '${reference.label}' in the template`, { ...at(1), ...reference });
        patch({ [reference.field]: to - insn - 1 });
        break;
      }
      case "call": {
        const helper = helperByName(reference.name);
        if (helper) patch({ imm: helper.id });
        else {
          patch({ src: BPF_PSEUDO_CALL, imm: -1 });
          references.push({ insn, kind: "call", symbol: reference.name, addend: 0 });
        }
        break;
      }
      case "kfunc":
        patch({ src: BPF_PSEUDO_CALL, imm: -1 });
        references.push({ insn, kind: "call", symbol: reference.name, addend: 0 });
        break;
      case "address":
        references.push({ insn, kind: "address", symbol: reference.name, addend: reference.addend });
    }
  }
  return { insns, references, jumps };
}

function findLabel(labels: ReadonlyMap<string, readonly number[]>, name: string, from: number): number | undefined {
  const numbered = /^(\d+)([bf])$/.exec(name);
  if (numbered === null) return labels.get(name)?.[0];
  const places = labels.get(numbered[1] as string) ?? [];
  return numbered[2] === "b" ? places.filter((p) => p <= from).at(-1) : places.find((p) => p > from);
}

/** Tokens of each statement; `#` and `//` begin comments. */
function statements(text: string): Token[][] {
  const all: Token[][] = [];
  text.split("\n").forEach((line, index) => {
    let open: Token[] = [];
    for (const token of tokenize(line.replace(/\/\/.*$|(?<=^|\s)#.*$/, ""), index + 1)) {
      if (token.text === ";") {
        all.push(open);
        open = [];
      } else open.push(token);
    }
    all.push(open);
  });
  return all.filter((tokens) => tokens.length > 0);
}
