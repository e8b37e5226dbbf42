import { BPF_PSEUDO_CALL, CALL, LD_IMM64 } from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import { analyseControlFlow, type Block, type ControlFlow } from "./control-flow.ts";
import { type Provenance, Registers } from "./provenance.ts";

/** Where compiled code of a function is to be entered besides its start: at the instruction that it was left before. */
export interface Continuation {
  readonly entry: number;
  readonly slot: number;
}

/** Instructions of a function. */
const LONG = 10_000;

/**
 * Functions that may be left in their midst: those with loops, which ask for fuel, those that call the host (which what is not
 * compiled does as a whole), and their callers.
 */
export function suspendable(
  program: Executable,
  flows: ReadonlyMap<number, ControlFlow>,
  isCompilable: (flow: ControlFlow) => boolean,
): ReadonlySet<number> {
  const found = new Set<number>();
  const callers = new Map<number, number[]>();
  for (const [start, flow] of flows) {
    const size = flow.blocks.reduce((sum, { start: from, end }) => sum + end - from, 0);
    // What is very long may be left to the interpreter in the end.
    if (size > LONG || !flow.reducible || flow.loopHeader.some((header) => header) || !isCompilable(flow))
      found.add(start);
    for (const { start: from, end, exit } of flow.blocks) {
      if (exit.kind === "leave") found.add(start);
      for (let i = from; i < end; i++) {
        if (program.op[i] === LD_IMM64) i++;
        else if (program.op[i] !== CALL) continue;
        else if (program.src[i] !== BPF_PSEUDO_CALL) found.add(start);
        else {
          const target = i + 1 + (program.imm[i] as number);
          callers.set(target, [...(callers.get(target) ?? []), start]);
        }
      }
    }
  }
  const work = [...found];
  for (let start = work.pop(); start !== undefined; start = work.pop()) {
    for (const caller of callers.get(start) ?? []) {
      if (found.has(caller)) continue;
      found.add(caller);
      work.push(caller);
    }
  }
  return found;
}

/**
 * The part of a function that can be reached from a slot, as a graph of its own, and what registers hold at the start of its blocks:
 * what holds there in the whole function.
 */
export function partFrom(
  program: Executable,
  whole: ControlFlow,
  provenance: Provenance,
  { entry, slot }: Continuation,
): { readonly flow: ControlFlow; readonly at: readonly Registers[] } {
  const flow = analyseControlFlow(program, slot);
  const known = provenance.blocks(entry);
  const at = flow.blocks.map(({ start }) => {
    const registers = new Registers();
    const b = whole.blocks.findIndex((block) => block.start <= start && start < block.end);
    if (b < 0) return registers;
    registers.assign(known[b] as Registers);
    for (let i = (whole.blocks[b] as Block).start; i < start; i++) {
      provenance.step(registers, i);
      if (program.op[i] === LD_IMM64) i++;
    }
    return registers;
  });
  return { flow, at };
}

/** True when code may be entered at a slot: it is an instruction that is reached within the function. */
export const isReached = (program: Executable, whole: ControlFlow, slot: number): boolean =>
  whole.blocks.some(({ start, end }) => {
    if (slot < start || slot >= end) return false;
    for (let i = start; i < slot; i++) if (program.op[i] === LD_IMM64 && i + 1 === slot) return false;
    return true;
  });
