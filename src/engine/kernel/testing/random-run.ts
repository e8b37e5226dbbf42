import { MAP_TYPES, PROG_TYPES } from "../../abi/types.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { LD_IMM64 } from "../../isa/opcodes.ts";
import type { MapSpec } from "../../loader/spec.ts";
import { verify } from "../../verifier/verify.ts";
import { RANDOM_KEYS, RANDOM_MAPS, RESULT_BYTES, SCRATCH_BYTES } from "../../vm/testing/random-program.ts";
import type { WasmHost } from "../../vm/wasm-host.ts";
import type { Slice } from "../compiled.ts";
import type { KernelEvent } from "../event-types.ts";
import { Kernel } from "../kernel.ts";

export const MEMORY_BYTES = SCRATCH_BYTES + RESULT_BYTES;

/** Maps of a random program, as both kernels create them: the memory behind r9 first. */
export const RANDOM_MAP_SHAPES = [
  { name: "memory", type: MAP_TYPES.array, valueSize: MEMORY_BYTES, maxEntries: 1 },
  ...RANDOM_MAPS.map(({ type, entries }, i) => ({
    name: `map${i}`,
    type: MAP_TYPES[type],
    valueSize: 16,
    maxEntries: entries,
  })),
];

export const key = (n: number): Uint8Array => Uint8Array.of(n, 0, 0, 0);

/** What a run leaves: retval, and every map's values by key (hex; null where there is none). */
export interface RandomOutcome {
  readonly retval: number;
  readonly maps: readonly (readonly (string | null)[])[];
  readonly events: readonly KernelEvent[];
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

/** Loads a random program into a fresh kernel of ours (our verifier must pass it) and runs it. */
export function runRandom(
  insns: readonly Instruction[],
  memory: Uint8Array,
  wasm: WasmHost | null,
  watch: boolean,
  slice: Slice | null = null,
): RandomOutcome {
  const events: KernelEvent[] = [];
  const settings = { policy: "uref", cpus: 1, hz: 250, seed: 1, insnCost: 0, watch } as const;
  const kernel = new Kernel(settings, (event) => events.push(event), wasm);
  if (kernel.compiled !== null && slice !== null) kernel.compiled.slice = slice;
  const process = kernel.openProcess("main");
  const done = <T extends { readonly errno: unknown }>(result: T, what: string): T => {
    if (result.errno !== null) throw new Error(`${what}: ${String(result.errno)}`);
    return result;
  };
  const fds = RANDOM_MAP_SHAPES.map((shape) => {
    const spec: MapSpec = {
      ...shape,
      keySize: 4,
      flags: 0,
      mapExtra: 0n,
      keyType: 0,
      valueType: 0,
      inner: null,
      globalData: null,
      frozen: false,
      slots: [],
      pinByName: false,
    };
    return done(kernel.call(process, { name: "map-create", spec, btf: null, dialect: "linux" }), "map").retval;
  });
  done(
    kernel.call(process, { name: "map-update", fd: fds[0] as number, key: key(0), value: memory, flags: 0 }),
    "memory",
  );
  const verdict = verify(
    {
      name: "random",
      type: PROG_TYPES.sched_cls,
      expectedAttachType: 0,
      flags: 0,
      license: "GPL",
      insns: insns.map((i) => (i.opcode === LD_IMM64 && i.src !== 0 ? { ...i, imm: fds[i.imm] as number } : i)),
      btf: null,
      functions: null,
      lines: null,
      kfuncs: new Map(),
      dialect: "linux",
    },
    kernel.verifierEnvironment(process),
    { logLevel: 0, trace: false },
  );
  if (verdict.verdict !== "accept") {
    const why = verdict.verdict === "reject" ? verdict.rejection.message : verdict.verdict;
    throw new Error(`our verifier refuses: ${why}`);
  }
  const fd = done(
    kernel.call(process, { name: "prog-load", program: verdict.program, section: "tc" }),
    "program",
  ).retval;
  const run = done(
    kernel.call(process, { name: "prog-run", fd, data: new Uint8Array(64), context: null, repeat: 1 }),
    "run",
  );
  const maps = fds.map((map, i) =>
    Array.from({ length: i === 0 ? 1 : RANDOM_KEYS }, (_, n) => {
      const found = kernel.call(process, { name: "map-lookup", fd: map, key: key(n) });
      return found.value === undefined ? null : hex(found.value);
    }),
  );
  return { retval: run.run?.retval ?? -1, maps, events };
}
