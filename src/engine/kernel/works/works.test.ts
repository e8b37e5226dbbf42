import { describe, expect, it } from "vitest";
import { testWasmHost } from "../../vm/testing/wasm-host.ts";
import { auditKernel, fingerprint } from "../api.ts";
import type { KernelSettings } from "../state.ts";
import { u32, u64, World } from "../testing/world.ts";

/**
 * What was measured on two CPUs of Linux 6.18 with maps that have a work queue (programs of type syscall and sched_cls by
 * BPF_PROG_TEST_RUN; a callback that spins tells what happens while one runs).
 */
const MS = 1_000_000;
const BTF = "struct elem 64 {bpf_wq w @0; bpf_timer t @16; u64 runs @32; u64 spin @40; u64 again @48; u64 ret @56}";

/** Context: operation, key, argument; the result lies behind them. */
const PROGRAM = [
  "main prog:",
  "r9 = r1",
  "r1 = *(u64 *)(r9 +8)",
  "*(u32 *)(r10 -4) = r1",
  "r2 = r10",
  "r2 += -4",
  "r1 = map[m] ll",
  "call bpf_map_lookup_elem#1",
  "r6 = r0",
  "r7 = *(u64 *)(r9 +0)",
  "r0 = -2",
  "if r6 == 0 goto ret",
  "if r7 == 1 goto opinit",
  "if r7 == 2 goto opcb",
  "if r7 == 3 goto opstart",
  "if r7 == 4 goto opcfg",
  "if r7 == 5 goto opdel",
  "if r7 == 6 goto optimer",
  "goto ret",
  "opinit:",
  "r1 = r6",
  "r2 = map[m] ll",
  "r3 = *(u64 *)(r9 +16)",
  "call kfunc bpf_wq_init@66112",
  "goto ret",
  "opcb:",
  "r1 = r6",
  "r2 = func[cb] ll",
  "r3 = *(u64 *)(r9 +16)",
  "r4 = 0",
  "call kfunc bpf_wq_set_callback_impl@66115",
  "goto ret",
  "opstart:",
  "r1 = r6",
  "r2 = *(u64 *)(r9 +16)",
  "call kfunc bpf_wq_start@66118",
  "goto ret",
  "opcfg:",
  "r1 = *(u64 *)(r9 +16)",
  "*(u64 *)(r6 +40) = r1",
  "r1 = *(u64 *)(r9 +24)",
  "*(u64 *)(r6 +48) = r1",
  "r0 = 0",
  "goto ret",
  "opdel:",
  "r1 = r6",
  "r2 = 0",
  "call kfunc bpf_wq_start@66118",
  "r1 = map[m] ll",
  "r2 = r10",
  "r2 += -4",
  "call bpf_map_delete_elem#3",
  "r1 = r6",
  "r2 = 0",
  "call kfunc bpf_wq_start@66118",
  "goto ret",
  "optimer:",
  "r1 = r6",
  "r1 += 16",
  "r2 = map[m] ll",
  "r3 = 1",
  "call bpf_timer_init#169",
  "r1 = r6",
  "r1 += 16",
  "r2 = func[tick] ll",
  "call bpf_timer_set_callback#170",
  "r1 = r6",
  "r1 += 16",
  "r2 = *(u64 *)(r9 +16)",
  "r3 = 0",
  "call bpf_timer_start#171",
  "ret:",
  "*(u64 *)(r9 +32) = r0",
  "r0 = 0",
  "exit",
  "static cb:",
  "r7 = r3",
  "r1 = *(u64 *)(r7 +32)",
  "r1 += 1",
  "*(u64 *)(r7 +32) = r1",
  "r6 = *(u64 *)(r7 +40)",
  "spin:",
  "if r6 == 0 goto spun",
  "r6 += -1",
  "goto spin",
  "spun:",
  "r1 = *(u64 *)(r7 +48)",
  "if r1 == 0 goto leave",
  "r1 += -1",
  "*(u64 *)(r7 +48) = r1",
  "r1 = r7",
  "r2 = 0",
  "call kfunc bpf_wq_start@66118",
  "*(u64 *)(r7 +56) = r0",
  "leave:",
  "r0 = 0",
  "exit",
  "static tick:",
  "r1 = r3",
  "r2 = 0",
  "call kfunc bpf_wq_start@66118",
  "r0 = 0",
  "exit",
];

const INIT = 1;
const SET_CALLBACK = 2;
const START = 3;
const CONFIGURE = 4;
const START_DELETE_START = 5;
const TIMER = 6;

class Machine extends World {
  constructor(settings: Partial<KernelSettings> = {}, type: "hash" | "array" = "hash", compiled = false) {
    super({ watch: false, ...settings }, "linux", compiled ? testWasmHost : null);
    this.trusted = compiled;
    this.createMap({ name: "m", type, value: 64, btf: BTF });
    this.load(PROGRAM);
    if (type === "hash") for (const key of [0, 1, 2, 3]) this.update("m", key, new Uint8Array(64));
  }

  op(cpu: number, op: number, key: number, arg = 0, arg2 = 0): number {
    const result = this.run("prog", u64(op, key, arg, arg2, 0), cpu);
    const context = result.run?.context as Uint8Array;
    expect(auditKernel(this.kernel)).toEqual([]);
    // Kfuncs return int.
    return new DataView(context.buffer, context.byteOffset).getInt32(32, true);
  }

  ready(key: number): void {
    expect(this.op(0, INIT, key)).toBe(0);
    expect(this.op(0, SET_CALLBACK, key)).toBe(0);
  }

  member(key: number, at: number): number {
    return new DataView((this.lookup("m", key) as Uint8Array).buffer).getInt32(at, true);
  }

  runs(key: number): number {
    return this.member(key, 32);
  }

  /** `key@cpu` of each callback, in order. */
  get ran(): string[] {
    return this.told("wq-run").map((e) =>
      e.kind === "wq-run" ? `${Number.parseInt(e.work.slice(4, 6), 16)}@${e.cpu}` : "",
    );
  }
}

/** One instruction takes 50 ns: a spin of 100,000 rounds takes 15 ms. */
const SLOW = { insnCost: 50 };
const SPIN = 100_000;

describe.each([false, true])("work queues (compiled: %s)", (compiled) => {
  it("give the errnos of Linux, in its order", () => {
    const m = new Machine({}, "array", compiled);
    const steps: readonly (readonly [number, number, number])[] = [
      [START, 0, -22],
      [SET_CALLBACK, 0, -22],
      [INIT, 1, -22],
      [INIT, 0, 0],
      [INIT, 0, -16],
      [START, 0, -22],
      [SET_CALLBACK, 1, -22],
      [START, 1, -22],
      [SET_CALLBACK, 0, 0],
      [START, 1, -22],
      [START, 0, 0],
      [START, 0, 0],
      [INIT, 7, -22],
      [INIT, 0, -16],
    ];
    expect(steps.map(([op, arg]) => m.op(0, op, 0, arg))).toEqual(steps.map(([, , result]) => result));
    m.advance(MS);
    expect(m.runs(0)).toBe(1);
  });

  it("run the callback some microseconds later, on the CPU that started it, with map, key and value", () => {
    const m = new Machine({}, "array", compiled);
    m.ready(3);
    const began = m.kernel.state.now;
    expect(m.op(1, START, 3)).toBe(0);
    expect(m.runs(3)).toBe(0);
    expect(m.kernel.nextExpiry()).toBe(began + 4000);
    m.advance(MS);
    expect(m.ran).toEqual(["3@1"]);
    expect(m.runs(3)).toBe(1);
    expect(m.told("wq-run")[0]?.at).toBe(began + 4000);
  });

  it("run in the order of their starts", () => {
    const m = new Machine({}, "array", compiled);
    for (const key of [1, 2, 3]) m.ready(key);
    for (const key of [3, 1, 2]) m.op(0, START, key);
    m.advance(MS);
    expect(m.ran).toEqual(["3@0", "1@0", "2@0"]);
  });

  it("run again at once when the callback starts them, every 360 ns", () => {
    const m = new Machine({}, "array", compiled);
    m.ready(0);
    m.op(0, CONFIGURE, 0, 0, 5);
    m.op(0, START, 0);
    m.advance(MS);
    expect(m.runs(0)).toBe(6);
    expect(m.member(0, 56)).toBe(0);
    const at = m.told("wq-run").map((e) => e.at);
    expect(at.slice(1).map((t, i) => t - (at[i] as number))).toEqual([360, 360, 360, 360, 360]);
  });

  it("do not run once their element is gone; the element's pointer then has none", () => {
    const m = new Machine({}, "hash", compiled);
    m.ready(1);
    expect(m.op(0, START_DELETE_START, 1)).toBe(-22);
    m.advance(MS);
    m.settle();
    expect(m.ran).toEqual([]);
    expect(m.told("wq-drop", "wq-cancel", "wq-free").map((e) => e.kind)).toEqual(["wq-drop", "wq-cancel", "wq-free"]);
    expect(m.kernel.state.works.size).toBe(0);
  });

  it.each([
    ["delete", "delete"],
    ["update", "update"],
    ["close", "last-user-reference"],
  ])("go with %s", (what, why) => {
    const m = new Machine({}, "hash", compiled);
    m.ready(1);
    m.op(0, START, 1);
    if (what === "delete") m.delete("m", 1);
    if (what === "update") m.update("m", 1, new Uint8Array(64));
    if (what === "close") m.close("m");
    m.advance(MS);
    m.settle();
    expect(m.ran).toEqual([]);
    expect(m.told("wq-drop")).toMatchObject([{ work: "w:1:01000000", why }]);
    expect(m.kernel.state.works.size).toBe(0);
    expect([...m.kernel.program(1).holders.keys()]).toEqual(["fd:1:4"]);
    expect(auditKernel(m.kernel)).toEqual([]);
  });

  it("cannot be made while no user holds the map: EPERM", () => {
    const m = new Machine({}, "array", compiled);
    m.close("m");
    expect(m.op(0, INIT, 0)).toBe(-1);
    expect(m.op(0, SET_CALLBACK, 0)).toBe(-22);
    expect(m.op(0, START, 0)).toBe(-22);
  });

  it("take work from a timer's callback, on its CPU", () => {
    const m = new Machine({}, "array", compiled);
    m.ready(2);
    m.op(1, TIMER, 2, MS);
    m.advance(2 * MS);
    expect(m.ran).toEqual(["2@1"]);
    expect(m.told("wq-run")[0]?.at).toBe((m.told("timer-fire")[0]?.at ?? 0) + 4000);
  });

  it("are the same after a checkpoint is put back", () => {
    const m = new Machine({}, "array", compiled);
    for (const key of [0, 1]) m.ready(key);
    m.op(0, CONFIGURE, 0, 0, 3);
    m.op(0, START, 0);
    m.op(1, START, 1);
    const kept = m.kernel.checkpoint();
    const name = fingerprint(m.kernel);
    m.advance(MS);
    const after = fingerprint(m.kernel);
    expect(after).not.toBe(name);
    m.kernel.restore(kept);
    expect(fingerprint(m.kernel)).toBe(name);
    m.advance(MS);
    expect(fingerprint(m.kernel)).toBe(after);
  });
});

describe("callbacks of work queues that take time", () => {
  it("a start while it runs, from another CPU too, makes it run once more, where it runs", () => {
    const m = new Machine(SLOW);
    m.ready(1);
    m.op(0, CONFIGURE, 1, SPIN);
    m.op(1, START, 1);
    m.advance(5 * MS);
    expect(m.ran).toEqual(["1@1"]);
    for (let i = 0; i < 3; i++) expect(m.op(0, START, 1)).toBe(0);
    m.advance(60 * MS);
    expect(m.ran).toEqual(["1@1", "1@1"]);
    const [first, second] = m.told("wq-run");
    expect(m.told("wq-return")[0]?.at).toBeLessThanOrEqual(second?.at ?? 0);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(14 * MS);
  });

  it("those of one CPU run one after another, those of two side by side", () => {
    const m = new Machine(SLOW);
    for (const key of [1, 2, 3]) {
      m.ready(key);
      m.op(0, CONFIGURE, key, SPIN);
    }
    m.op(0, START, 1);
    m.op(0, START, 2);
    m.op(1, START, 3);
    m.advance(60 * MS);
    const at = (kind: "wq-run" | "wq-return", key: number): number =>
      m.told(kind).find((e) => e.kind === kind && e.work === `w:1:0${key}000000`)?.at ?? -1;
    expect(at("wq-run", 2)).toBeGreaterThanOrEqual(at("wq-return", 1));
    expect(at("wq-run", 3)).toBeLessThan(at("wq-return", 1));
  });

  it("a timer interrupts them, and a test run on their CPU does not wait for them", () => {
    const m = new Machine(SLOW);
    for (const key of [1, 2]) m.ready(key);
    m.op(0, CONFIGURE, 1, SPIN);
    m.op(1, TIMER, 2, 8 * MS);
    m.op(1, START, 1);
    m.advance(2 * MS);
    expect(m.op(1, CONFIGURE, 3, 0)).toBe(0);
    expect(m.told("wq-return")).toEqual([]);
    m.advance(40 * MS);
    const [fired] = m.told("timer-fire");
    const [returned] = m.told("wq-return");
    expect(fired?.at).toBeLessThan(returned?.at ?? 0);
    // What the timer has handed over runs behind it.
    expect(m.ran).toEqual(["1@1", "2@1"]);
  });

  it.each(["delete", "update", "close"])(
    "%s does not wait; the callback ends, its start is refused, then it is freed",
    (what) => {
      const m = new Machine(SLOW);
      m.ready(1);
      m.op(0, CONFIGURE, 1, SPIN, 9);
      m.op(1, START, 1);
      m.advance(2 * MS);
      const began = m.kernel.state.now;
      if (what === "delete") m.delete("m", 1);
      if (what === "update") m.update("m", 1, new Uint8Array(64));
      if (what === "close") m.close("m");
      expect(m.kernel.state.now - began).toBeLessThan(MS);
      expect(m.told("wq-return")).toEqual([]);
      m.advance(60 * MS);
      m.settle();
      expect(m.ran).toEqual(["1@1"]);
      expect(m.told("wq-return", "wq-free").map((e) => e.kind)).toEqual(["wq-return", "wq-free"]);
      expect(m.kernel.state.oops).toBe(null);
      expect(auditKernel(m.kernel)).toEqual([]);
    },
  );

  it("however the run is cut into slices, it is the same", () => {
    const events = (fuel: number): string => {
      const m = new Machine({ insnCost: 10 });
      for (const key of [0, 1, 2]) {
        m.ready(key);
        m.op(0, CONFIGURE, key, 300 * (key + 1), 3);
      }
      m.op(0, TIMER, 2, 20_000);
      m.op(0, START, 0);
      m.op(1, START, 1);
      const target = m.kernel.state.now + MS;
      while (m.kernel.advanceTo(target, fuel) === "fuel");
      return JSON.stringify(m.events);
    };
    const whole = events(1e9);
    expect(whole).toContain("wq-return");
    for (const fuel of [1, 7, 1000]) expect(events(fuel)).toBe(whole);
  });

  it("the explorer's steps do the same: a wake-up is a step of its own", () => {
    const m = new Machine();
    m.ready(0);
    m.op(1, START, 0);
    const steps: string[] = [];
    for (let i = 0; i < 200; i++) {
      const [choice] = m.kernel.choices();
      if (choice === undefined) break;
      if (steps.at(-1) !== choice.id) steps.push(choice.id);
      m.kernel.step(choice);
    }
    expect(steps).toEqual(["time", "work1", "cpu1"]);
    expect(m.runs(0)).toBe(1);
    expect(m.kernel.state.tasks.size).toBe(0);
  });
});

it("wrong bytes in place of a work queue are an oops that says so", () => {
  const m = new Machine();
  m.createMap({ name: "plain", type: "array", value: 16 });
  m.load(
    [
      "main prog:",
      "*(u32 *)(r10 -4) = 0",
      "r2 = r10",
      "r2 += -4",
      "r1 = map[plain] ll",
      "call bpf_map_lookup_elem#1",
      "*(u64 *)(r0 +0) = 4919",
      "r1 = r0",
      "r2 = 0",
      "call kfunc bpf_wq_start@66118",
      "r0 = 0",
      "exit",
    ],
    "syscall",
    "forged",
  );
  m.run("forged", u32(0));
  expect(m.kernel.state.oops?.message).toBe("unable to handle page fault: the work queue's bytes are no work queue");
});
