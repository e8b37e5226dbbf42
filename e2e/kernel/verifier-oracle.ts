import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { recordCase, recordKinds } from "./generated-cases.ts";
import { type GeneratedProgram, generateProgram } from "./generator/generate-program.ts";
import { SWEEPS } from "./generator/sweeps.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { listing, minimise } from "./minimise.ts";
import {
  type Agreement,
  type Disagreement,
  disagreementOf,
  isLong,
  judgeBoth,
  messageKind,
  STATISTICS,
} from "./oracle-compare.ts";
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
  /** Left out as too long for a run of many: one in {@link LONG_ONES} is judged. */
  long: number;
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
  long: 0,
  messages: {},
});

interface Options {
  readonly first: number;
  readonly count: number;
  /** Of one program in so many the whole logs are compared, of the others message and statistics. */
  readonly logEvery: number;
  /** Name of a sweep that is judged in the place of seeds. */
  readonly sweep: string | null;
  readonly logLevel: number;
  /** Disagreements of each kind (by the two messages) that are printed whole, minimised and recorded. */
  readonly show: number;
}

const USAGE =
  "usage: npm run oracle -- verifier [--count N] [--seed S | --sweep NAME|all] [--jobs N] [--log-level 0|1|2] [--log-every N] [--show N] [--record] | --run";

/** Seeds between two lines of progress, in all. */
const PART = 10_000;

/**
 * Programs of more than so many processed instructions take a second each on either side; where many programs are asked for, one in
 * so many of them is judged.
 */
const LONG_INSNS = 100_000;
const LONG_ONES = 10;
const MANY = 10_000;

/**
 * `npm run oracle -- verifier`: the same generated programs to the verifier and to the live kernel. Prints how far they agree, and the
 * first disagreements of each kind, which are minimised and become cases (`cases/generated.json`). `--sweep` judges every combination of
 * small sets (`generator/sweeps.ts`) instead of random programs. `--jobs` shares the work among processes.
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
      "log-every": { type: "string", default: "1" },
      show: { type: "string", default: "1" },
      sweep: { type: "string" },
      run: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
    },
  });
  const number = (name: "count" | "seed" | "jobs" | "log-level" | "log-every" | "show"): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} ${values[name]}: not a count\n${USAGE}`);
    return value;
  };
  const sweeps = values.sweep === "all" ? Object.keys(SWEEPS) : values.sweep === undefined ? [] : [values.sweep];
  const wrong = sweeps.find((name) => !(name in SWEEPS));
  if (wrong !== undefined) throw new Error(`--sweep ${wrong}: there are ${Object.keys(SWEEPS).join(", ")}, all`);
  const options: Options = {
    sweep: sweeps[0] ?? null,
    first: number("seed"),
    count: number("count"),
    logLevel: number("log-level"),
    logEvery: Math.max(1, number("log-every")),
    show: number("show"),
  };
  if (values.run) return reportRuns(options.first, options.count) ? 0 : 1;
  if (!values.record && (number("jobs") > 1 || sweeps.length > 1))
    return await share(options, sweeps, Math.max(1, number("jobs")));

  const judge = await startKernelJudge();
  if ("unavailable" in judge) {
    console.error(`the live kernel cannot be asked: ${judge.unavailable}`);
    return 3;
  }
  if (values.record) {
    for (const sweep of sweeps.length === 0 ? [null] : sweeps) {
      const of = sweep === null ? "" : `${sweep}-`;
      const kinds = await recordKinds(judge, programsOf({ ...options, sweep }), of);
      console.log(`${kinds} kinds of answer recorded`);
    }
    judge.stop();
    return 0;
  }
  const totals = await judgeAll(judge, options);
  judge.stop();
  if (process.send !== undefined) return await new Promise((resolve) => process.send?.(totals, () => resolve(0)));
  return conclude(totals, options);
}

function* programsOf({ sweep, first, count }: Options): Iterable<GeneratedProgram> {
  if (sweep !== null) yield* SWEEPS[sweep]?.() ?? [];
  else for (let seed = first; seed < first + count; seed++) yield generateProgram(seed);
}

async function judgeAll(judge: KernelJudge, options: Options): Promise<Totals> {
  const totals = nothing();
  const shown = new Map<string, number>();
  for (const program of programsOf(options)) {
    const { logLevel } = options;
    if (
      (options.sweep !== null || options.count >= MANY) &&
      program.seed % LONG_ONES !== 0 &&
      isLong(program, LONG_INSNS)
    ) {
      totals.long++;
      continue;
    }
    const level = logLevel >= 2 && program.seed % options.logEvery !== 0 ? STATISTICS : logLevel;
    let result: Agreement;
    try {
      result = await judgeBoth(judge, program, program.insns, level);
    } catch (error) {
      totals.failed++;
      console.log(`seed ${program.seed}: the kernel's side failed: ${String(error)}`);
      continue;
    }
    count(totals, result);
    const kind = disagreementOf(result);
    if (kind === null) continue;
    const messages = messageKind(result.detail.split("\n").at(-1) ?? "");
    const n = (shown.get(`${kind} ${messages}`) ?? 0) + 1;
    shown.set(`${kind} ${messages}`, n);
    if (n <= options.show) await showDisagreement(judge, program, result, kind, options);
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
  { logLevel, sweep }: Options,
): Promise<void> {
  const name = sweep ?? "seed";
  console.log(
    `${name} ${program.seed} (${program.typeName}): ${kind}: ours ${result.ours}, theirs ${result.theirs}\n${result.detail}`,
  );
  const insns = await minimise(judge, program, kind, logLevel);
  const again = await judgeBoth(judge, program, insns, logLevel);
  console.log(`minimised:\n${listing(insns)}\n${again.detail}`);
  await recordCase(judge, { ...program, insns }, `${kind}-${sweep === null ? "" : `${name}-`}${program.seed}`);
}

/** The seeds in parts, or the sweeps, each judged by a child, `jobs` of them at once. */
async function share(options: Options, sweeps: readonly string[], jobs: number): Promise<number> {
  const sum = nothing();
  const began = Date.now();
  const part = Math.max(1, Math.min(PART, Math.ceil(options.count / jobs)));
  const parts: Options[] = sweeps.map((sweep) => ({ ...options, sweep }));
  for (let from = 0; sweeps.length === 0 && from < options.count; from += part)
    parts.push({ ...options, first: options.first + from, count: Math.min(part, options.count - from) });
  const worker = async (): Promise<void> => {
    for (let next = parts.shift(); next !== undefined; next = parts.shift()) {
      add(sum, await judgeInChild(next));
      const seconds = ((Date.now() - began) / 1000).toFixed(0);
      console.log(`${next.sweep ?? ""} after ${seconds} s, ${reported(sum, options.logLevel)}`.trimStart());
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return conclude(sum, options);
}

function judgeInChild({ sweep, first, count, logLevel, logEvery, show }: Options): Promise<Totals> {
  const what = sweep === null ? ["--seed", first, "--count", count] : ["--sweep", sweep];
  const args = ["verifier", ...what, "--log-level", logLevel, "--log-every", logEvery, "--show", show].map(String);
  const child: ChildProcess = fork(fileURLToPath(new URL("./oracle.ts", import.meta.url)), args, {
    execArgv: ["--import", "tsx"],
  });
  return new Promise((resolve) => {
    let answer: Totals = { ...nothing(), failed: sweep === null ? count : 1 };
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

function conclude(totals: Totals, { sweep, first, count, logLevel }: Options): number {
  const what = sweep === null ? `seeds ${first}..${first + count - 1}` : "sweeps";
  console.log(`result of ${what}: ${reported(totals, logLevel)}`);
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
    `${t.long > 0 ? `, left out as too long ${t.long}` : ""}${t.failed > 0 ? `, NOT ANSWERED BY THE KERNEL'S SIDE: ${t.failed}` : ""}\n` +
    `  verdicts agree ${percent(t.verdicts, judged)} (accepted here, refused there: ${t.holes}; failures here: ${t.throws}); of ${t.joint} joint rejections ` +
    `errno ${percent(t.errnos, t.joint)}, message ${percent(t.lines, t.joint)}; processed count ${percent(t.counts, judged)}` +
    (logLevel >= 2 ? `; log identical ${percent(t.logs, t.logged)} of ${t.logged}` : "")
  );
}
