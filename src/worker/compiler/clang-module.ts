import type { ClangAsset } from "../../protocol/compiler.ts";
import { ModuleUnpacker } from "../../toolchain/module-pack/unpack.ts";

const CACHE_NAME = "clang-module";

/**
 * clang's module: from this browser's cache (unpacked, so that compiling can begin with the first byte), else from the
 * network, unpacked and compiled while it arrives, and kept for the next visit.
 */
export async function loadClangModule(
  asset: ClangAsset,
  onProgress: (received: number, total: number) => void,
): Promise<WebAssembly.Module> {
  const key = `${asset.url}?module=${asset.version}`;
  const cache = await openCache();
  const kept = await cache?.match(key).catch(() => undefined);
  if (kept !== undefined) {
    try {
      return await WebAssembly.compileStreaming(kept);
    } catch {
      // A broken copy: fetch it again.
      await cache?.delete(key);
    }
  }
  const response = await fetch(asset.url);
  if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
  const packed = countBytes(response.body, asset.packedBytes, onProgress);
  const unpacked = (await gunzip(packed)).pipeThrough(unpackStream());
  const headers = { "content-type": "application/wasm" };
  if (cache === null) return WebAssembly.compileStreaming(new Response(unpacked, { headers }));
  const [toCompile, toKeep] = unpacked.tee();
  const keeping = keep(cache, key, new Response(toKeep, { headers }));
  const module = await WebAssembly.compileStreaming(new Response(toCompile, { headers }));
  await keeping;
  return module;
}

/** Absent in private windows of some browsers, and without https. */
async function openCache(): Promise<Cache | null> {
  try {
    return await caches.open(CACHE_NAME);
  } catch {
    return null;
  }
}

async function keep(cache: Cache, key: string, response: Response): Promise<void> {
  try {
    for (const old of await cache.keys()) await cache.delete(old);
    await cache.put(key, response);
  } catch {
    // No room: the next visit downloads again.
    await response.body?.cancel().catch(() => {});
  }
}

function countBytes(
  body: ReadableStream<Uint8Array>,
  total: number,
  onProgress: (received: number, total: number) => void,
): ReadableStream<Uint8Array> {
  let received = 0;
  onProgress(0, total);
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        received += chunk.length;
        onProgress(received, Math.max(total, received));
        controller.enqueue(chunk);
      },
    }),
  );
}

/** Some servers unpack on the way, whatever the file is called: the first bytes tell. */
async function gunzip(body: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const reader = body.getReader();
  const first = await reader.read();
  const packed = first.value?.[0] === 0x1f && first.value[1] === 0x8b;
  const whole = new ReadableStream<Uint8Array>({
    start(controller) {
      if (first.value) controller.enqueue(first.value);
    },
    async pull(controller) {
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  if (!packed) return whole;
  return whole.pipeThrough(new DecompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>);
}

function unpackStream(): TransformStream<Uint8Array, Uint8Array> {
  let unpacker: ModuleUnpacker;
  return new TransformStream({
    start(controller) {
      unpacker = new ModuleUnpacker((bytes) => controller.enqueue(bytes));
    },
    transform: (chunk) => unpacker.push(chunk),
    flush: () => unpacker.finish(),
  });
}
