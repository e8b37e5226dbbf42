import type { VmFrame } from "../../vm/frame.ts";
import { negative } from "../errno.ts";
import { noteHelper, tellHelper } from "../helper-events.ts";
import type { Kernel } from "../kernel.ts";
import { hexOf } from "../maps/values.ts";
import type { LoadedProgram, Task } from "../state.ts";
import { pushFunction, STACK_FRAME_BYTES, setNumber } from "../tasks.ts";
import { type HelperImplementation, mapArgument, u32Of } from "./implementation.ts";

/** MAX_TAIL_CALL_CNT */
const MAX_TAIL_CALLS = 33;
export const TAIL_CALL = 12;

/** The program that a tail call leads to; null when there is none, or too many were made. */
export function tailCallTarget(kernel: Kernel, task: Task, frame: VmFrame): LoadedProgram | null {
  const map = mapArgument(kernel, frame, 2);
  if (map === null || map.storage.kind !== "slots" || map.storage.of !== "prog") return null;
  const index = u32Of(frame, 3);
  if (index >= map.maxEntries || task.tailCalls >= MAX_TAIL_CALLS) return null;
  const key = hexOf(Uint8Array.of(index & 255, (index >> 8) & 255, (index >> 16) & 255, index >>> 24));
  const id = map.storage.slots.get(key);
  if (id === undefined) return null;
  task.tailCalls++;
  return kernel.program(id);
}

/** bpf_tail_call: the program takes the place of the running function, with the same context. Told before it does. */
const tailCall: HelperImplementation = (kernel, task, frame) => {
  const note = noteHelper(kernel, frame, TAIL_CALL);
  const target = tailCallTarget(kernel, task, frame);
  if (kernel.state.oops !== null) return 0;
  setNumber(frame, 0, target === null ? negative("ENOENT") : 0);
  if (note !== null) tellHelper(kernel, note, frame);
  if (target === null) return undefined;
  const low = frame.lo[1] as number;
  const high = frame.hi[1] as number;
  task.frames.pop();
  kernel.memory.poison(frame.stack, STACK_FRAME_BYTES);
  target.runs++;
  const next = pushFunction(kernel, task, target.id, 0);
  if (next === null) return 0;
  next.lo[1] = low;
  next.hi[1] = high;
  return undefined;
};

export const TAIL_CALL_HELPERS: readonly (readonly [number, HelperImplementation])[] = [[TAIL_CALL, tailCall]];
