import { type Block, type ControlFlow, targetsOf } from "./control-flow.ts";
import { BLOCK, BR_TABLE, EMPTY_BLOCK, END, IF, LOOP, UNREACHABLE, type WasmCode } from "./wasm-code.ts";

/** What a function's compiler supplies to the structuring of its code. */
export interface BlockEmitter {
  readonly code: WasmCode;
  /** Code of a block without its jump; a block that exits or leaves does so here. */
  body(block: number): void;
  /** Pushes (i32) whether a branching block's jump is taken. */
  condition(block: number): void;
  /** At the head of a loop, once each time round. */
  loopHead(block: number): void;
  /** i32 local for the number of the next block, where there is no structure. */
  readonly nextLocal: number;
}

type Label = { readonly loop: boolean; readonly block: number };

type Step =
  | { readonly do: "node"; readonly block: number }
  | { readonly do: "edge"; readonly from: number; readonly to: number }
  | { readonly do: "leaf"; readonly block: number }
  | { readonly do: "open"; readonly block: number }
  | { readonly do: "end" };

/**
 * Turns a reducible graph into nested blocks, loops and ifs along its dominator tree: a block that several forward edges enter
 * stands behind the `end` of a block that encloses all of them, a loop header opens a loop, everything else is placed where its
 * one edge comes from. After Norman Ramsey, "Beyond Relooper: recursive translation of unstructured control flow to structured
 * control flow" (ICFP 2022), with a work list in place of recursion, since programs may be long.
 */
export function emitStructured(flow: ControlFlow, emit: BlockEmitter): void {
  const { code } = emit;
  const merges: number[][] = flow.blocks.map(() => []);
  for (let b = flow.blocks.length - 1; b > 0; b--) {
    if (flow.merge[b]) merges[flow.dominator[b] as number]?.push(b);
  }
  const labels: Label[] = [];
  const work: Step[] = [{ do: "node", block: 0 }];

  const depthOf = (block: number, loop: boolean): number => {
    for (let i = labels.length - 1; i >= 0; i--) {
      const label = labels[i] as Label;
      if (label.block === block && label.loop === loop) return labels.length - 1 - i;
    }
    return -1;
  };
  /** Depth of the label that an edge jumps to; -1 when its target is to be placed here. */
  const jumpDepth = (from: number, to: number): number => {
    if (to <= from) return depthOf(to, true);
    return flow.merge[to] ? depthOf(to, false) : -1;
  };

  while (work.length > 0) {
    const step = work.pop() as Step;
    switch (step.do) {
      case "node": {
        const { block } = step;
        if (flow.loopHeader[block]) {
          code.byte(LOOP);
          code.byte(EMPTY_BLOCK);
          labels.push({ loop: true, block });
          emit.loopHead(block);
          work.push({ do: "end" });
        }
        // Highest number outermost: a merge block may only jump forward, to those that stand further out.
        const inside = merges[block] as number[];
        for (const merge of inside) {
          code.byte(BLOCK);
          code.byte(EMPTY_BLOCK);
          labels.push({ loop: false, block: merge });
        }
        for (const merge of inside) {
          work.push({ do: "node", block: merge });
          work.push({ do: "end" });
        }
        work.push({ do: "leaf", block });
        break;
      }
      case "leaf": {
        emit.body(step.block);
        const exit = (flow.blocks[step.block] as Block).exit;
        if (exit.kind === "goto") work.push({ do: "edge", from: step.block, to: exit.target });
        else if (exit.kind === "branch" && exit.taken === exit.next)
          work.push({ do: "edge", from: step.block, to: exit.next });
        else if (exit.kind === "branch") {
          emit.condition(step.block);
          const depth = jumpDepth(step.block, exit.taken);
          work.push({ do: "edge", from: step.block, to: exit.next });
          if (depth >= 0) code.brIf(depth);
          else {
            code.byte(IF);
            code.byte(EMPTY_BLOCK);
            labels.push({ loop: false, block: -1 });
            work.push({ do: "end" }, { do: "node", block: exit.taken });
          }
        }
        break;
      }
      case "edge": {
        const depth = jumpDepth(step.from, step.to);
        if (depth >= 0) code.br(depth);
        else work.push({ do: "node", block: step.to });
        break;
      }
      default:
        code.byte(END);
        labels.pop();
    }
  }
  code.byte(UNREACHABLE);
}

/** Any graph: one loop around a table jump. */
export function emitDispatch(flow: ControlFlow, emit: BlockEmitter): void {
  const { code } = emit;
  const count = flow.blocks.length;
  code.byte(LOOP);
  code.byte(EMPTY_BLOCK);
  for (let b = 0; b < count; b++) {
    code.byte(BLOCK);
    code.byte(EMPTY_BLOCK);
  }
  code.get(emit.nextLocal);
  code.byte(BR_TABLE);
  code.u32(count - 1);
  for (let b = 0; b < count; b++) code.u32(b);
  for (let b = 0; b < count; b++) {
    code.byte(END);
    // Inside: the blocks of those that follow, and the loop.
    const loop = count - 1 - b;
    if (flow.loopHeader[b]) emit.loopHead(b);
    emit.body(b);
    const exit = (flow.blocks[b] as Block).exit;
    const go = (to: number): void => {
      if (to === b + 1) return;
      code.i32(to);
      code.set(emit.nextLocal);
      code.br(loop);
    };
    if (exit.kind === "branch" && exit.taken !== exit.next) {
      emit.condition(b);
      code.byte(IF);
      code.byte(EMPTY_BLOCK);
      code.i32(exit.taken);
      code.set(emit.nextLocal);
      code.br(loop + 1);
      code.byte(END);
      go(exit.next);
    } else {
      for (const to of targetsOf(exit)) go(to);
    }
  }
  code.byte(END);
  code.byte(UNREACHABLE);
}
