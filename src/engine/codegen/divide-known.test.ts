import { describe, expect, it } from "vitest";
import { parseIr } from "../ir/parse-ir.ts";
import { generateObject } from "./generate-object.ts";
import { interpretIr, randomBuffer, runCompiled } from "./testing/run.ts";

/** Random C of seed 521 at -O0 divided a byte by 0xfffff001: the product's shift came out wider than the register. */
describe("unsigned division of a number whose width is known", () => {
  const divisors = [3, 10, 255, 256, 257, 1000, 65535, 65537, 0x7fffffff, 0x80000001, 0xfffff001, 0xffffffff];
  for (const bits of [8, 16, 32]) {
    for (const operator of ["udiv", "urem"]) {
      it(`${operator} of ${bits} bits by every kind of constant`, () => {
        for (const divisor of divisors) {
          const widened = bits === 32 ? [] : [`  %wide = zext i${bits} %value to i32`];
          const text = [
            "define i64 @test(ptr %p) {",
            `  %value = load i${bits}, ptr %p, align 1`,
            ...widened,
            `  %result = ${operator} i32 ${bits === 32 ? "%value" : "%wide"}, ${divisor | 0}`,
            "  %long = zext i32 %result to i64",
            "  ret i64 %long",
            "}",
            "",
          ].join("\n");
          const module = parseIr(text);
          if (!module.ok) throw new Error(module.error[0]?.message);
          const object = generateObject(module.value, { cpuVersion: "v3" });
          if (!object.ok) throw new Error(object.error[0]?.message);
          for (let seed = 0; seed < 8; seed++) {
            const input = seed === 0 ? new Uint8Array(256).fill(255) : randomBuffer(seed);
            expect(runCompiled(object.value, input), `by ${divisor}, seed ${seed}`).toBe(
              interpretIr(module.value, input),
            );
          }
        }
      });
    }
  }
});
