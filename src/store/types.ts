import type { ExploreReport } from "../protocol/engine.ts";
import type {
  Breakpoint,
  BuildReport,
  DescribedSchedule,
  ExploreProgress,
  KernelEvent,
  PolicyName,
  ScriptState,
  SessionSettings,
  Snapshot,
  StopPoints,
  StopReport,
  VerifierView,
  Watch,
} from "../protocol/engine-types.ts";

/** The state that the page draws, and the actions that it may take. Implemented in this folder; `ui` sees nothing else. */
export type FileName = "program" | "script";
export type ViewName = "write" | "verify" | "time" | "race" | "lesson";

export interface SourceState {
  readonly demo: string | null;
  /** Name of the file that is edited; its ending says C or assembly. */
  readonly file: string;
  readonly program: string;
  readonly script: string;
  readonly settings: SessionSettings;
  /** An uploaded object replaces the C source; null otherwise. */
  readonly object: { readonly name: string; readonly bytes: Uint8Array } | null;
  /** Changed since the demo or link was opened. */
  readonly dirty: boolean;
  readonly saved: "saved" | "saving" | "failed" | "off";
}

export interface BuildState {
  readonly phase: "idle" | "loading-compiler" | "compiling" | "verifying" | "done";
  /** Bytes of the compiler's download, while it is under way. */
  readonly download: { readonly received: number; readonly total: number } | null;
  readonly compilerReady: boolean;
  /** Failure of the machinery (download, worker), with a way to retry. */
  readonly failure: string | null;
  readonly report: BuildReport | null;
  /** Report of the build that is running, when the newest one was refused. */
  readonly runningOlder: boolean;
  /** ELF object of the last successful compile. */
  readonly object: Uint8Array | null;
  readonly milliseconds: number | null;
}

export interface RunState {
  readonly status: "none" | "running" | "paused" | "ended" | "oops";
  readonly snapshot: Snapshot | null;
  /** All events of the recording, in order; seq equals the index. */
  readonly events: readonly KernelEvent[];
  readonly script: ScriptState;
  /** Seq of the moment shown; equals events.length at the end of the recording. */
  readonly position: number;
  readonly following: boolean;
  /** The breakpoint or watch at which the run stands; null when it is elsewhere. */
  readonly stopped: StopReport | null;
  /** Virtual ns that pass in one real second. */
  readonly speed: number;
  readonly commandError: { readonly text: string; readonly errno: string } | null;
}

export interface ViewState {
  readonly view: ViewName;
  readonly theme: "system" | "light" | "dark";
  readonly file: FileName | "assembly";
  readonly selectedNode: string | null;
  readonly selectedInsn: { readonly program: string; readonly insn: number } | null;
  readonly cursorLine: number | null;
  /** Breakpoints and watches. Lines count in the text of the program as it is now. */
  readonly stops: StopPoints;
  readonly maximised: string | null;
  readonly dialog: "none" | "share" | "help" | "settings";
  /** One line above the panels: version mismatch, broken link, kept work. */
  readonly banner: { readonly kind: "info" | "error"; readonly text: string } | null;
}

/** What a search under one policy came to. */
export interface PolicyRow {
  readonly policy: PolicyName;
  readonly state: "waiting" | "searching" | "done" | "cancelled";
  readonly report: ExploreReport | null;
}

/** The search over schedules of the script as it stands. An edit or another setting forgets all but the bound. */
export interface RaceState {
  /** Preemptions at most. */
  readonly bound: number;
  readonly phase: "idle" | "searching" | "done";
  /** Under which policy is searched. */
  readonly searching: PolicyName | null;
  readonly progress: ExploreProgress | null;
  readonly milliseconds: number;
  /** Of the policy that is set. */
  readonly report: ExploreReport | null;
  /** The schedule that is shown: of a counterexample, or of a link. */
  readonly schedule: DescribedSchedule | null;
  /** True when the run is the one of this schedule. */
  readonly replayed: boolean;
  /** The step that is looked at. */
  readonly step: number | null;
  /** Policies side by side; empty until asked for. */
  readonly comparison: readonly PolicyRow[];
  /** Why the machinery failed; null when it did not. */
  readonly failure: string | null;
}

export interface PlaygroundState {
  readonly source: SourceState;
  readonly build: BuildState;
  readonly run: RunState;
  readonly verifier: VerifierView | null;
  readonly race: RaceState;
  readonly view: ViewState;
  readonly demos: readonly {
    readonly id: string;
    readonly title: string;
    readonly group: string;
    readonly summary: string;
  }[];
}

export interface PlaygroundActions {
  editProgram(text: string): void;
  editScript(text: string): void;
  changeSettings(settings: Partial<SessionSettings>): void;
  openDemo(id: string): void;
  openObject(name: string, bytes: Uint8Array): void;
  /** A C or assembly file takes the program's place; with a script of its own, or beside the one that is there. */
  openSource(name: string, text: string, script?: string): void;
  /** Builds at once what is in the editor and runs it from the beginning. */
  buildAndRun(): void;
  cancelBuild(): void;
  retryCompiler(): void;
  play(): void;
  pause(): void;
  /** Starts the script again from time zero. */
  restart(): void;
  /** Runs until the next event, or back to the one before. */
  stepEvent(direction: 1 | -1): void;
  stepInstruction(): void;
  /** Runs to the next expiry. */
  nextTimer(): void;
  /** Sets a breakpoint or takes it away; where no code is, a banner says so. */
  toggleBreakpoint(breakpoint: Breakpoint): void;
  /** The run stops behind a change of what is watched. */
  toggleWatch(watch: Watch): void;
  seek(seq: number): void;
  followNow(): void;
  setSpeed(nsPerSecond: number): void;
  /** One line of the user-space script, done now; its failure appears in `run.commandError`. */
  command(line: string): void;
  /** Writes the commands that were given live into the script; a banner says so when they cannot be yet. */
  keepLiveCommands(): void;
  /** Asks for the verifier's states of a program (they are made on demand). */
  inspectProgram(program: string): void;
  /** Preemptions at most of the searches to come. */
  setBound(bound: number): void;
  /** Searches every schedule of the script under the policy that is set; the run stands meanwhile. */
  explore(): void;
  cancelExplore(): void;
  /** Another policy, and a search under it. */
  exploreUnder(policy: PolicyName): void;
  /** The same under every policy, one after the other. */
  comparePolicies(): void;
  /** Shows the moment behind a step of the schedule. */
  selectStep(step: number): void;
  share(): Promise<{ readonly url: string; readonly length: number }>;
  downloadObject(): { readonly name: string; readonly bytes: Uint8Array } | null;
  downloadSnippet(): { readonly name: string; readonly text: string };
  setView(change: Partial<ViewState>): void;
  dismissBanner(): void;
}
