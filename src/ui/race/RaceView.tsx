import { Split } from "../controls/Split.tsx";
import { EditorPanel } from "../editor/EditorPanel.tsx";
import { GraphPanel } from "../graph/GraphPanel.tsx";
import { MapsPanel } from "../panels/MapsPanel.tsx";
import { useMediaQuery } from "../shell/context.tsx";
import { SchedulePanel } from "./SchedulePanel.tsx";
import { VerdictPanel } from "./VerdictPanel.tsx";

/** Preset Race: the schedule at the left, what it means and the state behind the chosen step at the right. */
export function RaceView({ middle }: { readonly middle: boolean }) {
  const slim = useMediaQuery("(max-width: 1339.98px)");
  const left = middle ? 430 : slim ? 540 : 612;
  return (
    <Split
      key={left}
      id={`race-${left}`}
      direction="horizontal"
      sizes={[
        { id: "schedule", size: left, min: 260 },
        { id: "found", size: "56%", min: 280 },
      ]}
    >
      <SchedulePanel />
      <Split
        id={`race-right-${left}`}
        direction="vertical"
        sizes={[
          { id: "verdict", size: 248, min: 110 },
          { id: "references", size: 258, min: 90 },
          { id: "moment", size: "40%", min: 90 },
        ]}
      >
        <VerdictPanel />
        <GraphPanel />
        {middle ? (
          <MapsPanel withTimers />
        ) : (
          <Split
            id={`race-moment-${left}`}
            direction="horizontal"
            sizes={[
              { id: "maps", size: "48%", min: 180 },
              { id: "source", size: "52%", min: 180 },
            ]}
          >
            <MapsPanel withTimers />
            <EditorPanel compact />
          </Split>
        )}
      </Split>
    </Split>
  );
}
