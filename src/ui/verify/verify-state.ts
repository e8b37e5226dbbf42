import { useEffect, useMemo } from "react";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import type { ProgramReport, VerifierView } from "../../protocol/engine-types.ts";
import type { PlaygroundState } from "../../store/types.ts";
import { useActions, usePlayground, useReadState } from "../shell/context.tsx";
import { defaultPath, type WalkStep, walkOf } from "./walk.ts";

/** What is looked at in the Verify view: path, step on it, register. Reset when another trace arrives. */
interface VerifyChoice {
  readonly trace: VerifierView | null;
  readonly path: number | null;
  readonly step: number | null;
  /** The instruction selected on the page when the step was chosen; another one since then counts more. */
  readonly insn: SelectedInsn;
  readonly register: string | null;
}

type SelectedInsn = PlaygroundState["view"]["selectedInsn"];

const NOTHING = { path: null, step: null, insn: null, register: null } as const;
const choice = createStore<VerifyChoice>(() => ({ trace: null, ...NOTHING }));

/** Walks made before, per trace; several panels ask for the same one. */
const walks = new WeakMap<VerifierView, Map<number, readonly WalkStep[]>>();

function sharedWalk(view: VerifierView, program: ProgramReport, path: number): readonly WalkStep[] {
  const known = walks.get(view) ?? new Map<number, readonly WalkStep[]>();
  walks.set(view, known);
  const walk = known.get(path) ?? walkOf(view, program, path);
  known.set(path, walk);
  return walk;
}

/** The program asked about: the one of the trace, else the first that was refused, else the first. */
export function useInspected(): ProgramReport | null {
  const report = usePlayground((s) => s.build.report);
  const verifier = usePlayground((s) => s.verifier);
  const selected = usePlayground((s) => s.view.selectedInsn?.program ?? null);
  const actions = useActions();
  const programs = report?.ok ? report.programs : [];
  const program =
    programs.find((p) => p.name === (verifier?.program ?? selected)) ??
    programs.find((p) => p.verdict === "reject") ??
    programs[0] ??
    null;
  const name = program?.name ?? null;
  const traced = verifier?.program ?? null;
  useEffect(() => {
    if (name !== null && traced !== name) actions.inspectProgram(name);
  }, [name, traced, actions]);
  return program;
}

export interface VerifyFocus {
  readonly program: ProgramReport | null;
  readonly view: VerifierView | null;
  readonly path: number;
  readonly walk: readonly WalkStep[];
  /** Index into `walk`; -1 when it is empty. */
  readonly step: number;
  readonly register: string | null;
}

export function useVerifyFocus(): VerifyFocus {
  const program = useInspected();
  const view = usePlayground((s) => s.verifier);
  const insn = usePlayground((s) => s.view.selectedInsn);
  const chosen = useStore(choice);
  const mine = chosen.trace === view ? chosen : NOTHING;
  return useMemo(() => {
    const none = { program, view, path: 0, walk: [], step: -1, register: mine.register };
    if (!view || !program || view.program !== program.name) return none;
    const wanted = insn && insn.program === program.name && insn !== mine.insn ? insn.insn : null;
    let path = mine.path ?? defaultPath(view);
    let walk = sharedWalk(view, program, path);
    if (wanted === null) return { ...none, path, walk, step: Math.min(walk.length - 1, mine.step ?? walk.length - 1) };
    let step = walk.findLastIndex((s) => s.insn === wanted);
    if (step < 0) {
      path = view.steps.find((s) => s.insn === wanted)?.path ?? path;
      walk = sharedWalk(view, program, path);
      step = walk.findLastIndex((s) => s.insn === wanted);
    }
    return { ...none, path, walk, step: step < 0 ? walk.length - 1 : step };
  }, [program, view, insn, mine]);
}

/** Changes what is looked at; what is not named stays, but another path begins at its end. */
export function useChoose(): (change: {
  readonly path?: number;
  readonly step?: number | null;
  readonly register?: string | null;
}) => void {
  const focus = useVerifyFocus();
  const read = useReadState();
  return (change) => {
    const { path, step, register, view } = focus;
    choice.setState({
      trace: view,
      path: change.path ?? path,
      step: change.step !== undefined ? change.step : change.path !== undefined && change.path !== path ? null : step,
      insn: read().view.selectedInsn,
      register: change.register !== undefined ? change.register : register,
    });
  };
}

/** Steps to a place on the walk, and tells the rest of the page which instruction that is. */
export function useGoTo(): (step: number) => void {
  const { program, view, path, walk, register } = useVerifyFocus();
  const actions = useActions();
  return (step) => {
    const to = walk[step];
    if (!to || !program) return;
    const insn = { program: program.name, insn: to.insn };
    choice.setState({ trace: view, path, step, insn, register });
    actions.setView({ selectedInsn: insn });
  };
}
