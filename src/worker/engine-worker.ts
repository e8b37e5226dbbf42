import { webAssemblyHost } from "../host/wasm-host.ts";
import type { FromEngine, ToEngine } from "../protocol/engine.ts";
import { EngineHost } from "./engine/engine-host.ts";

/** The thread that keeps time: the engine, paced. */
interface Scope {
  onmessage: ((event: MessageEvent<ToEngine>) => void) | null;
  postMessage(message: FromEngine): void;
}

const scope = globalThis as unknown as Scope;
const host = new EngineHost({
  post: (message) => scope.postMessage(message),
  now: () => performance.now(),
  later: (ms, callback) => setTimeout(callback, ms),
  wasm: webAssemblyHost,
});
scope.onmessage = (event) => host.receive(event.data);
