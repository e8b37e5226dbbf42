import { Empty, MaximiseButton, PanelTabs } from "../controls/Panel.tsx";
import { setPanelState, usePanelState } from "../panels/panel-state.ts";
import { usePlayground } from "../shell/context.tsx";
import { InstructionList } from "./InstructionList.tsx";
import { LogView } from "./LogView.tsx";
import { TranslatedView } from "./TranslatedView.tsx";
import { useVerifyFocus } from "./verify-state.ts";

export function InstructionsPanel() {
  const tab = usePanelState((s) => s.instructions);
  const maximised = usePlayground((s) => s.view.maximised === "instructions");
  const { program, path, walk } = useVerifyFocus();
  return (
    <section className="panel" data-panel="instructions" data-max={maximised} aria-label="Instructions">
      <div className="ph">
        <PanelTabs
          label="Instructions"
          items={[
            {
              id: "instructions",
              label: "Instructions",
              ...(program && walk.length > 0
                ? { meta: `path ${path + 1}, ${walk.length} of ${program.stats.insnsProcessed}` }
                : {}),
            },
            { id: "log", label: "Log" },
            { id: "translated", label: "Translated" },
          ]}
          selected={tab}
          onSelect={(instructions) => setPanelState({ instructions })}
        />
        <span className="tools">
          <MaximiseButton panel="instructions" title="the instructions" />
        </span>
      </div>
      <div className="pb">
        <InstructionsBody tab={tab} />
      </div>
    </section>
  );
}

export function InstructionsBody({ tab }: { readonly tab: "instructions" | "log" | "translated" }) {
  const { program } = useVerifyFocus();
  if (!program)
    return (
      <Empty title="No instructions yet">
        <p>They stand here beside their lines of C once the program compiles.</p>
      </Empty>
    );
  if (tab === "log") return <LogView program={program} />;
  if (tab === "translated") return <TranslatedView program={program} />;
  return <InstructionList />;
}
