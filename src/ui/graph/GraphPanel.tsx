import { Icon } from "../controls/Icon.tsx";
import { IconButton, MaximiseButton } from "../controls/Panel.tsx";
import { setPanelState, usePanelState } from "../panels/panel-state.ts";
import { usePlayground } from "../shell/context.tsx";
import { GraphTable } from "./GraphTable.tsx";
import { GraphView } from "./GraphView.tsx";

export function GraphPanel() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const older = usePlayground((s) => s.build.runningOlder);
  const asTable = usePanelState((s) => s.graphAsTable);
  const maximised = usePlayground((s) => s.view.maximised === "graph");
  const count = snapshot?.graph.nodes.length ?? 0;
  return (
    <section className="panel" data-panel="graph" data-max={maximised} aria-label="References">
      <div className="ph">
        <h2>References</h2>
        {count > 0 ? <span className="m">{count} objects</span> : null}
        <span className="legend" aria-hidden="true">
          <span>
            <svg viewBox="0 0 24 8" aria-hidden="true">
              <path className="e" d="M0 4h24" />
            </svg>
            holds a reference
          </span>
          <span>
            <svg viewBox="0 0 24 8" aria-hidden="true">
              <path className="e-d" d="M0 4h24" />
              <path className="e-di" d="M0 4h24" />
            </svg>
            user reference
          </span>
          <span>
            <svg viewBox="0 0 24 8" aria-hidden="true">
              <path className="e-p" d="M0 4h24" />
            </svg>
            points, does not hold
          </span>
        </span>
        <span className="tools">
          {older ? (
            <span className="chip" title="The edited text is refused; the machine goes on with the version before">
              <Icon name="clock" />
              Running the last accepted build
            </span>
          ) : null}
          <IconButton
            icon="table"
            label={asTable ? "Show as graph" : "Show as table"}
            pressed={asTable}
            onClick={() => setPanelState({ graphAsTable: !asTable })}
          />
          <MaximiseButton panel="graph" title="the references" />
        </span>
      </div>
      <div className="pb">{asTable ? <GraphTable /> : <GraphView />}</div>
    </section>
  );
}
