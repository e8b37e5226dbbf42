/** The part of ELF64 that BPF object files use; numbers of the System V ABI. */
export const ET_REL = 1;
export const EM_BPF = 247;

export const SHT_NULL = 0;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;

export const SHF_WRITE = 0x1;
export const SHF_ALLOC = 0x2;
export const SHF_EXECINSTR = 0x4;
export const SHF_MERGE = 0x10;
export const SHF_STRINGS = 0x20;
export const SHF_INFO_LINK = 0x40;

export const SHN_UNDEF = 0;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;

/** Relocations of LLVM's BPF back end. */
export const R_BPF_64_64 = 1;
export const R_BPF_64_ABS64 = 2;
export const R_BPF_64_ABS32 = 3;
export const R_BPF_64_NODYLD32 = 4;
export const R_BPF_64_32 = 10;

export interface ElfSection {
  /** Position in the section header table. */
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Bytes that the section takes at run time; `bytes` is empty when it is NOBITS. */
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
}

export interface ElfSymbol {
  readonly name: string;
  readonly value: number;
  readonly size: number;
  readonly binding: "local" | "global" | "weak";
  readonly type: "none" | "object" | "func" | "section" | "file";
  readonly hidden: boolean;
  /** Index of the section that it lies in; SHN_UNDEF, SHN_ABS or SHN_COMMON when none. */
  readonly section: number;
}

export interface ElfRelocation {
  /** bytes from the start of the section that it changes */
  readonly offset: number;
  readonly type: number;
  /** Index in {@link ElfObject.symbols}. */
  readonly symbol: number;
}

/** A relocatable ELF64 little-endian object. `sections[0]` and `symbols[0]` are the null entries. */
export interface ElfObject {
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Index of a section -> the relocations that apply to it. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

export const SYMBOL_BINDINGS = ["local", "global", "weak"] as const;
export const SYMBOL_TYPES = ["none", "object", "func", "section", "file"] as const;
export const STV_HIDDEN = 2;
