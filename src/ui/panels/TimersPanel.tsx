import { TimerGlyph } from "../controls/glyphs.tsx";
import { Empty, Panel } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { formatMoment, formatSpan } from "../text/format.ts";
import { pendingTimers, shareLeft } from "./timer-order.ts";

export function TimersPanel() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const running = snapshot?.timers.filter((t) => t.state === "firing").length ?? 0;
  const queued = snapshot?.timers.filter((t) => t.state === "armed").length ?? 0;
  const words = [...(queued > 0 ? [`${queued} queued`] : []), ...(running > 0 ? [`${running} running`] : [])].join(
    ", ",
  );
  return (
    <Panel id="timers" title="Pending timers and work" meta={words ? <span className="m">{words}</span> : null}>
      <TimerList />
    </Panel>
  );
}

/** Soonest first; bars share one scale. */
export function TimerList() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const selected = usePlayground((s) => s.view.selectedNode);
  const actions = useActions();
  const timers = snapshot ? pendingTimers(snapshot) : [];
  if (!snapshot || timers.length === 0)
    return (
      <Empty title="No pending timers or work" icon={<TimerGlyph state="none" size={20} />}>
        <p>
          They appear here, soonest first, once a program calls <code>bpf_timer_start</code> or{" "}
          <code>bpf_timer_mod</code>, and work once one calls <code>bpf_wq_start</code>.
        </p>
      </Empty>
    );
  const longest = Math.max(1, ...timers.map((t) => (t.expires === null ? 0 : t.expires - snapshot.now)));
  return (
    <ul className="qs scroll">
      {timers.slice(0, 200).map((timer) => {
        const left = timer.expires === null ? null : timer.expires - snapshot.now;
        return (
          <li key={timer.id}>
            <button
              type="button"
              className={selected === timer.id ? "q on" : "q"}
              onClick={() => actions.setView({ selectedNode: timer.id })}
            >
              <TimerGlyph state={timer.state} share={shareLeft(timer, snapshot.now)} />
              <span className="nm">
                <code>{timer.label}</code>
                {timer.kind === "work" ? <span className="t2"> work</span> : null}
              </span>
              {timer.state === "firing" ? (
                <>
                  <span className="t2 mono">{timer.cpu === null ? "" : `CPU ${timer.cpu}`}</span>
                  <span className="c-timer ell">{timer.callback?.functionName ?? "its callback"} is running</span>
                  <span />
                </>
              ) : (
                <>
                  <span className="mono">{timer.expires === null ? "never" : formatMoment(timer.expires)}</span>
                  <span className="bar" aria-hidden="true">
                    <i style={{ width: `${left === null ? 100 : Math.max(1, (100 * left) / longest)}%` }} />
                  </span>
                  <span className="r">
                    {left === null ? "beyond the clock" : left <= 0 ? "due" : `in ${formatSpan(left)}`}
                  </span>
                </>
              )}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
