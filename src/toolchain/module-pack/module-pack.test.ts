import { describe, expect, it } from "vitest";
import { packModule } from "./pack.ts";
import { ModuleUnpacker, unpackModule } from "./unpack.ts";

/** (module (memory 1) (func (export "f") (param i32 i64) (result i32) …)), with numbers padded as linkers pad them. */
function module(body: readonly number[], results: readonly number[] = [0x7f]): Uint8Array {
  const section = (id: number, bytes: readonly number[]): number[] => [id, bytes.length, ...bytes];
  const code = [0x00, ...body, 0x0b];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7e, results.length, ...results]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [1, 1, 0x66, 0, 0]),
    // The length of the body is padded too.
    ...section(10, [1, code.length | 0x80, 0x80, 0x80, 0x80, 0, ...code]),
    ...section(11, [1, 0, 0x41, 0, 0x0b, 4, 1, 2, 3, 4]),
  ]);
}

const run = (bytes: Uint8Array, ...args: unknown[]): unknown => {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource));
  return (instance.exports["f"] as (...given: unknown[]) => unknown)(...args);
};

const BODIES: Record<string, readonly number[]> = {
  "a padded negative constant": [0x41, 0xff, 0xff, 0xff, 0xff, 0x7f],
  "a padded positive constant that looks negative when cut": [0x41, 0xc0, 0x80, 0x80, 0x80, 0x00],
  "locals, arithmetic, conversion": [0x20, 0x80, 0x00, 0x20, 1, 0xa7, 0x6a, 0xc0],
  "a load at a padded offset": [0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x00],
  "an unaligned load": [0x41, 0, 0x28, 0, 1],
  "blocks, branches and a table": [
    ...[0x02, 0x40, 0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x0e, 1, 1, 2, 0x0b, 0x0b, 0x0b, 0x41, 7],
  ],
  "if and else": [0x20, 0, 0x04, 0x7f, 0x41, 1, 0x05, 0x41, 2, 0x0b],
  "a call of itself that is not made": [0x20, 0, 0x04, 0x7f, 0x41, 0, 0x42, 0, 0x10, 0x80, 0x00, 0x05, 0x41, 9, 0x0b],
  "64-bit and float constants": [
    0x42, 0x80, 0x7f, 0xa7, 0x43, 0, 0, 0x80, 0x3f, 0xa8, 0x6a, 0x44, 0, 0, 0, 0, 0, 0, 0, 0x40, 0xaa, 0x6a,
  ],
  "a saturating conversion, memory.size and typed select": [
    0x43, 0, 0, 0, 0x40, 0xfc, 0, 0x3f, 0, 0x20, 0, 0x1c, 1, 0x7f,
  ],
  "memory.fill": [0x41, 0, 0x41, 5, 0x41, 4, 0xfc, 11, 0, 0x41, 0, 0x28, 2, 0],
};

describe("packed modules", () => {
  it.each(Object.entries(BODIES))("mean the same with %s", (_, body) => {
    const original = module(body);
    const unpacked = unpackModule(packModule(original));
    for (const a of [0, 1, -5]) expect(run(unpacked, a, 3n)).toEqual(run(original, a, 3n));
    expect(unpacked.length).toBeLessThan(original.length);
    expect(packModule(unpacked)).toEqual(packModule(original));
  });

  it("unpack in whatever pieces they arrive", () => {
    const packed = packModule(module(BODIES["if and else"] ?? []));
    const whole = [...unpackModule(packed)];
    for (const size of [1, 2, 7, 50]) {
      const bytes: number[] = [];
      const unpacker = new ModuleUnpacker((part) => bytes.push(...part));
      for (let at = 0; at < packed.length; at += size) unpacker.push(packed.slice(at, at + size));
      unpacker.finish();
      expect(bytes).toEqual(whole);
    }
  });

  it("are refused when broken, cut short or of an unknown kind", () => {
    const packed = packModule(module([0x41, 1]));
    expect(() => unpackModule(packed.slice(0, -1))).toThrow("ends too early");
    expect(() => unpackModule(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]))).toThrow("no packed module");
    expect(() => unpackModule(Uint8Array.from([...packed.slice(0, 8), 9]))).toThrow("broken");
    expect(() => packModule(module([0xfd, 0x0c]))).toThrow("not carried");
  });
});
