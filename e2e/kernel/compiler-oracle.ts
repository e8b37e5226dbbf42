import { parseArgs } from "node:util";
import { compareUnit, type Judges, PROGRAMS_PER_UNIT } from "./compiler-agreement.ts";
import { judgeCorpus, type Peer, processedRatio, verdictText } from "./compiler-corpus.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { otherCompilers } from "./other-compilers.ts";

/**
 * `npm run oracle -- compiler [--count N] [--seed S] [--no-kernel]`: the C corpus and random C programs from our compiler,
 * `llc-22` and `clang-22`; the corpus loaded into the live kernel, the random programs run there and in our VM. `--count 0` is the
 * corpus alone. Exit code 1 when any result differs or Linux refuses what it takes from another.
 */
export async function runCompilerOracle(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      "no-kernel": { type: "boolean", default: false },
    },
  });
  const judges = await findJudges(values["no-kernel"]);
  let differing = judges.kernel === null ? 0 : await compareCorpus(judges.kernel, judges);
  if (Number(values.count) > 0) differing += await compareRandom(Number(values.seed), Number(values.count), judges);
  judges.kernel?.stop();
  return differing === 0 ? 0 : 1;
}

async function findJudges(withoutKernel: boolean): Promise<Judges> {
  const tools = await otherCompilers();
  for (const [name, there] of Object.entries(tools)) {
    if (!there) console.log(`${name}-22 is not on this machine: its objects are not compared`);
  }
  const started = withoutKernel ? { unavailable: "--no-kernel" } : await startKernelJudge();
  if (!("unavailable" in started)) return { ...tools, kernel: started };
  console.log(`the live kernel is not asked: ${started.unavailable}`);
  return { ...tools, kernel: null };
}

/** Prints verdicts that differ, and what our programs cost Linux's verifier beside the others'. */
async function compareCorpus(kernel: KernelJudge, judges: Judges): Promise<number> {
  const rows = await judgeCorpus(kernel, judges);
  const accepted = rows.filter((row) => row.ours.failed === null).length;
  console.log(`C corpus: ${rows.length} programs, of which Linux accepts ${accepted} from our objects`);
  let differing = 0;
  const peers: readonly Peer[] = ["llc", "clang"];
  for (const peer of peers) {
    const judged = rows.filter((row) => row[peer] !== null);
    for (const row of judged) {
      const theirs = row[peer] === null ? "" : verdictText(row[peer]);
      if (verdictText(row.ours) === theirs) continue;
      if (theirs === "accept") differing++;
      console.log(`  ${row.program}: ours ${verdictText(row.ours)}, ${peer} ${theirs}`);
    }
    if (judged.length === 0) continue;
    const { mean, most, programs } = processedRatio(rows, peer);
    const worst = most === null ? "" : `, most ${most.ours.processed} to ${most[peer]?.processed} (${most.program})`;
    console.log(
      `  ours / ${peer}, processed by Linux's verifier: geometric mean ${mean.toFixed(3)} over ${programs} programs${worst}`,
    );
  }
  return differing;
}

/** Number of differences. */
async function compareRandom(first: number, count: number, judges: Judges): Promise<number> {
  const compared = new Map<string, number>();
  const started = Date.now();
  let programs = 0;
  let verdicts = 0;
  let refused = 0;
  let differing = 0;
  for (let at = 0; at < count; at += PROGRAMS_PER_UNIT) {
    const seeds = Array.from({ length: Math.min(PROGRAMS_PER_UNIT, count - at) }, (_, i) => first + at + i);
    try {
      const unit = await compareUnit(at / PROGRAMS_PER_UNIT, seeds, judges);
      programs += unit.programs;
      verdicts += unit.verdicts;
      refused += unit.refused;
      differing += unit.differing.length;
      for (const line of unit.differing) console.log(line);
      for (const [side, n] of unit.compared) compared.set(side, (compared.get(side) ?? 0) + n);
    } catch (error) {
      differing++;
      console.log(`seeds ${seeds[0]}..${seeds.at(-1)}: ${error instanceof Error ? error.message : String(error)}`);
    }
    if ((at + PROGRAMS_PER_UNIT) % 500 === 0) console.log(`after ${at + PROGRAMS_PER_UNIT}: ${differing} differences`);
  }
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `${programs} random C programs, seeds ${first}..${first + count - 1}, in ${seconds.toFixed(0)} s: ${differing} differences; ` +
      `${verdicts} programs judged by the live kernel, ${refused} units refused with an error below -O2`,
  );
  for (const [side, n] of compared) console.log(`  ${side}: ${n} results compared`);
  return differing;
}
