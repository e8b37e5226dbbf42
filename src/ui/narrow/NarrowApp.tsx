import { useEffect } from "react";
import { Icon, Mark } from "../controls/Icon.tsx";
import { MenuButton } from "../controls/Menu.tsx";
import { setPanelState, usePanelState } from "../panels/panel-state.ts";
import { Banners } from "../shell/Banners.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { DemoPicker, PrimaryButton, ViewSwitch } from "../shell/Header.tsx";
import { POLICY_HINTS } from "../text/policies.ts";
import { Dock } from "./Dock.tsx";
import { PanelBody } from "./PanelBody.tsx";
import { fileOfPanel, panelOf, panelsOf } from "./panels.ts";

/** Below 720 px: one panel at a time, presets as tabs, panels as chips, the transport docked at the bottom. */
export function NarrowApp() {
  useFallbackReveal();
  const actions = useActions();
  return (
    <div className="app narrow">
      <header className="nt">
        <h1 className="brand">
          <Mark />
          <span className="sr">BPF Timer Playground</span>
        </h1>
        <DemoPicker />
        <span className="sp" />
        <PrimaryButton />
        <button
          type="button"
          className="ctl ghost sq"
          aria-label="Share"
          onClick={() => actions.setView({ dialog: "share" })}
        >
          <Icon name="share" />
        </button>
        <MoreMenu />
      </header>
      <nav aria-label="Views">
        <ViewSwitch className="nseg" />
      </nav>
      <PanelChips />
      <Banners />
      <main className="nbody">
        <PanelBody />
      </main>
      <Dock />
    </div>
  );
}

function MoreMenu() {
  const actions = useActions();
  const theme = usePlayground((s) => s.view.theme);
  const policy = usePlayground((s) => s.source.settings.policy);
  const choose = (id: string) => {
    if (id === "settings" || id === "help") actions.setView({ dialog: id });
    else if (id === "light" || id === "dark" || id === "system") actions.setView({ theme: id });
    else {
      const chosen = POLICY_HINTS.find((p) => p.name === id);
      if (chosen) actions.changeSettings({ policy: chosen.name });
    }
  };
  return (
    <MenuButton
      label="Settings, help, policy, theme"
      kind="actions"
      className="ctl ghost sq"
      onChoose={choose}
      items={[
        { id: "settings", label: "Settings", text: "Settings", hint: "CPUs, clock, seed, engine, compiler" },
        { id: "help", label: "Help", text: "Help" },
        ...POLICY_HINTS.map((p) => ({
          id: p.name,
          label: <code>{p.name}</code>,
          text: p.name,
          hint: p.hint,
          group: "Policy",
          checked: p.name === policy,
        })),
        ...(["system", "light", "dark"] as const).map((id) => ({
          id,
          label: id === "system" ? "As the system" : id === "light" ? "Light" : "Dark",
          text: id,
          group: "Theme",
          checked: id === theme,
        })),
      ]}
    >
      <Icon name="more" />
    </MenuButton>
  );
}

function PanelChips() {
  const view = usePlayground((s) => s.view.view);
  const file = usePlayground((s) => s.view.file);
  const chosen = usePanelState((s) => s.narrow);
  const actions = useActions();
  const current = panelOf(view, chosen, file);
  return (
    <nav className="nchips" aria-label="Panels">
      {panelsOf(view).map((panel) => (
        <button
          key={panel.id}
          type="button"
          aria-current={panel.id === current ? "true" : undefined}
          onClick={() => {
            setPanelState({ narrow: { ...chosen, [view]: panel.id } });
            const wanted = fileOfPanel(panel.id);
            if (wanted && wanted !== file) actions.setView({ file: wanted, cursorLine: null });
          }}
        >
          {panel.label}
        </button>
      ))}
    </nav>
  );
}

/** Links to a line work from every panel: without an editor on screen they bring it there first. */
function useFallbackReveal(): void {
  const port = useEditorPort();
  const actions = useActions();
  const view = usePlayground((s) => s.view.view);
  const chosen = usePanelState((s) => s.narrow);
  useEffect(() => {
    const fallback = {
      reveal(file: "program" | "script" | "assembly", line: number) {
        actions.setView({ file, cursorLine: line });
        setPanelState({ narrow: { ...chosen, [view]: file === "program" ? "code" : file } });
        requestAnimationFrame(() =>
          requestAnimationFrame(() => port.current !== fallback && port.current?.reveal(file, line)),
        );
      },
    };
    if (port.current === null) port.current = fallback;
    return () => {
      if (port.current === fallback) port.current = null;
    };
  });
}
