import type { MetadataNode, MetadataTable } from "./metadata.ts";
import type { IrType } from "./types.ts";

/** A constant or an SSA value. Constant expressions that only move an address are folded to `global` when read. */
export type IrValue =
  | { readonly kind: "local"; readonly type: IrType; readonly index: number }
  /** `value` is the unsigned reading of the type's width; pointers made from numbers are `int` of type ptr. */
  | { readonly kind: "int"; readonly type: IrType; readonly value: bigint }
  /** Address of a symbol plus bytes; the type may be an integer (ptrtoint). */
  | { readonly kind: "global"; readonly type: IrType; readonly name: string; readonly addend: number }
  | { readonly kind: "zero"; readonly type: IrType }
  | { readonly kind: "undef"; readonly type: IrType }
  | { readonly kind: "aggregate"; readonly type: IrType; readonly elements: readonly IrValue[] }
  | { readonly kind: "bytes"; readonly type: IrType; readonly bytes: Uint8Array }
  /** A constant expression that is none of the above; `text` names it in messages. */
  | { readonly kind: "unsupported"; readonly type: IrType; readonly text: string };

export type IrBinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "udiv"
  | "sdiv"
  | "urem"
  | "srem"
  | "shl"
  | "lshr"
  | "ashr"
  | "and"
  | "or"
  | "xor";

export type IrCastOp = "trunc" | "zext" | "sext" | "bitcast" | "ptrtoint" | "inttoptr";

export type IrPredicate = "eq" | "ne" | "ugt" | "uge" | "ult" | "ule" | "sgt" | "sge" | "slt" | "sle";

export type IrOrdering = "unordered" | "monotonic" | "acquire" | "release" | "acq_rel" | "seq_cst";

interface Common {
  /** Index of the SSA value that the instruction defines, or -1. */
  readonly result: number;
  /** Type of the result; void when there is none. */
  readonly type: IrType;
  /** Metadata id of the DILocation, or -1. */
  readonly dbg: number;
}

export interface IrAsm {
  readonly template: string;
  readonly constraints: string;
}

export interface IrArgument {
  readonly value: IrValue;
  readonly byval: boolean;
  readonly sret: boolean;
  readonly extension: "zero" | "sign" | null;
  /** bytes; 0 when not said */
  readonly align: number;
  /** Of `elementtype(T)`: what a pointer that assembly or an access intrinsic takes leads to. */
  readonly elementType: IrType | null;
}

export type IrInstruction = Common &
  (
    | {
        readonly op: "binary";
        readonly operator: IrBinaryOp;
        readonly a: IrValue;
        readonly b: IrValue;
        readonly exact: boolean;
        readonly nuw: boolean;
        readonly nsw: boolean;
        readonly disjoint: boolean;
      }
    | { readonly op: "cast"; readonly cast: IrCastOp; readonly value: IrValue; readonly nneg: boolean }
    | { readonly op: "icmp"; readonly predicate: IrPredicate; readonly a: IrValue; readonly b: IrValue }
    | { readonly op: "select"; readonly condition: IrValue; readonly a: IrValue; readonly b: IrValue }
    | { readonly op: "phi"; readonly incoming: readonly { readonly value: IrValue; readonly block: number }[] }
    | { readonly op: "freeze"; readonly value: IrValue }
    | { readonly op: "alloca"; readonly allocated: IrType; readonly count: IrValue | null; readonly align: number }
    | {
        readonly op: "load";
        readonly address: IrValue;
        readonly align: number;
        readonly volatile: boolean;
        readonly ordering: IrOrdering | null;
      }
    | {
        readonly op: "store";
        readonly value: IrValue;
        readonly address: IrValue;
        readonly align: number;
        readonly volatile: boolean;
        readonly ordering: IrOrdering | null;
      }
    | { readonly op: "gep"; readonly source: IrType; readonly base: IrValue; readonly indices: readonly IrValue[] }
    | { readonly op: "extractvalue"; readonly value: IrValue; readonly path: readonly number[] }
    | {
        readonly op: "insertvalue";
        readonly value: IrValue;
        readonly element: IrValue;
        readonly path: readonly number[];
      }
    | {
        readonly op: "atomicrmw";
        readonly operator: string;
        readonly address: IrValue;
        readonly value: IrValue;
        readonly ordering: IrOrdering;
      }
    | { readonly op: "cmpxchg"; readonly address: IrValue; readonly expected: IrValue; readonly desired: IrValue }
    | { readonly op: "fence"; readonly ordering: IrOrdering; readonly singleThread: boolean }
    | {
        readonly op: "call";
        readonly callee: IrValue | IrAsm;
        readonly args: readonly IrArgument[];
        readonly variadic: boolean;
        /** callbr: where control goes after the call; null for a plain call. */
        readonly fallthrough: number | null;
        /** callbr: the blocks that the assembly may jump to. */
        readonly indirect: readonly number[];
        readonly noreturn: boolean;
      }
    | { readonly op: "ret"; readonly value: IrValue | null }
    | { readonly op: "br"; readonly target: number }
    | {
        readonly op: "condbr";
        readonly condition: IrValue;
        readonly taken: number;
        readonly otherwise: number;
        readonly weights: number;
      }
    | {
        readonly op: "switch";
        readonly value: IrValue;
        readonly otherwise: number;
        readonly cases: readonly { readonly value: bigint; readonly block: number }[];
      }
    | { readonly op: "unreachable" }
    /** What BPF cannot do; `text` is the opcode or the line. */
    | { readonly op: "unsupported"; readonly text: string }
  );

/**
 * `#dbg_value`, `#dbg_declare`: from here on a source variable has the value, or lies at the address. Debug records are no code:
 * they define no values and are counted as no use.
 */
export interface IrDebugRecord {
  readonly kind: "value" | "declare";
  /** The record stands before the instruction of this index of its block. */
  readonly before: number;
  /** One value, those of a `DIArgList`, or none where the optimiser has lost the variable. */
  readonly values: readonly IrValue[];
  /** Metadata id of the DILocalVariable. */
  readonly variable: number;
  /** The DIExpression. */
  readonly expression: MetadataNode;
  /** Metadata id of the DILocation: which inlined copy of the variable it is. */
  readonly dbg: number;
}

export interface IrBlock {
  readonly instructions: readonly IrInstruction[];
  /** In order of `before`. */
  readonly records: readonly IrDebugRecord[];
}

export interface IrParameter {
  readonly type: IrType;
  readonly byval: boolean;
  readonly sret: boolean;
  readonly extension: "zero" | "sign" | null;
}

export type IrLinkage =
  | "external"
  | "internal"
  | "private"
  | "weak"
  | "extern_weak"
  | "common"
  | "appending"
  | "available_externally";

export interface IrFunction {
  readonly name: string;
  readonly linkage: IrLinkage;
  readonly hidden: boolean;
  readonly section: string;
  readonly returnType: IrType;
  readonly parameters: readonly IrParameter[];
  readonly variadic: boolean;
  readonly declaration: boolean;
  /** The body is inline assembly only: no `exit` of ours may follow it. */
  readonly naked: boolean;
  /** Blocks by index; the entry is 0. The first SSA values are the parameters. */
  readonly blocks: readonly IrBlock[];
  readonly valueCount: number;
  /** Metadata id of the DISubprogram, or null. */
  readonly subprogram: number | null;
}

export interface IrGlobal {
  readonly name: string;
  readonly linkage: IrLinkage;
  readonly hidden: boolean;
  readonly constant: boolean;
  readonly threadLocal: boolean;
  /** `unnamed_addr`: equal constants may share a place. */
  readonly unnamed: boolean;
  readonly type: IrType;
  /** 0 when not given */
  readonly align: number;
  readonly section: string;
  /** null for a declaration */
  readonly initialiser: IrValue | null;
  /** Metadata id of the DIGlobalVariableExpression, or null. */
  readonly debug: number | null;
}

export interface IrModule {
  readonly sourceFile: string;
  /** In the order of the text. */
  readonly globals: readonly IrGlobal[];
  readonly functions: readonly IrFunction[];
  /** Names of `alias` and `ifunc` symbols, which BPF has no use for. */
  readonly aliases: readonly string[];
  readonly metadata: MetadataTable;
  /** Lines of file-scope `module asm`. */
  readonly assembly: readonly string[];
}
