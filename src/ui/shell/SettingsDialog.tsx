import { type ReactNode, useId } from "react";
import type { SessionSettings } from "../../protocol/engine-types.ts";
import { Dialog } from "../controls/Dialog.tsx";
import { moveBetweenTabs } from "../controls/Panel.tsx";
import { POLICY_HINTS } from "../text/policies.ts";
import { useActions, usePlayground } from "./context.tsx";
import { PolicyPicker } from "./Header.tsx";

function Choice<T extends string | number>(props: {
  readonly label: string;
  readonly hint: ReactNode;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onChange: (value: T) => void;
}) {
  const id = useId();
  return (
    <>
      <span className="lab" id={id}>
        {props.label}
      </span>
      <div>
        <div className="seg" role="radiogroup" aria-labelledby={id} onKeyDown={moveBetweenTabs}>
          {props.options.map((option) => (
            <button
              key={option.value}
              type="button"
              role="radio"
              aria-checked={option.value === props.value}
              tabIndex={option.value === props.value ? 0 : -1}
              onClick={() => props.onChange(option.value)}
            >
              {option.label}
            </button>
          ))}
        </div>
        <p className="hint">{props.hint}</p>
      </div>
    </>
  );
}

function NumberField(props: {
  readonly label: string;
  readonly hint: ReactNode;
  readonly value: number;
  readonly max: number;
  readonly unit?: string;
  readonly onChange: (value: number) => void;
}) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{props.label}</label>
      <div>
        <input
          id={id}
          className="field num"
          type="number"
          min={0}
          max={props.max}
          step={1}
          style={{ width: 120 }}
          defaultValue={props.value}
          onChange={(event) => {
            const value = event.target.valueAsNumber;
            if (Number.isInteger(value) && value >= 0 && value <= props.max) props.onChange(value);
          }}
        />{" "}
        {props.unit}
        <p className="hint">{props.hint}</p>
      </div>
    </>
  );
}

const same = <T extends string | number>(...values: readonly T[]) =>
  values.map((value) => ({ value, label: String(value) }));

export function SettingsDialog() {
  const settings = usePlayground((s) => s.source.settings);
  const theme = usePlayground((s) => s.view.theme);
  const actions = useActions();
  const unverifiedId = useId();
  const set = (change: Partial<SessionSettings>) => actions.changeSettings(change);
  return (
    <Dialog title="Settings" wide onClose={() => actions.setView({ dialog: "none" })}>
      <p className="t2" style={{ marginBottom: 14 }}>
        Part of the snippet: a link carries them, and the same settings give the same run.
      </p>
      <div className="settings">
        <span className="lab">Policy</span>
        <div>
          <PolicyPicker />
          <p className="hint">{POLICY_HINTS.find((p) => p.name === settings.policy)?.about}</p>
        </div>
        <Choice
          label="CPUs"
          hint="Each runs one thing at a time; timers fire on the CPU that armed them."
          value={settings.cpus}
          options={same(1, 2, 3, 4, 5, 6, 7, 8)}
          onChange={(cpus) => set({ cpus })}
        />
        <Choice
          label="Clock ticks (HZ)"
          hint="Jiffies per second; timers of the RFC dialect count in them."
          value={settings.hz}
          options={same<SessionSettings["hz"]>(100, 250, 1000)}
          onChange={(hz) => set({ hz })}
        />
        <NumberField
          label="Seed"
          hint="Of everything left to chance: random numbers, hash order, addresses."
          value={settings.seed}
          max={4294967295}
          onChange={(seed) => set({ seed })}
        />
        <NumberField
          label="Instruction cost"
          unit="ns"
          hint="Virtual time that each instruction takes; 0: only advance and the clock move time."
          value={settings.insnCost}
          max={1_000_000_000}
          onChange={(insnCost) => set({ insnCost })}
        />
        <Choice
          label="Engine"
          hint="The JIT runs long programs many times as fast. Steps, breakpoints and watches are the interpreter's, whichever runs."
          value={settings.engine}
          options={[
            { value: "interpreter", label: "Interpreter" },
            { value: "jit", label: "JIT" },
          ]}
          onChange={(engine) => set({ engine })}
        />
        <Choice
          label="BPF version"
          hint="Instruction set that the compiler may use (-mcpu)."
          value={settings.cpuVersion}
          options={same<SessionSettings["cpuVersion"]>("v1", "v2", "v3", "v4")}
          onChange={(cpuVersion) => set({ cpuVersion })}
        />
        <Choice
          label="Optimisation"
          hint="Linux programs are built with O2; O0 often does not pass the verifier."
          value={settings.optimization}
          options={same<SessionSettings["optimization"]>("O0", "O1", "O2")}
          onChange={(optimization) => set({ optimization })}
        />
        <label htmlFor={unverifiedId}>Run unverified</label>
        <div>
          <span className="row">
            <input
              id={unverifiedId}
              type="checkbox"
              style={{ width: 16, height: 24 }}
              checked={settings.unverified}
              onChange={(event) => set({ unverified: event.target.checked })}
            />
            Load programs that the verifier refuses
          </span>
          <p className="hint">Every access is checked as it happens, so that you see what it would have broken.</p>
        </div>
        <Choice
          label="Theme"
          hint="Not part of the snippet."
          value={theme}
          options={[
            { value: "system", label: "As the system" },
            { value: "light", label: "Light" },
            { value: "dark", label: "Dark" },
          ]}
          onChange={(value) => actions.setView({ theme: value })}
        />
      </div>
    </Dialog>
  );
}
