import { performance } from "node:perf_hooks";
import { makePrng } from "../../engine/base/prng.ts";
import type { Instruction } from "../../engine/isa/instruction.ts";
import { LD_IMM64 } from "../../engine/isa/opcodes.ts";
import { type Executable, makeExecutable } from "../../engine/vm/executable.ts";
import { makeVmFrame, type VmFrame } from "../../engine/vm/frame.ts";
import { compileProgram } from "../../engine/vm/jit/compile.ts";
import type { JitInstance } from "../../engine/vm/jit/instance.ts";
import { guestAddress } from "../../engine/vm/memory.ts";
import { STANDALONE_STRIDE, StandaloneVm } from "../../engine/vm/standalone.ts";
import { randomProgram } from "../../engine/vm/testing/random-program.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import { type Linux, openLinux } from "./linux.ts";
import { loadIntoKernel } from "./vm-kernel.ts";
import { aluPrograms, type BenchProgram, mapPrograms, mixedPrograms } from "./vm-programs.ts";
import { wholeRunShares } from "./whole-run.ts";

const USAGE = "usage: bench vm [--seconds N]";

/** A program made ready on our side. */
interface Ready {
  readonly vm: StandaloneVm;
  readonly program: Executable;
  readonly instance: JitInstance;
  /** A frame to run it in; r0 is the result. */
  fresh(): VmFrame;
}

function prepare(bench: BenchProgram): Ready {
  const linear = webAssemblyHost.makeMemory(2 << 20);
  if (linear === null) throw new Error("no room for a WebAssembly memory");
  const vm = new StandaloneVm(linear);
  vm.fuel = Number.MAX_SAFE_INTEGER;
  const places = bench.maps.map((map) => vm.place(map.globalData?.contents ?? new Uint8Array(map.valueSize), map.name));
  const executable = (insns: readonly Instruction[]): Executable =>
    makeExecutable({
      name: bench.name,
      insns,
      functions: null,
      lines: null,
      kfuncs: new Map(),
      codeBase: 0xffff_ffff_c000_0000n,
      resolve: (_slot, first, second) =>
        first.src === 2 ? guestAddress((places[first.imm] as number) + second.imm) : null,
    });
  const instantiate = (program: Executable): JitInstance =>
    vm.instantiate(
      program,
      compileProgram(program, {
        access: "bare",
        watched: false,
        frameStride: STANDALONE_STRIDE,
        inlineLoop: true,
        arrayAt: () => null,
        hashAt: () => null,
      }),
      webAssemblyHost,
    );
  if (bench.fill !== null) {
    const fill = vm.interpret(executable(bench.fill), 0n, 0n);
    if (!fill.ok) throw new Error(`${bench.name}: ${fill.trap.message}`);
  }
  const program = executable(bench.insns);
  const first = vm.interpret(program, 0n, 0n);
  if (!first.ok) throw new Error(`${bench.name}: ${first.trap.message}`);
  const stack = vm.frame().stack;
  return { vm, program, instance: instantiate(program), fresh: () => makeVmFrame(0, 0, stack) };
}

/** Best of several measurements of ns for one call, for about `seconds` in all. */
function timeOf(seconds: number, call: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  let batch = 1;
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    const from = performance.now();
    for (let i = 0; i < batch; i++) call();
    const took = performance.now() - from;
    if (took < 2) {
      batch *= 2;
      continue;
    }
    best = Math.min(best, (took * 1e6) / batch);
  }
  return best;
}

interface Row {
  readonly name: string;
  readonly ours: number;
  readonly linux: number | null;
  readonly ratio: number | null;
}

const cell = (value: number | null, digits = 2): string => (value === null ? "-" : value.toFixed(digits)).padStart(12);

function print(row: Row, unit: string): void {
  process.stdout.write(`${row.name.padEnd(28)}${cell(row.ours)}${cell(row.linux)}${cell(row.ratio)}  ${unit}\n`);
}

const geometricMean = (ratios: readonly number[]): number =>
  Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);

/** Something that can be timed on our side: ns for one run, and its retval. */
interface Ours {
  time(seconds: number): number;
  readonly retval: () => number;
}

function bare(bench: BenchProgram): Ours {
  const ready = prepare(bench);
  const frame = ready.fresh();
  return {
    time: (seconds) =>
      timeOf(seconds, () => {
        if (ready.instance.run(frame) !== "done") throw new Error(`${bench.name} did not end`);
      }),
    retval: () => (frame.lo[0] as number) >>> 0,
  };
}

/** Runs in one system call, as in BPF_PROG_TEST_RUN. */
const REPEAT = 10;

function inKernel(bench: BenchProgram, told: boolean): Ours {
  const loaded = loadIntoKernel(bench, true, told);
  let retval = 0;
  return {
    time: (seconds) =>
      timeOf(seconds, () => {
        retval = loaded.run(REPEAT);
      }) / REPEAT,
    retval: () => retval,
  };
}

async function measure(bench: BenchProgram, side: Ours, linux: Linux | null, seconds: number): Promise<Row> {
  // Alternating, so that what disturbs the machine disturbs both.
  let ours = Number.POSITIVE_INFINITY;
  let theirs: number | null = null;
  for (let round = 0; round < 3; round++) {
    ours = Math.min(ours, side.time(seconds / 3));
    const there = linux === null ? null : await linux.time(bench);
    if (there === null) continue;
    if (there.retval !== side.retval())
      throw new Error(`${bench.name}: we return ${side.retval()}, Linux ${there.retval}`);
    theirs = Math.min(theirs ?? Number.POSITIVE_INFINITY, there.ns);
  }
  return { name: bench.name, ours, linux: theirs, ratio: theirs === null ? null : theirs / ours };
}

/** Instructions per second of the interpreter, over all programs. */
function interpreterSpeed(programs: readonly BenchProgram[], seconds: number): number {
  let insns = 0;
  let ns = 0;
  for (const bench of programs) {
    const { vm, program } = prepare(bench);
    const took = timeOf(seconds / programs.length, () => {
      vm.interpret(program, 0n, 0n);
    });
    insns += vm.used;
    ns += took;
  }
  return (insns / ns) * 1e9;
}

/** ms for 1,000 instructions, WebAssembly's own compilation included. */
function compileTime(size: number): { ours: number; all: number } {
  const insns = randomProgram(makePrng(7), { kernel: true, size, rounds: 10 });
  const program = makeExecutable({
    name: "large",
    insns,
    functions: null,
    lines: null,
    kfuncs: new Map(),
    codeBase: 0n,
    resolve: (_slot, first) => (first.opcode === LD_IMM64 && first.src === 2 ? guestAddress(0x10000) : null),
  });
  const linear = webAssemblyHost.makeMemory(2 << 20);
  if (linear === null) throw new Error("no room for a WebAssembly memory");
  const vm = new StandaloneVm(linear);
  const compile = () =>
    compileProgram(program, {
      access: "bare",
      watched: true,
      frameStride: STANDALONE_STRIDE,
      inlineLoop: true,
      arrayAt: () => null,
      hashAt: () => null,
    });
  const ours = timeOf(0.5, compile) / 1e6;
  const all = timeOf(0.5, () => vm.instantiate(program, compile(), webAssemblyHost)) / 1e6;
  return { ours: (ours * 1000) / insns.length, all: (all * 1000) / insns.length };
}

/** `bench vm`: our VM beside the live kernel's JIT, in one run. Ratio: Linux's time by ours; above 1 we are faster. */
export async function run(args: readonly string[]): Promise<number> {
  const at = args.indexOf("--seconds");
  const seconds = at < 0 ? 1.5 : Number(args[at + 1]);
  if (!(seconds > 0) || (at < 0 && args.length > 0)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const linux = await openLinux();
  if (typeof linux === "string") process.stderr.write(`without Linux beside it: ${linux}\n`);
  const beside = typeof linux === "string" ? null : linux;
  process.stdout.write(`${"".padEnd(28)}${"ours".padStart(12)}${"Linux".padStart(12)}${"ratio".padStart(12)}\n`);
  const show = (row: Row, bench: BenchProgram): void => {
    const per = (ns: number | null): number | null => (ns === null ? null : ns / bench.units);
    const wanted = `ns per ${bench.unit}; target ${bench.target}, floor ${bench.floor}`;
    print({ ...row, ours: row.ours / bench.units, linux: per(row.linux) }, wanted);
  };
  const alu = aluPrograms();
  const mixed = mixedPrograms();
  for (const bench of alu) show(await measure(bench, bare(bench), beside, seconds), bench);
  const ratios: number[] = [];
  for (const bench of mixed) {
    const row = await measure(bench, bare(bench), beside, seconds);
    show(row, bench);
    if (row.ratio !== null) ratios.push(row.ratio);
  }
  if (ratios.length > 0)
    process.stdout.write(
      `${"mixed, geometric mean".padEnd(52)}${cell(geometricMean(ratios))}  target 1.1, floor 0.8\n`,
    );
  for (const bench of mapPrograms()) show(await measure(bench, inKernel(bench, false), beside, seconds), bench);
  const speed = interpreterSpeed([...alu, ...mixed], 2 * seconds);
  process.stdout.write(`interpreter: ${(speed / 1e6).toFixed(1)} M instructions/s (target 40, floor 25)\n`);
  const { ours, all } = compileTime(4000);
  process.stdout.write(
    `JIT compile: ${all.toFixed(3)} ms per 1,000 instructions, ${ours.toFixed(3)} of them ours (target 1)\n`,
  );
  for (const line of await wholeRunShares()) process.stdout.write(`${line}\n`);
  beside?.stop();
  return 0;
}
