import { type PointerEvent, useMemo } from "react";
import { formatMoment } from "../text/format.ts";
import type { Window } from "./scale.ts";
import type { Timeline } from "./timeline.ts";

/** The whole recording in one strip; drag to look elsewhere. */
export function Overview(props: {
  readonly timeline: Timeline;
  readonly window: Window;
  readonly now: number;
  readonly width: number;
  readonly onWindow: (window: Window | null) => void;
}) {
  const { timeline, window, now, width } = props;
  const end = Math.max(1000, timeline.end, now, window.to > timeline.end * 1.5 ? 0 : window.to);
  const x = (t: number) => (t / end) * width;
  // biome-ignore lint/correctness/useExhaustiveDependencies: version stands for the contents of the timeline
  const strips = useMemo(() => {
    const cells = new Map<number, { n: number; cb: boolean; at: number }>();
    for (const run of timeline.runs) {
      const at = Math.floor(((run.from / end) * width) / 3) * 3;
      const cell = cells.get(at) ?? { n: 0, cb: false, at: run.from };
      cell.n++;
      if (run.kind === "callback") cell.cb = true;
      cells.set(at, cell);
    }
    return [...cells];
  }, [timeline, timeline.version, end, width]);
  const most = Math.max(1, ...strips.map(([, c]) => c.n));
  const left = Math.max(0, x(window.from));
  const right = Math.min(width, x(window.to));
  const move = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - box.left) / width) * end;
    const half = (window.to - window.from) / 2;
    props.onWindow({ from: Math.max(0, at - half), to: Math.max(0, at - half) + 2 * half });
  };
  return (
    <div
      className="over"
      aria-hidden="true"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        move(event);
      }}
      onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && move(event)}
      onDoubleClick={() => props.onWindow(null)}
    >
      {strips.map(([at, cell]) => (
        <i
          key={at}
          className={cell.at > now ? "later" : cell.cb ? "cb" : "prog"}
          style={{ left: at, height: 6 + Math.round((11 * cell.n) / most) }}
        />
      ))}
      <span className="win" style={{ left, width: Math.max(6, right - left) }} />
      {right - left < width - 130 ? (
        <span className="wl" style={right < width - 130 ? { left: right + 6 } : { left: Math.max(0, left - 126) }}>
          {formatMoment(Math.round(window.from / 1e5) * 1e5)}–{formatMoment(Math.round(window.to / 1e5) * 1e5)} of{" "}
          {formatMoment(Math.round(end / 1e5) * 1e5)} ms
        </span>
      ) : null}
    </div>
  );
}
