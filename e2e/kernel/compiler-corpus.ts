import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { nodeCompiler } from "../../src/cli/node-compiler.ts";
import { generateObject } from "../../src/engine/codegen/generate-object.ts";
import { parseIr } from "../../src/engine/ir/parse-ir.ts";
import type { KernelJudge, KernelVerdict } from "./kernel-judge.ts";
import { judgeLoad, objectLoads } from "./object-load.ts";
import { clangObject, llcObject } from "./other-compilers.ts";

const FOLDERS = ["../../src/engine/codegen/corpus/", "../../src/demos/programs/"].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url)),
);

/** What Linux says of one program of an object. */
export interface LinuxVerdict {
  /** 0 when it was accepted. */
  readonly errno: number;
  readonly failed: KernelVerdict["failed"];
  /** Instructions that its verifier processed; null when it does not say. */
  readonly processed: number | null;
}

/** C files of the corpus and of the demos in Linux's own dialect of the timer API. */
export function corpusFiles(): string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(folder)
      .filter((f) => f.endsWith(".bpf.c"))
      .sort()
      .map((f) => path.join(folder, f)),
  ).filter((file) => !/#\s*include\s*<bpf\/bpf_timer_(rfc|map)\.h>/.test(readFileSync(file, "utf8")));
}

/** A file at -O2 for v3, by our back end. */
export async function compileCorpusFile(file: string): Promise<{ readonly ir: string; readonly object: Uint8Array }> {
  const compiler = await nodeCompiler();
  const source = { file: path.basename(file), text: readFileSync(file, "utf8") };
  const { ir } = await compiler.compile(source, { cpuVersion: "v3", optimization: "O2" });
  const module = ir === null ? null : parseIr(ir);
  if (ir === null || module === null || !module.ok) throw new Error(`${file} does not compile`);
  const object = generateObject(module.value, { cpuVersion: "v3" });
  if (!object.ok) throw new Error(`${file}: ${object.error[0]?.message}`);
  return { ir, object: object.value };
}

/** The live kernel's word on every program of an object, by name. */
export async function linuxVerdicts(kernel: KernelJudge, object: Uint8Array): Promise<Map<string, LinuxVerdict>> {
  const verdicts = new Map<string, LinuxVerdict>();
  for (const { name, load } of objectLoads(object)) {
    const { failed, errno, log } = await judgeLoad(kernel, load);
    const processed = /processed (\d+) insns/.exec(log)?.[1];
    verdicts.set(name, { failed, errno, processed: processed === undefined ? null : Number(processed) });
  }
  return verdicts;
}

export interface CorpusRow {
  /** `file/program` */
  readonly program: string;
  readonly ours: LinuxVerdict;
  /** Of llc's object from the same IR; null where there is no llc. */
  readonly llc: LinuxVerdict | null;
  /** Of native clang's object from the same C; null where there is no clang. */
  readonly clang: LinuxVerdict | null;
}

export type Peer = "llc" | "clang";

/** Every program of the corpus to the live kernel, from our object and from those of the compilers at hand. */
export async function judgeCorpus(
  kernel: KernelJudge,
  tools: { readonly llc: boolean; readonly clang: boolean },
): Promise<CorpusRow[]> {
  const rows: CorpusRow[] = [];
  for (const file of corpusFiles()) {
    const { ir, object } = await compileCorpusFile(file);
    const judged = (object: Uint8Array | null): Promise<Map<string, LinuxVerdict>> | null =>
      object === null ? null : linuxVerdicts(kernel, object);
    const llc = await judged(tools.llc ? await llcObject(ir, "v3") : null);
    const clang = await judged(tools.clang ? await clangObject(readFileSync(file, "utf8"), "v3") : null);
    for (const [name, ours] of await linuxVerdicts(kernel, object)) {
      const program = `${path.basename(file, ".bpf.c")}/${name}`;
      rows.push({ program, ours, llc: llc?.get(name) ?? null, clang: clang?.get(name) ?? null });
    }
  }
  return rows;
}

/** `accept`, or what failed with its errno. */
export function verdictText({ failed, errno }: LinuxVerdict): string {
  return failed === null ? "accept" : `${failed} ${errno}`;
}

/** Geometric mean of ours to the peer's processed instructions, of programs that both have accepted; the worst; how many. */
export function processedRatio(
  rows: readonly CorpusRow[],
  peer: Peer,
): {
  readonly mean: number;
  readonly most: CorpusRow | null;
  readonly programs: number;
} {
  let sum = 0;
  let programs = 0;
  let most: CorpusRow | null = null;
  let highest = 0;
  for (const row of rows) {
    const other = row[peer];
    if (row.ours.failed !== null || other === null || other.failed !== null) continue;
    const ratio = (row.ours.processed ?? 1) / (other.processed ?? 1);
    sum += Math.log(ratio);
    programs++;
    if (ratio > highest) [highest, most] = [ratio, row];
  }
  return { mean: Math.exp(sum / Math.max(1, programs)), most, programs };
}
