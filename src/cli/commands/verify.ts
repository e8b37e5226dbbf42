import path from "node:path";
import { buildObject as judgeObject } from "../../engine/session/session.ts";
import { DEFAULT_SETTINGS } from "../../engine/session/types.ts";
import { buildObject } from "../build-file.ts";
import { readOptions } from "../options.ts";
import { printFailure, printVerdicts, worse } from "../report.ts";

/** `verify FILE.c|.s|.o… [--json] [--log 0|1|2|4]` */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args, {
    flags: ["--json"],
    values: { "--log": { pattern: /^[0-7]$/, what: "0, 1, 2 or 4 (or a sum)" } },
  });
  if (typeof options === "string" || options.files.length === 0) {
    process.stderr.write(`verify: ${typeof options === "string" ? options : "a file is missing"}\n`);
    return 2;
  }
  const json = options.flags.has("--json");
  const logLevel = Number(options.values.get("--log") ?? 1);
  let code = 0;
  for (const file of options.files) code = worse(code, await verifyFile(file, json, logLevel));
  return code;
}

async function verifyFile(file: string, json: boolean, logLevel: number): Promise<number> {
  const compiled = await buildObject(file);
  if (!compiled.ok) return printFailure(file, json, "compile", compiled.message, compiled.diagnostics);
  const { report } = judgeObject({
    object: compiled.object,
    name: path.basename(file),
    settings: DEFAULT_SETTINGS,
    diagnostics: compiled.diagnostics,
    logLevel,
  });
  if (!report.ok) return printFailure(file, json, report.stage, report.message, report.diagnostics);
  return printVerdicts(file, json, report);
}
