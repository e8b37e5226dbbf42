import { writeFileSync } from "node:fs";
import path from "node:path";
import { formatDiagnostic } from "../../engine/base/diagnostic.ts";
import { type BuildFileOptions, buildObject, DEFAULT_BUILD } from "../build-file.ts";
import { ANY, readOptions } from "../options.ts";
import { printFailure, printJson } from "../report.ts";
import { disassembleObject } from "./disasm.ts";

const USAGE =
  "usage: compile FILE.c|.s… [-o OUT] [--mcpu v1|v2|v3|v4] [-O0|-O1|-O2] [--emit obj|asm|ir] [--json]\n" +
  "Without -o, FILE.bpf.c gives FILE.bpf.o in this directory; asm and ir go to stdout.";

type Emit = "obj" | "asm" | "ir";

interface Arguments {
  readonly files: readonly string[];
  readonly out: string | null;
  readonly emit: Emit;
  readonly json: boolean;
  readonly options: BuildFileOptions;
}

function parseArguments(args: readonly string[]): Arguments | string {
  const given = readOptions(args, {
    flags: ["--json", "-O0", "-O1", "-O2"],
    values: { "-o": ANY, "--mcpu": ["v1", "v2", "v3", "v4"], "--emit": ["obj", "asm", "ir"] },
  });
  if (typeof given === "string") return given;
  const { files, flags, values } = given;
  const out = values.get("-o") ?? null;
  if (files.length === 0) return "no file given";
  if (out !== null && files.length > 1) return "-o goes with one file";
  const level = (["O0", "O1", "O2"] as const).findLast((o) => flags.has(`-${o}`));
  const cpu = values.get("--mcpu") as BuildFileOptions["cpuVersion"] | undefined;
  return {
    files,
    out,
    emit: (values.get("--emit") ?? "obj") as Emit,
    json: flags.has("--json"),
    options: { cpuVersion: cpu ?? DEFAULT_BUILD.cpuVersion, optimization: level ?? DEFAULT_BUILD.optimization },
  };
}

/** `compile`: exit 0, or 2 when a file cannot be read or does not compile. */
export async function run(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args);
  if (typeof parsed === "string") {
    process.stderr.write(`${parsed}\n${USAGE}\n`);
    return 2;
  }
  let status = 0;
  for (const file of parsed.files) if (!(await compileOne(file, parsed))) status = 2;
  return status;
}

async function compileOne(file: string, { out, emit, json, options }: Arguments): Promise<boolean> {
  const built = await buildObject(file, options);
  if (!built.ok) {
    printFailure(file, json, "compile", built.message, built.diagnostics);
    return false;
  }
  if (!json) for (const diagnostic of built.diagnostics) process.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
  if (emit === "ir" && built.ir === null) {
    printFailure(file, json, "compile", `${file}: only C is compiled through IR`, []);
    return false;
  }
  const text = emit === "ir" ? built.ir : emit === "asm" ? disassembleObject(built.object) : null;
  const beside = path.basename(file).replace(/(\.bpf)?\.[a-z]+$/i, ".bpf.o");
  const target = out ?? (text === null ? beside : null);
  if (target !== null) writeFileSync(target, text ?? built.object);
  if (json) {
    const result = target === null ? { text } : { out: target };
    printJson(file, { emit, ...result, bytes: built.object.length, diagnostics: built.diagnostics });
  } else if (target === null && text !== null) process.stdout.write(text);
  return true;
}
