import type { ExploreOutcome, ExploreProgress, ExploreVerdict, Failure } from "./types.ts";

/** Something that may happen next. */
export interface Option {
  /** Stable name: the same choices before it give the same names. */
  readonly id: string;
  /** Who does it; the same name as `Scenario.actor` when it goes on with what was under way. Empty: nobody in particular. */
  readonly actor: string;
}

/** What a search goes through: a deterministic system whose next step is chosen from outside. */
export interface Scenario<Moment> {
  /**
   * Runs what leaves no choice, at most for a while. choice: ask `options`; end: nothing more happens; worked: not through yet.
   * Failures show here and behind `take`.
   */
  settle(): "choice" | "end" | "worked";
  options(): readonly Option[];
  take(option: Option): void;
  /** Who took the last step and could still go on; empty when nobody could. */
  actor(): string;
  /** Equal names: the same will follow. */
  name(): string;
  failure(): Failure | null;
  /** Why the system cannot go on although nothing failed (something is not modelled); null otherwise. */
  stuck(): string | null;
  save(): Moment;
  restore(moment: Moment): void;
}

export interface SearchSettings {
  /** Preemptions at most: steps away from someone who could have gone on. */
  readonly bound: number;
  /** States at most. */
  readonly states: number;
  /** False: every schedule is run to its end, whatever states it meets. For comparisons. */
  readonly remember?: boolean;
  /** Told the name of the state in which a schedule ends. */
  readonly onEnd?: (name: string) => void;
  /** True: go on behind the first failure, to the end of the space. For comparisons. */
  readonly all?: boolean;
  readonly onFailure?: (failure: Failure) => void;
}

/**
 * A stretch of a schedule that runs without being saved in between: what was chosen behind `moment` is taken again when a branch from
 * its midst is run.
 */
interface Line<Moment> {
  readonly moment: Moment;
  /** Steps before it. */
  readonly depth: number;
  readonly parent: Branch<Moment> | null;
  readonly ids: string[];
}

/** A choice that is still to be made: `option` behind `offset` steps of a line. */
interface Branch<Moment> {
  readonly line: Line<Moment>;
  readonly offset: number;
  readonly id: string;
}

/** Steps of a line before it is saved anew, so that no branch takes long to reach. */
const LINE_STEPS = 24;
/** Schedules tried in the hope of a shorter failure with as few preemptions as the first one that was found. */
const SHORTEN = 20_000;

/**
 * Every schedule with at most `bound` preemptions, those with fewer first, so that the first failure has the fewest; among those it
 * is the shortest that was met. A state is gone on from once: with the fewest preemptions with which it can be reached, in which
 * whoever was running may go on without another. Yields after each schedule and every so many steps: the caller may do other things
 * meanwhile, or never ask again.
 */
export function* search<Moment>(
  scenario: Scenario<Moment>,
  settings: SearchSettings,
): Generator<ExploreProgress, ExploreOutcome> {
  const { bound } = settings;
  const remember = settings.remember ?? true;
  const known = new Set<string>();
  const states = new Set<string>();
  const counts = { preemptions: 0, schedules: 0, depth: 0, steps: 0 };
  const progress = (): ExploreProgress => ({ ...counts, states: states.size });
  const outcome = (verdict: ExploreVerdict): ExploreOutcome => ({ ...verdict, bound, progress: progress() });

  const found: { best: { readonly failure: Failure; readonly choices: readonly string[] } | null } = { best: null };
  let queue = new DepthQueue<Branch<Moment>>();
  let later = new DepthQueue<Branch<Moment>>();

  /** The choices up to and with a branch. */
  const pathTo = (branch: Branch<Moment> | null): string[] => {
    const parts: string[][] = [];
    for (let at = branch; at !== null; at = at.line.parent) {
      parts.push([at.id]);
      parts.push(at.line.ids.slice(0, at.offset));
    }
    return parts.reverse().flat();
  };
  const pathOf = (line: Line<Moment>): string[] => [...pathTo(line.parent), ...line.ids];
  /** Takes a choice again that was there before. */
  const takeById = (id: string): void => {
    while (scenario.settle() === "worked");
    const option = scenario.options().find((o) => o.id === id);
    if (option === undefined) throw new Error(`the choice ${id} is gone: the scenario is not deterministic`);
    scenario.take(option);
    counts.steps++;
  };

  /** Runs on from where the scenario stands; a failure or the end of the schedule ends it, and so does a known state. */
  function* follow(parent: Branch<Moment> | null, start: number): Generator<ExploreProgress, string | null> {
    /** Null until there is something to come back for. */
    let line: Line<Moment> | null = null;
    let from = parent;
    counts.schedules++;
    for (;;) {
      let settled = scenario.failure() === null ? scenario.settle() : "end";
      while (settled === "worked") {
        yield progress();
        settled = scenario.settle();
      }
      const options = settled === "choice" ? scenario.options() : [];
      const here: number = line === null ? start : line.depth + line.ids.length;
      counts.depth = Math.max(counts.depth, here);
      const failure = scenario.failure();
      if (failure !== null) {
        settings.onFailure?.(failure);
        const shorter = found.best === null || here < found.best.choices.length;
        if (shorter && settings.all !== true)
          found.best = { failure, choices: line === null ? pathTo(from) : pathOf(line) };
        return null;
      }
      const stuck = scenario.stuck();
      if (stuck !== null) return stuck;
      if (settled === "end") {
        settings.onEnd?.(scenario.name());
        return null;
      }
      if (found.best !== null && here + 1 >= found.best.choices.length) return null;
      const name = scenario.name();
      const actor = scenario.actor();
      states.add(name);
      if (remember) {
        const key = `${name} ${actor}`;
        if (known.has(key)) return null;
        known.add(key);
      }
      if (states.size > settings.states) return `the limit of ${settings.states} states is reached`;
      const goesOn = actor === "" ? undefined : options.find((o) => o.actor === actor);
      const next = goesOn ?? options[0];
      if (next === undefined) throw new Error("a choice without options");
      if (line !== null && line.ids.length >= LINE_STEPS) {
        from = { line, offset: line.ids.length - 1, id: line.ids.at(-1) as string };
        line = null;
      }
      line ??= { moment: scenario.save(), depth: here, parent: from, ids: [] };
      const others = goesOn === undefined ? queue : counts.preemptions < bound ? later : null;
      if (others !== null) {
        for (const option of options) {
          if (option !== next) others.push(here, { line, offset: line.ids.length, id: option.id });
        }
      }
      scenario.take(next);
      counts.steps++;
      line.ids.push(next.id);
      if (counts.steps % 64 === 0) yield progress();
    }
  }

  const stuck = yield* follow(null, 0);
  if (stuck !== null) return outcome({ result: "stopped", why: stuck });
  let tries = 0;
  for (;;) {
    for (let branch = queue.pop(); branch !== undefined; branch = queue.pop()) {
      const depth = branch.line.depth + branch.offset + 1;
      const { best } = found;
      if (best !== null && (depth >= best.choices.length || tries++ > SHORTEN)) break;
      scenario.restore(branch.line.moment);
      for (const id of branch.line.ids.slice(0, branch.offset)) takeById(id);
      takeById(branch.id);
      const why = yield* follow(branch, depth);
      if (why !== null) return outcome({ result: "stopped", why });
      yield progress();
    }
    if (found.best !== null) {
      const { failure, choices } = found.best;
      return outcome({ result: "counterexample", found: { failure, choices, preemptions: counts.preemptions } });
    }
    if (counts.preemptions === bound || later.size === 0) return outcome({ result: "none" });
    counts.preemptions++;
    queue = later;
    later = new DepthQueue();
  }
}

/** First in, first out among what has the same depth; the smallest depth first. */
class DepthQueue<T> {
  readonly #buckets: T[][] = [];
  readonly #heads: number[] = [];
  #lowest = 0;
  size = 0;

  push(depth: number, item: T): void {
    while (this.#buckets.length <= depth) {
      this.#buckets.push([]);
      this.#heads.push(0);
    }
    this.#buckets[depth]?.push(item);
    this.#lowest = Math.min(this.#lowest, depth);
    this.size++;
  }

  pop(): T | undefined {
    for (; this.#lowest < this.#buckets.length; this.#lowest++) {
      const bucket = this.#buckets[this.#lowest] as T[];
      const head = this.#heads[this.#lowest] as number;
      if (head >= bucket.length) continue;
      this.#heads[this.#lowest] = head + 1;
      const item = bucket[head];
      bucket[head] = undefined as T;
      this.size--;
      if (head + 1 === bucket.length) {
        this.#buckets[this.#lowest] = [];
        this.#heads[this.#lowest] = 0;
      }
      return item;
    }
    return undefined;
  }
}
