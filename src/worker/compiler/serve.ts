import type { ClangAsset, FromCompiler, ToCompiler } from "../../protocol/compiler.ts";
import { buildSource } from "../../toolchain/build.ts";
import { type Compiler, createCompiler } from "../../toolchain/compile.ts";

export interface CompilerServerHost {
  readonly headers: ReadonlyMap<string, string>;
  load(asset: ClangAsset, onProgress: (received: number, total: number) => void): Promise<WebAssembly.Module>;
  post(message: FromCompiler): void;
  now(): number;
}

/** The worker's side: answers {@link ToCompiler}. A build that comes before the module waits for it; assembly does not. */
export function serveCompiler(host: CompilerServerHost): (message: ToCompiler) => void {
  let compiler: Promise<Compiler> | undefined;
  const start = async (asset: ClangAsset, given: WebAssembly.Module | null): Promise<Compiler> => {
    const module =
      given ?? (await host.load(asset, (received, total) => host.post({ kind: "download", received, total })));
    host.post({ kind: "ready", module });
    return createCompiler({ module, headers: host.headers });
  };
  return (message) => {
    if (message.kind === "start") {
      compiler = start(message.asset, message.module as WebAssembly.Module | null);
      compiler.catch((error: unknown) => host.post({ kind: "unavailable", reason: reasonOf(error) }));
      return;
    }
    const { id, source, options } = message;
    const begun = host.now();
    const ready = compiler ?? Promise.reject(new Error("the worker was not started"));
    buildSource(() => ready, source, options, {
      onDiagnostic: (diagnostic) => host.post({ kind: "diagnostic", id, diagnostic }),
    }).then(
      ({ object, diagnostics }) =>
        host.post({ kind: "built", id, object, diagnostics, milliseconds: host.now() - begun }),
      (error: unknown) => host.post({ kind: "failed", id, reason: reasonOf(error) }),
    );
  };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
