import { StringTable } from "../btf/strings.ts";
import { VARIABLE_SECTION, writeVariableTable } from "../btf/variable-table.ts";
import { assembleBtf, encodeTypes } from "../btf/write.ts";
import { type ExtSection, writeBtfExt } from "../btf/write-ext.ts";
import type { ElfRelocation } from "../elf/types.ts";
import {
  R_BPF_64_32,
  R_BPF_64_64,
  R_BPF_64_ABS64,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_MERGE,
  SHF_STRINGS,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_PROGBITS,
} from "../elf/types.ts";
import { type SectionPart, type SymbolPart, writeElf } from "../elf/write.ts";
import { encodeInstructions, INSTRUCTION_BYTES, type Instruction } from "../isa/instruction.ts";
import type { CompiledFunction, CompiledGlobal, CompiledModule } from "./compiled-module.ts";
import { makeDebugBtf } from "./debug-btf.ts";
import { isBss } from "./globals.ts";
import { fileOf } from "./select/module-context.ts";

/** The text of a source line (1-based) of a file, for line_info; null when the source is not at hand. */
export type SourceLine = (file: string, line: number) => string | null;

const TEXT = ".text";

/** Bytes of the object file of a compiled module, as libbpf and this project's loader take it. Same module, same bytes. */
export function writeObject(module: CompiledModule, sourceLine: SourceLine): Uint8Array {
  return new ObjectWriter(module, sourceLine).run();
}

interface CodeSection {
  readonly name: string;
  readonly functions: { readonly fn: CompiledFunction; readonly slot: number }[];
  readonly insns: Instruction[];
}

interface DataSection {
  readonly name: string;
  readonly globals: { readonly global: CompiledGlobal; readonly offset: number }[];
  size: number;
  align: number;
}

/** Where a symbol of this module lies. */
interface Home {
  readonly section: string;
  /** bytes */
  readonly offset: number;
  readonly local: boolean;
}

class ObjectWriter {
  readonly #module: CompiledModule;
  readonly #sourceLine: SourceLine;
  readonly #code: CodeSection[] = [{ name: TEXT, functions: [], insns: [] }];
  readonly #data: DataSection[] = [];
  readonly #homes = new Map<string, Home>();
  readonly #symbols: SymbolPart[] = [];
  readonly #symbolIndex = new Map<string, number>();

  constructor(module: CompiledModule, sourceLine: SourceLine) {
    this.#module = module;
    this.#sourceLine = sourceLine;
  }

  run(): Uint8Array {
    this.#placeFunctions();
    this.#placeGlobals();
    const index = new Map<string, number>();
    for (const s of [...this.#code, ...this.#data]) index.set(s.name, index.size);
    this.#declareSymbols(index);
    const sections: SectionPart[] = [
      ...this.#code.map((s) => this.#codeSection(s, index)),
      ...this.#data.map((s) => this.#dataSection(s, index)),
      ...this.#btfSections(),
      ...this.#variableSection(),
    ];
    return writeElf({ sections, symbols: this.#symbols });
  }

  #placeFunctions(): void {
    for (const fn of this.#module.functions) {
      let section = this.#code.find((s) => s.name === fn.section);
      if (section === undefined) {
        section = { name: fn.section, functions: [], insns: [] };
        this.#code.push(section);
      }
      const slot = section.insns.length;
      section.functions.push({ fn, slot });
      for (const insn of fn.insns) section.insns.push(insn);
      const local = fn.linkage === "static";
      this.#homes.set(fn.name, { section: fn.section, offset: slot * INSTRUCTION_BYTES, local });
    }
  }

  #placeGlobals(): void {
    for (const global of this.#module.globals) {
      if (global.linkage === "extern") continue;
      let section = this.#data.find((s) => s.name === global.section);
      if (section === undefined) {
        section = { name: global.section, globals: [], size: 0, align: 1 };
        this.#data.push(section);
      }
      const offset = Math.ceil(section.size / global.align) * global.align;
      section.globals.push({ global, offset });
      section.size = offset + global.size;
      section.align = Math.max(section.align, global.align);
      const local = global.linkage === "static" || global.linkage === "private";
      this.#homes.set(global.name, { section: global.section, offset, local });
    }
  }

  #declareSymbols(index: ReadonlyMap<string, number>): void {
    const file = this.#module.sourceFile;
    const name = file.slice(file.lastIndexOf("/") + 1);
    this.#symbols.push(plainSymbol({ name, type: "file", binding: "local", section: "absolute" }));
    for (const { functions, name: section } of this.#code) {
      for (const { fn, slot } of functions) {
        this.#symbol(fn.name, {
          name: fn.name,
          value: slot * INSTRUCTION_BYTES,
          size: fn.insns.length * INSTRUCTION_BYTES,
          binding: fn.linkage === "static" ? "local" : fn.linkage,
          type: "func",
          hidden: fn.hidden,
          section: index.get(section) ?? 0,
        });
      }
    }
    for (const { globals, name: section } of this.#data) {
      for (const { global, offset } of globals) {
        if (global.linkage === "private") continue;
        this.#symbol(global.name, {
          name: global.name,
          value: offset,
          size: global.size,
          binding: global.linkage === "static" ? "local" : global.linkage === "weak" ? "weak" : "global",
          type: "object",
          hidden: global.hidden,
          section: index.get(section) ?? 0,
        });
      }
    }
  }

  #symbol(key: string, symbol: SymbolPart): number {
    const at = this.#symbols.length;
    this.#symbols.push(symbol);
    this.#symbolIndex.set(key, at);
    return at;
  }

  /** Symbol to relocate against, and what the relocated place itself must hold: bytes from that symbol. */
  #target(name: string, index: ReadonlyMap<string, number>): { symbol: number; base: number } {
    const home = this.#homes.get(name);
    if (home === undefined) {
      const known = this.#symbolIndex.get(name);
      if (known !== undefined) return { symbol: known, base: 0 };
      const weak =
        this.#module.externFunctions.some((f) => f.name === name && f.weak) ||
        this.#module.globals.some((g) => g.name === name && g.linkage === "extern" && g.weak);
      const symbol = plainSymbol({ name, type: "none", binding: weak ? "weak" : "global", section: "undefined" });
      return { symbol: this.#symbol(name, symbol), base: 0 };
    }
    if (!home.local) return { symbol: this.#symbolIndex.get(name) ?? 0, base: 0 };
    const key = `section ${home.section}`;
    const known = this.#symbolIndex.get(key);
    if (known !== undefined) return { symbol: known, base: home.offset };
    const section = index.get(home.section) ?? 0;
    const symbol = plainSymbol({ name: "", type: "section", binding: "local", section });
    return { symbol: this.#symbol(key, symbol), base: home.offset };
  }

  #codeSection(section: CodeSection, index: ReadonlyMap<string, number>): SectionPart {
    const insns = [...section.insns];
    const relocations: ElfRelocation[] = [];
    for (const { fn, slot } of section.functions) {
      for (const { insn, kind, symbol, addend } of fn.references) {
        const at = slot + insn;
        const old = insns[at] as Instruction;
        const home = this.#homes.get(symbol);
        if (kind === "call" && home?.local === true && home.section === section.name) {
          insns[at] = { ...old, imm: home.offset / INSTRUCTION_BYTES - at - 1 };
          continue;
        }
        const target = this.#target(symbol, index);
        const imm = kind === "call" ? target.base / INSTRUCTION_BYTES - 1 : target.base + addend;
        insns[at] = { ...old, imm };
        const type = kind === "call" ? R_BPF_64_32 : R_BPF_64_64;
        relocations.push({ offset: at * INSTRUCTION_BYTES, type, symbol: target.symbol });
      }
    }
    const bytes = encodeInstructions(insns);
    return {
      name: section.name,
      type: SHT_PROGBITS,
      flags: SHF_ALLOC | SHF_EXECINSTR,
      align: bytes.length === 0 ? 4 : 8,
      entrySize: 0,
      bytes,
      size: bytes.length,
      relocations,
    };
  }

  #dataSection(section: DataSection, index: ReadonlyMap<string, number>): SectionPart {
    const bss = isBss(section.name);
    const bytes = new Uint8Array(bss ? 0 : section.size);
    const view = new DataView(bytes.buffer);
    const relocations: ElfRelocation[] = [];
    for (const { global, offset } of section.globals) {
      if (global.bytes === null) continue;
      bytes.set(global.bytes, offset);
      for (const pointer of global.pointers) {
        const target = this.#target(pointer.symbol, index);
        const at = offset + pointer.offset;
        view.setBigInt64(at, BigInt(target.base + pointer.addend), true);
        relocations.push({ offset: at, type: R_BPF_64_ABS64, symbol: target.symbol });
      }
    }
    const readOnly = section.name.startsWith(".rodata") || section.globals.every(({ global }) => global.constant);
    const kind = mergeKind(section.name);
    return {
      name: section.name,
      type: bss ? SHT_NOBITS : SHT_PROGBITS,
      flags: SHF_ALLOC | (kind?.flags ?? (readOnly ? 0 : SHF_WRITE)),
      align: section.align,
      entrySize: kind?.entrySize ?? 0,
      bytes,
      size: section.size,
      relocations,
    };
  }

  #btfSections(): SectionPart[] {
    const offsetOf = (global: CompiledGlobal): number => this.#homes.get(global.name)?.offset ?? 0;
    const { btf, functions } = makeDebugBtf(this.#module, offsetOf);
    if (btf.types.length <= 1) return [];
    const strings = new StringTable();
    const types = encodeTypes(btf, strings);
    const ext = this.#code.map((s) => this.#extSection(s, functions));
    const extBytes = writeBtfExt(ext, strings);
    return [btfSection(".BTF", assembleBtf(types, strings)), btfSection(".BTF.ext", extBytes)];
  }

  #variableSection(): SectionPart[] {
    const functions = this.#code.flatMap((section) =>
      section.functions.map(({ fn, slot }) => ({
        section: section.name,
        slot,
        // The ids of the metadata mean nothing outside of it.
        variables: fn.variables.map(({ id: _id, inlinedAt: _inlinedAt, ...variable }) => variable),
      })),
    );
    if (functions.every((f) => f.variables.length === 0)) return [];
    return [btfSection(VARIABLE_SECTION, writeVariableTable({ functions }))];
  }

  #extSection(section: CodeSection, functions: ReadonlyMap<string, number>): ExtSection {
    const { metadata } = this.#module;
    const files = new Map<number, string>();
    const fileOfScope = (scope: number): string => {
      let file = files.get(scope);
      if (file === undefined) {
        file = fileOf(metadata, metadata.nodes.get(scope));
        files.set(scope, file);
      }
      return file;
    };
    return {
      name: section.name,
      functions: section.functions.flatMap(({ fn, slot }) => {
        const type = functions.get(fn.name);
        return type === undefined ? [] : [{ offset: slot * INSTRUCTION_BYTES, type }];
      }),
      lines: section.functions.flatMap(({ fn, slot }) =>
        fn.lines.map(({ insn, line, column, scope }) => {
          const file = fileOfScope(scope);
          const text = this.#sourceLine(file, line) ?? "";
          return { offset: (slot + insn) * INSTRUCTION_BYTES, file, text, line, column };
        }),
      ),
    };
  }
}

function plainSymbol(parts: Pick<SymbolPart, "name" | "type" | "binding" | "section">): SymbolPart {
  return { ...parts, value: 0, size: 0, hidden: false };
}

function mergeKind(name: string): { flags: number; entrySize: number } | null {
  if (name === ".rodata.str1.1") return { flags: SHF_MERGE | SHF_STRINGS, entrySize: 1 };
  const size = /^\.rodata\.cst(4|8|16|32)$/.exec(name)?.[1];
  return size === undefined ? null : { flags: SHF_MERGE, entrySize: Number(size) };
}

function btfSection(name: string, bytes: Uint8Array): SectionPart {
  return { name, type: SHT_PROGBITS, flags: 0, align: 4, entrySize: 0, bytes, size: bytes.length, relocations: [] };
}
