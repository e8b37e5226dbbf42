import { describe, expect, it } from "vitest";
import { answerAgain, readGeneratedCases } from "./generated-cases.ts";

/** `npm run oracle -- verifier --record` makes these cases, and every disagreement that it finds becomes one. */
describe("generated programs that Linux 6.18 has judged", () => {
  const cases = readGeneratedCases();

  it("cover hundreds of kinds of answer", () => {
    expect(new Set(cases.map((c) => c.answer.message.replace(/\d+/g, "N"))).size).toBeGreaterThan(200);
  });

  it("get the same verdict, errno, message, count and log from us", { timeout: 120_000 }, () => {
    const differing = cases.flatMap((c) => {
      const ours = answerAgain(c);
      return JSON.stringify(ours) === JSON.stringify(c.answer) ? [] : [{ name: c.name, ours, theirs: c.answer }];
    });
    expect(differing).toEqual([]);
  });
});
