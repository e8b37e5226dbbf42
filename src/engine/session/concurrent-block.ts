import { type Choice, fingerprintTask, type Kernel, type SyscallResult, type Task } from "../kernel/api.ts";
import type { ScriptLine } from "../script/types.ts";
import type { Outcome } from "./commands.ts";

/** Lines of one CPU within a block: they run in order, beside those of the other CPUs. Plain data, replaced and never changed. */
export interface BlockThread {
  readonly cpu: number;
  /** Indexes into the script's commands. */
  readonly lines: readonly number[];
  /** Of `lines`: which one comes next. */
  readonly next: number;
  readonly under:
    | { readonly kind: "call"; readonly line: number; readonly process: number; readonly task: number }
    | { readonly kind: "advance"; readonly line: number; readonly target: number }
    | null;
  readonly last: Outcome & { readonly ofRun: boolean };
}

/** Adjacent `cpu N:` lines of the script, and how far they are. */
export interface ConcurrentBlock {
  /** Index of the first command behind it. */
  readonly end: number;
  readonly threads: readonly BlockThread[];
  /** Task that took the last step; 0 when none did. */
  readonly lastTask: number;
}

/** What can happen next within a block. */
export interface BlockOption {
  /** `beginN`: the next line of CPU N's begins; else as `Choice.id`. */
  readonly id: string;
  /** See `Scenario.actor`. */
  readonly actor: string;
  readonly choice: Choice | null;
  /** For `begin`. */
  readonly thread: number;
}

/** What a block asks of the run that it is part of. */
export interface BlockPort {
  readonly kernel: Kernel;
  /** What a step is; `instruction` is for comparisons. */
  readonly grain: "visible" | "instruction";
  line(index: number): ScriptLine;
  /** Starts a command: a task of the kernel, a time to wait for, or its outcome at once. */
  start(line: ScriptLine): Started;
  concludeCall(line: ScriptLine, process: number, result: SyscallResult): Outcome;
  /** Notes what came of a line; `ofRun` as in the run's progress. */
  note(line: ScriptLine, outcome: Outcome): Outcome & { readonly ofRun: boolean };
  judge(line: ScriptLine, last: BlockThread["last"]): void;
}

export type Started =
  | { readonly kind: "call"; readonly process: number; readonly task: Task }
  | { readonly kind: "advance"; readonly target: number }
  | { readonly kind: "done"; readonly outcome: Outcome };

/** True when a line is one of several that run side by side. */
export const isConcurrent = (line: ScriptLine | undefined): boolean => line !== undefined && line.cpu !== null;

/** The block that begins at `index`. */
export function blockAt(commands: readonly ScriptLine[], index: number, last: BlockThread["last"]): ConcurrentBlock {
  const lines = new Map<number, number[]>();
  let end = index;
  for (; isConcurrent(commands[end]); end++) {
    const cpu = (commands[end] as ScriptLine).cpu as number;
    lines.set(cpu, [...(lines.get(cpu) ?? []), end]);
  }
  const threads = [...lines]
    .sort(([a], [b]) => a - b)
    .map(([cpu, own]): BlockThread => ({ cpu, lines: own, next: 0, under: null, last }));
  return { end, threads, lastTask: 0 };
}

const nextLine = (port: BlockPort, thread: BlockThread): ScriptLine | null => {
  const index = thread.lines[thread.next];
  return thread.under !== null || index === undefined ? null : port.line(index);
};

/** Time may pass: somebody waits for it, and nothing is due at this moment. */
const mayPass = (kernel: Kernel): boolean => (kernel.nextExpiry() ?? Number.POSITIVE_INFINITY) > kernel.state.now;

function mayBegin(port: BlockPort, line: ScriptLine): boolean {
  const { command } = line;
  if (command.kind === "advance") return mayPass(port.kernel);
  return port.kernel.isFree((command.kind === "prog-run" ? command.cpu : null) ?? line.cpu ?? 0);
}

/** A name of a task that does not depend on the schedule before; empty when the task is over. */
function nameOf(kernel: Kernel, id: number): string {
  const task = kernel.state.tasks.get(id);
  if (task === undefined) return "";
  if (task.cpu < 0) return `worker ${fingerprintTask(kernel, task)}`;
  return `task ${task.cpu}.${kernel.state.cpus[task.cpu]?.stack.indexOf(id)}`;
}

/** Who took the last step, if that task is not over. */
export const lastActor = (kernel: Kernel, block: ConcurrentBlock): string => nameOf(kernel, block.lastTask);

/** All that can happen next, in a stable order; empty when the block is over (or everything has stopped). */
export function blockOptions(port: BlockPort, block: ConcurrentBlock): BlockOption[] {
  const { kernel } = port;
  const options: BlockOption[] = [];
  const choices = kernel.choices();
  if (kernel.state.oops !== null || kernel.unsupported !== null) return [];
  block.threads.forEach((thread, i) => {
    const line = nextLine(port, thread);
    if (line !== null && mayBegin(port, line))
      options.push({ id: `begin${thread.cpu}`, actor: "", choice: null, thread: i });
  });
  for (const choice of choices) {
    if (choice.kind === "time") continue;
    options.push({ id: choice.id, actor: nameOf(kernel, choice.task), choice, thread: -1 });
  }
  if (mayPass(kernel) && block.threads.some((thread) => thread.under?.kind === "advance"))
    options.push({ id: "time", actor: "", choice: null, thread: -1 });
  return options;
}

/** The next option that an ordinary machine would take: whoever runs goes on. */
export function plainOption(kernel: Kernel, block: ConcurrentBlock, options: readonly BlockOption[]): BlockOption {
  const actor = lastActor(kernel, block);
  return options.find((o) => actor !== "" && o.actor === actor) ?? (options[0] as BlockOption);
}

export function takeOption(port: BlockPort, before: ConcurrentBlock, option: BlockOption): ConcurrentBlock {
  const { kernel } = port;
  const under = before.threads.map((t) =>
    t.under?.kind === "call" ? kernel.state.tasks.get(t.under.task) : undefined,
  );
  let block: ConcurrentBlock = { ...before, lastTask: 0 };
  const { choice } = option;
  if (option.thread >= 0) {
    block = begin(port, block, option.thread, under);
  } else if (choice === null) {
    passTime(kernel, block);
  } else {
    kernel.step(choice, port.grain);
    let task = choice.task;
    if (choice.kind === "interrupt" || choice.kind === "work") {
      // Nobody else sees that it begins: its first step is part of it.
      task = kernel.state.cpus[choice.cpu]?.stack.at(-1) ?? 0;
      stepTask(port, task, choice.cpu);
    }
    block = { ...block, lastTask: task };
  }
  return conclude(port, block, under);
}

function stepTask({ kernel, grain }: BlockPort, task: number, cpu: number): void {
  if (kernel.state.oops !== null || task === 0) return;
  kernel.step({ id: `cpu${cpu}`, kind: "step", cpu, task, label: "", place: null }, grain);
}

const withThread = (block: ConcurrentBlock, i: number, change: Partial<BlockThread>): ConcurrentBlock => ({
  ...block,
  threads: block.threads.map((thread, n) => (n === i ? { ...thread, ...change } : thread)),
});

/** The next line of a thread, with the first step of its call. */
function begin(port: BlockPort, block: ConcurrentBlock, i: number, tasks: (Task | undefined)[]): ConcurrentBlock {
  const { kernel } = port;
  const thread = block.threads[i] as BlockThread;
  const index = thread.lines[thread.next] as number;
  const line = port.line(index);
  const started = port.start(line);
  const next = thread.next + 1;
  switch (started.kind) {
    case "done":
      return withThread(block, i, { next, last: port.note(line, started.outcome) });
    case "advance": {
      const waiting = withThread(block, i, { next, under: { kind: "advance", line: index, target: started.target } });
      passTime(kernel, waiting);
      return waiting;
    }
    case "call": {
      const { task, process } = started;
      tasks[i] = task;
      stepTask(port, task.id, task.cpu);
      const under = { kind: "call", line: index, process, task: task.id } as const;
      return { ...withThread(block, i, { next, under }), lastTask: task.id };
    }
  }
}

/** To the next expiry, or to the first time that somebody waits for. */
function passTime(kernel: Kernel, block: ConcurrentBlock): void {
  let to = kernel.nextExpiry() ?? Number.POSITIVE_INFINITY;
  for (const { under } of block.threads) if (under?.kind === "advance") to = Math.min(to, under.target);
  kernel.passTime(to);
}

/** Notes what is over, and judges what is expected of it. `tasks`: those of the calls, by thread, as they were before the step. */
export function conclude(
  port: BlockPort,
  block: ConcurrentBlock,
  tasks: readonly (Task | undefined)[] = [],
): ConcurrentBlock {
  const { kernel } = port;
  if (kernel.state.oops !== null) return block;
  let now = block;
  block.threads.forEach((thread, i) => {
    const { under } = thread;
    if (under?.kind === "advance") {
      if (kernel.state.now < under.target) return;
      const last = port.note(port.line(under.line), { retval: 0, errno: null, output: [] });
      now = withThread(now, i, { under: null, last });
    } else if (under !== null) {
      if (kernel.state.tasks.has(under.task)) return;
      const line = port.line(under.line);
      const result = tasks[i]?.result ?? { retval: -1, errno: "EINTR" as const };
      const last = port.note(line, port.concludeCall(line, under.process, result));
      now = withThread(now, i, { under: null, last });
    }
    for (;;) {
      const current = now.threads[i] as BlockThread;
      const line = nextLine(port, current);
      if (line?.command.kind !== "expect") return;
      port.judge(line, current.last);
      now = withThread(now, i, { next: current.next + 1 });
    }
  });
  return now;
}

/** What of a block, beside the kernel's state, decides how it goes on. */
export function nameBlock(block: ConcurrentBlock): string {
  return block.threads
    .map(({ next, under, last }) => {
      const doing = under === null ? "" : under.kind === "call" ? "c" : `a${under.target}`;
      return `${next}${doing}:${last.retval},${last.errno}`;
    })
    .join(";");
}
