import { helperByName } from "../abi/helpers.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { utf8Bytes } from "../base/utf8.ts";
import { StringTable } from "../btf/strings.ts";
import type { BtfId } from "../btf/types.ts";
import { assembleBtf, encodeTypes } from "../btf/write.ts";
import { type ExtFunctionRecord, type ExtLineRecord, type ExtSection, writeBtfExt } from "../btf/write-ext.ts";
import type { ElfRelocation } from "../elf/types.ts";
import {
  R_BPF_64_32,
  R_BPF_64_64,
  R_BPF_64_ABS64,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_PROGBITS,
} from "../elf/types.ts";
import type { SectionPart, SymbolPart } from "../elf/write.ts";
import { writeElf } from "../elf/write.ts";
import type { Instruction } from "../isa/instruction.ts";
import { encodeInstructions, INSTRUCTION_BYTES } from "../isa/instruction.ts";
import { BPF_PSEUDO_CALL } from "../isa/opcodes.ts";
import type { SourceMap } from "./map-declaration.ts";
import type { AssemblySource, SourceFunction, SourceInsn } from "./source.ts";
import type { Reference } from "./statement.ts";
import type { TypeTable } from "./types.ts";

/** Section by which an object names its dialect. */
const DIALECT_SECTION = ".bpf_timer_dialect";

/** The largest distance that `off` holds. */
const MAX_JUMP = 0x7fff;

interface DraftSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  bytes: Uint8Array;
  size: number;
  readonly relocations: ElfRelocation[];
}

/** Where a name of the text is: a place in a section, or outside of the object. */
type Definition =
  | {
      readonly kind: "function" | "data";
      readonly section: number;
      readonly offset: number;
      readonly symbol: number;
      readonly isStatic: boolean;
    }
  | { readonly kind: "extern"; readonly symbol: number };

/** The bytes of an object as clang and LLVM would write it: sections, symbols, relocations, BTF. */
export function emitObject(
  source: AssemblySource,
  file: string,
  lines: readonly string[],
): { object: Uint8Array; problems: readonly Diagnostic[] } {
  const emitter = new Emitter(source, file, lines);
  return { object: emitter.emit(), problems: emitter.problems };
}

class Emitter {
  readonly problems: Diagnostic[] = [];
  readonly #source: AssemblySource;
  readonly #file: string;
  readonly #lines: readonly string[];
  readonly #sections: DraftSection[] = [];
  readonly #symbols: SymbolPart[] = [];
  readonly #sectionSymbols = new Map<number, number>();
  readonly #definitions = new Map<string, Definition>();
  readonly #strings = new StringTable();
  /** First slot of each function in its section. */
  readonly #starts = new Map<SourceFunction, number>();

  constructor(source: AssemblySource, file: string, lines: readonly string[]) {
    this.#source = source;
    this.#file = file;
    this.#lines = lines;
  }

  emit(): Uint8Array {
    this.#placeFunctions();
    this.#placeMaps();
    this.#placeVariables();
    this.#placeTexts();
    const insns = this.#encodeFunctions();
    this.#fillSlots();
    this.#fillPointers();
    const types = this.#describe();
    this.#sections.forEach((section, index) => {
      const code = insns.get(index);
      if (code === undefined) return;
      section.bytes = encodeInstructions(code);
      section.size = section.bytes.length;
    });
    const ext = this.#debugInfo(types.functionTypes);
    const encoded = encodeTypes({ types: this.#types.types }, this.#strings);
    const extBytes = writeBtfExt(ext, this.#strings);
    this.#section(".BTF", SHT_PROGBITS, 0, 4, assembleBtf(encoded, this.#strings));
    this.#section(".BTF.ext", SHT_PROGBITS, 0, 4, extBytes);
    const sections: SectionPart[] = this.#sections.map((s) => ({ ...s, entrySize: 0 }));
    return writeElf({ sections, symbols: this.#symbols });
  }

  get #types(): TypeTable {
    return this.#source.types;
  }

  #report(message: string, place: { line: number; column: number; endColumn: number }): void {
    const { line, column, endColumn } = place;
    this.problems.push({
      severity: "error",
      message,
      span: { file: this.#file, line, column, endLine: line, endColumn },
    });
  }

  #section(name: string, type: number, flags: number, align: number, bytes: Uint8Array, size = bytes.length): number {
    return this.#sections.push({ name, type, flags, align, bytes, size, relocations: [] }) - 1;
  }

  #sectionNamed(name: string, type: number, flags: number, align: number): number {
    const known = this.#sections.findIndex((s) => s.name === name);
    return known >= 0 ? known : this.#section(name, type, flags, align, new Uint8Array(0));
  }

  /** Symbol that stands for the start of a section. */
  #sectionSymbol(section: number): number {
    const known = this.#sectionSymbols.get(section);
    if (known !== undefined) return known;
    const symbol = this.#symbols.push({
      name: "",
      value: 0,
      size: 0,
      binding: "local",
      type: "section",
      hidden: false,
      section,
    });
    this.#sectionSymbols.set(section, symbol - 1);
    return symbol - 1;
  }

  #placeFunctions(): void {
    this.#section(".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 8, new Uint8Array(0));
    const ends = new Map<number, number>();
    for (const fn of this.#source.functions) {
      const section = this.#sectionNamed(fn.section, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 8);
      const start = ends.get(section) ?? 0;
      const length = fn.body.reduce((sum, { statement }) => sum + statement.slots.length, 0);
      if (length === 0) {
        this.#report(`function '${fn.name}' is empty`, { line: fn.line, column: 1, endColumn: 2 });
      }
      ends.set(section, start + length);
      this.#starts.set(fn, start);
      const symbol = this.#symbols.push({
        name: fn.name,
        value: start * INSTRUCTION_BYTES,
        size: length * INSTRUCTION_BYTES,
        binding: fn.linkage === "static" ? "local" : fn.linkage,
        type: "func",
        hidden: false,
        section,
      });
      this.#definitions.set(fn.name, {
        kind: "function",
        section,
        offset: start * INSTRUCTION_BYTES,
        symbol: symbol - 1,
        isStatic: fn.linkage === "static",
      });
    }
    for (const { name, weak } of this.#source.externs) this.#extern(name, weak);
  }

  #extern(name: string, weak = false): number {
    const symbol = this.#symbols.push({
      name,
      value: 0,
      size: 0,
      binding: weak ? "weak" : "global",
      type: "none",
      hidden: false,
      section: "undefined",
    });
    this.#definitions.set(name, { kind: "extern", symbol: symbol - 1 });
    return symbol - 1;
  }

  #placeData(name: string, section: number, offset: number, size: number, isStatic: boolean): void {
    const symbol = this.#symbols.push({
      name,
      value: offset,
      size,
      binding: isStatic ? "local" : "global",
      type: "object",
      hidden: false,
      section,
    });
    this.#definitions.set(name, { kind: "data", section, offset, symbol: symbol - 1, isStatic });
  }

  #placeMaps(): void {
    if (this.#source.maps.length === 0) return;
    const section = this.#section(".maps", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8, new Uint8Array(0));
    let end = 0;
    for (const map of this.#source.maps) {
      const size = mapVariableBytes(map);
      this.#placeData(map.name, section, end, size, false);
      end += size;
    }
    this.#grow(section, end);
  }

  #grow(section: number, size: number): void {
    const draft = this.#sections[section] as DraftSection;
    draft.size = size;
    if (draft.type === SHT_NOBITS) return;
    const bytes = new Uint8Array(size);
    bytes.set(draft.bytes);
    draft.bytes = bytes;
  }

  #placeVariables(): void {
    for (const v of this.#source.variables) {
      const zero = v.section.startsWith(".bss");
      const flags = v.section.startsWith(".rodata") ? SHF_ALLOC : SHF_ALLOC | SHF_WRITE;
      const section = this.#sectionNamed(v.section, zero ? SHT_NOBITS : SHT_PROGBITS, flags, 8);
      const draft = this.#sections[section] as DraftSection;
      const align = this.#types.alignOf(v.type);
      const offset = Math.ceil(draft.size / align) * align;
      this.#grow(section, offset + v.size);
      if (v.bytes) draft.bytes.set(v.bytes, offset);
      this.#placeData(v.name, section, offset, v.size, v.isStatic);
    }
  }

  /** Licence and dialect: sections that hold one text. */
  #placeTexts(): void {
    const { license, dialect } = this.#source;
    if (license !== null) {
      const bytes = utf8Bytes(`${license}\0`);
      const section = this.#section("license", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 1, bytes);
      this.#placeData("_license", section, 0, bytes.length, false);
    }
    if (dialect !== null) this.#section(DIALECT_SECTION, SHT_PROGBITS, SHF_ALLOC, 1, utf8Bytes(`${dialect}\0`));
  }

  /** Slots of each code section, with jumps final and symbols left to relocations. */
  #encodeFunctions(): Map<number, Instruction[]> {
    const bySection = new Map<number, Instruction[]>();
    for (const fn of this.#source.functions) {
      const section = this.#sections.findIndex((s) => s.name === fn.section);
      const insns = bySection.get(section) ?? [];
      bySection.set(section, insns);
      const start = insns.length;
      const slotOf: number[] = [];
      let slot = start;
      for (const { statement } of fn.body) {
        slotOf.push(slot);
        slot += statement.slots.length;
      }
      slotOf.push(slot);
      fn.body.forEach((insn, index) => {
        const at = slotOf[index] as number;
        for (const s of insn.statement.slots) insns.push(s);
        if (insn.statement.reference === null) return;
        const change = this.#resolve(fn, insn, insn.statement.reference, section, at, slotOf);
        insns[at] = { ...(insns[at] as Instruction), ...change };
      });
    }
    return bySection;
  }

  #resolve(
    fn: SourceFunction,
    insn: SourceInsn,
    reference: Reference,
    section: number,
    at: number,
    slotOf: readonly number[],
  ): Partial<Instruction> {
    const fail = (message: string): Partial<Instruction> => {
      this.#report(message, { line: insn.line, column: reference.column, endColumn: reference.endColumn });
      return {};
    };
    const relocate = (type: number, symbol: number): void => {
      (this.#sections[section] as DraftSection).relocations.push({ offset: at * INSTRUCTION_BYTES, type, symbol });
    };
    switch (reference.kind) {
      case "jump": {
        const index = fn.labels.get(reference.label);
        if (index === undefined) return fail(`there is no label '${reference.label}' in ${fn.name}`);
        const distance = (slotOf[index] as number) - at - 1;
        if (reference.field === "off" && Math.abs(distance) > MAX_JUMP)
          return fail("the label is too far away; use gotol");
        return { [reference.field]: distance };
      }
      case "kfunc":
      case "call": {
        const definition = this.#definitions.get(reference.name);
        if (definition === undefined && reference.kind === "call") {
          const helper = helperByName(reference.name, this.#source.dialect === "rfc");
          if (helper !== undefined) return { src: 0, imm: helper.id };
          return fail(
            `there is no function or helper '${reference.name}'; a kfunc is declared: extern int ${reference.name}(…)`,
          );
        }
        if (definition === undefined || definition.kind === "extern") {
          relocate(R_BPF_64_32, definition?.symbol ?? this.#extern(reference.name));
          return { src: BPF_PSEUDO_CALL, imm: -1 };
        }
        if (definition.kind === "data") return fail(`'${reference.name}' is no function`);
        if (!definition.isStatic) {
          relocate(R_BPF_64_32, definition.symbol);
          return { src: BPF_PSEUDO_CALL, imm: -1 };
        }
        const target = definition.offset / INSTRUCTION_BYTES;
        if (definition.section === section) return { src: BPF_PSEUDO_CALL, imm: target - at - 1 };
        relocate(R_BPF_64_32, this.#sectionSymbol(definition.section));
        return { src: BPF_PSEUDO_CALL, imm: target - 1 };
      }
      case "address": {
        if (reference.what === "btf_id")
          return fail("the ids of kernel types are known only when the program is loaded");
        const definition = this.#definitions.get(reference.name);
        if (definition === undefined) return fail(`there is no map, variable or function '${reference.name}'`);
        if (definition.kind === "extern" || !definition.isStatic) {
          relocate(R_BPF_64_64, definition.symbol);
          return { imm: reference.addend };
        }
        relocate(R_BPF_64_64, this.#sectionSymbol(definition.section));
        return { imm: definition.offset + reference.addend };
      }
    }
  }

  /** Initial entries of maps: pointers that the loader resolves. */
  #fillSlots(): void {
    const section = this.#sections.findIndex((s) => s.name === ".maps");
    for (const map of this.#source.maps) {
      const own = this.#definitions.get(map.name);
      if (own?.kind !== "data") continue;
      for (const slot of map.slots) {
        const target = this.#definitions.get(slot.name.text);
        if (target === undefined || target.kind === "extern") {
          this.#report(`there is no map or program '${slot.name.text}'`, slot.name);
          continue;
        }
        (this.#sections[section] as DraftSection).relocations.push({
          offset: own.offset + (memberCount(map) + slot.index) * 8,
          type: R_BPF_64_ABS64,
          symbol: target.symbol,
        });
      }
    }
  }

  /** Addresses in initial values: the bytes hold the distance from the symbol, or from the section's start. */
  #fillPointers(): void {
    for (const variable of this.#source.variables) {
      const own = this.#definitions.get(variable.name);
      if (own?.kind !== "data") continue;
      const draft = this.#sections[own.section] as DraftSection;
      for (const { offset, symbol, addend } of variable.pointers) {
        const target = this.#definitions.get(symbol.text);
        if (target === undefined) {
          this.#report(`there is no map, variable or function '${symbol.text}'`, symbol);
          continue;
        }
        const local = target.kind !== "extern" && target.isStatic;
        const at = own.offset + offset;
        const value = BigInt(local ? target.offset + addend : addend);
        new DataView(draft.bytes.buffer).setBigUint64(at, BigInt.asUintN(64, value), true);
        const against = local ? this.#sectionSymbol(target.section) : target.symbol;
        draft.relocations.push({ offset: at, type: R_BPF_64_ABS64, symbol: against });
      }
    }
  }

  /** Types of maps, functions and variables, as clang describes them. */
  #describe(): { functionTypes: Map<SourceFunction, BtfId> } {
    const types = this.#types;
    const placed = new Map<string, { type: BtfId; offset: number; size: number }[]>();
    const place = (section: string, entry: { type: BtfId; offset: number; size: number }): void => {
      placed.set(section, [...(placed.get(section) ?? []), entry]);
    };
    const structs = new Map<string, BtfId>();
    for (const map of this.#source.maps) structs.set(map.name, types.add({ kind: "void" }));
    for (const map of this.#source.maps) {
      const id = structs.get(map.name) as BtfId;
      types.types[id] = this.#mapStruct(map, structs);
      const variable = types.add({ kind: "var", name: map.name, type: id, linkage: "global" });
      const definition = this.#definitions.get(map.name);
      const offset = definition?.kind === "data" ? definition.offset : 0;
      place(".maps", { type: variable, offset, size: mapVariableBytes(map) });
    }
    const functionTypes = new Map<SourceFunction, BtfId>();
    for (const fn of this.#source.functions) {
      const proto = types.add({ kind: "func_proto", returnType: fn.returnType, params: fn.parameters });
      const linkage = fn.linkage === "static" ? "static" : "global";
      functionTypes.set(fn, types.add({ kind: "func", name: fn.name, type: proto, linkage }));
    }
    const declared = new Map(this.#source.externs.map((e) => [e.name, e]));
    for (const [name, definition] of this.#definitions) {
      if (definition.kind !== "extern") continue;
      const extern = declared.get(name);
      if (extern?.parameters === null) {
        const type = types.add({ kind: "var", name, type: extern.type, linkage: "extern" });
        place(extern.section, { type, offset: 0, size: types.sizeOf(extern.type) ?? 0 });
        continue;
      }
      const returnType = extern?.type ?? (types.base("int") as BtfId);
      const proto = types.add({ kind: "func_proto", returnType, params: extern?.parameters ?? [] });
      place(".ksyms", { type: types.add({ kind: "func", name, type: proto, linkage: "extern" }), offset: 0, size: 0 });
    }
    for (const v of this.#source.variables) {
      const definition = this.#definitions.get(v.name);
      if (definition?.kind !== "data") continue;
      const linkage = v.isStatic ? "static" : "global";
      const type = types.add({ kind: "var", name: v.name, type: v.type, linkage });
      place(v.section, { type, offset: definition.offset, size: v.size });
    }
    for (const name of [...placed.keys()].sort()) {
      const size = this.#sections.find((s) => s.name === name)?.size ?? 0;
      types.add({ kind: "datasec", name, size, vars: placed.get(name) ?? [] });
    }
    return { functionTypes };
  }

  /** `struct { int (*type)[1]; u32 *key; … }`: numbers are array sizes behind pointers. */
  #mapStruct(map: SourceMap, structs: ReadonlyMap<string, BtfId>): TypeTable["types"][number] {
    const types = this.#types;
    const members: { name: string; type: BtfId }[] = [];
    for (const [name, value] of map.numbers) {
      members.push({ name, type: types.pointer(types.array(types.base("int") as BtfId, value)) });
    }
    if (map.key !== null) members.push({ name: "key", type: types.pointer(map.key) });
    if (map.value !== null) members.push({ name: "value", type: types.pointer(map.value) });
    const size = members.length * 8;
    if (hasSlots(map)) {
      const inner = map.inner ? structs.get(map.inner.text) : undefined;
      if (map.inner && inner === undefined) this.#report(`there is no map '${map.inner.text}'`, map.inner);
      const target = inner ?? types.intern({ kind: "func_proto", returnType: 0, params: [] });
      members.push({ name: "values", type: types.array(types.pointer(target), 0) });
    }
    return {
      kind: "struct",
      name: "",
      size,
      members: members.map((m, i) => ({ ...m, bitOffset: i * 64, bitSize: 0 })),
    };
  }

  #debugInfo(functionTypes: ReadonlyMap<SourceFunction, BtfId>): ExtSection[] {
    const sections = new Map<string, { functions: ExtFunctionRecord[]; lines: ExtLineRecord[] }>();
    for (const fn of this.#source.functions) {
      const records = sections.get(fn.section) ?? { functions: [], lines: [] };
      sections.set(fn.section, records);
      let slot = this.#starts.get(fn) ?? 0;
      records.functions.push({ offset: slot * INSTRUCTION_BYTES, type: functionTypes.get(fn) ?? 0 });
      for (const { statement, line, column } of fn.body) {
        const text = (this.#lines[line - 1] ?? "").trimEnd();
        records.lines.push({ offset: slot * INSTRUCTION_BYTES, file: this.#file, text, line, column });
        slot += statement.slots.length;
      }
    }
    return [...sections].map(([name, records]) => ({ name, ...records }));
  }
}

const memberCount = (map: SourceMap): number =>
  map.numbers.size + (map.key === null ? 0 : 1) + (map.value === null ? 0 : 1);
const hasSlots = (map: SourceMap): boolean => map.slots.length > 0 || map.inner !== null;

function mapVariableBytes(map: SourceMap): number {
  const slots = map.slots.reduce((most, s) => Math.max(most, s.index + 1), 0);
  return (memberCount(map) + slots) * 8;
}
