import { LEFT_BY_CODE, type VmFrame } from "../../vm/frame.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { cpuStride, indexOfValue, nextValue } from "../maps/values.ts";
import type { OpFrame, Task } from "../state.ts";
import { finish, kernelStackKey, op, pushFunction, setNumber, setPointer } from "../tasks.ts";
import { functionArgument, type HelperImplementation, mapArgument, u32Of, u64Of } from "./implementation.ts";

/** BPF_MAX_LOOPS */
const MAX_LOOPS = 8 * 1024 * 1024;

const forEach: HelperImplementation = (kernel, task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  const entry = map === null ? -1 : functionArgument(kernel, frame, 2);
  if (map === null || entry < 0) return 0;
  if (u64Of(frame, 4) !== 0) return negative("EINVAL");
  task.frames.push(
    op("for-each", {
      map: map.id,
      program: frame.program,
      entry,
      next: nextValue(kernel, map, 0),
      done: 0,
      ctxLow: frame.lo[3],
      ctxHigh: frame.hi[3],
    }),
  );
  return null;
};

/** True when a callback (below a helper that runs it) has asked to stop: r0 was 1. */
const askedToStop = (frame: OpFrame): boolean => frame.data["lo"] !== undefined && frame.data["lo"] !== 0;

/** Operation `for-each`: one value a step; the next one is found before the callback, which may delete its own. */
export function continueForEach(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { data } = frame;
  const map = kernel.map(data["map"]);
  const at: number = data["next"];
  if (at === 0 || askedToStop(frame)) {
    finish(kernel, task, data["done"]);
    return;
  }
  data["next"] = nextValue(kernel, map, at);
  data["done"]++;
  const callee = pushFunction(kernel, task, data["program"], data["entry"]);
  if (callee === null) return;
  const { storage } = map;
  setPointer(callee, 1, map.address);
  setPointer(
    callee,
    2,
    storage.kind === "hash"
      ? at - storage.valueOffset + storage.keyOffset
      : kernelStackKey(kernel, task, indexOfValue(map, at)),
  );
  setPointer(callee, 3, at + Math.max(task.cpu, 0) * cpuStride(map));
  callee.lo[4] = data["ctxLow"];
  callee.hi[4] = data["ctxHigh"];
}

const loop: HelperImplementation = (kernel, task, frame) => {
  const entry = functionArgument(kernel, frame, 2);
  if (entry < 0) return 0;
  if (u64Of(frame, 4) !== 0) return negative("EINVAL");
  const count = u32Of(frame, 1);
  if (count > MAX_LOOPS) return negative("E2BIG");
  const done = frame.loopDone;
  frame.loopDone = 0;
  const data = { program: frame.program, entry, count, done, ctxLow: frame.lo[3], ctxHigh: frame.hi[3] };
  task.frames.push(op("loop", data));
  return null;
};

/** Operation `loop`: one callback a step. */
export function continueLoop(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { data } = frame;
  if (data["done"] >= data["count"] || askedToStop(frame)) {
    finish(kernel, task, data["done"]);
    return;
  }
  const caller = task.frames.at(-2);
  if (data["compiled"] === true && caller?.kind === "vm" && kernel.compiled !== null && kernel.inOneGo) {
    // Compiled code was left within this loop, and goes on with it.
    task.frames.pop();
    caller.pc--;
    caller.loopDone = data["done"];
    caller.executed = LEFT_BY_CODE;
    return;
  }
  const callee: VmFrame | null = pushFunction(kernel, task, data["program"], data["entry"]);
  if (callee === null) return;
  setNumber(callee, 1, data["done"]++);
  callee.lo[2] = data["ctxLow"];
  callee.hi[2] = data["ctxHigh"];
}

export const ITERATION_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [164, forEach],
  [181, loop],
];
