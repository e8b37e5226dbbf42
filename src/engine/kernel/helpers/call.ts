import { helperById } from "../../abi/helpers.ts";
import type { VmFrame } from "../../vm/frame.ts";
import { keptHelperCall, noteHelper, noteKfunc, tellHelper } from "../helper-events.ts";
import type { Kernel } from "../kernel.ts";
import type { OpFrame, Task } from "../state.ts";
import { setNumber } from "../tasks.ts";
import type { HelperImplementation } from "./implementation.ts";
import { KFUNCS } from "./kfuncs.ts";
import { helperOf } from "./table.ts";
import { TAIL_CALL } from "./tail-call.ts";

/** Runs a helper for `frame`, which stands behind the call: to its end, or until the operation that goes on with it. */
export function callHelper(kernel: Kernel, task: Task, frame: VmFrame, id: number): void {
  const implementation = helperOf(id);
  if (implementation === undefined) {
    missing(kernel, "helper", helperById(id)?.name, id);
    return;
  }
  run(kernel, task, frame, implementation, id === TAIL_CALL ? null : noteHelper(kernel, frame, id));
}

export function callKfunc(kernel: Kernel, task: Task, frame: VmFrame, slot: number): void {
  const name = kernel.executable(frame.program).kfuncs.get(slot);
  const implementation = name === undefined ? undefined : KFUNCS.get(name);
  if (implementation === undefined) {
    missing(kernel, "kfunc", name, slot);
    return;
  }
  // Kfuncs return C types: an int leaves the upper half of r0 zero, be it negative or not (measured).
  const asInt: HelperImplementation = (k, t, f) => {
    const result = implementation(k, t, f);
    return typeof result === "number" ? result >>> 0 : result;
  };
  run(kernel, task, frame, asInt, noteKfunc(kernel, frame, name as string));
}

/** What Linux has, and we have not, is said; what Linux has not either is a call into nowhere. */
function missing(kernel: Kernel, kind: "helper" | "kfunc", name: string | undefined, number: number): void {
  kernel.atCall = true;
  if (name !== undefined) kernel.notModelled(`${kind} ${name}`);
  else
    kernel.oops({
      what: "invalid-instruction",
      message: `call of ${kind} #${number}, which does not exist`,
      address: null,
    });
  kernel.atCall = false;
}

function run(
  kernel: Kernel,
  task: Task,
  frame: VmFrame,
  implementation: HelperImplementation,
  note: ReturnType<typeof noteHelper>,
): void {
  const depth = task.frames.length;
  kernel.atCall = true;
  const result = implementation(kernel, task, frame);
  if (result === null) {
    const first = task.frames[depth] as OpFrame | undefined;
    if (note !== null && first?.kind === "op") first.data["call"] = keptHelperCall(note);
  } else {
    if (result !== undefined) setNumber(frame, 0, result);
    if (note !== null && kernel.state.oops === null) tellHelper(kernel, note, frame);
  }
  kernel.atCall = false;
}
