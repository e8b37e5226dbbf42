import type { StoreApi } from "zustand";
import { type Build, CompilerClient, type CompilerPort, type CompilerState } from "../client/compiler-client.ts";
import type { ClangAsset, PrecompiledBuild } from "../protocol/compiler.ts";
import type { BuildReport, Diagnostic } from "../protocol/engine-types.ts";
import type { BuildState, PlaygroundState, SourceState } from "./types.ts";

export interface ObjectFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
}

export interface CompilationPort {
  readonly store: StoreApi<PlaygroundState>;
  openCompiler(): CompilerPort;
  readonly clang: ClangAsset;
  readonly precompiled: readonly PrecompiledBuild[];
  /** Shows a report of something that does not run. */
  report(report: BuildReport): void;
}

export function compileError(diagnostics: readonly Diagnostic[]): BuildReport {
  const first = diagnostics.find((d) => d.severity === "error");
  return { ok: false, stage: "compile", diagnostics, message: first?.message ?? "the program does not compile" };
}

/** Source to object: the compiler's download and state as the page shows them. */
export class Compilation {
  readonly #port: CompilationPort;
  readonly #compiler: CompilerClient;

  constructor(port: CompilationPort) {
    this.#port = port;
    this.#compiler = new CompilerClient(() => port.openCompiler(), port.clang, {
      onState: (state) => this.#onState(state),
    });
    this.#compiler.seed(port.precompiled);
  }

  /** Gets the compiler, before there is something to compile. */
  prepare(): void {
    this.#compiler.prepare();
  }

  cancel(): void {
    this.#compiler.cancel();
  }

  cancelDownload(): void {
    this.#compiler.cancelDownload();
  }

  retry(): void {
    this.#compiler.retry();
  }

  close(): void {
    this.#compiler.close();
  }

  /** Null when there is no object, and why has been shown; or when `isNewest` no longer holds. */
  async compile(source: SourceState, isNewest: () => boolean): Promise<ObjectFile | null> {
    const known = this.#compiler.state.phase;
    this.#set({ phase: known === "ready" ? "compiling" : "loading-compiler", failure: null });
    const { cpuVersion, optimization } = source.settings;
    const soFar: Diagnostic[] = [];
    const build: Build = await this.#compiler.compile(
      { file: source.file, text: source.program },
      { cpuVersion, optimization },
      (diagnostic) => {
        if (!isNewest()) return;
        soFar.push(diagnostic);
        if (soFar.some((d) => d.severity === "error")) this.#port.report(compileError([...soFar]));
      },
    );
    if (!isNewest()) return null;
    if (build.kind === "superseded") {
      this.#set({ phase: "done" });
      return null;
    }
    if (build.kind === "failed") {
      this.#set({ phase: "done", failure: `The compiler could not be used: ${build.reason}.` });
      return null;
    }
    if (build.object === null) {
      this.#port.report(compileError(build.diagnostics));
      this.#set({ phase: "done" });
      return null;
    }
    const name = `${source.file.replace(/\.[cs]$/i, "")}.o`;
    return { name, bytes: build.object, diagnostics: build.diagnostics };
  }

  #set(change: Partial<BuildState>): void {
    this.#port.store.setState((s) => ({ build: { ...s.build, ...change } }));
  }

  #onState(state: CompilerState): void {
    switch (state.phase) {
      case "loading":
        this.#set({ download: { received: state.received, total: state.total } });
        return;
      case "ready": {
        const { phase } = this.#port.store.getState().build;
        this.#set({
          download: null,
          compilerReady: true,
          failure: null,
          phase: phase === "loading-compiler" ? "compiling" : phase,
        });
        return;
      }
      case "absent":
        this.#set({ download: null, compilerReady: false });
        return;
      case "unavailable":
        this.#set({
          download: null,
          compilerReady: false,
          failure: `The compiler could not be fetched: ${state.reason}.`,
        });
    }
  }
}
