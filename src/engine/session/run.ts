import type { Errno } from "../abi/errno.ts";
import { InternalError } from "../base/errors.ts";
import type { EventLog } from "../events/event-log.ts";
import type { EventList } from "../events/types.ts";
import type { Kernel, StopPoints, StopReport, Task } from "../kernel/api.ts";
import type { CollectionSpec } from "../loader/spec.ts";
import { Recording } from "../recording/recording.ts";
import { parseCommand } from "../script/parse-script.ts";
import { MAIN_PROCESS, type ScriptLine } from "../script/types.ts";
import { type CommandWorld, concludeCall, failure, type Outcome, planCommand, success } from "./commands.ts";
import { judge } from "./expectations.ts";
import type { NameTable } from "./names.ts";
import type { CommandOutcome, ExpectationOutcome, ScriptState } from "./types.ts";

/** Loads the collection once more in the name of a process; the names afterwards, or why it failed. */
export type LoadObject = (kernel: Kernel, process: number, names: NameTable) => NameTable | Errno;

export interface RunPlan {
  readonly collection: CollectionSpec;
  readonly commands: readonly ScriptLine[];
  /** A line that is not understood: the script stops there, behind `commands`. */
  readonly fault: ScriptState["stopped"];
  readonly load: LoadObject;
  /** Instructions after which one command counts as endless. */
  readonly patience: number;
}

/** A command that is under way. Plain data. */
type Action =
  | {
      readonly kind: "call";
      readonly line: ScriptLine;
      readonly process: number;
      readonly task: number;
      /** Instructions so far. */
      spent: number;
      /** The task once the kernel has forgotten it, while what follows from the call is still being done. */
      finished: Task | null;
    }
  | { readonly kind: "advance"; readonly line: ScriptLine; readonly target: number };

/** Where the script stands: plain data, replaced and never changed (but for what a call under way notes). */
interface Progress {
  readonly names: NameTable;
  /** Index of the command that comes next. */
  readonly index: number;
  readonly stopped: ScriptState["stopped"];
  readonly commands: number;
  readonly expectations: number;
  readonly last: Outcome & { readonly ofRun: boolean };
  /** Live commands that have been given. */
  readonly inputs: number;
  /** Innermost last: a live command may be given while the script lets time pass. */
  readonly actions: readonly Action[];
}

/** A command that the visitor gave while the run was at this moment; replay gives it again there. */
interface LiveInput {
  readonly at: number;
  readonly index: number;
  readonly line: ScriptLine;
}

export type RunState = "going" | "ended" | "oops" | "unsupported";

/**
 * How a slice of work ended: fuel used up; the time limit reached; nothing more will ever happen; a breakpoint or watch stopped it
 * (see {@link Run.stopped}; the next tick goes on).
 */
export type TickResult = "worked" | "time" | "over" | "stopped";

/**
 * One run of an object and its script: deterministic, in slices, with its recording. It has no clock of its own: the caller says
 * how far virtual time may go.
 */
export class Run {
  readonly kernel: Kernel;
  readonly recording = new Recording<Progress>();
  readonly #plan: RunPlan;
  readonly #inputs: LiveInput[] = [];
  readonly #commands: CommandOutcome[] = [];
  readonly #expectations: ExpectationOutcome[] = [];
  #progress: Progress;
  /** The latest moment, kept while an earlier one is shown. */
  #head: Moment | null = null;

  constructor(kernel: (log: EventLog) => Kernel, plan: RunPlan, names: (kernel: Kernel) => NameTable) {
    this.kernel = kernel(this.recording.events);
    this.#plan = plan;
    this.#progress = {
      names: names(this.kernel),
      index: 0,
      stopped: null,
      commands: 0,
      expectations: 0,
      last: { ...success(), ofRun: false },
      inputs: 0,
      actions: [],
    };
    this.#keep();
  }

  get events(): EventList {
    return this.recording.events;
  }

  get position(): number {
    return this.kernel.state.seq;
  }

  get now(): number {
    return this.kernel.state.now;
  }

  get names(): NameTable {
    return this.#progress.names;
  }

  get state(): RunState {
    if (this.kernel.state.oops !== null) return "oops";
    if (this.kernel.unsupported !== null) return "unsupported";
    return this.scriptDone && this.#progress.actions.length === 0 && this.#quiet && !this.#behind ? "ended" : "going";
  }

  /** True when an earlier moment is shown than the latest that was recorded. */
  get #behind(): boolean {
    return this.position < this.recording.events.length || this.#progress.inputs < this.#inputs.length;
  }

  get scriptDone(): boolean {
    return this.#progress.stopped !== null || this.#progress.index >= this.#plan.commands.length;
  }

  /** True when every line has been done, or the script has stopped. */
  get scriptFinished(): boolean {
    return this.scriptDone && this.#progress.actions.length === 0;
  }

  get script(): ScriptState {
    const { index, commands, expectations } = this.#progress;
    const stopped = this.#progress.stopped ?? (index >= this.#plan.commands.length ? this.#plan.fault : null);
    return {
      nextLine: this.scriptDone ? null : (this.#plan.commands[index]?.line ?? null),
      stopped,
      commands: this.#commands.slice(0, commands),
      expectations: this.#expectations.slice(0, expectations),
    };
  }

  /** Does the next thing: at most `fuel` instructions, and no further than `limit` (ns of virtual time). */
  tick(limit: number, fuel: number): TickResult {
    if (this.stopped !== null) this.resume();
    const result = this.#tick(limit, fuel);
    // Who runs on from an earlier moment past the latest one has a new latest moment.
    if (this.#head !== null && !this.#behind && this.now >= this.#head.kernel.state.now) this.#head = null;
    if (this.recording.wants(this.position)) this.#keep();
    return this.stopped === null ? result : "stopped";
  }

  #tick(limit: number, fuel: number): TickResult {
    if (this.kernel.unsupported !== null) return "over";
    if (this.kernel.state.oops !== null) return this.#afterOops();
    const action = this.#progress.actions.at(-1);
    if (action?.kind === "call") return this.#continueCall(action, fuel);
    const input = this.#inputs[this.#progress.inputs];
    const inputDue = input !== undefined && input.index === this.#progress.index;
    if (inputDue && input.at <= this.now) return this.#giveInput(input, fuel);
    if (action === undefined && !this.scriptDone) {
      this.#begin(this.#plan.commands[this.#progress.index] as ScriptLine);
      return "worked";
    }
    const end = Math.min(action?.target ?? Number.POSITIVE_INFINITY, inputDue ? input.at : Number.POSITIVE_INFINITY);
    const target = this.#howFar(end, limit);
    if (typeof target === "string") return target;
    const result = this.#pass(target, fuel);
    if (action !== undefined && this.#settledAt === action.target) {
      this.#pop();
      this.#conclude(action.line, success());
    }
    return result;
  }

  /** The kernel has stopped: what was under way never returns, and only questions about it can still be asked. */
  #afterOops(): TickResult {
    const { actions } = this.#progress;
    if (actions.length > 0) {
      this.#progress = { ...this.#progress, actions: [] };
      for (const { line } of [...actions].reverse())
        this.#note(line, { ...failure("EFAULT"), output: ["the kernel oopsed"] });
      return "worked";
    }
    const next = this.scriptDone ? undefined : this.#plan.commands[this.#progress.index];
    if (next === undefined) return "over";
    if (next.command.kind === "expect") this.#begin(next);
    else this.#stop(next, "the kernel oopsed");
    return "worked";
  }

  /** Time passes: to `end` by the script's wish, or because the clock runs on behind the script's end. */
  #howFar(end: number, limit: number): number | TickResult {
    if (end <= limit && end !== Number.POSITIVE_INFINITY) return end;
    if (end === Number.POSITIVE_INFINITY && this.#quiet) return "over";
    if (limit === Number.POSITIVE_INFINITY) return this.kernel.nextExpiry() ?? this.now;
    return limit <= this.now ? "time" : limit;
  }

  /** True when nothing will happen by itself, however much time passes. */
  get #quiet(): boolean {
    const { tasks, rcu } = this.kernel.state;
    return tasks.size === 0 && rcu.length === 0 && this.kernel.nextExpiry() === null;
  }

  /** The time up to which the kernel has said that everything is done; meaningful right after {@link #pass}. */
  #settledAt = -1;

  #pass(target: number, fuel: number): TickResult {
    this.#settledAt = -1;
    const status = this.kernel.advanceTo(target, fuel);
    if (status === "done") this.#settledAt = target;
    return "worked";
  }

  #giveInput(input: LiveInput, fuel: number): TickResult {
    // Everything that is due at this moment comes first, so that a replay finds the same moment.
    const result = this.#pass(this.now, fuel);
    if (this.#settledAt < 0) return result;
    this.#progress = { ...this.#progress, inputs: this.#progress.inputs + 1 };
    this.#begin(input.line);
    return "worked";
  }

  #begin(line: ScriptLine): void {
    if (line.line > 0) this.#progress = { ...this.#progress, index: this.#progress.index + 1 };
    if (line.command.kind === "expect") {
      const judgement = judge(line.command.expectation, this.#progress.last, this.#world(0));
      const text = line.text.replace(/^(?:.*?:\s*)?expect\s+/, "");
      this.#expectations[this.#progress.expectations] = { line: line.line, text, ...judgement };
      this.#progress = { ...this.#progress, expectations: this.#progress.expectations + 1 };
      return;
    }
    const process = this.kernel.openProcess(line.process ?? MAIN_PROCESS);
    const plan = planCommand(line, this.#world(process));
    if (!plan.ok) {
      this.#stop(line, plan.error.message);
      return;
    }
    switch (plan.value.kind) {
      case "done":
        this.#conclude(line, plan.value.outcome);
        return;
      case "object-load": {
        const names = this.#plan.load(this.kernel, process, this.#progress.names);
        if (typeof names === "string") this.#conclude(line, failure(names));
        else {
          this.#progress = { ...this.#progress, names };
          this.#conclude(line, success());
        }
        return;
      }
      case "advance":
        this.#push({ kind: "advance", line, target: plan.value.target });
        return;
      case "call": {
        const task = this.kernel.start(process, plan.value.call, plan.value.cpu);
        this.#push({ kind: "call", line, process, task: task.id, spent: 0, finished: null });
        return;
      }
    }
  }

  #continueCall(action: Action & { readonly kind: "call" }, fuel: number): TickResult {
    const task = action.finished ?? this.kernel.state.tasks.get(action.task);
    if (task === undefined) throw new InternalError(`no task ${action.task}`);
    const status = this.kernel.run(task, fuel);
    if (!this.kernel.state.tasks.has(action.task)) action.finished = task;
    if (status === "fuel") {
      if (this.stopped === null) action.spent += fuel;
      if (action.spent > this.#plan.patience) {
        this.kernel.current = task;
        const message = `watchdog: soft lockup: ${action.line.text} has run ${action.spent} instructions without end`;
        this.kernel.oops({ what: "runaway", message, address: null });
        this.kernel.current = null;
        return "worked";
      }
    }
    if (status !== "done") return "worked";
    this.#pop();
    const result = task.result ?? { retval: -1, errno: "EINTR" as const };
    const { outcome, names } = concludeCall(action.line, result, this.#world(action.process));
    this.#progress = { ...this.#progress, names };
    this.#conclude(action.line, outcome);
    return "worked";
  }

  #conclude(line: ScriptLine, outcome: Outcome): void {
    const next = this.#plan.commands[this.#progress.index]?.command;
    this.#note(line, outcome);
    const expected = next?.kind === "expect" && next.expectation.kind === "errno";
    if (line.line > 0 && outcome.errno !== null && !expected) this.#stop(line, `${line.text} failed: ${outcome.errno}`);
  }

  #note(line: ScriptLine, outcome: Outcome): void {
    this.#commands[this.#progress.commands] = {
      line: line.line,
      text: line.text,
      at: this.now,
      retval: String(outcome.retval),
      errno: outcome.errno,
      output: outcome.output,
    };
    const ofRun = line.command.kind === "prog-run" && outcome.errno === null;
    this.#progress = { ...this.#progress, commands: this.#progress.commands + 1, last: { ...outcome, ofRun } };
  }

  #stop(line: ScriptLine, reason: string): void {
    if (line.line > 0) this.#progress = { ...this.#progress, stopped: { line: line.line, reason } };
    else {
      this.#commands[this.#progress.commands] = {
        line: 0,
        text: line.text,
        at: this.now,
        retval: "-1",
        errno: "EINVAL",
        output: [reason],
      };
      this.#progress = { ...this.#progress, commands: this.#progress.commands + 1 };
    }
  }

  #push(action: Action): void {
    this.#progress = { ...this.#progress, actions: [...this.#progress.actions, action] };
  }

  #pop(): void {
    this.#progress = { ...this.#progress, actions: this.#progress.actions.slice(0, -1) };
  }

  #world(process: number): CommandWorld {
    return { kernel: this.kernel, collection: this.#plan.collection, names: this.#progress.names, process };
  }

  /**
   * Gives a command now. When an earlier moment is shown, what was recorded after it is forgotten. False: a program is running, so
   * user space has to wait (tick on and ask again). A text that is no command is returned as such.
   */
  command(text: string): { readonly kind: "given" | "busy" } | { readonly kind: "error"; readonly message: string } {
    const line = parseCommand(text);
    if ("error" in line) return { kind: "error", message: line.error };
    if (this.#progress.actions.at(-1)?.kind === "call") return { kind: "busy" };
    this.#inputs.length = this.#progress.inputs;
    this.recording.truncate(this.position);
    this.#head = null;
    this.#inputs.push({ at: this.now, index: this.#progress.index, line });
    return { kind: "given" };
  }

  /** True while a live command waits or is under way. */
  get liveBusy(): boolean {
    return this.#progress.inputs < this.#inputs.length || this.#progress.actions.some((a) => a.line.line === 0);
  }

  get lastCommand(): CommandOutcome | null {
    return this.#commands[this.#progress.commands - 1] ?? null;
  }

  // Breakpoints and watches: of whoever looks at the run, not of the run. Its events are the same with and without.

  stopAt(points: StopPoints): void {
    this.kernel.stopAt(points);
  }

  /** Why and where the run has been stopped; null when it has not. */
  get stopped(): StopReport | null {
    return this.kernel.stops?.report ?? null;
  }

  /** The run no longer counts as stopped, and the next tick does not stop where it stands. */
  resume(): void {
    this.kernel.stops?.pass(this.kernel);
  }

  // Time travel.

  #keep(): void {
    this.recording.keep({
      seq: this.position,
      now: this.now,
      kernel: this.kernel.checkpoint(),
      progress: this.#copy(),
    });
  }

  #copy(): Progress {
    return { ...this.#progress, actions: this.#progress.actions.map((a) => ({ ...a })) };
  }

  #restore(from: Moment): void {
    this.kernel.restore(from.kernel);
    this.#progress = { ...from.progress, actions: from.progress.actions.map((a) => ({ ...a })) };
  }

  /** Remembers the latest moment before an earlier one is shown. */
  #leaveHead(): void {
    if (this.#head === null && !this.#behind) this.#head = { kernel: this.kernel.checkpoint(), progress: this.#copy() };
  }

  /** Shows the latest moment again. */
  toHead(): void {
    if (this.#head === null) return;
    this.#restore(this.#head);
    this.#head = null;
  }

  /** Shows the first moment at which `seq` events have happened; of a recorded run, 0 <= seq <= events.length. */
  seek(seq: number): void {
    const target = Math.max(0, Math.min(seq, this.recording.events.length));
    this.#leaveHead();
    const from = this.recording.before(Math.max(0, target - 1));
    if (target <= from.seq) {
      this.#restore(from);
      return;
    }
    const coarse = this.#replay(from, Number.POSITIVE_INFINITY, false, () => this.position >= target);
    this.#replay(from, coarse - 1, true, () => this.position >= target);
  }

  /** Shows the last moment with fewer events than the one that is shown. */
  back(): void {
    const here = this.position;
    if (here === 0) return;
    this.#leaveHead();
    const from = this.recording.before(here - 1);
    const coarse = this.#replay(from, Number.POSITIVE_INFINITY, false, () => this.position >= here);
    let before = from.seq;
    this.#replay(from, coarse - 1, true, () => {
      if (this.position >= here) return true;
      before = this.position;
      return false;
    });
    this.seek(before);
  }

  /**
   * From a checkpoint to the first moment at which `until` holds: in ticks of many instructions (their number is returned), or in
   * ticks of one after `coarse` such ticks, of which the last that matters is one too many.
   */
  #replay(from: Moment, coarse: number, fine: boolean, until: () => boolean): number {
    this.#restore(from);
    this.recording.events.frozen = true;
    const { stops } = this.kernel;
    this.kernel.stops = null;
    try {
      let done = 0;
      while (done < coarse && (fine || !until())) {
        if (this.#tick(Number.POSITIVE_INFINITY, COARSE_FUEL) !== "worked") break;
        done++;
      }
      while (fine && !until() && this.#tick(Number.POSITIVE_INFINITY, 1) === "worked");
      return done;
    } finally {
      this.recording.events.frozen = false;
      this.kernel.stops = stops;
      stops?.pass(this.kernel);
      stops?.settle(this.kernel);
    }
  }
}

/** What can be put back. */
interface Moment {
  readonly kernel: ReturnType<Kernel["checkpoint"]>;
  readonly progress: Progress;
}

/** Instructions of a coarse tick of a replay. */
const COARSE_FUEL = 512;
