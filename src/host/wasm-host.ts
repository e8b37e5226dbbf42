import type { WasmExports, WasmHost } from "../engine/vm/wasm-host.ts";

const PAGE_BYTES = 65536;
/** 4 GiB: what a 32-bit memory can have. */
const MAX_PAGES = 65536;

/** The host's own WebAssembly, for the engine: the same in a browser's worker and in Node. */
export const webAssemblyHost: WasmHost = {
  makeMemory(bytes) {
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES), maximum: MAX_PAGES });
    } catch {
      return null;
    }
    return {
      handle: memory,
      buffer: () => memory.buffer,
      grow(wanted) {
        const missing = Math.ceil((wanted - memory.buffer.byteLength) / PAGE_BYTES);
        if (missing <= 0) return true;
        try {
          memory.grow(missing);
          return true;
        } catch {
          return false;
        }
      },
    };
  },
  instantiate(module, memory, functions) {
    const env = { memory: memory.handle as WebAssembly.Memory, ...functions };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module as BufferSource), { env });
    return instance.exports as unknown as WasmExports;
  },
};
