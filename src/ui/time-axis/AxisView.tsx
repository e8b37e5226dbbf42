import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import type { KernelEvent, Snapshot } from "../../protocol/engine-types.ts";
import { TimerGlyph } from "../controls/glyphs.tsx";
import { Empty } from "../controls/Panel.tsx";
import { Sentence } from "../panels/EventList.tsx";
import { shareLeft } from "../panels/timer-order.ts";
import { useActions, useNames, usePlayground, useReadState, useSize } from "../shell/context.tsx";
import { previousExpiry } from "../shell/keyboard.ts";
import { formatMoment, formatTick } from "../text/format.ts";
import { type Names, shorten } from "../text/names.ts";
import { CpuLane, RefLane, TimerLane, UserLane } from "./lanes.tsx";
import { Overview } from "./Overview.tsx";
import { pan, tickStep, ticks, type Window, zoom } from "./scale.ts";
import type { Timeline } from "./timeline.ts";

export interface LaneProps {
  readonly timeline: Timeline;
  readonly window: Window;
  readonly width: number;
  readonly x: (t: number) => number;
  readonly snapshot: Snapshot;
  /** Events before this seq have happened at the moment shown. */
  readonly position: number;
  readonly names: Names;
}

interface LaneSpec {
  readonly id: string;
  readonly height: number;
  readonly title: React.ReactNode;
  readonly sub: React.ReactNode;
  readonly draw: (props: LaneProps & { readonly y: number; readonly h: number }) => React.ReactNode;
}

const TIMER_LANES = 40;
const RIGHT = 14;

const STATE_WORDS = { idle: "idle", program: "program", callback: "callback", kernel: "kernel" } as const;

function lanesOf(snapshot: Snapshot, timeline: Timeline, detailed: boolean, room: number, names: Names): LaneSpec[] {
  const user: LaneSpec = { id: "user", height: 37, title: "User", sub: "script", draw: (p) => <UserLane {...p} /> };
  const timers = detailed ? snapshot.timers.filter((t) => t.state !== "none").slice(0, TIMER_LANES) : [];
  const refs = detailed ? snapshot.programs.filter((p) => timeline.refs.has(`prog:${p.id}`)).slice(0, 4) : [];
  const others = user.height + timers.length * 28 + refs.length * 50;
  const each = Math.max(
    detailed && snapshot.cpus.length <= 4 ? 66 : 46,
    Math.min(110, (room - others) / Math.max(1, snapshot.cpus.length)),
  );
  return [
    user,
    ...snapshot.cpus.map(
      (cpu): LaneSpec => ({
        id: `cpu${cpu.id}`,
        height: each,
        title: `CPU ${cpu.id}`,
        sub: STATE_WORDS[cpu.state],
        draw: (p) => <CpuLane {...p} cpu={cpu.id} />,
      }),
    ),
    ...timers.map(
      (timer): LaneSpec => ({
        id: timer.id,
        height: 28,
        title: (
          <span className="tl">
            <TimerGlyph state={timer.state} share={shareLeft(timer, snapshot.now)} size={13} />
            <code title={timer.label}>{shorten(timer.label, timer.kind === "work" ? 7 : 12)}</code>
            {timer.kind === "work" ? "work" : null}
          </span>
        ),
        sub: null,
        draw: (p) => <TimerLane {...p} timer={timer} />,
      }),
    ),
    ...refs.map(
      (program): LaneSpec => ({
        id: `refs${program.id}`,
        height: 50,
        title: <code className="c-prog">{shorten(names.program(program.id), 15)}</code>,
        sub: "references",
        draw: (p) => <RefLane {...p} node={`prog:${program.id}`} />,
      }),
    ),
  ];
}

/** Last event at or before a time; its seq + 1 is the moment. */
function positionAt(events: readonly KernelEvent[], at: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.at ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function AxisView(props: {
  readonly timeline: Timeline;
  readonly window: Window;
  readonly onWindow: (window: Window | null) => void;
  readonly detailed: boolean;
}) {
  const { timeline, window, onWindow, detailed } = props;
  const snapshot = usePlayground((s) => s.run.snapshot);
  const position = usePlayground((s) => s.run.position);
  const names = useNames();
  const read = useReadState();
  const actions = useActions();
  const [ref, size] = useSize<HTMLDivElement>();
  const body = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<{ x: number; y: number } | null>(null);
  const label = detailed ? 120 : 92;
  const width = Math.max(10, size.width - label - RIGHT);
  const span = Math.max(1, window.to - window.from);
  const x = useMemo(() => (t: number) => ((t - window.from) / span) * width, [window.from, span, width]);
  const current = useRef({ window, width, label, end: timeline.end });
  current.current = { window, width, label, end: timeline.end };

  useEffect(() => {
    const element = body.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      const { window: w, width: px, label: left, end } = current.current;
      const horizontal = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
      if (!horizontal && !event.ctrlKey && element.scrollHeight > element.clientHeight + 1 && event.altKey) return;
      event.preventDefault();
      if (horizontal) onWindow(pan(w, (((event.deltaX || event.deltaY) / px) * (w.to - w.from)) / 1.5));
      else {
        const at = w.from + ((event.clientX - element.getBoundingClientRect().left - left) / px) * (w.to - w.from);
        onWindow(zoom(w, Math.exp(event.deltaY * 0.0016), Math.max(0, at), end));
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  });

  const room = size.height - 24 - (detailed ? 26 : 0);
  const lanes = useMemo(
    () => (snapshot ? lanesOf(snapshot, timeline, detailed, room, names) : []),
    [snapshot, timeline, detailed, room, names],
  );
  if (!snapshot)
    return (
      <Empty title="Time has not begun">
        <p>Run the program: user-space steps, runs on each CPU and waiting timers are drawn here, and you move now.</p>
      </Empty>
    );

  const seekTo = (clientX: number) => {
    const box = body.current?.getBoundingClientRect();
    if (!box) return;
    const at = window.from + ((clientX - box.left - label) / width) * span;
    actions.seek(positionAt(read().run.events, at));
  };
  const drag = {
    onPointerDown: (event: PointerEvent<HTMLDivElement>) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      seekTo(event.clientX);
    },
    onPointerMove: (event: PointerEvent<HTMLDivElement>) => {
      if (event.currentTarget.hasPointerCapture(event.pointerId)) seekTo(event.clientX);
    },
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowRight") actions.stepEvent(1);
    else if (event.key === "ArrowLeft") actions.stepEvent(-1);
    else if (event.key === "PageDown") actions.nextTimer();
    else if (event.key === "PageUp") actions.seek(previousExpiry(read()));
    else if (event.key === "Home") actions.seek(0);
    else if (event.key === "End") actions.seek(read().run.events.length);
    else if (event.key === "+" || event.key === "=") onWindow(zoom(window, 0.5, snapshot.now, timeline.end));
    else if (event.key === "-") onWindow(zoom(window, 2, snapshot.now, timeline.end));
    else return;
    event.preventDefault();
  };
  const nowX = x(snapshot.now);
  const shownNow = nowX >= -1 && nowX <= width + 1;
  const step = tickStep(span, width, 74);
  const laneProps: LaneProps = { timeline, window, width, x, snapshot, position, names };
  const heights = lanes.reduce((n, lane) => n + lane.height, 0);
  let y = 0;
  return (
    <div className="axis" ref={ref} style={{ "--lab": `${label}px` } as React.CSSProperties}>
      {detailed ? (
        <Overview timeline={timeline} window={window} now={snapshot.now} width={width} onWindow={onWindow} />
      ) : null}
      <div
        className="ruler"
        role="slider"
        tabIndex={0}
        aria-label="Moment shown"
        aria-valuemin={0}
        aria-valuemax={Math.round(Math.max(timeline.end, snapshot.now) / 1000)}
        aria-valuenow={Math.round(snapshot.now / 1000)}
        aria-valuetext={`${formatMoment(snapshot.now)} ms, after event ${position}`}
        onKeyDown={onKeyDown}
        {...drag}
      >
        {shownNow ? <span className="fut" style={{ left: Math.max(0, nowX) }} /> : null}
        {ticks(window, step).map((tick) => {
          const at = x(tick.at);
          const hidden = shownNow && Math.abs(at - nowX) < 30;
          return (
            <span key={tick.at}>
              <s className={tick.major ? "M" : ""} style={{ left: at }} />
              {tick.major && !hidden ? (
                <em style={{ left: at }}>
                  {formatTick(tick.at, step)}
                  {tick.at === 0 ? " ms" : ""}
                </em>
              ) : null}
            </span>
          );
        })}
        {shownNow ? (
          <b
            className={snapshot.oops ? "nowlab bad" : "nowlab"}
            style={{ left: Math.max(14, Math.min(width - 6, nowX)) }}
          >
            {formatMoment(snapshot.now)}
          </b>
        ) : null}
      </div>
      <div
        className="lanes scroll"
        ref={body}
        role="group"
        aria-label="Lanes"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
        tabIndex={0}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const at = event.clientX - box.left - label;
          setHover(at < 0 || at > width ? null : { x: at, y: event.clientY - box.top });
        }}
        onPointerLeave={() => setHover(null)}
      >
        <div className="lanebox" style={{ height: heights }}>
          <svg className="lanesvg" width={width + RIGHT} height={heights} aria-hidden="true" style={{ left: label }}>
            {shownNow ? (
              <rect
                className="futr"
                x={Math.max(0, nowX)}
                y="0"
                width={Math.max(0, width + RIGHT - nowX)}
                height={heights}
              />
            ) : null}
            {lanes.map((lane) => {
              const top = y;
              y += lane.height;
              return <g key={lane.id}>{lane.draw({ ...laneProps, y: top, h: lane.height })}</g>;
            })}
            {shownNow ? (
              <line className={snapshot.oops ? "nowline bad" : "nowline"} x1={nowX} x2={nowX} y1="0" y2={heights} />
            ) : null}
            {hover ? <line className="hair" x1={hover.x} x2={hover.x} y1="0" y2={heights} /> : null}
          </svg>
          {lanes.map((lane) => (
            <div key={lane.id} className="lane" style={{ height: lane.height }}>
              <div className="ll">
                <span>{lane.title}</span>
                {lane.sub ? <small>{lane.sub}</small> : null}
              </div>
            </div>
          ))}
        </div>
      </div>
      {hover ? (
        <HoverTip
          at={window.from + (hover.x / width) * span}
          x={label + hover.x}
          near={(span / width) * 7}
          names={names}
        />
      ) : null}
    </div>
  );
}

/** Time under the pointer, and what happened there. */
function HoverTip(props: { readonly at: number; readonly x: number; readonly near: number; readonly names: Names }) {
  const events = usePlayground((s) => s.run.events);
  const i = positionAt(events, props.at + props.near);
  const event = events[i - 1];
  const close = event && Math.abs(event.at - props.at) <= props.near ? event : null;
  const shown = close
    ? (events
        .slice(Math.max(0, i - 12), i)
        .findLast(
          (e) => e.at === close.at && (e.kind === "timer-fire" || e.kind === "prog-start" || e.kind === "syscall"),
        ) ?? close)
    : null;
  return (
    <div className="axistip" style={{ left: props.x }} aria-hidden="true">
      <b>{formatMoment(shown?.at ?? props.at)}</b>
      {shown ? (
        <span>
          <Sentence event={shown} names={props.names} />
        </span>
      ) : null}
    </div>
  );
}
