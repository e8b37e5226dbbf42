import type { ExploreReport } from "../../protocol/engine.ts";
import type { DescribedSchedule, ExploreOutcome, FailureKind } from "../../protocol/engine-types.ts";
import { formatMoment, formatNumber, plural } from "../text/format.ts";
import { laneOf, rowsOf } from "./rows.ts";

const KINDS: Partial<Record<FailureKind, string>> = {
  "use-after-free": "Use after free",
  "null-dereference": "Null dereference",
  deadlock: "Deadlock",
  expectation: "An expectation fails",
  leak: "Leak",
  "failed-command": "A command fails",
};

export const kindTitle = (kind: FailureKind): string => KINDS[kind] ?? `Oops: ${kind}`;

export const preemptions = (count: number): string => (count === 0 ? "no preemption" : plural(count, "preemption"));

export interface RaceVerdict {
  readonly tone: "bad" | "good" | "plain";
  readonly title: string;
  readonly sentence: string;
}

/** The verdict in one sentence, with what to do where nothing was searched. */
export function verdictOf(report: ExploreReport): RaceVerdict {
  const { outcome, policy, schedule } = report;
  if (outcome === null) {
    const fault = report.diagnostics[0];
    return fault === undefined
      ? {
          tone: "plain",
          title: "Nothing runs side by side",
          sentence: "Begin two or more lines of the script with “cpu 0:” and “cpu 1:”, then explore.",
        }
      : {
          tone: "bad",
          title: "The script has a fault",
          sentence: `${fault.span === undefined ? "" : `Line ${fault.span.line}: `}${fault.message}. Mend it, then explore.`,
        };
  }
  switch (outcome.result) {
    case "none":
      return {
        tone: "good",
        title:
          outcome.bound === 0
            ? "No schedule without a preemption fails"
            : `No schedule with at most ${preemptions(outcome.bound)} fails`,
        sentence: `Under policy ${policy} every order of steps within this bound was tried. Of schedules with more it says nothing.`,
      };
    case "counterexample": {
      const { failure } = outcome.found;
      const message = (schedule?.failure ?? failure).message;
      return { tone: "bad", title: kindTitle(failure.kind), sentence: `Under policy ${policy}: ${message}.` };
    }
    case "stopped":
      return {
        tone: "plain",
        title: outcome.why === "cancelled" ? "Cancelled: nothing found so far" : "Stopped before the end",
        sentence:
          outcome.why === "cancelled"
            ? "What was not searched may still fail. Explore again, or with a smaller bound."
            : `${sentenceCase(outcome.why)}. Nothing was found up to there; a smaller bound or a shorter block may be searched to its end.`,
      };
  }
}

const sentenceCase = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** One word or two for a cell. */
export function resultWords(outcome: ExploreOutcome | null): string {
  if (outcome === null) return "not searched";
  switch (outcome.result) {
    case "none":
      return `none within ${outcome.bound}`;
    case "counterexample":
      return kindTitle(outcome.found.failure.kind).toLowerCase();
    case "stopped":
      return outcome.why === "cancelled" ? "cancelled" : "stopped";
  }
}

export const seconds = (ms: number): string =>
  ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms / 1000)} s`;

/** A schedule for a mail or an issue. */
export function scheduleMarkdown(report: ExploreReport | null, schedule: DescribedSchedule, script: string): string {
  const out: string[] = [];
  if (report?.outcome?.result === "counterexample") {
    const { outcome, policy } = report;
    const { schedules, states } = outcome.progress;
    out.push(
      `**${kindTitle(outcome.found.failure.kind)}** under policy \`${policy}\`, with ${preemptions(outcome.found.preemptions)} ` +
        `(${formatNumber(schedules)} schedules, ${formatNumber(states)} states, at most ${outcome.bound} preemptions)`,
      "",
    );
  }
  out.push("```", script.trim(), "```", "", "| # | ms | where | step | source |", "| --- | --- | --- | --- | --- |");
  rowsOf(schedule.steps, false).forEach(({ step, change }, i) => {
    const lane = laneOf(step);
    const where = lane === "script" ? "in order" : lane === "kernel" ? "kernel" : `CPU ${lane}`;
    const place =
      step.place === null || step.place.line === 0 ? "" : `\`${step.place.functionName}\`:${step.place.line}`;
    const words = step.words.replaceAll("|", "\\|");
    const shown = step.mark === "failure" ? `**${words}**` : words;
    const switched = change === "preemption" ? " (preempts)" : "";
    out.push(`| ${i + 1} | ${formatMoment(step.at)} | ${where}${switched} | ${shown} | ${place} |`);
  });
  return `${out.join("\n")}\n`;
}
