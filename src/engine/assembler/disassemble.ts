import { helperById } from "../abi/helpers.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { utf8Text } from "../base/utf8.ts";
import { readBtf } from "../btf/read.ts";
import type { Btf, BtfType } from "../btf/types.ts";
import { readElf } from "../elf/read.ts";
import type { ElfObject, ElfRelocation, ElfSection } from "../elf/types.ts";
import { SHF_EXECINSTR, SHT_PROGBITS } from "../elf/types.ts";
import { formatInstruction } from "../isa/format.ts";
import { decodeInstructions, type Instruction, isLdImm64 } from "../isa/instruction.ts";
import {
  BPF_CALL,
  BPF_EXIT,
  BPF_HELPER_CALL,
  BPF_JMP,
  BPF_JMP32,
  BPF_PSEUDO_CALL,
  CALL,
  CLASS_MASK,
  JA32,
  OP_MASK,
} from "../isa/opcodes.ts";
import { Declarations } from "./declarations.ts";
import { parseStatement } from "./statement.ts";

export interface DisassembleOptions {
  /** What to put above the instruction at a slot of a section, such as its line of C; null for nothing. */
  readonly comment?: (section: string, slot: number) => string | null;
}

const DIALECT_SECTION = ".bpf_timer_dialect";

/**
 * Text of an object in the assembler's syntax: assembling it again gives the same instructions, maps and data. The error says why the
 * bytes are no object.
 */
export function disassemble(bytes: Uint8Array, options: DisassembleOptions = {}): Result<string, string> {
  const elf = readElf(bytes);
  if (!elf.ok) return elf;
  const section = elf.value.sections.find((s) => s.name === ".BTF");
  const btf = section ? readBtf(section.bytes) : ok({ types: [{ kind: "void" }] } as Btf);
  if (!btf.ok) return err(`section .BTF: ${btf.error}`);
  return ok(new Disassembler(elf.value, btf.value, options).text());
}

interface FunctionPlace {
  readonly name: string;
  readonly section: ElfSection;
  /** First slot, and the slot behind the last. */
  readonly start: number;
  readonly end: number;
  readonly isStatic: boolean;
  readonly weak: boolean;
}

class Disassembler {
  readonly #elf: ElfObject;
  readonly #btf: Btf;
  readonly #options: DisassembleOptions;
  readonly #declarations: Declarations;
  readonly #functions: readonly FunctionPlace[];

  constructor(elf: ElfObject, btf: Btf, options: DisassembleOptions) {
    this.#elf = elf;
    this.#btf = btf;
    this.#options = options;
    this.#declarations = new Declarations(elf, btf);
    this.#functions = this.#findFunctions();
  }

  text(): string {
    const code = this.#elf.sections
      .filter(isCode)
      .flatMap((section) => this.#functions.filter((f) => f.section === section).map((f) => this.#function(f)));
    const head = [this.#texts(), ...this.#declarations.text()].filter((part) => part !== "");
    return `${[...head, ...code].join("\n\n")}\n`;
  }

  #texts(): string {
    const lines: string[] = [];
    for (const [name, keyword] of [
      [DIALECT_SECTION, "dialect"],
      ["license", "license"],
    ] as const) {
      const section = this.#elf.sections.find((s) => s.name === name);
      if (section === undefined) continue;
      const end = section.bytes.indexOf(0);
      const value = utf8Text(end < 0 ? section.bytes : section.bytes.subarray(0, end));
      lines.push(`${keyword} ${keyword === "license" ? JSON.stringify(value) : value}`);
    }
    return lines.join("\n");
  }

  #findFunctions(): FunctionPlace[] {
    return this.#elf.sections.filter(isCode).flatMap((section) => {
      const slots = Math.floor(section.bytes.length / 8);
      const symbols = this.#elf.symbols
        .filter((s) => s.section === section.index && (s.type === "func" || s.type === "none") && s.name !== "")
        .filter((s) => s.value % 8 === 0 && s.value / 8 < slots)
        // Labels of LLVM's (`LBB0_2`) are no functions.
        .filter((s) => s.type === "func" || s.binding !== "local")
        .sort((a, b) => a.value - b.value);
      const starts = new Map(symbols.map((s) => [s.value / 8, s]));
      const places = [...starts.keys()].sort((a, b) => a - b);
      if (places[0] !== 0) places.unshift(0);
      return places.map((start, i) => {
        const symbol = starts.get(start);
        const name = symbol?.name ?? `code_${section.index}`;
        const isStatic = symbol?.binding === "local";
        return { name, section, start, end: places[i + 1] ?? slots, isStatic, weak: symbol?.binding === "weak" };
      });
    });
  }

  #function(place: FunctionPlace): string {
    const insns = decodeInstructions(place.section.bytes);
    const relocations = new Map(
      (this.#elf.relocations.get(place.section.index) ?? []).map((r) => [r.offset / 8, r] as const),
    );
    const labels = jumpTargets(insns, place);
    const lines: string[] = [];
    if (!place.isStatic && place.section.name !== ".text") lines.push(`SEC(${JSON.stringify(place.section.name)})`);
    lines.push(`${this.#head(place)}:`);
    let comment: string | null = null;
    for (let at = place.start; at < place.end; at++) {
      const label = labels.get(at);
      if (label !== undefined) lines.push(`${label}:`);
      const next = this.#options.comment?.(place.section.name, at) ?? null;
      if (next !== null && next !== comment) lines.push(`    // ${next}`);
      comment = next ?? comment;
      const insn = insns[at] as Instruction;
      for (const line of this.#instruction(insns, at, relocations.get(at), place, labels)) lines.push(`    ${line}`);
      if (isLdImm64(insn) && insns[at + 1] !== undefined) at++;
    }
    const behind = labels.get(place.end);
    if (behind !== undefined) lines.push(`${behind}:`);
    return lines.join("\n");
  }

  #head({ name, isStatic, weak }: FunctionPlace): string {
    const linkage = isStatic ? "static " : weak ? "weak " : "";
    const fn = this.#btf.types.find((t) => t.kind === "func" && t.name === name) as
      | (BtfType & { kind: "func" })
      | undefined;
    const proto = fn && this.#btf.types[fn.type];
    if (proto?.kind !== "func_proto") return `${linkage}int ${name}(void *ctx)`;
    return `${linkage}${this.#declarations.prototype(name, proto)}`;
  }

  #instruction(
    insns: readonly Instruction[],
    at: number,
    relocation: ElfRelocation | undefined,
    place: FunctionPlace,
    labels: ReadonlyMap<number, string>,
  ): string[] {
    const insn = insns[at] as Instruction;
    const second = insns[at + 1];
    const symbol = relocation && this.#symbolName(relocation, insn, place.section);
    const wide = isLdImm64(insn) && second !== undefined;
    const text = this.#format(insn, second, at, symbol, place, labels);
    const slots = wide ? [insn, second] : [insn];
    return text !== null && (symbol !== undefined || saysTheSame(text, slots, labels.size > 0))
      ? [text]
      : slots.map(rawText);
  }

  #format(
    insn: Instruction,
    second: Instruction | undefined,
    at: number,
    symbol: string | undefined,
    place: FunctionPlace,
    labels: ReadonlyMap<number, string>,
  ): string | null {
    if (insn.opcode === CALL) {
      if (symbol !== undefined) return `call ${symbol}`;
      if (insn.src === BPF_PSEUDO_CALL) {
        const target = this.#functions.find((f) => f.section === place.section && f.start === at + 1 + insn.imm);
        return target ? `call ${target.name}` : `call pc${insn.imm < 0 ? "" : "+"}${insn.imm}`;
      }
      if (insn.src !== BPF_HELPER_CALL) return null;
      const helper = helperById(insn.imm);
      return `call ${helper && !this.#functions.some((f) => f.name === helper.name) ? helper.name : insn.imm}`;
    }
    if (isLdImm64(insn)) {
      if (symbol !== undefined) return `r${insn.dst} = ${symbol} ll`;
      if (insn.src !== 0 || second === undefined) return null;
    }
    const names = { call: () => `${insn.imm}`, wide: (_: Instruction, value: bigint) => `0x${value.toString(16)} ll` };
    const text = formatInstruction(insn, second, at, names).replace(/\((r\d+) ([+-])(\d+)\)/, "($1 $2 $3)");
    const target = jumpTarget(insn, at);
    const label = target === null ? undefined : labels.get(target);
    return label === undefined ? text : text.replace(/pc[+-]\d+$/, label);
  }

  /** What the relocation stands for: a name, with a distance when it points behind its start. */
  #symbolName(relocation: ElfRelocation, insn: Instruction, section: ElfSection): string | undefined {
    const symbol = this.#elf.symbols[relocation.symbol];
    if (symbol === undefined) return undefined;
    if (symbol.name !== "" && symbol.type !== "section") {
      return insn.opcode === CALL || insn.imm === 0 ? symbol.name : plus(symbol.name, insn.imm);
    }
    const target = this.#elf.sections[symbol.section] ?? section;
    if (isCode(target)) {
      const slot = insn.opcode === CALL ? insn.imm + 1 : insn.imm / 8;
      return this.#functions.find((f) => f.section === target && f.start === slot)?.name;
    }
    const variable = this.#declarations.variableAt(target.index, insn.imm);
    return variable && plus(variable.name, insn.imm - variable.offset);
  }
}

const plus = (name: string, distance: number): string =>
  distance === 0 ? name : `${name} ${distance < 0 ? "-" : "+"} ${Math.abs(distance)}`;

function isCode(section: ElfSection): boolean {
  return section.type === SHT_PROGBITS && (section.flags & SHF_EXECINSTR) !== 0 && section.bytes.length > 0;
}

function rawText({ opcode, dst, src, off, imm }: Instruction): string {
  return `raw ${opcode.toString(16).padStart(2, "0")} ${dst} ${src} ${off} ${imm}`;
}

/** True when the text gives these slots again; distances of jumps are left to the labels. */
function saysTheSame(text: string, slots: readonly Instruction[], labelled: boolean): boolean {
  const parsed = parseStatement(text);
  if (!parsed.ok || parsed.value.slots.length !== slots.length) return false;
  const reference = parsed.value.reference;
  return parsed.value.slots.every((slot, i) => {
    const wanted = slots[i] as Instruction;
    const jump = labelled && reference?.kind === "jump";
    const named = reference?.kind === "call";
    return (
      slot.opcode === wanted.opcode &&
      slot.dst === wanted.dst &&
      (named || slot.src === wanted.src) &&
      ((jump && reference.field === "off") || slot.off === wanted.off) &&
      (named || (jump && reference.field === "imm") || slot.imm === wanted.imm)
    );
  });
}

/** Slot that a jump leads to; null for everything else. */
function jumpTarget(insn: Instruction, at: number): number | null {
  const cls = insn.opcode & CLASS_MASK;
  if (cls !== BPF_JMP && cls !== BPF_JMP32) return null;
  const op = insn.opcode & OP_MASK;
  if (op === BPF_CALL || op === BPF_EXIT) return null;
  return at + 1 + (insn.opcode === JA32 ? insn.imm : insn.off);
}

function jumpTargets(insns: readonly Instruction[], place: FunctionPlace): Map<number, string> {
  const targets = new Set<number>();
  for (let at = place.start; at < place.end; at++) {
    const insn = insns[at] as Instruction;
    const target = jumpTarget(insn, at);
    if (target !== null && target >= place.start && target <= place.end) targets.add(target);
    if (isLdImm64(insn)) at++;
  }
  const sorted = [...targets].sort((a, b) => a - b);
  return new Map(sorted.map((slot, i) => [slot, `l${i + 1}`]));
}
