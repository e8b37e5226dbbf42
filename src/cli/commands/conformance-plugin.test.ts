import { describe, expect, it } from "vitest";
import { answerPlugin } from "./conformance-plugin.ts";

const EXIT = "95 00 00 00 00 00 00 00";
/** r0 = *(u8 *)(r1 + 2); exit */
const BYTE_2 = `71 10 02 00 00 00 00 00 ${EXIT}`;

describe.each(["--jit", "--interpreter"])("conformance-plugin %s", (engine) => {
  it("gives r1 the memory and r2 its length", () => {
    expect(answerPlugin(["aa bb 11 cc dd", engine], `${BYTE_2}\n`)).toEqual({ status: 0, out: "11", error: "" });
    expect(answerPlugin([engine, "aa\tbb 11"], `bf 20 00 00 00 00 00 00 ${EXIT}`).out).toBe("3");
  });

  it("prints r0 as unsigned", () => {
    expect(answerPlugin([engine], `b7 00 00 00 ff ff ff ff ${EXIT}`).out).toBe("ffffffffffffffff");
  });

  it("lets a store reach across r10, but not far", () => {
    expect(answerPlugin([engine], `7a 0a fc ff 01 00 00 00 b7 00 00 00 05 00 00 00 ${EXIT}`).out).toBe("5");
    expect(answerPlugin([engine], `7a 0a 08 00 01 00 00 00 b7 00 00 00 05 00 00 00 ${EXIT}`).status).toBe(1);
  });

  it("masks shift immediates beyond the width, where Linux's verifier refuses them", () => {
    expect(answerPlugin([engine], `b7 00 00 00 01 00 00 00 67 00 00 00 41 00 00 00 ${EXIT}`).out).toBe("2");
  });

  it("fails with the reason for an access out of bounds", () => {
    const answer = answerPlugin(["aa bb", engine], BYTE_2);
    expect(answer).toMatchObject({ status: 1, out: "" });
    expect(answer.error).toContain("out of bounds of memory (2 bytes)");
  });

  it.each([
    ["mov with an offset", "b7 00 01 00 00 00 00 00", "reserved field off"],
    ["mov by register with an immediate", "bf 10 00 00 01 00 00 00", "reserved field imm"],
    ["neg with a source", "87 10 00 00 00 00 00 00", "reserved field src"],
    ["exit with a destination", "95 01 00 00 00 00 00 00", "reserved field dst"],
    ["a load with an immediate", "79 10 00 00 01 00 00 00", "reserved field imm"],
    ["a swap of 24 bits", "d7 00 00 00 18 00 00 00", "byte swap of 24 bits"],
    ["an atomic of 16 bits", "cb 21 00 00 00 00 00 00", "unknown opcode 0xcb"],
    ["an unknown atomic", "db 21 00 00 02 00 00 00", "unknown atomic operation"],
    ["register 11", "b7 0b 00 00 00 00 00 00", "no register r11"],
    ["a write to r10", "b7 0a 00 00 00 00 00 00", "r10 is read-only"],
    ["callx", "8d 00 00 00 00 00 00 00", "unknown opcode 0x8d"],
    ["a jump out of the code", "05 00 10 00 00 00 00 00", "slot 17"],
  ])("refuses %s", (_, first, why) => {
    const answer = answerPlugin([engine], `${first} ${EXIT}`);
    expect(answer.status).toBe(1);
    expect(answer.error).toContain(why);
  });

  it("refuses a second half of a 64-bit load that is none", () => {
    expect(answerPlugin([engine], `18 00 00 00 01 00 00 00 b7 00 00 00 00 00 00 00 ${EXIT}`).status).toBe(1);
  });
});

it("tells bad usage from a bad program", () => {
  expect(answerPlugin(["--what"], EXIT).status).toBe(2);
  expect(answerPlugin(["aa", "bb"], EXIT).status).toBe(2);
  expect(answerPlugin(["xx"], EXIT).status).toBe(2);
  expect(answerPlugin([], "zz").status).toBe(2);
  expect(answerPlugin([], "95 00").status).toBe(1);
  expect(answerPlugin([], "").status).toBe(1);
});

it("says what is wrong with an ELF file", () => {
  expect(answerPlugin(["--elf"], EXIT)).toMatchObject({ status: 1, error: expect.stringContaining("ELF") });
});
