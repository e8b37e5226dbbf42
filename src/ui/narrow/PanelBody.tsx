import { Empty } from "../controls/Panel.tsx";
import { EditorBody, VerdictChip } from "../editor/EditorPanel.tsx";
import { GraphTable } from "../graph/GraphTable.tsx";
import { GraphView } from "../graph/GraphView.tsx";
import { ActivityPanel } from "../panels/ActivityPanel.tsx";
import { MapsPanel } from "../panels/MapsPanel.tsx";
import { setPanelState, usePanelState } from "../panels/panel-state.ts";
import { QueueBody } from "../panels/QueuePanel.tsx";
import { RegistersView } from "../panels/RegistersView.tsx";
import { TimerList } from "../panels/TimersPanel.tsx";
import { WhyAlive } from "../panels/WhyAlivePanel.tsx";
import { SchedulePanel } from "../race/SchedulePanel.tsx";
import { VerdictPanel } from "../race/VerdictPanel.tsx";
import { usePlayground } from "../shell/context.tsx";
import { VerticalAxis } from "../time-axis/VerticalAxis.tsx";
import { InstructionsBody } from "../verify/InstructionsPanel.tsx";
import { PathsPanel } from "../verify/PathsPanel.tsx";
import { StatePanel } from "../verify/StatePanel.tsx";
import { VerdictCard } from "../verify/VerdictCard.tsx";
import { type NarrowPanel, panelOf } from "./panels.ts";

export function PanelBody() {
  const view = usePlayground((s) => s.view.view);
  const file = usePlayground((s) => s.view.file);
  const chosen = usePanelState((s) => s.narrow);
  return <Body panel={panelOf(view, chosen, file)} />;
}

function Body({ panel }: { readonly panel: NarrowPanel }) {
  switch (panel) {
    case "code":
    case "script":
    case "assembly":
      return (
        <section className="panel" aria-label="Source">
          <div className="nchiprow">
            <VerdictChip />
          </div>
          <EditorBody plain />
        </section>
      );
    case "graph":
      return <Graph />;
    case "maps":
      return <MapsPanel />;
    case "events":
      return <ActivityPanel />;
    case "verdict":
      return <Verdict />;
    case "found":
      return <VerdictPanel />;
    case "schedule":
      return <SchedulePanel />;
    case "paths":
      return <PathsPanel />;
    case "state":
      return <StatePanel />;
    case "axis":
      return plain("Time", <VerticalAxis />);
    case "timers":
      return plain("Pending timers", <TimerList />);
    case "queue":
      return plain("Queues", <QueueBody />);
    case "alive":
      return plain("Why alive", <WhyAlive />);
    case "registers":
      return plain("Registers", <RegistersView />);
    case "instructions":
    case "log":
    case "translated":
      return plain("Instructions", <InstructionsBody tab={panel} />);
  }
}

const plain = (label: string, body: React.ReactNode) => (
  <section className="panel" aria-label={label}>
    <div className="pb">{body}</div>
  </section>
);

function Graph() {
  const table = usePanelState((s) => s.graphAsTable);
  return (
    <section className="panel" aria-label="References">
      <div className="nchiprow">
        <button
          type="button"
          className="mini"
          aria-pressed={table}
          onClick={() => setPanelState({ graphAsTable: !table })}
        >
          {table ? "Show as graph" : "Show as table"}
        </button>
      </div>
      <div className="pb">{table ? <GraphTable /> : <GraphView />}</div>
    </section>
  );
}

function Verdict() {
  const report = usePlayground((s) => s.build.report);
  if (!report)
    return plain(
      "Verdict",
      <Empty title="Nothing checked yet">
        <p>Once the program compiles, the verifier’s answer stands here.</p>
      </Empty>,
    );
  return <VerdictCard />;
}
