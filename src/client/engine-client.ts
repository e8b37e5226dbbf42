import {
  ENGINE_PROTOCOL_VERSION,
  type EngineEvent,
  type EngineRequest,
  type EngineRequestKind,
  type EngineResults,
  type FromEngine,
  type ToEngine,
} from "../protocol/engine.ts";
import type { Port } from "./port.ts";

/** The engine's worker is gone or refused a request; the reason is for people. */
export class EngineFailure extends Error {
  override readonly name = "EngineFailure";
}

interface Waiting {
  resolve(result: unknown): void;
  reject(reason: EngineFailure): void;
}

export interface EngineListener {
  onEvent(event: EngineEvent): void;
  /** The worker died; a new one is there, empty. Every open request has failed. */
  onRestart(reason: string): void;
  /** Calls back when the page has drawn what it was given; by default at once. */
  pace?(done: () => void): void;
}

/** More deaths than this without a single reply in between, and no new worker is started. */
const MAX_DEATHS = 3;

/** Numbered requests to the engine's worker, one reply each; a worker that dies is replaced. */
export class EngineClient {
  readonly #open: () => Port<ToEngine, FromEngine>;
  readonly #listener: EngineListener;
  #port: Port<ToEngine, FromEngine>;
  #next = 1;
  #deaths = 0;
  #waiting = new Map<number, Waiting>();

  constructor(open: () => Port<ToEngine, FromEngine>, listener: EngineListener) {
    this.#open = open;
    this.#listener = listener;
    this.#port = this.#connect();
  }

  request<K extends EngineRequestKind>(
    request: EngineRequest & { readonly kind: K },
    transfer: Transferable[] = [],
  ): Promise<EngineResults[K]> {
    const id = this.#next++;
    return new Promise<EngineResults[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#port.post({ id, request }, transfer);
    });
  }

  /** Ends the worker in the midst of whatever it does, and starts a new one. */
  restart(reason: string): void {
    this.#die(reason);
  }

  close(): void {
    this.#port.close();
    this.#failAll("the page is closing");
  }

  #connect(): Port<ToEngine, FromEngine> {
    const port = this.#open();
    port.listen(
      (message) => {
        if (port === this.#port) this.#receive(message);
      },
      (reason) => {
        if (port === this.#port) this.#die(reason);
      },
    );
    queueMicrotask(() => {
      this.request({ kind: "hello", version: ENGINE_PROTOCOL_VERSION }).catch(() => {});
    });
    return port;
  }

  #receive(message: FromEngine): void {
    if ("event" in message) {
      const port = this.#port;
      this.#listener.onEvent(message.event);
      const seen = () => port.post({ seen: message.number });
      if (this.#listener.pace) this.#listener.pace(seen);
      else seen();
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("failure" in message) waiting?.reject(new EngineFailure(message.failure));
    else {
      this.#deaths = 0;
      waiting?.resolve(message.result);
    }
  }

  #die(reason: string): void {
    this.#port.close();
    this.#failAll(reason);
    if (++this.#deaths > MAX_DEATHS) return;
    this.#port = this.#connect();
    this.#listener.onRestart(reason);
  }

  #failAll(reason: string): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new EngineFailure(reason));
  }
}
