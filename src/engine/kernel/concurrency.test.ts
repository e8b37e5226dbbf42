import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { u32, u64, World } from "./testing/world.ts";

/** What was measured on two CPUs of Linux 6.18 (the recorded cases named below), with an instruction cost, so that callbacks take time. */
const CASES = JSON.parse(
  readFileSync(new URL("../../../e2e/kernel/cases/timer-cases.json", import.meta.url), "utf8"),
) as { readonly name: string; readonly program: readonly string[] }[];
const PROGRAM = CASES.find((c) => c.name === "rt_basic_array")?.program ?? [];
const MS = 1_000_000;
const BTF =
  "struct elem 64 {bpf_timer t @0; u64 action @16; u64 arg @24; u64 cnt @32; u64 last @40; u64 arg2 @48; u64 x @56}";

class Machine extends World {
  constructor(type: "hash" | "array" = "hash") {
    super({ insnCost: 50, watch: false });
    this.createMap({ name: "m", type, value: 64, btf: BTF });
    this.createMap({ name: "lg", type: "array", value: 2112, entries: 1 });
    this.load(PROGRAM);
    if (type === "hash") for (const key of [0, 1, 2, 3]) this.update("m", key, new Uint8Array(64));
  }

  op(cpu: number, op: number, key: number, arg: number | bigint = 0, arg2 = 0, arg3 = 0): number {
    const result = this.run("prog", u64(op, key, arg, arg2, 0, 0, arg3, 0), cpu);
    const context = result.run?.context as Uint8Array;
    return Number(new DataView(context.buffer).getBigInt64(32, true));
  }

  arm(cpu: number, key: number, after: number, action: number, arg: number, arg2 = 0): void {
    if (this.op(cpu, 1, key, 1) !== -16) this.op(cpu, 2, key);
    this.op(cpu, 7, key, action, arg, arg2);
    expect(this.op(cpu, 3, key, after)).toBe(0);
  }

  /** key, cpu, result, begin and end (ms) of each callback. */
  log(): { key: number; cpu: number; ret: number; begin: number; end: number }[] {
    const view = new DataView((this.lookup("lg", 0) as Uint8Array).buffer);
    return Array.from({ length: Number(view.getBigUint64(0, true)) }, (_, i) => {
      const at = 64 + 64 * i;
      const ms = (off: number): number => Number(view.getBigUint64(at + off, true)) / MS;
      return {
        key: view.getUint32(at + 32, true),
        cpu: Number(view.getBigUint64(at + 16, true)),
        ret: Number(view.getBigInt64(at + 48, true)),
        begin: ms(0),
        end: ms(8),
      };
    });
  }

  /** What a call takes, ms. */
  timed(call: () => unknown): number {
    const begin = this.kernel.state.now;
    call();
    return (this.kernel.state.now - begin) / MS;
  }
}

const SPIN = 7;

describe("callbacks that take time", () => {
  it("a cancel from another CPU waits for the callback (rt_cancel_running_rearmed)", () => {
    const m = new Machine();
    m.arm(1, 0, MS, 12, 10 * MS, 1000 * MS);
    m.advance(4 * MS);
    expect(m.told("timer-return")).toHaveLength(0);
    let result = 0;
    expect(m.timed(() => (result = m.op(0, 4, 0)))).toBeGreaterThan(5);
    expect(result).toBe(1);
    expect(m.pending).toBe(0);
    expect(m.log()).toMatchObject([{ key: 0, cpu: 1, ret: 0 }]);
  });

  it("a callback that arms itself after the cancel gets -EINVAL (rt_restart_loses_against_cancel)", () => {
    const m = new Machine();
    m.arm(1, 0, MS, 14, 10 * MS, 1000 * MS);
    m.advance(4 * MS);
    expect(m.op(0, 4, 0)).toBe(0);
    expect(m.pending).toBe(0);
    expect(m.log()).toMatchObject([{ ret: -22 }]);
  });

  it.each(["delete", "update", "close"])("user space waits for the callback: %s", (what) => {
    const m = new Machine();
    m.arm(1, 0, MS, SPIN, 10 * MS);
    m.advance(4 * MS);
    const took = m.timed(() => {
      if (what === "delete") expect(m.delete("m", 0).errno).toBe(null);
      if (what === "update") expect(m.update("m", 0, new Uint8Array(64)).errno).toBe(null);
      if (what === "close") expect(m.close("m").errno).toBe(null);
    });
    expect(took).toBeGreaterThan(5);
    expect(m.told("timer-return")).toHaveLength(1);
  });

  it("a timer never runs concurrently with itself (rt_no_self_concurrency)", () => {
    const m = new Machine();
    m.arm(1, 0, MS, SPIN, 10 * MS);
    m.advance(4 * MS);
    expect(m.timed(() => expect(m.op(0, 3, 0, 0)).toBe(0))).toBeLessThan(1);
    m.op(0, 7, 0, 0);
    m.advance(20 * MS);
    const [first, second] = m.log();
    expect(first?.cpu).toBe(1);
    expect(second?.cpu).toBe(1);
    expect(second?.begin).toBeGreaterThanOrEqual(first?.end as number);
  });

  it("callbacks of one CPU are served one after another (rt_callbacks_serialised_per_cpu)", () => {
    const m = new Machine("array");
    m.arm(0, 0, MS, SPIN, 5 * MS);
    m.arm(0, 1, 2 * MS, 0, 0);
    m.advance(20 * MS);
    const [first, second] = m.log();
    expect(second?.begin).toBeGreaterThanOrEqual(first?.end as number);
    expect((second?.begin as number) - (first?.begin as number)).toBeGreaterThan(4.9);
  });

  it("callbacks of two CPUs run side by side", () => {
    const m = new Machine("array");
    m.arm(0, 0, MS, SPIN, 5 * MS);
    m.arm(1, 1, MS, SPIN, 5 * MS);
    m.advance(20 * MS);
    const [first, second] = m.log();
    expect(Math.abs((first?.begin as number) - (second?.begin as number))).toBeLessThan(1);
  });

  it("of two callbacks that cancel each other one at least gets -EDEADLK (rt_mutual_cancel)", () => {
    const m = new Machine();
    const at = m.kernel.state.now + 20 * MS;
    for (const key of [0, 1]) {
      m.op(key, 1, key, 1);
      m.op(key, 2, key);
      m.op(key, 7, key, 13, 1 - key, 5 * MS);
      expect(m.op(key, 3, key, at, 3)).toBe(0);
    }
    expect(m.advance(60 * MS)).toBe("done");
    const results = m.log().map((entry) => entry.ret);
    expect(results).toHaveLength(2);
    expect(results).toContain(-35);
  });

  it("a callback that cancels one running elsewhere waits, one that deletes its element does not", () => {
    const cancel = new Machine();
    cancel.arm(0, 0, MS, SPIN, 10 * MS);
    cancel.arm(1, 1, 4 * MS, 5, 0);
    cancel.advance(40 * MS);
    const waited = cancel.log().find((entry) => entry.key === 1);
    expect((waited?.end as number) - (waited?.begin as number)).toBeGreaterThan(5);
    const remove = new Machine();
    remove.arm(0, 0, MS, SPIN, 10 * MS);
    remove.arm(1, 1, 4 * MS, 6, 0);
    remove.advance(40 * MS);
    const quick = remove.log().find((entry) => entry.key === 1);
    expect((quick?.end as number) - (quick?.begin as number)).toBeLessThan(1);
    remove.settle();
    expect(remove.kernel.state.timers.size).toBe(1);
  });

  it("a callback that arms itself with 0 ns comes about every 21 us, and does not hang (rt_restart_rate_0)", () => {
    const m = new World();
    m.createMap({ name: "m", type: "hash", value: 64, btf: BTF });
    m.createMap({ name: "lg", type: "array", value: 2112, entries: 1 });
    m.load(PROGRAM);
    m.update("m", 0, new Uint8Array(64));
    for (const [op, arg] of [
      [1, 1],
      [2, 0],
      [7, 2],
      [3, 1000],
    ] as const) {
      m.run("prog", u64(op, 0, arg, 0, 0, 0, 0, 0));
    }
    expect(m.advance(50 * MS)).toBe("done");
    const fired = m.told("timer-fire").length;
    expect(fired).toBeGreaterThan(2000);
    expect(fired).toBeLessThan(3000);
  });

  it("timers of equal expiry come in the order in which they were queued (rt_equal_expiry_fifo)", () => {
    const m = new Machine("array");
    const at = m.kernel.state.now + 20 * MS;
    for (const key of [3, 1, 2, 0]) {
      m.op(0, 1, key, 1);
      m.op(0, 2, key);
      m.op(0, 3, key, at, 3);
    }
    m.advance(40 * MS);
    expect(m.log().map((entry) => entry.key)).toEqual([3, 1, 2, 0]);
  });
});

describe("maps in maps", () => {
  const INNER = {
    name: "inner",
    type: "array",
    value: 24,
    entries: 1,
    btf: "struct elem 24 {bpf_timer t @0; u64 x @16}",
  } as const;
  const ops = CASES.find((c) => c.name === "rt_mim_basic")?.program ?? [];

  it("the outer map holds a plain reference: the last fd of the inner map stops its timers (rt_mim_inner_fd_closed)", () => {
    expect(ops.length).toBeGreaterThan(10);
    const world = new World();
    world.createMap(INNER);
    world.createMap({ ...INNER, name: "inner2" });
    expect(world.createMap({ name: "outer", type: "array_of_maps", value: 4, entries: 2, inner: INNER }).errno).toBe(
      null,
    );
    expect(world.update("outer", 0, u32(world.fd("inner2"))).errno).toBe(null);
    world.load(ops);
    const op = (n: number, ...args: number[]): number => {
      const context = world.run("prog", u64(n, ...args, 0, 0, 0, 0, 0, 0).slice(0, 64)).run?.context as Uint8Array;
      return Number(new DataView(context.buffer).getBigInt64(32, true));
    };
    expect([op(1), op(2), op(3, 0, 20 * MS)]).toEqual([0, 0, 0]);
    expect(world.pending).toBe(1);
    world.close("inner2");
    expect(world.pending).toBe(0);
    expect(world.kernel.state.maps.get(2)?.freed).toBe(false);
    expect([op(3, 0, 20 * MS), op(1)]).toEqual([-22, -1]);
    const fd = world.kernel.call(world.main, { name: "open-by-id", kind: "map", id: 2 }).retval;
    expect([op(1), op(2), op(3, 0, 20 * MS)]).toEqual([0, 0, 0]);
    world.kernel.call(world.main, { name: "close", fd });
    expect(op(3, 0, 20 * MS)).toBe(-22);
    world.kernel.call(world.main, { name: "map-delete", fd: world.fd("outer"), key: u32(0) });
    world.settle();
    expect(world.kernel.state.maps.get(2)?.freed).toBe(true);
  });
});
