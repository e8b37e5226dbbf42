import type { Instruction } from "../../isa/instruction.ts";
import { LD_IMM64 } from "../../isa/opcodes.ts";
import type { InsnFacts, Subprogram } from "../state.ts";
import { isPseudoCall, isPseudoFunc } from "./subprograms.ts";

/** Slots of an inlined bpf_loop, and the place of the callback's call among them. */
const LOOP_SLOTS = 19;
const LOOP_CALL = 12;

/** A reference to a function from code that stays. */
interface Reference {
  /** Place in the list of slots; moves when others are removed. */
  at: number;
  /** Distance to the function, as Linux keeps it in the instruction. */
  imm: number;
  readonly origin: number;
}

export interface DanglingCall {
  /** Slot of the original program. */
  readonly origin: number;
  /** Where it leads, a place in `kept` or outside. */
  readonly target: number;
  /** Slots of the original program that stay, in order; those of inlined loops several times. */
  readonly kept: readonly number[];
}

/**
 * The first call or function address that leads nowhere once never-walked code is gone: Linux 6.18 keeps the distance of such a
 * reference as it was, and refuses the program when it then points at no function's start.
 */
export function danglingCall(
  insns: readonly Instruction[],
  facts: readonly InsnFacts[],
  subprograms: readonly Subprogram[],
): DanglingCall | null {
  const gone = subprograms.map((s) => !facts[s.start]!.reached);
  if (!gone.includes(true) || gone.filter((g) => !g).length < 2) return null;

  // The program with loops inlined: origin of each slot.
  const origins: number[] = [];
  const places = new Int32Array(insns.length + 1);
  const loops: { at: number; subprog: number; origin: number }[] = [];
  for (let i = 0; i < insns.length; i++) {
    places[i] = origins.length;
    const loop = facts[i]!.reached ? facts[i]!.loopInline : null;
    if (loop?.fits) {
      loops.push({ at: origins.length + LOOP_CALL, subprog: loop.subprog, origin: i });
      for (let k = 0; k < LOOP_SLOTS; k++) origins.push(i);
    } else origins.push(i);
  }
  places[insns.length] = origins.length;
  const references: Reference[] = [];
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i]!;
    if (!facts[i]!.reached || !(isPseudoCall(insn) || isPseudoFunc(insn))) continue;
    const target = places[i + 1 + insn.imm]!;
    references.push({ at: places[i]!, imm: target - places[i]! - 1, origin: i });
  }
  for (const loop of loops) {
    const target = places[subprograms[loop.subprog]!.start]!;
    references.push({ at: loop.at, imm: target - loop.at - 1, origin: loop.origin });
  }

  // Blocks of never-walked slots go one by one; distances over a block shrink with it.
  const stays = (origin: number): boolean =>
    facts[origin]!.reached || (origin > 0 && insns[origin - 1]!.opcode === LD_IMM64 && facts[origin - 1]!.reached);
  let kept = origins;
  for (let at = 0; at < kept.length; at++) {
    let count = 0;
    while (at + count < kept.length && !stays(kept[at + count]!)) count++;
    if (count === 0) continue;
    const end = at + count;
    kept = [...kept.slice(0, at), ...kept.slice(end)];
    for (const r of references) {
      const target = r.at + r.imm + 1;
      if (r.at < at && target >= end) r.imm -= count;
      else if (r.at >= end && target < at) r.imm += count;
      if (r.at >= end) r.at -= count;
    }
  }
  const starts = new Set<number>();
  for (const s of subprograms) {
    if (gone[s.index]) continue;
    starts.add(kept.findIndex((origin) => origin >= s.start));
  }
  references.sort((a, b) => a.at - b.at);
  const first = references.find((r) => !starts.has(r.at + r.imm + 1));
  return first === undefined ? null : { origin: first.origin, target: first.at + first.imm + 1, kept };
}
