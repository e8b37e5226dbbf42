/**
 * The kernel as the layers above see it.
 *
 * ```ts
 * const kernel = new Kernel({ policy: "uref", cpus: 2, hz: 250, seed: 1, insnCost: 0, watch: true }, (event) => events.push(event));
 * const process = kernel.openProcess("main");
 * const map = kernel.call(process, { name: "map-create", spec, btf, dialect }).retval;       // an fd
 * const view = kernel.verifierEnvironment(process);                                          // for verify()
 * const prog = kernel.call(process, { name: "prog-load", program, section }).retval;
 * const run = kernel.call(process, { name: "prog-run", fd: prog, data, context: null, repeat: 1 }, 0);
 * kernel.advance(10_000_000, 1e9);
 * ```
 *
 * Long runs go in slices: `start` a task, then `run(task, fuel)` until it says "done". The explorer and the stepper use
 * `choices()` and `step(choice)` instead: one atomic step of one task at a time.
 */

export { auditKernel } from "./audit.ts";
export type { Syscall, SyscallName } from "./calls.ts";
export type { EventPlace, KernelEvent, KernelEventBody, NodeId, Oops, TimerId, WorkId } from "./event-types.ts";
export { fingerprint, fingerprintTask } from "./fingerprint.ts";
export { Kernel, type KernelCheckpoint } from "./kernel.ts";
export { leakedLoops, mayLeak, type ReferenceEdge, referenceEdges } from "./reference-graph.ts";
export type { Choice, RunStatus } from "./schedule.ts";
export type {
  BpfMap,
  Cpu,
  FileTarget,
  Holders,
  KernelSettings,
  KernelState,
  Link,
  LoadedProgram,
  Process,
  SyscallResult,
  Task,
  Timer,
  Work,
} from "./state.ts";
export type { Breakpoint, StopPoints, StopReport, Watch } from "./stop-points.ts";
export {
  type MapEntry,
  mapEntries,
  type QueueBase,
  type QueuedTimer,
  queuedTimers,
  timerExpiry,
  timerState,
  type WheelBucket,
  wheelBuckets,
  wheelPlaceOf,
  workState,
} from "./views.ts";
