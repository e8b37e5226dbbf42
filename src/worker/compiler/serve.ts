import type { ClangAsset, FromCompiler, ToCompiler } from "../../protocol/compiler.ts";
import { buildSource } from "../../toolchain/build.ts";
import { type Compiler, createCompiler } from "../../toolchain/compile.ts";

export interface CompilerServerHost {
  readonly headers: ReadonlyMap<string, string>;
  load(asset: ClangAsset, onProgress: (received: number, total: number) => void): Promise<WebAssembly.Module>;
  post(message: FromCompiler): void;
  now(): number;
  /** Calls back when nothing else is to do. */
  idle(task: () => void): void;
}

/** Exercises clang once: its code is compiled on first use, which would fall to the visitor's first edit. */
const WARM_UP = {
  file: "warm-up.bpf.c",
  text: `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); __type(value, long); } m SEC(".maps");
static int each(void *map, int *key, long *value, void *ctx) { return *value > *key; }
SEC("xdp") int warm(struct xdp_md *ctx) {
  int key = ctx->rx_queue_index;
  long *value = bpf_map_lookup_elem(&m, &key);
  for (int i = 0; value && i < key; i++) *value += i;
  return bpf_for_each_map_elem(&m, each, 0, 0) > 3 ? XDP_DROP : XDP_PASS;
}
char _license[] SEC("license") = "GPL";
`,
};

/** The worker's side: answers {@link ToCompiler}. A build that comes before the module waits for it; assembly does not. */
export function serveCompiler(host: CompilerServerHost): (message: ToCompiler) => void {
  let compiler: Promise<Compiler> | undefined;
  let asked = false;
  const start = async (asset: ClangAsset, given: WebAssembly.Module | null): Promise<Compiler> => {
    const module =
      given ?? (await host.load(asset, (received, total) => host.post({ kind: "download", received, total })));
    host.post({ kind: "ready", module });
    const made = createCompiler({ module, headers: host.headers });
    // A worker that was handed the module finds it exercised already.
    if (given === null) {
      host.idle(() => {
        if (!asked) void buildSource(async () => made, WARM_UP, { cpuVersion: "v3", optimization: "O2" });
      });
    }
    return made;
  };
  return (message) => {
    if (message.kind === "start") {
      compiler = start(message.asset, message.module as WebAssembly.Module | null);
      compiler.catch((error: unknown) => host.post({ kind: "unavailable", reason: reasonOf(error) }));
      return;
    }
    asked = true;
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
