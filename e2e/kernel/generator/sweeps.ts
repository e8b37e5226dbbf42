import * as op from "../../../src/engine/isa/opcodes.ts";
import type { GeneratedProgram } from "./generate-program.ts";
import { operandsOf } from "./operands.ts";
import { ALU_OPS, JUMPS, SIZES, TYPES } from "./program-shaper.ts";
import * as calls from "./sweeps-calls.ts";
import * as loops from "./sweeps-loops.ts";
import { program } from "./swept-program.ts";
import { ARR } from "./universe.ts";

/** Every combination of a few small sets, one program each: where the random generator comes by seldom. In a fixed order. */
export type Sweep = () => Iterable<GeneratedProgram>;

/** Loads (also sign-extending ones), stores and stores of constants at every offset of every type's context. */
function* contexts(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of TYPES)
    for (let off = -40; off < 320; off++)
      for (const size of SIZES)
        for (const access of [op.BPF_LDX, op.BPF_LDX | op.BPF_MEMSX, op.BPF_STX, op.BPF_ST])
          yield program(typeName, serial++, ({ b }) => {
            b.movImm(2, 0);
            if (access === op.BPF_LDX) b.load(size, 2, 9, off);
            else if (access !== op.BPF_STX && access !== op.BPF_ST) b.raw(access | size, 2, 9, off);
            else if (access === op.BPF_STX) b.store(size, 9, off, 2);
            else b.storeImm(size, 9, off, 0);
          });
}

const ATOMICS = [0, 1, op.BPF_OR | op.BPF_FETCH, op.BPF_XCHG, op.BPF_CMPXCHG, op.BPF_LOAD_ACQ, op.BPF_STORE_REL, 0x30];

/** Atomics on every kind of base, the other operand a number, a pointer, or the base itself. */
function* atomics(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp", "sched_cls", "syscall"] as const)
    for (const [, operand] of operandsOf(typeName))
      for (const size of SIZES)
        for (const operation of ATOMICS)
          for (const off of [-8, -3, 0, 4, 60])
            for (const other of [7, 6, 10])
              yield program(typeName, serial++, (draft) => {
                operand(draft, 6);
                draft.b.movImm(7, 1);
                draft.b.movImm(0, 0);
                const [dst, src] = operation === op.BPF_LOAD_ACQ && other !== 10 ? [other, 6] : [6, other];
                draft.b.atomic(size, dst, off, src, operation);
              });
}

/** Every arithmetic operation between every two kinds of operand. */
function* arithmetic(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["sched_cls"] as const)
    for (const [, left] of operandsOf(typeName))
      for (const [, right] of operandsOf(typeName))
        for (const operation of ALU_OPS)
          for (const wide of [true, false])
            yield program(typeName, serial++, (draft) => {
              left(draft, 6);
              right(draft, 7);
              draft.b.aluReg(operation, 6, 7, wide);
              // What it is afterwards shows in the log.
              draft.b.mov(8, 6);
            });
}

/** Every comparison of every kind of operand with constants at the edges, and an access through it on both ways. */
function* constantJumps(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp", "sched_cls"] as const)
    for (const [, left] of operandsOf(typeName))
      for (const imm of [0, 1, 7, 63, 64, 0x7fffffff, -1, -8, 0x80000000 | 0])
        for (const operation of JUMPS)
          for (const wide of [true, false])
            yield program(typeName, serial++, (draft) => {
              const { b } = draft;
              left(draft, 6);
              const other = b.label();
              b.branch(operation, 6, imm, other, wide);
              b.load(op.BPF_B, 8, 6, 0);
              b.jump(draft.out);
              b.place(other);
              b.load(op.BPF_B, 8, 6, 1);
            });
}

/** Every comparison between every two kinds of operand, and an access through the first on both ways. */
function* jumps(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp"] as const)
    for (const [, left] of operandsOf(typeName))
      for (const [, right] of operandsOf(typeName))
        for (const operation of JUMPS)
          for (const wide of [true, false])
            yield program(typeName, serial++, (draft) => {
              const { b } = draft;
              left(draft, 6);
              right(draft, 7);
              const other = b.label();
              b.branchReg(operation, 6, 7, other, wide);
              b.load(op.BPF_B, 8, 6, 0);
              b.jump(draft.out);
              b.place(other);
              b.load(op.BPF_B, 8, 6, 1);
            });
}

/** Every kind of access through every kind of base. */
function* memory(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp", "sched_cls", "syscall", "kprobe"] as const)
    for (const [, operand] of operandsOf(typeName))
      for (const off of [-513, -512, -128, -8, -1, 0, 1, 4, 8, 15, 16, 56, 57, 60, 63, 64, 32767])
        for (const size of SIZES)
          for (const kind of ["load", "signed", "store", "pointer", "frame", "constant", "unknown"] as const)
            yield program(typeName, serial++, (draft) => {
              const { b } = draft;
              operand(draft, 6);
              if (kind === "load") b.load(size, 8, 6, off);
              else if (kind === "signed") b.raw(op.BPF_LDX | op.BPF_MEMSX | size, 8, 6, off);
              else if (kind === "constant") b.storeImm(size, 6, off, -1);
              else if (kind === "pointer") b.store(size, 6, off, 9);
              else if (kind === "frame") b.store(size, 6, off, 10);
              else {
                if (kind === "unknown") b.helper(7);
                else b.movImm(0, 5);
                b.store(size, 6, off, 0);
              }
            });
}

/** Every opcode with fields that are in use, reserved, or out of range. */
function* encodings(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (let opcode = 0; opcode < 256; opcode++)
    for (const dst of [0, 1, 10, 11])
      for (const src of [0, 1, 2, 3, 10, 12])
        for (const off of [0, 1, 8, -1])
          for (const imm of [0, 1, 16, 64, -1])
            yield program("socket_filter", serial++, ({ b }) => {
              for (const r of [0, 2, 3]) b.movImm(r, r);
              b.raw(opcode, dst, src, off, imm);
              b.movImm(0, 0);
            });
}

/** Every kind of operand as the return value of the program, and of its callback. */
function* returns(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of TYPES)
    for (const [, operand] of operandsOf(typeName))
      for (const wide of [true, false])
        yield program(typeName, serial++, (draft) => {
          // The way to the end stays reachable.
          draft.b.helper(7);
          draft.b.branch(op.BPF_JEQ, 0, 0, draft.out);
          operand(draft, 6);
          draft.b.raw((wide ? op.BPF_ALU64 : op.BPF_ALU) | op.BPF_MOV | op.BPF_X, 0, 6);
          draft.b.exit();
        });
}

/** A value of each kind spilled in each width, read back in each width from each offset, and used as an index. */
function* spills(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const [, operand] of operandsOf("xdp"))
    for (const stored of SIZES)
      for (const loaded of SIZES)
        for (const off of [0, 1, 2, 4, 6, 7])
          for (const over of [false, true])
            yield program("xdp", serial++, (draft) => {
              const { b } = draft;
              operand(draft, 6);
              b.store(stored, 10, -16, 6);
              if (over) b.storeImm(op.BPF_B, 10, -13, 0);
              b.load(loaded, 7, 10, -16 + off);
              b.store(op.BPF_DW, 10, -32, 7);
              b.load(op.BPF_DW, 8, 10, -32);
              b.storeImm(op.BPF_W, 10, -4, 1);
              b.map(1, ARR);
              b.mov(2, 10);
              b.alu(op.BPF_ADD, 2, -4);
              b.helper(1);
              b.branch(op.BPF_JEQ, 0, 0, draft.out);
              b.branch(op.BPF_JGT, 8, 60, draft.out);
              b.aluReg(op.BPF_ADD, 0, 8);
              b.load(op.BPF_B, 0, 0, 0);
            });
}

export const SWEEPS: Readonly<Record<string, Sweep>> = {
  contexts,
  atomics,
  arithmetic,
  jumps,
  constantJumps,
  memory,
  encodings,
  helpers: calls.helpers,
  kfuncs: calls.kfuncs,
  sections: calls.sections,
  copies: loops.copies,
  loops: loops.loops,
  convergingLoops: loops.convergingLoops,
  returns,
  spills,
};
