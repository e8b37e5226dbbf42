/**
 * What the engine asks of its surroundings to run compiled code. The engine itself names no WebAssembly: a worker, Node or a
 * test supplies this.
 */
export interface WasmHost {
  /** A linear memory that can grow to 4 GiB. Null when the surroundings have no room for one. */
  makeMemory(bytes: number): WasmMemory | null;
  /** Compiles and instantiates at once. `memory` becomes `env.memory`, the functions `env.NAME`. */
  instantiate(module: Uint8Array, memory: WasmMemory, functions: WasmFunctions): WasmExports;
}

export interface WasmMemory {
  /** The current buffer; {@link grow} detaches it. */
  buffer(): ArrayBuffer;
  /** Makes it at least `bytes` long; false when that fails. */
  grow(bytes: number): boolean;
  /** What the host's WebAssembly knows it by. */
  readonly handle: unknown;
}

/** Functions that compiled code calls: all numbers are i32. */
export type WasmFunctions = Readonly<Record<string, (...args: number[]) => number>>;

/** Entry points of compiled code: each takes the stack's offset. */
export type WasmExports = Readonly<Record<string, (stack: number) => void>>;
