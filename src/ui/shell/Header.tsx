import type { PolicyName } from "../../protocol/engine-types.ts";
import type { ViewName } from "../../store/types.ts";
import { Icon, Mark } from "../controls/Icon.tsx";
import { Picker } from "../controls/Menu.tsx";
import { moveBetweenTabs } from "../controls/Panel.tsx";
import { readinessOf } from "../race/readiness.ts";
import { POLICY_HINTS, policyHint } from "../text/policies.ts";
import { useActions, usePlayground } from "./context.tsx";
import { TEMPLATES } from "./templates.ts";

export const VIEWS: readonly { readonly id: ViewName; readonly label: string }[] = [
  { id: "write", label: "Write" },
  { id: "verify", label: "Verify" },
  { id: "time", label: "Time" },
  { id: "race", label: "Race" },
];

export function DemoPicker() {
  const demos = usePlayground((s) => s.demos);
  const demo = usePlayground((s) => s.source.demo);
  const object = usePlayground((s) => s.source.object);
  const dirty = usePlayground((s) => s.source.dirty);
  const actions = useActions();
  const title = object?.name ?? demos.find((d) => d.id === demo)?.title ?? "Your program";
  return (
    <Picker
      name="Demo"
      value={title}
      {...(dirty && demo ? { hint: "changed" } : {})}
      items={[
        ...demos.map((d) => ({
          id: d.id,
          label: d.title,
          text: d.title,
          hint: d.summary,
          group: d.group,
          checked: d.id === demo,
        })),
        ...TEMPLATES.map((t) => ({ id: t.id, label: t.label, text: t.label, hint: t.hint, group: "Begin your own" })),
      ]}
      onChoose={(id) => {
        const template = TEMPLATES.find((t) => t.id === id);
        if (!template) actions.openDemo(id);
        else {
          actions.changeSettings({ policy: "uref", unverified: false });
          actions.openSource(template.file, template.program, template.script);
        }
      }}
    />
  );
}

export function PolicyPicker() {
  const policy = usePlayground((s) => s.source.settings.policy);
  const actions = useActions();
  return (
    <Picker
      name="Policy"
      value={policy}
      hint={policyHint(policy)}
      mono
      items={POLICY_HINTS.map((p) => ({
        id: p.name,
        label: (
          <>
            <code>
              <b>{p.name}</b>
            </code>{" "}
            <span className="t3">{p.hint}</span>
          </>
        ),
        text: p.name,
        hint: p.about,
        checked: p.name === policy,
      }))}
      onChoose={(id) => actions.changeSettings({ policy: id as PolicyName })}
    />
  );
}

function CpuStepper() {
  const cpus = usePlayground((s) => s.source.settings.cpus);
  const actions = useActions();
  return (
    <span className="ctl stepper" role="group" aria-label="CPUs">
      <span className="k">CPUs</span>
      <button
        type="button"
        aria-label="One CPU fewer"
        disabled={cpus <= 1}
        onClick={() => actions.changeSettings({ cpus: cpus - 1 })}
      >
        −
      </button>
      <b aria-live="polite">{cpus}</b>
      <button
        type="button"
        aria-label="One CPU more"
        disabled={cpus >= 8}
        onClick={() => actions.changeSettings({ cpus: cpus + 1 })}
      >
        +
      </button>
    </span>
  );
}

/** The one primary action of the page: Run, Pause or Cancel, by state; in the Race view Explore or Cancel. */
export function PrimaryButton() {
  return usePlayground((s) => s.view.view === "race") ? <ExploreButton /> : <RunButton />;
}

function ExploreButton() {
  const searching = usePlayground((s) => s.race.phase === "searching");
  const refused = usePlayground((s) => readinessOf(s) === "refused");
  const actions = useActions();
  return searching ? (
    <button type="button" className="ctl primary" onClick={() => actions.cancelExplore()}>
      <Icon name="stop" />
      Cancel
    </button>
  ) : (
    <button
      type="button"
      className="ctl primary"
      disabled={refused}
      title={refused ? "The program is refused" : "Try every order of the script’s concurrent lines"}
      onClick={() => actions.explore()}
    >
      <Icon name="run" />
      Explore
      <kbd>Ctrl ↵</kbd>
    </button>
  );
}

function RunButton() {
  const status = usePlayground((s) => s.run.status);
  const phase = usePlayground((s) => s.build.phase);
  const actions = useActions();
  if (status === "running")
    return (
      <button type="button" className="ctl primary" onClick={() => actions.pause()}>
        <Icon name="pause" />
        Pause
      </button>
    );
  if (phase === "loading-compiler" && status === "none")
    return (
      <button type="button" className="ctl primary" onClick={() => actions.cancelBuild()}>
        <Icon name="stop" />
        Cancel
      </button>
    );
  return (
    <button
      type="button"
      className="ctl primary"
      title={status === "paused" ? "Go on running (Ctrl+Enter builds again)" : "Build and run from the beginning"}
      onClick={() => (status === "paused" ? actions.play() : actions.buildAndRun())}
    >
      <Icon name="run" />
      Run
      {status === "paused" ? null : <kbd>Ctrl ↵</kbd>}
    </button>
  );
}

export function ViewSwitch({ className }: { readonly className: string }) {
  const view = usePlayground((s) => s.view.view);
  const actions = useActions();
  return (
    <div className={className} role="tablist" aria-label="View" onKeyDown={moveBetweenTabs}>
      {VIEWS.map((v) => (
        <button
          key={v.id}
          type="button"
          role="tab"
          aria-selected={v.id === view}
          tabIndex={v.id === view ? 0 : -1}
          onClick={() => actions.setView({ view: v.id, maximised: null })}
        >
          {v.label}
        </button>
      ))}
    </div>
  );
}

const NEXT_THEME = { system: "light", light: "dark", dark: "system" } as const;

function ThemeButton() {
  const theme = usePlayground((s) => s.view.theme);
  const actions = useActions();
  const label = `Theme: ${theme === "system" ? "as the system" : theme}. Change to ${NEXT_THEME[theme]}`;
  return (
    <button
      type="button"
      className="ctl ghost sq"
      aria-label={label}
      title={label}
      onClick={() => actions.setView({ theme: NEXT_THEME[theme] })}
    >
      <Icon name="light" />
    </button>
  );
}

export function Header() {
  const actions = useActions();
  return (
    <header className="top">
      <h1 className="brand">
        <Mark />
        <span>BPF Timer Playground</span>
      </h1>
      <DemoPicker />
      <PolicyPicker />
      <CpuStepper />
      <span className="sp" />
      <ViewSwitch className="seg" />
      <span className="sp" />
      <PrimaryButton />
      <button type="button" className="ctl" aria-label="Share" onClick={() => actions.setView({ dialog: "share" })}>
        <Icon name="share" />
        <span className="share-label">Share</span>
      </button>
      <button
        type="button"
        className="ctl ghost sq"
        aria-label="Settings"
        title="Settings"
        onClick={() => actions.setView({ dialog: "settings" })}
      >
        <Icon name="gear" />
      </button>
      <ThemeButton />
      <button
        type="button"
        className="ctl ghost sq"
        aria-label="Help and keys"
        title="Help and keys (?)"
        onClick={() => actions.setView({ dialog: "help" })}
      >
        <Icon name="help" />
      </button>
    </header>
  );
}
