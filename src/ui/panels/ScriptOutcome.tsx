import { type FormEvent, useMemo, useState } from "react";
import { Icon } from "../controls/Icon.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { liveCommands } from "../shell/live-commands.ts";
import { formatMoment } from "../text/format.ts";

interface Line {
  readonly key: string;
  readonly line: number;
  readonly text: string;
  readonly at: number | null;
  readonly ok: boolean;
  readonly kind: "command" | "expect";
  readonly result: string;
  readonly output: readonly string[];
}

/** Commands with what they returned, expectations with ticks, and a prompt for one more command now. */
export function ScriptOutcome() {
  const script = usePlayground((s) => s.run.script);
  const error = usePlayground((s) => s.run.commandError);
  const actions = useActions();
  const port = useEditorPort();
  const [text, setText] = useState("");
  const lines = useMemo<readonly Line[]>(() => {
    const commands = script.commands.map(
      (c, i): Line => ({
        key: `c${i}`,
        line: c.line,
        text: c.text,
        at: c.at,
        ok: c.errno === null,
        kind: "command",
        result: c.errno ? `−${c.errno}` : c.retval,
        output: c.output,
      }),
    );
    const expectations = script.expectations.map(
      (e, i): Line => ({
        key: `e${i}`,
        line: e.line,
        text: `expect ${e.text}`,
        at: null,
        ok: e.ok,
        kind: "expect",
        result: e.ok ? "holds" : e.actual,
        output: [],
      }),
    );
    const live = commands.filter((c) => c.line === 0);
    return [...[...commands.filter((c) => c.line > 0), ...expectations].sort((a, b) => a.line - b.line), ...live];
  }, [script]);
  const live = usePlayground((s) => liveCommands(s.run.script));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === "") return;
    actions.command(text.trim());
    setText("");
  };
  return (
    <div className="outcome">
      <ol className="scroll">
        {lines.length === 0 ? (
          <li className="none t2">Commands of script.user and what they returned appear here.</li>
        ) : null}
        {lines.map((line) => (
          <li key={line.key}>
            <span className="t">{line.at === null ? "" : formatMoment(line.at)}</span>
            {line.line > 0 ? (
              <button
                type="button"
                className="lno"
                onClick={() => port.current?.reveal("script", line.line)}
                aria-label={`Line ${line.line}`}
              >
                {line.line}
              </button>
            ) : (
              <span className="lno t3">now</span>
            )}
            <code className="s">
              {line.text}
              {line.output.map((out) => (
                <span key={out} className="out">
                  {out}
                </span>
              ))}
            </code>
            <span
              className={
                line.kind === "expect" ? (line.ok ? "res c-good" : "res c-bad") : line.ok ? "res t2" : "res c-bad"
              }
            >
              {line.kind === "expect" ? <Icon name={line.ok ? "check" : "cross"} /> : null}
              {line.result}
            </span>
          </li>
        ))}
        {script.stopped ? (
          <li className="stop c-bad">
            <Icon name="warn" /> Stopped at line {script.stopped.line}: {script.stopped.reason}
          </li>
        ) : null}
      </ol>
      {live > 0 ? (
        <p className="live t2">
          {live === 1 ? "1 command was given live." : `${live} commands were given live.`}{" "}
          <button type="button" className="mini" onClick={actions.keepLiveCommands}>
            Add to script.user
          </button>
        </p>
      ) : null}
      <form onSubmit={submit}>
        <input
          className="field mono"
          aria-label="Command to do now"
          placeholder="Do now: advance 10ms, map update …"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="mini" disabled={text.trim() === ""}>
          Do
        </button>
        {error ? (
          <span className="c-bad mono err" role="alert" title={error.text}>
            −{error.errno}
          </span>
        ) : null}
      </form>
    </div>
  );
}
