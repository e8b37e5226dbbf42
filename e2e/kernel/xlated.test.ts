import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { verify } from "../../src/engine/verifier/verify.ts";
import { loadCase, readCases } from "./case-program.ts";
import { normaliseXlated } from "./xlated-compare.ts";
import {
  calledFunction,
  FIELD_OWNERS,
  fieldLines,
  fieldProbe,
  helperProbe,
  ourProbe,
  PROBE_TYPES,
  probeMap,
  type RecordedProbes,
} from "./xlated-probes.ts";

const cases = readCases("verifier-cases-paths");
const all = new Map(cases.map((c) => [c.name, c]));

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
      (NEWER_WORDS[name] ?? []).reduce((text, [from, to]) => text.replace(from, to), normaliseXlated(line)),
    );
    expect(result.program.xlated().map((line) => normaliseXlated(line.text))).toEqual(theirs);
  });
});

const probes = JSON.parse(
  readFileSync(new URL("./cases/xlated-probes.json", import.meta.url), "utf8"),
) as RecordedProbes;

/** Our dump of a probe; null when we do not accept it. */
function dumpOf(of: (typeof PROBE_TYPES)[number], insns: ReturnType<typeof helperProbe>): string[] | null {
  const result = verify(ourProbe(of, insns), { mapByFd: probeMap, cpus: 2 }, { logLevel: 0, trace: false });
  return result.verdict === "accept" ? result.program.xlated().map((line) => line.text) : null;
}

describe("what Linux calls and loads, as it was recorded with bpftool", () => {
  it.each(Object.entries(probes.helpers))("%s", (helper, byType) => {
    const ours: Record<string, string> = {};
    for (const of of PROBE_TYPES.filter(({ type }) => type in byType)) {
      const dump = dumpOf(of, helperProbe(helper, 1)) ?? dumpOf(of, helperProbe(helper, 0));
      if (dump !== null) ours[of.type] = calledFunction(dump) ?? "";
    }
    expect(ours).toEqual(byType);
  });

  it.each(FIELD_OWNERS.map((f) => [f.name, f] as const))("fields of %s", (name, { owner, of }) => {
    const recorded = probes.fields[name] ?? {};
    const ours: Record<string, string> = {};
    for (const key of Object.keys(recorded)) {
      const [offset, size] = key.split(" ").map(Number) as [number, number];
      const dump = dumpOf(of, fieldProbe(owner, offset, size));
      ours[key] = dump === null ? "not accepted" : fieldLines(owner, dump);
    }
    expect(ours).toEqual(recorded);
  });
});
