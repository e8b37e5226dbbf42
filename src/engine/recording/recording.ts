import { InternalError } from "../base/errors.ts";
import { EventLog } from "../events/event-log.ts";
import type { KernelCheckpoint } from "../kernel/api.ts";

/** A moment that can be put back: the kernel, and whatever drives it, as plain data. */
export interface Checkpoint<Progress> {
  /** Events before it. */
  readonly seq: number;
  readonly now: number;
  readonly kernel: KernelCheckpoint;
  readonly progress: Progress;
}

/** Events between two checkpoints, at least and at first; doubled whenever there are too many. */
const FIRST_INTERVAL = 2048;
/**
 * For each us (about) that a checkpoint takes, so many events between it and the next: they then take a hundredth of a run or two, also
 * of a compiled one, and coming back to any moment between them takes some ms.
 */
const EVENTS_PER_US = 400;
const MAX_CHECKPOINTS = 48;

/**
 * What happened in a run, and enough of its moments to come back to any of them by replay. The engine is deterministic: from a
 * checkpoint on, the same inputs give the same events, and the log of events checks this.
 */
export class Recording<Progress> {
  readonly events = new EventLog();
  #checkpoints: Checkpoint<Progress>[] = [];
  #interval = FIRST_INTERVAL;

  /** True when the last checkpoint before `seq` is so far back that one should be made, which costs so many us (about). */
  wants(seq: number, cost: number): boolean {
    const last = this.#checkpoints.at(-1);
    return last === undefined || seq - last.seq >= Math.max(this.#interval, cost * EVENTS_PER_US);
  }

  keep(checkpoint: Checkpoint<Progress>): void {
    const last = this.#checkpoints.at(-1);
    if (last !== undefined && checkpoint.seq <= last.seq) return;
    this.#checkpoints.push(checkpoint);
    if (this.#checkpoints.length <= MAX_CHECKPOINTS) return;
    // The first stays: it is the start of the run.
    this.#checkpoints = this.#checkpoints.filter((_, i) => i % 2 === 0);
    this.#interval *= 2;
  }

  /** The last checkpoint with at most `seq` events before it. */
  before(seq: number): Checkpoint<Progress> {
    const found = this.#checkpoints.findLast((c) => c.seq <= seq) ?? this.#checkpoints[0];
    if (found === undefined) throw new InternalError("a run without a beginning");
    return found;
  }

  /** Forgets what happened from `seq` on: the run takes another way there. */
  truncate(seq: number): void {
    this.events.truncate(seq);
    const first = this.#checkpoints[0];
    this.#checkpoints = this.#checkpoints.filter((c) => c === first || c.seq <= seq);
  }
}
