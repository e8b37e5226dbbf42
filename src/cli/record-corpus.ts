import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "fflate";
import { nodeCompiler } from "./node-compiler.ts";

/**
 * Compiles the C programs of the back end's corpus with clang and writes their IR to one file, so that the back end's tests need no
 * compiler: `npx tsx src/cli/record-corpus.ts`.
 */
const CORPUS = fileURLToPath(new URL("../engine/codegen/corpus/", import.meta.url));

async function main(): Promise<void> {
  const compiler = await nodeCompiler();
  const recorded: Record<string, string> = {};
  for (const name of readdirSync(CORPUS).sort()) {
    if (!name.endsWith(".bpf.c")) continue;
    const text = readFileSync(path.join(CORPUS, name), "utf8");
    for (const optimization of ["O0", "O1", "O2"] as const) {
      const { ir, diagnostics } = await compiler.compile({ file: name, text }, { cpuVersion: "v3", optimization });
      if (ir === null) throw new Error(`${name}: ${diagnostics[0]?.message ?? "not compiled"}`);
      recorded[`${name.replace(".bpf.c", "")} ${optimization}`] = ir;
    }
  }
  const bytes = gzipSync(new TextEncoder().encode(JSON.stringify(recorded)), { level: 9, mtime: 0 });
  writeFileSync(path.join(CORPUS, "recorded-ir.json.gz"), bytes);
  process.stdout.write(`${Object.keys(recorded).length} modules, ${bytes.length} bytes\n`);
}

await main();
