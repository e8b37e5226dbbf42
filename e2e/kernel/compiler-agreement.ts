import { nodeCompiler } from "../../src/cli/node-compiler.ts";
import { formatDiagnostic } from "../../src/engine/base/diagnostic.ts";
import { generateObject } from "../../src/engine/codegen/generate-object.ts";
import type { CpuVersion } from "../../src/engine/codegen/select/module-context.ts";
import { CONTEXT_WORDS, randomC } from "../../src/engine/codegen/testing/random-c.ts";
import { interpretIr, randomBuffer, runCompiled } from "../../src/engine/codegen/testing/run.ts";
import type { IrModule } from "../../src/engine/ir/module.ts";
import { parseIr } from "../../src/engine/ir/parse-ir.ts";
import { buildObject } from "../../src/engine/session/session.ts";
import { DEFAULT_SETTINGS } from "../../src/engine/session/types.ts";
import type { KernelJudge } from "./kernel-judge.ts";
import { judgeLoad, objectLoads } from "./object-load.ts";
import { clangObject, llcObject } from "./other-compilers.ts";

/** Random programs of one translation unit: the compiler costs more per unit than per program. */
export const PROGRAMS_PER_UNIT = 5;
/** Runs of each program, on different contexts. */
const RUNS = 2;

/** Messages about frames beyond BPF's stack, and about integers of more than 128 bits (whole structures at -O1). */
const REFUSED = /stack|\bi(12[89]|1[3-9]\d|[2-9]\d\d)\b.* not supported/;

/** Who takes part besides our compiler and the meaning of its IR. */
export interface Judges {
  readonly llc: boolean;
  readonly clang: boolean;
  readonly kernel: KernelJudge | null;
}

export interface UnitAgreement {
  programs: number;
  /** Results that were compared with the IR's meaning, by who gave them. */
  readonly compared: Map<string, number>;
  /** Programs of which the kernel judged our object and llc's, and those that it judged differently. */
  verdicts: number;
  readonly differing: string[];
  /** Compilations below -O2 that our compiler refuses with an error: frames beyond BPF's stack, integers above 128 bits. */
  refused: number;
}

interface Side {
  readonly name: string;
  readonly object: Uint8Array;
}

/**
 * Compiles one unit of random programs in every way at hand and runs each program on the same contexts. Units take turns in what
 * they are compiled for: -O0 and -O1 beside -O2, v4 in every fourth. Throws when our compiler refuses a unit.
 */
export async function compareUnit(unit: number, seeds: readonly number[], judges: Judges): Promise<UnitAgreement> {
  const cpuVersion: CpuVersion = unit % 4 === 3 ? "v4" : "v3";
  const text = randomC(seeds, { signedDivision: cpuVersion === "v4" });
  const agreement: UnitAgreement = {
    programs: seeds.length,
    compared: new Map(),
    verdicts: 0,
    differing: [],
    refused: 0,
  };
  const optimised = await compile(text, "O2", cpuVersion);
  const sides: Side[] = [{ name: `ours -O2 ${cpuVersion}`, object: ours(optimised.module, cpuVersion) }];
  if (cpuVersion === "v3") sides.push({ name: "ours -O2 v4", object: ours(optimised.module, "v4") });
  const level = unit % 2 === 0 ? "O0" : "O1";
  const plain = await compile(text, level, cpuVersion);
  const object = generateObject(plain.module, { cpuVersion });
  if (object.ok) sides.push({ name: `ours -${level}`, object: object.value });
  else if (object.error.every((d) => REFUSED.test(d.message))) agreement.refused++;
  else throw new Error(`-${level}: ${object.error.map((d) => formatDiagnostic(d)).join("\n")}`);
  const llc = judges.llc ? await llcObject(optimised.ir, cpuVersion) : null;
  if (llc !== null) sides.push({ name: "llc", object: llc });
  const native = judges.clang ? await clangObject(text, cpuVersion) : null;
  if (native !== null) sides.push({ name: "clang", object: native });

  const count = (side: string): void => void agreement.compared.set(side, (agreement.compared.get(side) ?? 0) + 1);
  for (const seed of seeds) {
    const entry = `p${seed}`;
    for (let run = 0; run < RUNS; run++) {
      const input = randomBuffer(seed * RUNS + run);
      const wanted = interpretIr(optimised.module, input, entry, 32);
      for (const side of sides) {
        const got = runCompiled(side.object, input, entry, 32);
        count(side.name);
        if (got !== wanted)
          agreement.differing.push(`seed ${seed}, run ${run}: ${side.name} ${short(got)}, IR ${short(wanted)}`);
      }
    }
  }
  if (judges.kernel !== null) {
    const asked = [{ name: "ours", object: (sides[0] as Side).object }];
    if (llc !== null) asked.push({ name: "llc", object: llc });
    await compareInKernel(judges.kernel, optimised.module, seeds, asked, agreement, count);
  }
  return agreement;
}

const short = (result: string): string => result.replace(/ [0-9a-f]{64,}$/, "");

async function compile(
  text: string,
  optimization: "O0" | "O1" | "O2",
  cpuVersion: CpuVersion,
): Promise<{ readonly ir: string; readonly module: IrModule }> {
  const compiler = await nodeCompiler();
  const { ir, diagnostics } = await compiler.compile({ file: "random.bpf.c", text }, { cpuVersion, optimization });
  if (ir === null) throw new Error(diagnostics.map((d) => formatDiagnostic(d)).join("\n"));
  const module = parseIr(ir);
  if (!module.ok) throw new Error(module.error.map((d) => formatDiagnostic(d)).join("\n"));
  return { ir, module: module.value };
}

function ours(module: IrModule, cpuVersion: CpuVersion): Uint8Array {
  const object = generateObject(module, { cpuVersion });
  if (!object.ok) throw new Error(object.error.map((d) => formatDiagnostic(d)).join("\n"));
  return object.value;
}

/**
 * Loads what our own verifier accepts: a program that would make it fork thousands of paths is not put to a live kernel, whose
 * verifier has been seen to fault there.
 */
async function compareInKernel(
  kernel: KernelJudge,
  module: IrModule,
  seeds: readonly number[],
  sides: readonly Side[],
  agreement: UnitAgreement,
  count: (side: string) => void,
): Promise<void> {
  const accepted = sides.map(({ object }) => acceptedHere(object));
  const loads = sides.map(({ object }) => new Map(objectLoads(object).map((l) => [l.name, l.load])));
  for (const seed of seeds) {
    const entry = `p${seed}`;
    if (accepted.some((names) => !names.has(entry))) continue;
    const context = randomBuffer(seed * RUNS).subarray(0, CONTEXT_WORDS * 8);
    const input = randomBuffer(seed * RUNS);
    const wanted = interpretIr(module, input, entry, 32).split(" ")[0];
    const verdicts: string[] = [];
    for (const [i, side] of sides.entries()) {
      const load = loads[i]?.get(entry);
      if (load === undefined) throw new Error(`${side.name} has no program ${entry}`);
      const verdict = await judgeLoad(kernel, { ...load, run: { context } });
      verdicts.push(verdict.failed === null ? "accept" : `${verdict.failed} ${verdict.errno}`);
      if (verdict.run === null) continue;
      count(`kernel, ${side.name}`);
      const got = verdict.run.errno === 0 ? `${verdict.run.retval}` : `errno ${verdict.run.errno}`;
      if (got !== wanted) agreement.differing.push(`seed ${seed}: kernel, ${side.name} ${got}, IR ${wanted}`);
    }
    agreement.verdicts++;
    if (verdicts.some((v) => v !== "accept")) agreement.differing.push(`seed ${seed}: verdicts ${verdicts.join(", ")}`);
  }
}

function acceptedHere(object: Uint8Array): Set<string> {
  const { report } = buildObject({
    object,
    name: "random.bpf.o",
    settings: DEFAULT_SETTINGS,
    diagnostics: [],
    logLevel: 0,
  });
  if (!report.ok) throw new Error(report.message);
  return new Set(report.programs.filter((p) => p.verdict === "accept").map((p) => p.name));
}
