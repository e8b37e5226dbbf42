import { InternalError } from "../../base/errors.ts";
import { isSigned } from "../../btf/layout.ts";
import { GUEST_BASE, GUEST_HIGH, guestAddress } from "../../vm/memory.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { keyOfValue, valueAround } from "../maps/values.ts";
import type { DropReason } from "../policies/policy.ts";
import { hold, release, usercnt } from "../references.ts";
import type { BpfMap, Cpu, Timer } from "../state.ts";
import { tellTimerArm, tellTimerCallbackSet, tellTimerDrop, tellTimerFree } from "../tell.ts";
import { callbackOf } from "./callback.ts";
import { dequeueHrtimer, enqueueHrtimer } from "./hrtimer-queue.ts";
import { dequeueWheel, enqueueWheel, forwardWheel } from "./wheel.ts";

/** Timers of the state, by where their control blocks lie, that were asked for last. */
export const RECENT_TIMERS = 1024;
/** Bytes of a control block (Linux 6.18: 144). */
export const CONTROL_BYTES = 144;

/**
 * What a `struct bpf_timer` or `struct bpf_wq` points to; null when it is zero. A pointer that leads to no control block (a program
 * that no verifier saw has written there) is an oops, "bad".
 */
export function objectAtField<T>(
  kernel: Kernel,
  field: number,
  objects: ReadonlyMap<number, T>,
  what: "timer" | "work queue",
): T | null | "bad" {
  const { view } = kernel.memory;
  const low = view.getUint32(field, true);
  const high = view.getUint32(field + 4, true);
  if (low === 0 && high === 0) return null;
  const found = objects.get(low);
  if (found !== undefined && (high | 0) === GUEST_HIGH) return found;
  const address = (BigInt(high) << 32n) | BigInt(low);
  const object = address >= GUEST_BASE && address < GUEST_BASE + 0x1_0000_0000n ? kernel.memory.objectAt(low) : null;
  kernel.oops(
    object !== null && object.freedAt !== null
      ? { what: "use-after-free", message: `use after free of ${object.label}: a ${what} that is gone`, address }
      : {
          what: "invalid-address",
          message: `unable to handle page fault: the ${what}'s bytes are no ${what}`,
          address,
        },
  );
  return "bad";
}

export function timerAtField(kernel: Kernel, field: number): Timer | null | "bad" {
  const { view } = kernel.memory;
  const recent = kernel.recentTimers[recentSlot(view.getUint32(field, true))] as Timer | null;
  if (recent !== null && recent.control === view.getUint32(field, true) && !recent.freed)
    if (view.getInt32(field + 4, true) === GUEST_HIGH) return recent;
  const found = objectAtField(kernel, field, kernel.state.timers, "timer");
  if (found !== null && found !== "bad") kernel.recentTimers[recentSlot(found.control)] = found;
  return found;
}

/** Control blocks lie at least so far apart; the timers that were asked for last are found by that. */
const recentSlot = (control: number): number => (control >>> 5) & (RECENT_TIMERS - 1);

/** The map and value that memory belongs to; null outside every map. */
export function ownerOf(kernel: Kernel, offset: number): { readonly map: BpfMap; readonly valueAt: number } | null {
  const object = kernel.memory.objectAt(offset);
  if (object === null || object.kind !== "map-value" || object.node === null) return null;
  const map = kernel.state.maps.get(Number(object.node.slice(4)));
  if (map === undefined || map.freed) return null;
  const valueAt = valueAround(kernel, map, offset);
  return valueAt < 0 ? null : { map, valueAt };
}

/** `hmap[3]`: keys of up to 8 bytes as a number. */
export function elementLabel(map: BpfMap, key: string): string {
  if (key.length > 16) return `${map.name}[${key.slice(0, 16)}…]`;
  let value = 0n;
  for (let i = key.length - 2; i >= 0; i -= 2) value = (value << 8n) | BigInt(Number.parseInt(key.slice(i, i + 2), 16));
  const signed = map.btf !== null && map.shownKeyType !== 0 && isSigned(map.btf, map.shownKeyType);
  return `${map.name}[${signed ? BigInt.asIntN(4 * key.length, value) : value}]`;
}

/** bpf_timer_init behind its argument checks: 0, -EBUSY, -ENOMEM, -EPERM. */
export function initTimer(
  kernel: Kernel,
  field: number,
  clock: Timer["clock"],
  dialect: Timer["dialect"],
  mayInit: (map: BpfMap | null) => number,
): { readonly retval: number; readonly timer: Timer | null } {
  const { state, memory } = kernel;
  const before = timerAtField(kernel, field);
  if (before === "bad") return { retval: 0, timer: null };
  if (before !== null) return { retval: negative("EBUSY"), timer: before };
  const owner = ownerOf(kernel, field);
  const map = owner?.map ?? null;
  const valueAt = owner?.valueAt ?? field;
  const key = map === null ? field.toString(16).padStart(8, "0") : keyOfValue(kernel, map, valueAt);
  const label = map === null ? "a timer outside every map" : elementLabel(map, key);
  const control = kernel.allocate(CONTROL_BYTES, "timer", `timer of ${label}`, `timer:${map?.id ?? -1}:${key}`);
  if (control === null) return { retval: negative("ENOMEM"), timer: null };
  memory.poison(control, CONTROL_BYTES);
  const refused = mayInit(map);
  if (refused !== 0) {
    memory.free(control, state.now);
    return { retval: refused, timer: null };
  }
  const timer = addTimer(kernel, { map, key, label, control, field, valueAt, dialect, clock });
  memory.writeU64(field, guestAddress(control));
  return { retval: 0, timer };
}

/** A new timer, idle and without a callback, under its control block. */
export function addTimer(
  kernel: Kernel,
  about: Pick<Timer, "key" | "label" | "control" | "field" | "valueAt" | "dialect" | "clock"> & {
    readonly map: BpfMap | null;
  },
): Timer {
  const { state } = kernel;
  const { map, key, label, control, field, valueAt, dialect, clock } = about;
  const index = state.freeTimerIndexes.pop() ?? state.timerControls.length;
  state.timerControls[index] = control;
  const id = `t:${map?.id ?? "-"}:${key}`;
  const node = `timer:${map?.id ?? -1}:${key}`;
  const timer: Timer = {
    id,
    number: kernel.log.text(id),
    label,
    node,
    nodeNumber: kernel.log.text(node),
    index,
    control,
    field,
    mapId: map?.id ?? -1,
    valueAt,
    key,
    dialect,
    clock,
    callback: null,
    holds: null,
    expires: 0,
    armedAt: null,
    queuedOn: -1,
    runningOn: -1,
    fired: 0,
    detached: false,
    freed: false,
    cancelling: 0,
  };
  state.timers.set(control, timer);
  return timer;
}

/** -EPERM while the map has no user reference, for policies that ask for one. */
export function refuseWithoutUser(kernel: Kernel, map: BpfMap | null): number {
  return map !== null && kernel.policy.needsUser && usercnt(map.holders) === 0 ? negative("EPERM") : 0;
}

/** A timer or work item, as it holds its program. */
type Holder = Pick<Timer, "holds" | "node" | "nodeNumber">;

/** Takes a reference on a program in the name of a timer or work item (once), and gives back the former one. */
export function holdProgram(kernel: Kernel, object: Holder, programId: number): void {
  if (object.holds === programId) return;
  hold(kernel, { kind: "prog", id: programId }, object.node, false, object.nodeNumber);
  const before = object.holds;
  object.holds = programId;
  if (before !== null) release(kernel, null, { kind: "prog", id: before }, object.node, object.nodeNumber);
}

/** Stores the callback; where the policy says so, the timer holds the program. */
export function setCallback(kernel: Kernel, timer: Timer, programId: number, entry: number): void {
  if (kernel.policy.holdsProgram) holdProgram(kernel, timer, programId);
  timer.callback = callbackOf(kernel, programId, entry);
  tellTimerCallbackSet(kernel, timer, timer.callback);
}

/** Forgets the callback and gives the program reference back. */
export function dropCallback(kernel: Kernel, object: Holder & Pick<Timer, "callback">): void {
  object.callback = null;
  if (object.holds === null) return;
  const program = object.holds;
  object.holds = null;
  release(kernel, null, { kind: "prog", id: program }, object.node, object.nodeNumber);
}

const cpuOf = (kernel: Kernel, id: number): Cpu => {
  const cpu = kernel.state.cpus[id];
  if (cpu === undefined) throw new InternalError(`no CPU ${id}`);
  return cpu;
};

/** Takes a timer out of its queue; true when it was pending. */
export function dequeueTimer(kernel: Kernel, timer: Timer): boolean {
  if (timer.queuedOn < 0) return false;
  const cpu = cpuOf(kernel, timer.queuedOn);
  timer.queuedOn = -1;
  if (timer.clock === "jiffies") dequeueWheel(cpu.wheel, timer.index);
  else dequeueHrtimer(timer.clock === "boottime" ? cpu.hrtimers.boottime : cpu.hrtimers.monotonic, timer.index);
  return true;
}

/** Arms or moves a timer on a CPU. `expires`: ns for an hrtimer, jiffies for a wheel timer. */
export function armTimer(kernel: Kernel, timer: Timer, cpuId: number, expires: number): void {
  const { state } = kernel;
  const was = timer.queuedOn < 0 ? null : shownExpiry(kernel, timer);
  // A timer whose callback is running is queued where it runs, so that it never runs concurrently with itself.
  const onCpu = timer.runningOn >= 0 ? timer.runningOn : cpuId;
  dequeueTimer(kernel, timer);
  const cpu = cpuOf(kernel, onCpu);
  timer.expires = expires;
  timer.armedAt = state.now;
  timer.queuedOn = onCpu;
  if (timer.clock === "jiffies") {
    forwardWheel(cpu.wheel, kernel.jiffies);
    enqueueWheel(cpu.wheel, timer.index, expires, kernel.settings.hz);
  } else {
    const queue = timer.clock === "boottime" ? cpu.hrtimers.boottime : cpu.hrtimers.monotonic;
    enqueueHrtimer(queue, timer.index, expires, state.nextOrder++);
  }
  tellTimerArm(kernel, timer, shownExpiry(kernel, timer), was, onCpu);
}

/** Expiry in ns of the clock that events show; null when it lies beyond every recording. */
export function shownExpiry(kernel: Kernel, timer: Timer): number | null {
  const ns = timer.clock === "jiffies" ? timer.expires * kernel.nsPerJiffy : timer.expires;
  return ns >= 0 && ns <= Number.MAX_SAFE_INTEGER ? ns : null;
}

/** The field of the element no longer points to the timer. */
export function detachTimer(kernel: Kernel, timer: Timer, why: DropReason): void {
  timer.detached = true;
  kernel.memory.writeU64(timer.field, 0n);
  tellTimerDrop(kernel, timer, why);
}

/** The control block is gone: who still reaches it uses freed memory. */
export function forgetTimer(kernel: Kernel, control: number): void {
  const { state } = kernel;
  const timer = state.timers.get(control);
  if (timer === undefined) return;
  timer.freed = true;
  state.timers.delete(control);
  state.timerControls[timer.index] = 0;
  state.freeTimerIndexes.push(timer.index);
  kernel.memory.free(control, state.now);
  tellTimerFree(kernel, timer);
}
