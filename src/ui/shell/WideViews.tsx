import { Split } from "../controls/Split.tsx";
import { EditorPanel } from "../editor/EditorPanel.tsx";
import { GraphPanel } from "../graph/GraphPanel.tsx";
import { ActivityPanel } from "../panels/ActivityPanel.tsx";
import { MapsPanel } from "../panels/MapsPanel.tsx";
import { QueuePanel } from "../panels/QueuePanel.tsx";
import { TimersPanel } from "../panels/TimersPanel.tsx";
import { WhyAlivePanel } from "../panels/WhyAlivePanel.tsx";
import { RaceView } from "../race/RaceView.tsx";
import { AxisPanel } from "../time-axis/AxisPanel.tsx";
import { InstructionsPanel } from "../verify/InstructionsPanel.tsx";
import { PathsPanel } from "../verify/PathsPanel.tsx";
import { StateColumn } from "../verify/StateColumn.tsx";
import { useMediaQuery, usePlayground } from "./context.tsx";

/** The presets of 720 px and more. Lesson joins as a case here and as an entry of the switch. */
export function WideViews() {
  const view = usePlayground((s) => s.view.view);
  const maximised = usePlayground((s) => s.view.maximised !== null);
  const middle = useMediaQuery("(max-width: 1179.98px)");
  return (
    <main className="main" data-maximised={maximised} data-view={view}>
      {view === "verify" ? (
        <VerifyView middle={middle} />
      ) : view === "time" ? (
        <TimeView middle={middle} />
      ) : view === "race" ? (
        <RaceView middle={middle} />
      ) : (
        <WriteView middle={middle} />
      )}
    </main>
  );
}

interface ViewProps {
  readonly middle: boolean;
}

function WriteView({ middle }: ViewProps) {
  const slim = useMediaQuery("(max-width: 1339.98px)");
  const left = middle ? 400 : slim ? 470 : 540;
  return (
    <Split
      key={left}
      id={`write-${left}`}
      direction="horizontal"
      sizes={[
        { id: "source", size: left, min: 260 },
        { id: "machine", size: "60%", min: 300 },
      ]}
    >
      <EditorPanel />
      <Split
        id={`write-right-${left}`}
        direction="vertical"
        sizes={[
          { id: "references", size: 302, min: 90 },
          { id: "tables", size: "40%", min: 90 },
          { id: "time", size: 233, min: 120 },
        ]}
      >
        <GraphPanel />
        <Split
          id={`write-middle-${left}`}
          direction="horizontal"
          sizes={[
            { id: "maps-and-timers", size: "56%", min: 180 },
            { id: "events", size: "44%", min: 160 },
          ]}
        >
          {middle ? (
            <MapsPanel withTimers />
          ) : (
            <Split
              id="write-maps"
              direction="vertical"
              sizes={[
                { id: "maps", size: "60%", min: 60 },
                { id: "timers", size: 110, min: 60 },
              ]}
            >
              <MapsPanel />
              <TimersPanel />
            </Split>
          )}
          <ActivityPanel />
        </Split>
        <AxisPanel />
      </Split>
    </Split>
  );
}

function VerifyView({ middle }: ViewProps) {
  const [source, insns] = middle ? [340, 380] : [498, 440];
  return (
    <Split
      key={source}
      id={`verify-${source}`}
      direction="vertical"
      sizes={[
        { id: "paths", size: 172, min: 70 },
        { id: "program", size: "80%", min: 160 },
      ]}
    >
      <PathsPanel />
      <Split
        id={`verify-columns-${source}`}
        direction="horizontal"
        sizes={[
          { id: "source", size: source, min: 200 },
          { id: "instructions", size: insns, min: 200 },
          { id: "states", size: "34%", min: 220 },
        ]}
      >
        <EditorPanel compact />
        <InstructionsPanel />
        <StateColumn />
      </Split>
    </Split>
  );
}

function TimeView({ middle }: ViewProps) {
  const slim = useMediaQuery("(max-width: 1339.98px)");
  const left = middle ? 380 : slim ? 470 : 500;
  return (
    <Split
      key={left}
      id={`time-${left}`}
      direction="vertical"
      sizes={[
        { id: "moment", size: 372, min: 120 },
        { id: "axis", size: "58%", min: 160 },
      ]}
    >
      {middle ? (
        <Split
          id="time-columns-2"
          direction="horizontal"
          sizes={[
            { id: "source", size: left, min: 240 },
            { id: "events", size: "50%", min: 220 },
          ]}
        >
          <EditorPanel />
          <ActivityPanel withQueue />
        </Split>
      ) : (
        <Split
          id={`time-columns-${left}`}
          direction="horizontal"
          sizes={[
            { id: "source", size: left, min: 240 },
            { id: "events", size: "40%", min: 220 },
            { id: "queues", size: slim ? 400 : 470, min: 240 },
          ]}
        >
          <EditorPanel />
          <ActivityPanel />
          <Split
            id="time-queues"
            direction="vertical"
            sizes={[
              { id: "queue", size: "68%", min: 100 },
              { id: "alive", size: 118, min: 60 },
            ]}
          >
            <QueuePanel />
            <WhyAlivePanel />
          </Split>
        </Split>
      )}
      <AxisPanel detailed />
    </Split>
  );
}
