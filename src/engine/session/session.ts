import type { Errno } from "../abi/errno.ts";
import { mapTypeName } from "../abi/types.ts";
import { type Diagnostic, formatDiagnostic } from "../base/diagnostic.ts";
import { Kernel, type KernelSettings } from "../kernel/api.ts";
import { loadObject } from "../loader/load-object.ts";
import type { CollectionSpec } from "../loader/spec.ts";
import { parseScript } from "../script/parse-script.ts";
import { MAIN_PROCESS } from "../script/types.ts";
import { verify } from "../verifier/verify.ts";
import type { WasmHost } from "../vm/wasm-host.ts";
import { checkScript } from "./check-script.ts";
import { createMaps, fillSlots, type JudgedProgram, loadPrograms, programForLoad } from "./load-collection.ts";
import { type NameTable, NO_NAMES } from "./names.ts";
import { reportProgram, reportUnloaded } from "./program-report.ts";
import { Run } from "./run.ts";
import type { BlockOrder, LoadObject } from "./run-plan.ts";
import type { BuildReport, MapReport, ProgramReport, SessionSettings, VerifierView } from "./types.ts";

/** An object that was read and judged: what a run starts from. */
export interface BuiltObject {
  readonly collection: CollectionSpec;
  readonly judged: readonly JudgedProgram[];
  readonly report: JudgedReport;
  readonly settings: SessionSettings;
}

type JudgedReport = BuildReport & { readonly ok: true };

export interface BuildInput {
  readonly object: Uint8Array;
  /** Name of the object's file; maps of global data are named after it. */
  readonly name: string;
  readonly settings: SessionSettings;
  /** What the compiler had to say about the source. */
  readonly diagnostics: readonly Diagnostic[];
  /** 0, or a sum of 1, 2 and 4, as BPF_PROG_LOAD takes it; 2 if left out. */
  readonly logLevel?: number;
}

export interface BuildOutput {
  readonly report: BuildReport;
  /** Null when the object could not be read. */
  readonly built: BuiltObject | null;
}

const kernelSettings = (settings: SessionSettings, watch = true): KernelSettings => ({
  policy: settings.policy,
  cpus: settings.cpus,
  hz: settings.hz,
  seed: settings.seed,
  insnCost: settings.insnCost,
  watch,
});

/** Reads an object, creates its maps in a kernel of its own, and has every program judged. */
export function buildObject(input: BuildInput): BuildOutput {
  const loaded = loadObject(input.object, input.name);
  if (!loaded.ok) {
    const message = loaded.error.map((d) => formatDiagnostic(d)).join("\n");
    const diagnostics = [...input.diagnostics, ...loaded.error];
    return { report: { ok: false, stage: "load", diagnostics, message }, built: null };
  }
  const collection = loaded.value;
  const kernel = new Kernel(kernelSettings(input.settings, false), null);
  const process = kernel.openProcess(MAIN_PROCESS);
  const { names, failed } = createMaps(kernel, process, collection, NO_NAMES);
  const judged: JudgedProgram[] = [];
  const programs: ProgramReport[] = [];
  for (const spec of collection.programs) {
    const program = programForLoad(collection, spec, process, names);
    if (program === null) {
      const [map, errno] = [...failed][0] ?? ["?", "EINVAL"];
      programs.push(reportUnloaded(spec, errno, `map '${map}': failed to create: ${errno}`));
      continue;
    }
    const result = verify(program, kernel.verifierEnvironment(process), {
      logLevel: input.logLevel ?? 2,
      trace: false,
    });
    judged.push({ spec, program, result });
    programs.push(reportProgram({ spec, program, result }));
  }
  const maps: MapReport[] = collection.maps.map((spec) => ({
    name: spec.name,
    type: mapTypeName(spec.type) ?? `type ${spec.type}`,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    verdict: failed.has(spec.name) ? "reject" : "accept",
    errno: failed.get(spec.name) ?? null,
  }));
  const report: JudgedReport = {
    ok: true,
    dialect: collection.dialect,
    diagnostics: input.diagnostics,
    programs,
    maps,
    runnable: isRunnable(programs, maps, input.settings.unverified),
  };
  return { report, built: { collection, judged, report, settings: input.settings } };
}

/** The same object under other settings that change no verdict (all but `cpus`). */
export function withSettings(
  built: BuiltObject,
  settings: SessionSettings,
  diagnostics: readonly Diagnostic[],
): BuildOutput {
  const { report } = built;
  const judged = { ...built, settings };
  return {
    report: { ...report, diagnostics, runnable: isRunnable(report.programs, report.maps, settings.unverified) },
    built: judged,
  };
}

/** A program may be loaded when the verifier passed it, or judged it in vain; one whose map is missing cannot. */
function isRunnable(programs: readonly ProgramReport[], maps: readonly MapReport[], unverified: boolean): boolean {
  return maps.every((m) => m.verdict === "accept") && (unverified || programs.every((p) => p.verdict === "accept"));
}

/**
 * Starts a run of a built object: a fresh kernel in which everything is loaded, at the first line of the script. `wasm` runs
 * compiled programs, where the settings ask for them. Where concurrent blocks are concurrent (`order`), instructions take no time.
 */
export function startRun(
  built: BuiltObject,
  scriptText: string,
  wasm: WasmHost | null = null,
  order: BlockOrder = "in-order",
  grain: "visible" | "instruction" = "visible",
): { readonly run: Run; readonly diagnostics: Diagnostic[] } {
  const { collection } = built;
  const settings = order === "in-order" ? built.settings : { ...built.settings, insnCost: 0 };
  const script = parseScript(scriptText);
  const diagnostics = [...script.diagnostics, ...checkScript(script.commands, collection, settings.cpus)].sort(
    (a, b) => (a.span?.line ?? 0) - (b.span?.line ?? 0),
  );
  const first = diagnostics[0];
  const firstLine = first?.span?.line ?? Number.POSITIVE_INFINITY;
  const load: LoadObject = (kernel, process, names) => loadAgain(built, kernel, process, names);
  const run = new Run(
    (sink) => new Kernel(kernelSettings(settings), sink, settings.engine === "jit" ? wasm : null),
    {
      collection,
      commands: script.commands.filter((c) => c.line < firstLine),
      fault: first === undefined ? null : { line: firstLine, reason: first.message },
      load,
      patience: settings.unverified ? PATIENCE_UNVERIFIED : PATIENCE,
      order,
      grain,
    },
    (kernel) => {
      const process = kernel.openProcess(MAIN_PROCESS);
      const { names } = createMaps(kernel, process, collection, NO_NAMES);
      const loaded = loadPrograms(kernel, process, built.judged, settings.unverified, names);
      fillSlots(kernel, process, collection.maps, "prog", loaded.names);
      return loaded.names;
    },
  );
  return { run, diagnostics };
}

/**
 * Instructions of one command after which the watchdog strikes. The verifier bounds what it passes, if generously (loops of
 * bpf_loop); what runs unverified may simply not end.
 */
const PATIENCE = 2 ** 30;
const PATIENCE_UNVERIFIED = 2 ** 26;

/** `object load`: new maps, new fds, hence the programs are judged anew. */
function loadAgain(built: BuiltObject, kernel: Kernel, process: number, before: NameTable): NameTable | Errno {
  const { collection, settings } = built;
  const maps = createMaps(kernel, process, collection, before);
  for (const errno of maps.failed.values()) return errno;
  const judged: JudgedProgram[] = [];
  for (const spec of collection.programs) {
    const program = programForLoad(collection, spec, process, maps.names);
    if (program === null) return "EINVAL";
    const result = verify(program, kernel.verifierEnvironment(process), { logLevel: 0, trace: false });
    if (result.verdict === "reject" && !settings.unverified) return result.rejection.errno;
    judged.push({ spec, program, result });
  }
  const loaded = loadPrograms(kernel, process, judged, settings.unverified, maps.names);
  for (const errno of loaded.failed.values()) return errno;
  fillSlots(kernel, process, collection.maps, "prog", loaded.names);
  return loaded.names;
}

/** The verifier's states of one program; null when the object has none of that name. */
export function inspectProgram(built: BuiltObject, name: string): VerifierView | null {
  const { collection, settings } = built;
  const spec = collection.programs.find((p) => p.name === name);
  if (spec === undefined) return null;
  const kernel = new Kernel(kernelSettings(settings, false), null);
  const process = kernel.openProcess(MAIN_PROCESS);
  const { names } = createMaps(kernel, process, collection, NO_NAMES);
  const program = programForLoad(collection, spec, process, names);
  if (program === null) return null;
  const result = verify(program, kernel.verifierEnvironment(process), { logLevel: 2, trace: true });
  const trace = result.verdict === "cancelled" ? null : result.trace;
  const functions = spec.functions.map((f) => ({ name: f.name, start: f.insn }));
  return { program: name, functions, steps: trace?.steps ?? [], paths: trace?.paths ?? [] };
}
