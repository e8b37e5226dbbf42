import { mapTypeName } from "../abi/types.ts";
import { alignOfType, sizeOfType, skipModifiersAndTypedefs, typeAt } from "../btf/layout.ts";
import type { Btf, BtfId, BtfType } from "../btf/types.ts";
import type { ElfObject, ElfSection } from "../elf/types.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS } from "../elf/types.ts";
import { isKernelStruct, isTypeName } from "./types.ts";

export interface DataPlace {
  readonly name: string;
  /** bytes from the start of the section */
  readonly offset: number;
  readonly size: number;
  readonly isStatic: boolean;
  readonly type: BtfId;
}

type StructType = Extract<BtfType, { kind: "struct" | "union" }>;

const NUMBER_FIELDS = ["max_entries", "map_flags", "key_size", "value_size", "map_extra", "numa_node", "pinning"];
/** Sections whose texts have statements of their own. */
const TEXT_SECTIONS = new Set(["license", "version", ".maps", ".bpf_timer_dialect"]);

/**
 * Declarations of an object in the assembler's syntax: structures, maps, variables, functions of the kernel. What the syntax cannot say
 * (unions, bit-fields) becomes plain bytes of the same size.
 */
export class Declarations {
  readonly #elf: ElfObject;
  readonly #btf: Btf;
  readonly #structs = new Map<BtfId, string>();
  readonly #structLines: string[] = [];
  readonly #places = new Map<number, DataPlace[]>();

  constructor(elf: ElfObject, btf: Btf) {
    this.#elf = elf;
    this.#btf = btf;
    for (const section of elf.sections) if (isData(section)) this.#places.set(section.index, this.#findData(section));
  }

  /** Paragraphs in an order in which each knows what it uses. */
  text(): string[] {
    const maps = this.#maps();
    const externs = this.#externs();
    const variables = this.#variables();
    return [...this.#structLines, externs.join("\n"), ...maps, variables.join("\n")].filter((part) => part !== "");
  }

  /** The variable that holds this byte of a section. */
  variableAt(section: number, offset: number): DataPlace | undefined {
    return this.#places.get(section)?.find((p) => p.offset <= offset && offset < p.offset + Math.max(1, p.size));
  }

  prototype(name: string, proto: BtfType & { kind: "func_proto" }): string {
    const parameters = proto.params.map((p, i) => this.#declare(p.type, p.name === "" ? `arg${i + 1}` : p.name));
    return `${this.#declare(proto.returnType, `${name}(${parameters.length > 0 ? parameters.join(", ") : "void"})`)}`;
  }

  /** `type name`, as the assembler can read it. */
  #declare(id: BtfId, name: string): string {
    const type = typeAt(this.#btf, id);
    const join = (base: string): string => `${base} ${name}`;
    switch (type.kind) {
      case "void":
        return join("void");
      case "int":
        return join(isTypeName(type.name) ? type.name : intName(type.size, type.encoding === "signed"));
      case "enum":
        return join(intName(type.size, type.signed));
      case "float":
        return join(intName(type.size, false));
      case "typedef":
        return isTypeName(type.name) ? join(type.name) : this.#declare(type.type, name);
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        return this.#declare(type.type, name);
      case "ptr": {
        const target = typeAt(this.#btf, skipModifiersAndTypedefs(this.#btf, type.type));
        if (target.kind === "func_proto" || target.kind === "array" || target.kind === "union") return `void *${name}`;
        // A structure without words is only named.
        if (target.kind === "struct" && !this.#struct(this.#structOf(type.type), target)) {
          return target.name === "" ? `void *${name}` : `struct ${target.name} *${name}`;
        }
        return this.#declare(type.type, `*${name}`).replace(/\* \*/g, "**");
      }
      case "array": {
        const element = typeAt(this.#btf, skipModifiersAndTypedefs(this.#btf, type.type));
        if (element.kind === "array") return this.#declare(type.type, `${name}[${type.count}]`);
        return `${this.#declare(type.type, name)}[${type.count}]`;
      }
      case "struct":
        return this.#struct(id, type) ? join(`struct ${this.#structs.get(id)}`) : this.#blob(id, name);
      case "fwd":
        return join(`struct ${type.name}`);
      default:
        return this.#blob(id, name);
    }
  }

  #structOf(id: BtfId): BtfId {
    return skipModifiersAndTypedefs(this.#btf, id);
  }

  #blob(id: BtfId, name: string): string {
    const size = sizeOfType(this.#btf, id) ?? 0;
    const align = alignOfType(this.#btf, id) ?? 1;
    const unit = size % align === 0 ? align : 1;
    return `u${unit * 8} ${name}[${size / unit}]`;
  }

  /** Writes the structure down once; false when the syntax has no words for it. */
  #struct(id: BtfId, type: StructType): boolean {
    if (this.#structs.has(id)) return true;
    if (type.members.some((m) => m.bitSize !== 0 || m.bitOffset % 8 !== 0 || m.name === "")) return false;
    if (!this.#laidOutAsC(type)) return false;
    const taken = new Set(this.#structs.values());
    const plain = type.name === "" ? `anonymous_${id}` : type.name;
    const name = taken.has(plain) ? `${plain}_${id}` : plain;
    this.#structs.set(id, name);
    if (isKernelStruct(name) || type.members.length === 0) return true;
    const members = type.members.map((m) => `    ${this.#declare(m.type, m.name)};`);
    this.#structLines.push(`struct ${name} {\n${members.join("\n")}\n};`);
    return true;
  }

  #laidOutAsC(type: StructType): boolean {
    let end = 0;
    let most = 1;
    for (const member of type.members) {
      const align = alignOfType(this.#btf, member.type);
      const size = sizeOfType(this.#btf, member.type);
      if (align === null || size === null) return false;
      end = Math.ceil(end / align) * align;
      if (end !== member.bitOffset / 8) return false;
      end += size;
      most = Math.max(most, align);
    }
    return Math.ceil(end / most) * most === type.size;
  }

  #maps(): string[] {
    const datasec = this.#btf.types.find((t) => t.kind === "datasec" && t.name === ".maps");
    if (datasec?.kind !== "datasec") return [];
    const variables = datasec.vars.flatMap(({ type }) => {
      const variable = typeAt(this.#btf, type);
      return variable.kind === "var" ? [variable] : [];
    });
    const place = (name: string): number =>
      this.#elf.symbols.find((s) => s.name === name && s.type === "object")?.value ?? 0;
    return variables
      .sort((a, b) => place(a.name) - place(b.name))
      .map((variable) => this.#map(variable.name, variable.type, place(variable.name), variables));
  }

  #map(name: string, varType: BtfId, offset: number, all: readonly (BtfType & { kind: "var" })[]): string {
    const id = skipModifiersAndTypedefs(this.#btf, varType);
    const struct = typeAt(this.#btf, id);
    const lines: string[] = [];
    if (struct.kind === "struct") {
      for (const member of struct.members) {
        const number = this.#number(member.type);
        const target = typeAt(this.#btf, member.type);
        if (member.name === "type" && number !== null) lines.push(`type: ${mapTypeName(number) ?? number}`);
        else if (NUMBER_FIELDS.includes(member.name) && number !== null) lines.push(`${member.name}: ${number}`);
        else if ((member.name === "key" || member.name === "value") && target.kind === "ptr") {
          lines.push(`${member.name}: ${this.#typeName(target.type)}`);
        } else if (member.name === "values") {
          const inner = this.#innerMap(target, all, name);
          if (inner !== null) lines.push(`inner: ${inner}`);
          const slots = this.#slots(offset + member.bitOffset / 8);
          if (slots !== "") lines.push(`slots: ${slots}`);
        }
      }
    }
    return `map ${name} {\n${lines.map((line) => `    ${line}`).join("\n")}\n}`;
  }

  #typeName(id: BtfId): string {
    const text = this.#declare(id, "").trim();
    // An array has no name of its own: a structure around it has the same bytes.
    if (!text.includes("[")) return text.replace(/ \*/g, " *");
    const name = `anonymous_${id}`;
    this.#structLines.push(`struct ${name} {\n    ${this.#declare(id, "data")};\n};`);
    return `struct ${name}`;
  }

  /** The number that `__uint` hides behind a pointer to an array, or `__ulong` in an enumeration. */
  #number(id: BtfId): number | null {
    const type = typeAt(this.#btf, id);
    if (type.kind === "enum") return type.values[0] ? Number(type.values[0].value) : null;
    const target = type.kind === "ptr" ? typeAt(this.#btf, type.type) : undefined;
    return target?.kind === "array" ? target.count : null;
  }

  #innerMap(values: BtfType, all: readonly (BtfType & { kind: "var" })[], own: string): string | null {
    const pointer = values.kind === "array" ? typeAt(this.#btf, values.type) : undefined;
    if (pointer?.kind !== "ptr") return null;
    const target = skipModifiersAndTypedefs(this.#btf, pointer.type);
    if (typeAt(this.#btf, target).kind !== "struct") return null;
    return all.find((v) => v.name !== own && skipModifiersAndTypedefs(this.#btf, v.type) === target)?.name ?? null;
  }

  #slots(start: number): string {
    const section = this.#elf.sections.find((s) => s.name === ".maps");
    const relocations = section ? (this.#elf.relocations.get(section.index) ?? []) : [];
    const symbolAt = (offset: number): number =>
      this.#elf.symbols.findIndex(
        (s) => s.section === section?.index && s.type === "object" && s.value <= offset && offset < s.value + s.size,
      );
    return relocations
      .filter((r) => r.offset >= start && symbolAt(r.offset) === symbolAt(start))
      .map((r) => `${(r.offset - start) / 8} = ${this.#elf.symbols[r.symbol]?.name}`)
      .join(", ");
  }

  #externs(): string[] {
    return this.#btf.types.flatMap((type, id) => {
      if ((type.kind !== "func" && type.kind !== "var") || type.linkage !== "extern") return [];
      const weak = this.#elf.symbols.some((s) => s.name === type.name && s.binding === "weak") ? "weak " : "";
      if (type.kind === "func") {
        const proto = typeAt(this.#btf, type.type);
        return proto.kind === "func_proto" ? [`extern ${weak}${this.prototype(type.name, proto)};`] : [];
      }
      const setting = this.#btf.types.some(
        (t) => t.kind === "datasec" && t.name === ".kconfig" && t.vars.some((v) => v.type === id),
      );
      return [`extern ${weak}${this.#declare(type.type, type.name)} ${setting ? "__kconfig" : "__ksym"};`];
    });
  }

  #findData(section: ElfSection): DataPlace[] {
    const named = this.#elf.symbols
      .filter((s) => s.section === section.index && s.type === "object" && s.name !== "")
      .map((s) => ({ name: s.name, offset: s.value, size: s.size, isStatic: s.binding === "local" }))
      .sort((a, b) => a.offset - b.offset);
    const places: DataPlace[] = [];
    const hole = (from: number, to: number): void => {
      if (to <= from) return;
      const name = `${section.name.replace(/\W/g, "_")}_${from}`.replace(/^_+/, "");
      places.push({ name, offset: from, size: to - from, isStatic: true, type: 0 });
    };
    let end = 0;
    for (const symbol of named) {
      hole(end, symbol.offset);
      const variable = this.#btf.types.find((t) => t.kind === "var" && t.name === symbol.name);
      places.push({ ...symbol, type: variable?.kind === "var" ? variable.type : 0 });
      end = Math.max(end, symbol.offset + symbol.size);
    }
    hole(end, section.size);
    return places;
  }

  #variables(): string[] {
    return this.#elf.sections.filter(isData).flatMap((section) =>
      (this.#places.get(section.index) ?? []).map((place) => {
        const bytes =
          section.type === SHT_NOBITS ? null : section.bytes.subarray(place.offset, place.offset + place.size);
        return this.#variable(section, place, bytes);
      }),
    );
  }

  #variable(section: ElfSection, { name, size, offset, isStatic, type }: DataPlace, bytes: Uint8Array | null): string {
    const typed = type !== 0 && sizeOfType(this.#btf, type) === size;
    const declaration = typed ? this.#declare(type, name) : `u8 ${name}[${size}]`;
    const holdsAddresses = (this.#elf.relocations.get(section.index) ?? []).some(
      (r) => r.offset >= offset && r.offset < offset + size,
    );
    const zero = bytes === null || (!holdsAddresses && bytes.every((b) => b === 0));
    const constant = section.name.startsWith(".rodata") ? "const " : "";
    const plain = constant !== "" ? ".rodata" : zero ? ".bss" : ".data";
    const sec = section.name === plain ? "" : `SEC(${JSON.stringify(section.name)}) `;
    const value = zero ? "" : ` = ${typed ? this.#value(type, bytes, section, offset) : list([...bytes])}`;
    return `${sec}${isStatic ? "static " : ""}${constant}${declaration}${value};`;
  }

  #value(id: BtfId, bytes: Uint8Array, section: ElfSection, offset: number): string {
    const type = typeAt(this.#btf, skipModifiersAndTypedefs(this.#btf, id));
    switch (type.kind) {
      case "int":
      case "enum":
      case "float":
        return number(bytes);
      case "ptr":
        return this.#address(section, offset, bytes) ?? number(bytes);
      case "array": {
        const size = sizeOfType(this.#btf, type.type) ?? 1;
        const element = typeAt(this.#btf, skipModifiersAndTypedefs(this.#btf, type.type));
        const text = element.kind === "int" && size === 1 ? printable(bytes) : null;
        if (text !== null) return text;
        return list(chunks(bytes, size).map((part, i) => this.#value(type.type, part, section, offset + i * size)));
      }
      case "struct":
        if (this.#structs.has(skipModifiersAndTypedefs(this.#btf, id))) {
          return list(
            type.members.map((m) => {
              const from = m.bitOffset / 8;
              const part = bytes.subarray(from, from + (sizeOfType(this.#btf, m.type) ?? 0));
              return this.#value(m.type, part, section, offset + from);
            }),
          );
        }
        return this.#words(id, bytes);
      default:
        return this.#words(id, bytes);
    }
  }

  /** What a pointer in data is to hold; null when no relocation says so. */
  #address(section: ElfSection, offset: number, bytes: Uint8Array): string | null {
    const relocation = this.#elf.relocations.get(section.index)?.find((r) => r.offset === offset);
    const symbol = relocation && this.#elf.symbols[relocation.symbol];
    if (symbol === undefined) return null;
    const addend = Number(BigInt.asIntN(64, BigInt(number(bytes))));
    const named = symbol.type === "section" || symbol.name === "" ? undefined : symbol;
    const place = named ?? this.variableAt(symbol.section, addend);
    if (place === undefined) return null;
    const distance = named ? addend : addend - (place as DataPlace).offset;
    return distance === 0 ? place.name : `${place.name} ${distance < 0 ? "-" : "+"} ${Math.abs(distance)}`;
  }

  /** As {@link #blob} declares it. */
  #words(id: BtfId, bytes: Uint8Array): string {
    const align = alignOfType(this.#btf, id) ?? 1;
    return list(chunks(bytes, bytes.length % align === 0 ? align : 1).map(number));
  }
}

function isData(section: ElfSection): boolean {
  return (
    (section.type === SHT_PROGBITS || section.type === SHT_NOBITS) &&
    (section.flags & SHF_ALLOC) !== 0 &&
    (section.flags & SHF_EXECINSTR) === 0 &&
    section.size > 0 &&
    !TEXT_SECTIONS.has(section.name)
  );
}

const intName = (size: number, signed: boolean): string => `${signed ? "s" : "u"}${Math.min(8, size) * 8}`;
const list = (parts: readonly (string | number)[]): string => `{ ${parts.join(", ")} }`;

function chunks(bytes: Uint8Array, size: number): Uint8Array[] {
  if (size === 0) return [];
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** Little-endian, unsigned. */
function number(bytes: Uint8Array): string {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return String(value);
}

/** A text in quotes, when that is what the bytes are: ASCII with one NUL at the end. */
function printable(bytes: Uint8Array): string | null {
  const end = bytes.length - 1;
  if (end < 1 || bytes[end] !== 0) return null;
  let text = "";
  for (const byte of bytes.subarray(0, end)) {
    if (byte === 10) text += "\\n";
    else if (byte === 9) text += "\\t";
    else if (byte === 34 || byte === 92) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else return null;
  }
  return `"${text}"`;
}
