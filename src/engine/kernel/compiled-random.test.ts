import { describe, expect, it } from "vitest";
import { makePrng, nextU32 } from "../base/prng.ts";
import { randomProgram } from "../vm/testing/random-program.ts";
import { testWasmHost } from "../vm/testing/wasm-host.ts";
import { MEMORY_BYTES, runRandom } from "./testing/random-run.ts";

const SEED = 611953;

describe("random programs over maps", () => {
  it("leave the same results, maps and events interpreted and compiled (seed printed on failure)", () => {
    const seeds = makePrng(SEED);
    for (let i = 0; i < 40; i++) {
      const seed = nextU32(seeds);
      const insns = randomProgram(makePrng(seed), { kernel: true, size: 40 + (i % 80), rounds: 4, maps: true });
      const memory = new Uint8Array(MEMORY_BYTES).map((_, at) => (at * 37 + seed) & 255);
      const expected = runRandom(insns, memory, null, true);
      expect(runRandom(insns, memory, testWasmHost, true), `seed ${seed}, told`).toEqual(expected);
      const short = { chunk: 200 + (i % 7) * 20, all: 1 + (i % 5) * 100, stretch: 1 + (i % 3) };
      expect(runRandom(insns, memory, testWasmHost, true, short), `seed ${seed}, left often`).toEqual(expected);
      const { retval, maps } = runRandom(insns, memory, testWasmHost, false);
      expect({ retval, maps }, `seed ${seed}, untold`).toEqual({ retval: expected.retval, maps: expected.maps });
    }
  });
});
