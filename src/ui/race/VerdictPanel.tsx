import type { PolicyName } from "../../protocol/engine-types.ts";
import type { PolicyRow } from "../../store/types.ts";
import { Icon } from "../controls/Icon.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { formatNumber, plural } from "../text/format.ts";
import { policyHint } from "../text/policies.ts";
import { type RaceVerdict, resultWords, seconds, verdictOf } from "./race-text.ts";
import { useReadiness } from "./readiness.ts";

/** What the search has come to, how far it is, and the other policies beside it. */
export function VerdictPanel() {
  const report = usePlayground((s) => s.race.report);
  const phase = usePlayground((s) => s.race.phase);
  const verdict = phase !== "searching" && report !== null ? verdictOf(report) : null;
  const tone = verdict?.tone ?? "plain";
  return (
    <section
      className={`panel racev ${tone === "bad" ? "errbar" : tone === "good" ? "okbar" : ""}`}
      aria-label="What was found"
      data-panel="race-verdict"
    >
      <div className="scroll verd">
        <div>
          <div role="status">
            {phase === "searching" ? <Searching /> : verdict === null ? <Idle /> : <Found verdict={verdict} />}
          </div>
          <Controls />
        </div>
        <Comparison />
      </div>
    </section>
  );
}

function Idle() {
  const readiness = useReadiness();
  const failure = usePlayground((s) => s.race.failure);
  const linked = usePlayground((s) => s.race.schedule);
  const actions = useActions();
  if (failure !== null)
    return (
      <>
        <h2>The search failed</h2>
        <p>{failure}. Your text and script are kept; explore again.</p>
      </>
    );
  switch (readiness) {
    case "refused":
      return (
        <>
          <h2>The program is refused</h2>
          <p>Only what the verifier accepts can be explored.</p>
          <div className="row">
            <button type="button" className="ctl" onClick={() => actions.setView({ view: "verify" })}>
              See why
            </button>
          </div>
        </>
      );
    case "building":
      return (
        <>
          <h2>Building</h2>
          <p>Explore can begin once the program is built.</p>
        </>
      );
    case "no-block":
      return (
        <>
          <h2>Nothing runs side by side</h2>
          <p>
            Begin two or more lines of the script with <code>cpu 0:</code> and <code>cpu 1:</code>. The explorer then
            tries every order of their steps, with the timers that expire while an <code>advance</code> is one of them.
          </p>
          <div className="row">
            <button type="button" className="ctl" onClick={() => actions.setView({ view: "write", file: "script" })}>
              Edit the script
            </button>
            <button type="button" className="ctl" onClick={() => actions.openDemo("race-walk")}>
              Open a demo of a race
            </button>
          </div>
        </>
      );
    case "ready":
      if (linked !== null)
        return (
          <>
            <h2>{linked.failure === null ? "This schedule does not fail here" : "A schedule from a link"}</h2>
            <p>
              {linked.failure === null
                ? "It was found in another program or by another engine. Explore searches anew."
                : `${linked.failure.message}. Explore searches whether there is a shorter one.`}
            </p>
          </>
        );
      return (
        <>
          <h2>Not explored yet</h2>
          <p>
            Explore tries every order of the steps of the lines that begin with <code>cpu N:</code>, those with few
            preemptions first, and shows the first that fails.
          </p>
        </>
      );
  }
}

function Searching() {
  const progress = usePlayground((s) => s.race.progress);
  const policy = usePlayground((s) => s.race.searching);
  const bound = usePlayground((s) => s.race.bound);
  const milliseconds = usePlayground((s) => s.race.milliseconds);
  const done = progress?.preemptions ?? 0;
  return (
    <>
      <h2>
        Searching under <code>{policy}</code>
      </h2>
      <p>
        Schedules with {done === 0 ? "no preemption" : plural(done, "preemption")}, of at most {bound}. Nothing found so
        far.
      </p>
      <progress aria-label="Preemptions searched" max={bound + 1} value={done} />
      <Stats
        schedules={progress?.schedules ?? 0}
        states={progress?.states ?? 0}
        milliseconds={milliseconds}
        depth={progress?.depth ?? 0}
      />
    </>
  );
}

function Found({ verdict }: { readonly verdict: RaceVerdict }) {
  const report = usePlayground((s) => s.race.report);
  const outcome = report?.outcome ?? null;
  return (
    <>
      <h2>
        {verdict.tone === "bad" ? <Icon name="warn" /> : verdict.tone === "good" ? <Icon name="check" /> : null}
        {verdict.title}
      </h2>
      <p>{verdict.sentence}</p>
      {outcome === null ? null : (
        <Stats
          schedules={outcome.progress.schedules}
          states={outcome.progress.states}
          milliseconds={report?.milliseconds ?? 0}
          depth={outcome.progress.depth}
        />
      )}
    </>
  );
}

function Stats(props: {
  readonly schedules: number;
  readonly states: number;
  readonly milliseconds: number;
  readonly depth: number;
}) {
  const cpus = usePlayground((s) => s.source.settings.cpus);
  return (
    <div className="stats">
      <span>
        <b>{formatNumber(props.schedules)}</b>schedules
      </span>
      <span>
        <b>{formatNumber(props.states)}</b>states
      </span>
      <span>
        <b>{formatNumber(props.depth)}</b>steps at most
      </span>
      <span>
        <b>{seconds(props.milliseconds)}</b>
      </span>
      <span>{plural(cpus, "CPU")}, sequential consistency</span>
    </div>
  );
}

const MAX_BOUND = 20;

function Controls() {
  const bound = usePlayground((s) => s.race.bound);
  const phase = usePlayground((s) => s.race.phase);
  const schedule = usePlayground((s) => s.race.schedule);
  const readiness = useReadiness();
  const actions = useActions();
  const searching = phase === "searching";
  return (
    <div className="row racectl">
      <span className="ctl stepper" role="group" aria-label="Preemptions at most">
        <span className="k">Preemptions at most</span>
        <button
          type="button"
          aria-label="One preemption fewer"
          disabled={searching || bound <= 0}
          onClick={() => actions.setBound(bound - 1)}
        >
          −
        </button>
        <b aria-live="polite">{bound}</b>
        <button
          type="button"
          aria-label="One preemption more"
          disabled={searching || bound >= MAX_BOUND}
          onClick={() => actions.setBound(bound + 1)}
        >
          +
        </button>
      </span>
      <button
        type="button"
        className="ctl"
        disabled={searching || readiness !== "ready"}
        onClick={() => actions.comparePolicies()}
      >
        Compare policies
      </button>
      {schedule === null ? null : (
        <>
          <button
            type="button"
            className="ctl"
            onClick={() => {
              actions.selectStep(0);
              actions.setView({ view: "time", maximised: null });
            }}
          >
            <Icon name="restart" />
            Replay in Time view
          </button>
          <button type="button" className="ctl" onClick={() => actions.setView({ dialog: "share" })}>
            <Icon name="link" />
            Link to this schedule
          </button>
        </>
      )}
    </div>
  );
}

/** The same script under each policy, one row each. */
function Comparison() {
  const rows = usePlayground((s) => s.race.comparison);
  const set = usePlayground((s) => s.source.settings.policy);
  if (rows.length === 0) return null;
  return (
    <table className="cmp">
      <caption>The same script under every policy; a name explores under it</caption>
      <thead>
        <tr>
          <th scope="col">Policy</th>
          <th scope="col">Found</th>
          <th scope="col" className="n">
            Preemptions
          </th>
          <th scope="col" className="n">
            Schedules
          </th>
          <th scope="col" className="n">
            States
          </th>
          <th scope="col" className="n">
            Time
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <ComparisonRow key={row.policy} row={row} current={row.policy === set} />
        ))}
      </tbody>
    </table>
  );
}

function ComparisonRow({ row, current }: { readonly row: PolicyRow; readonly current: boolean }) {
  const actions = useActions();
  const searching = usePlayground((s) => s.race.phase === "searching");
  const outcome = row.report?.outcome ?? null;
  const failed = outcome?.result === "counterexample";
  const words =
    row.state === "waiting"
      ? "waits"
      : row.state === "searching"
        ? "searching…"
        : row.state === "cancelled"
          ? "cancelled"
          : null;
  return (
    <tr className={current ? "on" : ""}>
      <th scope="row">
        <button
          type="button"
          className="lnk"
          title={policyHint(row.policy)}
          disabled={searching}
          onClick={() => actions.exploreUnder(row.policy as PolicyName)}
        >
          <code>{row.policy}</code>
        </button>
        {current ? <span className="t3"> set</span> : null}
      </th>
      <td className={failed ? "c-bad" : outcome?.result === "none" ? "c-good" : "t2"}>
        {outcome === null ? null : <Icon name={failed ? "cross" : outcome.result === "none" ? "check" : "minus"} />}
        {words ?? resultWords(outcome)}
      </td>
      <td className="n">{outcome?.result === "counterexample" ? formatNumber(outcome.found.preemptions) : ""}</td>
      <td className="n">{outcome === null ? "" : formatNumber(outcome.progress.schedules)}</td>
      <td className="n">{outcome === null ? "" : formatNumber(outcome.progress.states)}</td>
      <td className="n">{row.report === null || outcome === null ? "" : seconds(row.report.milliseconds)}</td>
    </tr>
  );
}
