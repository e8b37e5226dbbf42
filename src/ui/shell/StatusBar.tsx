import { useEffect, useMemo, useState } from "react";
import { problemsOf, verdictOf } from "../editor/problems.ts";
import { formatBytes, formatNumber, formatSpan } from "../text/format.ts";
import { useActions, usePlayground } from "./context.tsx";

const SAVED = {
  saved: "Saved on this device",
  saving: "Saving…",
  failed: "Not saved: the browser refused",
  off: "Not saved here",
} as const;

function Compiler() {
  const build = usePlayground((s) => s.build);
  const actions = useActions();
  if (build.phase === "loading-compiler") {
    const d = build.download;
    const share = d && d.total > 0 ? Math.round((100 * d.received) / d.total) : null;
    return (
      <span>
        {share === null
          ? "Fetching the compiler…"
          : `Compiler: ${share} %, ${formatBytes(d?.received ?? 0)} of ${formatBytes(d?.total ?? 0)}`}
        <span className="pgb" aria-hidden="true">
          <i style={{ width: `${share ?? 0}%` }} />
        </span>
        <button type="button" onClick={() => actions.cancelBuild()}>
          Cancel
        </button>
      </span>
    );
  }
  return <span>{build.compilerReady ? "clang 22 ready" : "clang 22: fetched at the first edit"}</span>;
}

/** Quiet time before the link is measured again, ms. */
const MEASURE_PAUSE = 1500;

/** How long the link would be: some chat programs cut long ones. */
function LinkLength() {
  const program = usePlayground((s) => s.source.program);
  const script = usePlayground((s) => s.source.script);
  const settings = usePlayground((s) => s.source.settings);
  const actions = useActions();
  const [length, setLength] = useState<number | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the link holds the three texts
  useEffect(() => {
    let live = true;
    const timer = setTimeout(() => {
      actions.share().then(
        (link) => live && setLength(link.length),
        () => live && setLength(null),
      );
    }, MEASURE_PAUSE);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [program, script, settings, actions]);
  if (length === null) return null;
  return (
    <button type="button" onClick={() => actions.setView({ dialog: "share" })}>
      Link {formatNumber(length)} characters
    </button>
  );
}

export function StatusBar() {
  const build = usePlayground((s) => s.build);
  const program = usePlayground((s) => s.source.program);
  const settings = usePlayground((s) => s.source.settings);
  const saved = usePlayground((s) => s.source.saved);
  const actions = useActions();
  const problems = useMemo(() => problemsOf(build.report, program), [build.report, program]);
  const verdict = verdictOf(build, problems);
  const processed = build.report?.ok ? build.report.programs.reduce((n, p) => n + p.stats.insnsProcessed, 0) : null;
  const first = problems.find((p) => p.kind === "refused");
  const words =
    verdict === null
      ? "Nothing checked yet"
      : verdict.tone === "good" && processed !== null
        ? `Accepted: ${formatNumber(processed)} instructions processed`
        : first?.errno
          ? `Rejected: ${first.errno}${first.line > 0 ? `, line ${first.line}` : ""}`
          : verdict.text;
  const openSettings = () => actions.setView({ dialog: "settings" });
  return (
    <footer className="status">
      <span role="status">
        <i
          className={
            verdict === null || verdict.tone === "plain" ? "dot off" : verdict.tone === "bad" ? "dot bad" : "dot"
          }
        />
        {words}
      </span>
      <Compiler />
      <span>as Linux 6.18</span>
      <button type="button" onClick={openSettings}>
        HZ {settings.hz}
      </button>
      <button type="button" onClick={openSettings}>
        seed {settings.seed}
      </button>
      <button type="button" onClick={openSettings}>
        {settings.insnCost === 0 ? "instructions take no time" : `${formatSpan(settings.insnCost)} per instruction`}
      </button>
      {settings.unverified ? <span className="c-bad">unverified programs run</span> : null}
      <span className="sp" />
      <LinkLength />
      <span>{SAVED[saved]}</span>
    </footer>
  );
}
