import { expect, it } from "vitest";
import { parseIr } from "../ir/parse-ir.ts";
import { generateObject } from "./generate-object.ts";
import { interpretIr, randomBuffer, runCompiled } from "./testing/run.ts";

/** Found by random IR, seed 1613: the load extended its sign for a user that nobody wants, and the other one wants zeros. */
it("a load is not made for a user that is dead", () => {
  const module = parseIr(`define i64 @test(ptr %0) {
  %2 = load i8, ptr %0, align 1
  %3 = zext i8 %2 to i64
  %4 = sext i8 %2 to i64
  %5 = add i64 %3, 1
  ret i64 %5
}
`);
  if (!module.ok) throw new Error(module.error[0]?.message);
  const object = generateObject(module.value, { cpuVersion: "v4" });
  if (!object.ok) throw new Error(object.error[0]?.message);
  const input = randomBuffer(1);
  input[0] = 0xd0;
  expect(runCompiled(object.value, input)).toBe(interpretIr(module.value, input));
});
