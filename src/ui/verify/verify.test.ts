import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProgramReport, ProgramVariable, VariablePlace } from "../../protocol/engine-types.ts";
import { REPORT, VERIFIER } from "../dev/fixture.ts";
import { bandsOf } from "./bands.ts";
import { detailText, parseState, rangeText, shortState } from "./state-text.ts";
import { translatedLines } from "./TranslatedView.tsx";
import { knowledgeAt, locate, variablesIn, variablesNamed } from "./variables.ts";
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
  const known = (name: string, line: number) => knowledgeAt(program, VERIFIER, name, line);

  it("are those of the innermost block, on its lines alone", () => {
    expect(variablesNamed(program, "val", 35).map((v) => v.line)).toEqual([26]);
    expect(variablesNamed(program, "val", 3)).toEqual([]);
    expect(variablesNamed(program, "hmap", 35)).toEqual([]);
  });

  it("have what the verifier knew of their places, path by path", () => {
    expect(known("val", 35)?.before).toEqual([
      { where: "R6", state: "map_value_or_null: hmap, ks 4, vs 16, id 2", paths: [4] },
      // The trace of the fixture has no R6 on the first path.
      { where: "R6", state: null, paths: [0] },
    ]);
    expect(known("wait", 35)?.before).toContainEqual({ where: "R7", state: "3..6, bits (0x0; 0x7)", paths: [4] });
    expect(known("key", 33)?.before).toContainEqual({ where: "fp-8", state: "any bytes", paths: [4] });
    expect(known("nothing", 35)).toBeNull();
  });

  it("are said to be optimised out where they are", () => {
    expect(known("val", 32)).toMatchObject({ line: 32, before: [], lost: "optimised out" });
  });

  it("are told at the next line that has code", () => {
    expect(known("wait", 29)).toMatchObject({ line: 30 });
  });

  it("are named beside the register or slot that they are in", () => {
    expect(variablesIn(program, 16)).toEqual(
      new Map([
        ["R6", ["val"]],
        ["fp-8", ["key"]],
        ["R7", ["wait"]],
      ]),
    );
    expect(variablesIn(program, 34).get("R6")).toBeUndefined();
  });

  it("in memory and constants are told in words", () => {
    const [val] = variablesNamed(program, "val", 35) as [ProgramVariable];
    const at = (place: VariablePlace, variable = val) =>
      locate(
        variable,
        { first: 0, last: 9, place, bits: variable.size, signed: false, part: null },
        new Map([
          ["R1", "ctx()"],
          ["R6", "map_value(map=hmap,ks=4,vs=16,off=8)"],
          ["fp-16", "0000mmmm"],
        ]),
      );
    expect(at({ kind: "register", register: 6, add: 8n })?.state).toBe("map_value: hmap, ks 4, vs 16, off 8, + 8");
    expect(at({ kind: "stack", offset: -16, add: 0n })?.state).toBe("any bytes or zero");
    expect(at({ kind: "stack", offset: -12, add: 0n }, { ...val, size: 32 })?.state).toBe("zero");
    expect(at({ kind: "constant", value: 0xffff_ffffn }, { ...val, size: 32, encoding: "signed" })?.state).toBe("-1");
    expect(at({ kind: "symbol", symbol: "hmap", add: 0n })?.state).toBe("&hmap");
    expect(at({ kind: "pointee", address: { kind: "register", register: 1, add: 4n } })).toEqual({
      where: "memory at R1 + 4",
      state: "behind ctx",
    });
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
