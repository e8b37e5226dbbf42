import { helperById } from "../../abi/helpers.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { isLdImm64 } from "../../isa/instruction.ts";
import {
  BPF_HELPER_CALL,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STX,
  CALL,
  CLASS_MASK,
  MODE_MASK,
} from "../../isa/opcodes.ts";
import { PTR_TO_PACKET } from "../register.ts";
import type { InsnFacts, Subprogram } from "../state.ts";
import type { VerifierMap, VerifierProgram, XlatedLine } from "../types.ts";
import { expandArithmetic } from "./arithmetic.ts";
import {
  defaultHandler,
  inlineLoop,
  mayGotoPrologue,
  rewriteCall,
  rewriteMayGoto,
  rewritePacketLoad,
} from "./call-rewrites.ts";
import { expandContextAccess, isRewritten, unclonePrologue } from "./context-fields.ts";
import { hardWireBranches, removeNops, removeUnreached } from "./dead-code.ts";
import { Op, OpList, targetSlot } from "./op.ts";
import { printProgram } from "./print.ts";

/** What the walk has found out about an accepted program. */
export interface XlatedInput {
  readonly program: VerifierProgram;
  readonly subprograms: readonly Subprogram[];
  readonly facts: readonly InsnFacts[];
  /** Maps by the first slot of the load that names them. */
  readonly maps: readonly (VerifierMap | null)[];
}

const LOOP_SAVES = 24;
const MAY_GOTO_SLOTS = 16;
const roundUp8 = (n: number): number => (n + 7) & ~7;

/** A function whose instructions did not all vanish. */
export interface Part {
  readonly subprog: Subprogram | null;
  first: Op;
}

/**
 * The program after the rewrites that follow acceptance, in the order of Linux 6.18 (linux-verifier-paths, section 11): needless spills,
 * bpf_loop, dead code, contexts, then everything else.
 */
export function xlatedOf(input: XlatedInput): XlatedLine[] {
  const { program, facts, subprograms } = input;
  const { list, opAt } = readProgram(input);
  const depth = subprograms.map((s) => s.stackDepth);

  removeFastcallSpills(list, input);
  inlineLoops(list, input, opAt, depth);
  const starts = subprograms.map((s) => opAt.get(s.start)!);
  hardWireBranches(list);
  removeUnreached(list);
  removeNops(list);
  const parts = partsOf(list, subprograms, starts);
  const prologues = new Map<Op, Op[]>();
  const addPrologue = (first: Op, ops: readonly Op[]): void => {
    if (ops.length > 0) prologues.set(first, [...ops, ...(prologues.get(first) ?? [])]);
  };
  if (list.ops.length > 0 && writesPacket(input)) addPrologue(list.ops[0]!, unclonePrologue(program, list.ops[0]!));

  list.expand((op, next) => {
    const pointerType = op.origin === null || !isMemoryAccess(op.insn) ? undefined : facts[op.origin]?.pointerType;
    return pointerType !== undefined && isRewritten(pointerType)
      ? expandContextAccess(program, pointerType, op, next)
      : null;
  });

  const counters = mayGotoCounters(list, parts, depth);
  list.expand((op, next) => {
    if (op.isMayGoto) return rewriteMayGoto(op, next, counters.get(op)!.slot);
    return rewritePacketLoad(op, next) ?? expandArithmetic(op, next) ?? rewriteCall(program, facts, op, next);
  });
  for (const { first, slot } of counters.values()) {
    // One pair of slots serves every may_goto of a function.
    if (!prologues.get(first)?.some((op) => op.insn.imm === 65535)) addPrologue(first, mayGotoPrologue(slot));
  }
  for (const [first, ops] of prologues) list.insertBefore(list.resolve(first), ops);
  enterByPrologues(list, parts, prologues);
  if (callsThrow(input)) {
    const handler = defaultHandler(list.end);
    list.ops.push(...handler);
  }
  return printProgram(program, list, parts);
}

/** Calls and function loads lead to a function's prologue; jumps inside it to what stood first. */
function enterByPrologues(list: OpList, parts: readonly Part[], prologues: ReadonlyMap<Op, Op[]>): void {
  const entries = new Map<Op, Op>();
  for (const part of parts) {
    const first = list.resolve(part.first);
    part.first = prologues.get(part.first)?.[0] ?? first;
    entries.set(first, part.first);
  }
  for (const op of list.ops) {
    const enters = op.insn.opcode === CALL || isLdImm64(op.insn);
    const target = list.targetOf(op);
    if (enters && target !== null) op.target = entries.get(target) ?? target;
  }
}

function readProgram(input: XlatedInput): { list: OpList; opAt: Map<number, Op> } {
  const { program, facts } = input;
  const { insns } = program;
  const opAt = new Map<number, Op>();
  const ops: Op[] = [];
  for (let at = 0; at < insns.length; at++) {
    const insn = insns[at]!;
    const wide = isLdImm64(insn);
    const op = new Op(insn, at, labelOf(input, insn, at), wide ? (insns[at + 1]?.imm ?? 0) : 0);
    op.reached = facts[at]?.reached ?? false;
    opAt.set(at, op);
    ops.push(op);
    if (wide) at++;
  }
  const end = new Op({ opcode: 0, dst: 0, src: 0, off: 0, imm: 0 }, null);
  for (const op of ops) if (op.leads) op.target = opAt.get(targetSlot(op.insn, op.origin!)) ?? end;
  return { list: new OpList(ops, end), opAt };
}

/** What a two-slot load of a map shows: `map[id:7]`, `map[id:7][0]+8`. */
function labelOf(input: XlatedInput, insn: Instruction, at: number): string | null {
  if (!isLdImm64(insn)) return null;
  const map = input.maps[at] ?? null;
  if (map === null) return null;
  switch (insn.src) {
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_IDX:
      return `map[id:${map.id}]`;
    case BPF_PSEUDO_MAP_VALUE:
    case BPF_PSEUDO_MAP_IDX_VALUE:
      return `map[id:${map.id}][0]+${(input.program.insns[at + 1]?.imm ?? 0) >>> 0}`;
    default:
      return null;
  }
}

/** Spills and fills of r1..r5 around calls that leave those registers alone. */
function removeFastcallSpills(list: OpList, { facts }: XlatedInput): void {
  const needless = new Set<number>();
  for (const [at, fact] of facts.entries()) {
    for (let pair = 1; pair <= fact.fastcallSpills; pair++) {
      needless.add(at - pair);
      needless.add(at + pair);
    }
  }
  if (needless.size > 0) list.remove((op) => op.origin !== null && needless.has(op.origin));
}

function inlineLoops(list: OpList, input: XlatedInput, opAt: ReadonlyMap<number, Op>, depth: number[]): void {
  const { facts, subprograms } = input;
  const grown = new Set<number>();
  list.expand((op, next) => {
    if (op.insn.opcode !== CALL || op.insn.src !== BPF_HELPER_CALL || op.origin === null || !op.reached) return null;
    if (helperById(op.insn.imm)?.name !== "bpf_loop") return null;
    const inline = facts[op.origin]?.loopInline ?? null;
    if (inline === null || !inline.fits) return null;
    const owner = subprograms.findIndex((s) => op.origin! >= s.start && op.origin! < s.end);
    grown.add(owner);
    const callback = opAt.get(subprograms[inline.subprog]!.start)!;
    return inlineLoop(op, next, roundUp8(depth[owner]!) + LOOP_SAVES, callback);
  });
  for (const owner of grown) depth[owner] = roundUp8(depth[owner]!) + LOOP_SAVES;
}

function partsOf(list: OpList, subprograms: readonly Subprogram[], starts: readonly Op[]): Part[] {
  const kept = new Set(list.ops);
  const parts: Part[] = [];
  for (const [i, subprog] of subprograms.entries()) {
    const own = list.ops.some((op) => op.origin !== null && op.origin >= subprog.start && op.origin < subprog.end);
    const first = list.resolve(starts[i]!);
    if (own && kept.has(first)) parts.push({ subprog, first });
  }
  return parts;
}

function isMemoryAccess(insn: Instruction): boolean {
  const kind = insn.opcode & CLASS_MASK;
  const mode = insn.opcode & MODE_MASK;
  if (kind === BPF_LDX) return mode === BPF_MEM || mode === BPF_MEMSX;
  return (kind === BPF_STX || kind === BPF_ST) && mode === BPF_MEM;
}

/** Some store goes straight into the packet, or a writable slice of it is taken. */
function writesPacket({ program, facts }: XlatedInput): boolean {
  return facts.some((fact, at) => {
    if (!fact.reached) return false;
    const insn = program.insns[at]!;
    const kind = insn.opcode & CLASS_MASK;
    if ((kind === BPF_STX || kind === BPF_ST) && fact.pointerType === PTR_TO_PACKET) return true;
    return isKfunc(insn) && program.kfuncs.get(at) === "bpf_dynptr_slice_rdwr";
  });
}

function callsThrow({ program, facts }: XlatedInput): boolean {
  return facts.some(
    (fact, at) => fact.reached && isKfunc(program.insns[at]!) && program.kfuncs.get(at) === "bpf_throw",
  );
}

function isKfunc(insn: Instruction): boolean {
  return insn.opcode === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL;
}

interface Counter {
  readonly first: Op;
  /** Offset of the counter in the frame. */
  readonly slot: number;
}

function mayGotoCounters(list: OpList, parts: readonly Part[], depth: readonly number[]): Map<Op, Counter> {
  const counters = new Map<Op, Counter>();
  for (const op of list.ops) {
    if (!op.isMayGoto) continue;
    const part = parts.find(
      ({ subprog }) => subprog !== null && op.origin! >= subprog.start && op.origin! < subprog.end,
    );
    if (part?.subprog === undefined || part.subprog === null) continue;
    counters.set(op, { first: part.first, slot: -depth[part.subprog.index]! - MAY_GOTO_SLOTS });
  }
  return counters;
}
