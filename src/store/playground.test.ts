import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS as ENGINE_SETTINGS } from "../engine/session/types.ts";
import type { PrecompiledBuild } from "../protocol/compiler.ts";
import { DEFAULT_SETTINGS } from "./initial-state.ts";
import { compilerPort, openPage, precompile, type TestPage } from "./testing/page.ts";
import type { PlaygroundState } from "./types.ts";

let precompiled: PrecompiledBuild[];
let page: TestPage;

beforeAll(async () => {
  precompiled = await precompile(["thread", "stack-timer", "delete-armed"]);
});
afterEach(() => page.playground.close());

const cell = (state: PlaygroundState, map: string, column: number): string => {
  const value = state.run.snapshot?.maps.find((m) => m.name === map)?.rows[0]?.value;
  const member = value?.kind === "struct" ? value.members[column]?.value : undefined;
  return member?.kind === "scalar" ? member.text : (member?.kind ?? "none");
};
const fired = (state: PlaygroundState) => state.run.events.filter((e) => e.kind === "timer-fire").length;
const bad = { object: null, milliseconds: 1, diagnostics: [{ severity: "error" as const, message: "no" }] };

describe("the playground", () => {
  it("knows the engine's default settings", () => {
    page = openPage({ precompiled });
    expect(DEFAULT_SETTINGS).toEqual(ENGINE_SETTINGS);
  });

  it("opens with the thread's program running", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    page.playground.actions.setSpeed(1e9);
    const state = await page.until((s) => fired(s) >= 2, "two expiries");
    expect(state.source.demo).toBe("thread");
    expect(state.run.status).toBe("running");
    expect(Number(cell(state, "hmap", 0))).toBeGreaterThanOrEqual(124);
    expect(state.run.events.every((e, i) => e.seq === i)).toBe(true);
  });

  it("refuses a program while the older one runs on, and takes it back", async () => {
    page = openPage({
      precompiled,
      openCompiler: () =>
        compilerPort((text) => ({
          ...bad,
          ...(text.includes("stack") ? { object: precompiled[1]?.object ?? null, diagnostics: [] } : {}),
        })),
    });
    await page.playground.start("");
    const { actions } = page.playground;
    actions.setSpeed(1e9);
    await page.until((s) => fired(s) >= 1, "an expiry");
    actions.editProgram("does not compile");
    await page.until((s) => s.build.report?.ok === false && s.build.runningOlder, "a compile error");
    const before = fired(page.state());
    await page.until((s) => fired(s) > before, "the older run goes on");
    actions.editProgram("the stack timer");
    const refused = await page.until((s) => s.build.report?.ok === true && !s.build.report.runnable, "a refusal");
    expect(refused.build.runningOlder).toBe(true);
    actions.inspectProgram("bad_ebpf_code");
    expect((await page.until((s) => s.verifier !== null, "states")).verifier?.program).toBe("bad_ebpf_code");
    actions.openDemo("delete-armed");
    await page.until((s) => !s.build.runningOlder && s.run.events.some((e) => e.kind === "timer-arm"), "another demo");
    expect(page.state().verifier).toBeNull();
  });

  it("pauses, steps both ways, seeks and follows", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    const { actions } = page.playground;
    actions.setSpeed(1e9);
    await page.until((s) => fired(s) >= 2, "two expiries");
    actions.pause();
    await page.until((s) => s.run.status === "paused", "a pause");
    const end = page.state().run.events.length;
    actions.stepEvent(-1);
    await page.until((s) => s.run.position < end && !s.run.following, "one back");
    actions.seek(20);
    actions.seek(12);
    await page.until((s) => s.run.position >= 12 && s.run.position < 18, "a moment");
    expect(page.state().run.events.length).toBe(end);
    actions.nextTimer();
    await page.until((s) => s.run.events[s.run.position - 1]?.kind === "timer-fire", "the next expiry");
    actions.followNow();
    await page.until((s) => s.run.position === end && s.run.following, "now");
    actions.stepEvent(1);
    await page.until((s) => s.run.events.length > end, "a new event");
    actions.stepInstruction();
    await page.until((s) => s.run.snapshot?.cpus.some((c) => c.state !== "idle") === true, "an instruction");
    actions.restart();
    await page.until((s) => s.run.status === "running" && s.run.events.length < end, "a fresh start");
  });

  it("gives commands now, and says what failed", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    const { actions } = page.playground;
    await page.until((s) => cell(s, "hmap", 0) === "123", "the script's commands");
    actions.command("map update hmap 0 {stuff: 55}");
    await page.until((s) => cell(s, "hmap", 0) === "55", "the update");
    actions.command("map delete hmap 4");
    expect((await page.until((s) => s.run.commandError !== null, "a failure")).run.commandError?.errno).toBe("ENOENT");
    actions.command("mop the floor");
    await page.until((s) => s.run.commandError?.errno === "EINVAL", "a command that is none");
    expect(
      page
        .state()
        .run.script.commands.filter((c) => c.line === 0)
        .map((c) => c.text),
    ).toEqual(["map update hmap 0 {stuff: 55}", "map delete hmap 4"]);
  });

  it("shares a moment, and opens at it", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    const { actions } = page.playground;
    actions.setSpeed(1e9);
    await page.until((s) => fired(s) >= 2, "two expiries");
    actions.seek(18);
    const { run } = await page.until((s) => !s.run.following && s.run.position < 25, "a moment");
    const shown = JSON.stringify(run.snapshot);
    const { url } = await actions.share();
    page.playground.close();
    page = openPage({ precompiled });
    await page.playground.start(url.slice(url.indexOf("#")));
    const state = await page.until((s) => s.run.position === run.position, "the same moment");
    expect(JSON.stringify(state.run.snapshot)).toBe(shown);
    expect(state.run.status).toBe("paused");
  });

  it("answers a hostile link with a banner, and opens as ever", async () => {
    page = openPage({ precompiled });
    await page.playground.start("#1/%00%00");
    await page.until((s) => fired(s) >= 0 && s.run.events.length > 0, "a run");
    expect(page.state().view.banner).toMatchObject({ kind: "error" });
  });

  it("keeps edits on the device, and finds them again; a link does not take their place", async () => {
    const storage = new Map<string, string>();
    page = openPage({ precompiled, visit: "a" }, storage);
    await page.playground.start("");
    page.playground.actions.editScript("# mine\n");
    expect(page.state().source.saved).toBe("saving");
    await page.until((s) => s.source.saved === "saved" && s.source.dirty, "kept");
    const { url } = await page.playground.actions.share();
    page.playground.close();

    page = openPage({ precompiled, visit: "b" }, storage);
    await page.playground.start("");
    expect(page.state().source).toMatchObject({ script: "# mine\n", dirty: true });
    page.playground.close();

    page = openPage({ precompiled, visit: "c" }, storage);
    await page.playground.start(url.slice(url.indexOf("#")));
    page.playground.actions.editScript("# of the link\n");
    await page.until((s) => s.source.saved === "saved", "kept");
    expect(JSON.parse(storage.get("drafts") ?? "[]")).toHaveLength(2);
  });

  it("works without a place to keep things", async () => {
    page = openPage({
      precompiled,
      storage: { get: () => Promise.reject(new Error("no")), set: () => Promise.reject(new Error("no")) },
    });
    await page.playground.start("");
    await page.until((s) => s.run.events.length > 0, "a run");
    page.playground.actions.editScript("# x\n");
    await page.until((s) => s.source.saved === "failed" || s.source.saved === "off", "says so");
  });

  it("takes no source of ten megabytes, and goes on", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    await page.until((s) => s.run.events.length > 0, "a run");
    page.playground.actions.editProgram("x".repeat(10_000_000));
    await page.until(
      (s) => s.build.report?.ok === false && /takes up to 1,000,000/.test(s.build.report.message),
      "words",
    );
    await expect(page.playground.actions.share()).rejects.toThrow(/takes up to/);
    expect(page.state().source.program.length).toBe(10_000_000);
  });

  it("starts the engine again when it dies, with the work kept", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    await page.until((s) => s.run.events.length > 0, "a run");
    page.engines[0]?.die("out of memory");
    await page.until(
      (s) => s.view.banner?.text.includes("out of memory") === true && s.run.events.length > 10,
      "a new run",
    );
    expect(page.engines).toHaveLength(2);
    expect(page.state().source.demo).toBe("thread");
  });

  it("opens an object and a snippet file, and says what is wrong with either", async () => {
    page = openPage({ precompiled });
    await page.playground.start("");
    const { actions } = page.playground;
    actions.openObject("mine.bpf.o", precompiled[2]?.object as Uint8Array);
    await page.until((s) => s.run.snapshot?.maps.some((m) => m.name === "sessions") === true, "the object's maps");
    const { text, name } = actions.downloadSnippet();
    actions.openObject("broken.bpf.o", Uint8Array.of(1, 2, 3));
    await page.until((s) => s.build.report?.ok === false && s.build.report.stage === "load", "a broken object");
    expect(page.state().build.runningOlder).toBe(true);
    actions.openObject(name, new TextEncoder().encode(text));
    await page.until((s) => s.build.report?.ok === true && s.source.object?.name === "mine.bpf.o", "the snippet");
    actions.openObject("bad.json", new TextEncoder().encode("{}"));
    expect(page.state().view.banner?.text).toContain("bad.json cannot be opened");
  });
});
