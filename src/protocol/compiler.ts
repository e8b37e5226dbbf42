import type { Diagnostic } from "./engine-types.ts";

/** Page <-> compiler worker. The worker is disposable: a newer edit ends it, and its compiled module goes to the next one. */

/** A C or assembly file, told apart by its name's ending, and what it may include with quotes. */
export interface BuildSource {
  readonly file: string;
  readonly text: string;
  readonly extraFiles?: readonly { readonly file: string; readonly text: string }[];
}

export interface BuildOptions {
  readonly cpuVersion: "v1" | "v2" | "v3" | "v4";
  readonly optimization: "O0" | "O1" | "O2";
}

/** Where clang's module is, as packed by the build. */
export interface ClangAsset {
  /** Absolute. */
  readonly url: string;
  /** bytes of the download */
  readonly packedBytes: number;
  /** Changes with every other compiler. */
  readonly version: string;
}

/** A `WebAssembly.Module`; the protocol knows no host, so it is passed on unseen. */
export type CompiledModule = unknown;

export type ToCompiler =
  /** First message. With a module nothing is downloaded. */
  | { readonly kind: "start"; readonly asset: ClangAsset; readonly module: CompiledModule | null }
  | { readonly kind: "build"; readonly id: number; readonly source: BuildSource; readonly options: BuildOptions };

export type FromCompiler =
  | { readonly kind: "download"; readonly received: number; readonly total: number }
  | { readonly kind: "ready"; readonly module: CompiledModule }
  /** The module could not be had; `build` requests wait for a worker that has it. */
  | { readonly kind: "unavailable"; readonly reason: string }
  /** As soon as clang has printed it. All come again with `built`. */
  | { readonly kind: "diagnostic"; readonly id: number; readonly diagnostic: Diagnostic }
  | {
      readonly kind: "built";
      readonly id: number;
      /** ELF object; null when the source has errors. */
      readonly object: Uint8Array | null;
      readonly diagnostics: readonly Diagnostic[];
      readonly milliseconds: number;
    }
  /** A fault of the machinery, not of the source. */
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };

/** A build known beforehand: demos ship with theirs. */
export interface PrecompiledBuild {
  readonly source: BuildSource;
  readonly options: BuildOptions;
  readonly object: Uint8Array | null;
  readonly diagnostics: readonly Diagnostic[];
}
