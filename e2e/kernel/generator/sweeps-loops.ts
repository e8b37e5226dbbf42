import * as op from "../../../src/engine/isa/opcodes.ts";
import type { GeneratedProgram } from "./generate-program.ts";
import { callKfunc, type Draft, operandsOf } from "./operands.ts";
import { JUMPS } from "./program-shaper.ts";
import { program } from "./swept-program.ts";
import { ARR } from "./universe.ts";

const SCALARS = ["7", "-1", "u32", "u64", "0..63", "-8..7", "<64", "s<64", "w<64", "2^31"] as const;

/** A copy of r6 in r7, at a constant distance. */
const COPIES: Readonly<Record<string, (draft: Draft) => void>> = {
  move: ({ b }) => b.mov(7, 6),
  move32: ({ b }) => b.raw(op.BPF_ALU | op.BPF_MOV | op.BPF_X, 7, 6),
  signed8: ({ b }) => b.raw(op.BPF_ALU64 | op.BPF_MOV | op.BPF_X, 7, 6, 8),
  signed32: ({ b }) => b.raw(op.BPF_ALU64 | op.BPF_MOV | op.BPF_X, 7, 6, 32),
  "plus 5": ({ b }) => {
    b.mov(7, 6);
    b.alu(op.BPF_ADD, 7, 5);
  },
  "w plus 5": ({ b }) => {
    b.mov(7, 6);
    b.alu(op.BPF_ADD, 7, 5, false);
  },
  "minus 5": ({ b }) => {
    b.mov(7, 6);
    b.alu(op.BPF_SUB, 7, 5);
  },
  spilled: ({ b }) => {
    b.store(op.BPF_DW, 10, -32, 6);
    b.load(op.BPF_DW, 7, 10, -32);
  },
  "spilled 4": ({ b }) => {
    b.store(op.BPF_W, 10, -32, 6);
    b.load(op.BPF_W, 7, 10, -32);
  },
};

/** A copy is compared, the original is an index: what is learned of one holds for the other as far as Linux knows. */
export function* copies(): Iterable<GeneratedProgram> {
  let serial = 0;
  const operands = operandsOf("xdp");
  for (const name of SCALARS)
    for (const copy of Object.values(COPIES))
      for (const operation of JUMPS)
        for (const imm of [0, 5, 60, -1])
          for (const wide of [true, false])
            yield program("xdp", serial++, (draft) => {
              const { b } = draft;
              operands.get("value")?.(draft, 8);
              operands.get(name)?.(draft, 6);
              copy(draft);
              const other = b.label();
              b.branch(operation, 7, imm, other, wide);
              b.aluReg(op.BPF_ADD, 8, 6);
              b.load(op.BPF_B, 0, 8, 0);
              b.jump(draft.out);
              b.place(other);
              b.aluReg(op.BPF_ADD, 8, 6);
              b.load(op.BPF_B, 0, 8, 0);
            });
}

/** What the rounds of a loop do with their counter, r6. */
const BODIES: Readonly<Record<string, (draft: Draft) => void>> = {
  nothing: () => {},
  index: (draft) => {
    const { b } = draft;
    b.mapValue(1, ARR, 0);
    b.aluReg(op.BPF_ADD, 1, 6);
    b.load(op.BPF_B, 0, 1, 0);
  },
  fork: ({ b }) => {
    const over = b.label();
    b.helper(7);
    b.branch(op.BPF_JEQ, 0, 5, over);
    b.alu(op.BPF_ADD, 7, 1);
    b.place(over);
  },
  forget: ({ b }) => {
    const over = b.label();
    b.helper(7);
    b.branch(op.BPF_JGT, 0, 5, over);
    b.movImm(7, 0);
    b.place(over);
  },
  spill: ({ b }) => {
    b.store(op.BPF_DW, 10, -32, 6);
    b.helper(5);
    b.load(op.BPF_DW, 6, 10, -32);
  },
  sum: ({ b }) => b.aluReg(op.BPF_ADD, 7, 6),
  helper: ({ b }) => b.helper(5),
};

/** Counting loops of every shape: where they start, how they step, how they end, what they do meanwhile. */
export function* loops(): Iterable<GeneratedProgram> {
  let serial = 0;
  const operands = operandsOf("xdp");
  for (const start of ["0", "7", "-1", "0..7", "u32"])
    for (const step of [1, 3, -1])
      for (const operation of [op.BPF_JLT, op.BPF_JSLT, op.BPF_JNE, op.BPF_JGT, op.BPF_JLE])
        for (const bound of [5, 12, 40, null])
          for (const wide of [true, false])
            for (const body of Object.values(BODIES))
              yield program("xdp", serial++, (draft) => {
                const { b } = draft;
                b.helper(7);
                b.mov(8, 0);
                b.movImm(7, 0);
                operands.get(start)?.(draft, 6);
                const again = b.label();
                b.place(again);
                body(draft);
                b.alu(op.BPF_ADD, 6, step);
                if (bound === null) b.branchReg(operation, 6, 8, again, wide);
                else b.branch(operation, 6, bound, again, wide);
              });
}

/** Loops whose rounds an iterator, `may_goto` or a callback counts: their states converge. */
export function* convergingLoops(): Iterable<GeneratedProgram> {
  let serial = 0;
  const operands = operandsOf("xdp");
  for (const kind of ["iterator", "may_goto", "callback"] as const)
    for (const start of ["0", "7", "0..7", "u32", "value", "fp-64", "value or null", "map"])
      for (const change of ["none", "plus 1", "plus 0", "zero", "fork", "copy", "spill", "bounded"] as const)
        for (const body of Object.values(BODIES))
          yield program("xdp", serial++, (draft) => {
            const { b } = draft;
            const round = (): void => {
              body(draft);
              if (change === "plus 1") b.alu(op.BPF_ADD, 6, 1);
              else if (change === "plus 0") b.alu(op.BPF_ADD, 6, 0);
              else if (change === "zero") b.movImm(6, 0);
              else if (change === "copy") b.mov(7, 6);
              else if (change === "spill") b.store(op.BPF_DW, 10, -40, 6);
              else if (change === "bounded") b.alu(op.BPF_AND, 6, 15);
              else if (change === "fork") {
                const over = b.label();
                b.helper(7);
                b.branch(op.BPF_JEQ, 0, 0, over);
                b.movImm(6, 3);
                b.place(over);
              }
            };
            b.movImm(7, 0);
            operands.get(start)?.(draft, 6);
            if (kind === "callback") {
              b.movImm(1, 10);
              b.functionAddress(2, draft.callback);
              b.mov(3, 10);
              b.movImm(4, 0);
              b.helper(181);
              draft.usesCallback = true;
              draft.insideCallback = () => {
                b.mov(6, 1);
                b.movImm(7, 0);
                round();
              };
              return;
            }
            const again = b.label();
            const over = b.label();
            if (kind === "iterator") {
              b.mov(1, 10);
              b.alu(op.BPF_ADD, 1, -144);
              b.movImm(2, 0);
              b.movImm(3, 10);
              callKfunc(draft, "bpf_iter_num_new");
            }
            b.place(again);
            if (kind === "iterator") {
              b.mov(1, 10);
              b.alu(op.BPF_ADD, 1, -144);
              callKfunc(draft, "bpf_iter_num_next");
              b.branch(op.BPF_JEQ, 0, 0, over);
            } else b.mayGoto(over);
            round();
            b.jump(again);
            b.place(over);
            if (kind === "iterator") {
              b.mov(1, 10);
              b.alu(op.BPF_ADD, 1, -144);
              callKfunc(draft, "bpf_iter_num_destroy");
            }
          });
}
