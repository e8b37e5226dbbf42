import type { NodeId, Snapshot } from "../../protocol/engine-types.ts";
import { Empty, MaximiseButton, PanelTabs } from "../controls/Panel.tsx";
import { useActions, useNames, usePlayground } from "../shell/context.tsx";
import { plural } from "../text/format.ts";
import { holdersOf } from "./holders.ts";
import { setPanelState, usePanelState } from "./panel-state.ts";
import { RegistersView } from "./RegistersView.tsx";

/** The object asked about: the selected one, else the first program, else the first map. */
function useSubject(snapshot: Snapshot | null) {
  const selected = usePlayground((s) => s.view.selectedNode);
  const nodes = snapshot?.graph.nodes ?? [];
  return (
    nodes.find((n) => n.id === selected && n.kind !== "process" && n.kind !== "fd" && n.kind !== "pin") ??
    nodes.find((n) => n.kind === "program") ??
    nodes.find((n) => n.kind === "map") ??
    null
  );
}

export function WhyAlivePanel() {
  const tab = usePanelState((s) => s.moment);
  const maximised = usePlayground((s) => s.view.maximised === "alive");
  return (
    <section className="panel" data-panel="alive" data-max={maximised} aria-label="Holders and registers">
      <div className="ph">
        <PanelTabs
          label="Moment"
          items={[
            { id: "alive", label: "Why alive?" },
            { id: "registers", label: "Registers" },
          ]}
          selected={tab}
          onSelect={(moment) => setPanelState({ moment })}
        />
        {tab === "alive" ? <SubjectName /> : null}
        <span className="tools">
          <MaximiseButton panel="alive" title="this panel" />
        </span>
      </div>
      <div className="pb">{tab === "alive" ? <WhyAlive /> : <RegistersView />}</div>
    </section>
  );
}

function SubjectName() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const subject = useSubject(snapshot);
  const names = useNames();
  if (!snapshot || !subject) return null;
  const count = holdersOf(snapshot.graph, subject.id, names).length;
  const tone =
    subject.kind === "program" ? "c-prog" : subject.kind === "timer" || subject.kind === "work" ? "c-timer" : "c-map";
  return (
    <span className="m">
      <span className={`mono ${tone}`}>{names.node(subject.id)}</span> {plural(subject.refs ?? count, "holder")}
    </span>
  );
}

export function WhyAlive() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const subject = useSubject(snapshot);
  const names = useNames();
  if (!snapshot || !subject)
    return (
      <Empty title="Nothing to ask about">
        <p>Load a program, then select a program, map or timer to see who holds it.</p>
      </Empty>
    );
  if (holdersOf(snapshot.graph, subject.id, names).length === 0)
    return (
      <Empty title={`Nobody holds ${names.node(subject.id)}`}>
        <p>{subject.state === "freed" ? "It is freed." : "It goes as soon as a grace period has passed."}</p>
      </Empty>
    );
  return (
    <div className="why scroll">
      <HolderList snapshot={snapshot} subject={subject.id} />
    </div>
  );
}

/** Who holds an object, one line each; for what leaked, the loop that keeps it first. */
export function HolderList({ snapshot, subject }: { readonly snapshot: Snapshot; readonly subject: NodeId }) {
  const names = useNames();
  const actions = useActions();
  const holders = holdersOf(snapshot.graph, subject, names);
  const loop = snapshot.graph.leaks.find((nodes) => nodes.includes(subject));
  return (
    <>
      {loop ? (
        <p className="loop">
          <b className="c-bad">Leaked.</b> Nothing outside holds it, only the loop{" "}
          <code>{[...loop, loop[0] ?? ""].map((id) => names.node(id)).join(" → ")}</code>
        </p>
      ) : null}
      <ul>
        {holders.map((holder) => (
          <li key={`${holder.node}${holder.kind}`}>
            <button type="button" onClick={() => actions.setView({ selectedNode: holder.node })}>
              <svg viewBox="0 0 26 8" aria-hidden="true">
                {holder.kind === "user" ? (
                  <>
                    <path className="e-d" d="M0 4h26" />
                    <path className="e-di" d="M0 4h26" />
                  </>
                ) : (
                  <path className={holder.kind === "owns" ? "e-o" : "e"} d="M0 4h26" />
                )}
              </svg>
              <code>{holder.name}</code>
              <span className="t2">{holder.why}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
