import { useState } from "react";
import { Icon } from "../controls/Icon.tsx";
import { IconButton, MaximiseButton } from "../controls/Panel.tsx";
import { setPanelState, usePanelState } from "../panels/panel-state.ts";
import { useActions, usePlayground } from "../shell/context.tsx";
import { AxisTable } from "./AxisTable.tsx";
import { AxisView } from "./AxisView.tsx";
import { type Window, zoom } from "./scale.ts";
import { Transport } from "./Transport.tsx";
import { useTimeline, useWindow } from "./use-timeline.ts";

/** Time below everything else: transport, ruler, lanes. `detailed` adds overview, timer lanes and counts. */
export function AxisPanel({ detailed }: { readonly detailed?: boolean }) {
  const maximised = usePlayground((s) => s.view.maximised === "axis");
  const now = usePlayground((s) => s.run.snapshot?.now ?? 0);
  const asTable = usePanelState((s) => s.axisAsTable);
  const timeline = useTimeline();
  const [chosen, setChosen] = useState<Window | null>(null);
  const window = useWindow(timeline, chosen);
  const actions = useActions();
  const middle = now >= window.from && now <= window.to ? now : (window.from + window.to) / 2;
  return (
    <section className="panel" data-panel="axis" data-max={maximised} aria-label="Time">
      <div className="transport">
        <Transport detailed={detailed === true} />
        <span className="sp" />
        {detailed ? (
          <button type="button" className="mini moment" onClick={() => actions.setView({ dialog: "share" })}>
            <Icon name="link" />
            Link to this moment
          </button>
        ) : null}
        <span className="tools">
          {chosen ? (
            <button type="button" className="mini" onClick={() => setChosen(null)}>
              Fit
            </button>
          ) : null}
          <IconButton icon="minus" label="Zoom out" onClick={() => setChosen(zoom(window, 2, middle, timeline.end))} />
          <IconButton icon="plus" label="Zoom in" onClick={() => setChosen(zoom(window, 0.5, middle, timeline.end))} />
          <IconButton
            icon="table"
            label={asTable ? "Show as axis" : "Show as table"}
            pressed={asTable}
            onClick={() => setPanelState({ axisAsTable: !asTable })}
          />
          <MaximiseButton panel="axis" title="the time axis" />
        </span>
      </div>
      <div className="pb">
        {asTable ? (
          <AxisTable timeline={timeline} />
        ) : (
          <AxisView
            timeline={timeline}
            window={window}
            onWindow={setChosen}
            detailed={detailed === true || maximised}
          />
        )}
      </div>
    </section>
  );
}
