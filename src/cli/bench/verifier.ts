import { parseArgs } from "node:util";
import { MAP_TYPES } from "../../engine/abi/types.ts";
import { writeBtf } from "../../engine/btf/write.ts";
import { encodeInstructions, type Instruction } from "../../engine/isa/instruction.ts";
import { BPF_PSEUDO_MAP_VALUE, LD_IMM64 } from "../../engine/isa/opcodes.ts";
import type { VerifierMap } from "../../engine/verifier/types.ts";
import { verify } from "../../engine/verifier/verify.ts";
import { BENCH_MAP, type VerifierBench, verifierBenches } from "./verifier-programs.ts";

type Judge = import("../../../e2e/kernel/kernel-judge.ts").KernelJudge;
type JudgeModule = typeof import("../../../e2e/kernel/kernel-judge.ts");

/** Runs of each program on each side; the least time counts, since others use the machine too. */
const ROUNDS = 7;

/** Maps by index: `m`, and `m1` with one entry, whose value can be named directly. */
const MAPS: readonly VerifierMap[] = [BENCH_MAP, { ...BENCH_MAP, name: "m1", maxEntries: 1 }].map((map, i) => ({
  ...map,
  id: i + 1,
  type: MAP_TYPES.array,
  flags: 0,
  btf: null,
  keyType: 0,
  valueType: 0,
  frozen: false,
  inner: null,
  readConstant: () => null,
}));

/** Map loads name their map by index: m1 where the value's address is taken. */
function withMaps(insns: readonly Instruction[]): Instruction[] {
  return insns.map((insn) =>
    insn.opcode === LD_IMM64 && insn.src === BPF_PSEUDO_MAP_VALUE ? { ...insn, imm: 1 } : insn,
  );
}

interface Ours {
  readonly ms: number;
  readonly processed: number;
  readonly verdict: string;
}

function timeOurs(bench: VerifierBench, insns: readonly Instruction[]): Ours {
  const program = {
    name: "bench",
    type: bench.type,
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    insns,
    btf: bench.btf,
    functions: bench.functions,
    lines: null,
    kfuncs: new Map<number, string>(),
    dialect: "linux" as const,
  };
  const times: number[] = [];
  let processed = 0;
  let verdict = "";
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    const result = verify(program, { mapByFd: (fd) => MAPS[fd] ?? "EBADF", cpus: 2 }, { logLevel: 0, trace: false });
    times.push(performance.now() - start);
    processed = result.stats.insnsProcessed;
    verdict = result.verdict === "reject" ? `reject: ${result.rejection.message}` : result.verdict;
  }
  return { ms: Math.min(...times), processed, verdict };
}

/** Wall time of the verifier against the kernel's own on the same programs, log and trace off on both sides. Returns an exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { only: { type: "string" }, json: { type: "boolean" } } });
  const url = new URL("../../../e2e/kernel/kernel-judge.ts", import.meta.url).href;
  const { startKernelJudge } = (await import(url)) as JudgeModule;
  const judge = await startKernelJudge();
  const kernel = "unavailable" in judge ? null : judge;
  if ("unavailable" in judge) console.error(`without the live kernel: ${judge.unavailable}`);
  let product = 1;
  let compared = 0;
  const rows: unknown[] = [];
  for (const bench of verifierBenches()) {
    if (values.only !== undefined && !bench.name.includes(values.only)) continue;
    const insns = withMaps(bench.insns);
    const ours = timeOurs(bench, insns);
    const theirs = kernel === null ? null : await timeKernel(kernel, bench, insns);
    const ratio = theirs === null ? null : ours.ms / theirs.ms;
    if (ratio !== null) {
      product *= ratio;
      compared++;
    }
    rows.push({
      name: bench.name,
      ...ours,
      kernelMs: theirs?.ms ?? null,
      kernelProcessed: theirs?.processed ?? null,
      ratio,
    });
    if (!values.json)
      console.log(
        `${bench.name.padEnd(24)} ${String(ours.processed).padStart(8)} insns  ${ours.ms.toFixed(1).padStart(8)} ms` +
          (theirs === null
            ? ""
            : `  kernel ${theirs.ms.toFixed(1).padStart(8)} ms (${theirs.processed})  ratio ${ratio!.toFixed(2)}`) +
          (ours.verdict === "accept" ? "" : `  ${ours.verdict}`),
      );
  }
  kernel?.stop();
  const mean = compared === 0 ? null : product ** (1 / compared);
  if (values.json) console.log(JSON.stringify({ rows, geometricMean: mean }));
  else if (mean !== null) console.log(`geometric mean of our time by the kernel's: ${mean.toFixed(2)} (target 1.0)`);
  return 0;
}

async function timeKernel(
  judge: Judge,
  bench: VerifierBench,
  insns: readonly Instruction[],
): Promise<{ ms: number; processed: number }> {
  const words = Uint32Array.from(bench.functions.flatMap((f) => [f.insn, f.type]));
  const times: number[] = [];
  let processed = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const verdict = await judge.judge({
      worldKey: `verifier-bench-${bench.name}`,
      btfs: [writeBtf(bench.btf)],
      maps: MAPS.map((m) => ({
        type: m.type,
        keySize: m.keySize,
        valueSize: m.valueSize,
        maxEntries: m.maxEntries,
        flags: 0,
        name: m.name,
      })),
      type: bench.type,
      insns: encodeInstructions(insns),
      license: "GPL",
      name: "bench",
      flags: 0,
      expectedAttachType: 0,
      logLevel: 4,
      btf: 0,
      funcInfo: new Uint8Array(words.buffer),
    });
    const time = /verification time (\d+) usec/.exec(verdict.log);
    if (time === null) throw new Error(`Linux says nothing of ${bench.name}: errno ${verdict.errno}\n${verdict.log}`);
    times.push(Number(time[1]) / 1000);
    processed = Number(/processed (\d+) insns/.exec(verdict.log)?.[1] ?? 0);
  }
  return { ms: Math.min(...times), processed };
}
