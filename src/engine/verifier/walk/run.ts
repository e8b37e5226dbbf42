import { calls } from "../calls-half.ts";
import { JUMP_POINT, PRUNE_POINT } from "../passes/control-flow.ts";
import { PTR_TO_CTX, pointerReg } from "../register.ts";
import { Frame, VerifierState } from "../state.ts";
import { framePointer } from "./stack-access.ts";
import { step } from "./step.ts";
import type { Walker } from "./walker.ts";

const MAX_INSNS = 1_000_000;
/** How often (in instructions) the caller is asked whether to go on. */
const CANCEL_EVERY = 4096;

export type WalkResult = "done" | "ended" | "cancelled";

/** Walks function `subprog` by itself: main with its context, a global function with whatever its prototype allows. */
export function walkFunction(
  w: Walker,
  subprog: number,
  cancelled: ((insnsProcessed: number) => boolean) | undefined,
): WalkResult {
  const entry = w.subprograms[subprog]!;
  const frame = new Frame(0, subprog, -1);
  frame.regs[10] = framePointer(0);
  w.state = new VerifierState([frame], w.sleepableProgram);
  w.state.firstInsn = entry.start;
  w.insnIdx = entry.start;
  w.prevInsnIdx = -1;
  w.entrySubprog = subprog;
  w.pending = [];
  w.checkpoints.reset();
  w.stackLiveness.forgetCurrent();
  w.sourceLines.forget();
  w.touchAll();
  if (subprog === 0) {
    frame.regs[1] = pointerReg(PTR_TO_CTX);
    calls.noteMainSignature(w);
  } else if (!calls.enterGlobal(w, frame, entry)) return "ended";
  w.trace?.beginPath(null, null, entry.start);
  const result = run(w, cancelled);
  if (result === "done" && !w.detailed) w.log.truncate(0);
  return result;
}

function run(w: Walker, cancelled: ((insnsProcessed: number) => boolean) | undefined): WalkResult {
  const { marks } = w.tables;
  let prevInsn = -1;
  let printWhole = false;
  for (;;) {
    w.currentEntry = null;
    w.prevInsnIdx = prevInsn;
    const at = w.insnIdx;
    if (++w.insnsProcessed > MAX_INSNS) {
      w.reject("E2BIG", `BPF program is too large. Processed ${w.insnsProcessed} insn`, "too-many-instructions");
      return "ended";
    }
    if (cancelled !== undefined && w.insnsProcessed % CANCEL_EVERY === 0 && cancelled(w.insnsProcessed))
      return "cancelled";
    w.state.lastInsn = prevInsn;
    w.state.insnIdx = at;
    const mark = marks[at]!;
    if ((mark & PRUNE_POINT) !== 0) {
      const visit = w.checkpoints.visit();
      if (visit === "rejected") {
        w.trace?.endPath(w, "rejected");
        return "ended";
      }
      if (visit === "covered") {
        if (w.printing) w.note(printWhole ? `\nfrom ${prevInsn} to ${at}: safe` : `${at}: safe`);
        w.trace?.endPath(w, "pruned");
        const resumed = takePending(w);
        if (resumed === null) return "ended";
        if (!resumed) return "done";
        prevInsn = w.prevInsnIdx;
        printWhole = true;
        continue;
      }
    }
    if ((mark & JUMP_POINT) !== 0) w.pushHistory(0, null);
    if (w.printing) {
      if (w.detailed && printWhole) {
        w.printWholeState();
        printWhole = false;
      }
      w.printInstruction();
    }
    w.trace?.step(w);
    w.facts[at]!.reached = true;
    prevInsn = at;
    const instance = w.stackLiveness.begin(w.state);
    const result = step(w);
    if (result === "rejected") {
      w.insnIdx = w.ending?.kind === "rejected" ? (w.ending.failure.insn ?? at) : at;
      w.trace?.endPath(w, "rejected");
      return "ended";
    }
    w.stackLiveness.commit(instance, at);
    if (result === "returned") printWhole = true;
    else if (result === "path-end") {
      w.trace?.endPath(w, "exit");
      const resumed = takePending(w);
      if (resumed === null) return "ended";
      if (!resumed) return "done";
      prevInsn = w.prevInsnIdx;
      printWhole = true;
    }
  }
}

/** Ends the current path and takes up the newest pending one. False: there is none; null: rejected. */
function takePending(w: Walker): boolean | null {
  w.touchAll();
  if (!w.checkpoints.finishPath()) return null;
  w.stackLiveness.update(w.state);
  const next = w.pending.pop();
  if (next === undefined) return false;
  w.state = next.state;
  w.stackLiveness.forgetCurrent();
  if (!w.detailed) w.log.truncate(next.logLength);
  w.insnIdx = next.insnIdx;
  w.prevInsnIdx = next.prevInsnIdx;
  w.trace?.beginPath(next.tracePath, next.prevInsnIdx, next.insnIdx);
  return true;
}
