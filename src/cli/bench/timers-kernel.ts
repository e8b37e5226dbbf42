import { performance } from "node:perf_hooks";
import { MAP_TYPES, PROG_TYPES } from "../../engine/abi/types.ts";
import { assembleLines } from "../../engine/assembler/assemble-lines.ts";
import type { Btf } from "../../engine/btf/types.ts";
import { EventLog } from "../../engine/events/event-log.ts";
import { Kernel } from "../../engine/kernel/api.ts";
import type { VerifiedProgram, VerifierProgram } from "../../engine/verifier/types.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";

/** What the same helpers take on Linux 6.18 on the machine of the facts, ns (without the two clock reads around them). */
const LINUX_NS = { start: 360, cancel: 300 } as const;

const BTF: Btf = {
  types: [
    { kind: "void" },
    { kind: "int", name: "u32", size: 4, bits: 32, bitOffset: 0, encoding: "unsigned" },
    { kind: "int", name: "u64", size: 8, bits: 64, bitOffset: 0, encoding: "unsigned" },
    { kind: "struct", name: "bpf_timer", size: 16, members: [] },
    {
      kind: "struct",
      name: "elem",
      size: 24,
      members: [
        { name: "t", type: 3, bitOffset: 0, bitSize: 0 },
        { name: "n", type: 2, bitOffset: 128, bitSize: 0 },
      ],
    },
  ],
};

const TIMERS = 1024;
const ROUNDS = 16384;

/** Per iteration of a loop: `body`, with the value of entry r6 & 1023 in r7. */
const loop = (body: readonly string[]): string[] => [
  "main prog:",
  "r6 = 0",
  "again:",
  "r1 = r6",
  `r1 &= ${TIMERS - 1}`,
  "*(u32 *)(r10 -4) = r1",
  "r1 = map[m] ll",
  "r2 = r10",
  "r2 += -4",
  "call bpf_map_lookup_elem#1",
  "if r0 == 0 goto out",
  "r7 = r0",
  ...body,
  "r6 += 1",
  `if r6 < ${ROUNDS} goto again`,
  "out:",
  "r0 = 0",
  "exit",
  "static cb:",
  "r0 = 0",
  "exit",
];

const SET_CALLBACK = ["r1 = r7", "r2 = func[cb] ll", "call bpf_timer_set_callback#170"];
const INIT = ["r1 = r7", "r2 = map[m] ll", "r3 = 1", "call bpf_timer_init#169", ...SET_CALLBACK];
const START = ["r1 = r7", "r2 = 1000000000", "r2 += r6", "r3 = 0", "call bpf_timer_start#171"];
const CANCEL = ["r1 = r7", "call bpf_timer_cancel#172"];

/**
 * A kernel with an array of timers; what a run of `body` takes per iteration, ns (the best of a few, warm). The events of the timers,
 * at least so many per iteration, are told and kept.
 */
function perIteration(body: readonly string[], events: number): number {
  const log = new EventLog();
  const settings = { policy: "uref", cpus: 1, hz: 250, seed: 1, insnCost: 0, watch: false } as const;
  const kernel = new Kernel(settings, log, webAssemblyHost);
  const process = kernel.openProcess("bench");
  const spec = {
    name: "m",
    type: MAP_TYPES.array,
    keySize: 4,
    valueSize: 24,
    maxEntries: TIMERS,
    flags: 0,
    mapExtra: 0n,
    keyType: 1,
    valueType: 4,
    inner: null,
    globalData: null,
    frozen: false,
    slots: [],
    pinByName: false,
  };
  const map = kernel.call(process, { name: "map-create", spec, btf: BTF, dialect: "linux" }).retval;
  const load = (lines: readonly string[], name: string): number => {
    const read = assembleLines(lines, name);
    if (!read.ok) throw new Error(read.error.map((problem) => problem.message).join("\n"));
    const insns = read.value.insns.slice();
    for (const m of read.value.maps) insns[m.insn] = { ...(insns[m.insn] as (typeof insns)[number]), imm: map };
    const program: VerifierProgram = {
      name,
      type: PROG_TYPES.syscall,
      expectedAttachType: 0,
      flags: 0,
      license: "GPL",
      insns,
      btf: null,
      functions: read.value.functions.map((f) => ({ insn: f.insn, name: f.name, type: 0 })),
      lines: null,
      kfuncs: new Map(),
      dialect: "linux",
    };
    // These programs pass the verifier; what they cost there is not what is measured.
    const passed = { program } as unknown as VerifiedProgram;
    return kernel.call(process, { name: "prog-load", program: passed, section: "syscall" }).retval;
  };
  const call = (fd: number): void => {
    const data = new Uint8Array();
    const result = kernel.call(process, { name: "prog-run", fd, data, context: new Uint8Array(8), repeat: 1 });
    if (result.errno !== null || kernel.state.oops !== null) throw new Error(`run: ${result.errno}`);
  };
  call(load(loop(INIT), "init"));
  const fd = load(loop(body), "measured");
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 12; i++) {
    const begin = performance.now();
    call(fd);
    best = Math.min(best, performance.now() - begin);
  }
  if (log.length < 12 * ROUNDS * events) throw new Error(`${log.length} events were told`);
  return (best * 1e6) / ROUNDS;
}

/** The whole way from a program's call: compiled code, helper, event, queue. */
export function measureKernelPath(): void {
  process.stdout.write(
    "\nfrom a program's call to the queue, ns (events told and kept; Linux: ns, and ours as a multiple of its speed)\n",
  );
  const rows = [
    ["start of an armed timer", perIteration(START, 1), perIteration([], 0), LINUX_NS.start],
    [
      "cancel + set_callback + start",
      perIteration([...CANCEL, ...SET_CALLBACK, ...START], 5),
      perIteration([], 0),
      LINUX_NS.cancel + 70 + LINUX_NS.start,
    ],
  ] as const;
  for (const [name, whole, empty, linux] of rows) {
    const own = whole - empty;
    process.stdout.write(
      `${name.padEnd(32)}${own.toFixed(0).padStart(8)}${String(linux).padStart(8)}${(linux / own).toFixed(2).padStart(8)}\n`,
    );
  }
}
