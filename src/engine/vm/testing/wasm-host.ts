import type { WasmExports, WasmHost } from "../wasm-host.ts";

const PAGE = 65536;

/** WebAssembly of the runtime that the tests run in. */
export const testWasmHost: WasmHost = {
  makeMemory(bytes) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE), maximum: 65536 });
    return {
      handle: memory,
      buffer: () => memory.buffer,
      grow: (wanted) => {
        const missing = Math.ceil((wanted - memory.buffer.byteLength) / PAGE);
        if (missing > 0) {
          try {
            memory.grow(missing);
          } catch {
            return false;
          }
        }
        return true;
      },
    };
  },
  instantiate(module, memory, functions) {
    const env = { memory: memory.handle as WebAssembly.Memory, ...functions };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module as BufferSource), { env });
    return instance.exports as unknown as WasmExports;
  },
};
