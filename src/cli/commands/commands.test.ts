import { mkdtempSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { run as runCommand } from "./run.ts";
import { run as verifyCommand } from "./verify.ts";

const PROGRAMS = path.join(import.meta.dirname, "../../demos/programs");
const demo = (name: string) => path.join(PROGRAMS, name);
const folder = mkdtempSync(path.join(os.tmpdir(), "playground-cli-"));

function file(name: string, text: string | Uint8Array): string {
  const full = path.join(folder, name);
  writeFileSync(full, text);
  return full;
}

/** Exit code and what was written, of one command. */
async function call(command: (args: readonly string[]) => Promise<number>, ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => out.push(String(text)) > 0);
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => err.push(String(text)) > 0);
  try {
    const code = await command(args);
    return { code, out: out.join(""), err: err.join("") };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}
const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("verify", () => {
  it("gives one line of JSON a file, and the exit code of the worst", async () => {
    const { code, out, err } = await call(verifyCommand, "--json", demo("thread.bpf.c"), demo("stack-lock.bpf.c"));
    expect(code).toBe(1);
    expect(err).toBe("");
    const [accepted, refused] = lines(out);
    expect(Object.keys(accepted)).toEqual(["file", "programs", "maps"]);
    expect(Object.keys(accepted.programs[0])).toEqual([
      "name",
      "section",
      "type",
      "verdict",
      "errno",
      "errorLine",
      "log",
      "insnsProcessed",
      "xlated",
    ]);
    expect(accepted.programs[0]).toMatchObject({
      name: "bpf_timer_test",
      section: "xdp",
      type: "xdp",
      verdict: "accept",
      errno: null,
      errorLine: null,
    });
    expect(accepted.maps).toEqual([
      { name: "hmap", type: "hash", keySize: 4, valueSize: 16, maxEntries: 1, verdict: "accept", errno: null },
    ]);
    expect(refused.programs[0]).toMatchObject({ verdict: "reject", errno: "EACCES" });
    expect(refused.programs[0].log).toContain(refused.programs[0].errorLine);
  });

  it("says at which stage a file fails", async () => {
    const c = file("wrong.bpf.c", "int x = nonsense;\n");
    const o = file("wrong.o", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 2, 3));
    const { code, out } = await call(verifyCommand, "--json", c, o, path.join(folder, "missing.c"));
    expect(code).toBe(2);
    const failures = lines(out);
    expect(failures.map((f) => f.error.stage)).toEqual(["compile", "load", "compile"]);
    expect(failures[0].error.diagnostics[0]).toMatchObject({ severity: "error", span: { line: 1 } });
    expect(failures[0].error.message).toContain("undeclared identifier");
    expect(Object.keys(failures[1])).toEqual(["file", "error"]);
  });

  it("refuses what it does not know", async () => {
    expect((await call(verifyCommand)).code).toBe(2);
    expect(await call(verifyCommand, "--fast", "x.c")).toMatchObject({
      code: 2,
      err: "verify: unknown option --fast\n",
    });
    expect(await call(verifyCommand, "--log", "9", "x.c")).toMatchObject({ code: 2 });
  });

  it("writes the log that is asked for", async () => {
    const { out } = await call(verifyCommand, "--log", "2", demo("thread.bpf.c"));
    expect(out).toMatch(/^func#0 @0/);
    expect(out).toContain("call bpf_map_lookup_elem#1");
    expect(out).toMatch(/bpf_timer_test \(xdp, xdp\): accepted\n$/);
    expect((await call(verifyCommand, "--log", "0", demo("thread.bpf.c"))).out).toBe(
      "bpf_timer_test (xdp, xdp): accepted\n",
    );
  });
});

describe("run", () => {
  it("takes the script of the same name, and tells everything", async () => {
    const { code, out } = await call(runCommand, "--json", "--policy", "rfc", demo("thread.bpf.c"));
    expect(code).toBe(0);
    const [result] = lines(out);
    expect(Object.keys(result)).toEqual([
      "file",
      "commands",
      "expectations",
      "maps",
      "globals",
      "timers",
      "trace",
      "events",
      "oops",
    ]);
    expect(result.commands[1]).toEqual({ line: 3, text: "prog run bpf_timer_test", retval: 2, errno: null });
    expect(result.expectations[0]).toEqual({ line: 4, text: "expect retval == 2", ok: true, actual: "2" });
    expect(result.maps.hmap).toEqual([{ key: 0, value: { stuff: 130, timer: { timer: "armed" } } }]);
    expect(result.timers).toHaveLength(1);
    expect(result.oops).toBeNull();
  });

  it("exits with 1 when an expectation fails or a program is refused", async () => {
    const script = file("fails.user", "expect timers pending == 1\n");
    expect((await call(runCommand, "--json", "--script", script, demo("thread.bpf.c"))).code).toBe(1);
    const refused = await call(runCommand, "--json", demo("stack-timer.bpf.c"));
    expect(refused.code).toBe(1);
    expect(lines(refused.out)[0].programs[0].verdict).toBe("reject");
  });

  it("runs refused programs unverified, and tells of the oops", async () => {
    const { code, out } = await call(runCommand, "--json", "--unverified", demo("stack-timer.bpf.c"));
    expect(code).toBe(0);
    expect(lines(out)[0].oops).toMatchObject({ what: "dead-stack", place: { functionName: "timer_cb" } });
  });

  it("exits with 2 when a script is wrong, and says where", async () => {
    const script = file("wrong.user", "# first\nprog jump x\n");
    const { code, err } = await call(runCommand, "--script", script, demo("thread.bpf.c"));
    expect(code).toBe(2);
    expect(err).toContain(`${script}:2:6: error: prog is followed by`);
    expect((await call(runCommand, "--script", path.join(folder, "none.user"), demo("thread.bpf.c"))).code).toBe(2);
    expect((await call(runCommand, "--policy", "best", demo("thread.bpf.c"))).code).toBe(2);
    expect((await call(runCommand)).code).toBe(2);
  });

  it("is the same for the same seed, and on both engines", async () => {
    const args = ["--json", "--seed", "7", demo("flow-ageing.bpf.c")];
    const [a, b, c] = [
      await call(runCommand, ...args),
      await call(runCommand, ...args),
      await call(runCommand, "--engine", "jit", ...args),
    ];
    expect(b.out).toBe(a.out);
    expect(c.out).toBe(a.out);
  });
});
