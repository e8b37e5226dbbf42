import { type Block, type ControlFlow, targetsOf } from "./control-flow.ts";
import { BLOCK, BR_TABLE, EMPTY_BLOCK, END, IF, LOOP, UNREACHABLE, type WasmCode } from "./wasm-code.ts";

/** What a function's compiler supplies to the structuring of its code. */
export interface BlockEmitter {
  readonly code: WasmCode;
  /** Code of a block without its jump; a block that exits or leaves does so here. */
  body(block: number): void;
  /** Pushes (i32) whether a branching block's jump is taken. */
  condition(block: number): void;
  /** Spends the fuel of `rounds` times round a loop and pushes (i32) whether it is out. */
  spend(block: number, rounds: number): void;
  /** Gets more fuel at the head of a loop, or leaves the function. */
  refuel(block: number): void;
  /** How often the body of a loop is written out in a row: more than once for short ones, so that they ask for fuel less often. */
  copies(block: number): number;
  /** i32 local for the number of the next block, where there is no structure. */
  readonly nextLocal: number;
}

type Label = { readonly loop: boolean; readonly block: number };

type Step =
  | { readonly do: "node" | "loop" | "leaf" | "refuel"; readonly block: number }
  | { readonly do: "edge"; readonly from: number; readonly to: number }
  | { readonly do: "copy"; readonly block: number; readonly left: number }
  | { readonly do: "end" };

/** A label of no block: nothing jumps to it by name. */
const NO_BLOCK = -1;

interface Placement {
  /** Blocks behind the `end` of a block inside their dominator, highest number first. */
  readonly merges: readonly (readonly number[])[];
  /** Blocks that leave a loop, behind its end. */
  readonly exits: readonly (readonly number[])[];
  /** Blocks that stand in neither list: placed where their one edge comes from. */
  readonly inline: readonly boolean[];
}

function place(flow: ControlFlow): Placement {
  const merges: number[][] = flow.blocks.map(() => []);
  const exits: number[][] = flow.blocks.map(() => []);
  const inline = flow.blocks.map(() => true);
  const inLoop = (header: number, block: number): boolean => {
    for (let at = flow.loopOf[block] as number; at >= header; at = flow.outerLoop[at] as number) {
      if (at === header) return true;
    }
    return false;
  };
  for (let b = flow.blocks.length - 1; b > 0; b--) {
    const parent = flow.dominator[b] as number;
    let left = -1;
    for (let header = flow.loopOf[parent] as number; header !== -1; header = flow.outerLoop[header] as number) {
      if (inLoop(header, b)) break;
      left = header;
    }
    if (left >= 0) exits[left]?.push(b);
    else if (flow.merge[b]) merges[parent]?.push(b);
    inline[b] = left < 0 && !flow.merge[b];
  }
  return { merges, exits, inline };
}

/**
 * Turns a reducible graph into nested blocks, loops and ifs along its dominator tree: a block that several forward edges enter
 * stands behind the `end` of a block that encloses all of them, a loop header opens a loop, what leaves a loop stands behind it,
 * everything else is placed where its one edge comes from. After Norman Ramsey, "Beyond Relooper: recursive translation of
 * unstructured control flow to structured control flow" (ICFP 2022), with a work list in place of recursion, since programs may
 * be long.
 */
export function emitStructured(flow: ControlFlow, emit: BlockEmitter): void {
  const { code } = emit;
  const { merges, exits, inline } = place(flow);
  const labels: Label[] = [];
  const work: Step[] = [{ do: "node", block: 0 }];

  const open = (opcode: number, label: Label): void => {
    code.byte(opcode);
    code.byte(EMPTY_BLOCK);
    labels.push(label);
  };
  /** Encloses what follows in a block for each of `targets`, which are then placed behind the ends. */
  const enclose = (targets: readonly number[]): void => {
    // Highest number outermost: a block may only jump forward, to those that stand further out.
    for (const block of targets) {
      open(BLOCK, { loop: false, block });
      work.push({ do: "node", block }, { do: "end" });
    }
  };
  /** Depth of the label that an edge jumps to; -1 when its target is to be placed here. */
  const jumpDepth = (from: number, to: number): number => {
    const loop = to <= from;
    if (!loop && inline[to]) return -1;
    for (let i = labels.length - 1; i >= 0; i--) {
      const label = labels[i] as Label;
      if (label.block === to && label.loop === loop) return labels.length - 1 - i;
    }
    return -1;
  };

  while (work.length > 0) {
    const step = work.pop() as Step;
    switch (step.do) {
      case "node": {
        const { block } = step;
        if (flow.loopHeader[block]) {
          enclose(exits[block] as readonly number[]);
          work.push({ do: "loop", block });
        } else {
          work.push({ do: "copy", block, left: 0 });
        }
        break;
      }
      case "loop": {
        // The call for fuel stands outside of the loop proper: it must not cost the loop its registers.
        const { block } = step;
        const rounds = emit.copies(block);
        open(LOOP, { loop: false, block: NO_BLOCK });
        open(BLOCK, { loop: false, block: NO_BLOCK });
        open(LOOP, { loop: true, block });
        emit.spend(block, rounds);
        code.brIf(1);
        work.push({ do: "end" }, { do: "refuel", block }, { do: "copy", block, left: rounds - 1 });
        break;
      }
      case "refuel":
        code.byte(END);
        code.byte(UNREACHABLE);
        code.byte(END);
        labels.splice(-2);
        emit.refuel(step.block);
        code.br(0);
        break;
      case "copy": {
        // In all copies but the last, going round again means going on with the next.
        const { block, left } = step;
        if (left > 0) {
          open(BLOCK, { loop: true, block });
          work.push({ do: "copy", block, left: left - 1 }, { do: "end" });
        }
        enclose(merges[block] as readonly number[]);
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
            open(IF, { loop: false, block: NO_BLOCK });
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
    if (flow.loopHeader[b]) {
      emit.spend(b, 1);
      code.byte(IF);
      code.byte(EMPTY_BLOCK);
      emit.refuel(b);
      code.byte(END);
    }
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
