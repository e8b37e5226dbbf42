import type { VerifierState } from "../state.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { forceAll, precisionChange, propagatePrecision } from "./precision.ts";
import type { Walker } from "./walker.ts";

const MAX_ROUNDS = 64;

/** A loop while it is being walked, for one chain of calls. */
interface LoopVisit {
  /** `(7,1)`: call sites, then the loop's number. */
  readonly name: string;
  /** The first state kept inside; null when all paths from it have finished. */
  entry: VerifierState | null;
  /** Paths that ended because they came back: the state there, and the kept one that covers it. */
  backedges: { readonly state: VerifierState; readonly covered: VerifierState }[];
}

/** Loops in progress: what paths that came back to a kept state must still learn when the loop is done. */
export class Loops {
  private readonly w: Walker;
  private readonly checkpoints: Checkpoints;
  private visits = new Map<string, LoopVisit>();
  backedgeCount = 0;

  constructor(w: Walker, checkpoints: Checkpoints) {
    this.w = w;
    this.checkpoints = checkpoints;
  }

  reset(): void {
    this.visits = new Map();
  }

  /** Call sites up to the outermost frame that stands in a loop, and that loop; null when none does. */
  private nameOf(state: VerifierState): string | null {
    const components = this.w.tables.components;
    const frames = state.frames;
    const top = frames.length - 1;
    if (top === 0) {
      const loop = components[state.insnIdx]!;
      return loop === 0 ? null : `(${loop})`;
    }
    let name = "(";
    for (let f = 0; f <= top; f++) {
      const at = f === top ? state.insnIdx : frames[f + 1]!.callsite;
      const loop = components[at]!;
      if (loop !== 0) return `${name}${loop})`;
      name += `${at},`;
    }
    return null;
  }

  /** `state` was just kept. */
  enter(state: VerifierState): void {
    const name = this.nameOf(state);
    if (name === null) return;
    let visit = this.visits.get(name);
    if (visit === undefined) {
      visit = { name, entry: null, backedges: [] };
      this.visits.set(name, visit);
    }
    if (visit.entry === null) {
      visit.entry = state;
      this.w.detail(`SCC enter ${name}`);
    }
  }

  /** The loop of this kept state still has paths that came back and may bring more precision marks. */
  isOpen(state: VerifierState): boolean {
    if (this.backedgeCount === 0) return false;
    const name = this.nameOf(state);
    return name !== null && (this.visits.get(name)?.backedges.length ?? 0) > 0;
  }

  addBackedge(covered: VerifierState, state: VerifierState): void {
    const name = this.nameOf(covered);
    const visit = name === null ? undefined : this.visits.get(name);
    if (visit === undefined) return;
    this.w.detail(`SCC backedge ${visit.name}`);
    const copy = state.clone();
    copy.parent = state.parent;
    copy.history = state.history.slice();
    copy.firstInsn = state.firstInsn;
    copy.lastInsn = state.lastInsn;
    copy.insnIdx = this.w.insnIdx;
    visit.backedges.unshift({ state: copy, covered });
    this.backedgeCount++;
    this.checkpoints.updatePeak();
  }

  /** All paths from `state` have finished. False when rejected. */
  exit(state: VerifierState): boolean {
    const name = this.nameOf(state);
    const visit = name === null ? undefined : this.visits.get(name);
    if (visit === undefined || visit.entry !== state) return true;
    this.w.detail(`SCC exit ${visit.name}`);
    visit.entry = null;
    this.backedgeCount -= visit.backedges.length;
    this.checkpoints.updatePeak();
    const edges = visit.backedges;
    visit.backedges = [];
    for (let round = 0; edges.length > 0; round++) {
      if (round > MAX_ROUNDS) {
        for (const edge of edges) forceAll(this.w, edge.state);
        break;
      }
      precisionChange.happened = false;
      for (const edge of edges) if (!propagatePrecision(this.w, edge.covered, edge.state)) return false;
      if (!precisionChange.happened) break;
    }
    return true;
  }
}
