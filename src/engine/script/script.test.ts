import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Btf } from "../btf/types.ts";
import { compareValue, partOf, type ValuePart } from "./compare-value.ts";
import { decodedText, decodeValue, hexOf, PLAIN } from "./decode-value.ts";
import { encodeValue } from "./encode-value.ts";
import { LineScanner } from "./line-scanner.ts";
import { parseCommand, parseScript } from "./parse-script.ts";
import { parseValue } from "./parse-value.ts";
import type { ValueExpression } from "./types.ts";

/** struct elem { int stuff; u8 tag[4]; enum mode m; struct { u16 low:4, high:12; }; u64 big; char name[8]; } */
const BTF: Btf = {
  types: [
    { kind: "void" },
    { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" },
    { kind: "int", name: "unsigned char", size: 1, bits: 8, bitOffset: 0, encoding: "unsigned" },
    { kind: "array", type: 2, indexType: 1, count: 4 },
    {
      kind: "enum",
      name: "mode",
      size: 4,
      signed: false,
      wide: false,
      values: [
        { name: "OFF", value: 0n },
        { name: "ON", value: 1n },
      ],
    },
    { kind: "int", name: "unsigned short", size: 2, bits: 16, bitOffset: 0, encoding: "unsigned" },
    {
      kind: "struct",
      name: "",
      size: 2,
      members: [
        { name: "low", type: 5, bitOffset: 0, bitSize: 4 },
        { name: "high", type: 5, bitOffset: 4, bitSize: 12 },
      ],
    },
    { kind: "int", name: "unsigned long long", size: 8, bits: 64, bitOffset: 0, encoding: "unsigned" },
    { kind: "int", name: "char", size: 1, bits: 8, bitOffset: 0, encoding: "signed" },
    { kind: "array", type: 8, indexType: 1, count: 8 },
    {
      kind: "struct",
      name: "elem",
      size: 32,
      members: [
        { name: "stuff", type: 1, bitOffset: 0, bitSize: 0 },
        { name: "tag", type: 3, bitOffset: 32, bitSize: 0 },
        { name: "m", type: 4, bitOffset: 64, bitSize: 0 },
        { name: "", type: 6, bitOffset: 96, bitSize: 0 },
        { name: "big", type: 7, bitOffset: 128, bitSize: 0 },
        { name: "name", type: 9, bitOffset: 192, bitSize: 0 },
      ],
    },
  ],
};
const ELEM = { btf: BTF, type: 10, size: 32 };
const none = () => null;

function value(text: string): ValueExpression {
  const scanner = new LineScanner(text);
  const parsed = parseValue(scanner, "value");
  if (parsed === null) throw new Error(`${text}: ${scanner.fault?.message}`);
  return parsed;
}

const encodeElem = (text: string) => encodeValue(value(text), ELEM, none);
const fault = (text: string): string => {
  const { diagnostics } = parseScript(text);
  const d = diagnostics[0];
  return d ? `${d.span?.line}:${d.span?.column}: ${d.message}` : "understood";
};

describe("script lines", () => {
  it("reads every command", () => {
    const text = `
prog run arm ctx.rx_queue_index=1 ctx.cb[2]=0x10 data=0a0b repeat=3 cpu=1   # comment
prog run arm data="text # no comment"
advance 10ms
advance 2.5us
advance 3j
advance next
map update hmap 0 {stuff: -1, tag: [1, 2]} noexist
map lookup hmap {a: {b: 1}}
map delete .bss hex:0a000000
map dump hmap
map push q "text"
map pop q
ringbuf read rb
prog attach arm
prog detach arm
prog close arm
prog open arm
map close hmap
map open hmap
prog pin arm /sys/fs/bpf/arm
map pin hmap /sys/fs/bpf/hmap
unpin /sys/fs/bpf/hmap
object load
exit
process P2: map open hmap
timer create timers expire 10j
fail next alloc
rcu settle
cpu 1: prog run arm
expect retval == 0
expect errno == EBUSY
expect errno == 0
expect map hmap[0].counter == 3
expect map hmap[{a: 1}].x[2] >= -3
expect map hmap[7] missing
expect global result == 5
expect timers pending == 1
expect prog arm freed
expect trace contains "fired"
expect no oops
expect oops use-after-free
`;
    const { commands, diagnostics } = parseScript(text);
    expect(diagnostics).toEqual([]);
    expect(commands).toHaveLength(text.trim().split("\n").length);
    expect(commands.map((c) => c.line)).toEqual(commands.map((_, i) => i + 2));
    expect(commands[0]).toEqual({
      line: 2,
      text: "prog run arm ctx.rx_queue_index=1 ctx.cb[2]=0x10 data=0a0b repeat=3 cpu=1",
      process: null,
      cpu: null,
      command: {
        kind: "prog-run",
        prog: "arm",
        context: [
          { field: "rx_queue_index", value: 1n, column: 14 },
          { field: "cb[2]", value: 16n, column: 35 },
        ],
        data: Uint8Array.of(0x0a, 0x0b),
        repeat: 3,
        cpu: 1,
      },
    });
    expect(commands[3]?.command).toEqual({ kind: "advance", by: { kind: "ns", ns: 2500 } });
    expect(commands.find((c) => c.process === "P2")?.command.kind).toBe("map-open");
    expect(commands.find((c) => c.cpu === 1)?.command.kind).toBe("prog-run");
  });

  it.each([
    ["prog walk arm", "1:6: prog is followed by run, attach, detach, close, open or pin, not by 'walk'"],
    ["\n  advance 10", "2:11: '10' is no time; write a time such as 10ms (ns, us, ms, s, or j for jiffies), or next"],
    ["map update hmap", "1:16: the key is missing here"],
    ["map update hmap 0 {stuff 1}", "1:26: ':' and a value must follow 'stuff'"],
    ["map update hmap 0 {stuff: 1", "1:28: '}' is missing"],
    [
      "map update hmap 0 1 maybe",
      "1:21: map update is followed by any, noexist, exist, lock, busy or cancel, not by 'maybe'",
    ],
    ["expect errno == EWHAT", "1:17: 'EWHAT' is no error that BPF calls return"],
    ["expect retval = 3", "1:15: a comparison is written '=='"],
    ["cpu 9: exit", "1:5: CPUs are numbered 0 to 7"],
    ["exit now", "1:6: 'now' is not expected here"],
    ["exit; exit", "1:5: one command a line: a new line begins the next"],
    ['prog run x data="abc', "1:17: this text has no closing quotation mark"],
    [
      "jump",
      "1:1: unknown command 'jump'; commands are prog, advance, map, ringbuf, unpin, object, exit, timer, fail, rcu, expect",
    ],
  ])("says where and why %j is not understood", (text, wanted) => expect(fault(text)).toBe(wanted));

  it("gives a command or a complaint for any text, never both and never neither", () => {
    const word = fc.constantFrom(
      "map",
      "prog",
      "run",
      "expect",
      "[",
      "{",
      "}",
      ":",
      "hmap",
      "0",
      "==",
      '"',
      "#",
      "1ms",
      "cpu",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word).map((words) => words.join(" ")),
        ),
        (text) => {
          const { commands, diagnostics } = parseScript(text);
          const lines = text.split(/\r\n|\n|\r/).filter((l) => !/^\s*(#|$)/.test(l));
          expect(commands.length + diagnostics.length).toBe(lines.length);
        },
      ),
    );
  });

  it("reads a live command", () => {
    expect(parseCommand("advance next")).toMatchObject({ line: 0, command: { kind: "advance" } });
    expect(parseCommand("nothing")).toMatchObject({ column: 1 });
  });
});

describe("values", () => {
  it("encodes by BTF and decodes back to the same text", () => {
    const text = '{stuff: -5, tag: [1, 2, 3, 4], m: ON, low: 7, high: 4095, big: 18446744073709551615, name: "abc"}';
    const encoded = encodeElem(text);
    if (!encoded.ok) throw new Error(encoded.error.message);
    expect(hexOf(encoded.value)).toBe("fbffffff0102030401000000f7ff0000ffffffffffffffff6162630000000000");
    expect(decodedText(decodeValue(encoded.value, 10, { ...PLAIN, btf: BTF }))).toBe(text);
  });

  it("leaves out what is not named", () => {
    const encoded = encodeElem("{stuff: 3}");
    expect(encoded.ok && hexOf(encoded.value)).toBe(`03000000${"00".repeat(28)}`);
  });

  it.each([
    ["{nope: 1}", "struct elem has no member 'nope' (it has stuff, tag, m, low, high, big, name)"],
    ["{stuff: 4294967296}", "4294967296 does not fit into int"],
    ["{tag: [1, 2, 3, 4, 5]}", "unsigned char[4] has no item 4"],
    ["{tag: [256]}", "256 does not fit into unsigned char"],
    ["{m: MAYBE}", "enum mode takes a number or a name such as OFF, ON"],
    ["{low: 16}", "16 does not fit into the 4 bits of 'low'"],
    ['{name: "much too long"}', "this text has 13 bytes, there is room for 8"],
    ["hex:00", "hex: must give 32 bytes here, not 1"],
    ["3", "struct elem takes {member: value}"],
    ["{stuff: map:hmap}", "this process has no map 'hmap' open"],
  ])("refuses %s", (text, wanted) => {
    const encoded = encodeElem(text);
    expect(encoded.ok ? "encoded" : encoded.error.message).toBe(wanted);
  });

  it("fills untyped keys with little-endian numbers", () => {
    const encoded = encodeValue(value("-2"), { btf: null, type: 0, size: 4 }, none);
    expect(encoded.ok && hexOf(encoded.value)).toBe("feffffff");
  });

  it("puts the fd of a named object where one is asked for", () => {
    const encoded = encodeValue(value("prog:arm"), { btf: null, type: 0, size: 4 }, (of, name) =>
      of === "prog" && name === "arm" ? 7 : null,
    );
    expect(encoded.ok && hexOf(encoded.value)).toBe("07000000");
  });

  it("compares parts", () => {
    const encoded = encodeElem("{stuff: -5, tag: [1, 2], low: 7, m: ON}");
    if (!encoded.ok) throw new Error("not encoded");
    const whole: ValuePart = { btf: BTF, type: 10, bytes: encoded.value, bits: null, special: null, offset: 0 };
    const check = (path: Parameters<typeof partOf>[1], comparison: "==" | "<" | "!=", expected: string) => {
      const part = partOf(whole, path);
      if (!part.ok) return part.error.message;
      const result = compareValue(part.value, comparison, value(expected), none);
      return result.ok ? result.value : result.error.message;
    };
    const member = (name: string) => ({ kind: "member", name, column: 1 }) as const;
    expect(check([member("stuff")], "==", "-5")).toBe(true);
    expect(check([member("stuff")], "<", "0")).toBe(true);
    expect(check([member("low")], "==", "7")).toBe(true);
    expect(check([member("m")], "==", "ON")).toBe(true);
    expect(check([member("m")], "!=", "OFF")).toBe(true);
    expect(check([member("tag"), { kind: "index", index: 1, column: 1 }], "==", "2")).toBe(true);
    expect(check([member("tag")], "==", "[1, 2]")).toBe(true);
    expect(check([], "==", "{stuff: -5}")).toBe(false);
    expect(check([], "==", "{stuff: -5, tag: [1, 2], low: 7, m: 1}")).toBe(true);
    expect(check([member("other")], "==", "1")).toBe("struct elem has no member 'other'");
  });
});
