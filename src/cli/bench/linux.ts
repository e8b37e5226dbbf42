import { MAP_TYPES, PROG_TYPES } from "../../engine/abi/types.ts";
import { writeBtf } from "../../engine/btf/write.ts";
import type { FunctionRecord } from "../../engine/loader/spec.ts";
import { type BenchProgram, encoded } from "./vm-programs.ts";

/** The live kernel, for comparison: ns of one run under its JIT, and the run's result. */
export interface Linux {
  time(bench: BenchProgram): Promise<{ readonly ns: number; readonly retval: number } | null>;
  stop(): void;
}

type JudgeModule = typeof import("../../../e2e/kernel/kernel-judge.ts");

/** bpf_func_info records. */
function functionInfo(functions: readonly FunctionRecord[]): Uint8Array {
  const words = Uint32Array.from(functions.flatMap((f) => [f.insn, f.type]));
  return new Uint8Array(words.buffer);
}

/** Asks through the oracle of the end-to-end tests; a reason when this machine's kernel cannot be asked. */
export async function openLinux(): Promise<Linux | string> {
  const oracle = new URL("../../../e2e/kernel/kernel-judge.ts", import.meta.url).href;
  const { startKernelJudge } = (await import(oracle)) as JudgeModule;
  const judge = await startKernelJudge();
  if ("unavailable" in judge) return judge.unavailable;
  return {
    async time(bench) {
      const load = {
        worldKey: `bench-${bench.group === "mixed" ? bench.group : bench.name}`,
        btfs: bench.types === undefined ? [] : [writeBtf(bench.types.btf)],
        ...(bench.types === undefined ? {} : { btf: 0, funcInfo: functionInfo(bench.types.functions) }),
        maps: bench.maps.map((map) => ({
          type: map.type,
          keySize: map.keySize,
          valueSize: map.valueSize,
          maxEntries: map.maxEntries,
          flags: map.flags,
          name: map.name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15),
          ...(map.globalData && map.type === MAP_TYPES.array
            ? { entries: [{ key: new Uint8Array(4), value: map.globalData.contents }] }
            : {}),
          ...(map.frozen ? { freeze: true } : {}),
        })),
        type: PROG_TYPES.sched_cls,
        license: "GPL",
        name: "bench",
        flags: 0,
        expectedAttachType: 0,
        logLevel: 0,
      };
      const data = new Uint8Array(64);
      if (bench.fill !== null) await judge.judge({ ...load, insns: encoded(bench.fill), run: { data } });
      const verdict = await judge.judge({ ...load, insns: encoded(bench.insns), run: { data, repeat: 2000 } });
      if (verdict.failed !== null || verdict.run === null)
        throw new Error(`Linux refuses ${bench.name}: ${verdict.failed} errno ${verdict.errno}\n${verdict.log}`);
      return { ns: verdict.run.duration, retval: verdict.run.retval };
    },
    stop: () => judge.stop(),
  };
}
