import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { formatDiagnostic } from "../engine/base/diagnostic.ts";
import { buildSource } from "../toolchain/build.ts";
import { DEFAULT_BUILD } from "./build-file.ts";
import { nodeCompiler } from "./node-compiler.ts";

const PROGRAMS = fileURLToPath(new URL("../demos/programs/", import.meta.url));

/** Prints every program of the demos, built by the compiler that the page will use, as JSON with the objects in base64. */
async function main(): Promise<void> {
  const builds: object[] = [];
  for (const file of readdirSync(PROGRAMS).sort()) {
    if (!file.endsWith(".bpf.c")) continue;
    const source = { file, text: readFileSync(path.join(PROGRAMS, file), "utf8") };
    const { object, diagnostics } = await buildSource(nodeCompiler, source, DEFAULT_BUILD);
    for (const diagnostic of diagnostics) console.error(formatDiagnostic(diagnostic));
    if (object === null) throw new Error(`${file} does not compile`);
    builds.push({ source, options: DEFAULT_BUILD, object: Buffer.from(object).toString("base64"), diagnostics });
  }
  console.log(JSON.stringify(builds));
}

await main();
