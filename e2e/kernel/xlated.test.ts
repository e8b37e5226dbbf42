import { describe, expect, it } from "vitest";
import { verify } from "../../src/engine/verifier/verify.ts";
import { loadCase, readCases } from "./case-program.ts";

const cases = readCases("verifier-cases-paths");
const all = new Map(cases.map((c) => [c.name, c]));

/** Map ids, addresses, symbol offsets and tags depend on the machine. */
function normalise(line: string): string {
  return line
    .trim()
    .replace(/#(OFF|0xADDR|0x0|bpf_prog_\w+)$/, "")
    .replace(/map\[id:\w+\]/, "map[id:ID]")
    .replace(/(\(18\) r\d+ = )(0xADDR|prog|jiffies)$/, "$1ADDRESS")
    .replace(/bpf_tail_call#12/, "bpf_tail_call");
}

/** The dump was made by a bpftool that knew neither signed division nor gotol; its text for them is put right here. */
const NEWER_WORDS: Readonly<Record<string, readonly (readonly [RegExp, string])[]>> = {
  xl_sdiv64_x: [[/r0 \/= r1/, "r0 s/= r1"]],
  xl_sdiv32_x: [[/w0 \/= w1/, "w0 s/= w1"]],
  xl_smod64_x: [[/r0 %= r1/, "r0 s%= r1"]],
  xl_smod32_x: [[/w0 %= w1/, "w0 s%= w1"]],
  xl_gotol: [[/if w0 jmp 0x1 goto pc\+0/, "gotol pc+1"]],
};

describe("the rewritten program equals what bpftool dumped", () => {
  it.each(cases.filter((c) => c.xlated !== undefined).map((c) => [c.name, c] as const))("%s", (name, recorded) => {
    const load = loadCase(recorded, all)!;
    const result = verify(load.program, load.env, { logLevel: 0, trace: false });
    if (result.verdict !== "accept") throw new Error(`${result.verdict}`);
    const theirs = recorded.xlated!.map((line) =>
      (NEWER_WORDS[name] ?? []).reduce((text, [from, to]) => text.replace(from, to), normalise(line)),
    );
    expect(result.program.xlated().map((line) => normalise(line.text))).toEqual(theirs);
  });
});
