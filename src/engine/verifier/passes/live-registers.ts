import { helperById, isHelperOffered } from "../../abi/helpers.ts";
import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CALL,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_END,
  BPF_EXIT,
  BPF_FETCH,
  BPF_HELPER_CALL,
  BPF_IMM,
  BPF_JA,
  BPF_JCOND,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  CLASS_MASK,
  MODE_MASK,
  OP_MASK,
  SIZE_MASK,
} from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import type { VerifierProgram } from "../types.ts";
import type { FlowGraph } from "./control-flow.ts";

const CALLER_SAVED = 0x3f;
const EVERYTHING = 0xffff;

const both = (use: number, def: number): number => (use & 0xffff) | (def << 16);

/** Registers that an instruction reads (low half) and writes (high half), as bits. */
function usesAndDefs(program: VerifierProgram, at: number): number {
  const insn = program.insns[at]!;
  const dst = 1 << insn.dst;
  const src = 1 << insn.src;
  const mode = insn.opcode & MODE_MASK;
  switch (insn.opcode & CLASS_MASK) {
    case BPF_LD:
      return mode === BPF_IMM && (insn.opcode & SIZE_MASK) === BPF_DW ? both(0, dst) : both(EVERYTHING, 0);
    case BPF_LDX:
      return mode === BPF_MEM || mode === BPF_MEMSX ? both(src, dst) : both(EVERYTHING, 0);
    case BPF_ST:
      return mode === BPF_MEM ? both(dst, 0) : both(EVERYTHING, 0);
    case BPF_STX:
      if (mode === BPF_MEM) return both(dst | src, 0);
      if (mode !== BPF_ATOMIC) return both(EVERYTHING, 0);
      if (insn.imm === BPF_CMPXCHG) return both(1 | dst | src, 1);
      if (insn.imm === BPF_LOAD_ACQ) return both(src, dst);
      if (insn.imm === BPF_STORE_REL) return both(dst | src, 0);
      return both(dst | src, insn.imm & BPF_FETCH ? src : 0);
    case BPF_ALU:
    case BPF_ALU64:
      switch (insn.opcode & OP_MASK) {
        case BPF_END:
        case BPF_NEG:
          return both(dst, dst);
        case BPF_MOV:
          return both(insn.opcode & BPF_X ? src : 0, dst);
        default:
          return both(insn.opcode & BPF_X ? dst | src : dst, dst);
      }
    default:
      switch (insn.opcode & OP_MASK) {
        case BPF_JA:
        case BPF_JCOND:
          return 0;
        case BPF_EXIT:
          return both(1, 0);
        case BPF_CALL:
          return both(callUses(program, insn, at), CALLER_SAVED);
        default:
          return both(insn.opcode & BPF_X ? dst | src : dst, 0);
      }
  }
}

function callUses(program: VerifierProgram, insn: Instruction, at: number): number {
  let count: number | null = null;
  if (insn.src === BPF_HELPER_CALL) {
    const helper = helperById(insn.imm);
    // A helper that the program type does not have counts as unknown.
    if (helper !== undefined && isHelperOffered(helper, program.type)) count = calls.helperArgCount(insn.imm, program);
  }
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const name = program.kfuncs.get(at);
    count = name === undefined ? null : calls.kfuncArgCount(name, program);
  }
  return ((1 << ((count ?? 5) + 1)) - 1) & ~1;
}

/** Registers live before each slot, bits r0..r10: the least solution of backward data flow inside each function. */
export function liveRegisters(
  program: VerifierProgram,
  graph: FlowGraph,
  orders: readonly Int32Array[],
  live: Uint16Array,
): void {
  const { insns } = program;
  const { first, second } = graph;
  const effects = new Uint32Array(insns.length);
  for (let i = 0; i < insns.length; i++) effects[i] = insns[i]!.opcode === 0 ? 0 : usesAndDefs(program, i);
  for (const order of orders) {
    for (let changed = true; changed; ) {
      changed = false;
      for (let k = 0; k < order.length; k++) {
        const at = order[k]!;
        const a = first[at]!;
        const b = second[at]!;
        const out = (a < 0 ? 0 : live[a]!) | (b < 0 ? 0 : live[b]!);
        const effect = effects[at]!;
        const before = (out & ~(effect >>> 16)) | (effect & 0xffff);
        if (before !== live[at]) {
          live[at] = before;
          changed = true;
        }
      }
    }
  }
}

/**
 * Number of the loop that a slot belongs to, 0: none. Strongly connected components with two members or an edge to themselves, numbered
 * from 1 as a search from the lowest slot upwards completes them.
 */
export function loopComponents(insns: readonly Instruction[], graph: FlowGraph, component: Int32Array): void {
  const n = insns.length;
  const { first, second } = graph;
  const order = new Int32Array(n);
  const low = new Int32Array(n);
  const onStack = new Uint8Array(n);
  const progress = new Uint8Array(n);
  const members = new Int32Array(n);
  const path = new Int32Array(n);
  let counter = 0;
  let components = 0;
  let height = 0;
  let depth = 0;
  for (let root = 0; root < n; root++) {
    if (order[root] !== 0 || insns[root]!.opcode === 0) continue;
    path[depth++] = root;
    while (depth > 0) {
      const at = path[depth - 1]!;
      if (order[at] === 0) {
        order[at] = low[at] = ++counter;
        members[height++] = at;
        onStack[at] = 1;
      }
      let descended = false;
      while (progress[at]! < 2) {
        const s = progress[at] === 0 ? first[at]! : second[at]!;
        progress[at] = progress[at]! + 1;
        if (s < 0) continue;
        if (order[s] === 0) {
          path[depth++] = s;
          descended = true;
          break;
        }
        if (onStack[s] !== 0 && order[s]! < low[at]!) low[at] = order[s]!;
      }
      if (descended) continue;
      depth--;
      if (depth > 0) {
        const above = path[depth - 1]!;
        if (low[at]! < low[above]!) low[above] = low[at]!;
      }
      if (low[at] !== order[at]) continue;
      let bottom = height - 1;
      while (members[bottom] !== at) bottom--;
      const loop = height - bottom > 1 || first[at] === at || second[at] === at ? ++components : 0;
      for (let k = bottom; k < height; k++) {
        component[members[k]!] = loop;
        onStack[members[k]!] = 0;
      }
      height = bottom;
    }
  }
}
