import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { generateObject } from "../../engine/codegen/generate-object.ts";
import { readElf } from "../../engine/elf/read.ts";
import { parseIr } from "../../engine/ir/parse-ir.ts";
import { nodeCompiler } from "../node-compiler.ts";

const CORPUS = fileURLToPath(new URL("../../engine/codegen/corpus/", import.meta.url));
const DEMOS = fileURLToPath(new URL("../../demos/programs/", import.meta.url));
const HEADERS = fileURLToPath(new URL("../../toolchain/headers/", import.meta.url));
const CLANG_BUILTINS = "/usr/lib/llvm-22/lib/clang/22/include";

/** Instructions (8-byte slots) of each function of an object. */
function functionSizes(bytes: Uint8Array): Map<string, number> {
  const elf = readElf(bytes);
  if (!elf.ok) throw new Error(elf.error);
  return new Map(elf.value.symbols.filter((s) => s.type === "func").map((s) => [s.name, s.size / 8]));
}

function tool(name: string, args: readonly string[], output: string): Uint8Array | null {
  try {
    execFileSync(name, [...args, "-o", output], { stdio: ["ignore", "ignore", "ignore"] });
    return readFileSync(output);
  } catch {
    return null;
  }
}

interface Row {
  readonly program: string;
  readonly ours: number;
  readonly llc: number | null;
  readonly clang: number | null;
}

/**
 * Prints the size of every function of the corpus as this compiler, `llc-22` on the same IR and native `clang-22` make it, and the
 * geometric means. Arguments: files to compile instead of the corpus; `-v` prints every function.
 */
export async function run(args: readonly string[]): Promise<number> {
  const verbose = args.includes("-v");
  const named = args.filter((a) => !a.startsWith("-"));
  const files = named.length > 0 ? named : [...listSources(CORPUS), ...listSources(DEMOS)];
  const compiler = await nodeCompiler();
  const work = mkdtempSync(path.join(tmpdir(), "bench-compiler-"));
  const rows: Row[] = [];
  let generation = 0;
  let lines = 0;
  try {
    for (const file of files) {
      const name = path.basename(file);
      const text = readFileSync(file, "utf8");
      const { ir, diagnostics } = await compiler.compile(
        { file: name, text },
        { cpuVersion: "v3", optimization: "O2" },
      );
      if (ir === null) {
        process.stderr.write(`${name}: ${diagnostics[0]?.message ?? "not compiled"}\n`);
        continue;
      }
      const started = performance.now();
      const module = parseIr(ir);
      const object = module.ok ? generateObject(module.value, { cpuVersion: "v3" }) : module;
      generation += performance.now() - started;
      lines += ir.split("\n").length;
      if (!object.ok) {
        process.stderr.write(`${name}: ${object.error.map((d) => `${d.span?.line ?? 0}: ${d.message}`).join("; ")}\n`);
        continue;
      }
      const irFile = path.join(work, "a.ll");
      writeFileSync(irFile, ir);
      const llc = tool("llc-22", ["-march=bpf", "-mcpu=v3", "-filetype=obj", irFile], path.join(work, "llc.o"));
      const native = ["-O2", "-g", "--target=bpf", "-mcpu=v3", "-nostdinc", "-isystem", CLANG_BUILTINS];
      const include = ["-isystem", HEADERS, ...dialect(text), "-w", "-c", file];
      const clang = tool("clang-22", [...native, ...include], path.join(work, "clang.o"));
      const llcSizes = llc === null ? null : functionSizes(llc);
      const clangSizes = clang === null ? null : functionSizes(clang);
      for (const [fn, ours] of functionSizes(object.value)) {
        const program = `${name.replace(/\.bpf\.c$/, "")}/${fn}`;
        rows.push({ program, ours, llc: llcSizes?.get(fn) ?? null, clang: clangSizes?.get(fn) ?? null });
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  report(rows, verbose);
  process.stdout.write(`${lines} lines of IR to objects in ${generation.toFixed(0)} ms\n`);
  return 0;
}

function dialect(text: string): string[] {
  return [...text.matchAll(/#\s*include\s*<(bpf\/bpf_timer_(?:rfc|map)\.h)>/g)].flatMap((m) => [
    "-include",
    m[1] as string,
  ]);
}

function listSources(folder: string): string[] {
  return readdirSync(folder)
    .filter((f) => f.endsWith(".bpf.c"))
    .sort()
    .map((f) => path.join(folder, f));
}

function report(rows: readonly Row[], verbose: boolean): void {
  const ratio = (row: Row, peer: "llc" | "clang"): number => row.ours / (row[peer] ?? row.ours);
  const sorted = [...rows].sort((a, b) => ratio(b, "llc") - ratio(a, "llc"));
  const shown = verbose ? sorted : sorted.filter((r) => ratio(r, "llc") > 1.1);
  for (const row of shown) {
    const { program, ours, llc, clang } = row;
    process.stdout.write(
      `${program.padEnd(40)} ours ${ours}  llc ${llc ?? "-"}  clang ${clang ?? "-"}  x${ratio(row, "llc").toFixed(2)}\n`,
    );
  }
  for (const peer of ["llc", "clang"] as const) {
    const compared = rows.filter((r) => r[peer] !== null);
    if (compared.length === 0) {
      process.stdout.write(`${peer}-22 is not on this machine: nothing to compare with\n`);
      continue;
    }
    const mean = Math.exp(compared.reduce((sum, r) => sum + Math.log(ratio(r, peer)), 0) / compared.length);
    const most = Math.max(...compared.map((r) => ratio(r, peer)));
    const total = compared.reduce((sum, r) => sum + r.ours, 0) / compared.reduce((sum, r) => sum + (r[peer] ?? 0), 0);
    process.stdout.write(
      `ours / ${peer}: geometric mean ${mean.toFixed(3)}, total ${total.toFixed(3)}, most ${most.toFixed(2)} over ${compared.length} functions\n`,
    );
  }
}
