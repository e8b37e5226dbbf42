import type { Names } from "../text/names.ts";
import { parseElementId, shorten } from "../text/names.ts";
import type { RunSpan, Timeline, UserMark } from "./timeline.ts";

export interface Bar {
  readonly run: RunSpan;
  readonly x: number;
  readonly w: number;
  /** Runs at the same moment that found no room beside it. */
  more: number;
}

const LEAST = 4;
/** How far a bar may stand aside for others of the same moment, px. */
const ASIDE = 40;

/** Bars of one CPU: as long as the run took, 4 px at least, side by side when they share a moment. */
export function barsOf(runs: readonly RunSpan[], cpu: number, x: (t: number) => number, now: number): Bar[] {
  const bars: Bar[] = [];
  let edge = Number.NEGATIVE_INFINITY;
  for (const run of runs) {
    if (run.cpu !== cpu) continue;
    const at = x(run.from);
    const w = Math.max(LEAST, x(run.to ?? Math.max(now, run.from)) - at);
    const previous = bars.at(-1);
    if (at >= edge || !previous) {
      bars.push({ run, x: at, w, more: 0 });
      edge = at + w + 1.5;
    } else if (edge - at < ASIDE) {
      bars.push({ run, x: edge, w: LEAST + 4, more: 0 });
      edge += LEAST + 5.5;
    } else previous.more++;
  }
  return bars;
}

export interface UserCluster {
  readonly x: number;
  readonly marks: readonly { readonly mark: UserMark; readonly x: number }[];
  readonly label: string;
  readonly end: number;
}

const verbOf = (text: string): string => {
  const words = text.replace(/^(process \w+: |cpu \d+: )+/, "").split(/\s+/);
  if (words[0] === "prog" && words[1] === "run") return "run";
  if (words[0] === "prog" || words[0] === "map" || words[0] === "object" || words[0] === "timer")
    return words[1] ?? words[0];
  return words[0] ?? "";
};

/** A user-space step in two or three words: `load`, `run arm`, `update [3]`. */
export function stepSummary(mark: UserMark): string {
  const words = mark.text.replace(/^(process \w+: |cpu \d+: )+/, "").split(/\s+/);
  const [noun, verb, name, key] = words;
  if (noun === "map" && key !== undefined && /^(update|delete|lookup)$/.test(verb ?? "")) return `${verb} [${key}]`;
  if ((noun === "prog" || noun === "map") && verb !== undefined) return name ? `${verb} ${name}` : verb;
  return verbOf(mark.text);
}

function summary(marks: readonly UserMark[]): string {
  const one = marks[0];
  if (marks.length === 1 && one) return one.text.length > 26 ? `${one.text.slice(0, 25)}…` : one.text;
  const counts = new Map<string, number>();
  for (const mark of marks) counts.set(verbOf(mark.text), (counts.get(verbOf(mark.text)) ?? 0) + 1);
  const words = [...counts].map(([verb, n]) => (n === 1 ? verb : `${n} ${verb}s`));
  return words.length > 4 ? `${words.slice(0, 4).join(", ")}…` : words.join(", ");
}

/** User-space steps: diamonds side by side, one label for those that stand close. */
export function userClusters(users: readonly UserMark[], x: (t: number) => number): UserCluster[] {
  const clusters: { x: number; marks: { mark: UserMark; x: number }[] }[] = [];
  let edge = Number.NEGATIVE_INFINITY;
  for (const mark of users) {
    const at = x(mark.at);
    const open = clusters.at(-1);
    if (open && at < edge + 14) {
      const place = Math.max(at, edge);
      if (place - at < 46 || open.marks.length < 5) {
        open.marks.push({ mark, x: place });
        edge = place + 10;
      } else open.marks.push({ mark, x: edge - 10 });
    } else {
      clusters.push({ x: at, marks: [{ mark, x: at }] });
      edge = at + 10;
    }
  }
  return clusters.map((c) => ({
    x: c.x,
    marks: c.marks,
    label: summary(c.marks.map((m) => m.mark)),
    end: (c.marks.at(-1)?.x ?? c.x) + 8,
  }));
}

/** Intervals already written on in a lane; labels nearest to now ask first. */
export class LabelRoom {
  readonly #taken: [number, number][] = [];

  reserve(from: number, to: number): void {
    this.#taken.push([from, to]);
  }

  ask(from: number, to: number): boolean {
    if (this.#taken.some(([a, b]) => from < b && to > a)) return false;
    this.#taken.push([from, to]);
    return true;
  }
}

/** `[0]` for the timer of `hmap[0]`; with the map's name when there are several maps. */
export function shortTimer(names: Names, timer: string, several: boolean): string {
  const full = names.element(timer);
  if (parseElementId(timer).map < 0) return "timer";
  return shorten(several ? full : full.slice(names.map(parseElementId(timer).map).length), 24);
}

/** Arc from where a timer was armed to where it expires; higher for longer waits. */
export function arcPath(x1: number, y1: number, x2: number, y2: number, room: number): string {
  const dx = x2 - x1;
  const rise = Math.min(room, 10 + Math.sqrt(Math.max(0, dx)) * 1.9);
  const top = Math.min(y1, y2) - rise;
  const k = Math.min(dx * 0.2, 46);
  const middle = (x1 + x2) / 2;
  return `M${x1.toFixed(1)} ${y1}C${(x1 + k * 0.25).toFixed(1)} ${(top + rise * 0.25).toFixed(1)} ${(x1 + k).toFixed(1)} ${top.toFixed(1)} ${middle.toFixed(1)} ${top.toFixed(1)}S${(x2 - k * 0.25).toFixed(1)} ${(top + rise * 0.25).toFixed(1)} ${x2.toFixed(1)} ${y2}`;
}

/** The near end of an arc whose other end lies far outside: it comes from the left (-1) or goes to the right (1). */
export function tailPath(at: number, y: number, towards: -1 | 1): string {
  return `M${at.toFixed(1)} ${y}q${(towards * 2).toFixed(1)} -12 ${(towards * 20).toFixed(1)} -15`;
}

export interface DensityCell {
  readonly x: number;
  readonly programs: number;
  readonly callbacks: number;
}

/** Too many runs for bars: how many started in each strip of 3 px. */
export function densityOf(
  runs: readonly RunSpan[],
  cpu: number,
  x: (t: number) => number,
  width: number,
): DensityCell[] {
  const cells = new Map<number, { programs: number; callbacks: number }>();
  for (const run of runs) {
    if (run.cpu !== cpu) continue;
    const at = x(run.from);
    if (at < 0 || at > width) continue;
    const strip = Math.floor(at / 3);
    const cell = cells.get(strip) ?? { programs: 0, callbacks: 0 };
    if (run.kind === "program") cell.programs++;
    else cell.callbacks++;
    cells.set(strip, cell);
  }
  return [...cells].map(([strip, cell]) => ({ x: strip * 3, ...cell }));
}

/** Runs that touch the window; runs are in order of start. */
export function runsWithin(timeline: Timeline, from: number, to: number): readonly RunSpan[] {
  return timeline.runs.filter((r) => r.from <= to && (r.to ?? Number.POSITIVE_INFINITY) >= from);
}
