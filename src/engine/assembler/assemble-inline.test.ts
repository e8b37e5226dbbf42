import { describe, expect, it } from "vitest";
import { formatInstruction } from "../isa/format.ts";
import { assembleInline, type InlineOperand } from "./assemble-inline.ts";

const R1: InlineOperand = { kind: "reg", reg: 1, width: 64 };
const W2: InlineOperand = { kind: "reg", reg: 2, width: 32 };

function text(template: string, operands: readonly InlineOperand[] = []): string[] {
  const code = assembleInline(template, operands, 7);
  if (!code.ok) return [code.error];
  const names = { call: (i: { imm: number }) => `${i.imm}`, wide: (_: unknown, value: bigint) => `${value} ll` };
  return code.value.insns
    .map((insn, i, all) => (insn.opcode === 0 ? "" : formatInstruction(insn, all[i + 1], i, names)))
    .filter((line) => line !== "");
}

describe("assembleInline", () => {
  it("puts operands in: registers by width, immediates, memory", () => {
    expect(text("$0 = $2\n\t$0 <<= 3; $1 += 1", [R1, W2, { kind: "imm", value: -5n }])).toEqual([
      "r1 = -5",
      "r1 <<= 3",
      "w2 += 1",
    ]);
    expect(text("$0 = *(u64 *)$1", [R1, { kind: "memory", base: 10, offset: -8 }])).toEqual(["r1 = *(u64 *)(r10 -8)"]);
  });

  it("resolves labels of the template, named, numbered and unique", () => {
    expect(text(`l\${:uid}:\nif r1 == 0 goto l7\ngoto 1f\n1: exit`)).toEqual([
      "if r1 == 0x0 goto pc-1",
      "goto pc+0",
      "exit",
    ]);
  });

  it("leaves jumps to blocks and symbols to the caller", () => {
    const code = assembleInline(
      `r1 = $1 ll\nif r1 > 3 goto \${0:l}\ncall 12\ncall helper_of_mine`,
      [
        { kind: "label", block: 4 },
        { kind: "symbol", symbol: "m", addend: 8 },
      ],
      0,
    );
    expect(code.ok && code.value.jumps).toEqual([{ insn: 2, field: "off", block: 4 }]);
    expect(code.ok && code.value.references).toEqual([
      { insn: 0, kind: "address", symbol: "m", addend: 8 },
      { insn: 4, kind: "call", symbol: "helper_of_mine", addend: 0 },
    ]);
  });

  it("refuses what LLVM refuses", () => {
    expect(text(`\${0:w} = 1`, [R1])).toEqual([`invalid operand in inline asm: '\${0:w}'`]);
    expect(text("frob r1")).toEqual(["there is no instruction 'frob'"]);
    expect(text("goto away")).toEqual(["there is no label 'away' in the template"]);
    expect(text("$3 = 1", [R1])).toEqual(["inline asm has no operand 3"]);
  });
});
