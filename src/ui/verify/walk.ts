import type {
  DisassembledLine,
  ProgramReport,
  TracePath,
  TraceStep,
  VerifierView,
} from "../../protocol/engine-types.ts";

/** One instruction on the way of a path, with what the verifier knew before and after it. */
export interface WalkStep {
  readonly key: string;
  readonly insn: number;
  readonly path: number;
  readonly frame: number;
  readonly before: ReadonlyMap<string, string>;
  /** null at the end of the path. */
  readonly after: ReadonlyMap<string, string> | null;
  readonly changed: readonly (readonly [string, string])[];
  readonly line: DisassembledLine | null;
  /** The instruction before this one on the path, when it does not stand right above. */
  readonly jumpedFrom: number | null;
}

/** Paths from the first ancestor to the given one. */
function ancestry(paths: readonly TracePath[], index: number): readonly TracePath[] {
  const byIndex = new Map(paths.map((p) => [p.index, p]));
  const chain: TracePath[] = [];
  for (let path = byIndex.get(index); path; path = path.parent === null ? undefined : byIndex.get(path.parent)) {
    chain.unshift(path);
    if (chain.length > 512) break;
  }
  return chain;
}

/** From the entry (or the callback's start) to the end of a path, branch by branch. */
export function walkOf(view: VerifierView, program: ProgramReport, index: number): readonly WalkStep[] {
  const chain = ancestry(view.paths, index);
  const lines = new Map(program.disassembly.map((line) => [line.insn, line]));
  const order = new Map(program.disassembly.map((line, i) => [line.insn, i]));
  const byPath = new Map<number, TraceStep[]>();
  const wanted = new Set(chain.map((p) => p.index));
  for (const step of view.steps) {
    if (!wanted.has(step.path)) continue;
    const list = byPath.get(step.path);
    if (list) list.push(step);
    else byPath.set(step.path, [step]);
  }
  const steps: TraceStep[] = [];
  chain.forEach((path, i) => {
    const own = byPath.get(path.index) ?? [];
    const next = chain[i + 1];
    if (!next) steps.push(...own);
    // A timer calls its callback later: nothing of the way to the call belongs to it.
    else if (!next.async || path.async) {
      const at = own.findLastIndex((s) => s.insn === next.fromInsn);
      steps.push(...(at < 0 ? own : own.slice(0, at + 1)));
    }
  });
  return steps.map((step, i): WalkStep => {
    const following = steps[i + 1];
    const before = new Map(step.state);
    const after = following && following.frame === step.frame ? new Map(following.state) : null;
    const changed = after ? [...after].filter(([name, text]) => before.get(name) !== text) : [];
    const previous = steps[i - 1];
    const adjacent = previous === undefined || (order.get(step.insn) ?? 0) === (order.get(previous.insn) ?? -1) + 1;
    return {
      key: `${step.path}:${i}`,
      insn: step.insn,
      path: step.path,
      frame: step.frame,
      before,
      after,
      changed,
      line: lines.get(step.insn) ?? null,
      jumpedFrom: adjacent || previous === undefined ? null : previous.insn,
    };
  });
}

/** Step at which a register or slot took the value that it has before `at`; -1 when it had it from the start. */
export function writtenAt(walk: readonly WalkStep[], at: number, name: string): number {
  const value = walk[at]?.before.get(name);
  for (let i = at - 1; i >= 0; i--) if (walk[i]?.before.get(name) !== value) return i;
  return -1;
}

/** Step that made a register or slot unreadable which had a value before; -1 when it never had one. */
export function lostAt(walk: readonly WalkStep[], at: number, name: string): number {
  for (let i = at - 1; i >= 0; i--) if (walk[i]?.before.has(name)) return i;
  return -1;
}

/** The path to show first: the one that was refused, else the first. */
export function defaultPath(view: VerifierView): number {
  return (view.paths.find((p) => p.end === "rejected") ?? view.paths[0])?.index ?? 0;
}
