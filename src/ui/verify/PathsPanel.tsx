import { useMemo, useState } from "react";
import type { ProgramReport, TracePath, VerifierView } from "../../protocol/engine-types.ts";
import { Picker } from "../controls/Menu.tsx";
import { Empty, IconButton, MaximiseButton } from "../controls/Panel.tsx";
import { useActions, usePlayground, useSize } from "../shell/context.tsx";
import { formatNumber, plural } from "../text/format.ts";
import { LabelRoom } from "../time-axis/marks.ts";
import { useChoose, useVerifyFocus } from "./verify-state.ts";

/** Instructions processed beyond which the trace takes its time. */
const MANY = 100_000;
/** Beyond this many paths the pruned ones fold into a count. */
const SHOWN = 40;
const ROW = 26;
const LEFT = 226;
/** Room for how a path ends; what covers a pruned one takes more words. */
const RIGHT = 250;
const RIGHT_PRUNED = 330;

/** Below this width the words of a path stand above its line. */
const NARROW = 560;
const NARROW_ROW = 44;
const NARROW_LEFT = 36;
const NARROW_RIGHT = 24;
/** Width of a character of a path's words, px. */
const CHARACTER = 6.3;

function functionAt(view: VerifierView, insn: number): string {
  return view.functions.findLast((f) => insn >= f.start)?.name ?? view.program;
}

function endText(path: TracePath, program: ProgramReport): string {
  switch (path.end) {
    case "exit":
      return `exit at ${path.endInsn}, safe`;
    case "return":
      return `returns at ${path.endInsn}`;
    case "pruned":
      return `pruned at ${path.endInsn}: ${coverText(path)}`;
    case "rejected":
      return `${path.endInsn}: ${program.errno ?? "refused"}`;
  }
}

function coverText({ coveredBy, index }: TracePath): string {
  if (!coveredBy) return "a state seen before covers it";
  return `${coveredBy.path === index ? "it" : `path ${coveredBy.path + 1}`} was here with a state that covers it`;
}

function pathName(path: TracePath, view: VerifierView): string {
  const fn = functionAt(view, path.startInsn);
  if (path.async) {
    if (path.fromInsn === null || path.parent === null) return `${fn}: callback`;
    return functionAt(view, path.fromInsn) === fn
      ? `${fn}: from ${path.fromInsn} to ${path.startInsn}`
      : `${fn}: callback set at ${path.fromInsn}`;
  }
  return path.fromInsn === null ? `${fn}: from the entry` : `${fn}: from ${path.fromInsn} to ${path.startInsn}`;
}

export function ProgramPicker() {
  const report = usePlayground((s) => s.build.report);
  const { program } = useVerifyFocus();
  const actions = useActions();
  if (!report?.ok || report.programs.length < 2 || !program) return null;
  return (
    <Picker
      name="Program"
      value={program.name}
      mono
      items={report.programs.map((p) => ({
        id: p.name,
        label: <code>{p.name}</code>,
        text: p.name,
        hint:
          p.verdict === "accept" ? "accepted" : p.verdict === "reject" ? `refused, ${p.errno ?? ""}` : "not modelled",
        checked: p.name === program.name,
      }))}
      onChoose={(name) => {
        actions.setView({ selectedInsn: null });
        actions.inspectProgram(name);
      }}
    />
  );
}

export function PathsPanel() {
  const { program, view, path } = useVerifyFocus();
  const [table, setTable] = useState(false);
  const maximised = usePlayground((s) => s.view.maximised === "paths");
  const stats = program?.stats;
  return (
    <section className="panel" data-panel="paths" data-max={maximised} aria-label="Paths">
      <div className="ph">
        <h2>Paths</h2>
        <span className="m">
          {view && stats
            ? `in the order explored: ${plural(view.paths.length, "path")}, ${formatNumber(stats.insnsProcessed)} instructions, ${plural(stats.totalStates, "state")}`
            : null}
        </span>
        <Legend />
        <span className="tools">
          <ProgramPicker />
          <IconButton
            icon="table"
            label={table ? "Show as picture" : "Show as table"}
            pressed={table}
            onClick={() => setTable(!table)}
          />
          <MaximiseButton panel="paths" title="the paths" />
        </span>
      </div>
      <div className="pb">
        {!program ? (
          <Empty title="Nothing to verify yet">
            <p>Once the program compiles, every path that the verifier explores is drawn here in its order.</p>
          </Empty>
        ) : !view || view.program !== program.name || view.paths.length === 0 ? (
          <Empty title="No trace of this program">
            <p>
              {program.verdict === "unsupported"
                ? "The verifier met something that is not modelled here."
                : program.stats.insnsProcessed > MANY
                  ? "The verifier’s steps are made on demand. Of a program that takes so many, the first 100,000 are kept; that takes some seconds."
                  : "The verifier’s steps are made on demand; they appear in a moment."}
            </p>
          </Empty>
        ) : table ? (
          <PathTable view={view} program={program} />
        ) : (
          <PathPicture view={view} program={program} selected={path} />
        )}
      </div>
    </section>
  );
}

function Legend() {
  return (
    <span className="legend" aria-hidden="true">
      <span>
        <svg viewBox="0 0 24 8" aria-hidden="true">
          <path d="M1 4h22" stroke="var(--goodF)" strokeWidth="3" />
        </svg>
        safe
      </span>
      <span>
        <svg viewBox="0 0 24 8" aria-hidden="true">
          <path d="M1 4h14" stroke="var(--line3)" strokeWidth="3" />
          <path d="M18 0v8M22 0v8" stroke="var(--line3)" strokeWidth="1.6" />
        </svg>
        pruned
      </span>
      <span>
        <svg viewBox="0 0 24 8" aria-hidden="true">
          <path className="e-p" d="M0 4h24" />
        </svg>
        waits on the stack
      </span>
      <span>
        <svg viewBox="0 0 24 8" aria-hidden="true">
          <path d="M1 4h14" stroke="var(--badF)" strokeWidth="3" />
          <path d="M20 0l4 4-4 4-4-4z" fill="var(--badF)" />
        </svg>
        rejected
      </span>
    </span>
  );
}

interface Drawn {
  readonly path: TracePath;
  readonly y: number;
  readonly x1: number;
  readonly x2: number;
  readonly insns: readonly number[];
}

function PathPicture(props: {
  readonly view: VerifierView;
  readonly program: ProgramReport;
  readonly selected: number;
}) {
  const { view, program, selected } = props;
  const [ref, size] = useSize<HTMLDivElement>();
  const choose = useChoose();
  const drawn = useMemo(() => {
    const steps = new Map<number, number[]>();
    for (const step of view.steps) {
      const list = steps.get(step.path);
      if (list) list.push(step.insn);
      else steps.set(step.path, [step.insn]);
    }
    const folded = view.paths.length > SHOWN;
    const kept = folded ? view.paths.filter((p) => p.end !== "pruned" || p.index === selected) : view.paths;
    const shown = folded && kept.length > SHOWN ? [...kept.slice(0, SHOWN - 12), ...kept.slice(-12)] : kept;
    const total = Math.max(
      1,
      shown.reduce((sum, p) => sum + (steps.get(p.index)?.length ?? 0), 0),
    );
    const room = view.paths.some((p) => p.end === "pruned") ? RIGHT_PRUNED : RIGHT;
    const narrow = size.width < NARROW;
    const left = narrow ? NARROW_LEFT : LEFT;
    const unit = Math.max(1, size.width - left - (narrow ? NARROW_RIGHT : room)) / total;
    const starts = new Map<number, number>();
    let at = 0;
    for (const path of shown) {
      starts.set(path.index, at);
      at += steps.get(path.index)?.length ?? 0;
    }
    const rows = shown.map((path, i): Drawn => {
      const insns = steps.get(path.index) ?? [];
      const start = starts.get(path.index) ?? 0;
      const x1 = left + start * unit;
      const y = narrow ? 30 + i * NARROW_ROW : 16 + i * ROW;
      return { path, y, x1, x2: Math.max(x1 + 10, left + (start + insns.length) * unit), insns };
    });
    return { rows, hidden: view.paths.length - shown.length, unit, narrow };
  }, [view, size.width, selected]);
  const forkRooms = new Map<number, LabelRoom>();
  const forkRoom = (path: number): LabelRoom => {
    const room = forkRooms.get(path) ?? new LabelRoom();
    forkRooms.set(path, room);
    return room;
  };
  const byIndex = new Map(drawn.rows.map((r) => [r.path.index, r]));
  const width = Math.max(1, size.width);
  const height = drawn.rows.length * (drawn.narrow ? NARROW_ROW : ROW) + (drawn.hidden > 0 ? 34 : 12);
  return (
    <div className="gscroll scroll" ref={ref}>
      {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: SVG draws the list, its paths are the options */}
      <svg className="paths" role="listbox" aria-label="Explored paths" width={width} height={height}>
        {drawn.rows.map((row) => {
          const parent = row.path.parent === null ? undefined : byIndex.get(row.path.parent);
          if (!parent || row.path.fromInsn === null) return null;
          const at = parent.insns.lastIndexOf(row.path.fromInsn);
          const px = at < 0 ? parent.x2 : parent.x1 + (at + 0.5) * drawn.unit;
          const bad = row.path.end === "rejected";
          return (
            <g key={row.path.index}>
              <path
                className={bad ? "wait bad" : "wait"}
                d={`M${px} ${parent.y + 4}V${row.y - 6}q0 6 6 6H${Math.max(px + 8, row.x1)}`}
              />
              <circle className={parent.path.end === "rejected" ? "fork bad" : "fork"} cx={px} cy={parent.y} r="4" />
              {forkRoom(parent.path.index).ask(px - 4, px + 30) ? (
                <text className="forkno" x={px + 6} y={parent.y + 15}>
                  {row.path.fromInsn}
                </text>
              ) : null}
            </g>
          );
        })}
        {drawn.rows.map((row) => (
          <PathRow
            key={row.path.index}
            row={row}
            name={pathName(row.path, view)}
            program={program}
            unit={drawn.unit}
            narrow={drawn.narrow}
            width={width}
            selected={row.path.index === selected}
            onChoose={() => choose({ path: row.path.index, step: null })}
          />
        ))}
        {drawn.hidden > 0 ? (
          <text className="fold" x="32" y={height - 12}>
            and {formatNumber(drawn.hidden)} more paths, most of them pruned
          </text>
        ) : null}
      </svg>
    </div>
  );
}

function PathRow(props: {
  readonly row: Drawn;
  readonly name: string;
  readonly program: ProgramReport;
  readonly unit: number;
  /** Words above the line. */
  readonly narrow: boolean;
  readonly width: number;
  readonly selected: boolean;
  readonly onChoose: () => void;
}) {
  const { row, name, program, unit, narrow, selected } = props;
  const { path, y, x1, x2 } = row;
  const tone = path.end === "rejected" ? "bad" : path.end === "pruned" ? "pruned" : "good";
  const text = endText(path, program);
  const end = narrow && path.end === "pruned" ? (text.split(":")[0] ?? "") : text;
  // Characters of the name: beside the line, or above it with how the path ends.
  const room = narrow ? Math.max(8, Math.floor((props.width - 64) / CHARACTER) - end.length) : 30;
  return (
    <g
      role="option"
      aria-selected={selected}
      aria-label={`Path ${path.index + 1}, ${name}, ${text}`}
      tabIndex={selected ? 0 : -1}
      className={`path ${tone}${selected ? " on" : ""}`}
      onClick={props.onChoose}
      onKeyDown={(event) => {
        if (event.key === "Enter" || event.key === " ") props.onChoose();
        else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          const next =
            event.key === "ArrowDown"
              ? event.currentTarget.nextElementSibling
              : event.currentTarget.previousElementSibling;
          if (next instanceof SVGGElement && next.classList.contains("path")) {
            next.focus();
            next.dispatchEvent(new MouseEvent("click", { bubbles: true }));
          }
        } else return;
        event.preventDefault();
      }}
    >
      <rect className="hit" x="0" y={narrow ? y - 28 : y - 13} width={props.width} height={narrow ? NARROW_ROW : ROW} />
      <text className="no" x="14" y={y + 4}>
        {path.index + 1}
      </text>
      <text className="nm" x="36" y={narrow ? y - 12 : y + 4}>
        {name.length > room ? `${name.slice(0, room - 1)}…` : name}
      </text>
      <path className="line" d={`M${x1} ${y}H${x2}`} />
      {unit > 5
        ? row.insns.slice(1).map((_, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a tick is its place
            <circle key={i} className="tick" cx={x1 + (i + 1) * unit} cy={y} r="1.1" />
          ))
        : null}
      {path.end === "rejected" ? (
        <path className="dia" d={`M${x2} ${y - 7}l7 7-7 7-7-7z`} />
      ) : path.end === "pruned" ? (
        <path className="bars" d={`M${x2} ${y - 6}v12M${x2 + 4} ${y - 6}v12`} />
      ) : (
        <>
          <circle className="ok" cx={x2} cy={y} r="6" />
          <path className="tickmark" d={`M${x2 - 2.6} ${y + 0.2}l1.9 2 3.4-4`} />
        </>
      )}
      {narrow ? (
        <text className="end" x={props.width - 12} y={y - 12} textAnchor="end">
          {end}
        </text>
      ) : (
        <text className="end" x={x2 + 13} y={y + 4}>
          {text}
        </text>
      )}
    </g>
  );
}

function PathTable({ view, program }: { readonly view: VerifierView; readonly program: ProgramReport }) {
  const choose = useChoose();
  return (
    <div className="tablewrap scroll">
      <table>
        <caption className="sr">Explored paths</caption>
        <thead>
          <tr>
            <th scope="col" className="n">
              Path
            </th>
            <th scope="col">Begins</th>
            <th scope="col">Ends</th>
          </tr>
        </thead>
        <tbody>
          {view.paths.slice(0, 1000).map((path) => (
            <tr key={path.index}>
              <td className="n">{path.index + 1}</td>
              <td>
                <button type="button" className="lnk" onClick={() => choose({ path: path.index, step: null })}>
                  {pathName(path, view)}
                </button>
              </td>
              <td className={path.end === "rejected" ? "c-bad" : "t2"}>{endText(path, program)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
