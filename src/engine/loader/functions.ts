import type { ElfRelocation, ElfSection } from "../elf/types.ts";
import { R_BPF_64_32, R_BPF_64_64 } from "../elf/types.ts";
import { decodeInstructions, INSTRUCTION_BYTES, type Instruction, isLdImm64 } from "../isa/instruction.ts";
import { BPF_HELPER_CALL, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL } from "../isa/opcodes.ts";
import type { Externs } from "./externs.ts";
import type { ObjectFile, Problems } from "./object-file.ts";
import { isCodeSection, symbolsIn } from "./object-file.ts";

/** What an instruction of a function refers to, by name or by place in `.text`. */
export type Reference =
  | { readonly kind: "map"; readonly map: string }
  | { readonly kind: "data"; readonly map: string; readonly offset: number }
  | { readonly kind: "zero" }
  | { readonly kind: "kfunc"; readonly name: string }
  /** Call or address of the function that begins at this slot of a section. */
  | { readonly kind: "call" | "function"; readonly section: number; readonly slot: number };

/** A function as it lies in the object, before it is linked into programs. */
export interface ObjectFunction {
  readonly name: string;
  readonly section: ElfSection;
  /** First slot in the section. */
  readonly slot: number;
  readonly insns: readonly Instruction[];
  /** Slot inside the function -> what it refers to. */
  readonly references: ReadonlyMap<number, Reference>;
}

export interface DataPlaces {
  /** Start of a map in `.maps` -> its name. */
  readonly declared: ReadonlyMap<number, string>;
  readonly mapsSection: number;
  /** Index of a data section -> name of its map. */
  readonly data: ReadonlyMap<number, string>;
  readonly kconfigMap: string | null;
}

export const TEXT = ".text";

/** Cuts the code sections into functions and resolves every relocation in them. Order: by section, then by place. */
export function readFunctions(
  object: ObjectFile,
  places: DataPlaces,
  externs: Externs,
  problems: Problems,
): ObjectFunction[] {
  const functions: ObjectFunction[] = [];
  for (const section of object.elf.sections) {
    if (!isCodeSection(section)) continue;
    if (section.size % INSTRUCTION_BYTES !== 0) {
      problems.error(`section ${section.name}: its size ${section.size} is no multiple of ${INSTRUCTION_BYTES}`);
      continue;
    }
    const insns = decodeInstructions(section.bytes);
    const references = readReferences(object, section, insns, places, externs, problems);
    let end = 0;
    for (const symbol of symbolsIn(object.elf, section.index, "func")) {
      const { name, value, size } = symbol;
      if (
        value % INSTRUCTION_BYTES !== 0 ||
        size % INSTRUCTION_BYTES !== 0 ||
        size === 0 ||
        value + size > section.size
      ) {
        problems.error(`function '${name}' has no proper place in section ${section.name}`);
        continue;
      }
      if (value < end) {
        problems.error(`function '${name}' overlaps another one in section ${section.name}`);
        continue;
      }
      if (section.name !== TEXT && symbol.binding === "local") {
        problems.error(`program '${name}' is static and not supported in section ${section.name}`);
        continue;
      }
      end = value + size;
      const first = value / INSTRUCTION_BYTES;
      const last = end / INSTRUCTION_BYTES;
      const own = [...references].filter(([slot]) => slot >= first && slot < last);
      functions.push({
        name,
        section,
        slot: first,
        insns: insns.slice(first, last),
        references: new Map(own.map(([slot, reference]) => [slot - first, reference])),
      });
    }
  }
  return functions;
}

function readReferences(
  object: ObjectFile,
  section: ElfSection,
  insns: readonly Instruction[],
  places: DataPlaces,
  externs: Externs,
  problems: Problems,
): Map<number, Reference> {
  const references = new Map<number, Reference>();
  for (const relocation of object.elf.relocations.get(section.index) ?? []) {
    const slot = Math.floor(relocation.offset / INSTRUCTION_BYTES);
    const insn = insns[slot];
    const reference =
      insn === undefined || relocation.offset % INSTRUCTION_BYTES !== 0
        ? `a relocation at byte ${relocation.offset} is no instruction's`
        : resolve(object, relocation, insn, places, externs);
    if (typeof reference === "string") problems.error(`section ${section.name}, instruction ${slot}: ${reference}`);
    else references.set(slot, reference);
  }
  // A call or address of a function of the same section has its distance in place and no relocation.
  for (const [slot, insn] of insns.entries()) {
    if (references.has(slot)) continue;
    if (insn.opcode === CALL && insn.src === BPF_PSEUDO_CALL) {
      references.set(slot, { kind: "call", section: section.index, slot: slot + insn.imm + 1 });
    } else if (isLdImm64(insn) && insn.src === BPF_PSEUDO_FUNC) {
      references.set(slot, { kind: "function", section: section.index, slot: slot + insn.imm + 1 });
    }
  }
  return references;
}

/** The text returned says what is wrong. */
function resolve(
  object: ObjectFile,
  relocation: ElfRelocation,
  insn: Instruction,
  places: DataPlaces,
  externs: Externs,
): Reference | string {
  const symbol = object.elf.symbols[relocation.symbol];
  if (symbol === undefined) return "its relocation names no symbol";
  const section = object.elf.sections[symbol.section];
  const label = symbol.name || section?.name || `symbol ${relocation.symbol}`;
  if (insn.opcode === CALL) {
    if (relocation.type !== R_BPF_64_32) return `relocation of type ${relocation.type} is not one of a call`;
    if (symbol.section === 0) {
      const extern = externs.byName.get(symbol.name);
      if (extern?.kind === "function") return { kind: "kfunc", name: symbol.name };
      return `call of '${label}', which is not defined`;
    }
    if (insn.src === BPF_HELPER_CALL && insn.imm >= 0) return `call of '${label}' is encoded as a helper call`;
    if (section?.name !== TEXT) return `bad call relocation against '${label}' in section '${section?.name ?? "?"}'`;
    return { kind: "call", section: section.index, slot: symbol.value / INSTRUCTION_BYTES + insn.imm + 1 };
  }
  if (!isLdImm64(insn)) return `relocation against '${label}' is on an instruction that loads no address`;
  if (relocation.type !== R_BPF_64_64) return `relocation of type ${relocation.type} is not one of an address`;
  if (symbol.section === 0) {
    const extern = externs.byName.get(symbol.name);
    if (extern?.kind === "missing") return { kind: "zero" };
    if (extern?.kind === "kconfig" && places.kconfigMap !== null) {
      return { kind: "data", map: places.kconfigMap, offset: extern.offset + insn.imm };
    }
    if (extern?.kind === "function") return `address of the kernel function '${label}' is not supported`;
    return `'${label}' is not defined`;
  }
  if (section === undefined) return `'${label}' lies in no section`;
  if (section.index === places.mapsSection) {
    const map = places.declared.get(symbol.value);
    return map === undefined ? `'${label}' is no map` : { kind: "map", map };
  }
  if (isCodeSection(section)) {
    if (section.name !== TEXT)
      return `address of '${label}' in section '${section.name}': only functions in ${TEXT} can be called back`;
    const bytes = symbol.value + insn.imm;
    if (bytes % INSTRUCTION_BYTES !== 0) return `address of '${label}' is inside an instruction`;
    return { kind: "function", section: section.index, slot: bytes / INSTRUCTION_BYTES };
  }
  const map = places.data.get(section.index);
  if (map === undefined) return `'${label}' lies in section '${section.name}', which becomes no map`;
  return { kind: "data", map, offset: symbol.value + insn.imm };
}
