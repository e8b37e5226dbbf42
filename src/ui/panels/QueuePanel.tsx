import type { Snapshot, TimerSnapshot } from "../../protocol/engine-types.ts";
import { TimerGlyph } from "../controls/glyphs.tsx";
import { Empty, Panel } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { formatMoment, formatNumber, formatSpan, plural } from "../text/format.ts";
import { pendingTimers, shareLeft } from "./timer-order.ts";
import { Wheel } from "./Wheel.tsx";

const usesWheel = (snapshot: Snapshot): boolean =>
  snapshot.queues.some((q) => q.base === "wheel" && q.timers.length > 0) ||
  snapshot.timers.some((t) => t.wheel !== null);

/** What each CPU's base will run next: the timer wheel, or the hrtimer queues. */
export function QueuePanel() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const wheel = snapshot !== null && usesWheel(snapshot);
  const cpus = snapshot ? `CPU 0${snapshot.cpus.length > 1 ? ` to ${snapshot.cpus.length - 1}` : ""}` : "";
  return (
    <Panel
      id="queue"
      title={wheel ? "Timer wheel" : "Timer queues"}
      meta={snapshot ? <span className="m">{wheel ? `${cpus}, HZ ${snapshot.hz}` : `hrtimer, ${cpus}`}</span> : null}
    >
      <QueueBody />
    </Panel>
  );
}

export function QueueBody() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  if (!snapshot || snapshot.timers.every((t) => t.state !== "armed"))
    return (
      <Empty title="No timer is queued" icon={<TimerGlyph state="idle" size={20} />}>
        <p>Armed timers wait here, per CPU, in the order in which the kernel will run them.</p>
      </Empty>
    );
  return usesWheel(snapshot) ? <WheelView snapshot={snapshot} /> : <Queues snapshot={snapshot} />;
}

/** Ticks per bucket of a level: each level is eight times coarser. */
const granularity = (level: number): number => 8 ** level;

function WheelView({ snapshot }: { readonly snapshot: Snapshot }) {
  const waiting = pendingTimers(snapshot).filter((t) => t.wheel !== null);
  const perLevel = (level: number) => waiting.filter((t) => t.wheel?.level === level).length;
  const coarse = waiting.filter((t) => (t.wheel?.level ?? 0) > 2).length;
  const tick = 1e9 / snapshot.hz;
  const levels = snapshot.hz > 100 ? 9 : 8;
  return (
    <div className="wheelview">
      <Wheel snapshot={snapshot} />
      <div className="scroll">
        <dl className="kv">
          {[0, 1, 2].map((level) => (
            <WheelRow
              key={level}
              label={`Level ${level}`}
              count={perLevel(level)}
              grain={formatSpan(tick * granularity(level))}
            />
          ))}
          <WheelRow
            label={`Levels 3–${levels - 1}`}
            count={coarse}
            grain={`from ${formatSpan(tick * granularity(3))}`}
          />
        </dl>
        <ul className="wheeltimers">
          {waiting.slice(0, 40).map((timer) => (
            <li key={timer.id} className="tcell">
              <TimerGlyph state={timer.state} share={shareLeft(timer, snapshot.now)} />
              <code>{timer.label}</code>
              <span className="t2">
                {timer.wheel && timer.wheel.level > 0 ? `level ${timer.wheel.level}, ` : ""}bucket{" "}
                {(timer.wheel?.bucket ?? 0) % 64}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

function WheelRow(props: { readonly label: string; readonly count: number; readonly grain: string }) {
  return (
    <>
      <dt>{props.label}</dt>
      {props.count > 0 ? (
        <dd>
          <b>{props.count}</b> {props.count === 1 ? "timer" : "timers"}, {props.grain} per bucket
        </dd>
      ) : (
        <dd className="t3">empty, {props.grain}</dd>
      )}
    </>
  );
}

const MAX = 24;

/** One strip per base, soonest at the left, on one scale of time left. */
function Queues({ snapshot }: { readonly snapshot: Snapshot }) {
  const actions = useActions();
  const byId = new Map(snapshot.timers.map((t) => [t.id, t]));
  const queues = snapshot.queues.filter((q) => q.timers.length > 0);
  const left = (t: TimerSnapshot | undefined) => (t?.expires == null ? 0 : Math.max(0, t.expires - snapshot.now));
  const longest = Math.max(1, ...queues.flatMap((q) => q.timers.map((id) => left(byId.get(id)))));
  return (
    <div className="hrq scroll">
      {queues.map((queue) => (
        <section key={`${queue.cpu}${queue.base}`} aria-label={`CPU ${queue.cpu}, ${queue.base}`}>
          <h3>
            CPU {queue.cpu}{" "}
            <span className="t3">
              {queue.base}, {plural(queue.timers.length, "timer")}
            </span>
          </h3>
          <div className="strip" aria-hidden="true">
            <i className="nowmark" />
            {queue.timers.slice(0, 200).map((id) => (
              <i key={id} className="dotmark" style={{ left: `${(100 * left(byId.get(id))) / longest}%` }} />
            ))}
          </div>
          <ol>
            {queue.timers.slice(0, MAX).map((id, i) => {
              const timer = byId.get(id);
              if (!timer) return null;
              return (
                <li key={id}>
                  <button type="button" className="q4" onClick={() => actions.setView({ selectedNode: timer.id })}>
                    <span className="t3 num">{i + 1}</span>
                    <TimerGlyph state={timer.state} share={shareLeft(timer, snapshot.now)} />
                    <code>{timer.label}</code>
                    <span className="mono">{timer.expires === null ? "never" : formatMoment(timer.expires)}</span>
                    <span className="t2 r">{timer.expires === null ? "" : `in ${formatSpan(left(timer))}`}</span>
                  </button>
                </li>
              );
            })}
          </ol>
          {queue.timers.length > MAX ? <p className="t3">and {formatNumber(queue.timers.length - MAX)} more</p> : null}
        </section>
      ))}
    </div>
  );
}
