import { joinMarks, type MachineFunction, NO_MARKS, successors, type Terminator } from "./machine.ts";

/** Ids of the blocks that the entry reaches, in reverse postorder. */
export function reachable(fn: MachineFunction): number[] {
  const seen = new Uint8Array(fn.blocks.length);
  const order: number[] = [];
  const stack: { id: number; targets: number[]; next: number }[] = [];
  const visit = (id: number): void => {
    seen[id] = 1;
    stack.push({ id, targets: successors(termOf(fn, id)), next: 0 });
  };
  visit(0);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const target = top.targets[top.next++];
    if (target === undefined) {
      order.push(top.id);
      stack.pop();
    } else if (seen[target] === 0) visit(target);
  }
  return order.reverse();
}

function termOf(fn: MachineFunction, id: number): Terminator {
  return fn.blocks[id]?.term ?? { kind: "none" };
}

/** Where a jump to `id` really leads: past blocks that only jump on. */
function finalTarget(fn: MachineFunction, id: number): number {
  let at = id;
  for (let steps = 0; steps < fn.blocks.length; steps++) {
    const block = fn.blocks[at];
    if (block === undefined || block.insns.length > 0 || block.term.kind !== "goto" || block.term.to === at) return at;
    at = block.term.to;
  }
  return at;
}

/** A block that control cannot reach: nothing is in it and nothing follows. */
function isImpossible(fn: MachineFunction, id: number): boolean {
  const block = fn.blocks[id];
  return block !== undefined && block.term.kind === "none" && block.insns.length === 0;
}

/** Removes jumps to jumps, jumps to places that cannot be, and jumps both of whose ways are one. */
export function simplifyControlFlow(fn: MachineFunction): void {
  for (const block of fn.blocks) {
    const { term } = block;
    if (term.kind === "goto") {
      term.to = finalTarget(fn, term.to);
    } else if (term.kind === "asm") {
      term.fallthrough = finalTarget(fn, term.fallthrough);
    } else if (term.kind === "if") {
      term.taken = finalTarget(fn, term.taken);
      term.otherwise = finalTarget(fn, term.otherwise);
      if (term.taken === term.otherwise) block.term = { kind: "goto", to: term.taken };
      else if (isImpossible(fn, term.taken)) block.term = { kind: "goto", to: term.otherwise };
      else if (isImpossible(fn, term.otherwise)) block.term = { kind: "goto", to: term.taken };
    }
  }
}

/** Joins a block with the only one that follows it when nothing else leads there. Returns whether anything changed. */
export function mergeChains(fn: MachineFunction): boolean {
  const order = reachable(fn);
  const count = predecessorCounts(fn, order);
  let changed = false;
  for (const id of order) {
    const block = fn.blocks[id];
    if (block === undefined) continue;
    for (;;) {
      const { term } = block;
      if (term.kind !== "goto" || term.to === id || term.to === 0 || count[term.to] !== 1) break;
      const next = fn.blocks[term.to];
      if (next === undefined) break;
      const first = next.insns[0];
      if (first === undefined) block.marks = joinMarks(block.marks, next.marks);
      else {
        if (block.marks.length > 0) first.marks = joinMarks(block.marks, first.marks);
        block.marks = next.marks;
      }
      next.marks = NO_MARKS;
      for (const insn of next.insns) block.insns.push(insn);
      block.term = next.term;
      next.insns.length = 0;
      next.term = { kind: "goto", to: next.id };
      count[next.id] = 0;
      changed = true;
    }
  }
  return changed;
}

export function predecessorCounts(fn: MachineFunction, order: readonly number[]): Uint32Array {
  const count = new Uint32Array(fn.blocks.length);
  for (const id of order) for (const to of successors(termOf(fn, id))) count[to] = (count[to] as number) + 1;
  return count;
}

const LOOP_FACTOR = 8;
const MAX_DEPTH = 5;

/** Sets each block's weight from the depth of the loops around it. Irreducible loops count for their first header. */
export function weighBlocks(fn: MachineFunction): void {
  const order = reachable(fn);
  const position = new Int32Array(fn.blocks.length).fill(-1);
  order.forEach((id, i) => {
    position[id] = i;
  });
  const predecessors: number[][] = fn.blocks.map(() => []);
  for (const id of order) for (const to of successors(termOf(fn, id))) predecessors[to]?.push(id);
  const depth = new Uint8Array(fn.blocks.length);
  for (const header of order) {
    const latches = (predecessors[header] ?? []).filter((p) => (position[p] as number) >= (position[header] as number));
    if (latches.length === 0) continue;
    // Everything that reaches a latch without passing the header.
    const body = new Set<number>([header]);
    const work = [...latches];
    for (let id = work.pop(); id !== undefined; id = work.pop()) {
      if (body.has(id) || (position[id] as number) < (position[header] as number)) continue;
      body.add(id);
      work.push(...(predecessors[id] ?? []));
    }
    for (const id of body) depth[id] = Math.min(MAX_DEPTH, (depth[id] as number) + 1);
  }
  for (const block of fn.blocks) block.weight = LOOP_FACTOR ** (depth[block.id] as number);
}
