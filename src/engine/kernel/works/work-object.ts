import { guestAddress } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { KernelEventBody } from "../event-types.ts";
import type { Kernel } from "../kernel.ts";
import { keyOfValue } from "../maps/values.ts";
import { usercnt } from "../references.ts";
import type { BpfMap, Work } from "../state.ts";
import { op, startWorker } from "../tasks.ts";
import { callbackOf } from "../timers/callback.ts";
import {
  CONTROL_BYTES,
  dropCallback,
  elementLabel,
  holdProgram,
  objectAtField,
  ownerOf,
} from "../timers/timer-object.ts";
import { isBusy } from "./kworker.ts";

/**
 * From `bpf_wq_start` to the callback, ns: the median of 200 starts on an idle machine was 3.7 us from a syscall program, 4.4 us
 * from a classifier (Linux 6.18).
 */
const WAKE_UP = 4000;
/** The same while the worker is awake: a callback that starts itself ran every 360 ns. */
const NEXT_TURN = 360;

export const workAtField = (kernel: Kernel, field: number): Work | null | "bad" =>
  objectAtField(kernel, field, kernel.state.works, "work queue");

/** The initialised work queue of a value, or null. */
export function workOfValue(kernel: Kernel, map: BpfMap, valueAt: number): Work | null {
  if (map.wqAt < 0) return null;
  const work = workAtField(kernel, valueAt + map.wqAt);
  return work === "bad" ? null : work;
}

/** bpf_wq_init behind its argument checks: 0, -EBUSY, -ENOMEM, -EPERM while the map has no user reference. */
export function initWork(kernel: Kernel, field: number): { readonly retval: number; readonly work: Work | null } {
  const { state, memory } = kernel;
  const before = workAtField(kernel, field);
  if (before === "bad") return { retval: 0, work: null };
  if (before !== null) return { retval: negative("EBUSY"), work: before };
  const owner = ownerOf(kernel, field);
  const map = owner?.map ?? null;
  const valueAt = owner?.valueAt ?? field;
  const key = map === null ? field.toString(16).padStart(8, "0") : keyOfValue(kernel, map, valueAt);
  const label = map === null ? "a work queue outside every map" : elementLabel(map, key);
  const node = `work:${map?.id ?? -1}:${key}`;
  const control = kernel.allocate(CONTROL_BYTES, "timer", `work queue of ${label}`, node);
  if (control === null) return { retval: negative("ENOMEM"), work: null };
  memory.poison(control, CONTROL_BYTES);
  if (map !== null && usercnt(map.holders) === 0) {
    memory.free(control, state.now);
    return { retval: negative("EPERM"), work: null };
  }
  const work: Work = {
    id: `w:${map?.id ?? "-"}:${key}`,
    label,
    node,
    nodeNumber: kernel.log.text(node),
    control,
    field,
    mapId: map?.id ?? -1,
    valueAt,
    key,
    callback: null,
    holds: null,
    queuedOn: -1,
    queuedAt: 0,
    due: 0,
    runningOn: -1,
    ran: 0,
    detached: false,
    freed: false,
  };
  state.works.set(control, work);
  memory.writeU64(field, guestAddress(control));
  return { retval: 0, work };
}

/** Stores the callback. A work queue always holds its program: the policies are about timers. */
export function setWorkCallback(kernel: Kernel, work: Work, programId: number, entry: number): void {
  holdProgram(kernel, work, programId);
  work.callback = callbackOf(kernel, programId, entry);
  kernel.emit({
    kind: "wq-callback-set",
    work: work.id,
    prog: programId,
    functionName: work.callback.name,
  });
}

/** schedule_work: nothing while it is queued already. What runs is queued where it runs, and so never runs beside itself. */
export function queueWork(kernel: Kernel, work: Work, cpuId: number): void {
  if (work.queuedOn >= 0) return;
  const { state } = kernel;
  const onCpu = work.runningOn >= 0 ? work.runningOn : cpuId;
  const cpu = state.cpus[onCpu];
  if (cpu === undefined) return;
  work.queuedOn = onCpu;
  work.queuedAt = state.now;
  work.due = state.now + (isBusy(kernel, cpu) ? NEXT_TURN : WAKE_UP);
  cpu.works.push(work.control);
  kernel.emit({ kind: "wq-queue", work: work.id, due: work.due, onCpu });
}

/** Takes a work item out of its list; true when it was queued. */
export function dequeueWork(kernel: Kernel, work: Work): boolean {
  const works = kernel.state.cpus[work.queuedOn]?.works;
  work.queuedOn = -1;
  const at = works?.indexOf(work.control) ?? -1;
  if (works === undefined || at < 0) return false;
  works.splice(at, 1);
  return true;
}

/**
 * The element of a work queue goes away or is written over: its callback is forgotten and the field cleared at once; a worker cancels
 * it, waits for a callback that runs, and frees it. Whoever deletes never waits (measured).
 */
export function dropWorkOfValue(
  kernel: Kernel,
  map: BpfMap,
  valueAt: number,
  why: Extract<KernelEventBody, { kind: "wq-drop" }>["why"],
): void {
  const work = workOfValue(kernel, map, valueAt);
  if (work === null) return;
  dropCallback(kernel, work);
  work.detached = true;
  kernel.memory.writeU64(work.field, 0n);
  kernel.emit({ kind: "wq-drop", work: work.id, why });
  startWorker(kernel, op("work-cancel-free", { control: work.control }), `delete of work queue ${work.label}`);
}

/** The control block is gone. */
export function forgetWork(kernel: Kernel, control: number): void {
  const { state } = kernel;
  const work = state.works.get(control);
  if (work === undefined) return;
  work.freed = true;
  state.works.delete(control);
  kernel.memory.free(control, state.now);
  kernel.emit({ kind: "wq-free", work: work.id }, true);
}
