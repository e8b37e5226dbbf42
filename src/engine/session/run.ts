import { InternalError } from "../base/errors.ts";
import type { EventLog } from "../events/event-log.ts";
import type { EventList } from "../events/types.ts";
import type { Kernel, StopPoints, StopReport, SyscallResult } from "../kernel/api.ts";
import { Recording } from "../recording/recording.ts";
import { parseCommand } from "../script/parse-script.ts";
import { MAIN_PROCESS, type ScriptLine } from "../script/types.ts";
import { type LiveCommand, withLiveCommands } from "../script/with-live-commands.ts";
import { type CommandWorld, concludeCall, failure, type Outcome, planCommand, success } from "./commands.ts";
import {
  type BlockOption,
  type BlockPort,
  blockAt,
  blockOptions,
  type ConcurrentBlock,
  conclude,
  isConcurrent,
  lastActor,
  nameBlock,
  plainOption,
  type Started,
  takeOption,
} from "./concurrent-block.ts";
import { judge } from "./expectations.ts";
import type { NameTable } from "./names.ts";
import type { Action, LiveInput, Moment, Progress, RunPlan, RunState, TickResult } from "./run-plan.ts";
import { TimeTravel } from "./time-travel.ts";
import type { CommandOutcome, ExpectationOutcome, ScriptState } from "./types.ts";

/**
 * One run of an object and its script: deterministic, in slices, with its recording. It has no clock of its own: the caller says
 * how far virtual time may go.
 */
export class Run {
  readonly kernel: Kernel;
  readonly recording = new Recording<Progress>();
  readonly #plan: RunPlan;
  readonly #inputs: LiveInput[] = [];
  /** How live commands ended. */
  readonly #liveEnds = new WeakMap<ScriptLine, { readonly end: number; readonly errno: string | null }>();
  readonly #commands: CommandOutcome[] = [];
  readonly #expectations: ExpectationOutcome[] = [];
  #progress: Progress;
  readonly #travel = new TimeTravel(this, {
    isBehind: () => this.#behind,
    tick: (fuel) => this.#tick(Number.POSITIVE_INFINITY, fuel),
  });

  constructor(kernel: (log: EventLog) => Kernel, plan: RunPlan, names: (kernel: Kernel) => NameTable) {
    this.kernel = kernel(this.recording.events);
    this.#plan = plan;
    this.#port = this.#makePort();
    this.#readsTrace = plan.commands.some((c) => c.command.kind === "expect" && c.command.expectation.kind === "trace");
    this.#progress = {
      names: names(this.kernel),
      index: 0,
      stopped: null,
      commands: 0,
      expectations: 0,
      last: { ...success(), ofRun: false },
      failed: null,
      taken: 0,
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
    this.#travel.passed();
    if (this.#plan.order !== "asked" && this.recording.wants(this.position, this.kernel.checkpointCost)) this.#keep();
    return this.stopped === null ? result : "stopped";
  }

  #tick(limit: number, fuel: number): TickResult {
    if (this.kernel.unsupported !== null) return "over";
    if (this.kernel.state.oops !== null) return this.#afterOops();
    const action = this.#progress.actions.at(-1);
    if (action?.kind === "call") return this.#continueCall(action, fuel);
    if (action?.kind === "block") return this.#continueBlock(action.block);
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
      const cutOff = actions.flatMap((a) => (a.kind === "block" ? this.#linesUnder(a.block) : [a.line]));
      for (const line of cutOff.reverse()) this.#note(line, { ...failure("EFAULT"), output: ["the kernel oopsed"] });
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
    const { order, commands } = this.#plan;
    if (order !== "in-order" && line.line > 0 && isConcurrent(line)) {
      const block = conclude(this.#port, blockAt(commands, this.#progress.index, this.#progress.last));
      this.#progress = { ...this.#progress, index: block.end };
      this.#push({ kind: "block", block });
      return;
    }
    if (line.line > 0) this.#progress = { ...this.#progress, index: this.#progress.index + 1 };
    if (line.command.kind === "expect") {
      this.#judge(line, this.#progress.last);
      return;
    }
    const started = this.#start(line);
    switch (started?.kind) {
      case "done":
        this.#conclude(line, started.outcome);
        return;
      case "advance":
        this.#push({ kind: "advance", line, target: started.target });
        return;
      case "call": {
        const { process, task } = started;
        this.#push({ kind: "call", line, process, task: task.id, spent: 0, finished: null });
      }
    }
  }

  #judge(line: ScriptLine, last: Progress["last"]): void {
    if (line.command.kind !== "expect") return;
    const judgement = judge(line.command.expectation, last, this.#world(0));
    const text = line.text.replace(/^(?:.*?:\s*)?expect\s+/, "");
    const outcome = { line: line.line, text, ...judgement };
    this.#expectations[this.#progress.expectations] = outcome;
    const failed = this.#progress.failed ?? (outcome.ok ? null : outcome);
    this.#progress = { ...this.#progress, expectations: this.#progress.expectations + 1, failed };
  }

  /** Asks the kernel for what a command wants; null: it does not fit the object, and the script stops. */
  #start(line: ScriptLine): Started | null {
    const process = this.kernel.openProcess(line.process ?? MAIN_PROCESS);
    const plan = planCommand(line, this.#world(process));
    if (!plan.ok) {
      this.#stop(line, plan.error.message);
      return null;
    }
    switch (plan.value.kind) {
      case "object-load": {
        const names = this.#plan.load(this.kernel, process, this.#progress.names);
        if (typeof names === "string") return { kind: "done", outcome: failure(names) };
        this.#progress = { ...this.#progress, names };
        return { kind: "done", outcome: success() };
      }
      case "call":
        return { kind: "call", process, task: this.kernel.start(process, plan.value.call, plan.value.cpu) };
      default:
        return plan.value;
    }
  }

  #concludeCall(line: ScriptLine, process: number, result: SyscallResult): Outcome {
    const { outcome, names } = concludeCall(line, result, this.#world(process));
    this.#progress = { ...this.#progress, names };
    return outcome;
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
    this.#conclude(action.line, this.#concludeCall(action.line, action.process, result));
    return "worked";
  }

  // Concurrent blocks.

  readonly #port: BlockPort;
  /** The script asks for what was traced. */
  readonly #readsTrace: boolean;

  #makePort(): BlockPort {
    return {
      kernel: this.kernel,
      grain: this.#plan.grain ?? "visible",
      line: (index) => this.#plan.commands[index] as ScriptLine,
      start: (line) => this.#start(line) ?? { kind: "done", outcome: failure("EINVAL") },
      concludeCall: (line, process, result) => this.#concludeCall(line, process, result),
      note: (line, outcome) => {
        this.#note(line, outcome);
        return this.#progress.last;
      },
      judge: (line, last) => this.#judge(line, last),
    };
  }

  #linesUnder(block: ConcurrentBlock): ScriptLine[] {
    return block.threads.flatMap(({ under }) => (under === null ? [] : [this.#port.line(under.line)]));
  }

  get #block(): ConcurrentBlock | null {
    const action = this.#progress.actions.at(-1);
    return action?.kind === "block" ? action.block : null;
  }

  /** What can happen next in the concurrent block under way; empty when it is over, or when there is none. */
  options(): readonly BlockOption[] {
    const block = this.#block;
    return block === null ? [] : blockOptions(this.#port, block);
  }

  /** The option that a schedule names; where it names none that is there, whoever runs goes on. */
  chosen(options: readonly BlockOption[], id: string | undefined): BlockOption {
    return options.find((o) => o.id === id) ?? plainOption(this.kernel, this.#block as ConcurrentBlock, options);
  }

  /** Takes one step of the block under way. */
  take(option: BlockOption): void {
    const block = this.#block;
    if (block === null) throw new InternalError("no concurrent block is under way");
    const actions = [...this.#progress.actions.slice(0, -1), { kind: "block", block } as const];
    // What the step notes is part of the progress already.
    const after = takeOption(this.#port, block, option);
    actions[actions.length - 1] = { kind: "block", block: after };
    this.#progress = { ...this.#progress, actions, taken: this.#progress.taken + 1 };
  }

  /** The first expectation that failed; null when none has. */
  get failed(): ExpectationOutcome | null {
    return this.#progress.failed;
  }

  /** The line at which the script has stopped, and why; null while it goes on. */
  get scriptStopped(): ScriptState["stopped"] {
    return this.#progress.stopped;
  }

  /** Commands that are over. */
  get commandsDone(): number {
    return this.#progress.commands;
  }

  /** The line that is under way, unless it is a concurrent block; null when there is none. */
  get lineUnder(): string | null {
    const action = this.#progress.actions.at(-1);
    return action === undefined || action.kind === "block" ? null : action.line.text;
  }

  /** Steps taken of the concurrent blocks. */
  get stepsTaken(): number {
    return this.#progress.taken;
  }

  /** The line that an option begins. */
  lineOf(option: BlockOption): ScriptLine | null {
    const thread = this.#block?.threads[option.thread];
    return thread === undefined ? null : this.#port.line(thread.lines[thread.next] as number);
  }

  /** Task that took the last step of the block; 0 when none did. */
  get lastTask(): number {
    return this.#block?.lastTask ?? 0;
  }

  /** Who took the last step of the block and is not over; empty when nobody. */
  get actor(): string {
    const block = this.#block;
    return block === null ? "" : lastActor(this.kernel, block);
  }

  #continueBlock(block: ConcurrentBlock): TickResult {
    const options = this.options();
    if (this.kernel.state.oops !== null || this.kernel.unsupported !== null) return "worked";
    if (options.length === 0) {
      const latest = block.threads.reduce((a, b) => ((a.lines.at(-1) ?? 0) > (b.lines.at(-1) ?? 0) ? a : b));
      this.#pop();
      this.#progress = { ...this.#progress, last: latest.last };
      return "worked";
    }
    const { order } = this.#plan;
    if (order === "asked" || order === "in-order") return "choice";
    this.take(this.chosen(options, order.schedule[this.#progress.taken]));
    return "worked";
  }

  /** From here on the run may go more than one way, and none is recorded (`order: "asked"`). */
  stopRecording(): void {
    this.recording.events.frozen = true;
  }

  /** What decides, beside the kernel's state, how the script goes on; equal names: the same follows. */
  get progressName(): string {
    const { index, actions, last, names, stopped } = this.#progress;
    const block = this.#block;
    const under = block === null ? `${actions.length}:${last.retval},${last.errno}` : nameBlock(block);
    const trace = this.#readsTrace ? this.kernel.state.trace.join("\n") : "";
    return `${index} ${under} ${JSON.stringify(names.fds)} ${stopped?.line ?? ""} ${trace}`;
  }

  /** The moment that stands, to be put back with {@link restore}. */
  save(): Moment {
    const actions = this.#progress.actions.map((a) => ({ ...a }));
    return { kernel: this.kernel.checkpoint(), progress: { ...this.#progress, actions } };
  }

  /** Puts back a moment of this run, or (`order: "asked"`) of another way that it could have gone. */
  restore({ kernel, progress }: Moment): void {
    this.kernel.restore(kernel);
    this.#progress = { ...progress, actions: progress.actions.map((a) => ({ ...a })) };
  }

  #conclude(line: ScriptLine, outcome: Outcome): void {
    const next = this.#plan.commands[this.#progress.index]?.command;
    this.#note(line, outcome);
    const expected = next?.kind === "expect" && next.expectation.kind === "errno";
    if (line.line > 0 && outcome.errno !== null && !expected) this.#stop(line, `${line.text} failed: ${outcome.errno}`);
  }

  #note(line: ScriptLine, outcome: Outcome): void {
    if (line.line === 0) this.#liveEnds.set(line, { end: this.now, errno: outcome.errno });
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
    const under = this.#progress.actions.at(-1)?.kind;
    if (under === "call" || under === "block") return { kind: "busy" };
    this.#inputs.length = this.#progress.inputs;
    this.recording.truncate(this.position);
    this.#travel.forget();
    this.#inputs.push({ at: this.now, index: this.#progress.index, line });
    return { kind: "given" };
  }

  /**
   * `script`, the text of this run's script, with every live command in its place (see {@link withLiveCommands}); null while a call or
   * a live command is under way, or when the script has stopped before its end.
   */
  scriptWithLive(script: string): string | null {
    const { actions } = this.#progress;
    if (this.#progress.stopped !== null || this.liveBusy || actions.some((a) => a.kind !== "advance")) return null;
    const advancing = new Set(this.#plan.commands.filter((c) => c.command.kind === "advance").map((c) => c.line));
    const ends = new Map(
      this.#commands
        .slice(0, this.#progress.commands)
        .filter((c) => c.line > 0)
        .map((c) => [c.line, { end: c.at, advances: advancing.has(c.line) }] as const),
    );
    for (const action of actions)
      if (action.kind === "advance") ends.set(action.line.line, { end: action.target, advances: true });
    const live = this.#inputs.slice(0, this.#progress.inputs).map(({ at, index, line }): LiveCommand => {
      const { end, errno } = this.#liveEnds.get(line) ?? { end: at, errno: null };
      const afterLine = this.#plan.commands[index - 1]?.line ?? 0;
      return { text: line.text, at, afterLine, advances: line.command.kind === "advance", end, errno };
    });
    return withLiveCommands(script, live, ends);
  }

  /** True while a live command waits or is under way. */
  get liveBusy(): boolean {
    return (
      this.#progress.inputs < this.#inputs.length ||
      this.#progress.actions.some((a) => a.kind !== "block" && a.line.line === 0)
    );
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
    this.recording.keep({ seq: this.position, now: this.now, ...this.save() });
  }

  /** Shows the latest moment again. */
  toHead(): void {
    this.#travel.toHead();
  }

  /** Shows the first moment at which `seq` events have happened; of a recorded run, 0 <= seq <= events.length. */
  seek(seq: number): void {
    this.#travel.seek(seq);
  }

  /** Shows the last moment with fewer events than the one that is shown. */
  back(): void {
    this.#travel.back();
  }
}
