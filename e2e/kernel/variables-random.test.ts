import { expect, it } from "vitest";
import { nodeCompiler } from "../../src/cli/node-compiler.ts";
import {
  type CheckedModule,
  checkVariables,
  compileForCheck,
  makeCheck,
} from "../../src/engine/codegen/testing/check-variables.ts";
import { randomC } from "../../src/engine/codegen/testing/random-c.ts";
import { randomBuffer } from "../../src/engine/codegen/testing/run.ts";
import { parseIr } from "../../src/engine/ir/parse-ir.ts";

/**
 * clang's own debug records of random C: what the table of variables says before every instruction, against what the records say
 * when the IR is interpreted. `C_SEED` and `C_COUNT` ask for others.
 */
const FIRST = Number(process.env["C_SEED"] ?? 1);
const COUNT = Number(process.env["C_COUNT"] ?? 12);
/** Programs in one translation unit. */
const UNIT = 4;

for (const optimization of ["O0", "O1", "O2"] as const) {
  it(`variables of ${COUNT} random C programs from seed ${FIRST} at ${optimization}`, {
    timeout: 600_000,
  }, async () => {
    const compiler = await nodeCompiler();
    const check = makeCheck();
    for (let seed = FIRST; seed < FIRST + COUNT && check.wrong.length === 0; seed += UNIT) {
      const seeds = Array.from({ length: UNIT }, (_, i) => seed + i);
      const source = { file: "random.bpf.c", text: randomC(seeds) };
      const { ir } = await compiler.compile(source, { cpuVersion: "v3", optimization });
      const module = parseIr(ir ?? "");
      if (!module.ok) throw new Error(module.error[0]?.message);
      for (const cpuVersion of ["v3", "v4"] as const) {
        const checked: CheckedModule | null = compileForCheck(module.value, cpuVersion);
        if (checked === null) continue;
        for (const one of seeds) checkVariables(checked, `p${one}`, randomBuffer(one), check);
      }
      if (check.wrong.length > 0) check.wrong.unshift(`seeds ${seeds.join(", ")}`);
    }
    if (process.env["SHOW"]) console.log(optimization, check.compared, check.asked);
    expect(check.wrong.slice(0, 10)).toEqual([]);
    expect([...check.compared.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(100 * COUNT);
  });
}
