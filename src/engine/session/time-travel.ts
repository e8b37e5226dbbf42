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
    const reached = (): boolean => this.#run.position >= target;
    const coarse = this.#replay(from, Number.POSITIVE_INFINITY, false, reached);
    this.#replay(from, coarse - 1, true, reached);
  }

  back(): void {
    const here = this.#run.position;
    if (here === 0) return;
    this.#leaveHead();
    const from = this.#run.recording.before(here - 1);
    const coarse = this.#replay(from, Number.POSITIVE_INFINITY, false, () => this.#run.position >= here);
    let before = from.seq;
    this.#replay(from, coarse - 1, true, () => {
      if (this.#run.position >= here) return true;
      before = this.#run.position;
      return false;
    });
    this.seek(before);
  }

  /**
   * From a checkpoint to the first moment at which `until` holds: in ticks of many instructions (their number is returned), or in
   * ticks of one after `coarse` such ticks, of which the last that matters is one too many.
   */
  #replay(from: Moment, coarse: number, fine: boolean, until: () => boolean): number {
    const { kernel, recording } = this.#run;
    this.#run.restore(from);
    recording.events.frozen = true;
    const { stops } = kernel;
    kernel.stops = null;
    try {
      let done = 0;
      while (done < coarse && (fine || !until())) {
        if (this.#engine.tick(COARSE_FUEL) !== "worked") break;
        done++;
      }
      while (fine && !until() && this.#engine.tick(1) === "worked");
      return done;
    } finally {
      recording.events.frozen = false;
      kernel.stops = stops;
      stops?.pass(kernel);
      stops?.settle(kernel);
    }
  }
}

/** Instructions of a coarse tick of a replay. */
const COARSE_FUEL = 512;
