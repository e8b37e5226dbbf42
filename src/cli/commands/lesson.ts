import { readFileSync } from "node:fs";
import path from "node:path";
import { type Demo, demosFrom } from "../../demos/index.ts";
import { buildObject as judgeObject, startRun } from "../../engine/session/session.ts";
import { DEFAULT_SETTINGS } from "../../engine/session/types.ts";
import { buildObject } from "../build-file.ts";
import { readOptions } from "../options.ts";

const PROGRAMS = path.join(import.meta.dirname, "../../demos/programs");
const FUEL = 1_000_000;

/** `lesson check [ID…] [--json]`: every lesson compiles, is judged as it says, and what its script expects holds. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args, { flags: ["--json"], values: {} });
  const [verb, ...ids] = typeof options === "string" ? [] : options.files;
  const demos = demosFrom((file) => readFileSync(path.join(PROGRAMS, file), "utf8"));
  const unknown = ids.find((id) => !demos.some((d) => d.id === id));
  if (typeof options === "string" || verb !== "check" || unknown !== undefined) {
    const why =
      typeof options === "string"
        ? options
        : unknown === undefined
          ? "use: lesson check"
          : `there is no lesson '${unknown}'`;
    process.stderr.write(`lesson: ${why}\n`);
    return 2;
  }
  let code = 0;
  for (const demo of demos.filter((d) => ids.length === 0 || ids.includes(d.id))) {
    const problems = await checkLesson(demo);
    if (problems.length > 0) code = 1;
    if (options.flags.has("--json")) {
      process.stdout.write(
        `${JSON.stringify({ file: demo.file, lesson: demo.id, ok: problems.length === 0, problems })}\n`,
      );
    } else {
      process.stdout.write(`${problems.length === 0 ? "ok  " : "BAD "} ${demo.id}: ${demo.title}\n`);
      for (const problem of problems) process.stdout.write(`     ${problem}\n`);
    }
  }
  return code;
}

/** What is wrong with a lesson, in sentences; empty when all is well. A refused program is run unverified: that is its lesson. */
async function checkLesson(demo: Demo): Promise<string[]> {
  const settings = { ...DEFAULT_SETTINGS, ...demo.settings, unverified: demo.refused };
  const { cpuVersion, optimization } = settings;
  const compiled = await buildObject(path.join(PROGRAMS, demo.file), { cpuVersion, optimization });
  if (!compiled.ok) return [`does not compile: ${compiled.message}`];
  const name = demo.file.replace(/\.c$/, ".o");
  const { report, built } = judgeObject({ object: compiled.object, name, settings, diagnostics: [] });
  if (!report.ok || built === null) return [`does not load: ${report.ok ? "" : report.message}`];
  const problems = report.programs
    .filter((p) => (p.verdict === "accept") === demo.refused || p.verdict === "unsupported")
    .map((p) => `${p.name}: ${p.verdict}${p.errorLine === null ? "" : ` (${p.errorLine})`}`);
  const { run: started, diagnostics } = startRun(built, demo.script);
  problems.push(...diagnostics.map((d) => `script line ${d.span?.line}: ${d.message}`));
  while (!started.scriptFinished && started.tick(Number.POSITIVE_INFINITY, FUEL) !== "over");
  const { expectations, stopped } = started.script;
  if (stopped !== null) problems.push(`stopped at line ${stopped.line}: ${stopped.reason}`);
  if (expectations.length === 0) problems.push("the script expects nothing");
  for (const e of expectations) if (!e.ok) problems.push(`line ${e.line}: expect ${e.text}: it is ${e.actual}`);
  return problems;
}
