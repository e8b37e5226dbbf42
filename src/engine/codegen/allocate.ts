import { colour } from "./colouring.ts";
import { commuteOperations } from "./commute.ts";
import { weighBlocks } from "./control-flow.ts";
import { removeDead } from "./liveness.ts";
import {
  FIRST_VIRTUAL,
  forEachDef,
  forEachTermUse,
  forEachUse,
  keepInsns,
  type MachineFunction,
  type Mark,
  mapRegisters,
  type Reg,
} from "./machine.ts";
import { makeSpillState, type SpillState, spill } from "./spill.ts";

/** Each round spills what found no register and shortens what is left; no program needs many. */
const MAX_ROUNDS = 200;
/** Cheaper to make again than to load. */
const CONSTANT_FACTOR = 0.3;

/**
 * Gives every virtual register a register of the machine, or a place on the stack. The function is changed in place. False when
 * one instruction needs more registers than there are, as inline assembly can.
 */
export function allocateRegisters(fn: MachineFunction): boolean {
  weighBlocks(fn);
  removeDead(fn);
  commuteOperations(fn);
  const state = makeSpillState();
  for (let round = 0; ; round++) {
    if (round >= MAX_ROUNDS) return false;
    const costs = spillCosts(fn, state);
    const { colour: colours, alias, spilled, degree } = colour(fn, (reg) => costs[reg] as number);
    if (spilled.length === 0) {
      rewrite(fn, colours);
      return true;
    }
    spill(fn, state, chooseVictims(fn, spilled, alias, costs, degree));
  }
}

function spillCosts(fn: MachineFunction, state: SpillState): Float64Array {
  const costs = new Float64Array(fn.nextRegister);
  const kinds = new Uint8Array(fn.nextRegister); // 1: a constant defines it, 2: something else does
  for (const block of fn.blocks) {
    const add = (reg: Reg): void => {
      costs[reg] = (costs[reg] as number) + block.weight;
    };
    for (const insn of block.insns) {
      forEachUse(insn, add);
      forEachDef(insn, add);
      const constant = insn.op === "imm" || insn.op === "wide" || insn.op === "address" || insn.op === "frame";
      forEachDef(insn, (reg) => {
        kinds[reg] = constant && kinds[reg] !== 2 ? 1 : 2;
      });
    }
    forEachTermUse(block.term, add);
  }
  for (let reg = FIRST_VIRTUAL; reg < costs.length; reg++) {
    if (state.short.has(reg)) costs[reg] = Number.POSITIVE_INFINITY;
    else if (kinds[reg] === 1) costs[reg] = (costs[reg] as number) * CONSTANT_FACTOR;
  }
  return costs;
}

/** Of registers that were joined and found no place, those as costly to keep as this share of the worst go to the stack. */
const VICTIM_SHARE = 0.5;

/**
 * The registers to put on the stack, those that share a slot together. A joined register is taken apart again: only its long
 * parts go, the short ones that work on them stay. A phi goes with what feeds it.
 */
function chooseVictims(
  fn: MachineFunction,
  spilled: readonly Reg[],
  alias: (reg: Reg) => Reg,
  costs: Float64Array,
  degree: Int32Array,
): Reg[][] {
  const groups = new Map<Reg, Reg[]>(spilled.map((reg) => [reg, []]));
  for (let reg = FIRST_VIRTUAL; reg < degree.length; reg++) groups.get(alias(reg))?.push(reg);
  const victims: Reg[][] = [];
  for (const members of groups.values()) {
    const webs = new Map<Reg, Reg[]>();
    for (const reg of members) {
      const lead = fn.webs.get(reg) ?? reg;
      const web = webs.get(lead);
      if (web === undefined) webs.set(lead, [reg]);
      else web.push(reg);
    }
    const worth = (web: readonly Reg[]): number => {
      const cost = web.reduce((sum, reg) => sum + (costs[reg] as number), 0);
      return web.reduce((sum, reg) => sum + (degree[reg] as number), 0) / Math.max(cost, 1e-6);
    };
    const rated = [...webs.values()].map((web) => ({ web, worth: worth(web) }));
    const most = Math.max(...rated.map((r) => r.worth));
    for (const { web, worth: w } of rated) if (w >= most * VICTIM_SHARE) victims.push(web);
  }
  return victims;
}

function rewrite(fn: MachineFunction, colours: Int32Array): void {
  const at = (reg: Reg): Reg => (reg < FIRST_VIRTUAL ? reg : Math.max(0, colours[reg] as number));
  for (const block of fn.blocks) {
    for (const insn of block.insns) {
      mapRegisters(insn, at, at);
      if (insn.marks !== undefined) insn.marks = mapMarks(insn.marks, colours);
    }
    block.marks = mapMarks(block.marks, colours);
    const { term } = block;
    if (term.kind === "if") {
      term.a = at(term.a);
      if (term.b >= 0) term.b = at(term.b);
    } else if (term.kind === "asm") mapRegisters(term.code, at, at);
    keepInsns(block, (insn) => insn.op !== "mov" || insn.dst !== insn.src);
  }
}

function mapMarks(marks: readonly Mark[], colours: Int32Array): readonly Mark[] {
  if (!marks.some((m) => m.kind === "holds")) return marks;
  return marks.flatMap((mark): Mark | [] => {
    if (mark.kind !== "holds" || mark.holder.kind !== "register" || mark.holder.reg < FIRST_VIRTUAL) return mark;
    const reg = colours[mark.holder.reg] as number;
    return reg < 0 ? [] : { ...mark, holder: { kind: "register", reg } };
  });
}
