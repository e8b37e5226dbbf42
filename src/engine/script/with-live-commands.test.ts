import { describe, expect, it } from "vitest";
import { type LiveCommand, withLiveCommands } from "./with-live-commands.ts";

const MS = 1_000_000;

const given = (text: string, at: number, afterLine: number, more: Partial<LiveCommand> = {}): LiveCommand => ({
  text,
  at,
  afterLine,
  advances: false,
  end: at,
  errno: null,
  ...more,
});

describe("a script with the commands that were given live", () => {
  const script = "prog run arm\nadvance 50ms # wait\nmap lookup m 0\n";
  const ends = new Map([
    [1, { end: 0, advances: false }],
    [2, { end: 50 * MS, advances: true }],
    [3, { end: 50 * MS, advances: false }],
  ]);

  it("gets them behind its end, at their times", () => {
    const live = [given("map update m 0 {}", 62.5 * MS, 3), given("map delete m 0", 62.5 * MS, 3)];
    expect(withLiveCommands(script, live, ends)).toBe(
      `${script}# Given while the script ran:\nadvance 12500us\nmap update m 0 {}\nmap delete m 0\n`,
    );
  });

  it("divides an advance within which one was given", () => {
    const live = [given("map delete m 0", 20 * MS, 2, { errno: "ENOENT" })];
    expect(withLiveCommands(script, live, ends)).toBe(
      "prog run arm\n# advance 50ms # wait, divided by what was given meanwhile:\nadvance 20ms\nmap delete m 0\n" +
        "expect errno == ENOENT\nadvance 30ms\nmap lookup m 0\n",
    );
  });

  it("lets time pass where a live command did, also around another one", () => {
    const live = [
      given("advance 10ms", 60 * MS, 3, { advances: true, end: 70 * MS }),
      given("prog run arm", 63 * MS, 3),
    ];
    expect(withLiveCommands(script, live, ends)).toBe(
      `${script}# Given while the script ran:\nadvance 10ms\nadvance 3ms\nprog run arm\nadvance 7ms\n`,
    );
  });

  it("keeps a script without any, and one without a line break at its end", () => {
    expect(withLiveCommands(script, [], ends)).toBe(script);
    expect(withLiveCommands("", [given("exit", 5, 0)], new Map())).toBe(
      "# Given while the script ran:\nadvance 5ns\nexit\n",
    );
    expect(withLiveCommands("exit", [given("map dump m", 0, 1)], new Map([[1, { end: 0, advances: false }]]))).toBe(
      "exit\n# Given while the script ran:\nmap dump m\n",
    );
  });
});
