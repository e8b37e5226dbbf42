import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatInstruction } from "../../src/engine/isa/format.ts";
import type { Instruction } from "../../src/engine/isa/instruction.ts";
import { JA, LD_IMM64 } from "../../src/engine/isa/opcodes.ts";
import { runCompilerOracle } from "./compiler-oracle.ts";
import { type GeneratedProgram, generateProgram } from "./generator/generate-program.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";
import { type Agreement, judgeBoth } from "./oracle-compare.ts";
import { reportRuns } from "./verifier-run.ts";

/**
 * `npm run oracle -- verifier [--count N] [--seed S] [--log-level 0|1|2] [--show N] [--minimise] [--out DIR]`: the same generated programs
 * to the verifier and to the live kernel. Prints how far they agree, and the first disagreements of each kind.
 * With `--run` Linux is not asked: what our verifier accepts runs in our VM, and must not fault.
 * `npm run oracle -- compiler` compares compilers instead: see `compiler-oracle.ts`.
 */
if (process.argv[2] === "compiler") process.exit(await runCompilerOracle(process.argv.slice(3)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    "log-level": { type: "string", default: "2" },
    show: { type: "string", default: "5" },
    minimise: { type: "boolean", default: false },
    out: { type: "string" },
    progress: { type: "boolean", default: false },
    run: { type: "boolean", default: false },
  },
});
if (positionals[0] !== "verifier") {
  console.error(
    "usage: npm run oracle -- verifier [--count N] [--seed S] [--log-level 0|1|2] [--show N] [--minimise] [--out DIR] [--run]\n" +
      "       npm run oracle -- compiler [--count N] [--seed S] [--no-kernel]",
  );
  process.exit(2);
}
if (values.run) process.exit(reportRuns(Number(values.seed), Number(values.count)) ? 0 : 1);
const started = await startKernelJudge();
if ("unavailable" in started) {
  console.error(`the live kernel cannot be asked: ${started.unavailable}`);
  process.exit(3);
}
const judge: KernelJudge = started;
const count = Number(values.count);
const first = Number(values.seed);
const logLevel = Number(values["log-level"]);
const show = Number(values.show);

type Disagreement = "verdict" | "errno" | "error-line" | "processed" | "log";

function kindOf(a: Agreement): Disagreement | null {
  if (a.ours === "unsupported") return null;
  if (a.ours !== a.theirs) return "verdict";
  if (!a.errno) return "errno";
  if (a.theirs === "reject" && !a.errorLine) return "error-line";
  if (!a.processed) return "processed";
  return logLevel >= 2 && !a.log ? "log" : null;
}

const NO_OPERATION: Instruction = { opcode: JA, dst: 0, src: 0, off: 0, imm: 0 };

/** Replaces instructions by jumps to the next one as long as the disagreement stays. Jumps keep their distances. */
async function minimise(program: GeneratedProgram, kind: Disagreement): Promise<readonly Instruction[]> {
  let insns: readonly Instruction[] = program.insns;
  for (let step = Math.max(1, insns.length >> 2); step >= 1; step >>= 1) {
    for (let at = 0; at < insns.length; at += step) {
      const tried = insns.slice();
      let changed = false;
      for (let i = at; i < Math.min(at + step, insns.length); i++) {
        if (tried[i]!.opcode === 0 || tried[i] === NO_OPERATION) continue;
        changed = true;
        if (tried[i]!.opcode === LD_IMM64) tried[i + 1] = NO_OPERATION;
        tried[i] = NO_OPERATION;
      }
      if (!changed) continue;
      const result = await judgeBoth(judge, program, tried, logLevel).catch(() => null);
      if (result !== null && kindOf(result) === kind) insns = tried;
    }
  }
  return insns;
}

function listing(insns: readonly Instruction[]): string {
  const names = {
    call: (insn: Instruction): string => `${insn.src === 0 ? "helper" : "kfunc"}#${insn.imm}`,
    wide: (insn: Instruction, value: bigint): string =>
      insn.src === 1
        ? `map[${insn.imm}] ll`
        : insn.src === 2
          ? `map_value[${insn.imm}]+${value >> 32n} ll`
          : `0x${value.toString(16)} ll`,
  };
  return insns
    .map((insn, i) =>
      insn.opcode === 0 || insn === NO_OPERATION ? "" : `${i}: ${formatInstruction(insn, insns[i + 1], i, names)}`,
    )
    .filter((l) => l !== "")
    .join("\n");
}

const totals = {
  programs: 0,
  accepted: 0,
  unsupported: 0,
  verdicts: 0,
  holes: 0,
  joint: 0,
  errnos: 0,
  lines: 0,
  counts: 0,
  logs: 0,
  throws: 0,
};
const messages = new Map<string, number>();
const shown = new Map<string, number>();
const started_at = Date.now();
let bothMs = 0;

for (let i = 0; i < count; i++) {
  const program = generateProgram(first + i);
  const before = performance.now();
  let result: Agreement;
  try {
    result = await judgeBoth(judge, program, program.insns, logLevel);
  } catch (error) {
    console.log(`seed ${program.seed}: the kernel's side failed: ${String(error)}`);
    continue;
  }
  bothMs += performance.now() - before;
  totals.programs++;
  if (result.theirs === "accept") totals.accepted++;
  else messages.set(result.message, (messages.get(result.message) ?? 0) + 1);
  if (result.ours === "throws") totals.throws++;
  if (result.ours === "unsupported") totals.unsupported++;
  else {
    if (result.ours === result.theirs) totals.verdicts++;
    if (result.ours === "accept" && result.theirs === "reject") totals.holes++;
    if (result.ours === "reject" && result.theirs === "reject") {
      totals.joint++;
      if (result.errno) totals.errnos++;
      if (result.errorLine) totals.lines++;
    }
    if (result.processed) totals.counts++;
    if (result.log) totals.logs++;
  }
  const kind = kindOf(result);
  if (kind !== null) {
    const n = (shown.get(kind) ?? 0) + 1;
    shown.set(kind, n);
    if (n <= show || kind === "verdict") {
      console.log(
        `seed ${program.seed} (${program.typeName}): ${kind}: ours ${result.ours}, theirs ${result.theirs}\n${result.detail}`,
      );
      if (values.minimise && n <= show) {
        const small = await minimise(program, kind);
        const again = await judgeBoth(judge, program, small, logLevel);
        console.log(`minimised:\n${listing(small)}\n${again.detail}`);
        if (values.out !== undefined) {
          mkdirSync(values.out, { recursive: true });
          writeFileSync(
            `${values.out}/seed-${program.seed}.json`,
            `${JSON.stringify({ seed: program.seed, kind, type: program.typeName, insns: small, functions: program.functions, detail: again.detail }, null, 1)}\n`,
          );
        }
      }
    }
  }
  if (values.progress && (i + 1) % 1000 === 0) report(`after ${i + 1}`);
}
report("result");
judge.stop();

function report(title: string): void {
  const t = totals;
  const judged = t.programs - t.unsupported;
  const percent = (n: number, of: number): string => (of === 0 ? "-" : `${((100 * n) / of).toFixed(2)} %`);
  const seconds = (Date.now() - started_at) / 1000;
  console.log(
    `${title}: seeds ${first}..${first + count - 1}, ${t.programs} programs in ${seconds.toFixed(0)} s (${(bothMs / Math.max(1, t.programs)).toFixed(2)} ms each on both sides); ` +
      `kernel accepts ${percent(t.accepted, t.programs)}, ${messages.size} kinds of message, unsupported ${percent(t.unsupported, t.programs)}\n` +
      `  verdicts agree ${percent(t.verdicts, judged)} (accepted here, refused there: ${t.holes}; failures here: ${t.throws}); of ${t.joint} joint rejections ` +
      `errno ${percent(t.errnos, t.joint)}, message ${percent(t.lines, t.joint)}; processed count ${percent(t.counts, judged)}` +
      (logLevel >= 2 ? `; log identical ${percent(t.logs, judged)}` : ""),
  );
}
