import { Icon } from "../controls/Icon.tsx";
import { Empty } from "../controls/Panel.tsx";
import { useProblems } from "../editor/EditorPanel.tsx";
import { RunUnverified, Words, withFix } from "../editor/ProblemNote.tsx";
import { lineOfInsn } from "../editor/problems.ts";
import { useActions, usePlayground, useReadState } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { formatNumber } from "../text/format.ts";
import { useVerifyFocus } from "./verify-state.ts";

/** Lines without the indentation that all of them have. */
function dedent(text: string): string[] {
  const lines = text.replace(/\n$/, "").split("\n");
  const common = Math.min(...lines.filter((l) => l.trim() !== "").map((l) => /^\s*/.exec(l)?.[0].length ?? 0));
  return lines.map((l) => l.slice(Number.isFinite(common) ? common : 0));
}

/** Cause first, then the kernel's own line, the chain of causes, and a fix when one is known. */
export function VerdictCard() {
  const { program } = useVerifyFocus();
  const problems = useProblems();
  const report = usePlayground((s) => s.build.report);
  const actions = useActions();
  const read = useReadState();
  const port = useEditorPort();
  if (report && !report.ok)
    return (
      <section className="panel errbar" aria-label="Verdict">
        <div className="card scroll">
          <div className="ct">
            <h2>{report.stage === "compile" ? "The program does not compile" : "The object does not load"}</h2>
          </div>
          {problems.length === 0 ? <p className="ker">{report.message}</p> : null}
          <ul className="found">
            {problems.slice(0, 20).map((p) => (
              <li key={`${p.line}:${p.column}:${p.title}`}>
                {p.line > 0 ? (
                  <button type="button" className="wh" onClick={() => port.current?.reveal(p.file, p.line)}>
                    line {p.line}
                  </button>
                ) : (
                  <span />
                )}
                <span className={p.kind === "warning" ? "t2" : ""}>
                  <Words text={p.title} />
                </span>
              </li>
            ))}
          </ul>
          <p className="t2">The verifier sees a program only once it compiles and loads.</p>
        </div>
      </section>
    );
  if (!program)
    return (
      <section className="panel" aria-label="Verdict">
        <div className="pb">
          <Empty title="No verdict yet">
            <p>Build the program, and what Linux 6.18 says of it stands here.</p>
          </Empty>
        </div>
      </section>
    );
  if (program.verdict === "accept")
    return (
      <section className="panel okbar" aria-label="Verdict">
        <div className="card scroll">
          <div className="ct">
            <Icon name="check" />
            <h2>
              <code>{program.name}</code> is accepted
            </h2>
          </div>
          <dl className="kv">
            <dt>Processed</dt>
            <dd>{formatNumber(program.stats.insnsProcessed)} instructions, limit 1 000 000</dd>
            <dt>States</dt>
            <dd>
              {formatNumber(program.stats.totalStates)} in all, {formatNumber(program.stats.peakStates)} at most kept
            </dd>
            <dt>Stack</dt>
            <dd>{program.functions.map((f) => `${f.name} ${f.stackDepth} bytes`).join(", ")}</dd>
          </dl>
        </div>
      </section>
    );
  const refused = program.verdict === "reject";
  const line = lineOfInsn(program, program.rejection?.insn ?? null);
  const explanation = program.explanation;
  const edit = explanation?.fix?.edit ?? null;
  const goTo = (insn: number | null, at: number | null) => {
    if (insn !== null) actions.setView({ selectedInsn: { program: program.name, insn } });
    if (at) port.current?.reveal("program", at);
  };
  const title =
    explanation?.title.replace(/ here$/, "") ??
    (refused ? `The verifier refuses ${program.name}` : "Not modelled here");
  return (
    <section className={refused ? "panel errbar" : "panel"} aria-label="Verdict">
      <div className="card scroll">
        <div className="ct">
          <h2>
            <Words text={line > 0 ? `${title} on line ${line}` : title} />
          </h2>
          <span className="e">{program.errno}</span>
        </div>
        {program.errorLine ? <p className="ker">{program.errorLine}</p> : null}
        {explanation && explanation.causes.length > 0 ? (
          <ol className="chain">
            {explanation.causes.map((cause, i) => (
              <li key={`${cause.insn}${cause.text}`} className={i === explanation.causes.length - 1 ? "x" : ""}>
                <span className="nn" aria-hidden="true">
                  {i + 1}
                </span>
                {cause.line !== null || cause.insn !== null ? (
                  <button type="button" className="wh" onClick={() => goTo(cause.insn, cause.line)}>
                    {cause.line === null ? "" : `line ${cause.line}`}
                    {cause.line !== null && cause.insn !== null ? ", " : ""}
                    {cause.insn === null ? "" : `at ${cause.insn}`}
                  </button>
                ) : (
                  <span className="wh" />
                )}
                <span>
                  <Words text={cause.text} />
                </span>
              </li>
            ))}
          </ol>
        ) : null}
        {explanation?.fix ? (
          <>
            <p className="t3 fixlab">
              <Words
                text={
                  edit ? `${explanation.fix.text.replace(/\.$/, "")}, before line ${edit.line}:` : explanation.fix.text
                }
              />
            </p>
            {edit ? (
              <div className="fix">
                <pre className="diff">
                  {dedent(edit.insert)
                    .map((text) => `+ ${text}`)
                    .join("\n")}
                </pre>
                <button
                  type="button"
                  className="mini"
                  onClick={() => actions.editProgram(withFix(read().source.program, edit))}
                >
                  <Icon name="check" />
                  Apply
                </button>
              </div>
            ) : null}
          </>
        ) : null}
        {refused ? (
          <div className="row unv">
            <RunUnverified />
          </div>
        ) : null}
      </div>
    </section>
  );
}
