import type { Snapshot } from "../../protocol/engine-types.ts";
import { pendingTimers } from "../panels/timer-order.ts";
import type { Names } from "../text/names.ts";
import { shortTimer, stepSummary } from "./marks.ts";
import type { Timeline } from "./timeline.ts";

export type CellKind = "user" | "program" | "callback" | "due";

export interface AxisCell {
  /** 0: user space; n: CPU n - 1. */
  readonly column: number;
  readonly kind: CellKind;
  readonly text: string;
  /** Seq of the event; null for what is to come. */
  readonly seq: number | null;
  readonly bad: boolean;
  /** Still under way at the moment shown. */
  readonly running: boolean;
}

export type AxisRow =
  | { readonly kind: "events"; readonly at: number; readonly later: boolean; readonly cells: readonly AxisCell[] }
  | { readonly kind: "gap"; readonly ns: number }
  | { readonly kind: "now"; readonly at: number };

export interface WaitLine {
  readonly column: number;
  /** Indices of rows. */
  readonly from: number;
  readonly to: number;
  /** Stands aside for others that wait at the same time, from 0. */
  readonly lane: number;
  /** Index of the now row when the wait goes on; solid until there, dashed after. */
  readonly pending: boolean;
}

export interface AxisRows {
  readonly rows: readonly AxisRow[];
  readonly lines: readonly WaitLine[];
}

/** Waits drawn side by side in one column; more than these would meet the words. */
const LANES = 3;
/** A gap this much longer than usual is written out. */
const UNUSUAL = 2;

interface Item extends AxisCell {
  readonly at: number;
  readonly order: number;
}

function items(timeline: Timeline, snapshot: Snapshot, position: number, names: Names): Item[] {
  const several = snapshot.maps.length > 1;
  const all: Item[] = timeline.users.map((u) => ({
    column: 0,
    kind: "user",
    text: stepSummary(u),
    seq: u.seq,
    bad: u.errno !== null,
    running: false,
    at: u.at,
    order: u.seq,
  }));
  for (const run of timeline.runs) {
    const running = run.seq < position && (run.endSeq === null || run.endSeq >= position);
    all.push({
      column: run.cpu + 1,
      kind: run.kind,
      text:
        run.kind === "program"
          ? names.program(run.prog ?? 0)
          : `${shortTimer(names, run.timer ?? "", several)} ${callbackWords(run.timer ?? "", running)}`,
      seq: run.seq,
      bad: false,
      running,
      at: run.from,
      order: run.seq,
    });
  }
  return all.sort((a, b) => a.order - b.order);
}

const callbackWords = (timer: string, running: boolean): string =>
  timer.startsWith("w:") ? (running ? "work is running" : "work runs") : running ? "is firing" : "fires";

/** What stands in one row: the same time, one thing per column, user steps of one time together. */
function group(list: readonly Item[], position: number): { at: number; later: boolean; cells: AxisCell[] }[] {
  const rows: { at: number; later: boolean; cells: AxisCell[] }[] = [];
  for (const item of list) {
    const row = rows.at(-1);
    const later = item.seq === null || item.seq >= position;
    const same = row !== undefined && row.at === item.at && row.later === later;
    const there = row?.cells.find((c) => c.column === item.column);
    if (same && !there) row.cells.push(item);
    else if (same && there?.kind === "user" && item.kind === "user" && row.cells.length === 1)
      row.cells[0] = { ...there, text: `${there.text}, ${item.text}`, bad: there.bad || item.bad };
    else rows.push({ at: item.at, later, cells: [item] });
  }
  return rows;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** The recording as rows, time running downwards: events, long gaps written out, now, and what is due. */
export function axisRows(timeline: Timeline, snapshot: Snapshot, position: number, names: Names): AxisRows {
  const several = snapshot.maps.length > 1;
  const grouped = group(items(timeline, snapshot, position, names), position);
  const ended = grouped.every((row) => !row.later);
  const due: Item[] = ended
    ? pendingTimers(snapshot)
        .filter((t) => t.state === "armed" && t.expires !== null)
        .map((t) => ({
          column: (t.cpu ?? 0) + 1,
          kind: "due",
          text: `${shortTimer(names, t.id, several)} ${t.kind === "work" ? "work " : ""}due`,
          seq: null,
          bad: false,
          running: false,
          at: t.expires ?? 0,
          order: 0,
        }))
    : [];
  const all = [...grouped, ...group(due, position)];
  const usual = median(
    all
      .slice(1)
      .map((row, i) => row.at - (all[i]?.at ?? 0))
      .filter((ns) => ns > 0),
  );
  const rows: AxisRow[] = [];
  const rowOf = new Map<number, number>();
  let nowRow = -1;
  const now = () => {
    nowRow = rows.length;
    rows.push({ kind: "now", at: snapshot.now });
  };
  all.forEach((row, i) => {
    if (row.later && nowRow < 0) now();
    const before = all[i - 1];
    const ns = before ? row.at - before.at : 0;
    if (ns > usual * UNUSUAL && usual > 0 && before && before.later === row.later) rows.push({ kind: "gap", ns });
    for (const cell of row.cells) if (cell.seq !== null) rowOf.set(cell.seq, rows.length);
    rows.push({ kind: "events", ...row });
  });
  if (nowRow < 0) now();
  return { rows, lines: waitLines(timeline, rows, rowOf, nowRow, position) };
}

/** Index of the last row of events at or before a time. */
function rowFinder(rows: readonly AxisRow[]): (at: number) => number {
  const places = rows.flatMap((row, index) => (row.kind === "events" ? [{ at: row.at, index }] : []));
  return (at) => {
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return places[Math.max(0, low - 1)]?.index ?? 0;
  };
}

function waitLines(
  timeline: Timeline,
  rows: readonly AxisRow[],
  rowOf: ReadonlyMap<number, number>,
  nowRow: number,
  position: number,
): WaitLine[] {
  const lines: WaitLine[] = [];
  const busy = new Map<number, number[]>();
  const rowBefore = rowFinder(rows);
  const dueAt = new Map<string, number>();
  rows.forEach((row, i) => {
    if (row.kind === "events" && i > nowRow)
      for (const cell of row.cells)
        if (!dueAt.has(`${row.at}/${cell.column}`)) dueAt.set(`${row.at}/${cell.column}`, i);
  });
  for (const wait of timeline.waits) {
    if (wait.seq >= position || wait.expires === null) continue;
    const pending = wait.endSeq === null || wait.endSeq >= position;
    const from = (wait.armedBy === null ? undefined : rowOf.get(wait.armedBy)) ?? rowBefore(wait.from);
    const to = pending
      ? (dueAt.get(`${wait.expires}/${wait.cpu + 1}`) ?? nowRow)
      : ((wait.firedRun === null ? undefined : rowOf.get(wait.firedRun)) ?? rowBefore(wait.to ?? wait.from));
    if (to <= from) continue;
    const lanes = busy.get(wait.cpu) ?? [];
    let lane = 0;
    while (lane < LANES && (lanes[lane] ?? -1) > from) lane++;
    if (lane === LANES) continue;
    lanes[lane] = to;
    busy.set(wait.cpu, lanes);
    lines.push({ column: wait.cpu + 1, from, to, lane, pending });
  }
  return lines;
}

/** What a row says, for those who do not see it. */
export function rowSpeech(row: AxisRow, time: (ns: number) => string): string {
  if (row.kind === "now") return `Now, ${time(row.at)} ms`;
  if (row.kind === "gap") return "";
  return `${time(row.at)} ms: ${row.cells
    .map((c) => `${c.column === 0 ? "user space" : `CPU ${c.column - 1}`}: ${c.text}`)
    .join("; ")}`;
}

/** Seq to seek to for a row; null for what is to come. */
export function rowSeq(row: AxisRow): number | null {
  if (row.kind !== "events") return null;
  return row.cells.reduce<number | null>((last, c) => (c.seq === null ? last : Math.max(last ?? 0, c.seq)), null);
}
