import { useState } from "react";
import { Dialog } from "../controls/Dialog.tsx";
import { useActions } from "./context.tsx";
import { setSingleKeysEnabled, singleKeysEnabled } from "./keyboard.ts";

const KEYS: readonly (readonly [string, string])[] = [
  ["Ctrl ↵", "Build and run; in the Race view, explore"],
  ["Ctrl S", "Save and share"],
  ["F8 / Shift F8", "Next, previous problem"],
  ["F9", "Breakpoint at the line or instruction"],
  ["F10 / Shift F10", "Next, previous event"],
  ["F11", "One instruction"],
  ["↑ / ↓", "Step of a schedule (when it has focus)"],
  ["] / [", "Next, previous expiry"],
  ["Esc", "Give a maximised panel's room back"],
  ["?", "This help"],
  ["Ctrl M", "Tab leaves the editor, or indents"],
  ["+ / −", "Zoom the time axis (when it has focus)"],
];

export function HelpDialog() {
  const actions = useActions();
  const [single, setSingle] = useState(singleKeysEnabled);
  return (
    <Dialog title="Help" wide onClose={() => actions.setView({ dialog: "none" })}>
      <p>
        Left is <b>what you wrote</b>: a BPF program in C and the script of what user space does. Right is{" "}
        <b>what the machine does</b>: who holds whom, what the maps contain. Below is <b>time</b>, which you own: run
        it, stop it, go back.
      </p>
      <p className="t2">
        The verifier, the maps and the timers behave as Linux 6.18. One object has one colour everywhere:{" "}
        <code className="c-map">maps</code>, <code className="c-prog">programs</code>,{" "}
        <code className="c-timer">timers</code>. Past is solid, future is dashed. Everything runs in this page; nothing
        is sent anywhere.
      </p>
      <ul className="keys" style={{ margin: "14px 0 10px" }}>
        {KEYS.map(([key, what]) => (
          <li key={key}>
            <span>{what}</span>
            <kbd>{key}</kbd>
          </li>
        ))}
      </ul>
      <label className="row">
        <input
          type="checkbox"
          checked={single}
          onChange={(event) => {
            setSingle(event.target.checked);
            setSingleKeysEnabled(event.target.checked);
          }}
        />
        Single keys (<code>[</code> <code>]</code> <code>?</code>) outside the editor
      </label>
      <p className="t2" style={{ marginTop: 10 }}>
        Drop a <code>.bpf.o</code> on the page to load it instead of the source.
      </p>
    </Dialog>
  );
}
