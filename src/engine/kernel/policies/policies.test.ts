import { describe, expect, it } from "vitest";
import type { Dialect, PolicyName } from "../../abi/types.ts";
import { searchSchedules } from "../testing/search.ts";
import { u64, World } from "../testing/world.ts";

const LIFETIME_POLICIES = ["uref", "uref-5.15", "rfc", "rfc-sync", "refcount", "unprotected"] as const;
const DIALECTS = ["linux", "rfc"] as const;

const LINUX_BTF = "struct elem 24 {bpf_timer t @0; u64 n @16}";
const RFC_BTF = "struct elem 16 {bpf_timer8 t @0; u64 n @8}";

/** r6: the value of key 0 of map m. */
const LOOKUP = [
  "*(u32 *)(r10 -4) = 0",
  "r1 = map[m] ll",
  "r2 = r10",
  "r2 += -4",
  "call bpf_map_lookup_elem#1",
  "if r0 == 0 goto out",
  "r6 = r0",
];

const LINUX_START = ["r1 = r6", "r2 = 1000000", "r3 = 0", "call bpf_timer_start#171"];
const RFC_START = ["call bpf_jiffies64#118", "r2 = r0", "r2 += 1", "r1 = r6", "call bpf_timer_mod#65537"];

/** Arms the timer of key 0; its callback counts in the value, and with `again` arms it once more. */
function armProgram(dialect: Dialect, again: boolean): string[] {
  const linux = dialect === "linux";
  return [
    "main prog:",
    ...LOOKUP,
    ...(linux
      ? [
          "r1 = r6",
          "r2 = map[m] ll",
          "r3 = 1",
          "call bpf_timer_init#169",
          "r1 = r6",
          "r2 = func[cb] ll",
          "call bpf_timer_set_callback#170",
          ...LINUX_START,
        ]
      : ["r1 = r6", "r2 = func[cb] ll", "r3 = 0", "call bpf_timer_init#65536", ...RFC_START]),
    "out:",
    "r0 = 0",
    "exit",
    "static cb:",
    linux ? "r6 = r3" : "r6 = r1",
    `r1 = *(u64 *)(r6 +${linux ? 16 : 8})`,
    "r1 += 1",
    `*(u64 *)(r6 +${linux ? 16 : 8}) = r1`,
    ...(again ? (linux ? LINUX_START : RFC_START) : []),
    "r0 = 0",
    "exit",
  ];
}

function armed(policy: PolicyName, dialect: Dialect, type: "hash" | "array" = "hash", again = false): World {
  const world = new World({ policy }, dialect);
  const btf = dialect === "linux" ? LINUX_BTF : RFC_BTF;
  const value = dialect === "linux" ? 24 : 16;
  expect(world.createMap({ name: "m", type, btf, value }).errno).toBe(null);
  world.load(armProgram(dialect, again));
  if (type === "hash") world.update("m", 0, new Uint8Array(value));
  expect(world.run("prog", u64(0)).errno).toBe(null);
  expect(world.pending).toBe(1);
  return world;
}

const zeroValue = (dialect: Dialect): Uint8Array => new Uint8Array(dialect === "linux" ? 24 : 16);
const count = (world: World, dialect: Dialect): number =>
  Number(new DataView((world.lookup("m", 0) as Uint8Array).buffer).getBigUint64(dialect === "linux" ? 16 : 8, true));

/** What becomes of one armed timer, by policy: still pending after the event, and what a second later has brought. */
const TABLE: Record<
  (typeof LIFETIME_POLICIES)[number],
  {
    readonly close: readonly [number, string];
    readonly lastUser: number;
    readonly delete: number;
    readonly update: number;
  }
> = {
  uref: { close: [1, "fires"], lastUser: 0, delete: 0, update: 0 },
  "uref-5.15": { close: [1, "fires"], lastUser: 0, delete: 0, update: 0 },
  rfc: { close: [0, "freed"], lastUser: 1, delete: 0, update: 0 },
  "rfc-sync": { close: [0, "freed"], lastUser: 1, delete: 0, update: 0 },
  refcount: { close: [1, "fires"], lastUser: 1, delete: 0, update: 0 },
  unprotected: { close: [1, "oops"], lastUser: 1, delete: 1, update: 1 },
};

for (const policy of LIFETIME_POLICIES) {
  const row = TABLE[policy];
  for (const dialect of DIALECTS) {
    describe(`${policy}, dialect ${dialect}`, () => {
      it("program close", () => {
        const world = armed(policy, dialect);
        world.close("prog");
        // rfc-sync walks when a grace period is over.
        if (policy === "rfc-sync") world.settle();
        expect(world.pending).toBe(row.close[0]);
        const status = world.advance(1e9);
        expect(status).toBe(row.close[1] === "oops" ? "oops" : "done");
        if (row.close[1] === "fires") expect(count(world, dialect)).toBe(1);
        if (row.close[1] === "freed") {
          expect(world.kernel.state.programs.get(1)?.state).toBe("freed");
          expect(count(world, dialect)).toBe(0);
        }
        if (row.close[1] === "oops") expect(world.kernel.state.oops?.what).toBe("use-after-free");
      });

      it("last user reference of the map", () => {
        const world = armed(policy, dialect);
        world.close("m");
        expect(world.pending).toBe(row.lastUser);
        expect(world.kernel.state.maps.get(1)?.holders.size).toBe(1);
      });

      it("delete", () => {
        const world = armed(policy, dialect);
        expect(world.delete("m", 0).errno).toBe(null);
        expect(world.pending).toBe(row.delete);
        expect(world.advance(1e9)).toBe("done");
        world.settle();
        if (row.delete === 0) expect(world.kernel.state.timers.size).toBe(0);
      });

      it.each(["hash", "array"] as const)("update, %s", (type) => {
        const world = armed(policy, dialect, type);
        expect(world.update("m", 0, zeroValue(dialect)).errno).toBe(null);
        expect(world.pending).toBe(row.update);
      });

      it("everything is freed at the end, but for the circle of refcount", () => {
        const world = armed(policy, dialect, "hash", true);
        world.advance(20e6);
        world.delete("m", 0);
        world.kernel.call(world.main, { name: "exit" });
        world.settle();
        if (policy === "unprotected") return;
        expect(world.kernel.state.maps.get(1)?.freed).toBe(true);
        expect(world.kernel.state.programs.get(1)?.state).toBe("freed");
        expect(world.kernel.state.timers.size).toBe(0);
        expect(world.told("leak")).toEqual([]);
        expect(world.advance(1e9)).toBe("done");
      });
    });
  }
}

describe("schedules: the program is closed while its callback, which arms itself again, may run", () => {
  it.each([
    ["uref", []],
    ["uref-5.15", []],
    ["rfc", ["use-after-free"]],
    ["rfc-sync", []],
    ["refcount", []],
    ["unprotected", ["use-after-free"]],
  ] as const)("%s", (policy, expected) => {
    const world = armed(policy, "rfc", "hash", true);
    const { kernel } = world;
    kernel.state.now = kernel.nextExpiry() as number;
    kernel.start(world.main, { name: "close", fd: world.fd("prog") }, 1);
    const { found, states } = searchSchedules(kernel, 2, 2);
    expect([...found.keys()]).toEqual(expected);
    expect(states).toBeGreaterThan(20);
  });
});

/** Arms key r1 of the context; the callback of key K deletes (or cancels) the other key. */
function crossProgram(deletes: boolean): string[] {
  return [
    "main prog:",
    "r7 = *(u64 *)(r1 +0)",
    "*(u32 *)(r10 -4) = r7",
    "r1 = map[m] ll",
    "r2 = r10",
    "r2 += -4",
    "call bpf_map_lookup_elem#1",
    "if r0 == 0 goto out",
    "r6 = r0",
    "r1 = r6",
    "r2 = map[m] ll",
    "r3 = 1",
    "call bpf_timer_init#169",
    "r1 = r6",
    "r2 = func[cb] ll",
    "call bpf_timer_set_callback#170",
    ...LINUX_START,
    "out:",
    "r0 = 0",
    "exit",
    "static cb:",
    "r6 = r1",
    "r1 = *(u32 *)(r2 +0)",
    "r1 ^= 1",
    "*(u32 *)(r10 -4) = r1",
    "r2 = r10",
    "r2 += -4",
    "r1 = r6",
    ...(deletes
      ? ["call bpf_map_delete_elem#3"]
      : ["call bpf_map_lookup_elem#1", "if r0 == 0 goto none", "r1 = r0", "call bpf_timer_cancel#172", "none:"]),
    "r0 = 0",
    "exit",
  ];
}

describe("schedules: two callbacks on two CPUs stop each other's timer", () => {
  it.each([
    ["uref", true, []],
    ["uref", false, []],
    ["uref-5.15", true, ["deadlock"]],
    ["uref-5.15", false, ["deadlock"]],
    ["rfc-sync", true, []],
  ] as const)("%s, by delete: %s", (policy, deletes, expected) => {
    const world = new World({ policy });
    world.createMap({ name: "m", type: "hash", btf: LINUX_BTF, value: 24 });
    world.load(crossProgram(deletes));
    for (const key of [0, 1]) {
      world.update("m", key, zeroValue("linux"));
      world.run("prog", u64(key), key);
    }
    const { kernel } = world;
    kernel.state.now = kernel.nextExpiry() as number;
    const { found } = searchSchedules(kernel, 3, 1);
    expect([...found.keys()]).toEqual(expected);
  });
});

describe("policy timer-map", () => {
  const CALLBACK = ["main tick:", "r0 = 0", "exit"];

  function timerMapWorld(): World {
    const world = new World({ policy: "timer-map" }, "timer-map");
    expect(world.createMap({ name: "timers", type: "timer", key: 4, value: 8, entries: 2 }).errno).toBe(null);
    world.load(CALLBACK, "timer", "tick");
    return world;
  }

  const create = (world: World) =>
    world.kernel.call(world.main, {
      name: "timer-create",
      mapFd: world.fd("timers"),
      progFd: world.fd("tick"),
      expires: 5,
    });

  it("gives ids, holds the callback's program, and fires", () => {
    const world = timerMapWorld();
    expect(create(world).retval).toBe(1);
    expect(create(world).retval).toBe(2);
    expect(create(world).errno).toBe("E2BIG");
    world.close("tick");
    world.settle();
    expect(world.kernel.state.programs.get(1)?.state).toBe("live");
    world.advance(100e6);
    expect(world.told("timer-fire")).toHaveLength(2);
    expect(world.delete("timers", 1).errno).toBe(null);
    expect(world.delete("timers", 1).errno).toBe("ENOENT");
    world.close("timers");
    world.settle();
    expect(world.kernel.state.programs.get(1)?.state).toBe("freed");
    expect(world.kernel.state.maps.get(1)?.freed).toBe(true);
    expect(world.kernel.state.timers.size).toBe(0);
  });
});
