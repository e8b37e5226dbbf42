import { describe, expect, it } from "vitest";
import type { StopPoints } from "../protocol/engine-types.ts";
import { hasBreakpoint, movedWithText, NO_STOPS, withBreakpoint, withWatch } from "./stops.ts";

const at = (...lines: number[]): StopPoints => ({
  breakpoints: lines.map((line) => ({ kind: "line", line })),
  watches: [],
});

describe("breakpoints", () => {
  it("are set and taken away by the same call", () => {
    const one = withBreakpoint(NO_STOPS, { kind: "line", line: 3 });
    const two = withBreakpoint(one, { kind: "insn", program: "p", insn: 3 });
    expect(two.breakpoints).toHaveLength(2);
    expect(hasBreakpoint(two, { kind: "insn", program: "p", insn: 3 })).toBe(true);
    expect(hasBreakpoint(two, { kind: "insn", program: "q", insn: 3 })).toBe(false);
    expect(withBreakpoint(two, { kind: "insn", program: "p", insn: 3 })).toEqual(one);
    const watch = { kind: "register", program: "p", register: 1 } as const;
    expect(withWatch(withWatch(NO_STOPS, watch), watch)).toEqual(NO_STOPS);
  });

  it.each([
    ["a line before them", "a\nb\nc", "a\nx\nb\nc", [1, 2, 3], [1, 3, 4]],
    ["a change of their own line", "a\nb\nc", "a\nbb\nc", [2], [2]],
    ["a line less before them", "a\nb\nc", "b\nc", [2, 3], [1, 2]],
    ["the loss of their line", "a\nb\nc", "a\nc", [2, 3], [2]],
    ["a line behind them", "a\nb", "a\nb\nc", [2], [2]],
    ["another text", "a\nb\nc\nd", "w\nx", [1, 4], [1]],
  ])("go with their text: %s", (_, before, after, lines, moved) => {
    expect(movedWithText(at(...lines), before, after)).toEqual(at(...moved));
  });
});
