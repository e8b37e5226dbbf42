import { useMemo } from "react";
import { pendingTimers } from "../panels/timer-order.ts";
import { useActions, useNames, usePlayground } from "../shell/context.tsx";
import { formatMoment, formatSpan } from "../text/format.ts";
import type { Timeline } from "./timeline.ts";

const SHOWN = 1000;

/** The time axis in words: user steps, runs and what is due. */
export function AxisTable({ timeline }: { readonly timeline: Timeline }) {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const position = usePlayground((s) => s.run.position);
  const names = useNames();
  const actions = useActions();
  // biome-ignore lint/correctness/useExhaustiveDependencies: version stands for the contents of the timeline
  const rows = useMemo(
    () =>
      [
        ...timeline.users.map((u) => ({
          seq: u.seq,
          at: u.at,
          took: null as number | null,
          lane: "User",
          what: u.text,
        })),
        ...timeline.runs.map((r) => ({
          seq: r.seq,
          at: r.from,
          took: r.to === null ? null : r.to - r.from,
          lane: `CPU ${r.cpu}`,
          what:
            r.kind === "program" ? `${names.program(r.prog ?? 0)} runs` : `callback of ${names.element(r.timer ?? "")}`,
        })),
      ].sort((a, b) => a.seq - b.seq),
    [timeline, timeline.version, names],
  );
  const due = snapshot ? pendingTimers(snapshot).filter((t) => t.state === "armed") : [];
  return (
    <div className="tablewrap scroll">
      <table>
        <caption className="sr">Time axis</caption>
        <thead>
          <tr>
            <th scope="col" className="n">
              ms
            </th>
            <th scope="col">Lane</th>
            <th scope="col">What</th>
            <th scope="col" className="n">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(-SHOWN).map((row) => (
            <tr key={row.seq} className={row.seq === position - 1 ? "on" : ""}>
              <td className="n mono">{formatMoment(row.at)}</td>
              <td className="t2">{row.lane}</td>
              <td>
                <button type="button" className="lnk" onClick={() => actions.seek(row.seq + 1)}>
                  {row.what}
                </button>
              </td>
              <td className="n t2">{row.took === null ? "" : formatSpan(row.took)}</td>
            </tr>
          ))}
          {due.map((timer) => (
            <tr key={timer.id} className="due">
              <td className="n mono">{timer.expires === null ? "never" : formatMoment(timer.expires)}</td>
              <td className="t2">{timer.cpu === null ? "" : `CPU ${timer.cpu}`}</td>
              <td className="t2">timer of {timer.label} is due</td>
              <td />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
