import { describe, expect, it } from "vitest";
import { makePrng, nextU32 } from "../base/prng.ts";
import { encodeInstructions, ldImm64Value } from "../isa/instruction.ts";
import { ENGINES, EngineBench } from "./testing/engines.ts";
import { RESULT_BYTES, randomProgram, SCRATCH_BYTES } from "./testing/random-program.ts";
import { evaluate } from "./testing/reference.ts";

const SEED = 20261125;
const BYTES = SCRATCH_BYTES + RESULT_BYTES;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("random programs", () => {
  it.each([
    ["as Linux accepts them", true, 250],
    ["of any shape", false, 250],
  ] as const)("give the same %s on every engine (seed printed on failure)", (_, kernel, count) => {
    const bench = new EngineBench(BYTES);
    const seeds = makePrng(SEED);
    for (let i = 0; i < count; i++) {
      const seed = nextU32(seeds);
      const insns = randomProgram(makePrng(seed), { kernel, size: 30 + (i % 60), rounds: kernel ? 6 : 40 });
      const memory = new Uint8Array(BYTES).map((_, at) => (at * 37 + i) & 255);
      const expected = memory.slice();
      const base = 0x5000_0000_0000n;
      const reference = evaluate(insns, [{ base, bytes: expected }], [0n, base, BigInt(BYTES)], (slot) => {
        const first = insns[slot];
        const second = insns[slot + 1];
        if (first === undefined || second === undefined) throw new Error("half a load");
        return first.src === 2 ? base : ldImm64Value(first, second);
      });
      expect(reference.ok, `seed ${seed}`).toBe(true);
      if (!reference.ok) continue;
      const program = bench.executable(insns);
      for (const engine of ENGINES) {
        const run = bench.run(engine, program, memory);
        const message = `seed ${seed} on ${engine}: ${hex(encodeInstructions(insns))}`;
        expect(run.result, message).toEqual({ ok: true, r0: reference.r0 });
        expect(hex(run.memory), message).toBe(hex(expected));
      }
    }
  });
});
