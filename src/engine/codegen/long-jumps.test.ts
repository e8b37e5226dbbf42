import { describe, expect, it } from "vitest";
import { readElf } from "../elf/read.ts";
import type { IrModule } from "../ir/module.ts";
import { parseIr } from "../ir/parse-ir.ts";
import { decodeInstructions } from "../isa/instruction.ts";
import { generateObject } from "./generate-object.ts";
import { randomBuffer, runCompiled } from "./testing/run.ts";

/** More instructions than a jump of 16 bits can pass, in pieces of assembly. */
const PIECES = 11;
const PIECE = 3_000;
const LENGTH = PIECES * PIECE;
/** `gotol`: an unconditional jump of the 32-bit class, whose distance is in the immediate. */
const GOTOL = 0x06;

/** `LENGTH` instructions that add 1 each. */
function additions(from: string, name: string): string[] {
  const text = "$0 += 1; ".repeat(PIECE);
  return Array.from({ length: PIECES }, (_, i) => {
    const value = i === 0 ? from : `%${name}${i - 1}`;
    return `  %${name}${i} = call i64 asm sideeffect "${text}", "=r,0"(i64 ${value})`;
  });
}

/** A loop of two rounds whose body is longer than 2^15 instructions, beside a branch as long; both meet at the end. */
function longLoop(): IrModule {
  const text = [
    "define i64 @test(ptr %p) {",
    "entry:",
    "  %first = load i8, ptr %p, align 1",
    "  %skip = icmp ugt i8 %first, 200",
    "  br i1 %skip, label %other, label %body",
    "body:",
    `  %n = phi i64 [ 0, %entry ], [ %a${PIECES - 1}, %body ]`,
    ...additions("%n", "a"),
    `  %again = icmp ult i64 %a${PIECES - 1}, ${LENGTH + 1}`,
    "  br i1 %again, label %body, label %out",
    "other:",
    ...additions("7", "b"),
    "  br label %out",
    "out:",
    `  %result = phi i64 [ %b${PIECES - 1}, %other ], [ %a${PIECES - 1}, %body ]`,
    "  %last = load volatile i8, ptr %p, align 1",
    "  %wide = zext i8 %last to i64",
    "  %mixed = mul i64 %wide, %result",
    "  store volatile i64 %mixed, ptr %p, align 1",
    "  ret i64 %mixed",
    "}",
    "",
  ].join("\n");
  const module = parseIr(text);
  if (!module.ok) throw new Error(module.error[0]?.message);
  return module.value;
}

describe("jumps beyond 16 bits", () => {
  const module = longLoop();

  it("are gotol at v4, forwards and backwards, and lead where they should", () => {
    const object = generateObject(module, { cpuVersion: "v4" });
    if (!object.ok) throw new Error(object.error[0]?.message);
    const elf = readElf(object.value);
    if (!elf.ok) throw new Error(elf.error);
    const code = elf.value.sections.find((s) => s.name === ".text");
    const distances = decodeInstructions(code?.bytes ?? new Uint8Array())
      .filter((insn) => insn.opcode === GOTOL)
      .map((insn) => insn.imm);
    expect(distances.some((d) => d > 32_767)).toBe(true);
    expect(distances.some((d) => d < -32_768)).toBe(true);
    for (const first of [0, 200, 201, 255]) {
      const input = randomBuffer(1);
      input[0] = first;
      const result = first * (first > 200 ? 7 + LENGTH : 2 * LENGTH);
      expect(runCompiled(object.value, input).split(" ")[0], `first byte ${first}`).toBe(`${result}`);
    }
  });

  it("are an error at v3 that names the function", () => {
    const object = generateObject(module, { cpuVersion: "v3" });
    expect(object.ok ? [] : object.error.map((d) => d.message)).toEqual([expect.stringMatching(/v4/)]);
  });
});
