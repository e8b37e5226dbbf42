import { describe, expect, it } from "vitest";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import type { PolicyName } from "../abi/types.ts";
import { type MapText, u64, World } from "./testing/world.ts";

const MAPS: readonly MapText[] = [
  { name: "hash", type: "hash", entries: 64, btf: "struct elem 24 {bpf_timer t @0; u64 n @16}", value: 24 },
  { name: "arr", type: "array", entries: 8, value: 8, btf: "struct v 8 {u64 n @0}" },
  { name: "jumps", type: "prog_array", value: 4 },
];

/** Lookups, updates, deletes, a loop with a callback, a walk, a timer that arms itself again, a subprogram, a tail call. */
const PROGRAM = [
  "main prog:",
  "r9 = r1",
  "r6 = 0",
  "again:",
  "*(u32 *)(r10 -4) = r6",
  "*(u64 *)(r10 -32) = 0",
  "*(u64 *)(r10 -24) = 0",
  "*(u64 *)(r10 -16) = r6",
  "r1 = map[hash] ll",
  "r2 = r10",
  "r2 += -4",
  "r3 = r10",
  "r3 += -32",
  "r4 = 0",
  "call bpf_map_update_elem#2",
  "r6 += 1",
  "if r6 < 10 goto again",
  "*(u32 *)(r10 -4) = 3",
  "r1 = map[hash] ll",
  "r2 = r10",
  "r2 += -4",
  "call bpf_map_delete_elem#3",
  "*(u32 *)(r10 -4) = 5",
  "r1 = map[hash] ll",
  "r2 = r10",
  "r2 += -4",
  "call bpf_map_lookup_elem#1",
  "if r0 == 0 goto out",
  "r7 = r0",
  "r1 = r7",
  "r2 = map[hash] ll",
  "r3 = 1",
  "call bpf_timer_init#169",
  "r1 = r7",
  "r2 = func[cb] ll",
  "call bpf_timer_set_callback#170",
  "r1 = r7",
  "r2 = 1000000",
  "r3 = 0",
  "call bpf_timer_start#171",
  "r1 = map[hash] ll",
  "r2 = func[each] ll",
  "r3 = 0",
  "r4 = 0",
  "call bpf_for_each_map_elem#164",
  "*(u64 *)(r10 -40) = 0",
  "r1 = 7",
  "r2 = func[step] ll",
  "r3 = r10",
  "r3 += -40",
  "r4 = 0",
  "call bpf_loop#181",
  "r1 = *(u64 *)(r10 -40)",
  "call add",
  "r1 = r9",
  "r2 = map[jumps] ll",
  "r3 = 0",
  "call bpf_tail_call#12",
  "out:",
  "r0 = 1",
  "exit",
  "static add:",
  "r6 = r1",
  "*(u32 *)(r10 -4) = 2",
  "r1 = map[arr] ll",
  "r2 = r10",
  "r2 += -4",
  "call bpf_map_lookup_elem#1",
  "if r0 == 0 goto none",
  "r1 = *(u64 *)(r0 +0)",
  "r1 += r6",
  "*(u64 *)(r0 +0) = r1",
  "none:",
  "r0 = 0",
  "exit",
  "static each:",
  "r1 = *(u64 *)(r3 +16)",
  "r1 += 100",
  "*(u64 *)(r3 +16) = r1",
  "r0 = 0",
  "exit",
  "static step:",
  "r3 = *(u64 *)(r2 +0)",
  "r3 += r1",
  "*(u64 *)(r2 +0) = r3",
  "r0 = 0",
  "exit",
  "static cb:",
  "r6 = r3",
  "r1 = *(u64 *)(r6 +16)",
  "r1 += 1",
  "*(u64 *)(r6 +16) = r1",
  "r1 = r6",
  "r2 = 2000000",
  "r3 = 0",
  "call bpf_timer_start#171",
  "r0 = 0",
  "exit",
];

const TARGET = ["main target:", "r6 = r1", "r1 = *(u64 *)(r6 +0)", "r0 = r1", "r0 += 5", "exit"];

function play(compiled: boolean, watch: boolean, policy: PolicyName = "uref"): World {
  const world = new World({ watch, policy }, "linux", compiled ? webAssemblyHost : null);
  world.trusted = true;
  for (const map of MAPS) expect(world.createMap(map).errno).toBe(null);
  world.load(PROGRAM);
  world.load(TARGET, "syscall", "target");
  const target = world.fd("target");
  world.update("jumps", 0, Uint8Array.of(target, 0, 0, 0));
  for (let i = 0; i < 3; i++) {
    expect(world.run("prog", u64(37)).run?.retval).toBe(42);
    world.advance(10_500_000);
  }
  expect(world.kernel.state.oops).toBe(null);
  return world;
}

const values = (world: World): (string | null)[] =>
  Array.from({ length: 10 }, (_, key) => world.lookup("hash", key)?.toString() ?? null);

describe("compiled programs", () => {
  it("does what the interpreter does, and tells the same events", () => {
    const slow = play(false, true);
    const fast = play(true, true);
    expect(fast.events).toEqual(slow.events);
    expect(values(fast)).toEqual(values(slow));
    expect(slow.lookup("arr", 2)).toEqual(u64(63));
    expect(slow.told("timer-fire")).toHaveLength(15);
    expect(slow.told("value-write").length).toBeGreaterThan(10);
  });

  it("and leaves the same values when nobody watches", () => {
    const slow = play(false, false);
    const fast = play(true, false);
    expect(fast.events).toEqual(slow.events);
    expect(values(fast)).toEqual(values(slow));
    expect(fast.lookup("arr", 2)).toEqual(u64(63));
  });

  it("does so with every access checked, under a policy that may leave dangling pointers", () => {
    expect(play(true, true, "unprotected").events).toEqual(play(false, true, "unprotected").events);
  });
});

/** Runs one program once, on either engine. */
function once(compiled: boolean, lines: readonly string[], policy: PolicyName = "uref"): World {
  const world = new World({ watch: true, policy }, "linux", compiled ? webAssemblyHost : null);
  world.trusted = true;
  for (const map of MAPS) world.createMap(map);
  world.load(lines);
  world.run("prog", u64(37));
  return world;
}

describe("compiled programs, event by event", () => {
  it("tell as much of a long run as the interpreter does, and go on untold", () => {
    const lines = [
      "main prog:",
      "r6 = 0",
      "again:",
      "r1 = r6",
      "r1 &= 7",
      "*(u32 *)(r10 -4) = r1",
      "r1 = map[arr] ll",
      "r2 = r10",
      "r2 += -4",
      "call bpf_map_lookup_elem#1",
      "if r0 == 0 goto out",
      "r7 = r0",
      "r1 = *(u64 *)(r7 +0)",
      "r1 += r6",
      "*(u64 *)(r7 +0) = r1",
      "*(u32 *)(r10 -4) = 1",
      "r1 = map[hash] ll",
      "r2 = r10",
      "r2 += -4",
      "call bpf_map_lookup_elem#1",
      "r6 += 1",
      "if r6 < 2500 goto again",
      "r1 = 2000",
      "r2 = func[step] ll",
      "r3 = r7",
      "r4 = 0",
      "call bpf_loop#181",
      "out:",
      "r0 = 0",
      "exit",
      "static step:",
      "r3 = *(u64 *)(r2 +0)",
      "r3 += r1",
      "*(u64 *)(r2 +0) = r3",
      "r0 = 0",
      "exit",
    ];
    const [slow, fast] = [once(false, lines), once(true, lines)];
    expect(fast.events).toEqual(slow.events);
    expect(slow.told("value-write").length).toBeGreaterThan(500);
    for (let key = 0; key < 8; key++) expect(fast.lookup("arr", key)).toEqual(slow.lookup("arr", key));
  });

  it("tell of stores of every width, and of lookups that find nothing", () => {
    const stores = ["u8", "u16", "u32", "u64"].flatMap((width, i) => [
      `*(${width} *)(r7 +0) = r8`,
      `*(${width} *)(r7 +0) = ${-1 - i}`,
      `*(${width} *)(r7 +0) = r8`,
    ]);
    const lines = [
      "main prog:",
      "r8 = 81985529216486895 ll",
      "r6 = 0",
      "again:",
      "*(u32 *)(r10 -4) = r6",
      "r1 = map[hash] ll",
      "r2 = r10",
      "r2 += -4",
      "call bpf_map_lookup_elem#1",
      "if r0 != 0 goto out",
      "r1 = map[arr] ll",
      "r2 = r10",
      "r2 += -4",
      "call bpf_map_lookup_elem#1",
      "if r0 == 0 goto next",
      "r7 = r0",
      ...stores,
      "r6 += 1",
      "goto again",
      "next:",
      "r0 = 0",
      "out:",
      "exit",
    ];
    const [slow, fast] = [once(false, lines), once(true, lines)];
    expect(fast.events).toEqual(slow.events);
    expect(slow.told("value-write")).toHaveLength(8 * stores.length);
    expect(slow.told("helper")).toHaveLength(18);
  });

  it("read and write the context wherever the pointer to it has been", () => {
    const lines = [
      "main prog:",
      "r6 = r1",
      "*(u64 *)(r10 -8) = r1",
      "r7 = *(u32 *)(r6 +0)",
      "r2 = *(u64 *)(r10 -8)",
      "r3 = *(u32 *)(r2 +16)",
      "r7 += r3",
      "*(u32 *)(r2 +8) = 77",
      "r4 = *(u32 *)(r2 +76)",
      "r5 = *(u32 *)(r6 +80)",
      "r1 = r6",
      "call sub",
      "r7 += r0",
      "r0 = r6",
      "if r7 > 3 goto join",
      "r0 = r10",
      "r0 += -64",
      "join:",
      "r3 = *(u32 *)(r0 +8)",
      "r7 += r3",
      "r0 = r7",
      "exit",
      "static sub:",
      "*(u64 *)(r10 -16) = r1",
      "r0 = *(u32 *)(r1 +8)",
      "r1 = *(u64 *)(r10 -16)",
      "r2 = *(u32 *)(r1 +40)",
      "r0 += r2",
      "exit",
    ];
    const run = (compiled: boolean): unknown => {
      const world = new World({ watch: true }, "linux", compiled ? webAssemblyHost : null);
      world.trusted = true;
      world.load(lines, "sched_cls");
      const result = world.run("prog", null, 0, new Uint8Array(64).fill(8));
      return { result, events: world.events, oops: world.kernel.state.oops };
    };
    const slow = run(false);
    expect(slow).toMatchObject({ oops: null, result: { errno: null, run: { retval: 64 + 0x0808 + 77 + 1 + 77 } } });
    expect(run(true)).toEqual(slow);
  });

  it("read fields, narrow ones too, and the packet's ends after they have moved", () => {
    const xdp = [
      "main prog:",
      "r6 = r1",
      "r7 = 0",
      "r9 = 3",
      "again:",
      "r2 = *(u32 *)(r6 +0)",
      "r3 = *(u32 *)(r6 +4)",
      "r4 = r2",
      "r4 += 20",
      "if r4 > r3 goto out",
      "r1 = *(u8 *)(r2 +13)",
      "r7 += r1",
      "r4 = *(u32 *)(r6 +8)",
      "r4 -= r2",
      "r7 += r4",
      "r3 -= r2",
      "r7 += r3",
      "r4 = *(u32 *)(r6 +12)",
      "r7 += r4",
      "r1 = r6",
      "r2 = 7",
      "call bpf_xdp_adjust_head#44",
      "r9 += -1",
      "if r9 != 0 goto again",
      "out:",
      "r0 = r7",
      "exit",
    ];
    const skb = [
      "main prog:",
      "r6 = r1",
      "*(u32 *)(r6 +8) = 305419896",
      "r0 = *(u8 *)(r6 +8)",
      "r1 = *(u16 *)(r6 +8)",
      "r0 += r1",
      "r1 = *(u32 *)(r6 +8)",
      "r0 += r1",
      "*(u64 *)(r6 +48) = 1311768467",
      "r1 = *(u16 *)(r6 +50)",
      "r0 += r1",
      "r2 = *(u32 *)(r6 +76)",
      "r3 = *(u32 *)(r6 +80)",
      "r3 -= r2",
      "r0 += r3",
      "r1 = *(u64 *)(r6 +168)",
      "r0 += r1",
      "r6 += 8",
      "r1 = *(u32 *)(r6 +0)",
      "r0 += r1",
      "exit",
    ];
    for (const [lines, type, expected] of [
      [xdp, "xdp", 9 + 64 + 1 + (9 + 57 + 1) + (16 + 50 + 1)],
      [skb, "sched_cls", (0x78 + 0x5678 + 0x12345678 + (1311768467 >>> 16) + 64 + 0x12345678) >>> 0],
    ] as const) {
      for (const compiled of [false, true]) {
        const world = new World({ watch: true }, "linux", compiled ? webAssemblyHost : null);
        world.trusted = true;
        world.load(lines, type);
        const data = Uint8Array.from({ length: 64 }, (_, i) => (i < 14 ? i - 4 : i - 11));
        const { run } = world.run("prog", null, 0, data);
        expect([type, compiled, run?.retval, world.kernel.state.oops]).toEqual([type, compiled, expected, null]);
      }
    }
  });

  it.each([
    [
      "an access beyond a value",
      "out-of-bounds",
      "unprotected",
      ["*(u32 *)(r10 -4) = 1", "r1 = map[arr] ll", "r2 = r10", "r2 += -4", "call bpf_map_lookup_elem#1", "r8 = 77"],
      "r7 = *(u64 *)(r0 +64)",
    ],
    ["a read of NULL", "null-dereference", "unprotected", ["r6 = 5", "r7 = 0"], "r0 = *(u64 *)(r7 +8)"],
    [
      "a helper's argument that is no memory",
      "null-dereference",
      "uref",
      ["r6 = 99", "r9 = -1", "r1 = 16", "r2 = 8"],
      "call bpf_trace_printk#6",
    ],
  ] as const)("stop with the same oops at %s", (_, what, policy, before, at) => {
    const lines = ["main prog:", ...before, at, "r0 = 0", "exit"];
    const [slow, fast] = [once(false, lines, policy), once(true, lines, policy)];
    expect(slow.kernel.state.oops?.what).toBe(what);
    expect(fast.kernel.state.oops).toEqual(slow.kernel.state.oops);
    expect(fast.events).toEqual(slow.events);
  });
});
