import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { recordCase, recordKinds } from "./generated-cases.ts";
import { type GeneratedProgram, generateProgram } from "./generator/generate-program.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { listing, minimise } from "./minimise.ts";
import { type Agreement, type Disagreement, disagreementOf, judgeBoth } from "./oracle-compare.ts";
import { reportRuns } from "./verifier-run.ts";

/** How a range of seeds came out. Plain data: children of `--jobs` send theirs to the parent. */
interface Totals {
  programs: number;
  accepted: number;
  unsupported: number;
  verdicts: number;
  /** Accepted here, refused by Linux. */
  holes: number;
  joint: number;
  errnos: number;
  lines: number;
  counts: number;
  /** Programs whose whole logs were compared, and how many of them are the same. */
  logged: number;
  logs: number;
  throws: number;
  /** Programs that the kernel's side failed to answer for. */
  failed: number;
  /** Kinds of message in refusals by Linux. */
  messages: Record<string, number>;
}

const nothing = (): Totals => ({
  programs: 0,
  accepted: 0,
  unsupported: 0,
  verdicts: 0,
  holes: 0,
  joint: 0,
  errnos: 0,
  lines: 0,
  counts: 0,
  logged: 0,
  logs: 0,
  throws: 0,
  failed: 0,
  messages: {},
});

interface Options {
  readonly first: number;
  readonly count: number;
  readonly logLevel: number;
  /** Disagreements of each kind that are printed whole and minimised; wrong verdicts always are. */
  readonly show: number;
}

const USAGE =
  "usage: npm run oracle -- verifier [--count N] [--seed S] [--jobs N] [--log-level 0|1|2] [--show N] | --run | --record";

/** Seeds between two lines of progress, in all. */
const PART = 10_000;

/**
 * `npm run oracle -- verifier`: the same generated programs to the verifier and to the live kernel. Prints how far they agree, and the
 * first disagreements of each kind, which are minimised and become cases (`cases/generated.json`). `--jobs` shares the seeds among processes.
 * With `--record`, the first program of each new kind of answer becomes a case, too. With `--run` Linux is not asked: what our verifier
 * accepts runs in our VM, and must not fault. Exit code 1 when anything differs.
 */
export async function runVerifierOracle(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: "1" },
      "log-level": { type: "string", default: "2" },
      show: { type: "string", default: "5" },
      run: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
    },
  });
  const number = (name: "count" | "seed" | "jobs" | "log-level" | "show"): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} ${values[name]}: not a count\n${USAGE}`);
    return value;
  };
  const options: Options = {
    first: number("seed"),
    count: number("count"),
    logLevel: number("log-level"),
    show: number("show"),
  };
  if (values.run) return reportRuns(options.first, options.count) ? 0 : 1;
  if (number("jobs") > 1) return await share(options, number("jobs"));

  const judge = await startKernelJudge();
  if ("unavailable" in judge) {
    console.error(`the live kernel cannot be asked: ${judge.unavailable}`);
    return 3;
  }
  if (values.record) {
    console.log(`${await recordKinds(judge, options.first, options.count)} kinds of answer recorded`);
    judge.stop();
    return 0;
  }
  const totals = await judgeSeeds(judge, options);
  judge.stop();
  if (process.send !== undefined) return await new Promise((resolve) => process.send?.(totals, () => resolve(0)));
  return conclude(totals, options);
}

async function judgeSeeds(judge: KernelJudge, options: Options): Promise<Totals> {
  const totals = nothing();
  const shown = new Map<Disagreement, number>();
  for (let i = 0; i < options.count; i++) {
    const program = generateProgram(options.first + i);
    let result: Agreement;
    try {
      result = await judgeBoth(judge, program, program.insns, options.logLevel);
    } catch (error) {
      totals.failed++;
      console.log(`seed ${program.seed}: the kernel's side failed: ${String(error)}`);
      continue;
    }
    count(totals, result);
    const kind = disagreementOf(result);
    if (kind === null) continue;
    const n = (shown.get(kind) ?? 0) + 1;
    shown.set(kind, n);
    if (n <= options.show || kind === "verdict") await showDisagreement(judge, program, result, kind, options.logLevel);
  }
  return totals;
}

function count(totals: Totals, result: Agreement): void {
  totals.programs++;
  if (result.theirs === "accept") totals.accepted++;
  else totals.messages[result.message] = (totals.messages[result.message] ?? 0) + 1;
  if (result.ours === "throws") totals.throws++;
  if (result.ours === "unsupported") {
    totals.unsupported++;
    return;
  }
  if (result.ours === result.theirs) totals.verdicts++;
  if (result.ours === "accept" && result.theirs === "reject") totals.holes++;
  if (result.ours === "reject" && result.theirs === "reject") {
    totals.joint++;
    if (result.errno) totals.errnos++;
    if (result.errorLine) totals.lines++;
  }
  if (result.processed) totals.counts++;
  if (result.log !== null) totals.logged++;
  if (result.log === true) totals.logs++;
}

async function showDisagreement(
  judge: KernelJudge,
  program: GeneratedProgram,
  result: Agreement,
  kind: Disagreement,
  logLevel: number,
): Promise<void> {
  console.log(
    `seed ${program.seed} (${program.typeName}): ${kind}: ours ${result.ours}, theirs ${result.theirs}\n${result.detail}`,
  );
  const insns = await minimise(judge, program, kind, logLevel);
  const again = await judgeBoth(judge, program, insns, logLevel);
  console.log(`minimised:\n${listing(insns)}\n${again.detail}`);
  await recordCase(judge, { ...program, insns }, `${kind}-${program.seed}`);
}

/** The seeds in parts, each judged by a child, `jobs` of them at once. */
async function share(options: Options, jobs: number): Promise<number> {
  const sum = nothing();
  let next = 0;
  const part = Math.max(1, Math.min(PART, Math.ceil(options.count / jobs)));
  const began = Date.now();
  const worker = async (): Promise<void> => {
    while (next < options.count) {
      const from = next;
      next += part;
      const size = Math.min(part, options.count - from);
      const totals = await judgeInChild({ ...options, first: options.first + from, count: size });
      add(sum, totals);
      const seconds = ((Date.now() - began) / 1000).toFixed(0);
      console.log(`after ${seconds} s, ${reported(sum, options.logLevel)}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return conclude(sum, options);
}

function judgeInChild({ first, count, logLevel, show }: Options): Promise<Totals> {
  const args = ["verifier", "--seed", first, "--count", count, "--log-level", logLevel, "--show", show].map(String);
  const child: ChildProcess = fork(fileURLToPath(new URL("./oracle.ts", import.meta.url)), args, {
    execArgv: ["--import", "tsx"],
  });
  return new Promise((resolve) => {
    let answer: Totals = { ...nothing(), failed: count };
    child.on("message", (totals: Totals) => {
      answer = totals;
    });
    child.on("exit", () => resolve(answer));
  });
}

function add(sum: Totals, part: Totals): void {
  const { messages, ...counts } = part;
  for (const [name, n] of Object.entries(counts)) sum[name as keyof typeof counts] += n;
  for (const [message, n] of Object.entries(messages)) sum.messages[message] = (sum.messages[message] ?? 0) + n;
}

function conclude(totals: Totals, { first, count, logLevel }: Options): number {
  console.log(`result of seeds ${first}..${first + count - 1}: ${reported(totals, logLevel)}`);
  const { programs, unsupported, verdicts, joint, errnos, lines, counts, logged, logs, failed } = totals;
  const judged = programs - unsupported;
  const same = verdicts === judged && errnos === joint && lines === joint && counts === judged && logs === logged;
  return same && failed === 0 ? 0 : 1;
}

function reported(t: Totals, logLevel: number): string {
  const judged = t.programs - t.unsupported;
  const percent = (n: number, of: number): string => (of === 0 ? "-" : `${((100 * n) / of).toFixed(3)} %`);
  const kinds = Object.keys(t.messages).length;
  return (
    `${t.programs} programs: Linux accepts ${percent(t.accepted, t.programs)}, ${kinds} kinds of message, unsupported ${percent(t.unsupported, t.programs)}` +
    `${t.failed > 0 ? `, NOT ANSWERED BY THE KERNEL'S SIDE: ${t.failed}` : ""}\n` +
    `  verdicts agree ${percent(t.verdicts, judged)} (accepted here, refused there: ${t.holes}; failures here: ${t.throws}); of ${t.joint} joint rejections ` +
    `errno ${percent(t.errnos, t.joint)}, message ${percent(t.lines, t.joint)}; processed count ${percent(t.counts, judged)}` +
    (logLevel >= 2 ? `; log identical ${percent(t.logs, t.logged)} of ${t.logged}` : "")
  );
}
