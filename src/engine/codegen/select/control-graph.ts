import type { IrFunction } from "../../ir/module.ts";

/** Blocks that the entry reaches, each after those that dominate it. */
export function reversePostOrder(fn: IrFunction): number[] {
  const state = new Uint8Array(fn.blocks.length);
  const order: number[] = [];
  const stack: { block: number; next: number; targets: number[] }[] = [];
  const visit = (block: number): void => {
    state[block] = 1;
    stack.push({ block, next: 0, targets: targetsOf(fn, block) });
  };
  visit(0);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const target = top.targets[top.next++];
    if (target === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (state[target] === 0) visit(target);
  }
  return order.reverse();
}

export function targetsOf(fn: IrFunction, block: number): number[] {
  const last = fn.blocks[block]?.instructions.at(-1);
  switch (last?.op) {
    case "br":
      return [last.target];
    case "condbr":
      // The second first: in reverse postorder the first then follows the block.
      return [last.otherwise, last.taken];
    case "switch":
      return [last.otherwise, ...last.cases.map((c) => c.block)];
    case "call":
      return last.fallthrough === null ? [] : [...last.indirect, last.fallthrough];
    default:
      return [];
  }
}

/** Immediate dominator of each block that the entry reaches, by itself for the entry; -1 for other blocks. */
export function immediateDominators(fn: IrFunction): Int32Array {
  const order = reversePostOrder(fn);
  const position = new Int32Array(fn.blocks.length).fill(-1);
  order.forEach((block, i) => {
    position[block] = i;
  });
  const predecessors: number[][] = fn.blocks.map(() => []);
  for (const block of order) for (const to of targetsOf(fn, block)) predecessors[to]?.push(block);
  const idom = new Int32Array(fn.blocks.length).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of order) {
      if (block === 0) continue;
      let meet = -1;
      for (const from of predecessors[block] ?? []) {
        if (idom[from] === -1) continue;
        let other = from;
        while (meet >= 0 && meet !== other) {
          if ((position[meet] as number) > (position[other] as number)) meet = idom[meet] as number;
          else other = idom[other] as number;
        }
        meet = meet < 0 ? from : other;
      }
      if (idom[block] === meet) continue;
      idom[block] = meet;
      changed = true;
    }
  }
  return idom;
}
