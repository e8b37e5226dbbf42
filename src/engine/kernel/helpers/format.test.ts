import { describe, expect, it } from "vitest";
import { type FormatSource, formatBpf } from "./format.ts";

const NOWHERE: FormatSource = { string: () => null, bytes: () => null };
const format = (text: string, ...args: (number | bigint)[]): string | null =>
  formatBpf(
    text,
    args.map((arg) => BigInt.asUintN(64, BigInt(arg))),
    NOWHERE,
  );

/** Each line as bpf_snprintf answered on Linux 6.18. */
describe("formats of bpf_trace_printk and bpf_snprintf", () => {
  it.each([
    ["%d", [-5], "-5"],
    ["%i|%u", [0xffffffff, 0xffffffff], "-1|4294967295"],
    ["%ld %lld %lu", [-1, -2, -3], "-1 -2 18446744073709551613"],
    ["%x %X %lx %llX", [0xabc, 0xabc, 0xabcdef0123, 0xabcdef0123], "abc ABC abcdef0123 ABCDEF0123"],
    ["%08d|%8d|%-8d|", [42, 42, 42], "00000042|      42|42      |"],
    ["% d|% d|%+d", [5, -5, 1], " 5|-5|+1"],
    ["%-5d|%05d", [-3, -3], "-3   |-0003"],
    ["%5c|%-5c|", [65, 66], "    A|B    |"],
    ["%px", [0xffff888112345678n], "ffff888112345678"],
    ["100%% %d", [1], "100% 1"],
    ["%ps %pS %pB", [16, 16, 16], "0x10 0x10 0x10"],
    ["%pI4 %pi6", [0, 0], "0.0.0.0 00000000000000000000000000000000"],
    ["%pI6c", [0], "0000:0000:0000:0000:0000:0000:0000:0000"],
    ["a\tb\n%d", [1], "a\tb\n1"],
  ] as const)("%j", (text, args, expected) => {
    expect(format(text, ...args)).toBe(expected);
  });

  it.each(["%#x", "%.3d", "%f", "%h", "%hd", "%zu", "%o", "%", "%l", "%5%", "\u0001", "%p4", "%pU", "%0#10x"])(
    "refuses %j",
    (text) => {
      expect(format(text, 1)).toBe(null);
    },
  );

  it("refuses more conversions than arguments, and hides plain pointers", () => {
    expect(format("%d %d", 1)).toBe(null);
    expect(format("%p", 0x1234)).toMatch(/^00000000[0-9a-f]{8}$/);
    expect(format("%p", 0x1234)).not.toContain("1234");
  });
});
