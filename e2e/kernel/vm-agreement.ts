import { parseArgs } from "node:util";
import { PROG_TYPES } from "../../src/engine/abi/types.ts";
import { makePrng, nextU32 } from "../../src/engine/base/prng.ts";
import { encodeInstructions, type Instruction } from "../../src/engine/isa/instruction.ts";
import { key, MEMORY_BYTES, RANDOM_MAP_SHAPES, runRandom } from "../../src/engine/kernel/testing/random-run.ts";
import { ENGINES, EngineBench } from "../../src/engine/vm/testing/engines.ts";
import { RANDOM_KEYS, randomProgram } from "../../src/engine/vm/testing/random-program.ts";
import { testWasmHost } from "../../src/engine/vm/testing/wasm-host.ts";
import { type KernelJudge, startKernelJudge } from "./kernel-judge.ts";

/**
 * Random programs on every engine and (where it takes bpf(2)) the live kernel: results, memory and maps must be the same.
 *
 *     npx tsx e2e/kernel/vm-agreement.ts --count 100000 [--seed N] [--size N] [--rounds N] [--maps] [--no-kernel]
 *
 * Without `--maps` the engines run alone, with a million instructions in a few programs; with it, in our kernel, where the
 * programs look up, update and delete, and what is told must be the same as well.
 */
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    size: { type: "string", default: "150" },
    rounds: { type: "string" },
    maps: { type: "boolean", default: false },
    "no-kernel": { type: "boolean", default: false },
  },
});
const count = Number(values.count);
const size = Number(values.size);
// Lookups fork the verifier's path: loops around them must stay short.
const rounds = Number(values.rounds ?? (values.maps ? 4 : 1600));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

let judge: KernelJudge | null = null;
if (!values["no-kernel"]) {
  const started = await startKernelJudge();
  if ("unavailable" in started) console.error(`without the live kernel: ${started.unavailable}`);
  else judge = started;
}

/** What one side says of a program, in one line. */
interface Answer {
  readonly side: string;
  /** 32 bits of r0, then every map. */
  readonly told: string;
}

const bench = new EngineBench(MEMORY_BYTES);
let executed = 0;

/** The engines without a kernel: the memory is the only map. */
function runAlone(insns: readonly Instruction[], memory: Uint8Array): Answer[] {
  const program = bench.executable(insns);
  return ENGINES.map((engine) => {
    const { result, memory: after } = bench.run(engine, program, memory);
    if (engine === "interpreter") executed += bench.vm.used;
    return {
      side: engine,
      told: result.ok ? `${BigInt.asUintN(32, result.r0)} ${hex(after)}` : `${result.trap.what} ${result.trap.message}`,
    };
  });
}

/** Our kernel, with and without telling. */
function runInKernel(insns: readonly Instruction[], memory: Uint8Array): Answer[] {
  const sides = [
    { side: "interpreter", wasm: null, watch: true },
    { side: "jit, told", wasm: testWasmHost, watch: true },
    { side: "jit, untold", wasm: testWasmHost, watch: false },
  ];
  const events: string[] = [];
  const answers = sides.map(({ side, wasm, watch }) => {
    try {
      const outcome = runRandom(insns, memory, wasm, watch);
      if (watch) events.push(JSON.stringify(outcome.events));
      return { side, told: `${outcome.retval} ${outcome.maps.flat().join(" ")}` };
    } catch (error) {
      return { side, told: String(error) };
    }
  });
  if (events[0] !== events[1]) answers.push({ side: "events", told: "differ" });
  return answers;
}

async function askLinux(asked: KernelJudge, insns: readonly Instruction[], memory: Uint8Array): Promise<Answer | null> {
  const shapes = values.maps ? RANDOM_MAP_SHAPES : RANDOM_MAP_SHAPES.slice(0, 1);
  const verdict = await asked.judge({
    btfs: [],
    maps: shapes.map((shape, i) => ({
      ...shape,
      keySize: 4,
      flags: 0,
      ...(i === 0 ? { entries: [{ key: key(0), value: memory }] } : {}),
    })),
    type: PROG_TYPES.sched_cls,
    insns: encodeInstructions(insns),
    license: "GPL",
    name: "random",
    flags: 0,
    expectedAttachType: 0,
    logLevel: 0,
    run: { data: new Uint8Array(64) },
    readBack: shapes.map((shape, map) => ({
      map,
      keys: Array.from({ length: map === 0 ? 1 : RANDOM_KEYS }, (_, n) => key(n)),
      valueBytes: shape.valueSize,
    })),
  });
  if (verdict.failed !== null || verdict.run === null) return null;
  const maps = verdict.values.flat().map((value) => (value === null ? null : hex(value)));
  return { side: "linux", told: `${verdict.run.retval} ${maps.join(" ")}` };
}

const seeds = makePrng(Number(values.seed));
let refused = 0;
let compared = 0;
let different = 0;
for (let i = 0; i < count; i++) {
  const seed = nextU32(seeds);
  const shape = { kernel: true, size: Math.floor(size / 2) + (seed % size), rounds, maps: values.maps };
  const insns = randomProgram(makePrng(seed), shape);
  const memory = new Uint8Array(MEMORY_BYTES).map((_, at) => (at * 37 + seed) & 255);
  const answers = values.maps ? runInKernel(insns, memory) : runAlone(insns, memory);
  if (judge !== null) {
    const linux = await askLinux(judge, insns, memory);
    if (linux === null) {
      refused++;
      if (refused <= 3) console.error(`seed ${seed}: Linux refuses it`);
    } else {
      compared++;
      answers.push(linux);
    }
  }
  if (new Set(answers.map((a) => a.told)).size > 1) {
    different++;
    console.log(`seed ${seed} differs: ${answers.map((a) => `\n  ${a.side}: ${a.told}`).join("")}`);
    console.log(`  program ${hex(encodeInstructions(insns))}`);
    if (different >= 10) break;
  }
  if ((i + 1) % 1000 === 0) console.error(`${i + 1} programs, ${compared} also on Linux, ${different} differences`);
}
judge?.stop();
const work = values.maps ? "" : `, ${executed} instructions on each engine`;
console.log(
  `${count} programs (seed ${values.seed})${work}; ${compared} also on Linux, which refused ${refused}; ` +
    `${different} differences`,
);
process.exitCode = different === 0 ? 0 : 1;
