import type { Diagnostic } from "../base/diagnostic.ts";
import { accessWords, namesOf, nodeWords, stepWords } from "../explore/describe-step.ts";
import { search } from "../explore/search.ts";
import type {
  DescribedSchedule,
  ExploreOutcome,
  ExploreProgress,
  Failure,
  FailureKind,
  ScheduleStep,
  ShownStep,
} from "../explore/types.ts";
import { fingerprint, type KernelEvent, leakedLoops } from "../kernel/api.ts";
import { parseScript, SCRIPT_FILE } from "../script/parse-script.ts";
import type { ScriptLine } from "../script/types.ts";
import { type BlockOption, isConcurrent } from "./concurrent-block.ts";
import type { Run } from "./run.ts";
import type { Moment } from "./run-plan.ts";
import { type BuiltObject, startRun } from "./session.ts";
import type { CommandOutcome } from "./types.ts";

export interface ExploreSettings {
  /** Preemptions at most. */
  readonly bound: number;
  /** Different states at most. */
  readonly states: number;
}

export const DEFAULT_BOUND = 3;
export const MAX_BOUND = 20;
/** States that take some tens of megabytes to remember. */
export const DEFAULT_STATES = 400_000;

/** Instructions of a stretch that runs in order, before the caller is asked whether to go on. */
const FUEL = 50_000;

/** A search under way: work as long as you like, stop whenever you like. */
export class Exploration {
  readonly #steps: Generator<ExploreProgress, ExploreOutcome>;
  readonly bound: number;
  progress: ExploreProgress = { preemptions: 0, schedules: 0, states: 0, depth: 0, steps: 0 };
  /** Null while there is more to search. */
  outcome: ExploreOutcome | null = null;

  constructor(run: Run, settings: ExploreSettings) {
    this.bound = settings.bound;
    this.#steps = search(scenarioOf(run), settings);
  }

  /** Does the next few dozen steps. */
  work(): void {
    if (this.outcome !== null) return;
    const next = this.#steps.next();
    if (next.done === true) {
      this.outcome = next.value;
      this.progress = next.value.progress;
    } else this.progress = next.value;
  }

  /** What is known when the search ends here. */
  cancel(why = "cancelled"): ExploreOutcome {
    this.outcome ??= { result: "stopped", why, bound: this.bound, progress: this.progress };
    return this.outcome;
  }
}

/** The script of a run, with `order: "asked"`, as something to search. */
export function scenarioOf(run: Run) {
  let options: readonly BlockOption[] = [];
  return {
    settle(): "choice" | "end" | "worked" {
      options = run.options();
      if (options.length > 0) {
        run.stopRecording();
        return "choice";
      }
      if (run.scriptFinished) return "end";
      return run.tick(Number.POSITIVE_INFINITY, FUEL) === "over" ? "end" : "worked";
    },
    options: () => options,
    take(option: { readonly id: string }): void {
      run.take(option as BlockOption);
      options = [];
    },
    actor: () => run.actor,
    name: () => `${fingerprint(run.kernel)} ${run.progressName}`,
    failure: () => failureOf(run),
    stuck: () => (run.kernel.unsupported === null ? null : `not modelled here: ${run.kernel.unsupported.message}`),
    save: () => run.save(),
    restore(moment: Moment): void {
      run.restore(moment);
      options = [];
    },
  };
}

/** What has gone wrong in a run up to now. */
export function failureOf(run: Run): Failure | null {
  const { kernel } = run;
  const { oops, now } = kernel.state;
  const here = { cpu: -1, at: now, place: null, line: null, loop: [] };
  if (oops !== null) {
    const { what, message, cpu, at, place } = oops;
    return { ...here, kind: what as FailureKind, message, cpu, at, place };
  }
  const { failed } = run;
  if (failed !== null) {
    const message = `expect ${failed.text}: it is ${failed.actual}`;
    return { ...here, kind: "expectation", message, line: failed.line };
  }
  const stopped = run.scriptStopped;
  if (stopped !== null) return { ...here, kind: "failed-command", message: stopped.reason, line: stopped.line };
  if (!run.scriptFinished) return null;
  const [loop] = leakedLoops(kernel);
  if (loop === undefined) return null;
  const names = namesOf(kernel);
  const words = [...loop, loop[0] as string].map((node) => nodeWords(node, names)).join(" → ");
  return { ...here, kind: "leak", message: `nothing outside holds ${words}`, loop };
}

/** Faults of a script that only matter when its blocks are concurrent. */
function checkBlocks(scriptText: string): Diagnostic[] {
  return parseScript(scriptText)
    .commands.filter((line) => isConcurrent(line) && line.command.kind === "object-load")
    .map(({ line }) => ({
      severity: "error",
      message: "'object load' cannot be one of several commands that run side by side",
      span: { file: SCRIPT_FILE, line, column: 1, endLine: line, endColumn: 2 },
    }));
}

/** True when the script has lines that run side by side. */
export const hasBlocks = (scriptText: string): boolean => parseScript(scriptText).commands.some(isConcurrent);

/** Begins a search over all schedules of a script; with diagnostics nothing is to be searched. */
export function startExploration(
  built: BuiltObject,
  scriptText: string,
  settings: ExploreSettings,
): { readonly exploration: Exploration; readonly diagnostics: readonly Diagnostic[] } {
  const { run, diagnostics } = startRun(built, scriptText, null, "asked");
  return { exploration: new Exploration(run, settings), diagnostics: [...diagnostics, ...checkBlocks(scriptText)] };
}

/** The run in which concurrent blocks follow a schedule: an ordinary recording. */
export function startReplay(built: BuiltObject, scriptText: string, choices: readonly string[]) {
  return startRun(built, scriptText, null, { schedule: choices });
}

/** The choices of a schedule, as {@link startReplay} takes them. */
export function choicesOf(schedule: readonly ScheduleStep[]): string[] {
  const ids = schedule.map(({ step }) => step.split(":", 1)[0] as string);
  return ids.filter((id) => /^(?:begin|cpu|irq|work|worker|rcu)\d+$|^time$/.test(id));
}

/**
 * Every step of a schedule, in words, with the moments of the recording that {@link startReplay} makes; the last one is the failure. Null
 * when nothing fails: a schedule of another program or another engine.
 */
export function describeSchedule(
  built: BuiltObject,
  scriptText: string,
  choices: readonly string[],
): DescribedSchedule {
  const { run } = startRun(built, scriptText, null, "asked");
  const steps: ShownStep[] = [];
  let from = run.position;
  while (failureOf(run) === null && !run.scriptFinished) {
    const options = run.options();
    if (options.length > 0) {
      steps.push(describeStep(run, run.chosen(options, choices[run.stepsTaken]), options, steps.at(-1)));
      from = run.position;
      continue;
    }
    const before = run.commandsDone;
    if (run.tick(Number.POSITIVE_INFINITY, FUEL) === "over") break;
    if (run.commandsDone === before) continue;
    const { text, retval, errno } = run.lastCommand as CommandOutcome;
    steps.push(scriptStep(run, `${text} = ${errno === null ? retval : `-${errno}`}`, from));
    from = run.position;
  }
  const failure = failureOf(run);
  const under = run.lineUnder;
  if (under !== null) steps.push(scriptStep(run, under, from));
  if (failure === null) return { steps, failure };
  const cause = causeOf(run, steps, failure);
  const { kind, message: words, cpu, at, place } = failure;
  const end = { from: run.position, to: run.position, change: "same", mark: "failure" } as const;
  const last: ShownStep = { cpu, step: `${kind}: ${words}`, at, actor: kind, words, place, ...end };
  const marked = steps.map((step, i) => (i === cause ? { ...step, mark: "cause" as const } : step));
  return { steps: [...marked, last], failure };
}

/** Takes a step and says what it did. */
function describeStep(
  run: Run,
  option: BlockOption,
  options: readonly BlockOption[],
  last: ShownStep | undefined,
): ShownStep {
  const { kernel } = run;
  const from = run.position;
  const before = run.actor;
  const { choice } = option;
  const task = choice === null ? undefined : kernel.state.tasks.get(choice.task);
  const access = task === undefined ? "" : accessWords(kernel, task);
  const line = option.thread < 0 ? null : run.lineOf(option);
  const cpu = choice?.cpu ?? (line === null ? -1 : cpuOf(line));
  run.take(option);
  const told = stepWords(run.events.slice(from, run.position), namesOf(kernel));
  const did = /^reads/.test(access) || told === "" ? [access, told].filter((part) => part !== "").join("; ") : told;
  const plain = option.id === "time" ? "time passes" : (choice?.label ?? "");
  const words = line === null ? did || plain : [commandText(line), told].filter((part) => part !== "").join(": ");
  const change =
    before === ""
      ? last === undefined || last.cpu === cpu || last.actor === "script"
        ? "same"
        : "switch"
      : option.actor === before
        ? "same"
        : options.some((o) => o.actor === before)
          ? "preemption"
          : "switch";
  return {
    cpu,
    step: `${option.id}: ${words}`,
    at: run.now,
    actor: option.id === "time" ? "time" : (kernel.state.tasks.get(run.lastTask)?.label ?? task?.label ?? plain),
    words,
    place: choice?.place ?? null,
    from,
    to: run.position,
    change,
    mark: told === "" && access === "" && line === null && option.id !== "time" ? "quiet" : "none",
  };
}

const cpuOf = ({ command, cpu }: ScriptLine): number =>
  (command.kind === "prog-run" ? command.cpu : null) ?? (command.kind === "advance" ? -1 : (cpu ?? 0));

const commandText = ({ text }: ScriptLine): string => text.replace(/^(?:(?:process|cpu)\s+\S+\s*:\s*)+/, "");

const scriptStep = (run: Run, words: string, from: number): ShownStep => ({
  cpu: -1,
  step: `script: ${words}`,
  at: run.now,
  actor: "script",
  words,
  place: null,
  from,
  to: run.position,
  change: "same",
  mark: "none",
});

/** The step without which the last one would not fail: the last that armed, wrote, freed or began to wait; -1 when none stands out. */
function causeOf(run: Run, steps: readonly ShownStep[], failure: Failure): number {
  const last = (kinds: readonly KernelEvent["kind"][], timer: string | null = null): number =>
    steps.findLastIndex((step) =>
      run.events
        .slice(step.from, step.to)
        .some((e) => kinds.includes(e.kind) && (timer === null || ("timer" in e && e.timer === timer))),
    );
  const block = steps.findIndex((step) => step.actor !== "script");
  const within = (index: number): number => (index >= block ? index : -1);
  switch (failure.kind) {
    case "use-after-free": {
      const fired = run.events.slice().findLast((e) => e.kind === "timer-fire");
      const armed = within(fired?.kind === "timer-fire" ? last(["timer-arm"], fired.timer) : -1);
      return armed >= 0 ? armed : last(["prog-free", "timer-free", "element-delete", "element-update"]);
    }
    case "expectation":
      return within(last(["value-write", "element-update", "element-delete"]));
    case "deadlock":
      return last(["wait"]);
    default:
      return -1;
  }
}
