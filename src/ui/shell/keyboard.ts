import { useEffect } from "react";
import type { PlaygroundActions, PlaygroundState } from "../../store/types.ts";
import { problemsOf } from "../editor/problems.ts";
import { setPanelState } from "../panels/panel-state.ts";
import { readinessOf } from "../race/readiness.ts";
import { useActions, usePlayground, useReadState } from "./context.tsx";
import { useEditorPort } from "./editor-port.tsx";

const SINGLE_KEYS = "bpf-timer-playground.single-keys";

/** Whether `[`, `]` and `?` act outside the editor; WCAG 2.1.4 wants a switch. */
export function singleKeysEnabled(): boolean {
  try {
    return localStorage.getItem(SINGLE_KEYS) !== "off";
  } catch {
    return true;
  }
}

export function setSingleKeysEnabled(on: boolean): void {
  try {
    localStorage.setItem(SINGLE_KEYS, on ? "on" : "off");
  } catch {
    // Without storage the switch lasts as long as the dialog; nothing to do.
  }
}

function inText(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], .monaco-editor") !== null
  );
}

/** Seq just after the previous expiry, or 0. */
export function previousExpiry(state: PlaygroundState): number {
  const { events, position } = state.run;
  for (let i = position - 2; i >= 0; i--) if (events[i]?.kind === "timer-fire") return i + 1;
  return 0;
}

/** Line of the next or previous problem after the cursor, wrapping; null when there is none. */
export function nextProblemLine(state: PlaygroundState, direction: 1 | -1): number | null {
  const lines = [
    ...new Set(
      problemsOf(state.build.report, state.source.program).flatMap((p) => (p.file === "program" ? [p.line] : [])),
    ),
  ]
    .filter((line) => line > 0)
    .sort((a, b) => a - b);
  if (lines.length === 0) return null;
  const from = state.view.cursorLine ?? 0;
  return direction === 1
    ? (lines.find((line) => line > from) ?? lines[0] ?? null)
    : (lines.findLast((line) => line < from) ?? lines.at(-1) ?? null);
}

/** A breakpoint at the cursor's line, or at the instruction that is looked at in a list of them. */
function toggleHere(target: EventTarget | null, actions: PlaygroundActions, state: PlaygroundState): void {
  const { file, cursorLine, selectedInsn } = state.view;
  const inList = target instanceof HTMLElement && target.closest(".ins") !== null;
  if (inList || file === "assembly") {
    if (selectedInsn) actions.toggleBreakpoint({ kind: "insn", ...selectedInsn });
  } else if (file === "program" && cursorLine !== null) actions.toggleBreakpoint({ kind: "line", line: cursorLine });
}

function act(event: KeyboardEvent, actions: PlaygroundActions, state: PlaygroundState): boolean | number {
  const mod = event.ctrlKey || event.metaKey;
  if (mod && event.key === "Enter") {
    if (state.view.view !== "race") actions.buildAndRun();
    else if (state.race.phase !== "searching" && readinessOf(state) !== "refused") actions.explore();
  } else if (mod && !event.shiftKey && event.key.toLowerCase() === "s") actions.setView({ dialog: "share" });
  else if (event.key === "F8") return nextProblemLine(state, event.shiftKey ? -1 : 1) ?? true;
  else if (event.key === "F9") toggleHere(event.target, actions, state);
  else if (event.key === "F10") actions.stepEvent(event.shiftKey ? -1 : 1);
  else if (event.key === "F11") {
    if (event.shiftKey) actions.stepEvent(-1);
    else {
      setPanelState({ moment: "registers" });
      actions.stepInstruction();
    }
  } else if (event.key === "Escape" && state.view.maximised !== null && !event.defaultPrevented)
    actions.setView({ maximised: null });
  else if (!mod && !event.altKey && !inText(event.target) && singleKeysEnabled()) {
    if (event.key === "]") actions.nextTimer();
    else if (event.key === "[") actions.seek(previousExpiry(state));
    else if (event.key === "?") actions.setView({ dialog: "help" });
    else return false;
  } else return false;
  return true;
}

/** Where a program is stopped, its registers come up. */
export function useStops(): void {
  const stopped = usePlayground((s) => s.run.stopped?.place ?? null);
  useEffect(() => {
    if (stopped !== null) setPanelState({ moment: "registers", activity: "registers" });
  }, [stopped]);
}

/** The page's keys. Dialogs and menus stop what is theirs before it gets here. */
export function useKeyboard(): void {
  const actions = useActions();
  const read = useReadState();
  const port = useEditorPort();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const state = read();
      if (state.view.dialog !== "none") return;
      const done = act(event, actions, state);
      if (done === false) return;
      if (typeof done === "number") port.current?.reveal("program", done);
      event.preventDefault();
      event.stopPropagation();
    };
    addEventListener("keydown", onKeyDown, { capture: true });
    return () => removeEventListener("keydown", onKeyDown, { capture: true });
  }, [actions, read, port]);
}
