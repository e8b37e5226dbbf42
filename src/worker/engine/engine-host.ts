import { choicesOf, describeSchedule, failureOf, startReplay } from "../../engine/session/explorer.ts";
import type { Run } from "../../engine/session/run.ts";
import { type BuiltObject, buildObject, inspectProgram, startRun, withSettings } from "../../engine/session/session.ts";
import { SnapshotTaker } from "../../engine/snapshot/take-snapshot.ts";
import type { WasmHost } from "../../engine/vm/wasm-host.ts";
import {
  type CommandResult,
  ENGINE_PROTOCOL_VERSION,
  type EngineEvent,
  type EngineRequest,
  type EngineRequestKind,
  type EngineResults,
  type ExploreReport,
  type FromEngine,
  type OpenResult,
  type RunEvent,
  type ToEngine,
} from "../../protocol/engine.ts";
import type { DescribedSchedule, ScriptState, Snapshot, StopPoints } from "../../protocol/engine-types.ts";
import { SearchJob } from "./search-job.ts";

/** What the host needs of the thread that it lives on. */
export interface HostThread {
  post(message: FromEngine): void;
  /** ms, monotonic */
  now(): number;
  /** Calls back after about so many ms, and lets messages in before. */
  later(ms: number, callback: () => void): void;
  /** Runs compiled programs; null: the interpreter runs everything. */
  readonly wasm: WasmHost | null;
}

/** Work of one turn, ms: half a frame, so that requests and updates are never late by more. */
const SLICE_MS = 8;
const FRAME_MS = 16;
/** After an update the engine works on for so many times as long as the update took: a large kernel is shown less often. */
const UPDATE_REST = 3;
/** A replay of a schedule may take so long, ms. */
const REPLAY_MS = 2000;
/** Instructions between two looks at the clock. */
const PLAY_FUEL = 20_000;
/** A turn that comes later than this (a sleeping tab) does not make virtual time jump. */
const MAX_FRAME_MS = 250;
/** A recording grows no longer than this: the run then waits. Some 13 MB here, some 60 MB as the page's objects. */
export const MAX_EVENTS = 250_000;
const NOTHING_KNOWN = { strings: 0, places: 0 };

/** What the run is being driven to, besides playing on. */
type Goal =
  | { readonly kind: "event"; readonly from: number }
  | { readonly kind: "instruction" }
  | { readonly kind: "timer"; readonly from: number }
  | {
      readonly kind: "command";
      readonly text: string;
      given: boolean;
      readonly reply: (result: CommandResult) => void;
    };

/** The engine behind its protocol: one built object, one run, played in slices. */
export class EngineHost {
  readonly #thread: HostThread;
  #built: { readonly key: string; readonly bytes: Uint8Array; readonly value: BuiltObject } | null = null;
  #run: Run | null = null;
  /** Text of the run's script; null for the run of a schedule. */
  #script: string | null = null;
  #number = 0;
  #playing = false;
  #following = true;
  #stops: StopPoints = { breakpoints: [], watches: [] };
  #goal: Goal | null = null;
  #speed = 1e7;
  /** Virtual time that has been granted, ns, with its fraction. */
  #granted = 0;
  #last = 0;
  #scheduled = false;
  #snapshots = new SnapshotTaker();
  #sent = 0;
  /** Strings and places of the log that the page knows. */
  #known: { readonly strings: number; readonly places: number } = NOTHING_KNOWN;
  #sentSnapshot: Snapshot | null = null;
  /** ms that the last update took to make, and when it was made. */
  #updateCost = 0;
  #updatedAt = 0;
  #updateLater = false;
  #sentScript = "";
  #dirty = false;
  #message = 0;
  #unseen: number | null = null;
  #search: SearchJob | null = null;

  constructor(thread: HostThread) {
    this.#thread = thread;
  }

  receive(message: ToEngine): void {
    if ("seen" in message) {
      if (message.seen === this.#unseen) this.#unseen = null;
      this.#update();
      return;
    }
    const { id, request } = message;
    const reply = (result: EngineResults[EngineRequestKind]) => this.#thread.post({ id, result });
    try {
      this.#handle(request, reply);
    } catch (error) {
      this.#thread.post({ id, failure: wordsOf(error) });
    }
    this.#update();
    this.#schedule();
  }

  #handle(request: EngineRequest, reply: (result: EngineResults[EngineRequestKind]) => void): void {
    switch (request.kind) {
      case "hello":
        if (request.version !== ENGINE_PROTOCOL_VERSION) {
          throw new Error(
            `the page speaks version ${request.version} of the protocol, the engine ${ENGINE_PROTOCOL_VERSION}`,
          );
        }
        reply({ version: ENGINE_PROTOCOL_VERSION });
        return;
      case "open":
        reply(this.#open(request));
        return;
      case "restart": {
        const built = this.#run === null ? null : this.#built;
        reply({
          diagnostics: built === null ? [] : this.#start(built.value, request.run, request.script, request.play),
        });
        return;
      }
      case "speed":
        this.#speed = request.nsPerSecond;
        break;
      case "play":
        this.#goal = null;
        this.#play();
        break;
      case "pause":
        this.#goal = null;
        this.#playing = false;
        break;
      case "follow":
        this.#run?.toHead();
        this.#following = true;
        break;
      case "step-instruction":
        this.#aim({ kind: "instruction" });
        break;
      case "step-event":
        if (request.direction === 1) this.#aim({ kind: "event", from: this.#run?.position ?? 0 });
        else {
          this.#stand();
          this.#run?.back();
        }
        break;
      case "next-timer":
        this.#aim({ kind: "timer", from: this.#run?.position ?? 0 });
        break;
      case "seek":
        this.#stand();
        this.#run?.seek(request.seq);
        break;
      case "command":
        this.#command(request.text, reply);
        return;
      case "explore":
        this.#explore(request, reply);
        return;
      case "cancel-explore":
        this.#search?.cancel();
        this.#search = null;
        break;
      case "replay":
        reply(this.#replay(request));
        return;
      case "stop-at":
        this.#stops = request.points;
        this.#run?.stopAt(request.points);
        break;
      case "script-with-live":
        reply(this.#script === null ? null : (this.#run?.scriptWithLive(this.#script) ?? null));
        return;
      case "inspect":
        reply(this.#inspected === null ? null : inspectProgram(this.#inspected, request.program));
        return;
    }
    this.#dirty = true;
    reply(null);
  }

  /** Another search, or another object, takes the place of the search under way. */
  #endSearch(): void {
    this.#search?.cancel("something newer took its place");
    this.#search = null;
  }

  #explore(request: EngineRequest & { readonly kind: "explore" }, reply: (report: ExploreReport) => void): void {
    this.#endSearch();
    this.#playing = false;
    this.#goal = null;
    this.#dirty = true;
    if (this.#built === null || this.#run === null) throw new Error("nothing is open that could be explored");
    this.#search = new SearchJob(this.#built.value, request, {
      now: () => this.#thread.now(),
      tell: (event) => this.#post(event),
      reply,
    });
  }

  #replay(request: EngineRequest & { readonly kind: "replay" }): DescribedSchedule | null {
    const built = this.#run === null ? null : this.#built;
    if (built === null) return null;
    const { script } = request;
    const choices = choicesOf(request.schedule);
    const schedule = describeSchedule(built.value, script, choices);
    const { run } = startReplay(built.value, script, choices);
    this.#take(run, request.run);
    const deadline = this.#thread.now() + REPLAY_MS;
    while (failureOf(run) === null && !run.scriptFinished && this.#thread.now() < deadline) {
      if (run.tick(Number.POSITIVE_INFINITY, PLAY_FUEL) !== "worked") break;
    }
    return schedule;
  }

  #open(request: EngineRequest & { readonly kind: "open" }): OpenResult {
    this.#endSearch();
    const { object, name, settings, diagnostics } = request;
    const key = `${name} ${settings.cpus}`;
    const known = this.#built;
    // Policy, seed and the like change nothing in a verdict.
    const output =
      known !== null && known.key === key && sameBytes(known.bytes, object)
        ? withSettings(known.value, settings, diagnostics)
        : buildObject({ object, name, settings, diagnostics });
    if (output.built === null || !output.report.ok) return { report: output.report, started: false };
    const built = { key, bytes: object, value: output.built };
    if (!output.report.runnable) {
      this.#inspected = built.value;
      return { report: output.report, started: false };
    }
    this.#built = built;
    this.#inspected = built.value;
    const scriptDiagnostics = this.#start(built.value, request.run, request.script, request.play);
    if (request.seek !== null) {
      this.#stand();
      this.#reach(request.seek);
    }
    return { report: { ...output.report, diagnostics: [...diagnostics, ...scriptDiagnostics] }, started: true };
  }

  /** The object that was opened last, whether it may run or not. */
  #inspected: BuiltObject | null = null;

  #start(built: BuiltObject, number: number, script: string, play: boolean) {
    const { run, diagnostics } = startRun(built, script, this.#thread.wasm);
    this.#take(run, number);
    this.#script = script;
    if (play) this.#play();
    return diagnostics;
  }

  /** A run takes the place of the one before. */
  #take(run: Run, number: number): void {
    this.#endSearch();
    this.#run = run;
    this.#script = null;
    run.stopAt(this.#stops);
    this.#number = number;
    this.#goal = null;
    this.#following = true;
    this.#sent = 0;
    this.#known = NOTHING_KNOWN;
    this.#sentScript = "";
    this.#sentSnapshot = null;
    this.#snapshots = new SnapshotTaker();
    this.#playing = false;
    this.#dirty = true;
  }

  /** Runs a fresh recording on to a moment that a link names; a moment beyond its end is its end. */
  #reach(seq: number): void {
    const run = this.#run;
    if (run === null) return;
    const deadline = this.#thread.now() + 2000;
    while (run.position < seq && this.#thread.now() < deadline) {
      const result = run.tick(Number.POSITIVE_INFINITY, 1);
      if (result !== "worked" && result !== "stopped") break;
    }
  }

  #play(): void {
    this.#playing = true;
    this.#following = true;
    this.#run?.resume();
    this.#last = this.#thread.now();
    this.#granted = this.#run?.now ?? 0;
  }

  #stand(): void {
    this.#playing = false;
    this.#following = false;
    this.#goal = null;
  }

  #aim(goal: Goal): void {
    this.#playing = false;
    this.#run?.resume();
    this.#goal = goal;
  }

  #command(text: string, reply: (result: CommandResult) => void): void {
    if (this.#run === null) {
      reply({ error: { text: "nothing is running", errno: "ENOENT" } });
      return;
    }
    this.#run.resume();
    this.#goal = { kind: "command", text, given: false, reply };
  }

  #schedule(): void {
    const idle = !this.#playing && this.#goal === null && this.#search === null;
    if (this.#scheduled || this.#run === null || idle) return;
    this.#scheduled = true;
    this.#thread.later(this.#goal === null && this.#search === null ? FRAME_MS : 0, () => {
      this.#scheduled = false;
      this.#turn();
      this.#schedule();
    });
  }

  #turn(): void {
    const run = this.#run;
    if (run === null) return;
    const start = this.#thread.now();
    try {
      if (this.#search !== null) this.#searchOn(this.#search, start + SLICE_MS);
      else if (this.#goal !== null) this.#pursue(run, this.#goal, start + SLICE_MS);
      else if (this.#playing) this.#playOn(run, start);
    } catch (error) {
      this.#stand();
      this.#search?.cancel(`the engine failed: ${wordsOf(error)}`);
      this.#search = null;
      this.#post({ kind: "crash", run: this.#number, message: wordsOf(error) });
    }
    this.#last = start;
    this.#dirty = true;
    this.#update();
  }

  #searchOn(search: SearchJob, deadline: number): void {
    search.work(deadline);
    if (search.over) this.#search = null;
  }

  #playOn(run: Run, start: number): void {
    if (run.events.length >= MAX_EVENTS) {
      this.#playing = false;
      return;
    }
    this.#granted += (Math.min(start - this.#last, MAX_FRAME_MS) * this.#speed) / 1000;
    let result = run.tick(Math.floor(this.#granted), PLAY_FUEL);
    while (result === "worked" && this.#thread.now() < start + SLICE_MS && run.events.length < MAX_EVENTS) {
      result = run.tick(Math.floor(this.#granted), PLAY_FUEL);
    }
    // Time that the machine was too slow for is not owed; time that a program took is gone.
    if (result === "worked" || run.now > this.#granted) this.#granted = run.now;
    if (result === "over" || result === "stopped") this.#playing = false;
  }

  #pursue(run: Run, goal: Goal, deadline: number): void {
    do {
      if (goal.kind === "command") {
        if (!goal.given) this.#give(run, goal);
        else if (!run.liveBusy || run.state === "oops" || run.state === "unsupported") this.#concludeCommand(run, goal);
        else if (run.tick(Number.POSITIVE_INFINITY, PLAY_FUEL) === "stopped") this.#leaveCommand(goal);
      } else {
        const result = run.tick(Number.POSITIVE_INFINITY, 1);
        if (result !== "worked" || reached(run, goal)) this.#goal = null;
      }
    } while (this.#goal === goal && this.#thread.now() < deadline);
    if (this.#goal === null && run.position >= run.events.length) this.#following = true;
  }

  #give(run: Run, goal: Goal & { readonly kind: "command" }): void {
    const { position } = run;
    const given = run.command(goal.text);
    if (given.kind === "busy") {
      const result = run.tick(Number.POSITIVE_INFINITY, PLAY_FUEL);
      if (result === "stopped") {
        this.#goal = null;
        this.#playing = false;
        goal.reply({
          error: { text: "a breakpoint stopped the run first: a program is inside a call", errno: "EBUSY" },
        });
      } else if (result !== "worked") this.#concludeCommand(run, goal);
      return;
    }
    if (given.kind === "error") {
      this.#goal = null;
      goal.reply({ error: { text: given.message, errno: "EINVAL" } });
      return;
    }
    goal.given = true;
    this.#sent = Math.min(this.#sent, position);
    this.#following = true;
  }

  /** A breakpoint has stopped the run within the command: it goes on with the run. */
  #leaveCommand(goal: Goal & { readonly kind: "command" }): void {
    this.#goal = null;
    this.#playing = false;
    goal.reply({ error: null });
  }

  #concludeCommand(run: Run, goal: Goal & { readonly kind: "command" }): void {
    this.#goal = null;
    this.#granted = Math.max(this.#granted, run.now);
    const last = run.lastCommand;
    const errno = last?.errno ?? (run.state === "oops" ? "EFAULT" : null);
    const text = last?.output[0] ?? goal.text;
    goal.reply({ error: errno === null ? null : { text, errno } });
  }

  #update(): void {
    const run = this.#run;
    if (!this.#dirty || this.#unseen !== null || run === null) return;
    const began = this.#thread.now();
    const rest = this.#updatedAt + UPDATE_REST * this.#updateCost - began;
    if (rest > 0) {
      this.#updateAfter(rest);
      return;
    }
    this.#dirty = false;
    const snapshot = this.#snapshots.take(run.kernel);
    const sent = this.#sentSnapshot;
    // The taker returns the same parts again while nothing but time has moved.
    const same = sent !== null && sent.graph === snapshot.graph && sent.maps === snapshot.maps;
    this.#sentSnapshot = snapshot;
    const state = run.state;
    const script = run.script;
    const signature = scriptSignature(script);
    const event: RunEvent = {
      kind: "run",
      run: this.#number,
      events: run.recording.events.pack(this.#sent, this.#known.strings, this.#known.places),
      script: signature === this.#sentScript ? null : script,
      snapshot: same ? null : snapshot,
      now: snapshot.now,
      jiffies: snapshot.jiffies,
      status:
        state === "oops" && run.position >= run.events.length
          ? "oops"
          : state === "ended" || state === "unsupported"
            ? "ended"
            : this.#playing || this.#goal !== null
              ? "running"
              : "paused",
      position: run.position,
      following: this.#following,
      stopped: run.stopped,
      unsupported: run.kernel.unsupported?.message ?? null,
      full: run.events.length >= MAX_EVENTS,
    };
    this.#sent = run.events.length;
    this.#known = run.recording.events.known;
    this.#sentScript = signature;
    this.#unseen = this.#post(event);
    this.#updatedAt = this.#thread.now();
    this.#updateCost = this.#updatedAt - began;
  }

  #updateAfter(ms: number): void {
    if (this.#updateLater) return;
    this.#updateLater = true;
    this.#thread.later(Math.ceil(ms), () => {
      this.#updateLater = false;
      this.#update();
    });
  }

  #post(event: EngineEvent): number {
    const number = ++this.#message;
    this.#thread.post({ number, event });
    return number;
  }
}

function reached(run: Run, goal: Goal): boolean {
  switch (goal.kind) {
    case "instruction":
      return true;
    case "event":
      return run.position > goal.from;
    case "timer":
      return run.events.slice(goal.from, run.position).some((event) => event.kind === "timer-fire");
    case "command":
      return false;
  }
}

function scriptSignature(script: ScriptState): string {
  const { nextLine, stopped, commands, expectations } = script;
  return `${nextLine} ${stopped?.line} ${commands.length} ${expectations.length} ${commands.at(-1)?.at}`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
