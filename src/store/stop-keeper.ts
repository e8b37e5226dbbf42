import type { StoreApi } from "zustand";
import type { EngineClient } from "../client/engine-client.ts";
import type { Breakpoint, BuildReport, StopPoints, Watch } from "../protocol/engine-types.ts";
import { hasCode, keptBy, NO_STOPS, withBreakpoint, withWatch } from "./stops.ts";
import type { PlaygroundState } from "./types.ts";

export interface StopKeeperPort {
  readonly store: StoreApi<PlaygroundState>;
  readonly engine: EngineClient;
  /** True while an edit waits to be built. */
  edited(): boolean;
}

/** Breakpoints and watches between page and engine. While a build is refused the older run keeps the lines of its own text. */
export class StopKeeper {
  readonly #port: StopKeeperPort;
  #told = NO_STOPS;

  constructor(port: StopKeeperPort) {
    this.#port = port;
  }

  get #state(): PlaygroundState {
    return this.#port.store.getState();
  }

  /** What the engine was told last. */
  get told(): StopPoints {
    return this.#told;
  }

  tell(points: StopPoints = this.#state.view.stops): void {
    this.#told = points;
    this.#port.engine.request({ kind: "stop-at", points }).catch(() => {});
  }

  toggleBreakpoint(breakpoint: Breakpoint): void {
    const { view, build } = this.#state;
    const stops = withBreakpoint(view.stops, breakpoint);
    const added = stops.breakpoints.length > view.stops.breakpoints.length;
    const judged = build.phase === "done" && !this.#port.edited() && !build.runningOlder;
    if (added && judged && !hasCode(build.report, breakpoint)) {
      const where = breakpoint.kind === "line" ? `Line ${breakpoint.line}` : `Instruction ${breakpoint.insn}`;
      this.#hint(`${where} has no code, so nothing can stop there.`);
    } else this.#set(stops);
  }

  toggleWatch(watch: Watch): void {
    this.#set(withWatch(this.#state.view.stops, watch));
  }

  /** Lets go of what a new build has no place for. */
  keepWhatHasCode(report: BuildReport): void {
    const kept = keptBy(report, this.#state.view.stops);
    if (kept === null) return;
    this.#set(kept.points);
    this.#hint(kept.hint);
  }

  #set(stops: StopPoints): void {
    this.#port.store.setState((s) => ({ view: { ...s.view, stops } }));
    if (!this.#state.build.runningOlder) this.tell();
  }

  #hint(text: string): void {
    this.#port.store.setState((s) => ({ view: { ...s.view, banner: { kind: "info", text } } }));
  }
}
