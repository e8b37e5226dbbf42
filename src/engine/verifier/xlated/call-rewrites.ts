import { packetAccess } from "../../abi/contexts.ts";
import { helperById } from "../../abi/helpers.ts";
import { progTypeName } from "../../abi/types.ts";
import {
  BPF_ABS,
  BPF_ADD,
  BPF_DW,
  BPF_HELPER_CALL,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JLE,
  BPF_JNE,
  BPF_JSGE,
  BPF_LD,
  BPF_MOV,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_SUB,
  BPF_W,
  BPF_XOR,
  CALL,
  CLASS_MASK,
  MODE_MASK,
  sizeInBytes,
} from "../../isa/opcodes.ts";
import type { InsnFacts } from "../state.ts";
import type { VerifierProgram } from "../types.ts";
import { functionName } from "./helper-names.ts";
import { directFunction, inlineLookup } from "./lookups.ts";
import { Expansion, type Op, R11 } from "./op.ts";

/** Low half of the address of this CPU's number, as the modelled kernel has it. */
const CPU_NUMBER_ADDRESS = -2085560268;
const BPF_TAIL_CALL = "bpf_tail_call";
const R0 = 0;

/** A helper or kfunc call as the JIT gets it. */
export function rewriteCall(
  program: VerifierProgram,
  facts: readonly InsnFacts[],
  op: Op,
  next: Op,
): readonly Op[] | null {
  const { insn, origin } = op;
  if (insn.opcode !== CALL || op.label !== null || origin === null) return null;
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) return rewriteKfunc(program, op, next);
  if (insn.src !== BPF_HELPER_CALL) return null;
  const helper = helperById(insn.imm);
  if (helper === undefined) return null;
  const e = new Expansion(origin);
  const map = facts[origin]?.map ?? null;
  switch (helper.name) {
    case "bpf_map_lookup_elem": {
      const inlined = map === null || map === "many" ? null : inlineLookup(op, next, map);
      if (inlined !== null) return inlined;
      break;
    }
    case "bpf_timer_set_callback":
      // The hidden third argument: the program that the timer keeps alive.
      e.wide(3, "prog");
      e.call(helper.name);
      return e.finish(next);
    case "bpf_get_smp_processor_id":
      e.movK(R0, CPU_NUMBER_ADDRESS);
      e.movX(R0, R0);
      e.load(BPF_W, R0, R0, 0);
      return e.finish(next);
    case "bpf_jiffies64":
      e.wide(R0, "jiffies");
      e.load(BPF_DW, R0, R0, 0);
      return e.finish(next);
    default:
      break;
  }
  const direct = map === null || map === "many" ? null : directFunction(helper.name, map);
  e.call(
    direct ?? (helper.name === BPF_TAIL_CALL ? BPF_TAIL_CALL : functionName(helper.name, progTypeName(program.type))),
  );
  return e.finish(next);
}

function rewriteKfunc(program: VerifierProgram, op: Op, next: Op): readonly Op[] {
  const name = program.kfuncs.get(op.origin!) ?? "";
  const e = new Expansion(op.origin);
  if (name === "bpf_wq_set_callback_impl") e.wide(4, "prog");
  const readOnly = name === "bpf_dynptr_from_skb" && packetAccess(program.type) !== "write";
  e.call(readOnly ? "bpf_dynptr_from_skb_rdonly" : name);
  return e.finish(next);
}

/** LD_ABS and LD_IND: a call that reads the packet; a packet that is too short ends the program with 0. */
export function rewritePacketLoad(op: Op, next: Op): readonly Op[] | null {
  const { insn } = op;
  const mode = insn.opcode & MODE_MASK;
  if ((insn.opcode & CLASS_MASK) !== BPF_LD || (mode !== BPF_ABS && mode !== BPF_IND)) return null;
  const e = new Expansion(op.origin);
  if (mode === BPF_ABS) {
    e.movK(2, insn.imm);
  } else {
    e.movX(2, insn.src);
    if (insn.imm !== 0) e.aluK(BPF_ADD, 2, insn.imm);
  }
  e.movX(1, 6);
  e.call(`bpf_skb_load_helper_${sizeInBytes(insn.opcode) * 8}_no_cache`);
  e.jumpK(BPF_JSGE, R0, 0, 2);
  e.aluX(BPF_XOR, R0, R0, false);
  e.exit();
  return e.finish(next);
}

const MAX_LOOPS = 0x800000;
const E2BIG = 7;

/** bpf_loop as a loop: r6..r8 are kept below the frame of `stackBytes` bytes. */
export function inlineLoop(op: Op, next: Op, stackBytes: number, callback: Op): readonly Op[] {
  const e = new Expansion(op.origin);
  const saved = (n: number): number => -stackBytes + 8 * n;
  e.jumpK(BPF_JLE, 1, MAX_LOOPS, 2);
  e.movK(R0, -E2BIG, false);
  e.goto(16);
  for (const [n, reg] of [6, 7, 8].entries()) e.store(BPF_DW, 10, reg, saved(n));
  e.movX(6, 1);
  e.movK(7, 0, false);
  e.movX(8, 3);
  e.jumpX(BPF_JGE, 7, 6, 5);
  e.movX(1, 7);
  e.movX(2, 8);
  const call = e.emit({ opcode: CALL, dst: 0, src: BPF_PSEUDO_CALL, off: 0, imm: 0 });
  e.aluK(BPF_ADD, 7, 1);
  e.jumpK(BPF_JEQ, R0, 0, -6);
  // A callback that never runs is gone: the call leads to whatever follows.
  call.target = callback.reached ? callback : e.ops.at(-2)!;
  e.movX(R0, 7);
  for (const [n, reg] of [6, 7, 8].entries()) e.load(BPF_DW, reg, 10, saved(n));
  return e.finish(next);
}

/** may_goto: a counter in the frame that is refilled for a quarter of a second. `slot`: offset of the counter. */
export function rewriteMayGoto(op: Op, next: Op, slot: number): readonly Op[] {
  const e = new Expansion(op.origin);
  e.load(BPF_DW, R11, 10, slot);
  const leave = e.jumpK(BPF_JEQ, R11, 0, 5);
  e.aluK(BPF_SUB, R11, 1);
  e.jumpK(BPF_JNE, R11, 0, 2);
  e.movK(R11, slot);
  e.call("arch_bpf_timed_may_goto");
  e.store(BPF_DW, 10, R11, slot);
  const ops = e.finish(next);
  leave.target = op.target;
  return ops;
}

const MAX_ROUNDS = 65535;

export function mayGotoPrologue(slot: number): readonly Op[] {
  const e = new Expansion(null);
  e.storeK(BPF_DW, 10, slot, MAX_ROUNDS);
  e.storeK(BPF_DW, 10, slot + 8, 0);
  return e.ops;
}

/** What bpf_throw runs when the program has no handler of its own. */
export function defaultHandler(end: Op): readonly Op[] {
  const e = new Expansion(null);
  e.aluX(BPF_MOV, R0, 1);
  e.exit();
  return e.finish(end);
}
