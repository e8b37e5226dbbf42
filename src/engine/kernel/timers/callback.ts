import { type Executable, functionAt } from "../../vm/executable.ts";
import type { Kernel } from "../kernel.ts";
import type { Callback } from "../state.ts";

const known = new WeakMap<Executable, Map<number, Callback>>();

/** The function that begins at a slot of a program, as a callback: the same object each time. */
export function callbackOf(kernel: Kernel, program: number, entry: number): Callback {
  const executable = kernel.executable(program);
  let callbacks = known.get(executable);
  if (callbacks === undefined) {
    callbacks = new Map();
    known.set(executable, callbacks);
  }
  let callback = callbacks.get(entry);
  if (callback === undefined) {
    const name = functionAt(executable, entry);
    const label = `callback ${name}`;
    const { log } = kernel;
    callback = { program, entry, name, label, nameNumber: log.text(name), labelNumber: log.text(label) };
    callbacks.set(entry, callback);
  }
  return callback;
}
