import { MAP_TYPES } from "../../src/engine/abi/types.ts";
import { makePrng, nextBelow, nextU32, type Prng } from "../../src/engine/base/prng.ts";
import { LD_IMM64 } from "../../src/engine/isa/opcodes.ts";
import { Kernel, type Oops, type SyscallResult } from "../../src/engine/kernel/api.ts";
import type { MapSpec } from "../../src/engine/loader/spec.ts";
import type { VerifierMap, VerifierProgram } from "../../src/engine/verifier/types.ts";
import { verify } from "../../src/engine/verifier/verify.ts";
import { type GeneratedProgram, generateProgram } from "./generator/generate-program.ts";
import { JMP, OUTER, RB, UNIVERSE_BTF, UNIVERSE_MAPS, type UniverseMap } from "./generator/universe.ts";

/**
 * "Accepted programs never fault": generated programs that our verifier accepts run in our kernel, by the interpreter that checks every
 * access, with random contexts, packets and map contents, and their timers fire. An oops is a hole of the verifier (or a bug of the VM).
 */
export interface RunOutcome {
  readonly seed: number;
  /** `unsupported`: the run met something that is not modelled. `fuel`: it was stopped, without a fault so far. */
  readonly status: "not run" | "done" | "fuel" | "oops" | "unsupported";
  readonly oops: Oops | null;
  readonly message: string;
  /** Runs that went through; those before the last one included. */
  readonly runs: number;
  /** Runs that the test-run call itself refused, with errno. */
  readonly refused: number;
  /** Timer callbacks that ran. */
  readonly callbacks: number;
}

/** Tries with other contexts and packets, in the same kernel: what one run left in the maps, the next one finds. */
const RUNS = 3;
/** Instructions of one run, and of the timers after it. */
const FUEL = 100_000;
const AFTER_NS = 2e9;
/** Longer verifications are left to the oracle. */
const VERIFY_INSNS = 50_000;
/** Types whose test run takes a packet; the others take the bytes of their context. */
const PACKET_TYPES = new Set(["socket_filter", "sched_cls", "sched_act", "xdp", "cgroup_skb"]);
const CLOSED_FD = 9999;

const SETTINGS = { policy: "uref", cpus: 2, hz: 250, insnCost: 0, watch: true } as const;

function specOf(map: VerifierMap): MapSpec {
  return {
    name: map.name,
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    mapExtra: 0n,
    keyType: map.keyType,
    valueType: map.valueType,
    inner: map.inner === null ? null : specOf(map.inner),
    globalData: null,
    frozen: false,
    slots: [],
    pinByName: false,
  };
}

function randomBytes(dice: Prng, size: number): Uint8Array {
  const sparse = nextBelow(dice, 2) === 0;
  return Uint8Array.from({ length: size }, () => (sparse && nextBelow(dice, 4) > 0 ? 0 : nextU32(dice) & 255));
}

function done(result: SyscallResult, what: string): number {
  if (result.errno !== null) throw new Error(`${what}: ${result.errno}`);
  return result.retval;
}

/** The universe's maps in a kernel of ours, some of their entries filled; fds in the order of the universe. */
function createMaps(kernel: Kernel, process: number, dice: Prng): number[] {
  const create = (map: VerifierMap): number => {
    const call = { name: "map-create", spec: specOf(map), btf: map.btf, dialect: "linux" } as const;
    return done(kernel.call(process, call), map.name);
  };
  const fds = UNIVERSE_MAPS.map(create);
  const fill = (map: UniverseMap, fd: number): void => {
    const update = (key: Uint8Array, value: Uint8Array): void => {
      done(kernel.call(process, { name: "map-update", fd, key, value, flags: 0 }), `${map.name}'s value`);
    };
    if (map.contents !== null) {
      update(new Uint8Array(map.keySize), map.contents);
      if (map.frozen) done(kernel.call(process, { name: "map-freeze", fd }), map.name);
      return;
    }
    const bytes = map.type === MAP_TYPES.percpu_array ? map.valueSize * SETTINGS.cpus : map.valueSize;
    for (let n = 0; n < Math.min(map.maxEntries, 16); n++) {
      if (nextBelow(dice, 8) === 0) continue;
      if (map.keySize === 0)
        done(kernel.call(process, { name: "map-push", fd, value: randomBytes(dice, bytes) }), map.name);
      else
        update(
          Uint8Array.from({ length: map.keySize }, (_, i) => (i === 0 ? n : 0)),
          randomBytes(dice, bytes),
        );
    }
  };
  UNIVERSE_MAPS.forEach((map, i) => {
    if (i === RB || i === JMP) return;
    const fd = fds[i] as number;
    if (i !== OUTER) {
      fill(map, fd);
      return;
    }
    const inner = create({ ...(map.inner as VerifierMap), name: "inner" });
    const value = Uint8Array.of(inner & 255, inner >> 8, 0, 0);
    done(kernel.call(process, { name: "map-update", fd, key: new Uint8Array(4), value, flags: 0 }), map.name);
  });
  return fds;
}

/**
 * Verifies a generated program, and runs it a few times if it is accepted; with `refused`, the other way round: those that are rejected
 * run unverified, which shows that faults would be seen.
 */
export function runGenerated(program: GeneratedProgram, which: "accepted" | "refused" = "accepted"): RunOutcome {
  const { seed } = program;
  const dice = makePrng(seed);
  let callbacks = 0;
  const kernel = new Kernel({ ...SETTINGS, seed }, (event) => {
    if (event.kind === "timer-fire") callbacks++;
  });
  const process = kernel.openProcess("main");
  const fds = createMaps(kernel, process, dice);
  const outcome = (status: RunOutcome["status"], runs: number, refused: number): RunOutcome => ({
    seed,
    status,
    oops: kernel.state.oops,
    message: kernel.state.oops?.message ?? kernel.unsupported?.message ?? "",
    runs,
    refused,
    callbacks,
  });
  const loaded: VerifierProgram = {
    name: "generated",
    type: program.type,
    expectedAttachType: 0,
    flags: program.flags,
    license: "GPL",
    insns: program.insns.map((insn) =>
      insn.opcode === LD_IMM64 && insn.src !== 0 && insn.src <= 2 ? { ...insn, imm: fds[insn.imm] ?? CLOSED_FD } : insn,
    ),
    btf: UNIVERSE_BTF,
    functions: program.functions,
    lines: null,
    kfuncs: new Map(),
    dialect: "linux",
  };
  const verdict = verify(loaded, kernel.verifierEnvironment(process), {
    logLevel: 0,
    trace: false,
    cancelled: (insns) => insns > VERIFY_INSNS,
  });
  if (verdict.verdict !== (which === "accepted" ? "accept" : "reject")) return outcome("not run", 0, 0);
  const section = program.typeName;
  const load = kernel.call(
    process,
    verdict.verdict === "accept"
      ? { name: "prog-load", program: verdict.program, section }
      : { name: "prog-load-unverified", program: loaded, section },
  );
  // Not even as unverified: what Linux finds wrong before it walks the program.
  if (verdict.verdict !== "accept" && load.errno !== null) return outcome("not run", 0, 0);
  const fd = done(load, `seed ${seed}`);
  if (nextBelow(dice, 2) === 0) {
    const value = Uint8Array.of(fd & 255, fd >> 8, 0, 0);
    const update = {
      name: "map-update",
      fd: fds[JMP] as number,
      key: Uint8Array.of(1, 0, 0, 0),
      value,
      flags: 0,
    } as const;
    kernel.call(process, update);
  }
  let ran = 0;
  let refused = 0;
  for (let n = 0; n < RUNS; n++) {
    const data = randomBytes(dice, 14 + nextBelow(dice, n === 0 ? 4 : 150));
    const flat = nextBelow(dice, 2) === 0 ? randomBytes(dice, 64) : null;
    const packet = PACKET_TYPES.has(program.typeName);
    const task = kernel.start(
      process,
      {
        name: "prog-run",
        fd,
        data: packet ? data : new Uint8Array(),
        context: packet ? null : flat,
        repeat: 1,
      },
      n % SETTINGS.cpus,
    );
    let status = kernel.run(task, FUEL);
    if (status === "done") {
      if (task.result?.errno === null) ran++;
      else refused++;
      status = kernel.advanceTo(kernel.state.now + AFTER_NS, FUEL);
    }
    if (status !== "done") return outcome(status, ran, refused);
  }
  return outcome("done", ran, refused);
}

export interface RunTotals {
  readonly programs: number;
  /** Of those: accepted (or refused, as asked for), loaded and run. */
  readonly loaded: number;
  readonly runs: number;
  readonly refused: number;
  readonly callbacks: number;
  /** Programs that were stopped with their fuel used up. */
  readonly stopped: number;
  /** Kinds of things that are not modelled, with the number of programs. */
  readonly unsupported: ReadonlyMap<string, number>;
  readonly faults: readonly RunOutcome[];
}

/** The generated programs of `count` seeds from `first` on. */
export function runGeneratedSeeds(first: number, count: number, which?: "accepted" | "refused"): RunTotals {
  const totals = { programs: 0, loaded: 0, runs: 0, refused: 0, callbacks: 0, stopped: 0 };
  const unsupported = new Map<string, number>();
  const faults: RunOutcome[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const result = runGenerated(generateProgram(seed), which);
    totals.programs++;
    if (result.status === "not run") continue;
    totals.loaded++;
    totals.runs += result.runs;
    totals.refused += result.refused;
    totals.callbacks += result.callbacks;
    if (result.status === "fuel") totals.stopped++;
    if (result.status === "unsupported") unsupported.set(result.message, (unsupported.get(result.message) ?? 0) + 1);
    if (result.status === "oops") faults.push(result);
  }
  return { ...totals, unsupported, faults };
}

/** Runs in parts, telling how far it is; true: no program faulted. */
export function reportRuns(first: number, count: number): boolean {
  const PART = 1000;
  const sum = { programs: 0, loaded: 0, runs: 0, callbacks: 0, stopped: 0, faults: 0 };
  const unsupported = new Map<string, number>();
  for (let at = 0; at < count; at += PART) {
    const part = runGeneratedSeeds(first + at, Math.min(PART, count - at));
    sum.programs += part.programs;
    sum.loaded += part.loaded;
    sum.runs += part.runs;
    sum.callbacks += part.callbacks;
    sum.stopped += part.stopped;
    sum.faults += part.faults.length;
    for (const [what, n] of part.unsupported) unsupported.set(what, (unsupported.get(what) ?? 0) + n);
    for (const { seed, oops, message } of part.faults)
      console.log(`seed ${seed}: ${oops?.what} at ${oops?.place?.insn}: ${message}`);
    console.log(
      `seeds ${first}..${first + sum.programs - 1}: ${sum.loaded} of ${sum.programs} accepted; ${sum.runs} runs and ` +
        `${sum.callbacks} timer callbacks, ${sum.stopped} programs stopped as too long; faults: ${sum.faults}`,
    );
  }
  for (const [what, n] of unsupported) console.log(`${n} programs met: ${what}`);
  return sum.faults === 0;
}
