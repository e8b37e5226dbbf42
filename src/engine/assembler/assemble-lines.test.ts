import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { assembleLines } from "./assemble-lines.ts";

interface Case {
  readonly name: string;
  readonly program: readonly string[];
}

const FILES = ["verifier-cases-calls", "verifier-cases-paths", "verifier-cases-values", "timer-cases"];
const CASES = FILES.flatMap((file) => {
  const url = new URL(`../../../e2e/kernel/cases/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as Case[]).map((c) => ({ ...c, file }));
});

describe("assembleLines", () => {
  it("assembles every program of the recorded cases", () => {
    // `@name` stands for the program of another case.
    const own = CASES.filter((c) => !c.program.some((line) => line.startsWith("@")));
    const refused = own.flatMap((c) => {
      const result = assembleLines(c.program);
      return result.ok ? [] : [`${c.file} ${c.name}: ${result.error[0]?.message}`];
    });
    expect(own.length).toBeGreaterThan(1400);
    expect(refused).toEqual([]);
  });

  it("resolves labels, calls and function addresses", () => {
    const result = assembleLines([
      "main prog:",
      "r2 = func[cb] ll",
      "if r2 == 0 goto out",
      "call sub",
      "out:",
      "exit",
      "static sub:",
      "exit",
      "static cb:",
      "call bpf_ktime_get_ns",
      "exit",
    ]);
    expect(result.ok && result.value.insns).toEqual([
      { opcode: 0x18, dst: 2, src: 4, off: 0, imm: 5 },
      { opcode: 0, dst: 0, src: 0, off: 0, imm: 0 },
      { opcode: 0x15, dst: 2, src: 0, off: 1, imm: 0 },
      { opcode: 0x85, dst: 0, src: 1, off: 0, imm: 1 },
      { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 },
      { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 },
      { opcode: 0x85, dst: 0, src: 0, off: 0, imm: 5 },
      { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 },
    ]);
  });

  it("says at its place what is wrong", () => {
    const result = assembleLines([
      "r1 = r11",
      "if r1 == 0 goto nowhere",
      "  r1 = w2",
      "call bpf_nothing",
      "frobnicate",
    ]);
    expect(result.ok ? [] : result.error.map((d) => `${d.span?.line}:${d.span?.column} ${d.message}`)).toEqual([
      "1:6 there is no register r11: r0 to r10, w0 to w10",
      "3:8 expected a 64-bit register here",
      "5:1 there is no instruction 'frobnicate'",
      "2:17 there is no label 'nowhere'",
      "4:6 there is no function or helper 'bpf_nothing'",
    ]);
  });
});
