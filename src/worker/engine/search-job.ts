import type { ExploreOutcome } from "../../engine/explore/types.ts";
import {
  DEFAULT_STATES,
  describeSchedule,
  type Exploration,
  hasBlocks,
  startExploration,
} from "../../engine/session/explorer.ts";
import { type BuiltObject, withSettings } from "../../engine/session/session.ts";
import type { EngineRequest, ExploreEvent, ExploreReport } from "../../protocol/engine.ts";

/** Progress is told so often, ms. */
const TELL_MS = 100;
/** States that a page remembers: some tens of megabytes. */
const MAX_STATES = DEFAULT_STATES / 2;

export interface SearchJobPort {
  /** ms, monotonic */
  now(): number;
  tell(event: ExploreEvent): void;
  reply(report: ExploreReport): void;
}

/** A search in slices, from the request to its reply. */
export class SearchJob {
  readonly #built: BuiltObject;
  readonly #request: EngineRequest & { readonly kind: "explore" };
  readonly #port: SearchJobPort;
  readonly #exploration: Exploration;
  readonly #concurrent: boolean;
  readonly #began: number;
  #told: number;
  over = false;

  constructor(object: BuiltObject, request: EngineRequest & { readonly kind: "explore" }, port: SearchJobPort) {
    const { policy, script, bound } = request;
    this.#built = withSettings(object, { ...object.settings, policy }, []).built ?? object;
    this.#request = request;
    this.#port = port;
    this.#began = port.now();
    this.#told = this.#began;
    const { exploration, diagnostics } = startExploration(this.#built, script, { bound, states: MAX_STATES });
    this.#exploration = exploration;
    this.#concurrent = hasBlocks(script);
    if (diagnostics.length > 0 || !this.#concurrent) this.#end(null, diagnostics);
  }

  /** Works up to a time. */
  work(deadline: number): void {
    while (this.#exploration.outcome === null && this.#port.now() < deadline) this.#exploration.work();
    const now = this.#port.now();
    const { outcome } = this.#exploration;
    if (outcome !== null) this.#end(outcome);
    else if (now - this.#told >= TELL_MS) {
      this.#told = now;
      const { policy } = this.#request;
      this.#port.tell({ kind: "explore", policy, progress: this.#exploration.progress, milliseconds: this.#time(now) });
    }
  }

  cancel(why?: string): void {
    if (!this.over) this.#end(this.#exploration.cancel(why));
  }

  #time(now: number): number {
    return Math.round(now - this.#began);
  }

  #end(outcome: ExploreOutcome | null, diagnostics: ExploreReport["diagnostics"] = []): void {
    if (this.over) return;
    this.over = true;
    const { policy, script } = this.#request;
    const choices = outcome?.result === "counterexample" ? outcome.found.choices : null;
    this.#port.reply({
      policy,
      diagnostics,
      concurrent: this.#concurrent,
      outcome,
      schedule: choices === null ? null : describeSchedule(this.#built, script, choices),
      milliseconds: this.#time(this.#port.now()),
    });
  }
}
