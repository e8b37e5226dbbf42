import { readFileSync } from "node:fs";
import path from "node:path";
import { buildObject } from "../../cli/build-file.ts";
import type { CompilerPort } from "../../client/compiler-client.ts";
import type { Port } from "../../client/port.ts";
import { demosFrom } from "../../demos/index.ts";
import type { FromCompiler, PrecompiledBuild, ToCompiler } from "../../protocol/compiler.ts";
import type { FromEngine, ToEngine } from "../../protocol/engine.ts";
import { EngineHost } from "../../worker/engine/engine-host.ts";
import { Playground, type PlaygroundHost } from "../playground.ts";
import type { PlaygroundState } from "../types.ts";

const PROGRAMS = path.join(import.meta.dirname, "../../demos/programs");
const read = (file: string) => readFileSync(path.join(PROGRAMS, file), "utf8");
export const demos = demosFrom(read);

/** Precompiled demos, as the build makes them. */
export async function precompile(names: readonly string[]): Promise<PrecompiledBuild[]> {
  return Promise.all(
    names.map(async (name) => {
      const file = `${name}.bpf.c`;
      const built = await buildObject(path.join(PROGRAMS, file));
      if (!built.ok) throw new Error(built.message);
      const options = { cpuVersion: "v3", optimization: "O2" } as const;
      return { source: { file, text: read(file) }, options, object: built.object, diagnostics: [] };
    }),
  );
}

/** The engine's worker on this thread: messages travel as copies, one turn later. */
export function enginePort(): Port<ToEngine, FromEngine> & { die(reason: string): void } {
  let deliver: (message: FromEngine) => void = () => {};
  let fail: (reason: string) => void = () => {};
  let closed = false;
  const host = new EngineHost({
    post: (message) => {
      const copy = structuredClone(message);
      setTimeout(() => !closed && deliver(copy), 0);
    },
    now: () => performance.now(),
    later: (ms, callback) => setTimeout(() => !closed && callback(), ms),
    wasm: null,
  });
  return {
    post: (message) => {
      const copy = structuredClone(message);
      setTimeout(() => !closed && host.receive(copy), 0);
    },
    listen: (onMessage, onFailure) => {
      deliver = onMessage;
      fail = onFailure;
    },
    close: () => {
      closed = true;
    },
    die: (reason) => fail(reason),
  };
}

/** A compiler that knows no C: `answer` says what becomes of a text; null leaves the build under way for ever. */
export function compilerPort(
  answer: (text: string) => Omit<FromCompiler & { kind: "built" }, "kind" | "id"> | null,
): CompilerPort {
  let deliver: (message: FromCompiler) => void = () => {};
  return {
    post: (message: ToCompiler) => {
      if (message.kind === "start") setTimeout(() => deliver({ kind: "ready", module: {} }), 0);
      else if (message.kind === "build") {
        const result = answer(message.source.text);
        if (result !== null) setTimeout(() => deliver({ kind: "built", id: message.id, ...result }), 0);
      }
    },
    listen: (onMessage) => {
      deliver = onMessage;
    },
    close: () => {
      deliver = () => {};
    },
  };
}

export interface TestPage {
  readonly playground: Playground;
  readonly storage: Map<string, string>;
  readonly engines: ReturnType<typeof enginePort>[];
  state(): PlaygroundState;
  /** Resolves when the state is as wanted; fails with the state after five seconds. */
  until(wanted: (state: PlaygroundState) => boolean, what: string): Promise<PlaygroundState>;
}

export function openPage(
  host: Partial<PlaygroundHost> & Pick<PlaygroundHost, "precompiled">,
  storage = new Map<string, string>(),
): TestPage {
  const engines: ReturnType<typeof enginePort>[] = [];
  const playground = new Playground({
    openEngine: () => {
      const port = enginePort();
      engines.push(port);
      return port;
    },
    openCompiler: () => compilerPort(() => null),
    clang: { url: "", packedBytes: 0, version: "test" },
    demos,
    storage: {
      get: async (key) => storage.get(key),
      set: async (key, value) => void storage.set(key, value),
    },
    versions: { engine: "1", compiler: "1" },
    address: "http://localhost/",
    dropFragment: () => {},
    visit: `visit${storage.size}`,
    ...host,
  });
  const state = () => playground.store.getState();
  return {
    playground,
    storage,
    engines,
    state,
    until: (wanted, what) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!wanted(state())) return false;
          clearTimeout(timer);
          stop();
          resolve(state());
          return true;
        };
        const stop = playground.store.subscribe(check);
        const timer = setTimeout(() => {
          stop();
          const { source, build, run, view } = state();
          reject(
            new Error(
              `${what}: ${JSON.stringify({ phase: build.phase, report: build.report, status: run.status, position: run.position, script: run.script, banner: view.banner, demo: source.demo }).slice(0, 2000)}`,
            ),
          );
        }, 15_000);
        check();
      }),
  };
}
