import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { MapTypeName } from "../abi/types.ts";
import type { SyscallResult } from "./state.ts";
import { u32, u64, World } from "./testing/world.ts";

/** What the live kernel did, step by step (e2e/kernel/cases): the same steps here must have the same results. */
interface RuntimeCase {
  readonly name: string;
  readonly category: string;
  readonly maps: readonly {
    readonly name: string;
    readonly type: MapTypeName;
    readonly key: number;
    readonly value: number;
    readonly entries: number;
    readonly flags?: number;
    readonly btf: string | null;
  }[];
  readonly program: readonly string[];
  readonly runtime: { readonly sequence: readonly string[]; readonly results: readonly unknown[] };
}

const CASES = (
  JSON.parse(
    readFileSync(new URL("../../../e2e/kernel/cases/timer-cases.json", import.meta.url), "utf8"),
  ) as RuntimeCase[]
).filter((c) => c.category === "runtime");
const PROGRAM = CASES.find((c) => c.name === "rt_basic_array")?.program ?? [];

/** Not replayed as recorded: measurements of time, things that user space cannot do here (dup, fork, batches). */
const SKIPPED = new Set([
  "rt_batch_lookup_delete",
  "rt_dup_fd",
  "rt_forked_child_holds_fd",
  "rt_latency",
  "rt_nsecs_0_when",
  "rt_helper_cost",
  "rt_20000_timers",
  "rt_softirq_context",
  "rt_restart_rate_0",
  "rt_restart_rate_1000",
  "rt_restart_rate_20000",
  "rt_periodic_restart",
  "rt_equal_expiry_fifo",
  "rt_callbacks_serialised_per_cpu",
  "rt_cpu_placement_flags0",
  "rt_cpu_placement_flags2",
  "rt_no_self_concurrency",
  "rt_cancel_running_rearmed",
  "rt_restart_loses_against_cancel",
  "rt_delete_while_running_prog",
  "rt_update_while_running_user",
  "rt_close_map_while_running",
  "rt_mutual_cancel_0",
  "rt_mutual_cancel_1",
  "rt_mutual_cancel_2",
  "rt_cb_cancels_running_other",
  "rt_cb_deletes_running_other",
  "rt_lru_eviction",
  "rt_mim_basic",
  "rt_mim_inner_fd_closed",
  "rt_mim_outer_slot_deleted",
  "rt_array_key_out_of_range",
]);

const OP = { init: 1, callback: 2, start: 3, cancel: 4, delete: 5, update: 6, configure: 7 } as const;
const KEYS = 4;

class Replay {
  readonly world = new World();
  map = "m";

  constructor(c: RuntimeCase) {
    for (const m of c.maps) {
      const { name, type, key, value, entries, flags = 0, btf } = m;
      const made = this.world.createMap({ name, type, key, value, entries, flags, ...(btf === null ? {} : { btf }) });
      expect(made.errno).toBe(null);
    }
    this.world.load(PROGRAM);
    // The recording machine had been up for longer than the small absolute times of the cases.
    this.world.advance(2e9);
    if (c.maps[0]?.type !== "array") {
      for (let key = 0; key < KEYS; key++) this.world.update("m", key, new Uint8Array(64));
    }
  }

  op(op: number, key: number, ...args: (number | bigint)[]): number {
    const [arg = 0, arg2 = 0, arg3 = 0] = args;
    return this.retOf(this.world.run("prog", u64(op, key, arg, arg2, 0, 0, arg3, 0)));
  }

  retOf(result: SyscallResult): number {
    expect(result.errno).toBe(null);
    const context = result.run?.context as Uint8Array;
    return Number(new DataView(context.buffer).getBigInt64(32, true));
  }

  /** The callbacks' log as the recording shows it. */
  log(): string[] {
    const bytes = this.world.lookup("lg", 0) as Uint8Array;
    const view = new DataView(bytes.buffer);
    const count = Number(view.getBigUint64(0, true));
    return Array.from({ length: Math.min(count, 32) }, (_, i) => {
      const at = 64 + 64 * i;
      const action = view.getBigInt64(at + 40, true);
      const ret = Number(view.getBigInt64(at + 48, true));
      const key = view.getUint32(at + 32, true);
      return `key${key} ${action === 99n ? "cbb" : `cb action ${action}`} ret=${ret}`;
    });
  }

  programLives(id: number): string {
    this.world.settle();
    return this.lives("prog", id);
  }

  lives(kind: "map" | "prog", id: number): string {
    this.world.settle();
    const opened = this.world.kernel.call(this.world.main, { name: "open-by-id", kind, id });
    if (opened.errno === null) this.world.kernel.call(this.world.main, { name: "close", fd: opened.retval });
    this.world.settle();
    return opened.errno === null ? "yes" : `no ${opened.errno}`;
  }
}

const userResult = (result: SyscallResult): number | string => result.errno ?? 0;
const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");

/** Absolute times of the recording lie in the recording machine's life: they stand for "15 ms from now". */
function nsecs(text: string, flags: bigint, now: number): bigint {
  const value = BigInt(text);
  return flags % 2n === 1n && value > 1_000_000_000_000n && value < 1_000_000_000_000_000n
    ? BigInt(now) + 15_000_000n
    : value;
}

/** Does one recorded step; undefined: not known. */
function step(replay: Replay, text: string): unknown {
  const { world } = replay;
  const { kernel, main } = world;
  let m: RegExpExecArray | null = null;
  const is = (pattern: RegExp): boolean => {
    m = pattern.exec(text);
    return m !== null;
  };
  const arg = (i: number): string => m?.[i] ?? "";
  const int = (i: number): number => Number(arg(i));
  if (is(/^bpf_timer_init\(key (\d+), flags=(\d+)\)$/)) return replay.op(OP.init, int(1), BigInt(arg(2)));
  if (is(/^bpf_timer_set_callback\(key (\d+), (cbb?)\)$/))
    return replay.op(OP.callback, int(1), arg(2) === "cb" ? 0 : 1);
  if (is(/^bpf_timer_start\(key (\d+), nsecs=(\d+), flags=(\d+)\)$/)) {
    const flags = BigInt(arg(3));
    return replay.op(OP.start, int(1), nsecs(arg(2), flags, kernel.state.now), flags);
  }
  if (is(/^bpf_timer_cancel\(key (\d+)\)$/)) return replay.op(OP.cancel, int(1));
  if (is(/^prog: value\.action=(\d+) arg=(\d+) arg2=(\d+) \(key (\d+)\)$/)) {
    return replay.op(OP.configure, int(4), BigInt(arg(1)), BigInt(arg(2)), BigInt(arg(3)));
  }
  if (is(/^prog: bpf_map_delete_elem\(key (\d+)\)$/)) return replay.op(OP.delete, int(1));
  if (is(/^prog: bpf_map_update_elem\(key (\d+), zeros, flags=(\d+)\)$/)) return replay.op(OP.update, int(1), int(2));
  if (is(/^wait (\d+) ms, callbacks logged/)) {
    expect(world.advance(int(1) * 1_000_000)).toBe("done");
    return replay.log();
  }
  if (/^(\/proc\/timer_list entries|armed)/.test(text)) return world.pending;
  if (is(/^user: BPF_MAP_UPDATE_ELEM\(key (\d+), flags=(\d+)\)( with all bytes 0xff| BPF_F_LOCK)?/)) {
    const fill = arg(3).includes("0xff") ? 255 : arg(3) === "" ? 0 : 1;
    return userResult(world.update("m", int(1), new Uint8Array(64).fill(fill), int(2)));
  }
  if (is(/^user: BPF_MAP_DELETE_ELEM\(key (\d+)\)$/)) return userResult(world.delete("m", int(1)));
  if (is(/^user: BPF_MAP_LOOKUP_ELEM\(key (\d+)\), first (\d+) bytes$/)) {
    const value = world.lookup("m", int(1));
    return value === null ? "ENOENT" : hex(value.slice(0, int(2)));
  }
  if (is(/^user: BPF_MAP_LOOKUP_AND_DELETE_ELEM, first (\d+) bytes$/)) {
    const call = { name: "map-lookup-and-delete", fd: world.fd("m"), key: u32(0) } as const;
    const value = kernel.call(main, call).value;
    return value === undefined ? "ENOENT" : hex(value.slice(0, int(1)));
  }
  if (is(/^user: lookup with BPF_F_LOCK, first (\d+) bytes$/)) {
    const value = kernel.call(main, { name: "map-lookup", fd: world.fd("m"), key: u32(0), flags: 4 }).value;
    return hex((value as Uint8Array).slice(0, int(1)));
  }
  if (is(/^value bytes (\d+)\.\.(\d+)$/)) return hex((world.lookup("m", 0) as Uint8Array).slice(int(1), int(2)));
  if (text === "close(map fd)") return userResult(world.close("m")) === 0 ? "ok" : "failed";
  if (text === "close(prog fd)") return userResult(world.close("prog")) === 0 ? "ok" : "failed";
  if (text.startsWith("program still exists")) return replay.lives("prog", 1);
  if (text.startsWith("map still exists")) return replay.lives("map", 1);
  if (text === "pin map")
    return userResult(kernel.call(main, { name: "pin", fd: world.fd("m"), path: "/sys/fs/bpf/m" }));
  if (text === "unlink pin") {
    return userResult(kernel.call(main, { name: "unpin", path: "/sys/fs/bpf/m" })) === 0 ? "ok" : "failed";
  }
  if (text === "start/set_callback/init after last map fd is gone") {
    return [replay.op(OP.start, 0, 1, 0), replay.op(OP.callback, 0, 0), replay.op(OP.init, 0, 1)];
  }
  if (text === "reopen map by id" || text === "second fd by id") {
    const opened = kernel.call(main, { name: "open-by-id", kind: "map", id: 1 });
    world.fds.set(text === "second fd by id" ? "second" : "m", opened.retval);
    return opened.errno === null ? "ok" : opened.errno;
  }
  if (text === "init after both closed") {
    kernel.call(main, { name: "close", fd: world.fd("second") });
    return replay.op(OP.init, 0, 1);
  }
  if (is(/^program B: bpf_timer_set_callback\(key 0, cbb\)$/)) {
    world.load(PROGRAM, "syscall", "b");
    return replay.retOf(world.run("b", u64(OP.callback, 0, 1, 0, 0, 0, 0, 0)));
  }
  if (text === "program B exists after its fd is closed") {
    world.close("b");
    return replay.lives("prog", 2);
  }
  if (text === "program B exists after the element is deleted") return replay.lives("prog", 2);
  if (text.startsWith("program B: start(5 ms)")) {
    world.load(PROGRAM, "syscall", "b");
    return replay.retOf(world.run("b", u64(OP.start, 0, 5_000_000, 0, 0, 0, 0, 0)));
  }
  if (text === "program B: cancel") return replay.retOf(world.run("b", u64(OP.cancel, 0, 0, 0, 0, 0, 0, 0)));
  if (text.startsWith("timer_list base index")) {
    const { monotonic, boottime } = kernel.state.cpus[0]?.hrtimers ?? {};
    return [...(monotonic?.live ? [4] : []), ...(boottime?.live ? [6] : [])];
  }
  return undefined;
}

/** Recorded results in the form that steps give: `-22 (-EINVAL)` is the number. */
function recorded(value: unknown): unknown {
  if (typeof value === "string") {
    const number = /^(-?\d{1,4})(?: \(.*)?$/.exec(value);
    return number ? Number(number[1]) : value;
  }
  if (Array.isArray(value)) {
    return value.map((v) => recorded(typeof v === "string" ? v.replace(/(ret=-?\d+).*$/, "$1") : v));
  }
  return value;
}

/** Steps whose results are measurements. */
const MEASURED =
  /^(timer_list "in" ns|expiry minus|intervals|lateness|ret of start|raw|bytes \d|callbacks$|user: lookup with)/;

describe("recorded on Linux 6.18", () => {
  for (const c of CASES) {
    if (SKIPPED.has(c.name)) continue;
    it(c.name, () => {
      const replay = new Replay(c);
      c.runtime.sequence.forEach((text, i) => {
        if (MEASURED.test(text)) return;
        const actual = step(replay, text);
        expect(actual, `step not known: ${text}`).not.toBe(undefined);
        expect(actual, `${i}: ${text}`).toEqual(recorded(c.runtime.results[i]));
      });
      expect(replay.world.kernel.state.oops).toBe(null);
    });
  }

  it("replays most of what was recorded", () => {
    expect(CASES.length - SKIPPED.size).toBeGreaterThanOrEqual(60);
  });
});
