import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/controls.css";
import "../styles/shell.css";
import "../styles/editor.css";
import "../styles/maps.css";
import "../styles/panels.css";
import "../styles/verify.css";
import "../styles/verdict.css";
import "../styles/graph.css";
import "../styles/axis.css";
import "../styles/race.css";
import "../styles/narrow.css";
import { Component, type ReactNode, useEffect, useRef } from "react";
import type { StoreApi } from "zustand";
import type { PlaygroundActions, PlaygroundState } from "../../store/types.ts";
import { NarrowApp } from "../narrow/NarrowApp.tsx";
import { Banners } from "./Banners.tsx";
import { PlaygroundProvider, useActions, useMediaQuery, usePlayground } from "./context.tsx";
import { DropTarget } from "./DropTarget.tsx";
import { type EditorPort, EditorPortContext } from "./editor-port.tsx";
import { Header } from "./Header.tsx";
import { HelpDialog } from "./HelpDialog.tsx";
import { useKeyboard, useStops } from "./keyboard.ts";
import { SettingsDialog } from "./SettingsDialog.tsx";
import { ShareDialog } from "./ShareDialog.tsx";
import { StatusBar } from "./StatusBar.tsx";
import { viewOptions } from "./view-options.ts";
import { WideViews } from "./WideViews.tsx";

/** The whole page: a function of the store's state. */
export function App(props: { readonly store: StoreApi<PlaygroundState>; readonly actions: PlaygroundActions }) {
  const port = useRef<EditorPort | null>(null);
  return (
    <LastResort>
      <PlaygroundProvider store={props.store} actions={props.actions}>
        <EditorPortContext value={port}>
          <Page />
        </EditorPortContext>
      </PlaygroundProvider>
    </LastResort>
  );
}

function Page() {
  const narrow = useMediaQuery("(max-width: 719.98px)");
  useViewOptions();
  useTheme();
  useKeyboard();
  useStops();
  return (
    <>
      {narrow ? (
        <NarrowApp />
      ) : (
        <div className="app">
          <Header />
          <Banners />
          <WideViews />
          <StatusBar />
        </div>
      )}
      <Dialogs />
      <DropTarget />
      <Announcer />
    </>
  );
}

function useViewOptions(): void {
  const actions = useActions();
  useEffect(() => {
    const options = viewOptions(location.search);
    if (Object.keys(options).length > 0) actions.setView(options);
  }, [actions]);
}

function useTheme(): void {
  const theme = usePlayground((s) => s.view.theme);
  const dark = useMediaQuery("(prefers-color-scheme: dark)");
  const shown = theme === "system" ? (dark ? "dark" : "light") : theme;
  useEffect(() => {
    document.documentElement.dataset["theme"] = shown;
  }, [shown]);
}

function Dialogs() {
  const dialog = usePlayground((s) => s.view.dialog);
  if (dialog === "share") return <ShareDialog />;
  if (dialog === "help") return <HelpDialog />;
  if (dialog === "settings") return <SettingsDialog />;
  return null;
}

/** Says what changed to those who do not see it; only states, not every event. */
function Announcer() {
  const status = usePlayground((s) => s.run.status);
  const phase = usePlayground((s) => s.build.phase);
  const error = usePlayground((s) => s.run.commandError);
  const words =
    error !== null
      ? `Refused: ${error.errno}`
      : status === "oops"
        ? "The kernel reported an oops"
        : phase === "compiling"
          ? "Compiling"
          : status === "none"
            ? ""
            : `Run ${status}`;
  return (
    <div className="sr" aria-live="polite">
      {words}
    </div>
  );
}

/** Our own failure while drawing: the work is kept, and a reload replays it. */
class LastResort extends Component<{ readonly children: ReactNode }, { readonly failure: Error | null }> {
  override state: { readonly failure: Error | null } = { failure: null };

  static getDerivedStateFromError(failure: Error) {
    return { failure };
  }

  override render() {
    const { failure } = this.state;
    if (!failure) return this.props.children;
    return (
      <div className="empty" role="alert">
        <b>This view stopped</b>
        <p>Your text and script are kept on this device; the run can be replayed from its start.</p>
        <code>{failure.message}</code>
        <div className="row">
          <button type="button" className="ctl primary" onClick={() => location.reload()}>
            Reload and replay
          </button>
          <button
            type="button"
            className="ctl"
            onClick={() => void navigator.clipboard.writeText(`${failure.message}\n${failure.stack ?? ""}`)}
          >
            Copy a report
          </button>
        </div>
      </div>
    );
  }
}
