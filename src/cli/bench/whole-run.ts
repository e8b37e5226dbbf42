import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { Kernel } from "../../engine/kernel/api.ts";
import { createMaps, loadPrograms } from "../../engine/session/load-collection.ts";
import { fdOf, NO_NAMES } from "../../engine/session/names.ts";
import { type BuiltObject, buildObject, startRun } from "../../engine/session/session.ts";
import { DEFAULT_SETTINGS } from "../../engine/session/types.ts";
import { SnapshotTaker } from "../../engine/snapshot/take-snapshot.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import { buildObject as compileFile } from "../build-file.ts";

const SOURCE = fileURLToPath(new URL("./fixtures/busy.bpf.c", import.meta.url));
/** Virtual time of a run, ns. */
const VIRTUAL = 500_000_000;
const FRAME = new Uint8Array(64);
/** Instructions between two looks at the clock, and ms between two pictures: as the page's engine works. */
const FUEL = 20_000;
const FRAME_MS = 16;

/** ms of a run that nobody looks at: no events, no checkpoints, no snapshots. */
function bare(built: BuiltObject): number {
  const { settings, collection, judged } = built;
  const { policy, cpus, hz, seed, insnCost } = settings;
  const wasm = settings.engine === "jit" ? webAssemblyHost : null;
  const kernel = new Kernel({ policy, cpus, hz, seed, insnCost, watch: false }, null, wasm);
  const process = kernel.openProcess("main");
  const { names } = createMaps(kernel, process, collection, NO_NAMES);
  const fd = fdOf(loadPrograms(kernel, process, judged, false, names).names, process, "prog", "arm") ?? -1;
  const from = performance.now();
  kernel.call(process, { name: "prog-run", fd, data: FRAME, context: null, repeat: 1 });
  while (kernel.advanceTo(VIRTUAL, FUEL) === "fuel");
  return performance.now() - from;
}

interface Watched {
  readonly ms: number;
  readonly events: number;
  readonly snapshots: number;
}

/**
 * The same as the page runs it: every event told and kept, checkpoints to come back to, and for each picture a snapshot, and what the
 * page lacks of the events.
 */
function watched(built: BuiltObject): Watched {
  const { run } = startRun(built, `prog run arm data=${"00".repeat(FRAME.length)}\n`, webAssemblyHost);
  const taker = new SnapshotTaker();
  const { events } = run.recording;
  let snapshots = 0;
  let sent = 0;
  let known = { strings: 0, places: 0 };
  const from = performance.now();
  let shown = from;
  while (run.tick(VIRTUAL, FUEL) === "worked") {
    const now = performance.now();
    if (now - shown < FRAME_MS) continue;
    taker.take(run.kernel);
    events.pack(sent, known.strings, known.places);
    sent = events.length;
    known = events.known;
    snapshots++;
    shown = now;
  }
  return { ms: performance.now() - from, events: run.events.length, snapshots };
}

/** What the event log, its checkpoints and the snapshots take of a run of busy timers; a line for each engine. */
export async function wholeRunShares(): Promise<string[]> {
  const compiled = await compileFile(SOURCE);
  if (!compiled.ok) throw new Error(compiled.message);
  return (["interpreter", "jit"] as const).map((engine) => {
    const { built, report } = buildObject({
      object: compiled.object,
      name: "busy.bpf.o",
      settings: { ...DEFAULT_SETTINGS, engine },
      diagnostics: [],
    });
    if (built === null || !report.ok || !report.runnable) throw new Error("the busy program is refused");
    let off = Number.POSITIVE_INFINITY;
    let on: Watched = { ms: Number.POSITIVE_INFINITY, events: 0, snapshots: 0 };
    for (let round = 0; round < 7; round++) {
      off = Math.min(off, bare(built));
      const next = watched(built);
      if (next.ms < on.ms) on = next;
    }
    const share = (100 * (on.ms - off)) / on.ms;
    return (
      `events and snapshots, ${engine}: ${share.toFixed(1)} % of a run (target 20): ${VIRTUAL / 1e6} virtual ms in ` +
      `${on.ms.toFixed(1)} ms with ${on.events} events and ${on.snapshots} snapshots, ${off.toFixed(1)} ms without`
    );
  });
}
