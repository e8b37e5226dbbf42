import { PROG_TYPES } from "../../engine/abi/types.ts";
import { EventLog } from "../../engine/events/event-log.ts";
import type { Instruction } from "../../engine/isa/instruction.ts";
import { BPF_PSEUDO_MAP_FD, LD_IMM64 } from "../../engine/isa/opcodes.ts";
import { Kernel } from "../../engine/kernel/kernel.ts";
import { verify } from "../../engine/verifier/verify.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import type { BenchProgram } from "./vm-programs.ts";

/** A program loaded into our kernel. */
export interface Loaded {
  /** Runs it so often in one call; its retval. */
  run(repeat: number): number;
}

/** `told`: with the small events (helper calls, stores) that the page shows. */
export function loadIntoKernel(bench: BenchProgram, compiled: boolean, told: boolean): Loaded {
  const kernel = new Kernel(
    { policy: "uref", cpus: 1, hz: 250, seed: 1, insnCost: 0, watch: told },
    new EventLog(),
    compiled ? webAssemblyHost : null,
  );
  const process = kernel.openProcess("bench");
  const expectFd = (what: string, result: { readonly retval: number; readonly errno: unknown }): number => {
    if (result.errno !== null) throw new Error(`${bench.name}: ${what}: ${String(result.errno)}`);
    return result.retval;
  };
  const fds = bench.maps.map((spec) =>
    expectFd(spec.name, kernel.call(process, { name: "map-create", spec, btf: null, dialect: "linux" })),
  );
  const load = (insns: readonly Instruction[]): number => {
    const placed = insns.map((insn) =>
      insn.opcode === LD_IMM64 && insn.src === BPF_PSEUDO_MAP_FD ? { ...insn, imm: fds[insn.imm] as number } : insn,
    );
    const result = verify(
      {
        name: "bench",
        type: PROG_TYPES.sched_cls,
        expectedAttachType: 0,
        flags: 0,
        license: "GPL",
        insns: placed,
        btf: bench.types?.btf ?? null,
        functions: bench.types?.functions ?? null,
        lines: null,
        kfuncs: new Map(),
        dialect: "linux",
      },
      kernel.verifierEnvironment(process),
      { logLevel: 0, trace: false },
    );
    if (result.verdict !== "accept") {
      const why = result.verdict === "reject" ? result.rejection.message : "";
      throw new Error(`${bench.name}: our verifier says ${result.verdict} ${why}`);
    }
    return expectFd("load", kernel.call(process, { name: "prog-load", program: result.program, section: "tc" }));
  };
  const run = (fd: number, repeat: number): number => {
    const result = kernel.call(process, { name: "prog-run", fd, data: new Uint8Array(64), context: null, repeat });
    if (result.errno !== null) throw new Error(`${bench.name}: ${result.errno}`);
    return result.run?.retval ?? -1;
  };
  if (bench.fill !== null) run(load(bench.fill), 1);
  const fd = load(bench.insns);
  return { run: (repeat) => run(fd, repeat) };
}
