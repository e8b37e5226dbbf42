import { useMemo } from "react";
import { Icon } from "../controls/Icon.tsx";
import { MenuButton } from "../controls/Menu.tsx";
import { IconButton, MaximiseButton, PanelTabs, type TabItem } from "../controls/Panel.tsx";
import { selectEvents, useNamesFor, usePacedPlayground, usePlayground, useReadState } from "../shell/context.tsx";
import { saveFile } from "../shell/save-file.ts";
import { formatMoment } from "../text/format.ts";
import { EVENT_GROUPS, groupOf, plainSentence } from "../text/sentences.ts";
import { EventList } from "./EventList.tsx";
import { setPanelState, usePanelState } from "./panel-state.ts";
import { QueueBody } from "./QueuePanel.tsx";
import { RegistersView } from "./RegistersView.tsx";
import { ScriptOutcome } from "./ScriptOutcome.tsx";
import { TraceOutput } from "./TraceOutput.tsx";
import { WhyAlive } from "./WhyAlivePanel.tsx";

type Tab = "events" | "trace" | "script" | "queue" | "alive" | "registers";
/** What the Time view shows beside the events where there is no room for panels of their own. */
const MOMENT: readonly Tab[] = ["queue", "alive", "registers"];

/** What happened, in words: events, trace output, the script's outcome. */
export function ActivityPanel({ withQueue }: { readonly withQueue?: boolean }) {
  const chosen = usePanelState((s) => s.activity);
  const events = usePacedPlayground(selectEvents);
  const script = usePlayground((s) => s.run.script);
  const maximised = usePlayground((s) => s.view.maximised === "activity");
  const tab = MOMENT.includes(chosen) && !withQueue ? "events" : chosen;
  const traced = useMemo(() => events.filter((e) => e.kind === "trace" || e.kind === "ringbuf").length, [events]);
  const failed = script.expectations.filter((e) => !e.ok).length;
  const items: TabItem<Tab>[] = [
    { id: "events", label: "Events", meta: events.length },
    { id: "trace", label: "Trace", ...(traced > 0 ? { meta: traced } : {}) },
    {
      id: "script",
      label: "Script",
      ...(failed > 0
        ? { meta: <span className="c-bad">✗ {failed}</span> }
        : script.expectations.length > 0
          ? { meta: <span className="c-good">✓ {script.expectations.length}</span> }
          : {}),
    },
    ...(withQueue
      ? [
          { id: "queue" as const, label: "Queues" },
          { id: "alive" as const, label: "Why alive" },
          { id: "registers" as const, label: "Registers" },
        ]
      : []),
  ];
  return (
    <section className="panel" data-panel="activity" data-max={maximised} aria-label="Activity">
      <div className="ph">
        <PanelTabs label="Activity" items={items} selected={tab} onSelect={(activity) => setPanelState({ activity })} />
        <span className="tools">
          {tab === "events" ? <EventTools /> : null}
          <MaximiseButton panel="activity" title="the events" />
        </span>
      </div>
      <div className="pb">
        <ActivityBody tab={tab} />
      </div>
    </section>
  );
}

export function ActivityBody({ tab }: { readonly tab: Tab }) {
  if (tab === "trace") return <TraceOutput />;
  if (tab === "script") return <ScriptOutcome />;
  if (tab === "queue") return <QueueBody />;
  if (tab === "alive") return <WhyAlive />;
  if (tab === "registers") return <RegistersView />;
  return <EventList />;
}

export function EventTools() {
  const hidden = usePanelState((s) => s.hiddenGroups);
  const events = usePacedPlayground(selectEvents);
  const read = useReadState();
  const names = useNamesFor(events);
  const counts = useMemo(() => {
    const all = new Map<string, number>();
    for (const event of events) all.set(groupOf(event), (all.get(groupOf(event)) ?? 0) + 1);
    return all;
  }, [events]);
  const hiddenCount = hidden.reduce((n, group) => n + (counts.get(group) ?? 0), 0);
  return (
    <>
      {hiddenCount > 0 ? <span className="chip">{hiddenCount} hidden</span> : null}
      <MenuButton
        label="Filter events"
        title="Filter events"
        kind="checks"
        className="ib"
        items={EVENT_GROUPS.map((g) => ({
          id: g.id,
          label: (
            <>
              {g.label} <span className="cnt num">{counts.get(g.id) ?? 0}</span>
            </>
          ),
          text: g.label,
          hint: g.hint,
          checked: !hidden.includes(g.id),
        }))}
        onChoose={(id) =>
          setPanelState({
            hiddenGroups: hidden.some((h) => h === id)
              ? hidden.filter((h) => h !== id)
              : [...hidden, ...EVENT_GROUPS.filter((g) => g.id === id).map((g) => g.id)],
          })
        }
      >
        <Icon name="filter" />
      </MenuButton>
      <IconButton
        icon="download"
        label="Download events"
        disabled={events.length === 0}
        onClick={() => {
          const lines = read().run.events.map(
            (e) => `${formatMoment(e.at)}\t${e.cpu === null ? "" : `CPU ${e.cpu}`}\t${plainSentence(e, names)}`,
          );
          saveFile("events.txt", `${lines.join("\n")}\n`, "text/plain");
        }}
      />
    </>
  );
}
