import { describe, expect, it } from "vitest";
import { EVENTS, SNAPSHOT } from "../dev/fixture.ts";
import { formatClock, formatMoment, formatSpan, formatTick, momentDecimals, plural } from "./format.ts";
import { keyFromHex, namesOf, parseElementId, shorten, valueText } from "./names.ts";
import { EVENT_GROUPS, glyphOf, groupOf, plainSentence } from "./sentences.ts";

describe("times", () => {
  it.each([
    [800, "800 ns"],
    [12_500, "12.5 µs"],
    [3_200_000, "3.2 ms"],
    [34_480_000, "34.48 ms"],
    [15e9, "15 s"],
    [900e9, "15 min"],
    [-5_000_000, "−5 ms"],
  ])("span of %i ns is %s", (ns, text) => expect(formatSpan(ns)).toBe(text));

  it("shows a moment with as many decimals as it or its column needs", () => {
    expect(formatMoment(32e6)).toBe("32.0");
    expect(formatMoment(32_125_000)).toBe("32.125");
    expect(formatMoment(32e6, 3)).toBe("32.000");
    expect([32e6, 32_250_000, 32_125_000].map(momentDecimals)).toEqual([1, 2, 3]);
  });

  it("changes the clock to seconds when milliseconds no longer fit", () => {
    expect(formatClock(44_800_000)).toEqual({ text: "44.800", unit: "ms" });
    expect(formatClock(123e9)).toEqual({ text: "123.000", unit: "s" });
    expect(formatTick(15_120_000, 40_000)).toBe("15.12");
    expect(plural(1, "path")).toBe("1 path");
    expect(plural(1234, "path")).toBe("1 234 paths");
  });
});

describe("names", () => {
  const names = namesOf(SNAPSHOT, EVENTS);

  it("reads ids in all their spellings", () => {
    for (const id of ["2:01000000", "element:2:01000000", "t:2:01000000", "timer:2:01000000"])
      expect(parseElementId(id)).toEqual({ map: 2, keyHex: "01000000" });
    expect(names.element("t:2:01000000")).toBe("hmap[1]");
    expect(names.node("timer:2:01000000")).toBe("timer of hmap[1]");
    expect(names.node("pin:/sys/fs/bpf/x")).toBe("/sys/fs/bpf/x");
  });

  it("names what is gone as its creation did", () => {
    const later = namesOf({ ...SNAPSHOT, maps: [], programs: [], graph: { nodes: [], edges: [], leaks: [] } }, EVENTS);
    expect(later.element("2:02000000")).toBe("hmap[2]");
    expect(later.program(3)).toBe("arm");
    expect(later.program(9)).toBe("program 9");
  });

  it("reads keys little-endian", () => {
    expect(keyFromHex("00010000")).toBe("256");
    expect(keyFromHex("")).toBe("");
    expect(keyFromHex("00".repeat(20))).toMatch(/^0x0+…$/);
  });

  it("writes values as the script does, without what cannot be written", () => {
    const row = SNAPSHOT.maps[0]?.rows[0];
    expect(row && valueText(row.value)).toBe("{stuff: 1}");
    expect(valueText({ kind: "array", typeName: "char[4]", items: [], text: 'a"b' })).toBe('"a\\"b"');
  });

  it("keeps a key whole when a name is too long", () => {
    expect(shorten("flows_of_a_rather_long_name[128]", 16)).toBe("flows_of_a…[128]");
    expect(shorten("hmap[0]", 16)).toBe("hmap[0]");
  });
});

describe("sentences", () => {
  const names = namesOf(SNAPSHOT, EVENTS);

  it("gives every event a sentence, a group that the filter offers, and a glyph", () => {
    for (const event of EVENTS) {
      expect(plainSentence(event, names)).toMatch(/\S/);
      expect(EVENT_GROUPS.map((g) => g.id)).toContain(groupOf(event));
      expect(glyphOf(event)).toBeTruthy();
    }
  });

  it("says failures with the kernel's errno", () => {
    const base = { seq: 0, at: 0, cpu: 0 };
    expect(
      plainSentence(
        { ...base, kind: "timer-init", timer: "t:2:00000000", clock: "monotonic", retval: -16, errno: "EBUSY" },
        names,
      ),
    ).toBe("hmap[0] not initialised = −EBUSY");
    expect(plainSentence({ ...base, kind: "leak", loop: ["prog:3", "map:2"] }, names)).toBe(
      "Leak: nothing outside holds arm → hmap",
    );
  });
});
