import type { Errno } from "../../abi/errno.ts";
import type { PolicyName } from "../../abi/types.ts";
import type { KernelEventBody } from "../event-types.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap, LoadedProgram, OpFrame, Task, Timer } from "../state.ts";

export type DropReason = Extract<KernelEventBody, { kind: "timer-drop" }>["why"];

/**
 * An answer to "what keeps a timer's program alive, and who stops the timer?". The alternatives of the thread differ in
 * these hooks and in nothing else.
 */
export interface TimerPolicy {
  readonly name: PolicyName;
  /** A timer holds a reference on the program of its callback. */
  readonly holdsProgram: boolean;
  /** init and set_callback are refused (-EPERM) while the map has no user reference. */
  readonly needsUser: boolean;
  /** Update flags beyond those of Linux. */
  readonly updateFlags: number;
  /** An update deletes the timer before it writes the value (T11 of the thread), and not after it, as Linux does. */
  readonly dropsBeforeUpdate: boolean;
  /** Asked before an update goes over an element with an initialised timer. */
  refuseUpdate(timer: Timer, flags: number): Errno | 0;
  /** Asked before init, set_callback and mod: the running program's state may forbid it. */
  refuseArm(program: LoadedProgram): Errno | 0;
  /** The element of a timer goes away or is written over. Does what is atomic at once; the rest is done by `task` next. */
  onDrop(kernel: Kernel, task: Task, timer: Timer, why: DropReason): OpFrame | null;
  /** The last reference of a program is gone; done before the grace period after which its memory goes. */
  onProgramUnreferenced(kernel: Kernel, program: LoadedProgram): OpFrame | null;
  /** The last fd or pin of a map is gone. */
  onLastUserReference(kernel: Kernel, map: BpfMap): OpFrame | null;
}

export const allow = (): 0 => 0;
export const nothing = (): null => null;
