import type {
  BuildReport,
  DescribedSchedule,
  Diagnostic,
  EventPack,
  ExploreOutcome,
  ExploreProgress,
  PolicyName,
  ScheduleStep,
  ScriptState,
  SessionSettings,
  Snapshot,
  StopPoints,
  StopReport,
  VerifierView,
} from "./engine-types.ts";

/** Page <-> engine worker. Every request has a number and gets one reply of the same number; events come by themselves. */
export const ENGINE_PROTOCOL_VERSION = 1;

export type EngineRequest =
  /** First message; a worker of another version answers with a failure. */
  | { readonly kind: "hello"; readonly version: number }
  /**
   * Reads and judges an object; when it may run, its run takes the place of the one before, under the number `run`. When it may
   * not, the older run goes on.
   */
  | {
      readonly kind: "open";
      readonly run: number;
      readonly object: Uint8Array;
      readonly name: string;
      readonly settings: SessionSettings;
      readonly script: string;
      /** What the compiler had to say. */
      readonly diagnostics: readonly Diagnostic[];
      /** Begin to play at once; else stand at the start. */
      readonly play: boolean;
      /** Moment to go to before that. */
      readonly seek: number | null;
    }
  /** The same object, another script or other settings that need no new verdict. */
  | {
      readonly kind: "restart";
      readonly run: number;
      readonly script: string;
      readonly play: boolean;
    }
  /** Virtual ns per real second. */
  | { readonly kind: "speed"; readonly nsPerSecond: number }
  | { readonly kind: "play" | "pause" | "step-instruction" | "next-timer" | "follow" }
  | { readonly kind: "step-event"; readonly direction: 1 | -1 }
  | { readonly kind: "seek"; readonly seq: number }
  | { readonly kind: "command"; readonly text: string }
  /** Asks for the run's script with the commands that were given live. */
  | { readonly kind: "script-with-live" }
  | { readonly kind: "inspect"; readonly program: string }
  /**
   * Searches every schedule of a script of the object that runs, under any policy; the run stands meanwhile. Progress comes as events,
   * the reply when the search is over.
   */
  | {
      readonly kind: "explore";
      readonly script: string;
      readonly policy: PolicyName;
      /** Preemptions at most, 0..20. */
      readonly bound: number;
    }
  /** Ends the search under way, which replies with what it has. */
  | { readonly kind: "cancel-explore" }
  /** The run of a schedule takes the place of the one before, at its end. */
  | {
      readonly kind: "replay";
      readonly run: number;
      readonly script: string;
      readonly schedule: readonly ScheduleStep[];
    }
  /** Breakpoints and watches of this run and of those that are opened after it, until told otherwise. */
  | { readonly kind: "stop-at"; readonly points: StopPoints };

export interface OpenResult {
  readonly report: BuildReport;
  /** True when the run of this object has begun. */
  readonly started: boolean;
}

export interface CommandResult {
  /** Null when the command was done and succeeded, or has been stopped within and goes on with the run. */
  readonly error: { readonly text: string; readonly errno: string } | null;
}

export interface ExploreReport {
  readonly policy: PolicyName;
  /** The script's faults; then nothing was searched. */
  readonly diagnostics: readonly Diagnostic[];
  /** False: no line of the script runs beside another. */
  readonly concurrent: boolean;
  /** Null when nothing was searched. */
  readonly outcome: ExploreOutcome | null;
  /** Of a counterexample. */
  readonly schedule: DescribedSchedule | null;
  readonly milliseconds: number;
}

/** What the reply to a request carries. */
export interface EngineResults {
  hello: { readonly version: number };
  open: OpenResult;
  restart: { readonly diagnostics: readonly Diagnostic[] };
  speed: null;
  play: null;
  pause: null;
  "step-instruction": null;
  "next-timer": null;
  follow: null;
  "step-event": null;
  seek: null;
  command: CommandResult;
  explore: ExploreReport;
  "cancel-explore": null;
  /** Null: no object is open. */
  replay: DescribedSchedule | null;
  /** Null while a command is under way, or when the script has stopped. */
  "script-with-live": string | null;
  inspect: VerifierView | null;
  "stop-at": null;
}

export type EngineRequestKind = EngineRequest["kind"];

/** The run as it stands: what changed since the last event of this kind that the page has seen. */
export interface RunEvent {
  readonly kind: "run";
  /** Number of the `open` or `restart` that began it. */
  readonly run: number;
  /** Packed: the page makes objects of them, in the order of messages. */
  readonly events: EventPack;
  /** Null when unchanged. */
  readonly script: ScriptState | null;
  /** Null when only time has passed since the last one. */
  readonly snapshot: Snapshot | null;
  readonly now: number;
  readonly jiffies: number;
  readonly status: "running" | "paused" | "ended" | "oops";
  readonly position: number;
  readonly following: boolean;
  /** The breakpoint or watch at which the run stands. */
  readonly stopped: StopReport | null;
  /** A helper or map that is not modelled stopped the run: its name and place. */
  readonly unsupported: string | null;
  /** The recording is as long as it may grow: the run waits. */
  readonly full: boolean;
}

/** The engine failed in the midst of a run: ours to mend. The run stands still; the page keeps what it has. */
export interface CrashEvent {
  readonly kind: "crash";
  readonly run: number;
  readonly message: string;
}

/** A search goes on. */
export interface ExploreEvent {
  readonly kind: "explore";
  readonly policy: PolicyName;
  readonly progress: ExploreProgress;
  readonly milliseconds: number;
}

export type EngineEvent = RunEvent | CrashEvent | ExploreEvent;

/** Messages on the port. */
export type ToEngine =
  | { readonly id: number; readonly request: EngineRequest }
  /** The page has drawn an event: the next may come. At most one is under way, so that a slow page is never flooded. */
  | { readonly seen: number };

export type FromEngine =
  | { readonly id: number; readonly result: EngineResults[EngineRequestKind] }
  | { readonly id: number; readonly failure: string }
  | { readonly number: number; readonly event: EngineEvent };
