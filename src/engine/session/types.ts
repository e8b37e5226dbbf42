import type { Errno } from "../abi/errno.ts";
import type { Dialect, PolicyName } from "../abi/types.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { ProgramVariable } from "../loader/spec.ts";
import type {
  Rejection,
  TracePath,
  TraceStep,
  VerifiedFunction,
  VerifierStats,
  XlatedLine,
} from "../verifier/types.ts";

/** What a run depends on besides its sources; part of every snippet. */
export interface SessionSettings {
  readonly policy: PolicyName;
  /** 1..8 */
  readonly cpus: number;
  readonly hz: 100 | 250 | 1000;
  readonly seed: number;
  /** Virtual ns that each instruction takes; 0: time moves by `advance` and the clock's control only. */
  readonly insnCost: number;
  /** Load programs that the verifier refuses, with every access checked at run time. */
  readonly unverified: boolean;
  readonly engine: "jit" | "interpreter";
  readonly cpuVersion: "v1" | "v2" | "v3" | "v4";
  readonly optimization: "O0" | "O1" | "O2";
}

export const DEFAULT_SETTINGS: SessionSettings = {
  policy: "uref",
  cpus: 2,
  hz: 250,
  seed: 1,
  insnCost: 0,
  unverified: false,
  engine: "interpreter",
  cpuVersion: "v3",
  optimization: "O2",
};

/** A program as the verifier left it, for the page and the CLI; ready to clone to another thread. */
export interface ProgramReport {
  readonly name: string;
  readonly section: string;
  readonly type: string;
  readonly verdict: "accept" | "reject" | "unsupported";
  readonly errno: Errno | null;
  readonly errorLine: string | null;
  readonly rejection: Rejection | null;
  readonly explanation: Explanation | null;
  /** Level-2 log. */
  readonly log: string;
  readonly stats: VerifierStats;
  readonly functions: readonly VerifiedFunction[];
  /** First slots only, in order. */
  readonly disassembly: readonly DisassembledLine[];
  readonly xlated: readonly XlatedLine[];
  /** Where the variables of the source are; empty for objects that another compiler made. */
  readonly variables: readonly ProgramVariable[];
}

export interface DisassembledLine {
  readonly insn: number;
  readonly text: string;
  readonly file: string;
  /** from 1; 0 when unknown */
  readonly line: number;
  /** What the verifier did with it. */
  readonly state: "verified" | "refused" | "unreached";
}

/** A rejection in plain words; the kernel's own line stands beside it. */
export interface Explanation {
  readonly title: string;
  /** Cause chain, oldest first. */
  readonly causes: readonly { readonly text: string; readonly insn: number | null; readonly line: number | null }[];
  readonly fix: {
    readonly text: string;
    readonly edit: { readonly line: number; readonly insert: string } | null;
  } | null;
}

export interface MapReport {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly verdict: "accept" | "reject";
  readonly errno: Errno | null;
}

/** Everything that follows from an object file before anything runs. */
export type BuildReport =
  | {
      readonly ok: true;
      readonly dialect: Dialect;
      readonly diagnostics: readonly Diagnostic[];
      readonly programs: readonly ProgramReport[];
      readonly maps: readonly MapReport[];
      readonly runnable: boolean;
    }
  | {
      readonly ok: false;
      readonly stage: "compile" | "load";
      readonly diagnostics: readonly Diagnostic[];
      readonly message: string;
    };

export interface CommandOutcome {
  /** Line of the script from 1; 0 for a command given live. */
  readonly line: number;
  readonly text: string;
  readonly at: number;
  readonly retval: string;
  readonly errno: Errno | null;
  /** Lines that the command prints: map dumps, lookups. */
  readonly output: readonly string[];
}

export interface ExpectationOutcome {
  readonly line: number;
  readonly text: string;
  readonly ok: boolean;
  readonly actual: string;
}

/** Progress of the script within a run. */
export interface ScriptState {
  /** Line that comes next, from 1; null at the end. */
  readonly nextLine: number | null;
  readonly stopped: { readonly line: number; readonly reason: string } | null;
  readonly commands: readonly CommandOutcome[];
  readonly expectations: readonly ExpectationOutcome[];
}

export interface VerifierView {
  readonly program: string;
  /** First slot of each function, ascending. */
  readonly functions: readonly { readonly name: string; readonly start: number }[];
  readonly steps: readonly TraceStep[];
  readonly paths: readonly TracePath[];
}
