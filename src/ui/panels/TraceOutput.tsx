import { useMemo } from "react";
import { Empty } from "../controls/Panel.tsx";
import { selectEvents, useActions, useMomentDecimals, usePacedPlayground } from "../shell/context.tsx";
import { formatMoment } from "../text/format.ts";

const SHOWN = 2000;

/** What bpf_printk wrote, newest at the bottom. */
export function TraceOutput() {
  const events = usePacedPlayground(selectEvents);
  const actions = useActions();
  const decimals = useMomentDecimals(events);
  const lines = useMemo(() => events.filter((e) => e.kind === "trace" || e.kind === "ringbuf").slice(-SHOWN), [events]);
  if (lines.length === 0)
    return (
      <Empty title="No trace output">
        <p>
          What the program prints with <code>bpf_printk</code> appears here.
        </p>
      </Empty>
    );
  return (
    <ol className="trace scroll">
      {lines.map((event) => (
        <li key={event.seq}>
          <button type="button" onClick={() => actions.seek(event.seq + 1)}>
            <span className="t">{formatMoment(event.at, decimals)}</span>
            <span className="w">{event.cpu === null ? "" : `CPU ${event.cpu}`}</span>
            <code>
              {event.kind === "trace"
                ? event.text
                : event.kind === "ringbuf"
                  ? `ring buffer: ${event.bytes} bytes`
                  : ""}
            </code>
          </button>
        </li>
      ))}
    </ol>
  );
}
