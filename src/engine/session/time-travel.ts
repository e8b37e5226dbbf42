import type { Kernel } from "../kernel/api.ts";
import type { Recording } from "../recording/recording.ts";
import type { Moment, Progress, TickResult } from "./run-plan.ts";

/** What travels: a run. */
export interface Traveller {
  readonly kernel: Kernel;
  readonly recording: Recording<Progress>;
  /** Events before the moment that is shown. */
  readonly position: number;
  save(): Moment;
  restore(moment: Moment): void;
}

/** What a run does for its traveller, and for nobody else. */
export interface Engine {
  /** True when an earlier moment is shown than the latest that was recorded. */
  isBehind(): boolean;
  /** Does the next thing, at most `fuel` instructions, and keeps no checkpoint. */
  tick(fuel: number): TickResult;
}

/** Shows earlier moments of a run, by replay from its checkpoints, and the latest one again. */
export class TimeTravel {
  readonly #run: Traveller;
  readonly #engine: Engine;
  /** The latest moment, kept while an earlier one is shown. */
  #head: Moment | null = null;

  constructor(run: Traveller, engine: Engine) {
    this.#run = run;
    this.#engine = engine;
  }

  /** The run has gone on: past the latest moment there is a new one. */
  passed(): void {
    const head = this.#head;
    if (head !== null && !this.#engine.isBehind() && this.#run.kernel.state.now >= head.kernel.state.now)
      this.#head = null;
  }

  /** What was recorded behind the moment that is shown no longer is. */
  forget(): void {
    this.#head = null;
  }

  /** Remembers the latest moment before an earlier one is shown. */
  #leaveHead(): void {
    if (this.#head === null && !this.#engine.isBehind()) this.#head = this.#run.save();
  }

  toHead(): void {
    if (this.#head === null) return;
    this.#run.restore(this.#head);
    this.#head = null;
  }

  seek(seq: number): void {
    const { recording } = this.#run;
    const target = Math.max(0, Math.min(seq, recording.events.length));
    this.#leaveHead();
    const from = recording.before(Math.max(0, target - 1));
    if (target <= from.seq) {
      this.#run.restore(from);
      return;
    }
    this.#replay(from, () => this.#run.position >= target);
  }

  back(): void {
    const here = this.#run.position;
    if (here === 0) return;
    this.#leaveHead();
    const from = this.#run.recording.before(here - 1);
    let before = from.seq;
    this.#replay(from, () => {
      if (this.#run.position >= here) return true;
      before = this.#run.position;
      return false;
    });
    this.seek(before);
  }

  /**
   * From a checkpoint to the first moment at which `until` holds, instruction by instruction at last: how many long ticks may be made
   * before it is found out first, then how many shorter ones behind those.
   */
  #replay(from: Moment, until: () => boolean): void {
    const { kernel, recording } = this.#run;
    recording.events.frozen = true;
    const { stops } = kernel;
    kernel.stops = null;
    try {
      const known: { readonly fuel: number; readonly ticks: number }[] = [];
      for (const fuel of REPLAY_FUEL) {
        this.#run.restore(from);
        for (const step of known) for (let i = 0; i < step.ticks && !until(); i++) this.#engine.tick(step.fuel);
        let ticks = 0;
        while (!until() && this.#engine.tick(fuel) === "worked") ticks++;
        known.push({ fuel, ticks: ticks - 1 });
      }
    } finally {
      recording.events.frozen = false;
      kernel.stops = stops;
      stops?.pass(kernel);
      stops?.settle(kernel);
    }
  }
}

/** Instructions of a tick of a replay: with so many that programs run compiled, with fewer than that takes, and with one. */
const REPLAY_FUEL = [20_000, 500, 1] as const;
