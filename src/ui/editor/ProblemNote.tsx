import type { PlaygroundActions } from "../../store/types.ts";
import { Icon } from "../controls/Icon.tsx";
import { useActions, usePlayground, useReadState } from "../shell/context.tsx";
import type { Problem } from "./problems.ts";

/** The source with a fix inserted before its line. */
export function withFix(source: string, edit: { readonly line: number; readonly insert: string }): string {
  const lines = source.split("\n");
  lines.splice(edit.line - 1, 0, ...edit.insert.replace(/\n$/, "").split("\n"));
  return lines.join("\n");
}

export function showPath(problem: Problem, actions: PlaygroundActions): void {
  if (!problem.program) return;
  actions.inspectProgram(problem.program);
  actions.setView({
    view: "verify",
    maximised: null,
    ...(problem.insn === null ? {} : { selectedInsn: { program: problem.program, insn: problem.insn } }),
  });
}

/** Names in quotes or that look like C become code. */
export function Words({ text }: { readonly text: string }) {
  const parts = text.split(
    /(`[^`]+`|&\w+(?:->\w+)*|\b\w+(?:->\w+)+|\b\w+\[\w+\]|\b[a-z]\w*_\w+(?:\(\))?|\b[RrWw]\d{1,2}\b)/,
  );
  return (
    <>
      {parts.map((part, i) => {
        const key = `${i}${part}`;
        return i % 2 === 1 ? <code key={key}>{part.replaceAll("`", "")}</code> : part;
      })}
    </>
  );
}

/** Offers to see what the refused program would have broken. */
export function RunUnverified() {
  const on = usePlayground((s) => s.source.settings.unverified);
  const actions = useActions();
  if (on) return null;
  return (
    <button
      type="button"
      className="mini"
      title="Loads it all the same, with every access checked as it happens"
      onClick={() => actions.changeSettings({ unverified: true })}
    >
      Run unverified
    </button>
  );
}

/** The note below a line: cause in plain words, the kernel's own line, errno at the right, actions. */
export function ProblemNote({ problem }: { readonly problem: Problem }) {
  const actions = useActions();
  const read = useReadState();
  const fix = problem.explanation?.fix ?? null;
  const last = problem.explanation?.causes.at(-1);
  const edit = fix?.edit ?? null;
  return (
    <div className={problem.kind === "warning" || problem.kind === "unsupported" ? "ann plain" : "ann"} role="note">
      <div className="h">
        <span>
          <Words text={problem.title} />
        </span>
        {problem.errno ? <span className="e">{problem.errno}</span> : null}
      </div>
      {last ? (
        <div>
          {last.line && last.line !== problem.line ? `Line ${last.line}: ` : ""}
          <Words text={last.text} />
        </div>
      ) : null}
      {problem.kernel && problem.kernel !== problem.title ? <div className="k">{problem.kernel}</div> : null}
      {edit || problem.program ? (
        <div className="a">
          {fix && edit ? (
            <button
              type="button"
              className="mini"
              onClick={() => actions.editProgram(withFix(read().source.program, edit))}
            >
              <Icon name="plus" />
              {fix.text.length > 34 ? "Apply the fix" : fix.text}
            </button>
          ) : null}
          {problem.program ? (
            <button type="button" className="mini" onClick={() => showPath(problem, actions)}>
              Show the path
            </button>
          ) : null}
          {problem.kind === "refused" && problem.program ? <RunUnverified /> : null}
        </div>
      ) : null}
    </div>
  );
}
