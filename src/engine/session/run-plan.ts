import type { Errno } from "../abi/errno.ts";
import type { Kernel, KernelCheckpoint, Task } from "../kernel/api.ts";
import type { CollectionSpec } from "../loader/spec.ts";
import type { ScriptLine } from "../script/types.ts";
import type { Outcome } from "./commands.ts";
import type { ConcurrentBlock } from "./concurrent-block.ts";
import type { NameTable } from "./names.ts";
import type { ExpectationOutcome, ScriptState } from "./types.ts";

/** Loads the collection once more in the name of a process; the names afterwards, or why it failed. */
export type LoadObject = (kernel: Kernel, process: number, names: NameTable) => NameTable | Errno;

export interface RunPlan {
  readonly collection: CollectionSpec;
  readonly commands: readonly ScriptLine[];
  /** A line that is not understood: the script stops there, behind `commands`. */
  readonly fault: ScriptState["stopped"];
  readonly load: LoadObject;
  /** Instructions after which one command counts as endless. */
  readonly patience: number;
  /** What adjacent `cpu N:` lines are: lines like others, done in order; or concurrent. */
  readonly order: BlockOrder;
  /** Of concurrent blocks; visible if left out. */
  readonly grain?: "visible" | "instruction";
}

/**
 * in-order: as in an ordinary run. asked: {@link Run.options} and {@link Run.take} choose each step. A schedule: IDs of the steps to
 * take; where it ends, or names what cannot be, whoever runs goes on.
 */
export type BlockOrder = "in-order" | "asked" | { readonly schedule: readonly string[] };

/** A command that is under way. Plain data. */
export type Action =
  | {
      readonly kind: "call";
      readonly line: ScriptLine;
      readonly process: number;
      readonly task: number;
      /** Instructions so far. */
      spent: number;
      /** The task once the kernel has forgotten it, while what follows from the call is still being done. */
      finished: Task | null;
    }
  | { readonly kind: "advance"; readonly line: ScriptLine; readonly target: number }
  | { readonly kind: "block"; readonly block: ConcurrentBlock };

/** Where the script stands: plain data, replaced and never changed (but for what a call under way notes). */
export interface Progress {
  readonly names: NameTable;
  /** Index of the command that comes next. */
  readonly index: number;
  readonly stopped: ScriptState["stopped"];
  readonly commands: number;
  readonly expectations: number;
  readonly last: Outcome & { readonly ofRun: boolean };
  /** The first expectation that failed. */
  readonly failed: ExpectationOutcome | null;
  /** Steps taken of concurrent blocks. */
  readonly taken: number;
  /** Live commands that have been given. */
  readonly inputs: number;
  /** Innermost last: a live command may be given while the script lets time pass. */
  readonly actions: readonly Action[];
}

/** A command that the visitor gave while the run was at this moment; replay gives it again there. */
export interface LiveInput {
  readonly at: number;
  readonly index: number;
  readonly line: ScriptLine;
}

export type RunState = "going" | "ended" | "oops" | "unsupported";

/**
 * How a slice of work ended: fuel used up; the time limit reached; nothing more will ever happen; a breakpoint or watch stopped it
 * (see {@link Run.stopped}; the next tick goes on); a concurrent block waits for a choice.
 */
export type TickResult = "worked" | "time" | "over" | "stopped" | "choice";

/** What can be put back. */
export interface Moment {
  readonly kernel: KernelCheckpoint;
  readonly progress: Progress;
}
