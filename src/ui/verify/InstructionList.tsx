import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef } from "react";
import type { ProgramReport } from "../../protocol/engine-types.ts";
import { useActions, usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { bandsOf } from "./bands.ts";
import { shortState } from "./state-text.ts";
import { useGoTo, useVerifyFocus } from "./verify-state.ts";
import type { WalkStep } from "./walk.ts";

/** Walks of programs without a trace: the instructions in order, with nothing known of states. */
function plainWalk(program: ProgramReport): readonly WalkStep[] {
  return program.disassembly.map((line) => ({
    key: `i${line.insn}`,
    insn: line.insn,
    path: 0,
    frame: 0,
    before: new Map(),
    after: null,
    changed: [],
    line,
    jumpedFrom: null,
  }));
}

/** Does the instruction read or write the register (or slot)? */
function touches(step: WalkStep, name: string): boolean {
  if (step.changed.some(([changed]) => changed === name)) return true;
  const number = /^R(\d+)$/.exec(name)?.[1];
  const text = step.line?.text ?? "";
  if (number !== undefined) return new RegExp(`\\b[rw]${number}\\b`).test(text);
  const slot = /^fp(-\d+)/.exec(name)?.[1];
  return slot !== undefined && text.includes(`r10 ${slot})`);
}

/** Why the way does not go straight on: the condition that holds, or the call. */
function jumpWords(from: WalkStep | undefined): string {
  const text = from?.line?.text ?? "";
  const condition = /^if (.+) goto /.exec(text)?.[1];
  if (condition) return `${condition} holds: `;
  if (/^call pc/.test(text)) return "into the function: ";
  if (/^exit/.test(text)) return "back to the caller: ";
  return "";
}

/** The instruction's number; a dot before it where the run stops, set by a click or F9. */
function StopMark({ program, insn, line }: { readonly program: string; readonly insn: number; readonly line: number }) {
  const own = usePlayground((s) =>
    s.view.stops.breakpoints.some((b) => b.kind === "insn" && b.program === program && b.insn === insn),
  );
  const ofLine = usePlayground((s) => s.view.stops.breakpoints.some((b) => b.kind === "line" && b.line === line));
  const actions = useActions();
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: F9 does the same for the selected instruction
    // biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for the mouse
    <span
      className={own ? "a stop" : ofLine ? "a stopline" : "a"}
      onClick={(event) => {
        event.stopPropagation();
        actions.toggleBreakpoint({ kind: "insn", program, insn });
      }}
    >
      {own ? <span className="sr">Breakpoint </span> : null}
      {insn}
    </span>
  );
}

export function InstructionList() {
  const focus = useVerifyFocus();
  const { program, register } = focus;
  const traced = focus.walk.length > 0;
  const walk = useMemo(() => (traced || !program ? focus.walk : plainWalk(program)), [traced, focus.walk, program]);
  const bands = useMemo(() => (program ? bandsOf(program) : new Map()), [program]);
  const scroller = useRef<HTMLDivElement>(null);
  const goTo = useGoTo();
  const cursorLine = usePlayground((s) => s.view.cursorLine);
  const selected = usePlayground((s) => s.view.selectedInsn);
  const actions = useActions();
  const port = useEditorPort();
  const base = useId();
  const step = traced
    ? focus.step
    : selected && program && selected.program === program.name
      ? walk.findIndex((s) => s.insn === selected.insn)
      : -1;
  const virtualizer = useVirtualizer({
    count: walk.length,
    getScrollElement: () => scroller.current,
    estimateSize: (i) => (walk[i]?.jumpedFrom !== null && walk[i]?.jumpedFrom !== undefined ? 38 : 19),
    overscan: 20,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: follows the selection, not the measuring
  useEffect(() => {
    if (step >= 0) virtualizer.scrollToIndex(step, { align: "auto" });
  }, [step, walk]);
  const go = (index: number) => {
    const at = Math.max(0, Math.min(walk.length - 1, index));
    const to = walk[at];
    if (!to || !program) return;
    if (traced) goTo(at);
    else actions.setView({ selectedInsn: { program: program.name, insn: to.insn } });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 20, PageUp: -20 };
    if (event.key in steps) go(step + (steps[event.key] ?? 0));
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(walk.length - 1);
    else if (event.key === "Enter") {
      const line = walk[step]?.line?.line;
      if (line) port.current?.reveal("program", line);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const refused = program?.rejection?.insn ?? null;
  const causes = useMemo(
    () => new Set(program?.explanation?.causes.flatMap((cause) => (cause.insn === null ? [] : [cause.insn])) ?? []),
    [program],
  );
  return (
    <div className="ins scroll" ref={scroller}>
      <div
        role="listbox"
        tabIndex={0}
        aria-label="Instructions of the path"
        aria-activedescendant={step >= 0 ? `${base}-${step}` : undefined}
        style={{ height: virtualizer.getTotalSize(), position: "relative" }}
        onKeyDown={onKeyDown}
      >
        {virtualizer.getVirtualItems().map((item) => {
          const at = walk[item.index];
          if (!at) return null;
          const error = at.insn === refused && item.index === walk.length - 1;
          const dim = register !== null && !touches(at, register);
          const shown = at.changed.slice(0, 2).map(([name, text]) => `${name}=${shortState(text)}`);
          const band = at.line ? bands.get(at.line.line) : undefined;
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list handles the keys
            <div
              key={at.key}
              id={`${base}-${item.index}`}
              role="option"
              aria-selected={item.index === step}
              className="inw"
              style={{ transform: `translateY(${item.start}px)` }}
              onClick={() => go(item.index)}
              onDoubleClick={() => at.line && at.line.line > 0 && port.current?.reveal("program", at.line.line)}
            >
              {at.jumpedFrom === null ? null : (
                <div className="jmp">
                  {jumpWords(walk[item.index - 1])}
                  {at.jumpedFrom} → {at.insn}
                </div>
              )}
              <div
                className={`in${at.line && at.line.line === cursorLine ? " lit" : ""}${band ? ` b${band}` : ""}${error ? " er" : ""}${item.index === step ? " on" : ""}${dim ? " dim" : ""}${(register !== null && !dim) || (register === null && causes.has(at.insn)) ? " dep" : ""}`}
              >
                <StopMark program={program?.name ?? ""} insn={at.insn} line={at.line?.line ?? 0} />
                <span className="c">{at.line && at.line.line > 0 ? at.line.line : ""}</span>
                <span className="x">{at.line?.text ?? "?"}</span>
                <span className="s">{error ? (program?.errno ?? "refused") : shown.join(", ")}</span>
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}
