import path from "node:path";
import { formatDiagnostic } from "../../engine/base/diagnostic.ts";
import type { ExploreOutcome, ShownStep } from "../../engine/explore/types.ts";
import {
  DEFAULT_BOUND,
  DEFAULT_STATES,
  describeSchedule,
  hasBlocks,
  MAX_BOUND,
  startExploration,
} from "../../engine/session/explorer.ts";
import { buildObject as judgeObject } from "../../engine/session/session.ts";
import { buildObject } from "../build-file.ts";
import { readOptions, WHOLE } from "../options.ts";
import { printFailure, printJson, printVerdicts } from "../report.ts";
import { readScript, SCENARIO_OPTIONS, settingsOf } from "../scenario.ts";

const SPEC = {
  flags: ["--json", "--unverified"],
  values: { ...SCENARIO_OPTIONS, "--bound": WHOLE, "--states": WHOLE },
};

/** `explore FILE --script S --policy P [--bound K] [--states N] [--json]`: exit 0 none, 1 counterexample, 3 stopped before the end. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args, SPEC);
  const bound = Number(typeof options === "string" ? 0 : (options.values.get("--bound") ?? DEFAULT_BOUND));
  if (typeof options === "string" || options.files.length !== 1 || bound > MAX_BOUND) {
    const why = typeof options === "string" ? options : bound > MAX_BOUND ? `--bound takes 0 to ${MAX_BOUND}` : null;
    process.stderr.write(`explore: ${why ?? "one file is needed"}\n`);
    return 2;
  }
  const file = options.files[0] as string;
  const json = options.flags.has("--json");
  const script = readScript(file, options.values.get("--script"));
  if (!script.ok) {
    process.stderr.write(`explore: ${script.message}\n`);
    return 2;
  }
  const settings = settingsOf(options);
  const compiled = await buildObject(file, { cpuVersion: settings.cpuVersion, optimization: settings.optimization });
  if (!compiled.ok) return printFailure(file, json, "compile", compiled.message, compiled.diagnostics);
  const { object, diagnostics } = compiled;
  const { report, built } = judgeObject({ object, name: path.basename(file), settings, diagnostics, logLevel: 1 });
  if (!report.ok || built === null) {
    const { stage, message } = report.ok ? { stage: "load" as const, message: "the object could not be read" } : report;
    return printFailure(file, json, stage, message, report.diagnostics);
  }
  if (!report.runnable) return printVerdicts(file, json, report) || 1;
  const started = startExploration(built, script.text, {
    bound,
    states: Number(options.values.get("--states") ?? DEFAULT_STATES),
  });
  if (started.diagnostics.length > 0) {
    const shown = started.diagnostics.map((d) =>
      formatDiagnostic(d.span === undefined ? d : { ...d, span: { ...d.span, file: script.name } }),
    );
    process.stderr.write(`${shown.join("\n")}\n`);
    return 2;
  }
  if (!hasBlocks(script.text))
    process.stderr.write("explore: no line of the script begins with 'cpu N:', so there is one schedule\n");
  const { exploration } = started;
  while (exploration.outcome === null) exploration.work();
  const { outcome } = exploration;
  const found = outcome.result === "counterexample" ? outcome.found.choices : null;
  const steps = found === null ? [] : describeSchedule(built, script.text, found).steps;
  if (json) {
    printJson(file, {
      result: outcome.result,
      bound,
      schedules: outcome.progress.schedules,
      states: outcome.progress.states,
      kind: outcome.result === "counterexample" ? outcome.found.failure.kind : null,
      schedule: steps.map(({ cpu, step, at }) => ({ cpu, step, at })),
    });
  } else
    process.stdout.write(
      `${[...steps.map((step, i) => stepText(step, i, settings.cpus)), sentence(outcome)].join("\n")}\n`,
    );
  if (outcome.result === "stopped") process.stderr.write(`explore: ${outcome.why}\n`);
  return outcome.result === "none" ? 0 : outcome.result === "counterexample" ? 1 : 3;
}

/** Number, time, a column per CPU with a mark in that of the step (`<` a preemption), what happens. */
function stepText({ cpu, at, words, change, mark, place }: ShownStep, index: number, cpus: number): string {
  const lanes = Array.from({ length: cpus }, (_, lane) => (lane === cpu ? String(lane) : "."));
  const before = change === "preemption" ? "<" : " ";
  const where = place === null || place.line === 0 ? "" : `  (${place.functionName}, line ${place.line})`;
  const lead = mark === "failure" ? "FAILS: " : "";
  const number = String(index + 1).padStart(3);
  return `${number} ${(at / 1e6).toFixed(3).padStart(9)} ms ${before}${lanes.join(" ")}  ${lead}${words}${where}`;
}

function sentence(outcome: ExploreOutcome): string {
  const { progress, bound } = outcome;
  const searched = `${progress.schedules} schedules, ${progress.states} states`;
  const preemptions = (n: number): string => `${n} preemption${n === 1 ? "" : "s"}`;
  switch (outcome.result) {
    case "none":
      return `none: no schedule with at most ${preemptions(bound)} fails (${searched})`;
    case "counterexample":
      return `counterexample: ${outcome.found.failure.kind} with ${preemptions(outcome.found.preemptions)} (${searched})`;
    case "stopped":
      return `stopped with up to ${preemptions(progress.preemptions)} of at most ${bound}: ${outcome.why} (${searched})`;
  }
}
