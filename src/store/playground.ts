import { createStore, type StoreApi } from "zustand/vanilla";
import type { CompilerPort } from "../client/compiler-client.ts";
import { EngineClient } from "../client/engine-client.ts";
import type { Port } from "../client/port.ts";
import type { Demo } from "../demos/index.ts";
import { EventUnpacker } from "../engine/events/unpack-events.ts";
import type { ClangAsset, PrecompiledBuild } from "../protocol/compiler.ts";
import type { EngineEvent, EngineRequest, FromEngine, OpenResult, ToEngine } from "../protocol/engine.ts";
import type { BuildReport, Diagnostic, SessionSettings } from "../protocol/engine-types.ts";
import { decodeLink, encodeLink } from "../share/codec/link.ts";
import { readSnippet, type Snippet, writeSnippet } from "../share/codec/snippet.ts";
import { Compilation, compileError, type ObjectFile } from "./compilation.ts";
import { Drafts, type TextStorage } from "./drafts.ts";
import { DEFAULT_SETTINGS, INITIAL_STATE, NO_RUN } from "./initial-state.ts";
import { Races } from "./races.ts";
import { reduceRun } from "./run-reducer.ts";
import { snippetOf, tooLong, type Versions, type Work, workOf } from "./snippets.ts";
import { StopKeeper } from "./stop-keeper.ts";
import { movedWithText, NO_STOPS } from "./stops.ts";
import type { BuildState, PlaygroundActions, PlaygroundState, RunState, SourceState, ViewState } from "./types.ts";

/** What the page gives the playground; tests give something else. */
export interface PlaygroundHost {
  openEngine(): Port<ToEngine, FromEngine>;
  openCompiler(): CompilerPort;
  readonly clang: ClangAsset;
  readonly precompiled: readonly PrecompiledBuild[];
  readonly demos: readonly Demo[];
  readonly storage: TextStorage;
  readonly versions: Versions;
  /** Address of the page without its fragment. */
  readonly address: string;
  /** Takes the fragment off the address, because what it held is no longer what is shown. */
  dropFragment(): void;
  /** Calls back when the page has drawn. */
  pace?(done: () => void): void;
  /** Name of this visit, unlike any other. */
  readonly visit: string;
}

/** Quiet time after a keystroke before the text is built, ms. */
const EDIT_PAUSE = 180;
/** Quiet time after a change before it is kept on the device, ms. */
const SAVE_PAUSE = 400;
/** The engine may think so long about an object before a newer edit ends it, ms. */
const OPEN_PATIENCE = 2000;
const SCRIPT_FILE = "script.user";

/** The page's state and all that changes it: edits, builds, the run, links and drafts. */
export class Playground {
  readonly store: StoreApi<PlaygroundState>;
  readonly actions: PlaygroundActions;
  readonly #host: PlaygroundHost;
  readonly #engine: EngineClient;
  readonly #compilation: Compilation;
  readonly #stops: StopKeeper;
  readonly #races: Races;
  #drafts: Drafts;
  #draftNumber = 0;
  /** Number of the newest build; answers to older ones are dropped. */
  #build = 0;
  readonly #unpacker = new EventUnpacker();
  /** Number of the run whose events are shown, and of the one opened last. */
  #shown = 0;
  #opened = 0;
  #opening: number | null = null;
  /** Moment to go to when the work of a link is opened. */
  #moment: number | null = null;
  /** Schedule to replay then. */
  #schedule: Snippet["schedule"] | null = null;
  #editTimer: ReturnType<typeof setTimeout> | null = null;
  #saveTimer: ReturnType<typeof setTimeout> | null = null;
  #seeking = false;
  #nextSeek: number | null = null;
  #crashes = 0;

  constructor(host: PlaygroundHost) {
    this.#host = host;
    this.#drafts = new Drafts(host.storage, host.visit);
    const demos = host.demos.map(({ id, title, group, summary }) => ({ id, title, group, summary }));
    this.store = createStore<PlaygroundState>(() => ({ ...INITIAL_STATE, demos }));
    this.#compilation = new Compilation({
      store: this.store,
      openCompiler: () => host.openCompiler(),
      clang: host.clang,
      precompiled: host.precompiled,
      report: (report) => this.#report(report),
    });
    this.#engine = new EngineClient(() => host.openEngine(), {
      onEvent: (event) => this.#onEngineEvent(event),
      onRestart: (reason) => this.#onEngineRestart(reason),
      ...(host.pace ? { pace: (done: () => void) => host.pace?.(done) } : {}),
    });
    this.#stops = new StopKeeper({
      store: this.store,
      engine: this.#engine,
      edited: () => this.#editTimer !== null,
    });
    this.#races = new Races({
      store: this.store,
      engine: this.#engine,
      nextRun: () => ++this.#opened,
      showRun: (run) => {
        this.#shown = run;
        this.store.setState((s) => ({ run: { ...NO_RUN, speed: s.run.speed, status: "paused" } }));
      },
      seek: (seq) => this.#seek(seq),
    });
    this.actions = this.#makeActions();
  }

  /** Opens what the address names, else what was worked on last, else the first demo; then gets the compiler. */
  async start(fragment: string): Promise<void> {
    const link = decodeLink(fragment);
    if (link.kind === "snippet") {
      this.#openSnippet(link.snippet);
    } else {
      const draft = await this.#drafts.newest().catch(() => {
        this.#source({ saved: "off" });
        return null;
      });
      if (draft !== null) this.#open(workOf(draft), true);
      else this.actions.openDemo(this.#host.demos[0]?.id ?? "");
      if (link.kind === "error") this.#banner("error", link.message);
    }
    this.#compilation.prepare();
  }

  /** The address got another fragment: a link was pasted into the open page. */
  follow(fragment: string): void {
    const link = decodeLink(fragment);
    if (link.kind === "snippet") this.#openSnippet(link.snippet);
    else if (link.kind === "error") this.#banner("error", link.message);
  }

  /** Keeps at once what waits to be kept: the page is being left. */
  flush(): void {
    if (this.#saveTimer !== null) this.#save();
  }

  close(): void {
    this.#compilation.close();
    this.#engine.close();
  }

  // State.

  /** Name of the C or assembly file that is edited. */
  get #file(): string {
    return this.#state.source.file;
  }

  /** Name of the object that it becomes. */
  get #objectName(): string {
    return `${this.#file.replace(/\.[cs]$/i, "")}.o`;
  }

  get #state(): PlaygroundState {
    return this.store.getState();
  }

  #source(change: Partial<SourceState>): void {
    this.store.setState((s) => ({ source: { ...s.source, ...change } }));
  }

  #setBuild(change: Partial<BuildState>): void {
    this.store.setState((s) => ({ build: { ...s.build, ...change } }));
  }

  #setRun(change: Partial<RunState>): void {
    this.store.setState((s) => ({ run: { ...s.run, ...change } }));
  }

  #setView(change: Partial<ViewState>): void {
    this.store.setState((s) => ({ view: { ...s.view, ...change } }));
  }

  #banner(kind: "info" | "error", text: string): void {
    this.#setView({ banner: { kind, text } });
  }

  // Opening.

  #open({ source, file }: Work, dirty: boolean): void {
    this.#moment = null;
    this.#schedule = null;
    this.#races.reset();
    this.store.setState((s) => ({
      source: { ...source, file, dirty, saved: s.source.saved === "off" ? "off" : "saved" },
      view: { ...s.view, selectedNode: null, selectedInsn: null, cursorLine: null, stops: NO_STOPS, banner: null },
      // What ran before belongs to other work.
      run: { ...NO_RUN, speed: s.run.speed },
      build: { ...s.build, report: null, object: null, runningOlder: false },
      verifier: null,
    }));
    this.#shown = -1;
    this.#stops.tell();
    this.#ask({ kind: "pause" });
    // What follows is another piece of work: it must not take the place of the one before among the drafts.
    this.#drafts = new Drafts(this.#host.storage, `${this.#host.visit}.${++this.#draftNumber}`);
  }

  #openSnippet(snippet: Snippet): void {
    this.flush();
    this.#open(workOf(snippet), false);
    this.#moment = snippet.moment?.event ?? null;
    this.#schedule = snippet.schedule ?? null;
    const { engine, compiler } = snippet.versions;
    const mine = this.#host.versions;
    if (engine !== mine.engine || compiler !== mine.compiler) {
      this.#banner(
        "info",
        `This was made with engine ${engine} and compiler ${compiler}; here are ${mine.engine} and ${mine.compiler}.`,
      );
    }
    this.#buildNow();
  }

  #edited(change: Partial<SourceState>, policyOnly = false): void {
    this.#source({ ...change, dirty: true });
    this.#races.reset(policyOnly);
    this.#host.dropFragment();
    this.#saveSoon();
    if (this.#editTimer !== null) clearTimeout(this.#editTimer);
    this.#editTimer = setTimeout(() => this.#buildNow(), EDIT_PAUSE);
  }

  #saveSoon(): void {
    if (this.#state.source.saved === "off") return;
    this.#source({ saved: "saving" });
    if (this.#saveTimer !== null) clearTimeout(this.#saveTimer);
    this.#saveTimer = setTimeout(() => this.#save(), SAVE_PAUSE);
  }

  #save(): void {
    if (this.#saveTimer !== null) clearTimeout(this.#saveTimer);
    this.#saveTimer = null;
    const snippet = this.#snippet(null);
    this.#drafts.save(snippet).then(
      () => this.#saveTimer === null && this.#source({ saved: "saved" }),
      () => this.#source({ saved: "failed" }),
    );
  }

  #snippet(moment: number | null): Snippet {
    const schedule = moment === null ? null : this.#races.shared;
    return snippetOf({ source: this.#state.source, file: this.#file }, this.#host.versions, moment, schedule);
  }

  // Building.

  #buildNow(): void {
    if (this.#editTimer !== null) clearTimeout(this.#editTimer);
    this.#editTimer = null;
    const number = ++this.#build;
    void this.#buildAndOpen(number).catch((error: unknown) => {
      if (number === this.#build) this.#setBuild({ phase: "done", failure: wordsOf(error) });
    });
  }

  async #buildAndOpen(number: number): Promise<void> {
    const { source } = this.#state;
    const started = performance.now();
    this.#endSlowOpen();
    const refusal = tooLong("The program", source.program) ?? tooLong("The script", source.script);
    if (refusal !== null) {
      this.#compilation.cancel();
      const file = source.program.length >= source.script.length ? this.#file : SCRIPT_FILE;
      this.#refuse([
        { severity: "error", message: refusal, span: { file, line: 1, column: 1, endLine: 1, endColumn: 2 } },
      ]);
      return;
    }
    const compiled =
      source.object === null
        ? await this.#compilation.compile(source, () => number === this.#build)
        : { ...source.object, diagnostics: [] };
    if (compiled === null || number !== this.#build) return;
    this.#setBuild({ phase: "verifying", object: compiled.bytes, failure: null });
    await this.#openObject(number, compiled);
    if (number === this.#build)
      this.#setBuild({ phase: "done", milliseconds: Math.round(performance.now() - started) });
  }

  #refuse(diagnostics: readonly Diagnostic[]): void {
    this.#report(compileError(diagnostics));
    this.#setBuild({ phase: "done" });
  }

  /** A report of something that does not run; what ran before goes on. */
  #report(report: BuildReport): void {
    this.store.setState((s) => ({
      build: { ...s.build, report, runningOlder: s.run.status !== "none" },
      verifier: null,
    }));
  }

  async #openObject(number: number, { name, bytes, diagnostics }: ObjectFile): Promise<void> {
    const { source, run } = this.#state;
    const before = this.#stops.told;
    this.#stops.tell();
    const opened = ++this.#opened;
    const seek = this.#schedule === null ? this.#moment : null;
    this.#moment = null;
    this.#opening = performance.now();
    let result: OpenResult;
    try {
      result = await this.#engine.request({
        kind: "open",
        run: opened,
        object: bytes,
        name,
        settings: source.settings,
        script: source.script,
        diagnostics,
        play: run.status !== "paused",
        seek,
      });
    } finally {
      this.#opening = null;
    }
    if (!result.started) this.#stops.tell(before);
    if (result.started) {
      this.#shown = opened;
      this.store.setState((s) => ({ run: { ...NO_RUN, speed: s.run.speed, status: "paused" } }));
      this.#races.left();
    }
    if (number !== this.#build) return;
    if (result.started) {
      this.store.setState((s) => ({
        build: { ...s.build, report: result.report, runningOlder: false },
        verifier: null,
      }));
      this.#stops.keepWhatHasCode(result.report);
      this.#openSchedule();
    } else {
      this.#report(result.report);
    }
  }

  /** True when a search waits for the build under way. */
  #exploreNext = false;

  #explore(): void {
    const { build } = this.#state;
    if (this.#editTimer === null && (build.phase === "done" || build.phase === "idle")) void this.#races.explore();
    else {
      this.#exploreNext = true;
      if (this.#editTimer !== null) this.#buildNow();
    }
  }

  #openSchedule(): void {
    if (this.#exploreNext) {
      this.#exploreNext = false;
      void this.#races.explore();
    }
    const schedule = this.#schedule;
    this.#schedule = null;
    if (schedule === null || schedule === undefined) return;
    this.#setView({ view: "race" });
    void this.#races.open(schedule);
  }

  /** A verdict that takes for ever is given up when there is something newer to judge. */
  #endSlowOpen(): void {
    if (this.#opening === null || performance.now() - this.#opening < OPEN_PATIENCE) return;
    this.#opening = null;
    this.#engine.restart("a newer edit took the place of an object that took too long to verify");
  }

  // Running.

  #onEngineEvent(event: EngineEvent): void {
    if (event.kind === "explore") {
      this.#races.onProgress(event);
      return;
    }
    // Also those of a run that is no longer shown: what later ones name may have come with them.
    const events = event.kind === "run" ? this.#unpacker.unpack(event.events) : [];
    if (event.run !== this.#shown) return;
    if (event.kind === "crash") {
      this.#setRun({ status: "paused" });
      this.#banner(
        "error",
        `The engine failed: ${event.message}. Your text and script are kept; a restart replays the run.`,
      );
      return;
    }
    this.store.setState((s) => ({ run: reduceRun(s.run, event, events) }));
    if (this.#state.view.banner !== null) return;
    if (event.unsupported !== null) {
      this.#banner("error", `Not modelled here: ${event.unsupported}. The run ends there.`);
    } else if (event.full && event.following) {
      const count = event.position.toLocaleString("en");
      this.#banner(
        "info",
        `The recording is full after ${count} events. Go back to any moment, or run it again from the start.`,
      );
    }
  }

  #onEngineRestart(reason: string): void {
    this.#shown = -1;
    this.#opening = null;
    this.store.setState((s) => ({ run: { ...NO_RUN, speed: s.run.speed }, verifier: null }));
    this.#ask({ kind: "speed", nsPerSecond: this.#state.run.speed });
    this.#stops.tell();
    // A newer edit builds by itself; after a crash the work is opened again, once or twice.
    if (this.#editTimer !== null || reason.startsWith("a newer edit")) return;
    this.#banner("error", `The engine stopped (${reason}) and was started again. Your text and script are kept.`);
    if (++this.#crashes <= 2) this.#buildNow();
  }

  #ask(request: EngineRequest): void {
    this.#engine.request(request).catch(() => {});
  }

  /** Only the newest of several moments asked for while one is being reached. */
  #seek(seq: number): void {
    this.#nextSeek = seq;
    if (this.#seeking) return;
    this.#seeking = true;
    void (async () => {
      while (this.#nextSeek !== null) {
        const target = this.#nextSeek;
        this.#nextSeek = null;
        await this.#engine.request({ kind: "seek", seq: target }).catch(() => {});
      }
      this.#seeking = false;
    })();
  }

  async #restartRun(): Promise<void> {
    const run = ++this.#opened;
    const { script } = this.#state.source;
    await this.#engine.request({ kind: "restart", run, script, play: true });
    this.#shown = run;
    this.store.setState((s) => ({ run: { ...NO_RUN, speed: s.run.speed, status: "running" } }));
    this.#races.left();
  }

  // What the page may do.

  #makeActions(): PlaygroundActions {
    return {
      editProgram: (program) => {
        const { view, source } = this.#state;
        const stops = movedWithText(view.stops, source.program, program);
        // The engine is told with the next build: until then the lines of the text before run.
        if (stops !== view.stops) this.#setView({ stops });
        this.#edited({ program, object: null });
      },
      editScript: (script) => this.#edited({ script }),
      changeSettings: (settings: Partial<SessionSettings>) => {
        const policyOnly = Object.keys(settings).join() === "policy";
        this.#edited({ settings: { ...this.#state.source.settings, ...settings } }, policyOnly);
        this.#buildNow();
      },
      openDemo: (id) => {
        const demo = this.#host.demos.find((d) => d.id === id);
        if (demo === undefined) return;
        this.flush();
        this.#host.dropFragment();
        const { program, script, file } = demo;
        const settings = { ...DEFAULT_SETTINGS, ...demo.settings };
        const source = {
          demo: id,
          file,
          program,
          script,
          settings,
          object: null,
          dirty: false,
          saved: "saved" as const,
        };
        this.#open({ source, file }, false);
        this.#buildNow();
      },
      openObject: (name, bytes) => {
        if (/\.json$/i.test(name)) {
          const read = readSnippet(new TextDecoder().decode(bytes));
          if (read.ok) this.#openSnippet(read.value);
          else this.#banner("error", `${name} cannot be opened. ${read.error}`);
          return;
        }
        this.#edited({ object: { name, bytes }, demo: null });
        this.#buildNow();
      },
      openSource: (name, program, script) => {
        this.#edited({ file: name, program, object: null, demo: null, ...(script === undefined ? {} : { script }) });
        this.#buildNow();
      },
      buildAndRun: () => {
        this.#setRun({ status: this.#state.run.status === "paused" ? "running" : this.#state.run.status });
        this.#buildNow();
      },
      cancelBuild: () => {
        this.#build++;
        if (this.#state.build.phase === "loading-compiler") this.#compilation.cancelDownload();
        this.#compilation.cancel();
        if (this.#state.build.phase === "verifying") this.#engine.restart("a newer edit or the visitor stopped it");
        this.#setBuild({ phase: "done", download: null });
      },
      retryCompiler: () => {
        this.#setBuild({ failure: null });
        this.#compilation.retry();
        this.#buildNow();
      },
      play: () => this.#ask({ kind: "play" }),
      pause: () => this.#ask({ kind: "pause" }),
      restart: () => void this.#restartRun().catch(() => this.#buildNow()),
      stepEvent: (direction) => this.#ask({ kind: "step-event", direction }),
      stepInstruction: () => this.#ask({ kind: "step-instruction" }),
      nextTimer: () => this.#ask({ kind: "next-timer" }),
      toggleBreakpoint: (breakpoint) => this.#stops.toggleBreakpoint(breakpoint),
      toggleWatch: (watch) => this.#stops.toggleWatch(watch),
      seek: (seq) => this.#seek(seq),
      followNow: () => this.#ask({ kind: "follow" }),
      setSpeed: (nsPerSecond) => {
        this.#setRun({ speed: nsPerSecond });
        this.#ask({ kind: "speed", nsPerSecond });
      },
      command: (line) => {
        this.#setRun({ commandError: null });
        this.#engine.request({ kind: "command", text: line }).then(
          ({ error }) => this.#setRun({ commandError: error }),
          (reason: unknown) => this.#setRun({ commandError: { text: wordsOf(reason), errno: "EIO" } }),
        );
      },
      keepLiveCommands: () => {
        this.#engine.request({ kind: "script-with-live" }).then(
          (script) => {
            if (script !== null) this.#edited({ script });
            else
              this.#banner(
                "info",
                "Live commands cannot be written into the script while a program runs, nor into one that has stopped.",
              );
          },
          (reason: unknown) => this.#banner("error", wordsOf(reason)),
        );
      },
      inspectProgram: (program) => {
        const number = this.#build;
        this.#engine.request({ kind: "inspect", program }).then(
          (verifier) => number === this.#build && this.store.setState({ verifier }),
          () => {},
        );
      },
      setBound: (bound) => this.#races.setBound(bound),
      explore: () => this.#explore(),
      exploreUnder: (policy) => {
        if (policy === this.#state.source.settings.policy) return this.#explore();
        this.actions.changeSettings({ policy });
        this.#exploreNext = true;
      },
      cancelExplore: () => this.#races.cancel(),
      comparePolicies: () => void this.#races.compare(),
      selectStep: (step) => void this.#races.select(step),
      share: async () => {
        const { run, source, race } = this.#state;
        const away = run.status !== "none" && (run.position < run.events.length || race.replayed);
        const fragment = encodeLink(this.#snippet(away ? run.position : null));
        if (fragment === null) {
          throw new Error(
            tooLong("The program", source.program) ?? "This is too long for a link; use the snippet file.",
          );
        }
        const url = `${this.#host.address}#${fragment}`;
        return { url, length: url.length };
      },
      downloadObject: () => {
        const { source, build } = this.#state;
        if (source.object !== null) return source.object;
        return build.object === null ? null : { name: this.#objectName, bytes: build.object };
      },
      downloadSnippet: () => ({
        name: `${this.#state.source.demo ?? "snippet"}.bpf-timer.json`,
        text: writeSnippet(this.#snippet(null)),
      }),
      setView: (change) => this.#setView(change),
      dismissBanner: () => this.#setView({ banner: null }),
    };
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
