import type { MetadataTable } from "../ir/metadata.ts";
import type { Instruction } from "../isa/instruction.ts";
import type { LocatedVariable } from "./debug/locate.ts";
import type { Mark } from "./machine.ts";

/** A function after instruction selection and register allocation: what the object writer needs, and no more. */
export interface CompiledFunction {
  readonly name: string;
  /** ELF section: `.text` for static functions and subprograms without SEC(). */
  readonly section: string;
  readonly linkage: "global" | "weak" | "static";
  readonly hidden: boolean;
  readonly insns: readonly Instruction[];
  /** Where symbols are used; ordered by `insn`. */
  readonly references: readonly SymbolReference[];
  /** Source places, ordered by `insn`; the first is at 0. `scope` is the metadata id of the DILocation's scope (or of the DISubprogram). */
  readonly lines: readonly {
    readonly insn: number;
    readonly line: number;
    readonly column: number;
    readonly scope: number;
  }[];
  /** Where the variables of the source are; none when compiled without -g. */
  readonly variables: readonly LocatedVariable[];
  /** What the program of the IR has come to at each slot that begins something: the proof of {@link variables} goes by it. */
  readonly moments: readonly { readonly insn: number; readonly marks: readonly Mark[] }[];
  /** Metadata id of the DISubprogram; null when compiled without -g. */
  readonly subprogram: number | null;
}

/**
 * `address`: ld_imm64 of symbol + addend (map, global, literal, or function address = BPF_PSEUDO_FUNC).
 * `call`: bpf-to-bpf or kfunc call of `symbol`.
 */
export interface SymbolReference {
  readonly insn: number;
  readonly kind: "address" | "call";
  readonly symbol: string;
  readonly addend: number;
}

export interface CompiledGlobal {
  readonly name: string;
  readonly section: string;
  readonly linkage: "global" | "weak" | "static" | "private" | "extern";
  /** An extern that may stay unresolved (`extern_weak`). */
  readonly weak: boolean;
  readonly hidden: boolean;
  readonly constant: boolean;
  readonly align: number;
  /** bytes */
  readonly size: number;
  /** null for `.bss` and extern */
  readonly bytes: Uint8Array | null;
  /** Pointers inside the initialiser: 8 bytes at `offset` hold symbol + addend. */
  readonly pointers: readonly { readonly offset: number; readonly symbol: string; readonly addend: number }[];
  /** Metadata id of the DIGlobalVariableExpression or DIGlobalVariable; null without -g. */
  readonly debug: number | null;
}

/** Functions and globals in module order, declarations of externs included (section of an extern: its SEC(), else ""). */
export interface CompiledModule {
  readonly sourceFile: string;
  readonly functions: readonly CompiledFunction[];
  readonly globals: readonly CompiledGlobal[];
  /** Undefined functions that are called (kfuncs, externs). `section` is `.ksyms` and the like, or "". */
  readonly externFunctions: readonly {
    readonly name: string;
    readonly weak: boolean;
    readonly section: string;
    readonly subprogram: number | null;
  }[];
  readonly metadata: MetadataTable;
}
