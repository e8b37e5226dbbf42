import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProgramReport } from "../../protocol/engine-types.ts";
import { PROGRAM, REPORT, VERIFIER } from "../dev/fixture.ts";
import { bandsOf } from "./bands.ts";
import { detailText, parseState, rangeText, shortState } from "./state-text.ts";
import { translatedLines } from "./TranslatedView.tsx";
import { assignedOn, holdsVariables, knowledgeOf } from "./variables.ts";
import { defaultPath, lostAt, walkOf, writtenAt } from "./walk.ts";

const program = (REPORT.ok ? REPORT.programs[0] : undefined) as ProgramReport;

describe("state text", () => {
  it("reads the verifier's own text of a register", () => {
    const parsed = parseState("scalar(smin=umin=smin32=umin32=3,smax=umax=smax32=umax32=6,var_off=(0x0; 0x7))");
    expect(parsed.scalar).toMatchObject({ umin: 3n, umax: 6n, mask: 7n, value: 0n });
    expect(rangeText(parsed.scalar!)).toBe("3..6");
    expect(shortState("scalar()")).toBe("scalar");
    expect(shortState("-1")).toBe("0xffffffffffffffff");
    expect(shortState("map_value_or_null(id=2,map=hmap,ks=4,vs=16)")).toBe("map_value_or_null id=2");
    expect(detailText(parseState("map_value(map=hmap,ks=4,vs=16,off=8)"))).toBe("hmap, ks 4, vs 16, off 8");
    expect(parseState("mmmm????").type).toBe("mmmm????");
    expect(parseState("Pscalar(umax=7)").scalar?.umax).toBe(7n);
  });

  it("never fails, whatever the text (seeded)", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        expect(typeof shortState(text)).toBe("string");
        expect(typeof detailText(parseState(text))).toBe("string");
      }),
      { seed: 11 },
    );
  });
});

describe("walk", () => {
  const path = defaultPath(VERIFIER);
  const walk = walkOf(VERIFIER, program, path);

  it("goes from the entry over the branch to the refusal", () => {
    expect(path).toBe(4);
    expect(walk.map((s) => s.insn)).toEqual(program.rejection?.path);
    expect(walk.filter((s) => s.jumpedFrom !== null).map((s) => [s.jumpedFrom, s.insn])).toEqual([
      [14, 33],
      [47, 15],
    ]);
  });

  it("begins a callback at its own start", () => {
    expect(walkOf(VERIFIER, program, 3).map((s) => s.insn)).toEqual([48, 49, 50, 51, 52, 60]);
  });

  it("knows where a value was written and where it was lost", () => {
    const last = walk.length - 1;
    expect(walk[writtenAt(walk, last, "R6")]?.insn).toBe(46);
    expect(writtenAt(walk, last, "R10")).toBe(-1);
    const path1 = walkOf(VERIFIER, program, 0);
    expect(path1[lostAt(path1, path1.length - 1, "R1")]?.insn).toBe(1);
    expect(lostAt(path1, path1.length - 1, "R9")).toBe(-1);
  });

  it("gives neighbouring lines different bands", () => {
    const bands = [...bandsOf(program)].sort(([a], [b]) => a - b).map(([, band]) => band);
    for (let i = 1; i < bands.length; i++) expect(bands[i]).not.toBe(bands[i - 1]);
  });
});

describe("variables", () => {
  it.each([
    ["val = bpf_map_lookup_elem(&hmap, &key);", "val"],
    ["    __u64 wait = 3 + key;", "wait"],
    ["x += y;", "x"],
    ["if (a == b) return;", null],
    ["a = 1; b = 2;", null],
    ["val->stuff = 3;", null],
    ['bpf_printk("x = %d", x);', null],
    ["// x = 1", null],
    ["r6 += 8", null],
  ])("%s assigns %s", (text, name) => expect(assignedOn(text, 1)).toBe(name));

  it("says what the verifier knew of a variable at a line", () => {
    const walk = walkOf(VERIFIER, program, 4);
    expect(knowledgeOf("val", 35, walk, PROGRAM)).toMatchObject({ where: "R6", line: 33 });
    expect(knowledgeOf("nothing", 35, walk, PROGRAM)).toBeNull();
    expect(knowledgeOf("val", 3, walk, PROGRAM)).toBeNull();
    expect(holdsVariables("R1")).toBe(false);
  });
});

describe("translated program", () => {
  it("says which argument is hidden", () => {
    const lines = translatedLines({
      disassembly: [
        { insn: 0, text: "call bpf_timer_set_callback#170", file: "a.c", line: 1, state: "verified" },
        { insn: 1, text: "call bpf_map_lookup_elem#1", file: "a.c", line: 2, state: "verified" },
        { insn: 2, text: "exit", file: "a.c", line: 3, state: "verified" },
      ],
      xlated: [
        { text: "(b7) r0 = 0", origin: null },
        { text: "(18) r3 = 0xffff8881", origin: 0 },
        { text: "(85) call bpf_timer_set_callback#170", origin: 0 },
        { text: "(07) r1 += 328", origin: 1 },
        { text: "(61) r0 = *(u32 *)(r2 +0)", origin: 1 },
        { text: "(95) exit", origin: 2 },
      ],
    });
    expect(lines.map((l) => l.note)).toEqual([
      "added",
      "hidden argument: this program",
      null,
      "in place of bpf_map_lookup_elem",
      "in place of bpf_map_lookup_elem",
      null,
    ]);
  });
});
