import path from "node:path";
import { formatDiagnostic } from "../../engine/base/diagnostic.ts";
import type { Run } from "../../engine/session/run.ts";
import { buildObject as judgeObject, startRun } from "../../engine/session/session.ts";
import { takeSnapshot } from "../../engine/snapshot/take-snapshot.ts";
import type { MapSnapshot, Snapshot } from "../../engine/snapshot/types.ts";
import { valueJson } from "../../engine/snapshot/value-json.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import { buildObject } from "../build-file.ts";
import { readOptions, WHOLE } from "../options.ts";
import { printFailure, printJson, printVerdicts } from "../report.ts";
import { readScript, SCENARIO_OPTIONS, settingsOf } from "../scenario.ts";

const SPEC = {
  flags: ["--json", "--unverified"],
  values: {
    ...SCENARIO_OPTIONS,
    "--insn-cost": WHOLE,
    "--engine": ["jit", "interpreter"],
  },
};

/** Instructions between two looks at whether the script is over. */
const FUEL = 1_000_000;

/** `run FILE [--script FILE.user] [--policy P] …` */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args, SPEC);
  if (typeof options === "string" || options.files.length !== 1) {
    process.stderr.write(`run: ${typeof options === "string" ? options : "one file is needed"}\n`);
    return 2;
  }
  const file = options.files[0] as string;
  const json = options.flags.has("--json");
  const script = readScript(file, options.values.get("--script"));
  if (!script.ok) {
    process.stderr.write(`run: ${script.message}\n`);
    return 2;
  }
  const settings = settingsOf(options);
  const compiled = await buildObject(file, { cpuVersion: settings.cpuVersion, optimization: settings.optimization });
  if (!compiled.ok) return printFailure(file, json, "compile", compiled.message, compiled.diagnostics);
  const { report, built } = judgeObject({
    object: compiled.object,
    name: path.basename(file),
    settings,
    diagnostics: compiled.diagnostics,
    logLevel: 1,
  });
  if (!report.ok || built === null) {
    const { stage, message } = report.ok ? { stage: "load" as const, message: "the object could not be read" } : report;
    return printFailure(file, json, stage, message, report.diagnostics);
  }
  if (!report.runnable) return printVerdicts(file, json, report) || 1;
  const started = startRun(built, script.text, webAssemblyHost);
  if (started.diagnostics.length > 0) {
    const shown = started.diagnostics.map((d) =>
      formatDiagnostic(d.span === undefined ? d : { ...d, span: { ...d.span, file: script.name } }),
    );
    process.stderr.write(`${shown.join("\n")}\n`);
    return 2;
  }
  while (!started.run.scriptFinished && started.run.tick(Number.POSITIVE_INFINITY, FUEL) !== "over");
  return print(file, json, started.run, script.text);
}

function print(file: string, json: boolean, run: Run, scriptText: string): number {
  const { script, kernel } = run;
  const snapshot = takeSnapshot(kernel);
  const failed = script.expectations.some((e) => !e.ok) || script.stopped !== null;
  const { unsupported } = kernel;
  if (json) {
    const lines = scriptText.split(/\r\n|\n|\r/);
    const textOf = (line: number, text: string) => lines[line - 1]?.replace(/\s+#.*$/, "").trim() ?? text;
    printJson(file, {
      commands: script.commands.map((c) => ({
        line: c.line,
        text: c.text,
        retval: jsonNumber(c.retval),
        errno: c.errno,
        ...(c.output.length > 0 ? { output: c.output } : {}),
      })),
      expectations: script.expectations.map((e) => ({
        line: e.line,
        text: textOf(e.line, e.text),
        ok: e.ok,
        actual: e.actual,
      })),
      maps: mapsJson(snapshot),
      globals: globalsJson(snapshot),
      timers: snapshot.timers,
      trace: kernel.state.trace,
      events: run.events,
      oops: snapshot.oops,
      ...(script.stopped === null ? {} : { stopped: script.stopped }),
      ...(unsupported === null ? {} : { unsupported }),
    });
  } else {
    printText(run, snapshot);
  }
  if (unsupported !== null) {
    const place = unsupported.place;
    const where = place === null ? "" : ` (${place.functionName}, line ${place.line})`;
    process.stderr.write(`not modelled here: ${unsupported.message}${where}\n`);
    return 3;
  }
  return failed ? 1 : 0;
}

function jsonNumber(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}

/** Maps of global data are named `OBJECT.bss` and the like. */
const isGlobalData = (map: MapSnapshot): boolean => /\.(data|rodata|bss|kconfig)(\.|$)/.test(map.name);

function mapsJson(snapshot: Snapshot): Record<string, unknown> {
  return Object.fromEntries(
    snapshot.maps.map((map) => [
      map.name,
      map.rows.map((row) => ({
        key: valueJson(row.key),
        value: row.perCpu === null ? valueJson(row.value) : row.perCpu.map(valueJson),
      })),
    ]),
  );
}

function globalsJson(snapshot: Snapshot): Record<string, unknown> {
  const globals: Record<string, unknown> = {};
  for (const map of snapshot.maps.filter(isGlobalData)) {
    const value = map.rows[0]?.value;
    if (value?.kind !== "struct") continue;
    for (const member of value.members) globals[member.name] = valueJson(member.value);
  }
  return globals;
}

function printText(run: Run, snapshot: Snapshot): void {
  const out: string[] = [];
  const { script } = run;
  const lines: { readonly line: number; readonly text: string[] }[] = [];
  for (const command of script.commands) {
    const result = command.errno === null ? command.retval : `-${command.errno}`;
    const text = `${String(command.line).padStart(4)}  ${command.text} -> ${result}`;
    lines.push({ line: command.line, text: [text, ...command.output.map((line) => `      ${line}`)] });
  }
  for (const e of script.expectations) {
    const verdict = e.ok ? "ok" : `FAILED, it is ${e.actual}`;
    lines.push({ line: e.line, text: [`${String(e.line).padStart(4)}  expect ${e.text}: ${verdict}`] });
  }
  for (const { text } of lines.sort((a, b) => a.line - b.line)) out.push(...text);
  if (script.stopped) out.push(`stopped at line ${script.stopped.line}: ${script.stopped.reason}`);
  for (const map of snapshot.maps) {
    if (map.freed) continue;
    out.push(`map ${map.name} (${map.type}, ${map.count} of ${map.maxEntries})`);
    for (const row of map.rows.slice(0, 20)) {
      const value = row.perCpu === null ? valueJson(row.value) : row.perCpu.map(valueJson);
      out.push(`  ${JSON.stringify(valueJson(row.key))}: ${JSON.stringify(value)}`);
    }
    if (map.rows.length > 20) out.push(`  … ${map.rows.length - 20} more`);
  }
  for (const timer of snapshot.timers) {
    const due = timer.expires === null ? "" : ` at ${timer.expires / 1e6} ms`;
    const states: { readonly [state: string]: string } = { armed: "queued", firing: "running" };
    out.push(
      timer.kind === "timer"
        ? `timer ${timer.label}: ${timer.state}${due}, fired ${timer.fired}`
        : `work queue ${timer.label}: ${states[timer.state] ?? timer.state}${due}, ran ${timer.fired}`,
    );
  }
  for (const line of run.kernel.state.trace) out.push(`trace: ${line}`);
  if (snapshot.oops) out.push(`oops on CPU ${snapshot.oops.cpu}: ${snapshot.oops.message}`);
  process.stdout.write(`${out.join("\n")}\n`);
}
