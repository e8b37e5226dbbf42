import { Icon } from "../controls/Icon.tsx";
import { IconButton } from "../controls/Panel.tsx";
import { setPanelState } from "../panels/panel-state.ts";
import { formatMoment } from "../text/format.ts";
import { useActions, useNames, usePlayground } from "./context.tsx";
import { useEditorPort } from "./editor-port.tsx";

/** Where it happened: the line of C, and the event, which carries the registers. */
function OopsPlace({ line }: { readonly line: number }) {
  const port = useEditorPort();
  const actions = useActions();
  const seq = usePlayground((s) => s.run.events.findLast((e) => e.kind === "oops")?.seq ?? null);
  return (
    <>
      {line > 0 ? (
        <button type="button" className="mini" onClick={() => port.current?.reveal("program", line)}>
          Line {line}
        </button>
      ) : null}
      {seq === null ? null : (
        <button
          type="button"
          className="mini"
          onClick={() => {
            setPanelState({ activity: "events" });
            actions.seek(seq + 1);
          }}
        >
          Show the event
        </button>
      )}
    </>
  );
}

/** One line each above the panels; they push, never cover. */
export function Banners() {
  const banner = usePlayground((s) => s.view.banner);
  const failure = usePlayground((s) => s.build.failure);
  const oops = usePlayground((s) => s.run.snapshot?.oops ?? null);
  const leaks = usePlayground((s) => s.run.snapshot?.graph.leaks ?? null);
  // The Race view says in its verdict what the replay shows.
  const told = usePlayground((s) => s.view.view === "race" && s.race.replayed);
  const names = useNames();
  const actions = useActions();
  return (
    <div className="banners">
      {banner ? (
        <div
          className={banner.kind === "error" ? "banner bad" : "banner"}
          role={banner.kind === "error" ? "alert" : "status"}
        >
          <Icon name={banner.kind === "error" ? "warn" : "clock"} />
          <span className="tx">{banner.text}</span>
          <IconButton icon="cross" label="Dismiss" onClick={() => actions.dismissBanner()} />
        </div>
      ) : null}
      {failure ? (
        <div className="banner bad" role="alert">
          <Icon name="warn" />
          <span className="tx">
            <b>{failure}</b> Your text and script are safe.
          </span>
          <button type="button" className="mini" onClick={() => actions.retryCompiler()}>
            Try again
          </button>
          <button type="button" className="mini" onClick={() => void navigator.clipboard.writeText(failure)}>
            Copy a report
          </button>
        </div>
      ) : null}
      {oops && !told ? (
        <div className="banner bad" role="alert">
          <Icon name="warn" />
          <span className="tx">
            <b>
              Oops on CPU {oops.cpu} at {formatMoment(oops.at)} ms.
            </b>{" "}
            {oops.place && !oops.message.includes(oops.place.functionName) ? (
              <>
                <code>{oops.place.functionName}</code>:{" "}
              </>
            ) : null}
            {oops.message}
          </span>
          <OopsPlace line={oops.place?.line ?? 0} />
        </div>
      ) : null}
      {leaks && leaks.length > 0 && !told ? (
        <div className="banner bad" role="alert">
          <Icon name="warn" />
          <span className="tx">
            <b>Leak.</b> Nothing outside holds{" "}
            {[...new Set(leaks.flat())]
              .slice(0, 6)
              .map((id) => names.node(id))
              .join(", ")}
            ; {leaks.length === 1 ? "the loop keeps itself alive" : `${leaks.length} loops keep themselves alive`}.
          </span>
        </div>
      ) : null}
    </div>
  );
}
