import { describe, expect, it } from "vitest";
import type { BuildOptions, ClangAsset, FromCompiler, ToCompiler } from "../protocol/compiler.ts";
import { type Build, CompilerClient, type CompilerPort, type CompilerState } from "./compiler-client.ts";

const ASSET: ClangAsset = { url: "http://localhost/clang", packedBytes: 10, version: "1" };
const OPTIONS: BuildOptions = { cpuVersion: "v3", optimization: "O2" };
const MODULE = { compiled: true };

class FakeWorker {
  readonly received: ToCompiler[] = [];
  closed = false;
  #message: (message: FromCompiler) => void = () => {};
  #failure: (reason: string) => void = () => {};
  readonly port: CompilerPort = {
    post: (message) => this.received.push(message),
    listen: (onMessage, onFailure) => {
      this.#message = onMessage;
      this.#failure = onFailure;
    },
    close: () => {
      this.closed = true;
    },
  };

  say(message: FromCompiler): void {
    if (!this.closed) this.#message(message);
  }

  die(reason: string): void {
    this.#failure(reason);
  }

  /** Id of the last build asked for. */
  get build(): number {
    const builds = this.received.filter((m) => m.kind === "build");
    return builds.at(-1)?.id ?? -1;
  }

  answer(bytes: number[]): void {
    const object = Uint8Array.from(bytes);
    this.say({ kind: "built", id: this.build, object, diagnostics: [], milliseconds: 5 });
  }
}

function setUp(): { client: CompilerClient; workers: FakeWorker[]; states: CompilerState[] } {
  const workers: FakeWorker[] = [];
  const states: CompilerState[] = [];
  const open = (): CompilerPort => {
    const worker = new FakeWorker();
    workers.push(worker);
    return worker.port;
  };
  const client = new CompilerClient(open, ASSET, { onState: (state) => states.push(state) });
  return { client, workers, states };
}

const source = (text: string) => ({ file: "a.bpf.c", text });

async function ready(): Promise<ReturnType<typeof setUp>> {
  const all = setUp();
  all.client.prepare();
  all.workers[0]?.say({ kind: "ready", module: MODULE });
  return all;
}

describe("CompilerClient", () => {
  it("downloads once, reports progress, and keeps a worker at hand with the module", async () => {
    const { client, workers, states } = setUp();
    client.prepare();
    client.prepare();
    expect(workers.length).toBe(1);
    workers[0]?.say({ kind: "download", received: 4, total: 10 });
    workers[0]?.say({ kind: "ready", module: MODULE });
    expect(states.map((s) => s.phase)).toEqual(["loading", "loading", "ready"]);
    expect(workers.map((w) => w.received[0])).toEqual([
      { kind: "start", asset: ASSET, module: null },
      { kind: "start", asset: ASSET, module: MODULE },
    ]);
  });

  it("builds, and knows what it has built", async () => {
    const { client, workers } = await ready();
    const first = client.compile(source("int x;"), OPTIONS);
    workers[0]?.answer([1]);
    expect(await first).toMatchObject({ kind: "built", object: Uint8Array.of(1), cached: false });
    expect(await client.compile(source("int x;"), OPTIONS)).toMatchObject({ kind: "built", cached: true });
    const other = client.compile(source("int x;"), { ...OPTIONS, optimization: "O1" });
    workers[0]?.answer([2]);
    expect(await other).toMatchObject({ object: Uint8Array.of(2), cached: false });
  });

  it("ends an older build: the worker that stood by takes the newer one", async () => {
    const { client, workers } = await ready();
    const older = client.compile(source("old"), OPTIONS);
    const newer = client.compile(source("new"), OPTIONS);
    expect(await older).toEqual({ kind: "superseded" });
    expect(workers.map((w) => w.closed)).toEqual([true, false, false]);
    workers[1]?.answer([3]);
    expect(await newer).toMatchObject({ object: Uint8Array.of(3) });
  });

  it("does not begin a download again for a newer edit", async () => {
    const { client, workers } = setUp();
    const older = client.compile(source("old"), OPTIONS);
    const newer = client.compile(source("new"), OPTIONS);
    expect(await older).toEqual({ kind: "superseded" });
    workers[0]?.say({ kind: "ready", module: MODULE });
    workers[0]?.answer([4]);
    expect(await newer).toMatchObject({ object: Uint8Array.of(4) });
    expect(workers[0]?.closed).toBe(false);
  });

  it("passes diagnostics on as they come, of the current build only", async () => {
    const { client, workers } = await ready();
    const seen: string[] = [];
    const build = client.compile(source("x"), OPTIONS, (d) => seen.push(d.message));
    const id = workers[0]?.build ?? 0;
    workers[0]?.say({ kind: "diagnostic", id: id - 1, diagnostic: { severity: "error", message: "stale" } });
    workers[0]?.say({ kind: "diagnostic", id, diagnostic: { severity: "error", message: "fresh" } });
    workers[0]?.answer([]);
    await build;
    expect(seen).toEqual(["fresh"]);
  });

  it("fails with the reason when the compiler cannot be had, and tries again when asked", async () => {
    const { client, workers } = setUp();
    const build = client.compile(source("x"), OPTIONS);
    workers[0]?.say({ kind: "unavailable", reason: "offline" });
    expect(await build).toEqual({ kind: "failed", reason: "offline" });
    expect(await client.compile(source("y"), OPTIONS)).toEqual({ kind: "failed", reason: "offline" });
    client.retry();
    const again = client.compile(source("y"), OPTIONS);
    workers[1]?.say({ kind: "ready", module: MODULE });
    workers[1]?.answer([5]);
    expect(await again).toMatchObject({ object: Uint8Array.of(5) });
  });

  it("can stop a download", async () => {
    const { client, workers, states } = setUp();
    const build = client.compile(source("x"), OPTIONS);
    client.cancelDownload();
    expect(await build).toEqual({ kind: "superseded" });
    expect([workers[0]?.closed, states.at(-1)?.phase]).toEqual([true, "absent"]);
  });

  it("survives the death of a worker", async () => {
    const { client, workers } = await ready();
    const build = client.compile(source("x"), OPTIONS);
    workers[0]?.die("out of memory");
    expect(await build).toEqual({ kind: "failed", reason: "out of memory" });
    const next = client.compile(source("y"), OPTIONS);
    workers[1]?.answer([6]);
    expect(await next).toMatchObject({ object: Uint8Array.of(6) });
  });

  it("knows builds that were made beforehand, without any worker", async () => {
    const { client, workers } = setUp();
    client.seed([{ source: source("demo"), options: OPTIONS, object: Uint8Array.of(7), diagnostics: [] }]);
    const build: Build = await client.compile(source("demo"), OPTIONS);
    expect(build).toMatchObject({ object: Uint8Array.of(7), cached: true });
    expect(workers.length).toBe(0);
  });
});
