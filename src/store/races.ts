import type { StoreApi } from "zustand";
import type { EngineClient } from "../client/engine-client.ts";
import type { ExploreEvent, ExploreReport } from "../protocol/engine.ts";
import type { PolicyName, ScheduleStep } from "../protocol/engine-types.ts";
import { MAX_BOUND, NO_RACE } from "./initial-state.ts";
import type { PlaygroundState, PolicyRow, RaceState } from "./types.ts";

/** Policies that one program can run under; a map of timers belongs to its own. */
const LIFETIMES: readonly PolicyName[] = ["uref", "uref-5.15", "rfc", "rfc-sync", "refcount", "unprotected"];

export interface RacesPort {
  readonly store: StoreApi<PlaygroundState>;
  readonly engine: EngineClient;
  /** Number of a run that is about to take the place of the one that is shown. */
  nextRun(): number;
  showRun(run: number): void;
  seek(seq: number): void;
}

/** Searches over schedules, and the schedule that is shown. */
export class Races {
  readonly #port: RacesPort;
  /** Number of the newest search; what comes of older ones is dropped. */
  #number = 0;

  constructor(port: RacesPort) {
    this.#port = port;
  }

  get #state(): RaceState {
    return this.#port.store.getState().race;
  }

  #set(change: Partial<RaceState>): void {
    this.#port.store.setState((s) => ({ race: { ...s.race, ...change } }));
  }

  /** The program, script or settings are no longer those that were searched; but for the policy, when the comparison is kept. */
  reset(keepComparison = false): void {
    const { phase, bound, comparison } = this.#state;
    this.#number++;
    if (phase === "searching") this.#ask("cancel-explore");
    const kept = keepComparison && comparison.every((row) => row.state === "done") ? comparison : [];
    this.#set({ ...NO_RACE, bound, comparison: kept });
  }

  /** Another run took the place of the replay. */
  left(): void {
    if (this.#state.replayed) this.#set({ replayed: false, step: null });
  }

  #ask(kind: "cancel-explore"): void {
    this.#port.engine.request({ kind }).catch(() => {});
  }

  onProgress({ policy, progress, milliseconds }: ExploreEvent): void {
    if (this.#state.phase === "searching" && this.#state.searching === policy) this.#set({ progress, milliseconds });
  }

  setBound(bound: number): void {
    this.reset();
    this.#set({ bound: Math.max(0, Math.min(MAX_BOUND, bound)) });
  }

  async explore(): Promise<void> {
    const { policy } = this.#port.store.getState().source.settings;
    this.reset(true);
    const report = await this.#search(this.#number, policy);
    if (report === null) return;
    this.#set({ phase: "done", searching: null, report });
    if (report.outcome !== null && report.outcome.result !== "stopped") this.#setRow({ policy, state: "done", report });
    if (report.schedule !== null) await this.#show(report.schedule.steps);
  }

  cancel(): void {
    const { comparison } = this.#state;
    if (comparison.some((row) => row.state === "searching" || row.state === "waiting")) {
      const stopped = comparison.map(
        (row): PolicyRow => (row.state === "waiting" ? { ...row, state: "cancelled" } : row),
      );
      this.#set({ comparison: stopped });
    }
    this.#ask("cancel-explore");
  }

  async compare(): Promise<void> {
    const { source, build, race } = this.#port.store.getState();
    const dialect = build.report?.ok === true ? build.report.dialect : "linux";
    const policies: readonly PolicyName[] = dialect === "timer-map" ? ["timer-map"] : LIFETIMES;
    const known = race.report;
    const number = ++this.#number;
    this.#set({
      comparison: policies.map((policy): PolicyRow => {
        const done = known !== null && known.policy === policy && known.outcome?.result !== "stopped";
        return { policy, state: done ? "done" : "waiting", report: done ? known : null };
      }),
    });
    for (const policy of policies) {
      if (this.#row(policy)?.state !== "waiting") continue;
      this.#setRow({ policy, state: "searching", report: null });
      const report = await this.#search(number, policy);
      if (report === null) return;
      this.#setRow({ policy, state: "done", report });
      if (policy === source.settings.policy) {
        this.#set({ report });
        if (report.schedule !== null) await this.#show(report.schedule.steps);
      }
    }
    if (number === this.#number) this.#set({ phase: this.#state.report === null ? "idle" : "done", searching: null });
  }

  #row(policy: PolicyName): PolicyRow | undefined {
    return this.#state.comparison.find((row) => row.policy === policy);
  }

  #setRow(row: PolicyRow): void {
    this.#set({ comparison: this.#state.comparison.map((old) => (old.policy === row.policy ? row : old)) });
  }

  /** One search; null when something newer took its place, or the machinery failed. */
  async #search(number: number, policy: PolicyName): Promise<ExploreReport | null> {
    const { source } = this.#port.store.getState();
    this.#set({ phase: "searching", searching: policy, progress: null, milliseconds: 0, failure: null });
    try {
      const { bound } = this.#state;
      const report = await this.#port.engine.request({ kind: "explore", script: source.script, policy, bound });
      return number === this.#number ? report : null;
    } catch (error) {
      if (number === this.#number)
        this.#set({ phase: "idle", searching: null, failure: error instanceof Error ? error.message : String(error) });
      return null;
    }
  }

  /** The run of a schedule takes the place of the one that is shown, at its end. */
  async #show(steps: readonly ScheduleStep[]): Promise<void> {
    const number = this.#number;
    const run = this.#port.nextRun();
    const { script } = this.#port.store.getState().source;
    const schedule = await this.#port.engine.request({ kind: "replay", run, script, schedule: steps });
    if (schedule === null || number !== this.#number) return;
    this.#port.showRun(run);
    this.#set({ schedule, replayed: true, step: schedule.steps.length - 1 });
  }

  /** The schedule of a link. */
  async open(steps: readonly ScheduleStep[]): Promise<void> {
    await this.#show(steps).catch(() => {});
  }

  async select(step: number): Promise<void> {
    const { schedule, replayed } = this.#state;
    const chosen = schedule?.steps[step];
    if (schedule === null || chosen === undefined) return;
    if (!replayed) await this.#show(schedule.steps).catch(() => {});
    this.#set({ step });
    this.#port.seek(chosen.to);
  }

  /** What a link carries of the schedule that is shown: its choices. */
  get shared(): readonly ScheduleStep[] | null {
    const { schedule, replayed } = this.#state;
    if (schedule === null || !replayed) return null;
    return schedule.steps
      .map(({ cpu, step, at }) => ({ cpu, step: step.split(":", 1)[0] as string, at: Math.round(at) }))
      .filter(({ step }) => step !== "script");
  }
}
