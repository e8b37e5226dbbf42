import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadObject } from "../../engine/loader/load-object.ts";
import { run as compile } from "./compile.ts";
import { run as disasm } from "./disasm.ts";

const THREAD = new URL("../../demos/programs/thread.bpf.c", import.meta.url).pathname;
const folder = mkdtempSync(path.join(tmpdir(), "compile-"));
afterAll(() => rmSync(folder, { recursive: true }));

let out = "";
let errors = "";
beforeEach(() => {
  out = "";
  errors = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

function file(name: string, text: string): string {
  const full = path.join(folder, name);
  writeFileSync(full, text);
  return full;
}

describe("compile", () => {
  it("writes the object where it is told to", async () => {
    const target = path.join(folder, "thread.o");
    expect(await compile([THREAD, "-o", target, "--json"])).toBe(0);
    const line = JSON.parse(out) as { file: string; out: string; bytes: number; diagnostics: unknown[] };
    expect(out.startsWith('{"file":')).toBe(true);
    const object = readFileSync(target);
    expect(line).toMatchObject({ file: THREAD, out: target, bytes: object.length, diagnostics: [] });
    expect(loadObject(object, "thread.o").ok).toBe(true);
  });

  it("shows IR and assembly, which assembles again", async () => {
    expect(await compile([THREAD, "--emit", "ir"])).toBe(0);
    expect(out).toContain('target triple = "bpf"');
    out = "";
    expect(await compile([THREAD, "--emit=asm"])).toBe(0);
    const assembly = file("thread.s", out);
    expect(await compile([assembly, "-o", path.join(folder, "again.o")])).toBe(0);
    out = "";
    expect(await disasm([path.join(folder, "again.o")])).toBe(0);
    expect(out).toContain("map hmap {\n    type: hash\n");
  });

  it("includes files that stand beside the source", async () => {
    file("mine.h", '#include "deeper.h"\n');
    file("deeper.h", "#define ANSWER 42\n");
    expect(await compile([file("uses.c", '#include "mine.h"\nint f(void) { return ANSWER; }\n'), "--emit", "ir"])).toBe(
      0,
    );
    expect(out).toContain("ret i32 42");
  });

  it("says what is wrong with the program: exit 2, on stderr or as JSON", async () => {
    const wrong = file("wrong.bpf.c", "int f(void) { return x; }\n");
    expect(await compile([wrong])).toBe(2);
    expect(errors).toContain("wrong.bpf.c:1:22: error: use of undeclared identifier 'x'");
    expect(await compile([wrong, "--json"])).toBe(2);
    expect(JSON.parse(out)).toMatchObject({
      file: wrong,
      error: { stage: "compile", diagnostics: [{ severity: "error", span: { line: 1, column: 22 } }] },
    });
  });

  it("refuses bad usage and bad input: exit 2", async () => {
    expect(await compile([])).toBe(2);
    expect(await compile([THREAD, "--mcpu", "v9"])).toBe(2);
    expect(await compile([THREAD, "--emit", "tea"])).toBe(2);
    expect(await compile([THREAD, THREAD, "-o", "x"])).toBe(2);
    expect(await compile([path.join(folder, "absent.c")])).toBe(2);
    expect(await compile([file("text.txt", "")])).toBe(2);
    expect(await disasm([file("broken.o", "no object")])).toBe(2);
    expect(await disasm(["--unknown"])).toBe(2);
    expect(errors).toContain("usage:");
  });
});
