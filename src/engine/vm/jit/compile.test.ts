import { describe, expect, it } from "vitest";
import type { Instruction } from "../../isa/instruction.ts";
import { makeExecutable } from "../executable.ts";
import { EngineBench } from "../testing/engines.ts";
import { compileProgram } from "./compile.ts";
import { analyseControlFlow } from "./control-flow.ts";

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const EXIT = insn(0x95);

const executable = (insns: readonly Instruction[]) =>
  makeExecutable({
    name: "test",
    insns,
    functions: null,
    lines: null,
    kfuncs: new Map(),
    codeBase: 0xffff_ffff_c000_0000n,
    resolve: () => null,
  });

const compile = (insns: readonly Instruction[], access: "bare" | "checked" = "bare") =>
  compileProgram(executable(insns), {
    access,
    watched: false,
    frameStride: 544,
    inlineLoop: true,
    arrayAt: () => null,
    hashAt: () => null,
  });

/** r0 = 1 + 2 + … + r6, by a loop within a loop that leaves it early. */
const NESTED = [
  insn(0xb7, 0),
  insn(0xb7, 6, 0, 0, 5),
  insn(0xbf, 7, 6), // outer:
  insn(0x07, 0, 0, 0, 1), // inner:
  insn(0x25, 0, 0, 5, 1000), // if r0 > 1000 goto out
  insn(0x07, 7, 0, 0, -1),
  insn(0x55, 7, 0, -4, 0), // if r7 != 0 goto inner
  insn(0x07, 6, 0, 0, -1),
  insn(0x55, 6, 0, -7, 0), // if r6 != 0 goto outer
  EXIT,
  EXIT, // out:
];

/** Two jumps into a loop at different places. */
const IRREDUCIBLE = [
  insn(0xb7, 0),
  insn(0xb7, 6, 0, 0, 9),
  insn(0x15, 1, 0, 1, 0),
  insn(0x07, 0, 0, 0, 1), // head
  insn(0x07, 0, 0, 0, 100), // middle
  insn(0x07, 6, 0, 0, -1),
  insn(0x55, 6, 0, -4, 0),
  EXIT,
];

describe("control flow", () => {
  it("finds loops, their nesting and their size", () => {
    const flow = analyseControlFlow(executable(NESTED), 0);
    expect(flow.reducible).toBe(true);
    const headers = flow.blocks.flatMap((block, b) => (flow.loopHeader[b] ? [{ b, start: block.start }] : []));
    expect(headers.map((h) => h.start)).toEqual([2, 3]);
    const [outer, inner] = headers.map((h) => h.b);
    expect(flow.outerLoop[inner as number]).toBe(outer);
    expect(flow.loopSize[inner as number]).toBe(4);
    expect(flow.loopSize[outer as number]).toBe(3);
  });

  it("knows a graph that no nesting of loops draws", () => {
    expect(analyseControlFlow(executable(IRREDUCIBLE), 0).reducible).toBe(false);
  });
});

describe("compiled control flow", () => {
  const bench = new EngineBench(64);
  const run = (insns: readonly Instruction[]) => bench.run("jit", bench.executable(insns), new Uint8Array(64)).result;

  it("writes loops as loops, without a jump table", () => {
    const { dispatched, interpreted } = compile(NESTED);
    expect({ dispatched, interpreted }).toEqual({ dispatched: [], interpreted: [] });
    expect(run(NESTED)).toEqual({ ok: true, r0: 15n });
  });

  it("jumps by table only in functions that need it", () => {
    const caller = [insn(0x85, 0, 1, 0, 1), EXIT, ...IRREDUCIBLE];
    const { dispatched, interpreted } = compile(caller);
    expect({ dispatched, interpreted }).toEqual({ dispatched: [2], interpreted: [] });
    expect(run(IRREDUCIBLE)).toEqual({ ok: true, r0: 909n });
  });

  it("hands a function to the interpreter alone when it must", () => {
    // The second function writes r10, which has no place of its own in compiled code.
    const program = [
      insn(0xb7, 1, 0, 0, 20),
      insn(0x85, 0, 1, 0, 2),
      insn(0x07, 0, 0, 0, 1),
      EXIT,
      insn(0xbf, 0, 1),
      insn(0x27, 0, 0, 0, 2),
      insn(0xb7, 10),
      EXIT,
    ];
    expect(compile(program).interpreted).toEqual([4]);
    expect(run(program)).toEqual({ ok: true, r0: 41n });
  });

  it("takes long programs: ten thousand branches in a row, and as many inside each other", () => {
    const row = Array.from({ length: 10_000 }, () => [insn(0x15, 1, 0, 1, 7), insn(0x07, 0, 0, 0, 1)]).flat();
    expect(run([insn(0xb7, 0), ...row, EXIT])).toEqual({ ok: true, r0: 10_000n });
    const depth = 5_000;
    const nest = Array.from({ length: depth }, (_, i) => insn(0x15, 1, 0, 2 * (depth - i) - 1, 7));
    const body = Array.from({ length: depth }, () => insn(0x07, 0, 0, 0, 1));
    expect(run([insn(0xb7, 0), ...nest, ...body, EXIT])).toMatchObject({ ok: true });
  });
});
