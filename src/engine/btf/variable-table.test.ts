import { describe, expect, it } from "vitest";
import { utf8Bytes } from "../base/utf8.ts";
import { readVariableTable, type TableVariable, type VariablePlace, writeVariableTable } from "./variable-table.ts";

const PLACES: readonly VariablePlace[] = [
  { kind: "register", register: 6, add: -14n },
  { kind: "stack", offset: -48, add: 0n },
  { kind: "constant", value: 0xffff_ffff_ffff_ffffn },
  { kind: "frame", offset: -8 },
  { kind: "symbol", symbol: "flows", add: 8n },
  { kind: "pointee", address: { kind: "register", register: 1, add: 4n } },
  { kind: "lost", why: "optimised out" },
];

const variable: TableVariable = {
  name: "flow",
  type: "struct flow *",
  size: 64,
  encoding: "pointer",
  parameter: false,
  file: "timer.bpf.c",
  line: 48,
  scope: [42, 70],
  inlined: { name: "find", line: 50 },
  ranges: PLACES.map((place, i) => ({
    first: 2 * i,
    last: 2 * i + 1,
    place,
    bits: 64,
    signed: i === 0,
    part: i === 1 ? { offset: 32, bits: 32 } : null,
  })),
};
const table = { functions: [{ section: "xdp", slot: 0, variables: [variable] }] };

describe("the table of variables as a section", () => {
  it("is read as it was written", () => {
    expect(readVariableTable(writeVariableTable(table))).toEqual(table);
  });

  it("is none when any field is not what it should be", () => {
    const text = JSON.stringify(table, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v));
    const read = (from: string | RegExp, to: string): unknown =>
      readVariableTable(utf8Bytes(`{"version":1,${text.slice(1).replace(from, to)}`));
    expect(read("", "")).not.toBeNull();
    for (const [from, to] of [
      ['"slot":0', '"slot":-1'],
      ['"register":6', '"register":11'],
      ['"offset":-48', '"offset":1e9'],
      ['"kind":"frame"', '"kind":"elsewhere"'],
      ['"encoding":"pointer"', '"encoding":"float"'],
      ['"scope":[42,70]', '"scope":[]'],
      ['"value":"18446744073709551615"', '"value":"x"'],
      ['"version":1', '"version":2'],
    ] as const) {
      const damaged = `{"version":1,${text.slice(1)}`.replace(from, to);
      expect(damaged).not.toBe(`{"version":1,${text.slice(1)}`);
      expect(readVariableTable(utf8Bytes(damaged)), to).toBeNull();
    }
    expect(readVariableTable(utf8Bytes("not JSON"))).toBeNull();
    expect(readVariableTable(new Uint8Array([0xff, 0xfe]))).toBeNull();
  });
});
