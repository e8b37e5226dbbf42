import type { IrBlock, IrFunction, IrInstruction, IrValue } from "../../ir/module.ts";
import { formatType } from "../../ir/types.ts";
import { bindRecords, wantedValues } from "../debug/operands.ts";
import { VariableFlow } from "../debug/variable-flow.ts";
import type { MachineFunction } from "../machine.ts";
import { selectBinary, selectCast } from "./arithmetic.ts";
import { selectAtomicRmw, selectCmpxchg, selectFence } from "./atomics.ts";
import { receiveParameters, selectCall, selectReturn } from "./calls.ts";
import { branchOn, moveValue, selectCompare, selectSelects } from "./conditions.ts";
import { reversePostOrder, targetsOf } from "./control-graph.ts";
import { bitsOf } from "./known-bits.ts";
import { leafRange, leavesOf } from "./leaves.ts";
import { selectAlloca, selectGep, selectLoad, selectStore } from "./memory.ts";
import type { ModuleContext } from "./module-context.ts";
import { isMovable } from "./schedule.ts";
import { Selector, typeProblem } from "./selector.ts";
import { selectSwitch } from "./switches.ts";
import { isDead } from "./uses.ts";

/** Machine code over virtual registers for a function's definition; what BPF cannot do is in its diagnostics. */
export function selectFunction(context: ModuleContext, fn: IrFunction): MachineFunction {
  const s = new Selector(context, fn);
  const order = reversePostOrder(fn);
  const flow = new VariableFlow(fn, context.module.metadata);
  const wanted = flow.records.length === 0 ? null : wantedValues(fn, flow);
  // Machine blocks stand in the order of the text, which is the optimiser's.
  for (let i = 0; i < fn.blocks.length; i++) s.starts.push(i === 0 ? s.block.id : s.newBlock().id);
  const incoming = preparePhis(s, order);
  if (wanted !== null) markParameters(s, wanted);
  receiveParameters(s);
  for (const index of order) {
    const start = s.out.blocks[s.target(index)];
    if (start === undefined) continue;
    s.place = null;
    if (index === 0) s.continueIn(start);
    else s.enter(start);
    if (wanted !== null) s.comeTo(index, 0);
    selectBlock(s, index, incoming, wanted === null ? null : { wanted, changes: flow.changes(index) });
  }
  if (wanted !== null) {
    s.out.variables = { flow, bindings: bindRecords(s, flow), homes: s.uses.home, indices: definitionIndices(fn) };
  }
  return s.out;
}

function definitionIndices(fn: IrFunction): Int32Array {
  const indices = new Int32Array(fn.valueCount).fill(-1);
  for (const block of fn.blocks) {
    block.instructions.forEach((insn, i) => {
      if (insn.result >= 0) indices[insn.result] = i;
    });
  }
  return indices;
}

/** What a block's debug records need to be told of. */
interface Watched {
  readonly wanted: Uint8Array;
  /** Indices of instructions before which other records hold. */
  readonly changes: readonly number[];
}

/** Parameters come in r1 to r5, where they stay until something else is put there. */
function markParameters(s: Selector, wanted: Uint8Array): void {
  let next = 1;
  s.fn.parameters.forEach(({ type }, value) => {
    const count = leavesOf(type)?.length ?? 1;
    const reg = next;
    next += count;
    if (count === 1 && wanted[value] === 1 && reg <= 5) {
      s.mark({ kind: "holds", value, holder: { kind: "register", reg } });
    }
  });
}

/** A value that a variable has is there from here on. */
function markValue(s: Selector, watched: Watched | null, insn: IrInstruction): void {
  if (watched === null || insn.result < 0 || watched.wanted[insn.result] !== 1) return;
  const registers = s.values[insn.result];
  const [reg] = registers ?? [];
  if (registers?.length !== 1 || reg === undefined || s.uses.folded[insn.result] === 1) return;
  s.mark({ kind: "holds", value: insn.result, holder: { kind: "register", reg } });
}

type Incoming = ReadonlyMap<number, readonly (readonly number[])[]>;

/** Every phi has a register of its own and one that its predecessors write; the allocator joins the two where it can. */
function preparePhis(s: Selector, order: readonly number[]): Incoming {
  const incoming = new Map<number, number[][]>();
  for (const index of order) {
    for (const insn of s.irBlock(index).instructions) {
      if (insn.op !== "phi") break;
      if (isDead(s.uses, insn)) continue;
      const leaves = leavesOf(insn.type);
      if (leaves === null) {
        s.fail(`values of type ${formatType(insn.type)} are not supported`);
        continue;
      }
      const own = leaves.map(() => s.newReg());
      s.set(insn, ...own);
      incoming.set(
        insn.result,
        own.map((reg) => {
          const fed = s.newReg();
          s.out.webs.set(fed, reg);
          return [fed];
        }),
      );
    }
  }
  return incoming;
}

function selectBlock(s: Selector, index: number, incoming: Incoming, watched: Watched | null): void {
  const { instructions } = s.irBlock(index);
  const places = watched === null ? null : placesIn(s, index, watched.changes);
  s.increments.clear();
  for (let i = 0; i < instructions.length; i++) {
    const insn = instructions[i] as IrInstruction;
    s.dbg = insn.dbg;
    if (places !== null) s.comeTo(index, places(insn));
    if (isDead(s.uses, insn)) continue;
    if (insn.op === "select") {
      if (s.uses.folded[insn.result] === 1) continue;
      const group = selectGroup(s, instructions, i);
      selectSelects(s, group);
      for (const one of group) markValue(s, watched, one);
      i += group.length - 1;
      continue;
    }
    if (
      insn.op === "br" ||
      insn.op === "condbr" ||
      insn.op === "switch" ||
      (insn.op === "call" && insn.fallthrough !== null)
    ) {
      feedPhis(s, index, incoming);
      s.dbg = insn.dbg;
    }
    selectInstruction(s, insn, incoming);
    markValue(s, watched, insn);
  }
}

/**
 * For the instructions of a block in turn: before which instruction of the text the program is. One that the scheduler may move
 * stands for no place of its own.
 */
function placesIn(s: Selector, block: number, changes: readonly number[]): (insn: IrInstruction) => number {
  const original = (s.fn.blocks[block] as IrBlock).instructions;
  const moved = s.irBlock(block).instructions !== original;
  const indices = new Map(original.map((insn, i) => [insn, i]));
  let place = 0;
  return (insn) => {
    const at = indices.get(insn) ?? 0;
    if (moved && isMovable(insn)) return place;
    for (const change of changes) if (change <= at && change > place) place = change;
    return place;
  };
}

/** Selects that follow each other, have one condition and do not feed each other. */
function selectGroup(
  s: Selector,
  instructions: readonly IrInstruction[],
  first: number,
): (IrInstruction & { op: "select" })[] {
  const group: (IrInstruction & { op: "select" })[] = [];
  const results = new Set<number>();
  for (let i = first; i < instructions.length; i++) {
    const insn = instructions[i];
    if (insn?.op !== "select" || s.uses.folded[insn.result] === 1 || isDead(s.uses, insn)) break;
    const lead = group[0] ?? insn;
    const same =
      insn.condition.kind === "local" &&
      lead.condition.kind === "local" &&
      insn.condition.index === lead.condition.index;
    const fed = [insn.a, insn.b].some((v) => v.kind === "local" && results.has(v.index));
    if (group.length > 0 && (!same || fed)) break;
    group.push(insn);
    results.add(insn.result);
  }
  return group;
}

/** At the end of a block: what the successors' phis take from it. */
function feedPhis(s: Selector, from: number, incoming: Incoming): void {
  const shown = shownByBranch(s, from);
  for (const target of new Set(targetsOf(s.fn, from))) {
    for (const insn of s.irBlock(target).instructions) {
      if (insn.op !== "phi") break;
      const parts = incoming.get(insn.result);
      const value = insn.incoming.find((i) => i.block === from)?.value;
      if (parts === undefined || value === undefined) continue;
      // On the way where `x == 0` holds, x serves as well as 0, and is there already.
      const same = shown !== null && shown.target === target && value.kind === "int" && value.value === shown.constant;
      parts.forEach(([reg], part) => {
        moveValue(s, reg as number, same ? shown.value : value, part);
      });
    }
  }
}

/** What the block's branch says on one of its ways: that a 64-bit value equals a constant. */
function shownByBranch(
  s: Selector,
  block: number,
): { readonly target: number; readonly value: IrValue; readonly constant: bigint } | null {
  const last = s.irBlock(block).instructions.at(-1);
  if (last?.op !== "condbr" || last.taken === last.otherwise) return null;
  const compare = s.definition(last.condition);
  if (compare?.op !== "icmp" || compare.b.kind !== "int" || compare.a.kind !== "local") return null;
  if (bitsOf(compare.a.type) !== 64) return null;
  if (compare.predicate !== "eq" && compare.predicate !== "ne") return null;
  const target = compare.predicate === "eq" ? last.taken : last.otherwise;
  return { target, value: compare.a, constant: compare.b.value };
}

function selectInstruction(s: Selector, insn: IrInstruction, incoming: Incoming): void {
  if (insn.result >= 0 && s.uses.folded[insn.result] === 1 && insn.op !== "gep") return;
  switch (insn.op) {
    case "binary":
      selectBinary(s, insn);
      return;
    case "cast":
      selectCast(s, insn);
      return;
    case "icmp":
      selectCompare(s, insn);
      return;
    case "select":
      selectSelects(s, [insn]);
      return;
    case "phi": {
      const parts = incoming.get(insn.result) ?? [];
      const own = s.values[insn.result] ?? [];
      const narrow = insn.type.kind === "int" && insn.type.bits <= 32 && s.alu32;
      parts.forEach(([reg], i) => {
        s.move(own[i] as number, reg as number, narrow ? 32 : 64);
      });
      return;
    }
    case "freeze":
      s.set(insn, ...s.regs(insn.value));
      return;
    case "alloca":
      selectAlloca(s, insn);
      return;
    case "load":
      selectLoad(s, insn);
      return;
    case "store":
      selectStore(s, insn);
      return;
    case "gep":
      selectGep(s, insn);
      return;
    case "extractvalue": {
      const [first, count] = leafRange(insn.value.type, insn.path);
      s.set(insn, ...s.regs(insn.value).slice(first, first + count));
      return;
    }
    case "insertvalue": {
      const [first] = leafRange(insn.type, insn.path);
      const whole = [...s.regs(insn.value)];
      s.regs(insn.element).forEach((reg, i) => {
        whole[first + i] = reg;
      });
      s.set(insn, ...whole);
      return;
    }
    case "atomicrmw":
      selectAtomicRmw(s, insn);
      return;
    case "cmpxchg":
      selectCmpxchg(s, insn);
      return;
    case "fence":
      selectFence(s, insn);
      return;
    case "call":
      selectCall(s, insn);
      return;
    case "ret":
      selectReturn(s, insn.value);
      return;
    case "br":
      s.end({ kind: "goto", to: s.target(insn.target) });
      return;
    case "condbr":
      branchOn(s, insn.condition, s.target(insn.taken), s.target(insn.otherwise));
      return;
    case "switch":
      selectSwitch(s, insn);
      return;
    case "unreachable":
      s.end({ kind: "none" });
      return;
    case "unsupported":
      s.fail(typeProblem(insn.type) ?? unsupportedText(insn.text));
      return;
  }
}

function unsupportedText(opcode: string): string {
  if (opcode === "indirectbr") return "computed goto is not supported by BPF";
  if (/^f(add|sub|mul|div|rem|neg|cmp|pext|ptrunc)|^(s|u)itofp|^fpto/.test(opcode)) {
    return "floating point is not supported by BPF";
  }
  if (opcode === "va_arg") return "variadic functions are not supported";
  return `'${opcode}' is not supported by BPF`;
}
