import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clangModulePath } from "../../cli/clang-package.ts";
import { readHeaders } from "../../cli/node-compiler.ts";
import type { ClangAsset, FromCompiler, ToCompiler } from "../../protocol/compiler.ts";
import { serveCompiler } from "./serve.ts";

const ASSET: ClangAsset = { url: "", packedBytes: 1, version: "1" };
const OPTIONS = { cpuVersion: "v3", optimization: "O2" } as const;

function serve(load: () => Promise<WebAssembly.Module>) {
  const sent: FromCompiler[] = [];
  const waiting: (() => void)[] = [];
  const receive = serveCompiler({
    headers: readHeaders(),
    load: (_, onProgress) => {
      onProgress(1, 2);
      return load();
    },
    post: (message) => {
      sent.push(message);
      for (const wake of waiting.splice(0)) wake();
    },
    now: () => 0,
    idle: () => {},
  });
  const until = async (kind: FromCompiler["kind"]): Promise<FromCompiler> => {
    for (;;) {
      const found = sent.find((m) => m.kind === kind);
      if (found) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { sent, until, tell: (message: ToCompiler) => receive(message) };
}

describe("serveCompiler", () => {
  it("loads, then builds what came meanwhile, diagnostics first", async () => {
    const { sent, until, tell } = serve(() => WebAssembly.compile(readFileSync(clangModulePath())));
    tell({ kind: "start", asset: ASSET, module: null });
    const text = "int f(void) { int unused; return 0; }";
    tell({ kind: "build", id: 4, source: { file: "a.bpf.c", text }, options: OPTIONS });
    const built = await until("built");
    expect(sent.map((m) => m.kind)).toEqual(["download", "ready", "diagnostic", "built"]);
    expect(built).toMatchObject({ id: 4, diagnostics: [{ severity: "warning", code: "-Wunused-variable" }] });
    expect(built.kind === "built" && built.object?.subarray(0, 4)).toEqual(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
  });

  it("assembles without any compiler", async () => {
    const { until, tell } = serve(() => new Promise(() => {}));
    tell({ kind: "start", asset: ASSET, module: null });
    const text = 'SEC("xdp")\nint prog(void *ctx):\n r0 = 2\n exit\n';
    tell({ kind: "build", id: 1, source: { file: "a.s", text }, options: OPTIONS });
    expect(await until("built")).toMatchObject({ id: 1, diagnostics: [] });
  });

  it("says why there is no compiler", async () => {
    const { until, tell } = serve(() => Promise.reject(new Error("the server answered 404")));
    tell({ kind: "start", asset: ASSET, module: null });
    expect(await until("unavailable")).toEqual({ kind: "unavailable", reason: "the server answered 404" });
  });
});
