import { statePairs } from "../text/state-text.ts";
import type { TracePath, TraceStep, VerifierTrace } from "../types.ts";
import type { Walker } from "./walker.ts";

/** Steps recorded at most: what a page can show, and a bound on memory. */
const MAX_STEPS = 100_000;

/** Records the walk for the page: the state before each instruction on each path, and how paths branch and end. */
export class TraceRecorder {
  private readonly steps: TraceStep[] = [];
  private readonly paths: TracePath[] = [];
  currentPath = 0;
  private count = 0;
  private start = 0;
  private parent: number | null = null;
  private from: number | null = null;

  beginPath(parent: number | null, from: number | null, start: number): void {
    this.currentPath = this.count++;
    this.parent = parent;
    this.from = from;
    this.start = start;
  }

  /** The current path ends where the walk stands; a pruned one says what covers it. */
  endPath(w: Walker, end: TracePath["end"]): void {
    const coveredBy = end === "pruned" ? w.checkpoints.coveredBy : null;
    this.paths.push({
      index: this.currentPath,
      parent: this.parent,
      fromInsn: this.from,
      startInsn: this.start,
      endInsn: w.insnIdx,
      end,
      async: w.state.frames[0]!.inAsyncCallback,
      ...(coveredBy === null ? {} : { coveredBy }),
    });
  }

  step(w: Walker): void {
    if (this.steps.length >= MAX_STEPS) return;
    const frame = w.frame;
    this.steps.push({ insn: w.insnIdx, path: this.currentPath, frame: frame.frameno, state: statePairs(frame) });
  }

  finish(): VerifierTrace {
    return { steps: this.steps, paths: this.paths };
  }
}
