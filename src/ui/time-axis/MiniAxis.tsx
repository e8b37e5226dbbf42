import { usePlayground, useSize } from "../shell/context.tsx";
import { barsOf, runsWithin } from "./marks.ts";
import { useTimeline, useWindow } from "./use-timeline.ts";

const LANE = 15;
const MOST = 4;

/** One thin line per CPU, for where there is no room for the axis. */
export function MiniAxis() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const position = usePlayground((s) => s.run.position);
  const timeline = useTimeline();
  const window = useWindow(timeline, null);
  const [ref, size] = useSize<HTMLDivElement>();
  if (!snapshot) return null;
  const cpus = snapshot.cpus.slice(0, MOST);
  const width = size.width;
  const x = (t: number) => ((t - window.from) / Math.max(1, window.to - window.from)) * width;
  const height = cpus.length * LANE + 8;
  const runs = runsWithin(timeline, window.from, window.to);
  const nowX = x(snapshot.now);
  return (
    <div className="mini-axis" ref={ref} style={{ height }} aria-hidden="true">
      <svg width={width} height={height} aria-hidden="true">
        {cpus.map((cpu, i) => {
          const y = 8 + i * LANE + 4;
          return (
            <g key={cpu.id}>
              <path className="base" d={`M0 ${y + 0.5}H${width}`} />
              {barsOf(runs, cpu.id, x, snapshot.now).map((bar) => (
                <rect
                  key={bar.run.seq}
                  className={`b ${bar.run.kind === "program" ? "prog" : "cb"}${bar.run.seq >= position ? " later" : ""}`}
                  x={bar.x}
                  y={y - 5}
                  width={bar.w}
                  height="10"
                  rx="1.5"
                />
              ))}
              {snapshot.timers
                .filter((t) => t.state === "armed" && t.expires !== null && (t.cpu ?? 0) === cpu.id)
                .slice(0, 60)
                .map((t) => (
                  <circle key={t.id} className="exp" cx={x(t.expires ?? 0)} cy={y} r="4" />
                ))}
            </g>
          );
        })}
        <path className={snapshot.oops ? "nowline bad" : "nowline"} d={`M${nowX} 0V${height}`} />
      </svg>
    </div>
  );
}
