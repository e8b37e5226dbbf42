import type { Errno } from "../abi/errno.ts";
import type { Dialect } from "../abi/types.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import type { Instruction } from "../isa/instruction.ts";
import type { FunctionRecord, LineRecord } from "../loader/spec.ts";

/** What the verifier may know of a map that the program names. Implemented by the kernel's live map, or by a blueprint in tests. */
export interface VerifierMap {
  /** Unique among live maps; equality of maps is equality of ids. */
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly btf: Btf | null;
  readonly keyType: BtfId;
  readonly valueType: BtfId;
  /** Frozen from user space: with BPF_F_RDONLY_PROG its bytes are constants. */
  readonly frozen: boolean;
  /** Template of the inner maps. */
  readonly inner: VerifierMap | null;
  /** Bytes of the single value of a frozen array; null when not available. */
  readConstant(offset: number, size: number): Uint8Array | null;
}

/** A program as BPF_PROG_LOAD receives it: map loads carry fds. */
export interface VerifierProgram {
  readonly name: string;
  readonly type: number;
  readonly expectedAttachType: number;
  /** prog_flags */
  readonly flags: number;
  readonly license: string;
  readonly insns: readonly Instruction[];
  readonly btf: Btf | null;
  /** func_info; null when not given. */
  readonly functions: readonly FunctionRecord[] | null;
  /** Bytes of a func_info record as loaded; absent: 8, as everybody loads them. */
  readonly functionRecordBytes?: number;
  /** line_info; null when not given. */
  readonly lines: readonly LineRecord[] | null;
  /** kfunc calls by slot, since BTF ids of a kernel are its own. */
  readonly kfuncs: ReadonlyMap<number, string>;
  readonly dialect: Dialect;
}

export interface VerifierEnvironment {
  mapByFd(fd: number): VerifierMap | "EBADF" | "EINVAL";
  /** Number of possible CPUs (bounds bpf_get_smp_processor_id). */
  readonly cpus: number;
}

export interface VerifyOptions {
  /** 0, or a sum of 1 (branch), 2 (instructions), 4 (statistics). Of a log above 32 MiB only the end is kept. */
  readonly logLevel: number;
  /** Record states for the page. Costs memory: a stepped trace of every instruction on every path. */
  readonly trace: boolean;
  /** Asked now and then during long runs with the number of instructions processed so far; true stops with `cancelled`. */
  readonly cancelled?: (insnsProcessed: number) => boolean;
}

declare const verified: unique symbol;

export interface VerifiedFunction {
  readonly name: string;
  /** [start, end) in slots */
  readonly start: number;
  readonly end: number;
  /** bytes */
  readonly stackDepth: number;
  readonly role: "main" | "static" | "global" | "sync-callback" | "async-callback";
}

/** A program that passed. Only {@link verify} makes one. */
export interface VerifiedProgram {
  readonly [verified]: true;
  readonly program: VerifierProgram;
  readonly functions: readonly VerifiedFunction[];
  /** Ids of the maps named by the program, in order of first use. */
  readonly maps: readonly number[];
  /** True for slots that some path reached (first slots of two-slot loads). */
  readonly reached: readonly boolean[];
  readonly stats: VerifierStats;
  /** The program after the rewrites that follow acceptance, as `bpftool prog dump xlated` prints it, one line per instruction. */
  xlated(): readonly XlatedLine[];
}

export interface XlatedLine {
  readonly text: string;
  /** Slot of the original program that it stems from; null for prologues. */
  readonly origin: number | null;
}

export interface VerifierStats {
  readonly insnsProcessed: number;
  readonly maxStatesPerInsn: number;
  readonly totalStates: number;
  readonly peakStates: number;
}

/** Linux would refuse: errno, the decisive line, and facts for an explanation. */
export interface Rejection {
  readonly errno: Errno;
  /** Last line of the message before the statistics. */
  readonly message: string;
  /** Slot at fault; null when no instruction is. */
  readonly insn: number | null;
  /** Stable name of the rule, e.g. `timer-arg-type`; keys the explanations. */
  readonly rule: string;
  /** Register at fault, 0..10 */
  readonly register: number | null;
  /** Slots walked from the entry to `insn` on the failing path, newest last; long paths keep both ends. */
  readonly path: readonly number[];
  /** Slot where the value at fault was last written, when known. */
  readonly origin: number | null;
}

/** One explored instruction, for the page. */
export interface TraceStep {
  readonly insn: number;
  /** Index of the path in order of exploration. */
  readonly path: number;
  readonly frame: number;
  /** State before the instruction as text per register/slot, e.g. `["R1","ctx()"]`; only what is known. */
  readonly state: readonly (readonly [string, string])[];
}

export interface TracePath {
  readonly index: number;
  /** Path and slot it branched off from; null for the first. */
  readonly parent: number | null;
  readonly fromInsn: number | null;
  readonly startInsn: number;
  readonly endInsn: number;
  readonly end: "exit" | "pruned" | "rejected" | "return";
  /** Of a pruned path: which path kept the state that covers it, and at which slot. The path itself, where it came back to its own state. */
  readonly coveredBy?: { readonly path: number; readonly insn: number };
  /** True inside a callback that a timer runs. */
  readonly async: boolean;
}

export interface VerifierTrace {
  readonly steps: readonly TraceStep[];
  readonly paths: readonly TracePath[];
}

export type VerifyResult =
  | {
      readonly verdict: "accept";
      readonly program: VerifiedProgram;
      readonly log: string;
      readonly stats: VerifierStats;
      readonly trace: VerifierTrace | null;
    }
  | {
      readonly verdict: "reject";
      readonly rejection: Rejection;
      readonly log: string;
      readonly stats: VerifierStats;
      readonly trace: VerifierTrace | null;
    }
  | {
      readonly verdict: "unsupported";
      readonly message: string;
      readonly insn: number | null;
      readonly log: string;
      readonly stats: VerifierStats;
      readonly trace: null;
    }
  | { readonly verdict: "cancelled"; readonly stats: VerifierStats };
