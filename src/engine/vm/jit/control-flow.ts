import { BPF_JMP, BPF_JMP32, CALL, EXIT, JA, JA32, LD_IMM64 } from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";

/** How a block ends. Targets are block indices. */
export type BlockEnd =
  | { readonly kind: "goto"; readonly target: number }
  | { readonly kind: "branch"; readonly taken: number; readonly next: number }
  | { readonly kind: "exit" }
  /** The interpreter takes over at `at`, which may lie outside of the program. */
  | { readonly kind: "leave"; readonly at: number };

/** A straight run of slots [start, end); a jump at its end is included. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly exit: BlockEnd;
}

/** The reachable blocks of one function in reverse post-order (0 is the entry), with what structuring needs to know. */
export interface ControlFlow {
  readonly blocks: readonly Block[];
  /** Immediate dominator; -1 for the entry. */
  readonly dominator: Int32Array;
  /** Blocks that several forward edges enter. */
  readonly merge: readonly boolean[];
  /** The one block that a block can be entered from; -1 when there are more, or none, and for loop headers. */
  readonly onlyPredecessor: Int32Array;
  /** Blocks that a back edge enters. */
  readonly loopHeader: readonly boolean[];
  /** Innermost loop that a block belongs to, by its header; a header belongs to its own. -1: none. Means nothing in irreducible graphs. */
  readonly loopOf: Int32Array;
  /** Header of the loop around a header's loop; -1: none. */
  readonly outerLoop: Int32Array;
  /** Instructions of the loop that a header heads, without those of its inner loops; at least 1. */
  readonly loopSize: Int32Array;
  /** Every back edge goes to a block that dominates its source. */
  readonly reducible: boolean;
}

const isJump = (op: number): boolean => (op & 7) === BPF_JMP || (op & 7) === BPF_JMP32;

/** Slots that an instruction can go to; null when control leaves the function or the code that can be compiled. */
function successors(program: Executable, at: number): { taken: number; next: number } | "exit" | "straight" {
  const op = program.op[at] as number;
  if (!isJump(op) || op === CALL) return "straight";
  if (op === EXIT) return "exit";
  const distance = op === JA32 ? (program.imm[at] as number) : (program.off[at] as number);
  const taken = at + 1 + distance;
  if (op === JA || op === JA32) return { taken, next: -1 };
  return { taken, next: at + 1 };
}

const slotsOf = (program: Executable, at: number): number => (program.op[at] === LD_IMM64 ? 2 : 1);

/** The slot is the second half of a 64-bit load, or none of the program. */
function unusable(program: Executable, at: number): boolean {
  return at < 0 || at >= program.op.length || (program.op[at] === LD_IMM64 && at + 1 >= program.op.length);
}

/** Conditional jumps whose opcode says nothing: the interpreter traps at them. */
export function isConditional(op: number): boolean {
  const code = op >> 4;
  if ((op & 7) === BPF_JMP) return (code >= 1 && code <= 7) || (code >= 10 && code <= 13) || op === 0xe5;
  return (op & 7) === BPF_JMP32 && ((code >= 1 && code <= 7) || (code >= 10 && code <= 13));
}

export function analyseControlFlow(program: Executable, entry: number): ControlFlow {
  // Leaders: the slots where a reachable block begins.
  const leaders = new Set<number>([entry]);
  const seen = new Set<number>();
  const work = [entry];
  while (work.length > 0) {
    let at = work.pop() as number;
    for (;;) {
      if (seen.has(at) || unusable(program, at)) break;
      seen.add(at);
      const op = program.op[at] as number;
      const next = successors(program, at);
      if (next === "exit") break;
      if (next === "straight") {
        at += slotsOf(program, at);
        continue;
      }
      if (next.next >= 0 && !isConditional(op)) break;
      leaders.add(next.taken);
      work.push(next.taken);
      if (next.next < 0) break;
      leaders.add(next.next);
      at = next.next;
    }
  }

  const blockAt = new Map<number, { start: number; end: number; targets: number[]; leave: number }>();
  for (const start of leaders) {
    let at = start;
    let targets: number[] = [];
    let leave = -2;
    for (;;) {
      if (unusable(program, at)) {
        leave = at;
        break;
      }
      const next = successors(program, at);
      if (next === "exit") {
        at++;
        break;
      }
      if (next === "straight") {
        at += slotsOf(program, at);
        if (leaders.has(at)) {
          targets = [at];
          break;
        }
        continue;
      }
      if (next.next >= 0 && !isConditional(program.op[at] as number)) {
        leave = at;
        break;
      }
      targets = next.next < 0 ? [next.taken] : [next.taken, next.next];
      at++;
      break;
    }
    blockAt.set(start, { start, end: at, targets, leave });
  }

  const order = reversePostOrder(entry, (start) => blockAt.get(start)?.targets ?? []);
  const index = new Map<number, number>(order.map((start, i) => [start, i]));
  const blocks: Block[] = order.map((start) => {
    const block = blockAt.get(start) as { start: number; end: number; targets: number[]; leave: number };
    const to = block.targets.map((target) => index.get(target) as number);
    const exit: BlockEnd =
      block.leave !== -2
        ? { kind: "leave", at: block.leave }
        : to.length === 0
          ? { kind: "exit" }
          : to.length === 1
            ? { kind: "goto", target: to[0] as number }
            : { kind: "branch", taken: to[0] as number, next: to[1] as number };
    return { start, end: block.end, exit };
  });

  const predecessors: number[][] = blocks.map(() => []);
  blocks.forEach((block, from) => {
    for (const to of targetsOf(block.exit)) predecessors[to]?.push(from);
  });
  const dominator = dominators(predecessors);
  const loopHeader = blocks.map(() => false);
  const merge = blocks.map(() => false);
  let reducible = true;
  predecessors.forEach((from, to) => {
    let forward = 0;
    for (const p of from) {
      if (p < to) {
        forward++;
        continue;
      }
      loopHeader[to] = true;
      if (!dominates(dominator, to, p)) reducible = false;
    }
    merge[to] = forward > 1;
  });
  const onlyPredecessor = Int32Array.from(predecessors, (from, b) =>
    from.length === 1 && !loopHeader[b] ? (from[0] as number) : -1,
  );
  return {
    blocks,
    dominator,
    merge,
    onlyPredecessor,
    loopHeader,
    ...findLoops(blocks, predecessors, loopHeader),
    reducible,
  };
}

/** Natural loops: from each back edge's source backwards to the header. Inner headers have higher numbers, so they come first. */
function findLoops(
  blocks: readonly Block[],
  predecessors: readonly (readonly number[])[],
  loopHeader: readonly boolean[],
): Pick<ControlFlow, "loopOf" | "outerLoop" | "loopSize"> {
  const loopOf = new Int32Array(blocks.length).fill(-1);
  const outerLoop = new Int32Array(blocks.length).fill(-1);
  const loopSize = new Int32Array(blocks.length);
  /** The outermost loop found so far around a block. */
  const outermost = (b: number): number => {
    let header = loopOf[b] as number;
    while (header !== -1 && outerLoop[header] !== -1) header = outerLoop[header] as number;
    return header;
  };
  for (let header = blocks.length - 1; header >= 0; header--) {
    if (!loopHeader[header]) continue;
    loopOf[header] = header;
    const work = (predecessors[header] as readonly number[]).filter((p) => p >= header);
    while (work.length > 0) {
      const b = work.pop() as number;
      const around = outermost(b);
      if (around === header || b < header) continue;
      if (around === -1) {
        loopOf[b] = header;
        work.push(...(predecessors[b] as readonly number[]));
      } else {
        outerLoop[around] = header;
        work.push(...(predecessors[around] as readonly number[]));
      }
    }
  }
  blocks.forEach((block, b) => {
    const header = loopOf[b] as number;
    if (header >= 0) loopSize[header] = (loopSize[header] as number) + block.end - block.start;
  });
  return { loopOf, outerLoop, loopSize: loopSize.map((size) => Math.max(1, size)) };
}

export function targetsOf(exit: BlockEnd): readonly number[] {
  if (exit.kind === "goto") return [exit.target];
  if (exit.kind === "branch") return exit.taken === exit.next ? [exit.taken] : [exit.taken, exit.next];
  return [];
}

function reversePostOrder(entry: number, targets: (start: number) => readonly number[]): number[] {
  const order: number[] = [];
  const seen = new Set<number>([entry]);
  const stack: { at: number; next: number }[] = [{ at: entry, next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1] as { at: number; next: number };
    const to = targets(top.at)[top.next++];
    if (to === undefined) {
      order.push(top.at);
      stack.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      stack.push({ at: to, next: 0 });
    }
  }
  return order.reverse();
}

/** Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm", on blocks numbered in reverse post-order. */
function dominators(predecessors: readonly (readonly number[])[]): Int32Array {
  const idom = new Int32Array(predecessors.length).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let b = 1; b < predecessors.length; b++) {
      let found = -1;
      for (const p of predecessors[b] as readonly number[]) {
        if (idom[p] === -1) continue;
        if (found === -1) {
          found = p;
          continue;
        }
        let x = p;
        let y = found;
        while (x !== y) {
          while (x > y) x = idom[x] as number;
          while (y > x) y = idom[y] as number;
        }
        found = x;
      }
      if (idom[b] !== found) {
        idom[b] = found;
        changed = true;
      }
    }
  }
  idom[0] = -1;
  return idom;
}

function dominates(dominator: Int32Array, a: number, b: number): boolean {
  let at = b;
  while (at > a) at = dominator[at] as number;
  return at === a;
}
