import { readFileSync } from "node:fs";
import { gunzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import type { IrModule } from "../ir/module.ts";
import { parseIr } from "../ir/parse-ir.ts";
import { compileModule } from "./compile-module.ts";
import { withRecords } from "./testing/add-records.ts";
import { type CheckedModule, checkVariables, compileForCheck, makeCheck } from "./testing/check-variables.ts";
import { randomIr } from "./testing/random-ir.ts";
import { randomBuffer } from "./testing/run.ts";

const recorded = JSON.parse(
  new TextDecoder().decode(gunzipSync(readFileSync(new URL("./corpus/recorded-ir.json.gz", import.meta.url)))),
) as Record<string, string>;
const PURE = /^(arithmetic|builtins|hashes|control|memory|relaxed) /;
/** Programs whose frame at -O0 is larger than BPF's, as with LLVM. */
const TOO_LARGE = new Set(["hashes O0"]);

function read(text: string): IrModule {
  const parsed = parseIr(text);
  if (!parsed.ok) throw new Error(parsed.error[0]?.message);
  return parsed.value;
}

function withoutRecords(module: IrModule): IrModule {
  const functions = module.functions.map((fn) => ({
    ...fn,
    blocks: fn.blocks.map((block) => ({ ...block, records: [] })),
  }));
  return { ...module, functions };
}

describe("the table of variables", () => {
  for (const name of Object.keys(recorded).filter((n) => PURE.test(n) && !TOO_LARGE.has(n))) {
    it(`says where the variables of ${name} are`, () => {
      const ir = read(recorded[name] as string);
      const check = makeCheck();
      for (const cpuVersion of ["v3", "v4"] as const) {
        const checked = compileForCheck(ir, cpuVersion) as CheckedModule;
        for (const fn of ir.functions.filter((f) => f.section === "syscall")) {
          checkVariables(checked, fn.name, randomBuffer(1), check);
        }
      }
      expect(check.wrong.slice(0, 10)).toEqual([]);
      // Before half of the slots at least, a variable that is in scope has a place.
      expect(check.asked.told / check.asked.all).toBeGreaterThan(0.5);
    });
  }

  const first = Number(process.env["IR_SEED"] ?? 1);
  const count = Number(process.env["IR_COUNT"] ?? 40);
  for (const cpuVersion of ["v3", "v4"] as const) {
    it(`says where the variables of ${count} random functions are, from seed ${first} at ${cpuVersion}`, () => {
      const check = makeCheck();
      for (let seed = first; seed < first + count && check.wrong.length === 0; seed++) {
        const checked = compileForCheck(withRecords(read(randomIr(seed, 4 + (seed % 40))), seed), cpuVersion);
        // Some need more than 512 bytes of stack.
        if (checked === null) continue;
        checkVariables(checked, "test", randomBuffer(seed), check);
        if (check.wrong.length > 0) check.wrong.unshift(`seed ${seed}`);
      }
      if (process.env["SHOW"]) console.log(cpuVersion, check.compared, check.asked, check.wrong.length);
      expect(check.wrong.slice(0, 10)).toEqual([]);
      expect(check.compared.get("register")).toBeGreaterThan(10 * count);
    });
  }

  it("changes no instruction", () => {
    for (const [name, text] of Object.entries(recorded)) {
      if (TOO_LARGE.has(name)) continue;
      const ir = read(text);
      const code = (module: IrModule): unknown => {
        const compiled = compileModule(module, "v3");
        if (!compiled.ok) throw new Error(`${name}: ${compiled.error[0]?.message}`);
        return compiled.value.functions.map(({ insns, references, lines }) => ({ insns, references, lines }));
      };
      expect(code(ir), name).toEqual(code(withoutRecords(ir)));
    }
  });
});
