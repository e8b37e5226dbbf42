import type { Dialect } from "../abi/types.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import type { TableVariable } from "../btf/variable-table.ts";
import type { Instruction } from "../isa/instruction.ts";

/** Blueprint of a map, before the kernel creates it. */
export interface MapSpec {
  readonly name: string;
  /** A value of `MAP_TYPES`. */
  readonly type: number;
  /** bytes */
  readonly keySize: number;
  /** bytes */
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly mapExtra: bigint;
  /** Types in the collection's BTF; 0 when there is none. */
  readonly keyType: BtfId;
  readonly valueType: BtfId;
  /**
   * Types that C declares, also where libbpf keeps them from the kernel (queues, stacks, maps of maps); for showing entries.
   * Absent when they are {@link keyType} and {@link valueType}.
   */
  readonly declaredKeyType?: BtfId;
  readonly declaredValueType?: BtfId;
  /** Template of the inner maps of a map in map. */
  readonly inner: MapSpec | null;
  /** Set for the maps made of global data; `contents` is then the section's initial image, of `valueSize` bytes. */
  readonly globalData: { readonly section: string; readonly contents: Uint8Array } | null;
  /** Frozen by the loader after `contents` were written (`.rodata`). */
  readonly frozen: boolean;
  /** Initial entries of a map in map or of a program array (`values = {…}` in C). */
  readonly slots: readonly { readonly index: number; readonly kind: "map" | "prog"; readonly name: string }[];
  /** True when C asks for `LIBBPF_PIN_BY_NAME`. */
  readonly pinByName: boolean;
}

/** A load of a map's address, or of an address in a global-data map, by name; `offset` is null for the map itself. */
export interface MapReference {
  /** First slot of the ld_imm64. */
  readonly insn: number;
  readonly map: string;
  readonly offset: number | null;
}

/** Start of a function in `insns`, with its BTF FUNC type (func_info). */
export interface FunctionRecord {
  readonly insn: number;
  readonly name: string;
  /** BTF id of the FUNC; 0 when the object carries no func_info. */
  readonly type: BtfId;
}

/** line_info: the instruction at `insn` and those after it come from this line of the source. */
export interface LineRecord {
  readonly insn: number;
  readonly file: string;
  /** from 1 */
  readonly line: number;
  /** from 1; 0 when unknown */
  readonly column: number;
  /** The source line as the compiler saw it. */
  readonly text: string;
}

/** A variable of the source, of the function named or of one inlined into it; slots are the program's. */
export interface ProgramVariable extends TableVariable {
  readonly function: string;
}

/**
 * Blueprint of a program, linked: the entry function first, then every subprogram that it can reach; calls and
 * function addresses are relative and final. Map loads have src BPF_PSEUDO_MAP_FD or BPF_PSEUDO_MAP_VALUE, imm 0,
 * and are named by `mapReferences` (the fd is known only when the maps exist).
 */
export interface ProgramSpec {
  readonly name: string;
  readonly section: string;
  /** A value of `PROG_TYPES`. */
  readonly type: number;
  readonly expectedAttachType: number;
  /** BPF_F_SLEEPABLE and the like. */
  readonly flags: number;
  readonly license: string;
  readonly insns: readonly Instruction[];
  readonly mapReferences: readonly MapReference[];
  /** kfunc calls (src BPF_PSEUDO_KFUNC_CALL) by name; their imm is 0. */
  readonly kfuncReferences: readonly { readonly insn: number; readonly name: string }[];
  readonly functions: readonly FunctionRecord[];
  readonly lines: readonly LineRecord[];
  /** Where the variables of the source are; empty for what another compiler made. */
  readonly variables: readonly ProgramVariable[];
}

/** Everything that one object file asks the kernel for. */
export interface CollectionSpec {
  readonly dialect: Dialect;
  readonly license: string;
  readonly btf: Btf | null;
  readonly maps: readonly MapSpec[];
  readonly programs: readonly ProgramSpec[];
}
