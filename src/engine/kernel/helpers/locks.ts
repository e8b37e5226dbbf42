import type { Kernel } from "../kernel.ts";
import type { Cpu, OpFrame, Task } from "../state.ts";
import { finish, op } from "../tasks.ts";
import { type HelperImplementation, memoryArgument } from "./implementation.ts";

const spinLock: HelperImplementation = (kernel, task, frame) => {
  const at = memoryArgument(kernel, frame, 1, 4, true);
  if (at < 0) return 0;
  if (tryLock(kernel, task, at)) return 0;
  task.frames.push(op("spin-lock", { at }));
  task.wait = { on: "lock", at, what: "a spin lock" };
  return null;
};

/** Takes a lock that is free; interrupts are off while it is held. */
function tryLock(kernel: Kernel, task: Task, at: number): boolean {
  const { view } = kernel.memory;
  if (view.getUint32(at, true) !== 0) return false;
  view.setUint32(at, 1, true);
  const cpu = kernel.state.cpus[task.cpu] as Cpu | undefined;
  if (cpu !== undefined) cpu.locksHeld++;
  return true;
}

/** Operation `spin-lock`: the lock was seen free; another CPU may have been faster. */
export function continueSpinLock(kernel: Kernel, task: Task, frame: OpFrame): void {
  const at: number = frame.data["at"];
  if (tryLock(kernel, task, at)) finish(kernel, task, 0);
  else task.wait = { on: "lock", at, what: "a spin lock" };
}

const spinUnlock: HelperImplementation = (kernel, task, frame) => {
  const at = memoryArgument(kernel, frame, 1, 4, true);
  if (at < 0) return 0;
  kernel.memory.view.setUint32(at, 0, true);
  const cpu = kernel.state.cpus[task.cpu] as Cpu | undefined;
  if (cpu !== undefined && cpu.locksHeld > 0) cpu.locksHeld--;
  return 0;
};

export const LOCK_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [93, spinLock],
  [94, spinUnlock],
];
