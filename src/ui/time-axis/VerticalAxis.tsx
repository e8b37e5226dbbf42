import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef } from "react";
import { TimerGlyph } from "../controls/glyphs.tsx";
import { Empty } from "../controls/Panel.tsx";
import { useActions, useMomentDecimals, useNames, usePlayground } from "../shell/context.tsx";
import { formatMoment, formatSpan } from "../text/format.ts";
import { type AxisCell, type AxisRow, axisRows, rowSeq, rowSpeech, type WaitLine } from "./rows.ts";
import { useTimeline } from "./use-timeline.ts";

const HEIGHT: Record<AxisRow["kind"], number> = { events: 36, gap: 20, now: 26 };
const TIME = 52;
const COLUMN = 106;

/** Time running downwards: lanes are columns, one moment a row, long gaps written out, armed timers as lines. */
export function VerticalAxis() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const position = usePlayground((s) => s.run.position);
  const names = useNames();
  const actions = useActions();
  const timeline = useTimeline();
  const base = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const version = timeline.version;
  // biome-ignore lint/correctness/useExhaustiveDependencies: version stands for the contents of the timeline
  const { rows, lines } = useMemo(
    () => (snapshot ? axisRows(timeline, snapshot, position, names) : { rows: [], lines: [] }),
    [timeline, version, snapshot, position, names],
  );
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (i) => HEIGHT[rows[i]?.kind ?? "events"],
    overscan: 12,
  });
  const now = rows.findIndex((row) => row.kind === "now");
  // biome-ignore lint/correctness/useExhaustiveDependencies: follows now, not the measuring
  useEffect(() => {
    if (now >= 0) virtualizer.scrollToIndex(Math.min(rows.length - 1, now + 2), { align: "auto" });
  }, [now, rows.length]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes follow the kinds of rows
  useEffect(() => virtualizer.measure(), [rows]);
  const tops = useMemo(() => {
    const list = [0];
    for (const row of rows) list.push((list.at(-1) ?? 0) + HEIGHT[row.kind]);
    return list;
  }, [rows]);
  if (!snapshot)
    return (
      <Empty title="Time has not begun">
        <p>Run the program: what each CPU does and which timers wait is listed here, and you move now.</p>
      </Empty>
    );
  const columns = ["User", ...snapshot.cpus.map((cpu) => `CPU ${cpu.id}`)];
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") actions.stepEvent(1);
    else if (event.key === "ArrowUp") actions.stepEvent(-1);
    else if (event.key === "PageDown") actions.nextTimer();
    else if (event.key === "Home") actions.seek(0);
    else if (event.key === "End") actions.followNow();
    else return;
    event.preventDefault();
  };
  const visible = virtualizer.getVirtualItems();
  const first = visible[0]?.index ?? 0;
  const last = visible.at(-1)?.index ?? 0;
  const template = `${TIME}px repeat(${columns.length}, minmax(${COLUMN}px, 1fr))`;
  return (
    <div className="va scroll" ref={scroller}>
      <div className="va-box" style={{ minWidth: TIME + COLUMN * columns.length }}>
        <div className="va-head" style={{ gridTemplateColumns: template }} aria-hidden="true">
          <span />
          {columns.map((column) => (
            <span key={column}>{column}</span>
          ))}
        </div>
        <div
          className="va-rows"
          role="listbox"
          tabIndex={0}
          aria-label="Time, downwards"
          aria-activedescendant={now >= 0 ? `${base}-${now}` : undefined}
          style={{ height: virtualizer.getTotalSize() }}
          onKeyDown={onKeyDown}
        >
          <div className="va-cols" style={{ gridTemplateColumns: template }} aria-hidden="true">
            <i />
            {columns.map((column, i) => (
              <i key={column}>
                {lines
                  .filter((l) => l.column === i && l.to >= first && l.from <= last)
                  .map((line) => (
                    <Wait key={`${line.from}/${line.lane}`} line={line} tops={tops} now={now} />
                  ))}
              </i>
            ))}
          </div>
          {visible.map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            const seq = rowSeq(row);
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the list handles the keys
              <div
                key={item.key}
                id={`${base}-${item.index}`}
                role="option"
                aria-selected={row.kind === "now"}
                aria-label={rowSpeech(row, formatMoment) || `${formatSpan(row.kind === "gap" ? row.ns : 0)} pass`}
                className={`va-row ${row.kind}${rowTone(row)}`}
                style={{
                  gridTemplateColumns: template,
                  height: HEIGHT[row.kind],
                  transform: `translateY(${item.start}px)`,
                }}
                onClick={() => seq !== null && actions.seek(seq + 1)}
              >
                <Row row={row} columns={columns.length} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function rowTone(row: AxisRow): string {
  if (row.kind !== "events") return "";
  if (row.cells.some((c) => c.running && c.kind === "callback")) return " firing";
  if (row.cells.some((c) => c.running)) return " running";
  return row.later || row.cells.every((c) => c.seq === null) ? " later" : "";
}

function Row({ row, columns }: { readonly row: AxisRow; readonly columns: number }) {
  const decimals = useMomentDecimals(usePlayground((s) => s.run.events));
  if (row.kind === "gap") return <span className="t gap">{formatSpan(row.ns)}</span>;
  if (row.kind === "now")
    return (
      <>
        <b className="va-now">{formatMoment(row.at)}</b>
        <i className="va-line" />
      </>
    );
  return (
    <>
      <span className="t">{formatMoment(row.at, decimals)}</span>
      {Array.from({ length: columns }, (_, column) => {
        const cell = row.cells.find((c) => c.column === column);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a column is its place
          <span key={column} className={cell?.bad ? "c bad" : "c"}>
            {cell ? (
              <>
                <CellMark cell={cell} />
                <span className="ell">{cell.text}</span>
              </>
            ) : null}
          </span>
        );
      })}
    </>
  );
}

function CellMark({ cell }: { readonly cell: AxisCell }) {
  switch (cell.kind) {
    case "callback":
      return <TimerGlyph state="firing" size={13} />;
    case "due":
      return <TimerGlyph state="armed" share={0.3} size={13} />;
    case "program":
      return (
        <svg className="tg" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
          <rect x="0" y="3" width="12" height="7" rx="1.5" fill="var(--progF)" />
        </svg>
      );
    case "user":
      return (
        <svg className="tg" viewBox="0 0 14 14" width="11" height="11" aria-hidden="true">
          <path d="M7 1l6 6-6 6-6-6z" fill={cell.bad ? "var(--badF)" : "var(--text2)"} />
        </svg>
      );
  }
}

function Wait({
  line,
  tops,
  now,
}: {
  readonly line: WaitLine;
  readonly tops: readonly number[];
  readonly now: number;
}) {
  const middle = (row: number) => (tops[row] ?? 0) + ((tops[row + 1] ?? 0) - (tops[row] ?? 0)) / 2;
  const top = middle(line.from);
  const end = middle(line.to);
  const solid = line.pending ? Math.min(end, Math.max(top, middle(now))) : end;
  const left = 5 + line.lane * 4;
  return (
    <>
      <s className="w" style={{ left, top, height: solid - top }} />
      {solid < end ? <s className="w f" style={{ left, top: solid, height: end - solid }} /> : null}
      <s className="p" style={{ left: left - 1, top: top - 2 }} />
      <s className="p" style={{ left: left - 1, top: end - 2 }} />
    </>
  );
}
