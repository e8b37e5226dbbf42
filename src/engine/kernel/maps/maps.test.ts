import { describe, expect, it } from "vitest";
import { MAP_TYPES, type MapTypeName } from "../../abi/types.ts";
import { u32, u64, World } from "../testing/world.ts";
import { mapEntries } from "../views.ts";

describe("map creation", () => {
  it.each([
    ["array", 0x4000_0000, "ENOMEM"],
    ["hash", 0x0fff_ffff, "E2BIG"],
    ["hash", 0x0400_0000, "ENOMEM"],
    ["percpu_array", 0x4000_0000, "ENOMEM"],
    ["queue", 0x4000_0000, "ENOMEM"],
    ["ringbuf", 0x8000_0000, "ENOMEM"],
    ["array", 0, "EINVAL"],
  ] as const)("%s with %i entries: %s", (type, entries, errno) => {
    const world = new World();
    const sizes = type === "ringbuf" ? { key: 0, value: 0 } : type === "queue" ? { key: 0 } : {};
    expect(world.createMap({ name: "big", type: type as MapTypeName, entries, ...sizes }).errno).toBe(errno);
    expect(world.kernel.memory.used).toBeLessThan(100_000);
  });

  it("an allocation that is made to fail is -ENOMEM, once", () => {
    const world = new World();
    world.kernel.failNextAllocation();
    expect(world.createMap({ name: "m", type: "array" }).errno).toBe("ENOMEM");
    expect(world.createMap({ name: "m", type: "array" }).errno).toBe(null);
  });
});

describe("queue and stack", () => {
  it.each([
    ["queue", [1, 2]],
    ["stack", [2, 1]],
  ] as const)("%s", (type, order) => {
    const world = new World();
    const { kernel, main } = world;
    world.createMap({ name: "q", type, key: 0, entries: 2 });
    const fd = world.fd("q");
    const push = (value: number, flags = 0) =>
      kernel.call(main, { name: "map-push", fd, value: u64(value), flags }).errno;
    const pop = () => kernel.call(main, { name: "map-pop", fd });
    expect([push(1), push(2), push(3), push(3, 1)]).toEqual([null, null, "E2BIG", "EINVAL"]);
    expect(mapEntries(kernel, 1, 10).map((e) => e.values[0])).toEqual(order.map((n) => u64(n)));
    expect(kernel.call(main, { name: "map-peek", fd }).value).toEqual(u64(order[0]));
    expect([pop().value, pop().value, pop().errno]).toEqual([u64(order[0]), u64(order[1]), "ENOENT"]);
    expect([push(1), push(2), push(3, 2)]).toEqual([null, null, null]);
    expect(kernel.state.maps.get(1)?.storage).toMatchObject({ kind: "list" });
  });
});

describe("ring buffer", () => {
  const RESERVE = [
    "main prog:",
    "r9 = r1",
    "r1 = map[rb] ll",
    "r2 = 24",
    "r3 = 0",
    "call bpf_ringbuf_reserve#131",
    "if r0 == 0 goto full",
    "r1 = *(u64 *)(r9 +0)",
    "*(u64 *)(r0 +0) = r1",
    "r1 = r0",
    "r2 = 0",
    "call bpf_ringbuf_submit#132",
    "r0 = 0",
    "exit",
    "full:",
    "r0 = 1",
    "exit",
  ];

  it("gives records in order, and says when it is full", () => {
    const world = new World();
    world.createMap({ name: "rb", type: "ringbuf", key: 0, value: 0, entries: 4096 });
    world.load(RESERVE);
    const results = Array.from({ length: 130 }, (_, i) => world.run("prog", u64(i)).run?.retval);
    // 4096 bytes less one, in records of 32.
    expect(results.filter((r) => r === 0)).toHaveLength(127);
    const read = () => world.kernel.call(world.main, { name: "ringbuf-read", fd: world.fd("rb") });
    for (let i = 0; i < 127; i++) expect(read().value?.slice(0, 8)).toEqual(u64(i));
    expect(read().errno).toBe("EAGAIN");
    expect(world.run("prog", u64(7)).run?.retval).toBe(0);
  });
});

describe("program arrays", () => {
  const ENTRY = ["main entry:", "r2 = map[jumps] ll", "r3 = 0", "call bpf_tail_call#12", "r0 = 2", "exit"];

  it("entries hold programs, and vanish with the last user reference of the map", () => {
    const world = new World();
    world.createMap({ name: "jumps", type: "prog_array", value: 4, entries: 2 });
    world.load(ENTRY, "xdp", "entry");
    world.load(["main target:", "r0 = 1", "exit"], "xdp", "target");
    world.load(["main other:", "r0 = 1", "exit"], "socket_filter", "other");
    const run = () => world.run("entry").run?.retval;
    expect(world.update("jumps", 0, u32(world.fd("target"))).errno).toBe(null);
    expect(world.update("jumps", 5, u32(world.fd("target"))).errno).toBe("E2BIG");
    expect(world.update("jumps", 1, u32(77)).errno).toBe("EBADF");
    expect(world.update("jumps", 1, u32(world.fd("other"))).errno).toBe("EINVAL");
    expect(run()).toBe(1);
    world.close("target");
    expect(run()).toBe(1);
    world.close("jumps");
    expect(run()).toBe(2);
    world.settle();
    expect(world.kernel.state.programs.get(2)?.state).toBe("freed");
  });

  it("33 tail calls are made, and no more", () => {
    const world = new World();
    world.createMap({ name: "jumps", type: "prog_array", value: 4, entries: 1 });
    world.createMap({ name: "n", type: "array", value: 8, entries: 1 });
    world.load(
      [
        "main entry:",
        "r6 = r1",
        "*(u32 *)(r10 -4) = 0",
        "r2 = r10",
        "r2 += -4",
        "r1 = map[n] ll",
        "call bpf_map_lookup_elem#1",
        "if r0 == 0 goto out",
        "r1 = *(u64 *)(r0 +0)",
        "r1 += 1",
        "*(u64 *)(r0 +0) = r1",
        "r1 = r6",
        "r2 = map[jumps] ll",
        "r3 = 0",
        "call bpf_tail_call#12",
        "out:",
        "r0 = 0",
        "exit",
      ],
      "xdp",
      "entry",
    );
    world.update("jumps", 0, u32(world.fd("entry")));
    world.run("entry");
    expect(world.lookup("n", 0)).toEqual(u64(34));
  });
});

describe("hash maps", () => {
  it("a full map refuses new keys, takes updates, and its elements live on where they were (preallocated)", () => {
    const world = new World();
    world.createMap({ name: "h", type: "hash", entries: 2 });
    expect([0, 1, 2].map((key) => world.update("h", key, u64(key)).errno)).toEqual([null, null, "E2BIG"]);
    expect(world.update("h", 1, u64(9)).errno).toBe(null);
    const used = world.kernel.memory.used;
    for (let i = 0; i < 100; i++) {
      world.delete("h", i % 2);
      world.update("h", i % 2, u64(i));
    }
    expect(world.kernel.memory.used).toBe(used);
  });

  it("an LRU map gives up what was used longest ago", () => {
    const world = new World();
    world.createMap({ name: "lru", type: "lru_hash", entries: 4 });
    for (let key = 0; key < 20; key++) expect(world.update("lru", key, u64(key)).errno).toBe(null);
    const keys = mapEntries(world.kernel, 1, 10).map((entry) => entry.key[0]);
    expect(keys.sort((a, b) => (a as number) - (b as number))).toEqual([16, 17, 18, 19]);
    expect(world.told("element-delete")).toHaveLength(16);
  });

  it("hash of maps: the template decides what fits", () => {
    const world = new World();
    const inner = { name: "inner", type: "array", entries: 3 } as const;
    world.createMap(inner);
    world.createMap({ ...inner, name: "other", value: 16 });
    expect(world.createMap({ name: "outer", type: "hash_of_maps", value: 4, inner }).errno).toBe(null);
    expect(world.update("outer", 5, u32(world.fd("inner"))).errno).toBe(null);
    expect(world.update("outer", 6, u32(world.fd("other"))).errno).toBe("EINVAL");
    expect(world.lookup("outer", 5)).toEqual(u32(1));
    world.close("inner");
    expect(world.kernel.state.maps.get(1)?.holders.size).toBe(1);
    expect(world.delete("outer", 5).errno).toBe(null);
    world.settle();
    expect(world.kernel.state.maps.get(1)?.freed).toBe(true);
  });
});

describe("references", () => {
  it("count as Linux counts them", () => {
    const world = new World();
    const { kernel, main } = world;
    world.createMap({ name: "m", type: "array" });
    world.load(["main prog:", "r1 = map[m] ll", "r0 = 0", "exit"]);
    const counts = () => {
      const holders = kernel.state.maps.get(1)?.holders;
      return [holders?.size, [...(holders?.values() ?? [])].filter((h) => h.user).length];
    };
    expect(counts()).toEqual([2, 1]);
    kernel.call(main, { name: "pin", fd: world.fd("m"), path: "/sys/fs/bpf/m" });
    expect(counts()).toEqual([3, 2]);
    const other = kernel.openProcess("other");
    const fd = kernel.call(other, { name: "open-pinned", path: "/sys/fs/bpf/m" }).retval;
    expect(counts()).toEqual([4, 3]);
    expect(kernel.call(other, { name: "close", fd: 99 }).errno).toBe("EBADF");
    kernel.call(other, { name: "exit" });
    expect(counts()).toEqual([3, 2]);
    expect(fd).toBeGreaterThan(2);
    world.close("m");
    kernel.call(main, { name: "unpin", path: "/sys/fs/bpf/m" });
    expect(counts()).toEqual([1, 0]);
    const link = kernel.call(main, { name: "prog-attach", fd: world.fd("prog") }).errno;
    expect(link).toBe("EINVAL");
    world.close("prog");
    world.settle();
    expect(kernel.call(main, { name: "open-by-id", kind: "map", id: 1 }).errno).toBe("ENOENT");
    expect(kernel.state.maps.get(1)?.freed).toBe(true);
    expect(MAP_TYPES.array).toBe(2);
  });

  it("a link holds the program until it is detached", () => {
    const world = new World();
    world.load(["main prog:", "r0 = 0", "exit"], "xdp");
    const fd = world.fd("prog");
    expect(world.kernel.call(world.main, { name: "prog-attach", fd }).errno).toBe(null);
    expect(world.kernel.state.programs.get(1)?.holders.size).toBe(2);
    expect(world.kernel.call(world.main, { name: "prog-detach", fd }).errno).toBe(null);
    expect(world.kernel.call(world.main, { name: "prog-detach", fd }).errno).toBe("ENOENT");
    world.settle();
    expect([...(world.kernel.state.programs.get(1)?.holders.keys() ?? [])]).toEqual([`fd:1:${fd}`]);
  });
});
