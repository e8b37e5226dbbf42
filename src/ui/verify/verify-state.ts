import { useEffect, useMemo } from "react";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import type { ProgramReport, VerifierView } from "../../protocol/engine-types.ts";
import { useActions, usePlayground } from "../shell/context.tsx";
import { defaultPath, type WalkStep, walkOf } from "./walk.ts";

/** What is looked at in the Verify view: path, step on it, register. Reset when another trace arrives. */
interface VerifyChoice {
  readonly trace: VerifierView | null;
  readonly path: number | null;
  readonly step: number | null;
  readonly register: string | null;
}

const choice = createStore<VerifyChoice>(() => ({ trace: null, path: null, step: null, register: null }));

export const chooseVerify = (change: Partial<VerifyChoice>): void => choice.setState(change);

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
  const mine = chosen.trace === view ? chosen : { path: null, step: null, register: null };
  const path = view ? (mine.path ?? defaultPath(view)) : 0;
  const walk = useMemo(
    () => (view && program && view.program === program.name ? walkOf(view, program, path) : []),
    [view, program, path],
  );
  const fromInsn =
    insn && program && insn.program === program.name ? walk.findLastIndex((s) => s.insn === insn.insn) : -1;
  const step = Math.min(walk.length - 1, mine.step ?? (fromInsn >= 0 ? fromInsn : walk.length - 1));
  return { program, view, path, walk, step, register: mine.register };
}

export function useChoose(): (change: { path?: number; step?: number | null; register?: string | null }) => void {
  const view = usePlayground((s) => s.verifier);
  return (change) => {
    const before = choice.getState();
    const same = before.trace === view;
    chooseVerify({
      trace: view,
      path: change.path ?? (same ? before.path : null),
      step:
        change.path !== undefined
          ? (change.step ?? null)
          : change.step === undefined
            ? same
              ? before.step
              : null
            : change.step,
      register: change.register === undefined ? (same ? before.register : null) : change.register,
    });
  };
}
