import { helperByName } from "../abi/helpers.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Instruction } from "../isa/instruction.ts";
import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
} from "../isa/opcodes.ts";
import { parseStatement, type Reference } from "./statement.ts";

/** A function of the text: `main prog:`, `static cb:`, `global sub(int a):`. */
export interface LineFunction {
  readonly name: string;
  readonly linkage: "main" | "static" | "global";
  /** What stands between the parentheses, "" without them. */
  readonly parameters: string;
  /** First slot. */
  readonly insn: number;
}

/** Instructions of a text without sections: jumps, calls and function addresses are final. */
export interface AssembledLines {
  readonly insns: readonly Instruction[];
  readonly functions: readonly LineFunction[];
  /** Map loads: src BPF_PSEUDO_MAP_FD or BPF_PSEUDO_MAP_VALUE; imm of the second slot is the offset. `insn` is the first slot. */
  readonly maps: readonly { readonly insn: number; readonly map: string; readonly offset: number | null }[];
  readonly kfuncs: readonly { readonly insn: number; readonly name: string; readonly btfId: number | null }[];
  /** Line of the text, from 0, of each slot. */
  readonly lineOf: readonly number[];
}

const HEAD = /^(main|static|global)\s+(?:void\s+)?([A-Za-z_][\w.]*)\s*(?:\((.*)\))?\s*:$/;
const LABEL = /^([A-Za-z_.][\w.]*)\s*:$/;

interface Use {
  readonly insn: number;
  readonly line: number;
  readonly reference: Reference;
}

/**
 * Assembles the lines of a recorded case, or of any text of instructions, labels and function heads. A line whose text is
 * only a comment (`;`, `//`) is skipped. The same label may stand in several functions.
 */
export function assembleLines(
  lines: readonly string[],
  file = "program",
): Result<AssembledLines, readonly Diagnostic[]> {
  const problems: Diagnostic[] = [];
  const insns: Instruction[] = [];
  const lineOf: number[] = [];
  const functions: LineFunction[] = [];
  const labels = new Map<string, number>();
  const uses: Use[] = [];
  const scope = (): number => functions.length;
  const fail = (line: number, message: string, column = 1, endColumn = column + 1): void => {
    const at = { file, line: line + 1, column, endLine: line + 1, endColumn };
    problems.push({ severity: "error", message, span: at });
  };

  lines.forEach((raw, line) => {
    const text = raw.replace(/\/\/.*$/, "").trimEnd();
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.startsWith(";")) return;
    const head = HEAD.exec(trimmed);
    if (head) {
      const name = head[2] as string;
      if (functions.some((f) => f.name === name)) fail(line, `function '${name}' is there twice`);
      const linkage = head[1] as LineFunction["linkage"];
      functions.push({ name, linkage, parameters: head[3] ?? "", insn: insns.length });
      return;
    }
    const label = LABEL.exec(trimmed);
    if (label) {
      const key = `${scope()}:${label[1]}`;
      if (labels.has(key)) fail(line, `label '${label[1]}' is there twice`);
      labels.set(key, insns.length);
      return;
    }
    const statement = parseStatement(text);
    if (!statement.ok) {
      fail(line, statement.error.message, statement.error.column, statement.error.endColumn);
      return;
    }
    const { slots, reference } = statement.value;
    if (reference) uses.push({ insn: insns.length, line, reference });
    for (const slot of slots) {
      insns.push(slot);
      lineOf.push(line);
    }
  });

  const maps: { insn: number; map: string; offset: number | null }[] = [];
  const kfuncs: { insn: number; name: string; btfId: number | null }[] = [];
  const functionAt = (name: string): number | undefined => functions.find((f) => f.name === name)?.insn;
  const scopeOf = (insn: number): number => functions.filter((f) => f.insn <= insn).length;
  const anyLabel = (name: string): number | undefined => [...labels].find(([key]) => key.endsWith(`:${name}`))?.[1];
  /** A label of the same function first, then a function, then a label elsewhere: the verifier says what is wrong with that. */
  const target = (name: string, insn: number): number | undefined =>
    labels.get(`${scopeOf(insn)}:${name}`) ?? functionAt(name) ?? anyLabel(name);
  for (const { insn, line, reference } of uses) {
    const missing = (what: string): void => fail(line, what, reference.column, reference.endColumn);
    const patch = (change: Partial<Instruction>, slot = insn): void => {
      insns[slot] = { ...(insns[slot] as Instruction), ...change };
    };
    switch (reference.kind) {
      case "jump": {
        const to = target(reference.label, insn);
        if (to === undefined) missing(`there is no label '${reference.label}'`);
        else patch({ [reference.field]: to - insn - 1 });
        break;
      }
      case "call": {
        const to = target(reference.name, insn);
        const helper = helperByName(reference.name);
        if (to !== undefined) patch({ src: BPF_PSEUDO_CALL, imm: to - insn - 1 });
        else if (helper) patch({ imm: helper.id });
        else missing(`there is no function or helper '${reference.name}'`);
        break;
      }
      case "kfunc":
        patch({ src: BPF_PSEUDO_KFUNC_CALL });
        kfuncs.push({ insn, name: reference.name, btfId: reference.btfId });
        break;
      case "address":
        switch (reference.what) {
          case "func": {
            const to = functionAt(reference.name) ?? anyLabel(reference.name);
            if (to === undefined) missing(`there is no function '${reference.name}'`);
            else patch({ src: BPF_PSEUDO_FUNC, imm: to - insn - 1 });
            break;
          }
          case "btf_id":
            patch({ src: BPF_PSEUDO_BTF_ID, imm: Number(reference.name) });
            break;
          case "map_value":
            patch({ src: BPF_PSEUDO_MAP_VALUE });
            patch({ imm: reference.addend }, insn + 1);
            maps.push({ insn, map: reference.name, offset: reference.addend });
            break;
          default:
            patch({ src: BPF_PSEUDO_MAP_FD });
            maps.push({ insn, map: reference.name, offset: null });
        }
        break;
    }
  }
  return problems.length > 0 ? err(problems) : ok({ insns, functions, maps, kfuncs, lineOf });
}
