import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { readElf } from "../elf/read.ts";
import type { IrModule } from "../ir/module.ts";
import { parseIr } from "../ir/parse-ir.ts";
import { loadObject } from "../loader/load-object.ts";
import { generateObject } from "./generate-object.ts";
import type { CpuVersion } from "./select/module-context.ts";
import { interpretIr, randomBuffer, runCompiled } from "./testing/run.ts";

/** IR that clang made of the C programs in corpus/; `src/cli/record-corpus.ts` records it. */
const recorded = JSON.parse(
  new TextDecoder().decode(gunzipSync(readFileSync(new URL("./corpus/recorded-ir.json.gz", import.meta.url)))),
) as Record<string, string>;
const names = Object.keys(recorded);

/** Corpus files whose programs take a buffer and need no kernel. */
const PURE = /^(arithmetic|builtins|hashes|control|memory|relaxed) /;
const INPUTS = 3;
/** Programs whose frame at -O0 is larger than BPF's, as with LLVM. */
const TOO_LARGE = new Set(["hashes O0"]);

function module(name: string): IrModule {
  const parsed = parseIr(recorded[name] as string);
  if (!parsed.ok) throw new Error(`${name}: ${parsed.error[0]?.message}`);
  return parsed.value;
}

function compile(name: string, cpuVersion: CpuVersion): Uint8Array {
  const object = generateObject(module(name), { cpuVersion });
  if (!object.ok) throw new Error(`${name}: ${object.error.map((d) => d.message).join("; ")}`);
  return object.value;
}

function entries(ir: IrModule): string[] {
  return ir.functions.filter((f) => f.section === "syscall").map((f) => f.name);
}

/** llc's object of the same IR; null when llc is not on the machine or gives up. */
function llcObject(ir: string): Uint8Array | null {
  const work = mkdtempSync(path.join(tmpdir(), "corpus-"));
  try {
    writeFileSync(path.join(work, "a.ll"), ir);
    const args = ["-march=bpf", "-mcpu=v3", "-filetype=obj", "-o", path.join(work, "a.o"), path.join(work, "a.ll")];
    execFileSync("llc-22", args, { stdio: "ignore" });
    return readFileSync(path.join(work, "a.o"));
  } catch {
    return null;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

describe("C programs of the corpus", () => {
  for (const name of names.filter((n) => !TOO_LARGE.has(n))) {
    it(`compiles ${name} to an object that loads, the same each time`, () => {
      const object = compile(name, "v3");
      expect(readElf(object).ok).toBe(true);
      expect(compile(name, "v3")).toEqual(object);
      const loaded = loadObject(object, "corpus.bpf.o");
      expect(loaded.ok ? [] : loaded.error.map((d) => d.message)).toEqual([]);
    });
  }

  for (const name of names.filter((n) => PURE.test(n) && !TOO_LARGE.has(n))) {
    it(`gives ${name} the meaning of its IR`, () => {
      const ir = module(name);
      for (const cpuVersion of ["v3", "v4"] as const) {
        const object = compile(name, cpuVersion);
        for (const entry of entries(ir)) {
          for (let seed = 1; seed <= INPUTS; seed++) {
            const input = randomBuffer(seed);
            const expected = interpretIr(ir, input, entry, 32);
            expect(runCompiled(object, input, entry, 32), `${entry} ${cpuVersion} seed ${seed}`).toBe(expected);
          }
        }
      }
    });
  }

  it("agrees with llc", ({ skip }) => {
    if (llcObject("define i32 @f() {\n  ret i32 0\n}\n") === null) skip("llc-22 is not on this machine");
    for (const name of names.filter((n) => PURE.test(n) && n.endsWith("O2"))) {
      const judge = llcObject(recorded[name] as string);
      if (judge === null) continue;
      const object = compile(name, "v3");
      for (const entry of entries(module(name))) {
        for (let seed = 1; seed <= INPUTS; seed++) {
          const input = randomBuffer(seed);
          const expected = runCompiled(judge, input, entry, 32);
          expect(runCompiled(object, input, entry, 32), `${name} ${entry} seed ${seed}`).toBe(expected);
        }
      }
    }
  }, 60_000);
});
