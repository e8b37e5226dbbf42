import { describe, expect, it } from "vitest";
import { MAP_TYPES } from "../abi/types.ts";
import type { Btf } from "../btf/types.ts";
import { Kernel } from "../kernel/api.ts";
import type { MapSpec } from "../loader/spec.ts";
import { SnapshotTaker, takeSnapshot } from "./take-snapshot.ts";
import { MAP_ROWS_SHOWN } from "./types.ts";
import { valueJson } from "./value-json.ts";

/** struct pair { int a; enum { NO, YES } b; char name[8]; u64 big; } */
const BTF: Btf = {
  types: [
    { kind: "void" },
    { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" },
    {
      kind: "enum",
      name: "",
      size: 4,
      signed: false,
      wide: false,
      values: [
        { name: "NO", value: 0n },
        { name: "YES", value: 1n },
      ],
    },
    { kind: "int", name: "char", size: 1, bits: 8, bitOffset: 0, encoding: "signed" },
    { kind: "array", type: 3, indexType: 1, count: 8 },
    { kind: "int", name: "unsigned long", size: 8, bits: 64, bitOffset: 0, encoding: "unsigned" },
    {
      kind: "struct",
      name: "pair",
      size: 24,
      members: [
        { name: "a", type: 1, bitOffset: 0, bitSize: 0 },
        { name: "b", type: 2, bitOffset: 32, bitSize: 0 },
        { name: "name", type: 4, bitOffset: 64, bitSize: 0 },
        { name: "big", type: 5, bitOffset: 128, bitSize: 0 },
      ],
    },
  ],
};

function world(type: number, maxEntries: number, valueType = 6, valueSize = 24) {
  const kernel = new Kernel({ policy: "uref", cpus: 2, hz: 250, seed: 1, insnCost: 0, watch: true }, () => {});
  const process = kernel.openProcess("P1");
  const spec: MapSpec = {
    name: "pairs",
    type,
    keySize: 4,
    valueSize,
    maxEntries,
    flags: 0,
    mapExtra: 0n,
    keyType: 1,
    valueType,
    inner: null,
    globalData: null,
    frozen: false,
    slots: [],
    pinByName: false,
  };
  const made = kernel.call(process, { name: "map-create", spec, btf: BTF, dialect: "linux" });
  expect(made.errno).toBeNull();
  const update = (key: number, value: Uint8Array) =>
    kernel.call(process, {
      name: "map-update",
      fd: made.retval,
      key: Uint8Array.of(key & 255, key >> 8, 0, 0),
      value,
      flags: 0,
    });
  return { kernel, process, fd: made.retval, update };
}

const pair = (a: number, b: number, name: string, big: bigint): Uint8Array => {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, a, true);
  view.setUint32(4, b, true);
  bytes.set(new TextEncoder().encode(name), 8);
  view.setBigUint64(16, big, true);
  return bytes;
};

describe("snapshots", () => {
  it("decode rows by BTF", () => {
    const { kernel, update } = world(MAP_TYPES.hash, 8);
    update(3, pair(-7, 1, "abc", 2n ** 63n));
    const [map] = takeSnapshot(kernel).maps;
    expect(map).toMatchObject({ name: "pairs", type: "hash", count: 1, refcnt: 1, usercnt: 1, keyTypeName: "int" });
    expect(map?.columns.map((c) => c.name)).toEqual(["a", "b", "name", "big"]);
    const row = map?.rows[0];
    expect(row).toMatchObject({ node: "element:1:03000000", key: { text: "3" }, lastWrite: { by: "user space" } });
    expect(row && valueJson(row.value)).toEqual({ a: -7, b: 1, name: "abc", big: "9223372036854775808" });
  });

  it("keep what has not changed", () => {
    const { kernel, update } = world(MAP_TYPES.hash, 8);
    update(1, pair(1, 0, "x", 0n));
    update(2, pair(2, 0, "y", 0n));
    const taker = new SnapshotTaker();
    const first = taker.take(kernel);
    kernel.advanceTo(1000, 100);
    const later = taker.take(kernel);
    expect(later.now).toBe(1000);
    expect(later.maps).toBe(first.maps);
    expect(later.graph).toBe(first.graph);
    update(2, pair(3, 0, "z", 0n));
    const changed = taker.take(kernel);
    const rowOf = (s: typeof first, key: string) => s.maps[0]?.rows.find((r) => r.keyHex === key);
    expect(rowOf(changed, "01000000")).toBe(rowOf(first, "01000000"));
    expect(rowOf(changed, "02000000")).not.toBe(rowOf(first, "02000000"));
  });

  it("show a thousand rows to the page, and all to the command line", () => {
    const { kernel } = world(MAP_TYPES.array, 5000);
    expect(new SnapshotTaker().take(kernel).maps[0]).toMatchObject({ count: 5000, rows: { length: MAP_ROWS_SHOWN } });
    expect(takeSnapshot(kernel).maps[0]?.rows).toHaveLength(5000);
  });

  it("show one value per CPU where there is one", () => {
    const { kernel, process, fd } = world(MAP_TYPES.percpu_array, 1, 5, 8);
    const value = new Uint8Array(16);
    value[0] = 4;
    value[8] = 9;
    kernel.call(process, { name: "map-update", fd, key: new Uint8Array(4), value, flags: 0 });
    const row = takeSnapshot(kernel).maps[0]?.rows[0];
    expect(row?.perCpu?.map(valueJson)).toEqual([4, 9]);
  });

  it("draw who holds whom", () => {
    const { kernel, process, fd } = world(MAP_TYPES.hash, 8);
    kernel.call(process, { name: "pin", fd, path: "/sys/fs/bpf/pairs" });
    const { graph } = takeSnapshot(kernel);
    expect(graph.nodes.map((n) => n.id).sort()).toEqual(["fd:1:3", "map:1", "pin:/sys/fs/bpf/pairs", "process:1"]);
    expect(graph.edges.filter((e) => e.to === "map:1").map((e) => [e.from, e.kind])).toEqual([
      ["fd:1:3", "user"],
      ["pin:/sys/fs/bpf/pairs", "user"],
    ]);
    expect(graph.nodes.find((n) => n.id === "map:1")).toMatchObject({ refs: 2, users: 2, state: "live" });
    expect(graph.leaks).toEqual([]);
  });

  it("are plain data", () => {
    const { kernel, update } = world(MAP_TYPES.hash, 8);
    update(1, pair(1, 1, "x", 1n));
    const snapshot = takeSnapshot(kernel);
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(structuredClone(snapshot));
  });
});
