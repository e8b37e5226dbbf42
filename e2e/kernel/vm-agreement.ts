import { parseArgs } from "node:util";
import { MAP_TYPES, PROG_TYPES } from "../../src/engine/abi/types.ts";
import { makePrng, nextU32 } from "../../src/engine/base/prng.ts";
import { encodeInstructions } from "../../src/engine/isa/instruction.ts";
import { ENGINES, EngineBench } from "../../src/engine/vm/testing/engines.ts";
import { RESULT_BYTES, randomProgram, SCRATCH_BYTES } from "../../src/engine/vm/testing/random-program.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";

/**
 * Random programs on the interpreter, both kinds of compiled code, and (where it takes bpf(2)) the live kernel: r0 and memory
 * must be the same. `npx tsx e2e/kernel/vm-agreement.ts --count 100000 [--seed N] [--size N] [--rounds N] [--no-kernel]`
 */
const BYTES = SCRATCH_BYTES + RESULT_BYTES;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    size: { type: "string", default: "100" },
    rounds: { type: "string", default: "600" },
    "no-kernel": { type: "boolean", default: false },
  },
});
const count = Number(values.count);
const size = Number(values.size);
const rounds = Number(values.rounds);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

let judge: KernelJudge | null = null;
if (!values["no-kernel"]) {
  const started = await startKernelJudge();
  if ("unavailable" in started) console.error(`without the live kernel: ${started.unavailable}`);
  else judge = started;
}

const bench = new EngineBench(BYTES);
const seeds = makePrng(Number(values.seed));
let refused = 0;
let compared = 0;
let executed = 0;
let different = 0;

for (let i = 0; i < count; i++) {
  const seed = nextU32(seeds);
  const insns = randomProgram(makePrng(seed), { kernel: true, size: Math.floor(size / 2) + (seed % size), rounds });
  const memory = new Uint8Array(BYTES).map((_, at) => (at * 37 + seed) & 255);
  const program = bench.executable(insns);
  const runs = ENGINES.map((engine) => {
    const run = bench.run(engine, program, memory);
    if (engine === "interpreter") executed += bench.vm.used;
    return run;
  });
  const [first] = runs;
  if (first === undefined) continue;
  const told = runs.map(({ result, memory: after }) => `${result.ok ? result.r0 : result.trap.message} ${hex(after)}`);
  if (judge !== null) {
    const verdict = await judge.judge({
      btfs: [],
      maps: [
        {
          type: MAP_TYPES.array,
          keySize: 4,
          valueSize: BYTES,
          maxEntries: 1,
          flags: 0,
          name: "memory",
          entries: [{ key: new Uint8Array(4), value: memory }],
        },
      ],
      type: PROG_TYPES.sched_cls,
      insns: encodeInstructions(insns),
      license: "GPL",
      name: "random",
      flags: 0,
      expectedAttachType: 0,
      logLevel: 0,
      run: { data: new Uint8Array(64) },
      readBack: [{ map: 0, keys: [new Uint8Array(4)], valueBytes: BYTES }],
    });
    const after = verdict.values[0]?.[0];
    if (verdict.failed !== null || verdict.run === null || after === undefined || after === null) {
      refused++;
      if (refused <= 3) console.error(`seed ${seed}: Linux refuses it (${verdict.failed}, errno ${verdict.errno})`);
    } else {
      compared++;
      const low = first.result.ok ? Number(BigInt.asUintN(32, first.result.r0)) : -1;
      // The kernel gives 32 bits of r0; the results in memory hold all of it.
      told.push(`${low === verdict.run.retval ? told[0]?.split(" ")[0] : verdict.run.retval} ${hex(after)}`);
    }
  }
  if (new Set(told).size > 1) {
    different++;
    console.log(`seed ${seed} differs: ${[...ENGINES, "linux"].map((name, k) => `\n  ${name}: ${told[k]}`).join("")}`);
    console.log(`  program ${hex(encodeInstructions(insns))}`);
    if (different >= 10) break;
  }
  if ((i + 1) % 5000 === 0) console.error(`${i + 1} programs, ${different} differences`);
}
judge?.stop();
console.log(
  `${count} programs (seed ${values.seed}), ${executed} instructions on each engine; ${compared} also on Linux, ` +
    `which refused ${refused}; ${different} differences`,
);
process.exitCode = different === 0 ? 0 : 1;
