import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import type { ShownStep } from "../../protocol/engine-types.ts";
import { Empty, IconButton, Panel } from "../controls/Panel.tsx";
import { useActions, useMediaQuery, usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { saveFile } from "../shell/save-file.ts";
import { formatMoment, plural } from "../text/format.ts";
import { preemptions, scheduleMarkdown } from "./race-text.ts";
import { blocksOf } from "./readiness.ts";
import { type Lane, lanesOf, rowsOf, type ScheduleRow } from "./rows.ts";

const laneTitle = (lane: Lane): string => (typeof lane === "number" ? `CPU ${lane}` : "Kernel");

/** The schedule that is shown: a column per CPU, a row per step, the step that fails last. */
export function SchedulePanel() {
  const schedule = usePlayground((s) => s.race.schedule);
  const [all, setAll] = useState(false);
  const rows = useMemo(() => rowsOf(schedule?.steps ?? [], all), [schedule, all]);
  const report = usePlayground((s) => s.race.report);
  const script = usePlayground((s) => s.source.script);
  const found = report?.outcome?.result === "counterexample" ? report.outcome.found : null;
  return (
    <Panel
      id="schedule"
      title={schedule?.failure ? "Counterexample" : "Schedule"}
      className="schedp"
      meta={
        schedule === null ? null : (
          <span className="m">
            {plural(rows.length, "step")}
            {found === null ? "" : `, ${preemptions(found.preemptions)}`}
          </span>
        )
      }
      tools={
        schedule === null ? null : (
          <>
            <button type="button" className="mini" aria-pressed={all} onClick={() => setAll(!all)}>
              {all ? "Hide silent steps" : "Every step"}
            </button>
            <CopyMarkdown text={() => scheduleMarkdown(report, schedule, script)} />
            <IconButton
              icon="download"
              label="Save as Markdown"
              onClick={() => saveFile("schedule.md", scheduleMarkdown(report, schedule, script), "text/markdown")}
            />
          </>
        )
      }
    >
      {schedule === null ? <NoSchedule /> : <Lanes rows={rows} steps={schedule.steps} />}
    </Panel>
  );
}

function CopyMarkdown({ text }: { readonly text: () => string }) {
  const [copied, setCopied] = useState<"no" | "yes" | "failed">("no");
  const label = copied === "yes" ? "Copied" : copied === "failed" ? "The browser refused to copy" : "Copy as Markdown";
  return (
    <IconButton
      icon={copied === "yes" ? "check" : "copy"}
      label={label}
      onClick={() =>
        void navigator.clipboard.writeText(text()).then(
          () => setCopied("yes"),
          () => setCopied("failed"),
        )
      }
    />
  );
}

function NoSchedule() {
  const phase = usePlayground((s) => s.race.phase);
  if (phase === "searching")
    return (
      <Empty title="Searching">
        <p>A schedule that fails appears here, step by step.</p>
      </Empty>
    );
  return (
    <Empty title="No schedule to show">
      <p>The first order of steps that fails appears here: a column for each CPU, a row for each step.</p>
      <ToCome />
    </Empty>
  );
}

/** What will be explored: the lines that run side by side. */
function ToCome() {
  const script = usePlayground((s) => s.source.script);
  const blocks = useMemo(() => blocksOf(script), [script]);
  if (blocks.length === 0) return null;
  return (
    <div className="tocome">
      {blocks.slice(0, 4).map((block, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks have no other name
        <ul key={i} aria-label="Side by side">
          {[...block].map(([cpu, lines]) => (
            <li key={cpu}>
              <b>CPU {cpu}</b>
              {lines.slice(0, 8).map((line, n) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: lines may be equal
                <code key={n}>{line}</code>
              ))}
            </li>
          ))}
        </ul>
      ))}
    </div>
  );
}

function Lanes({ rows, steps }: { readonly rows: readonly ScheduleRow[]; readonly steps: readonly ShownStep[] }) {
  const step = usePlayground((s) => (s.race.replayed ? s.race.step : null));
  const actions = useActions();
  const lanes = useMemo(() => lanesOf(steps), [steps]);
  const width = useLaneWidth(lanes.length);
  const list = useRef<HTMLOListElement>(null);
  const current = step === null ? -1 : rows.findIndex((row) => step >= row.from && step <= row.to);
  const last = rows.length - 1;
  // The failure is what one came for: it is in sight at first.
  useEffect(() => {
    list.current?.querySelector(".srow:last-child")?.scrollIntoView({ block: "nearest" });
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    const to =
      event.key === "ArrowDown"
        ? Math.min(last, current + 1)
        : event.key === "ArrowUp"
          ? Math.max(0, current - 1)
          : event.key === "Home"
            ? 0
            : event.key === "End"
              ? last
              : -1;
    const row = rows[to];
    if (row === undefined) return;
    event.preventDefault();
    actions.selectStep(row.to);
    list.current?.querySelectorAll<HTMLElement>(".step")[to]?.focus();
  };
  return (
    <div className="sched scroll">
      <div className="sh" aria-hidden="true">
        <span />
        <span className="st">ms</span>
        <span className="ll">
          {lanes.map((lane, i) => (
            <b key={lane} style={{ left: `${100 * leftOf(i, lanes.length, width)}%` }}>
              {laneTitle(lane)}
            </b>
          ))}
        </span>
      </div>
      <ol ref={list} aria-label="Steps" onKeyDown={onKeyDown}>
        {rows.map((row, i) => (
          <Row
            key={row.index}
            row={row}
            number={i + 1}
            lanes={lanes}
            width={width}
            before={rows[i - 1] ?? null}
            selected={i === current}
            reachable={i === (current < 0 ? last : current)}
          />
        ))}
      </ol>
    </div>
  );
}

/** Share of the room that a step takes: its lane's, or more where that would be too narrow to read; lanes then overlap. */
function useLaneWidth(lanes: number): number {
  const middle = useMediaQuery("(max-width: 1179.98px)");
  const narrow = useMediaQuery("(max-width: 719.98px)");
  return Math.max(1 / Math.max(1, lanes), narrow ? 0.66 : middle ? 0.5 : 0);
}

const leftOf = (lane: number, lanes: number, width: number): number =>
  lanes < 2 ? 0 : (lane * (1 - width)) / (lanes - 1);

function Row(props: {
  readonly row: ScheduleRow;
  readonly number: number;
  readonly lanes: readonly Lane[];
  readonly width: number;
  readonly before: ScheduleRow | null;
  readonly selected: boolean;
  /** By Tab; the others by the arrow keys. */
  readonly reachable: boolean;
}) {
  const { row, number, lanes, width, before, selected } = props;
  const { step, change, lane } = row;
  const actions = useActions();
  const at = lanes.indexOf(lane);
  const whole = lane === "script" || at < 0;
  const silent = row.to - row.from;
  const [title, ...rest] = step.words.split("; ");
  return (
    <li className="srow" data-mark={step.mark} data-lane={whole ? "script" : lane} data-who={whoOf(step)}>
      <Weave
        from={before === null ? -1 : lanes.indexOf(before.lane)}
        to={at}
        lanes={lanes.length}
        width={width}
        change={change}
      />
      <span className="sn">{number}</span>
      <span className="st">{formatMoment(step.at)}</span>
      <div
        className="cell"
        style={whole ? {} : { width: `${100 * width}%`, left: `${100 * leftOf(at, lanes.length, width)}%` }}
      >
        <button
          type="button"
          className="step"
          aria-current={selected ? "step" : undefined}
          tabIndex={props.reachable ? 0 : -1}
          onClick={() => actions.selectStep(row.to)}
        >
          <span className="sr">
            {`Step ${number}, ${whole ? "" : laneTitle(lane)}${change === "preemption" ? ", preempts" : ""}${step.mark === "cause" ? ", the cause" : step.mark === "failure" ? ", fails here" : ""}: `}
          </span>
          <b>{title}</b>
          {rest.map((part) => (
            <small key={part}>{part}</small>
          ))}
          {step.mark === "cause" || step.mark === "failure" ? (
            <span className="tag" aria-hidden="true">
              {step.mark === "cause" ? "cause" : "fails here"}
            </span>
          ) : null}
          {silent > 0 && step.mark !== "failure" ? (
            <small className="t3">{plural(silent, "silent step")} with it</small>
          ) : null}
        </button>
        {step.place !== null && step.place.line > 0 ? (
          <SourceLine line={step.place.line} of={step.place.functionName} reachable={props.reachable} />
        ) : null}
      </div>
    </li>
  );
}

/** Whose colour a step has: that of a timer's callback, of a program, or none. */
function whoOf(step: ShownStep): "timer" | "prog" | "none" {
  if (/^callback /.test(step.actor)) return "timer";
  return /^prog /.test(step.actor) ? "prog" : "none";
}

/** The line of C that a step is at; leads there. */
function SourceLine(props: { readonly line: number; readonly of: string; readonly reachable: boolean }) {
  const { line, of, reachable } = props;
  const text = usePlayground((s) =>
    s.source.object === null ? (s.source.program.split("\n", line)[line - 1] ?? "") : "",
  );
  const port = useEditorPort();
  return (
    <button
      type="button"
      className="src"
      tabIndex={reachable ? 0 : -1}
      title={`${of}, line ${line}: ${text.trim()}`}
      onClick={() => port.current?.reveal("program", line)}
    >
      <span className="t3">{line}</span> <code>{text.trim() || of}</code>
    </button>
  );
}

/** From the lane of the step before to that of this one: solid when the one before could not go on, dashed for a preemption. */
function Weave(props: {
  readonly from: number;
  readonly to: number;
  readonly lanes: number;
  readonly width: number;
  readonly change: ShownStep["change"];
}) {
  const { from, to, lanes, width, change } = props;
  if (from < 0 || to < 0) return null;
  const x = (lane: number) => 100 * (leftOf(lane, lanes, width) + width / 2);
  const path = from === to ? `M${x(to)} 0V10` : `M${x(from)} 0V5H${x(to)}V10`;
  return (
    <svg className="weave" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <path className={change === "preemption" ? "pre" : ""} d={path} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
