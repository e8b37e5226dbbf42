import { describe, expect, it } from "vitest";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import type { PolicyName } from "../abi/types.ts";
import { fingerprint } from "./api.ts";
import type { Slice } from "./compiled.ts";
import { u64, World } from "./testing/world.ts";

/**
 * Loops, functions with loops, callbacks of bpf_loop and of a map's walk within each other, a tail call from within, may_goto: at each of
 * these compiled code may be left.
 */
const PROGRAM = [
  "main prog:",
  "r6 = r1",
  "r7 = *(u64 *)(r6 +0)",
  "r8 = 0",
  "rounds:",
  "*(u64 *)(r10 -8) = r8",
  "r1 = r8",
  "r1 &= 3",
  "call mix",
  "r8 += r0",
  "r1 = 5",
  "r2 = func[outer] ll",
  "r3 = r10",
  "r3 += -8",
  "r4 = 0",
  "call bpf_loop#181",
  "r8 += r0",
  "r1 = *(u64 *)(r10 -8)",
  "r8 += r1",
  "r8 &= 0xffff",
  "r1 = map[hash] ll",
  "r2 = func[walk] ll",
  "r3 = r10",
  "r3 += -8",
  "r4 = 0",
  "call bpf_for_each_map_elem#164",
  "r8 += r0",
  "r7 += -1",
  "if r7 != 0 goto rounds",
  "*(u64 *)(r6 +8) = r8",
  "r1 = r6",
  "call jump",
  "r0 += 1000",
  "exit",
  "static mix:",
  "r6 = r1",
  "r6 += 3",
  "r0 = 0",
  "again:",
  "r0 *= 7",
  "r0 += r6",
  "r0 &= 0xfff",
  "r6 += -1",
  "if r6 != 0 goto again",
  "exit",
  "static outer:",
  "r6 = r1",
  "r7 = r2",
  "r1 = 3",
  "r2 = func[inner] ll",
  "r3 = r7",
  "r4 = 0",
  "call bpf_loop#181",
  "r1 = r6",
  "call mix",
  "r1 = *(u64 *)(r7 +0)",
  "r1 += r0",
  "*(u64 *)(r7 +0) = r1",
  "r0 = 0",
  "if r6 != 3 goto goes",
  "r0 = 1",
  "goes:",
  "exit",
  "static inner:",
  "r6 = r2",
  "r7 = 4",
  "down:",
  "r1 = *(u64 *)(r6 +0)",
  "r1 += 1",
  "*(u64 *)(r6 +0) = r1",
  "may_goto done",
  "r7 += -1",
  "if r7 != 0 goto down",
  "done:",
  "r0 = 0",
  "exit",
  "static walk:",
  "r6 = r3",
  "r7 = r4",
  "r1 = *(u64 *)(r6 +0)",
  "r1 &= 7",
  "call mix",
  "r1 = *(u64 *)(r6 +0)",
  "r1 += r0",
  "*(u64 *)(r6 +0) = r1",
  "r1 = *(u64 *)(r7 +0)",
  "r1 ^= r0",
  "*(u64 *)(r7 +0) = r1",
  "r0 = 0",
  "exit",
  "static jump:",
  "r2 = map[jumps] ll",
  "r3 = 0",
  "call bpf_tail_call#12",
  "r0 = 0",
  "exit",
];

const TARGET = [
  "main target:",
  "r6 = *(u64 *)(r1 +0)",
  "r7 = *(u64 *)(r1 +8)",
  "r0 = 0",
  "again:",
  "r0 += r7",
  "r0 &= 0xfff",
  "r6 += -1",
  "if r6 != 0 goto again",
  "exit",
];

function makeWorld(slice: Slice | null, watch: boolean, policy: PolicyName = "uref"): World {
  const world = new World({ watch, policy }, "linux", slice === null ? null : webAssemblyHost);
  world.trusted = true;
  if (world.kernel.compiled !== null && slice !== null) world.kernel.compiled.slice = slice;
  world.createMap({ name: "hash", type: "hash", value: 16, entries: 8 });
  world.createMap({ name: "jumps", type: "prog_array", value: 4, entries: 1 });
  world.load(PROGRAM);
  world.load(TARGET, "syscall", "target");
  world.update("jumps", 0, Uint8Array.of(world.fd("target"), 0, 0, 0));
  for (let key = 0; key < 5; key++) world.update("hash", key, u64(3 * key, 1));
  return world;
}

const outcome = (world: World, fuel: number) => {
  const task = world.startRun("prog", u64(6, 0));
  let turns = 1;
  while (world.kernel.run(task, fuel) === "fuel") turns++;
  const values = Array.from({ length: 5 }, (_, key) => world.lookup("hash", key)?.toString());
  const told = world.told("helper", "value-write", "prog-start", "prog-end");
  return { turns, result: task.result, values, told, oops: world.kernel.state.oops };
};

describe("compiled code that is left in the midst", () => {
  const slices: readonly Slice[] = [
    { chunk: 70, all: 1, stretch: 1 },
    { chunk: 80, all: 200, stretch: 2 },
    { chunk: 300, all: 500, stretch: 1000 },
  ];

  it.each(slices)("goes on as if it had not been: $chunk, $all, $stretch", (slice) => {
    for (const watch of [false, true]) {
      const { turns: _, ...expected } = outcome(makeWorld(null, watch), 1e9);
      expect(expected.oops).toBe(null);
      expect(expected.result?.run?.retval).toBeGreaterThan(0);
      for (const fuel of [1e9, 2000]) {
        const { turns, ...left } = outcome(makeWorld(slice, watch), fuel);
        expect(left).toEqual(expected);
        if (fuel === 2000) expect(turns).toBeGreaterThan(1);
      }
    }
  });

  it("does so where every access is checked", () => {
    const { turns: _, ...expected } = outcome(makeWorld(null, true, "unprotected"), 1e9);
    for (const slice of slices) {
      const { turns: __, ...left } = outcome(makeWorld(slice, true, "unprotected"), 3000);
      expect(left).toEqual(expected);
    }
  });

  it("may be stepped by the instruction between, and back", () => {
    const { turns: _, ...expected } = outcome(makeWorld(null, false), 1e9);
    for (const [i, slice] of slices.entries()) {
      const world = makeWorld(slice, false);
      const task = world.startRun("prog", u64(6, 0));
      let kept = world.kernel.checkpoint();
      for (
        let turn = 0;
        world.kernel.run(
          task.result === null ? (world.kernel.state.tasks.get(task.id) ?? task) : task,
          turn % 5 === 4 ? 1000 + i : 1 + (turn % 3),
        ) === "fuel";
        turn++
      ) {
        if (turn === 40) kept = world.kernel.checkpoint();
        if (turn === 200) world.kernel.restore(kept);
      }
      const values = Array.from({ length: 5 }, (_, key) => world.lookup("hash", key)?.toString());
      expect(values).toEqual(expected.values);
      expect(world.kernel.state.oops).toBe(null);
    }
  });

  it("says how long it has run when the watchdog ends it, and where", () => {
    const world = makeWorld({ chunk: 80, all: 80, stretch: 2 }, false);
    if (world.kernel.compiled !== null) world.kernel.compiled.watchdogFuel = 300;
    world.run("prog", u64(50, 0));
    expect(world.kernel.state.oops).toMatchObject({
      what: "runaway",
      message: "watchdog: soft lockup: the program was ended after 300 instructions",
      place: { program: "prog" },
    });
    expect(world.kernel.state.oops?.registers).toHaveLength(11);
  });

  it("has a state of its own, which a checkpoint keeps", () => {
    const world = makeWorld({ chunk: 70, all: 1, stretch: 1 }, false);
    const task = world.startRun("prog", u64(6, 0));
    world.kernel.run(task, 1500);
    const name = fingerprint(world.kernel);
    const kept = world.kernel.checkpoint();
    world.kernel.run(task, 1500);
    expect(fingerprint(world.kernel)).not.toBe(name);
    world.kernel.restore(kept);
    expect(fingerprint(world.kernel)).toBe(name);
  });
});
