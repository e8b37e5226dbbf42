import { predecessorCounts, reachable } from "./control-flow.ts";
import { type MachineFunction, successors } from "./machine.ts";

/**
 * Order of the blocks in memory: each is followed, where possible, by a block that it leads to, loops before what comes after
 * them.
 */
export function layOutBlocks(fn: MachineFunction): number[] {
  const order = reachable(fn);
  const pending = predecessorCounts(fn, order);
  const placed = new Uint8Array(fn.blocks.length);
  const result: number[] = [];
  const deferred: number[] = [];
  const place = (id: number): void => {
    placed[id] = 1;
    result.push(id);
    const block = fn.blocks[id];
    if (block === undefined) return;
    for (const to of successors(block.term)) pending[to] = (pending[to] as number) - 1;
  };
  const next = (id: number): number => {
    const block = fn.blocks[id];
    if (block === undefined) return -1;
    const open = successors(block.term).filter((to) => placed[to] === 0);
    const [first, second] = open;
    if (first === undefined) return -1;
    if (second === undefined) return first;
    let best = better(fn, pending, first, second) ? first : second;
    if (block.term.kind === "asm") best = placed[block.term.fallthrough] === 0 ? block.term.fallthrough : best;
    for (const to of open) if (to !== best) deferred.push(to);
    return best;
  };
  for (let id = 0; id >= 0; ) {
    place(id);
    id = next(id);
    while (id < 0) {
      const waiting = deferred.pop();
      if (waiting === undefined) break;
      if (placed[waiting] === 0) id = waiting;
    }
  }
  return result;
}

/** Whether `a`, the target of the jump, should rather follow than `b`. */
function better(fn: MachineFunction, pending: Uint32Array, a: number, b: number): boolean {
  const weightA = fn.blocks[a]?.weight ?? 0;
  const weightB = fn.blocks[b]?.weight ?? 0;
  if (weightA !== weightB) return weightA > weightB;
  // Where paths join comes last, so that the other paths can fall into it.
  const joinA = (pending[a] as number) > 0;
  const joinB = (pending[b] as number) > 0;
  if (joinA !== joinB) return joinB;
  return a < b;
}
