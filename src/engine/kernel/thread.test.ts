import { describe, expect, it } from "vitest";
import { u32, u64, World } from "./testing/world.ts";
import { timerState } from "./views.ts";

/** The program of the thread, as `clang` compiles it for the dialect `rfc`. */
const THREAD = [
  "main prog:",
  "*(u32 *)(r10 -4) = 0",
  "r2 = r10",
  "r2 += -4",
  "r1 = map[hmap] ll",
  "call bpf_map_lookup_elem#1",
  "if r0 == 0 goto out",
  "r6 = r0",
  "r1 = r6",
  "r1 += 8",
  "r2 = func[timer_cb] ll",
  "r3 = 0",
  "call bpf_timer_init#65536",
  "*(u32 *)(r6 +0) = 123",
  "call bpf_jiffies64#118",
  "r2 = r0",
  "r2 += 3",
  "r1 = r6",
  "r1 += 8",
  "call bpf_timer_mod#65537",
  "out:",
  "r0 = 2",
  "exit",
  "static timer_cb:",
  "r6 = r1",
  "r1 = *(u32 *)(r6 +0)",
  "r1 += 1",
  "*(u32 *)(r6 +0) = r1",
  "call bpf_jiffies64#118",
  "r2 = r0",
  "r2 += 4",
  "r1 = r6",
  "r1 += 8",
  "call bpf_timer_mod#65537",
  "r0 = 0",
  "exit",
];

const HMAP = {
  name: "hmap",
  type: "hash",
  entries: 1,
  value: 16,
  btf: "struct map_elem 16 {int stuff @0; bpf_timer8 timer @8}",
} as const;

function threadWorld(policy: "rfc" | "uref" | "refcount" | "unprotected" | "rfc-sync"): World {
  const world = new World({ policy }, "rfc");
  expect(world.createMap(HMAP).errno).toBe(null);
  world.load(THREAD, "xdp");
  expect(world.update("hmap", 0, u64(0, 0)).errno).toBe(null);
  return world;
}

const stuff = (world: World): number => new DataView((world.lookup("hmap", 0) as Uint8Array).buffer).getInt32(0, true);

describe("the thread's program", () => {
  it("arms its timer, fires, and arms again", () => {
    const world = threadWorld("rfc");
    expect(world.run("prog").run?.retval).toBe(2);
    expect(stuff(world)).toBe(123);
    expect(world.pending).toBe(1);
    const kernel = world.kernel;
    expect(kernel.advanceTo(kernel.nextExpiry() as number, 1e6)).toBe("done");
    expect(stuff(world)).toBe(124);
    expect(world.pending).toBe(1);
    kernel.advanceTo(kernel.nextExpiry() as number, 1e6);
    expect(stuff(world)).toBe(125);
    world.advance(100e6);
    expect(world.pending).toBe(1);
    expect(kernel.state.oops).toBe(null);
    // Due 3 jiffies after jiffy 0; the wheel serves it one jiffy later.
    expect(
      world
        .told("timer-fire")
        .slice(0, 2)
        .map((e) => e.at),
    ).toEqual([16e6, 36e6]);
  });

  it("rfc: the walk at program close deletes the timer", () => {
    const world = threadWorld("rfc");
    world.run("prog");
    world.close("prog");
    expect(world.pending).toBe(0);
    expect(world.told("walk")).toMatchObject([{ found: true, element: "1:00000000" }]);
    world.settle();
    expect(world.kernel.state.programs.get(1)?.state).toBe("freed");
    expect(world.advance(1e9)).toBe("done");
    expect(world.kernel.state.oops).toBe(null);
  });

  it("unprotected: the timer fires into the freed program", () => {
    const world = threadWorld("unprotected");
    world.run("prog");
    world.close("prog");
    expect(world.advance(1e9)).toBe("oops");
    expect(world.kernel.state.oops).toMatchObject({ what: "use-after-free", object: { node: "prog:1" } });
  });

  it("unprotected: the timer of a deleted element fires into freed memory, which is named", () => {
    const world = new World({ policy: "unprotected" }, "rfc");
    world.createMap({ ...HMAP, flags: 1 });
    world.load(THREAD, "xdp");
    world.update("hmap", 0, u64(0, 0));
    world.run("prog");
    world.delete("hmap", 0);
    expect(world.advance(1e9)).toBe("oops");
    expect(world.kernel.state.oops).toMatchObject({
      what: "use-after-free",
      object: { node: "element:1:00000000", label: "hmap[0]" },
      place: { functionName: "timer_cb" },
    });
  });

  it("refcount: the circle leaks", () => {
    const world = threadWorld("refcount");
    world.run("prog");
    world.kernel.call(world.main, { name: "exit" });
    world.advance(1e9);
    expect(world.pending).toBe(1);
    expect(world.told("leak")).toMatchObject([{ loop: ["prog:1", "map:1", "element:1:00000000", "timer:1:00000000"] }]);
  });

  it("uref: the last user reference of the map ends it", () => {
    const world = threadWorld("uref");
    world.run("prog");
    world.close("prog");
    world.advance(100e6);
    expect(world.pending).toBe(1);
    world.close("hmap");
    expect(world.pending).toBe(0);
    world.settle();
    expect(world.kernel.state.programs.get(1)?.state).toBe("freed");
    expect(world.kernel.state.maps.get(1)?.freed).toBe(true);
    expect(world.told("leak")).toEqual([]);
    expect(world.kernel.memory.used).toBeLessThan(50_000);
  });

  it("a dropped timer is told as freed, also while a grace period holds its memory", () => {
    const world = threadWorld("rfc");
    world.run("prog");
    const states = () => [...world.kernel.state.timers.values()].map(timerState);
    expect(states()).toEqual(["armed"]);
    world.delete("hmap", 0);
    expect(states()).toEqual(["freed"]);
  });

  it("goes on from a checkpoint exactly as it went on before", () => {
    const world = threadWorld("rfc");
    world.run("prog");
    world.advance(50e6);
    const checkpoint = world.kernel.checkpoint();
    const length = world.events.length;
    world.advance(100e6);
    world.delete("hmap", 0);
    const first = world.events.splice(length);
    world.kernel.restore(checkpoint);
    world.advance(100e6);
    world.delete("hmap", 0);
    expect(world.events.splice(length)).toEqual(first);
    expect(first.length).toBeGreaterThan(20);
  });

  it("update over a live timer: busy, or cancelled first", () => {
    const world = threadWorld("rfc");
    world.run("prog");
    expect(world.update("hmap", 0, u64(7, 0), 0x100)).toMatchObject({ errno: "EBUSY" });
    expect(world.pending).toBe(1);
    expect(world.update("hmap", 0, u64(7, 0), 0x200).errno).toBe(null);
    expect(world.pending).toBe(0);
    expect(stuff(world)).toBe(7);
    const linux = threadWorld("uref");
    expect(linux.update("hmap", 0, u64(7, 0), 0x100)).toMatchObject({ errno: "EINVAL" });
  });

  it("an allocation made to fail hits the timer, not the test run around it", () => {
    const world = threadWorld("rfc");
    world.kernel.failNextAllocation();
    expect(world.run("prog").errno).toBe(null);
    expect(world.told("timer-init")).toMatchObject([{ retval: -12, errno: "ENOMEM" }]);
    expect(world.pending).toBe(0);
  });

  it("there is no CPU 7 among two", () => {
    const world = threadWorld("rfc");
    expect(world.run("prog", null, 7).errno).toBe("EINVAL");
  });

  it("stops before it asks for an unknown fd", () => {
    const world = new World();
    expect(world.kernel.call(world.main, { name: "map-lookup", fd: 77, key: u32(0) }).errno).toBe("EBADF");
  });
});
