import { describe, expect, it } from "vitest";
import { makePrng, nextBelow, nextU32, type Prng } from "../../src/engine/base/prng.ts";
import type { Instruction } from "../../src/engine/isa/instruction.ts";
import * as op from "../../src/engine/isa/opcodes.ts";
import { REG_NOT_INIT, type Reg, scalarReg } from "../../src/engine/verifier/register.ts";
import { abstractOf, anyValue, contains, show } from "../../src/engine/verifier/testing/abstract-scalars.ts";
import { stepAlu } from "../../src/engine/verifier/walk/alu.ts";
import { stepConditional } from "../../src/engine/verifier/walk/jumps.ts";
import type { Walker } from "../../src/engine/verifier/walk/walker.ts";
import { StandaloneVm } from "../../src/engine/vm/standalone.ts";
import { EngineBench } from "../../src/engine/vm/testing/engines.ts";

/**
 * Every ALU instruction and every conditional jump, as the verifier steps it, against what the VM does with it: whatever values the
 * registers stood for, the registers after it stand for the values that the VM computes, and the jump is walked the way that it takes.
 * Seeds are fixed, and printed by the failing assertion.
 */
const ROUNDS = 250;

interface Registers {
  readonly regs: Reg[];
}

/** The part of the walk that one instruction on scalars sees. */
class OneStep {
  frame: Registers;
  insnIdx = 0;
  readonly pending: { frame: Registers; insnIdx: number }[] = [];
  /** What was said of registers that came to contradict themselves. */
  readonly said: string[] = [];
  readonly tables = { liveRegs: [0xffff] };
  ids = 0;

  constructor(regs: Reg[]) {
    this.frame = { regs };
  }

  get state(): { frames: Registers[]; frame: Registers } {
    return { frames: [this.frame], frame: this.frame };
  }
  reg(n: number): Reg {
    return this.frame.regs[n] as Reg;
  }
  setReg(n: number, reg: Reg): void {
    this.frame.regs[n] = reg;
  }
  checkReadable(): boolean {
    return true;
  }
  checkWritable(): boolean {
    return true;
  }
  markPrecise(): boolean {
    return true;
  }
  pushHistory(): void {}
  printChangedState(): void {}
  newId(): number {
    return ++this.ids;
  }
  line(text: string): void {
    this.said.push(text);
  }
  reject(_errno: string, message: string): false {
    throw new Error(message);
  }
  pushPending(insnIdx: number): { frame: Registers } {
    const other = { frame: { regs: this.frame.regs.slice() }, insnIdx };
    this.pending.push(other);
    return other;
  }
}

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const MOV_X = op.BPF_ALU64 | op.BPF_MOV | op.BPF_X;
const MOV_K = op.BPF_ALU64 | op.BPF_MOV | op.BPF_K;

const bench = new EngineBench(16);
const vm = new StandaloneVm();

/** r0 after `insns` with these r1 and r2. */
function execute(program: ReturnType<typeof bench.executable>, a: bigint, b: bigint): bigint {
  const result = vm.interpret(program, a, b);
  if (!result.ok) throw new Error(result.trap.message);
  return BigInt.asUintN(64, result.r0);
}

/** One operation of the instruction set; `make` gives it on r1 (and r2) with a random immediate. */
interface Operation {
  readonly name: string;
  readonly make: (dice: Prng) => Instruction;
}

const BINARY: readonly [string, number, number][] = [
  ["add", op.BPF_ADD, 0],
  ["sub", op.BPF_SUB, 0],
  ["mul", op.BPF_MUL, 0],
  ["and", op.BPF_AND, 0],
  ["or", op.BPF_OR, 0],
  ["xor", op.BPF_XOR, 0],
  ["lsh", op.BPF_LSH, 0],
  ["rsh", op.BPF_RSH, 0],
  ["arsh", op.BPF_ARSH, 0],
  ["div", op.BPF_DIV, 0],
  ["mod", op.BPF_MOD, 0],
  ["sdiv", op.BPF_DIV, 1],
  ["smod", op.BPF_MOD, 1],
  ["mov", op.BPF_MOV, 0],
];
const SHIFTS = new Set(["lsh", "rsh", "arsh"]);
const DIVISIONS = new Set(["div", "mod", "sdiv", "smod"]);

const smallOrAny = (dice: Prng): number => Number(BigInt.asIntN(32, anyValue(dice)));

const OPERATIONS: Operation[] = [];
for (const [wide, cls, suffix] of [
  [true, op.BPF_ALU64, ""],
  [false, op.BPF_ALU, "32"],
] as const) {
  for (const [name, code, off] of BINARY) {
    const immediate = (dice: Prng): number => {
      if (SHIFTS.has(name)) return nextBelow(dice, wide ? 64 : 32);
      const imm = smallOrAny(dice);
      return DIVISIONS.has(name) && imm === 0 ? 3 : imm;
    };
    OPERATIONS.push({
      name: `${name}${suffix} K`,
      make: (dice) => insn(cls | code | op.BPF_K, 1, 0, off, immediate(dice)),
    });
    OPERATIONS.push({ name: `${name}${suffix} X`, make: () => insn(cls | code | op.BPF_X, 1, 2, off) });
    OPERATIONS.push({ name: `${name}${suffix} X of itself`, make: () => insn(cls | code | op.BPF_X, 1, 1, off) });
  }
  OPERATIONS.push({ name: `neg${suffix}`, make: () => insn(cls | op.BPF_NEG, 1) });
  for (const bits of wide ? [8, 16, 32] : [8, 16])
    OPERATIONS.push({ name: `movsx${suffix} ${bits}`, make: () => insn(cls | op.BPF_MOV | op.BPF_X, 1, 2, bits) });
}
for (const bits of [16, 32, 64]) {
  OPERATIONS.push({ name: `le${bits}`, make: () => insn(op.BPF_ALU | op.BPF_END | op.BPF_K, 1, 0, 0, bits) });
  OPERATIONS.push({ name: `be${bits}`, make: () => insn(op.BPF_ALU | op.BPF_END | op.BPF_X, 1, 0, 0, bits) });
  OPERATIONS.push({ name: `bswap${bits}`, make: () => insn(op.BPF_ALU64 | op.BPF_END | op.BPF_K, 1, 0, 0, bits) });
}

const JUMPS: readonly [string, number][] = [
  ["jeq", op.BPF_JEQ],
  ["jne", op.BPF_JNE],
  ["jgt", op.BPF_JGT],
  ["jge", op.BPF_JGE],
  ["jlt", op.BPF_JLT],
  ["jle", op.BPF_JLE],
  ["jset", op.BPF_JSET],
  ["jsgt", op.BPF_JSGT],
  ["jsge", op.BPF_JSGE],
  ["jslt", op.BPF_JSLT],
  ["jsle", op.BPF_JSLE],
];

/** Values of r1 and r2, and registers that stand for them and more. Operands of shifts are often small enough to be walked exactly. */
function operands(dice: Prng): { as: bigint[]; bs: bigint[]; regs: Reg[] } {
  const as = Array.from({ length: 1 + nextBelow(dice, 3) }, () => anyValue(dice));
  // A sign mask is walked as two paths by `&` and `|`.
  if (nextBelow(dice, 8) === 0) as.splice(0, as.length, 0n, BigInt.asUintN(64, -1n));
  const small = nextBelow(dice, 3) === 0;
  const bs = Array.from({ length: 1 + nextBelow(dice, 2) }, () =>
    small ? BigInt(nextU32(dice) & 31) : anyValue(dice),
  );
  const regs = Array.from({ length: 11 }, () => REG_NOT_INIT);
  regs[1] = scalarReg(abstractOf(as, dice));
  regs[2] = scalarReg(abstractOf(bs, dice));
  return { as, bs, regs };
}

describe("what the verifier makes of an instruction holds for what the VM computes", () => {
  for (const { name, make } of OPERATIONS) {
    it(name, () => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const dice = makePrng(seed);
        const tried = make(dice);
        const { as, bs, regs } = operands(dice);
        const program = bench.executable([tried, insn(MOV_X, 0, 1), insn(op.EXIT)]);
        const walk = new OneStep(regs.slice());
        stepAlu(walk as unknown as Walker, tried);
        // A path put aside begins with the same instruction again.
        const ends = [walk];
        for (const other of walk.pending) {
          const again = new OneStep(other.frame.regs);
          stepAlu(again as unknown as Walker, tried);
          ends.push(again);
        }
        for (const a of as)
          for (const b of bs) {
            const result = execute(program, a, b);
            if (!ends.some((end) => contains(end.reg(1).scalar, result)))
              expect.fail(
                `seed ${seed}: ${a} ${name} ${tried.src === 2 ? b : tried.imm} = ${result} not in ` +
                  `${ends.map((end) => show(end.reg(1).scalar)).join(" or ")}; from ${show(regs[1]!.scalar)} and ${show(regs[2]!.scalar)}`,
              );
          }
        expect(walk.said, `seed ${seed}`).toEqual([]);
      }
    });
  }
});

describe("the way that a jump takes is walked, with registers that hold what they have there", () => {
  for (const [wide, cls, suffix] of [
    [true, op.BPF_JMP, ""],
    [false, op.BPF_JMP32, "32"],
  ] as const) {
    for (const [name, code] of JUMPS) {
      for (const form of ["X", "K", "X of itself"] as const) {
        it(`${name}${suffix} ${form}`, () => {
          for (let seed = 1; seed <= ROUNDS; seed++) {
            const dice = makePrng(seed);
            const imm = form === "K" ? smallOrAny(dice) : 0;
            const src = form === "K" ? 0 : form === "X" ? 2 : 1;
            const jump = insn(cls | code | (form === "K" ? op.BPF_K : op.BPF_X), 1, src, 2, imm);
            const { as, bs, regs } = operands(dice);
            const program = bench.executable([
              jump,
              insn(MOV_K, 0, 0, 0, 0),
              insn(op.EXIT),
              insn(MOV_K, 0, 0, 0, 1),
              insn(op.EXIT),
            ]);
            const walk = new OneStep(regs.slice());
            stepConditional(walk as unknown as Walker, jump);
            const ends = [{ frame: walk.frame, insnIdx: walk.insnIdx }, ...walk.pending];
            for (const a of as)
              for (const b of bs) {
                const at = execute(program, a, b) === 1n ? 3 : 1;
                const where = `seed ${seed} (${wide ? 64 : 32} bits): ${a} ${name} ${form === "X" ? b : form === "K" ? imm : a} goes to ${at}`;
                const end = ends.find((e) => e.insnIdx === at);
                if (end === undefined) expect.fail(`${where}: not walked; from ${show(regs[1]!.scalar)}`);
                for (const [n, value] of [
                  [1, a],
                  [2, b],
                ] as const) {
                  const reg = end.frame.regs[n] as Reg;
                  if (!contains(reg.scalar, value)) expect.fail(`${where}: r${n} not in ${show(reg.scalar)}`);
                }
              }
          }
        });
      }
    }
  }
});
