import type { TimerSnapshot } from "../../protocol/engine-types.ts";
import { formatMoment } from "../text/format.ts";
import { shorten } from "../text/names.ts";
import type { LaneProps } from "./AxisView.tsx";
import { arcPath, barsOf, densityOf, LabelRoom, runsWithin, shortTimer, tailPath, userClusters } from "./marks.ts";

type Placed = LaneProps & { readonly y: number; readonly h: number };

/** Beyond this many runs on screen a lane becomes a density strip. */
const BARS = 360;
/** An end of a wait so far outside the window has no arc to it, px. */
const FAR = 160;
const MONO = 6.65;
const UI = 5.9;

export function UserLane({ timeline, window, width, x, position, y, h }: Placed) {
  const middle = y + h / 2;
  const users = timeline.users.filter((u) => u.at >= window.from && u.at <= window.to);
  if (users.length > 600)
    return (
      <g>
        <path className="base" d={`M0 ${middle}H${width + 14}`} />
        {densityStrips(users.map((u) => x(u.at))).map(([at, n]) => (
          <rect
            key={at}
            className="dens user"
            x={at}
            y={middle - Math.min(10, 2 + n)}
            width="2"
            height={Math.min(20, 4 + 2 * n)}
          />
        ))}
      </g>
    );
  const clusters = userClusters(users, x);
  return (
    <g>
      <path className="base" d={`M0 ${middle}H${width + 14}`} />
      {clusters.map((cluster, i) => {
        const next = clusters[i + 1]?.x ?? width;
        const room = Math.floor((next - 18 - cluster.end) / UI);
        const text = shorten(cluster.label, Math.max(1, room));
        const w = text.length * UI + 10;
        const fits = text.length === cluster.label.length || room >= 12;
        return (
          <g key={cluster.x}>
            {fits ? (
              <>
                <rect className="labbg" x={cluster.end} y={middle - 8} width={w} height="16" />
                <text className="lb u" x={cluster.end + 3} y={middle + 4}>
                  {text}
                </text>
              </>
            ) : null}
            {cluster.marks.map(({ mark, x: at }) => (
              <path
                key={mark.seq}
                className={mark.seq >= position ? "dia later" : mark.errno ? "dia bad" : "dia"}
                d={`M${at} ${middle - 6}l6 6-6 6-6-6z`}
              />
            ))}
          </g>
        );
      })}
    </g>
  );
}

function densityStrips(places: readonly number[]): readonly (readonly [number, number])[] {
  const cells = new Map<number, number>();
  for (const place of places) cells.set(Math.floor(place / 3) * 3, (cells.get(Math.floor(place / 3) * 3) ?? 0) + 1);
  return [...cells];
}

export function CpuLane({
  timeline,
  window,
  width,
  x,
  snapshot,
  position,
  names,
  y,
  h,
  cpu,
}: Placed & { readonly cpu: number }) {
  const base = y + h - 10.5;
  const several = snapshot.maps.filter((m) => m.columns.some((c) => c.typeName === "struct bpf_timer")).length > 1;
  const visible = runsWithin(timeline, window.from, window.to);
  const mine = visible.filter((r) => r.cpu === cpu);
  if (mine.length > BARS) {
    const cells = densityOf(mine, cpu, x, width);
    const most = Math.max(1, ...cells.map((c) => c.programs + c.callbacks));
    const scale = (h - 24) / most;
    return (
      <g>
        <path className="base" d={`M0 ${base}H${width + 14}`} />
        {cells.map((cell) => {
          const cb = Math.max(cell.callbacks > 0 ? 2 : 0, cell.callbacks * scale);
          const pr = Math.max(cell.programs > 0 ? 2 : 0, cell.programs * scale);
          return (
            <g key={cell.x}>
              {cb > 0 ? <rect className="dens cb" x={cell.x} y={base - cb} width="2.4" height={cb} /> : null}
              {pr > 0 ? <rect className="dens prog" x={cell.x} y={base - cb - pr} width="2.4" height={pr} /> : null}
            </g>
          );
        })}
        <text className="lb u" x="4" y={y + 14}>
          {mine.length} runs, at most {most} in a strip
        </text>
      </g>
    );
  }
  const bars = barsOf(visible, cpu, x, snapshot.now);
  const place = new Map(bars.map((b) => [b.run.seq, b]));
  const top = base - 14;
  const roomAbove = h - 34;
  const label = new LabelRoom();
  for (const bar of bars) label.reserve(bar.x, bar.x + bar.w);
  const nowX = x(snapshot.now);
  const waits = timeline.waits.filter(
    (w) =>
      w.cpu === cpu &&
      w.seq < position &&
      w.from <= window.to &&
      (w.to ?? w.expires ?? Number.POSITIVE_INFINITY) >= window.from,
  );
  const pending = waits.filter((w) => (w.endSeq === null || w.endSeq >= position) && w.expires !== null);
  const past = waits.filter((w) => w.endSeq !== null && w.endSeq < position && w.firedRun !== null);
  const crowded = past.length > 240;
  const startOf = (w: (typeof waits)[number]) => {
    const bar = w.armedBy === null ? undefined : place.get(w.armedBy);
    return bar ? bar.x + bar.w : x(w.from);
  };
  for (const w of pending) label.reserve(x(w.expires ?? 0) - 6, x(w.expires ?? 0) + 6);
  const nearestFirst = [...bars].sort((a, b) => Math.abs(a.x - nowX) - Math.abs(b.x - nowX));
  return (
    <g>
      <path className="base" d={`M0 ${base}H${width + 14}`} />
      {crowded
        ? null
        : past.map((w) => {
            const bar = w.firedRun === null ? undefined : place.get(w.firedRun);
            const x2 = bar ? bar.x + Math.min(3, bar.w / 2) : x(w.to ?? 0);
            const x1 = startOf(w);
            return (
              <path
                key={w.seq}
                className="arc"
                d={x1 < -FAR ? tailPath(x2, top, -1) : arcPath(x1, top, x2, top, roomAbove)}
              />
            );
          })}
      {pending.slice(0, 120).map((w) => (
        <PendingArc key={w.seq} x1={startOf(w)} x2={x(w.expires ?? 0)} top={top} width={width} room={roomAbove} />
      ))}
      {bars.map((bar) => {
        const later = bar.run.seq >= position;
        const running = !later && (bar.run.endSeq === null || bar.run.endSeq >= position);
        const cls = bar.run.kind === "program" ? "prog" : "cb";
        return (
          <g key={bar.run.seq}>
            {running ? (
              <rect className={`ringing ${cls}`} x={bar.x - 2.5} y={top - 2.5} width={bar.w + 5} height="19" rx="4" />
            ) : null}
            <rect
              className={later ? `b ${cls} later` : `b ${cls}`}
              x={bar.x + 0.5}
              y={top + 0.5}
              width={Math.max(3, bar.w - 1)}
              height="13"
              rx="1.5"
            />
          </g>
        );
      })}
      {pending.slice(0, 120).map((w) => {
        const at = x(w.expires ?? 0);
        const text = `${shortTimer(names, w.timer, several)} ${formatMoment(w.expires ?? 0)}`;
        return at > width + 8 ? null : (
          <g key={w.seq}>
            <circle className="exp" cx={at} cy={base - 7} r="5" />
            {label.ask(at + 7, at + 12 + text.length * MONO) ? (
              <text className="lb" x={at + 10} y={base - 3}>
                {text}
              </text>
            ) : null}
          </g>
        );
      })}
      {nearestFirst.map((bar) => {
        const name =
          bar.run.kind === "program"
            ? shorten(names.program(bar.run.prog ?? 0), 24)
            : shortTimer(names, bar.run.timer ?? "", several);
        const text = bar.more > 0 ? `${name} and ${bar.more} more` : name;
        const from = bar.x + bar.w + 4;
        if (from > width + 10 || !label.ask(from, from + text.length * MONO + 2)) return null;
        return (
          <text key={bar.run.seq} className={bar.run.seq >= position ? "lb later" : "lb"} x={from} y={base - 3}>
            {text}
          </text>
        );
      })}
    </g>
  );
}

/** The wait still to come; where one of its ends lies far outside, only the other end shows that there is one. */
function PendingArc(props: {
  readonly x1: number;
  readonly x2: number;
  readonly top: number;
  readonly width: number;
  readonly room: number;
}) {
  const { x1, x2, top, width } = props;
  if (x1 < -FAR && x2 > width + FAR) return null;
  const d =
    x1 < -FAR
      ? tailPath(x2, top + 1, -1)
      : x2 > width + FAR
        ? tailPath(x1, top, 1)
        : arcPath(x1, top, x2, top + 1, props.room);
  return <path className="arc f" d={d} />;
}

export function TimerLane({
  timeline,
  window,
  width,
  x,
  snapshot,
  position,
  y,
  h,
  timer,
}: Placed & { readonly timer: TimerSnapshot }) {
  const middle = y + h / 2;
  const life = timeline.livesOf(timer.id).findLast((l) => l.seq < position);
  const waits = timeline.waitsOf(timer.id).filter((w) => w.seq < position && w.from <= window.to);
  const runs = timeline.runsOf(timer.id).filter((r) => r.seq < position && r.from <= window.to);
  const nowX = Math.min(width + 14, x(snapshot.now));
  const from = life ? Math.max(0, x(life.from)) : 0;
  const shown = waits.slice(-300);
  const shownRuns = runs.slice(-300);
  const last = waits.at(-1);
  const pending = last && (last.endSeq === null || last.endSeq >= position) ? last : null;
  const idleFrom = shownRuns.at(-1)?.to ?? shown.at(-1)?.to ?? life?.from ?? null;
  const idleX = timer.state === "idle" && idleFrom !== null ? x(idleFrom) : null;
  return (
    <g>
      <path className="sepl" d={`M-200 ${y + 0.5}H${width + 14}`} />
      {life ? <path className="idle" d={`M${from} ${middle}H${nowX}`} /> : null}
      {shown.map((w) => (
        <path
          key={w.seq}
          className="armed"
          d={`M${Math.max(0, x(w.from))} ${middle}H${Math.max(0, Math.min(nowX, x(w.endSeq !== null && w.endSeq < position ? (w.to ?? 0) : snapshot.now)))}`}
        />
      ))}
      {pending && pending.expires !== null ? (
        <>
          <path
            className="armed f"
            d={`M${nowX} ${middle}H${Math.max(nowX, Math.min(width + 14, x(pending.expires)))}`}
          />
          {x(pending.expires) <= width + 8 ? (
            <circle className="exp" cx={x(pending.expires)} cy={middle} r="5" />
          ) : null}
        </>
      ) : null}
      {shownRuns.map((run) => {
        const at = x(run.from);
        const done = run.endSeq !== null && run.endSeq < position;
        const w = Math.max(6, x(done ? (run.to ?? run.from) : snapshot.now) - at);
        return <rect key={run.seq} className="b cb" x={at} y={middle - 6.5} width={w} height="13" rx="1.5" />;
      })}
      {idleX !== null && nowX - idleX > 190 ? (
        <>
          <rect className="labbg" x={idleX + 24} y={middle - 8} width="150" height="16" />
          <text className="lb u" x={idleX + 28} y={middle + 4}>
            idle: initialised, not queued
          </text>
        </>
      ) : null}
    </g>
  );
}

export function RefLane({ timeline, width, x, snapshot, position, y, h, node }: Placed & { readonly node: string }) {
  const steps = (timeline.refs.get(node) ?? []).filter((s) => s.seq < position);
  const most = Math.max(1, ...steps.map((s) => s.value));
  const level = (value: number) => y + h - 6 - ((h - 16) * value) / most;
  const nowX = Math.min(width + 14, x(snapshot.now));
  let d = `M0 ${level(0)}`;
  for (const step of steps) d += `H${Math.max(0, x(step.at)).toFixed(1)}V${level(step.value).toFixed(1)}`;
  const last = steps.at(-1);
  d += `H${nowX}`;
  const label = new LabelRoom();
  return (
    <g>
      <path className="sepl" d={`M-200 ${y + 0.5}H${width + 14}`} />
      <path className="refa" d={`${d}V${y + h - 6}H0Z`} />
      <path className="refs" d={d} />
      {last ? <path className="refs f" d={`M${nowX} ${level(last.value)}H${width + 14}`} /> : null}
      {[...steps].reverse().map((step) => {
        const at = x(step.at) + 6;
        if (at < 0 || at > nowX - 14 || !label.ask(at - 4, at + 30)) return null;
        return (
          <text key={step.seq} className="lb u" x={at} y={level(step.value) + 12}>
            {step.value}
          </text>
        );
      })}
    </g>
  );
}
