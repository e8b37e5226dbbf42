import type {
  BuildOptions,
  BuildSource,
  ClangAsset,
  CompiledModule,
  FromCompiler,
  PrecompiledBuild,
  ToCompiler,
} from "../protocol/compiler.ts";
import type { Diagnostic } from "../protocol/engine-types.ts";
import type { Port } from "./port.ts";

export type CompilerPort = Port<ToCompiler, FromCompiler>;

/** Where the compiler itself stands, whatever is being built. */
export type CompilerState =
  /** Nothing was asked of it yet, or its download was cancelled. */
  | { readonly phase: "absent" }
  | { readonly phase: "loading"; readonly received: number; readonly total: number }
  | { readonly phase: "ready" }
  /** Waits for {@link CompilerClient.retry}. */
  | { readonly phase: "unavailable"; readonly reason: string };

export type Build =
  | {
      readonly kind: "built";
      /** null when the source has errors. */
      readonly object: Uint8Array | null;
      readonly diagnostics: readonly Diagnostic[];
      /** 0 when the build was known already. */
      readonly milliseconds: number;
      readonly cached: boolean;
    }
  /** A newer build took its place, or it was cancelled. */
  | { readonly kind: "superseded" }
  | { readonly kind: "failed"; readonly reason: string };

export interface CompilerListener {
  onState(state: CompilerState): void;
}

interface Current {
  readonly id: number;
  readonly key: string;
  readonly source: BuildSource;
  readonly options: BuildOptions;
  readonly onDiagnostic: ((diagnostic: Diagnostic) => void) | undefined;
  resolve(build: Build): void;
  posted: boolean;
}

/** Builds kept, oldest out first. */
const MAX_KEPT = 100;

/**
 * Builds sources, one at a time: a newer build ends the worker that is at an older one. A second worker stands by with the
 * compiled module, so that the newer one need not wait for a worker to start. The same content is built once.
 */
export class CompilerClient {
  readonly #open: () => CompilerPort;
  readonly #asset: ClangAsset;
  readonly #listener: CompilerListener;
  readonly #kept = new Map<string, Build & { readonly kind: "built" }>();
  #state: CompilerState = { phase: "absent" };
  #module: CompiledModule | null = null;
  #port: CompilerPort | null = null;
  #spare: CompilerPort | null = null;
  #current: Current | null = null;
  #nextId = 1;
  #deaths = 0;

  constructor(open: () => CompilerPort, asset: ClangAsset, listener: CompilerListener) {
    this.#open = open;
    this.#asset = asset;
    this.#listener = listener;
  }

  get state(): CompilerState {
    return this.#state;
  }

  /** Makes builds known that were made elsewhere by the same compiler. */
  seed(builds: readonly PrecompiledBuild[]): void {
    for (const { source, options, object, diagnostics } of builds) {
      this.#keep(contentKey(source, options), { kind: "built", object, diagnostics, milliseconds: 0, cached: true });
    }
  }

  /** Gets the compiler without building anything. */
  prepare(): void {
    if (this.#port === null && this.#state.phase !== "unavailable") this.#connect();
  }

  /** Ends the build before it, which resolves as `superseded`. Never rejects. */
  compile(source: BuildSource, options: BuildOptions, onDiagnostic?: (diagnostic: Diagnostic) => void): Promise<Build> {
    this.cancel();
    const key = contentKey(source, options);
    const known = this.#kept.get(key);
    if (known) return Promise.resolve({ ...known, milliseconds: 0, cached: true });
    return new Promise((resolve) => {
      this.#current = { id: this.#nextId++, key, source, options, onDiagnostic, resolve, posted: false };
      if (this.#state.phase === "unavailable") {
        this.#settle({ kind: "failed", reason: this.#state.reason });
        return;
      }
      this.prepare();
      this.#post();
    });
  }

  /** Ends the build that is under way; a download goes on. */
  cancel(): void {
    const current = this.#current;
    if (current === null) return;
    this.#settle({ kind: "superseded" });
    // Before the module is there the worker only downloads, and has nothing to be ended for.
    if (current.posted && this.#module !== null) this.#replace();
  }

  /** Ends a download; the next build, or {@link retry}, begins it again. */
  cancelDownload(): void {
    if (this.#state.phase !== "loading") return;
    this.#settle({ kind: "superseded" });
    this.#closePorts();
    this.#setState({ phase: "absent" });
  }

  /** After the compiler could not be had, or its download was cancelled. */
  retry(): void {
    if (this.#state.phase === "ready" || this.#state.phase === "loading") return;
    this.#closePorts();
    this.#deaths = 0;
    this.#setState({ phase: "absent" });
    this.#connect();
  }

  close(): void {
    this.#settle({ kind: "superseded" });
    this.#closePorts();
  }

  #closePorts(): void {
    this.#port?.close();
    this.#spare?.close();
    this.#port = null;
    this.#spare = null;
  }

  #connect(): void {
    if (this.#module === null) this.#setState({ phase: "loading", received: 0, total: this.#asset.packedBytes });
    this.#port = this.#spare ?? this.#start();
    this.#spare = null;
  }

  #start(): CompilerPort {
    const port = this.#open();
    port.listen(
      (message) => {
        if (port === this.#port) this.#receive(message);
      },
      (reason) => this.#die(port, reason),
    );
    port.post({ kind: "start", asset: this.#asset, module: this.#module });
    return port;
  }

  /** The worker stops where it is; the one that stood by takes over. */
  #replace(): void {
    this.#port?.close();
    this.#port = null;
    this.#connect();
    this.#standBy();
  }

  #standBy(): void {
    if (this.#module !== null) this.#spare ??= this.#start();
  }

  #die(port: CompilerPort, reason: string): void {
    port.close();
    if (port === this.#spare) this.#spare = null;
    if (port !== this.#port) return;
    this.#port = null;
    this.#deaths++;
    if (this.#module === null || this.#deaths > 3) {
      this.#closePorts();
      this.#setState({ phase: "unavailable", reason });
    }
    this.#settle({ kind: "failed", reason });
  }

  #post(): void {
    const current = this.#current;
    if (current === null || this.#port === null || current.posted) return;
    current.posted = true;
    const { id, source, options } = current;
    this.#port.post({ kind: "build", id, source, options });
  }

  #receive(message: FromCompiler): void {
    const current = this.#current;
    switch (message.kind) {
      case "download":
        this.#setState({ phase: "loading", received: message.received, total: message.total });
        return;
      case "ready":
        this.#module = message.module;
        this.#deaths = 0;
        if (this.#state.phase !== "ready") this.#setState({ phase: "ready" });
        this.#standBy();
        return;
      case "unavailable":
        this.#closePorts();
        this.#setState({ phase: "unavailable", reason: message.reason });
        this.#settle({ kind: "failed", reason: message.reason });
        return;
      case "diagnostic":
        if (current?.id === message.id) current.onDiagnostic?.(message.diagnostic);
        return;
      case "built": {
        if (current?.id !== message.id) return;
        const { object, diagnostics, milliseconds } = message;
        const build = { kind: "built", object, diagnostics, milliseconds, cached: false } as const;
        this.#keep(current.key, build);
        this.#settle(build);
        return;
      }
      case "failed":
        if (current?.id === message.id) this.#settle({ kind: "failed", reason: message.reason });
    }
  }

  #keep(key: string, build: Build & { readonly kind: "built" }): void {
    this.#kept.delete(key);
    this.#kept.set(key, build);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as string);
  }

  #settle(build: Build): void {
    const current = this.#current;
    this.#current = null;
    current?.resolve(build);
  }

  #setState(state: CompilerState): void {
    this.#state = state;
    this.#listener.onState(state);
  }
}

/** The whole content: two builds with the same key have the same outcome. */
function contentKey({ file, text, extraFiles = [] }: BuildSource, { cpuVersion, optimization }: BuildOptions): string {
  return JSON.stringify([file, text, extraFiles.map((f) => [f.file, f.text]), cpuVersion, optimization]);
}
