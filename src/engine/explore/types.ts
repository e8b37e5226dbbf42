import type { EventPlace, NodeId, Oops } from "../kernel/event-types.ts";

/** What is looked for: a bug that stops the kernel, an expectation that fails, a loop that is never freed, a command that fails. */
export type FailureKind = Oops["what"] | "expectation" | "leak" | "failed-command";

export interface Failure {
  readonly kind: FailureKind;
  /** One sentence, in the kernel's words where they are its. */
  readonly message: string;
  /** -1 when no CPU is meant. */
  readonly cpu: number;
  /** Virtual ns. */
  readonly at: number;
  readonly place: EventPlace | null;
  /** Line of the script that it shows at, from 1; null when it is none. */
  readonly line: number | null;
  /** The loop of a leak; empty for others. */
  readonly loop: readonly NodeId[];
}

/** A step of a schedule, as links and the command line carry it. */
export interface ScheduleStep {
  /** -1 for workers of the kernel, grace periods and time. */
  readonly cpu: number;
  /**
   * `ID: WORDS`, or the bare ID. IDs of steps that are taken again in a replay are those of `Choice`, `beginN` (the next command of
   * CPU N's lines) among them; `script` stands for a line that runs in order, and the last one is the kind of the failure.
   */
  readonly step: string;
  /** Virtual ns, behind the step. */
  readonly at: number;
}

/** A step of a counterexample as it is shown. */
export interface ShownStep extends ScheduleStep {
  /** What does it: who runs on the CPU, or the kernel's own worker. */
  readonly actor: string;
  readonly words: string;
  readonly place: EventPlace | null;
  /** Events of the replayed recording before and behind it: the moments between which it lies. */
  readonly from: number;
  readonly to: number;
  /** switch: another CPU or task goes on, because the one before could not; preemption: although it could have gone on. */
  readonly change: "same" | "switch" | "preemption";
  /** quiet: it told nothing and does not fail. cause: the last step that armed, freed or wrote what fails. */
  readonly mark: "none" | "quiet" | "cause" | "failure";
}

export interface DescribedSchedule {
  readonly steps: readonly ShownStep[];
  readonly failure: Failure | null;
}

/** How far a search has come. */
export interface ExploreProgress {
  /** Preemptions that the schedules under way have. */
  readonly preemptions: number;
  /** Orders of steps that were tried; one that meets a state known already ends there. */
  readonly schedules: number;
  /** Different states of kernel and script at which there was something to choose. */
  readonly states: number;
  /** Steps of the longest schedule. */
  readonly depth: number;
  /** Atomic steps that were executed. */
  readonly steps: number;
}

export interface Counterexample {
  readonly failure: Failure;
  /** IDs of the choices, in order: the schedule from which everything follows. */
  readonly choices: readonly string[];
  readonly preemptions: number;
}

export type ExploreVerdict =
  /** No schedule within the bound fails. */
  | { readonly result: "none" }
  | { readonly result: "counterexample"; readonly found: Counterexample }
  /** Stopped before the end: cancelled, the limit of states reached, or something that is not modelled. */
  | { readonly result: "stopped"; readonly why: string };

export type ExploreOutcome = ExploreVerdict & {
  readonly bound: number;
  readonly progress: ExploreProgress;
};
