import {
  CLOCKS,
  ELEMENT_DELETE,
  ELEMENT_UPDATE,
  elementSlots,
  HOLD,
  OBJECTS,
  PROG_END,
  PROG_START,
  RCU_DONE,
  RCU_WAIT,
  RELEASE,
  SOURCES,
  TIMER_ARM,
  TIMER_CALLBACK_SET,
  TIMER_CANCEL,
  TIMER_DROP,
  TIMER_FIRE,
  TIMER_FREE,
  TIMER_INIT,
  TIMER_RETURN,
  WRITERS,
} from "../events/layout.ts";
import type { Kernel } from "./kernel.ts";
import { indexOfValue } from "./maps/values.ts";
import type { DropReason } from "./policies/policy.ts";
import type { BpfMap, Callback, FileTarget, Timer } from "./state.ts";

/*
 * The frequent events, written as numbers (see `events/layout.ts`). Each function is called at the moment at which its event
 * happens. What is not here goes through `Kernel.emit`.
 */

/** Writes the name of an element to a slot and the ones behind it. */
export function putElement(kernel: Kernel, slot: number, map: BpfMap, valueAt: number): void {
  const { ints, bytes } = kernel.log;
  const { keySize, storage } = map;
  ints[2 * slot] = map.id;
  ints[2 * slot + 1] = keySize;
  const at = slot + 1;
  if (storage.kind === "array") {
    ints[2 * at] = indexOfValue(map, valueAt);
    ints[2 * at + 1] = 0;
    return;
  }
  if (storage.kind !== "hash") return;
  const key = valueAt - storage.valueOffset + storage.keyOffset;
  const { memory } = kernel;
  if (keySize === 4 || keySize === 8) {
    ints[2 * at] = memory.view.getInt32(key, true);
    ints[2 * at + 1] = keySize === 8 ? memory.view.getInt32(key + 4, true) : 0;
    return;
  }
  const end = 8 * (slot + elementSlots(keySize));
  for (let i = 8 * at, from = key; i < end; i++, from++)
    bytes[i] = from < key + keySize ? (memory.bytes[from] as number) : 0;
}

function tellElement(kernel: Kernel, kind: number, map: BpfMap, valueAt: number, by: number, created: number): void {
  if (kernel.silent) {
    kernel.state.seq++;
    return;
  }
  const { log } = kernel;
  const name = elementSlots(map.keySize);
  const slot = log.begin(name + 1);
  putElement(kernel, slot, map, valueAt);
  log.ints[2 * (slot + name)] = by;
  log.ints[2 * (slot + name) + 1] = created;
  kernel.happened(kind, name + 1);
}

export const tellElementUpdate = (
  kernel: Kernel,
  map: BpfMap,
  valueAt: number,
  by: "program" | "user",
  created: boolean,
): void => tellElement(kernel, ELEMENT_UPDATE, map, valueAt, WRITERS.indexOf(by), created ? 1 : 0);

export const tellElementDelete = (kernel: Kernel, map: BpfMap, valueAt: number, by: (typeof WRITERS)[number]): void =>
  tellElement(kernel, ELEMENT_DELETE, map, valueAt, WRITERS.indexOf(by), 0);

/** An event of up to two slots of words and one number. */
function tellWords(
  kernel: Kernel,
  kind: number,
  slots: number,
  a: number,
  b: number,
  c = 0,
  d = 0,
  ofRunning = true,
): void {
  if (kernel.silent) {
    kernel.state.seq++;
    return;
  }
  const { log } = kernel;
  const slot = log.begin(slots);
  const { ints } = log;
  ints[2 * slot] = a;
  ints[2 * slot + 1] = b;
  if (slots > 1) {
    ints[2 * slot + 2] = c;
    ints[2 * slot + 3] = d;
  }
  if (ofRunning) kernel.happened(kind, slots);
  else kernel.happenedBeside(kind, slots);
}

/** An event of two words and up to two numbers. */
function tellNumbers(kernel: Kernel, kind: number, slots: number, a: number, b: number, c: number, d = 0): void {
  if (kernel.silent) {
    kernel.state.seq++;
    return;
  }
  const { log } = kernel;
  const slot = log.begin(slots);
  log.ints[2 * slot] = a;
  log.ints[2 * slot + 1] = b;
  log.words[slot + 1] = c;
  if (slots > 2) log.words[slot + 2] = d;
  kernel.happened(kind, slots);
}

export const tellProgStart = (kernel: Kernel, prog: number, run: number, source: (typeof SOURCES)[number]): void =>
  tellWords(kernel, PROG_START, 2, prog, run, SOURCES.indexOf(source));

export const tellProgEnd = (kernel: Kernel, prog: number, run: number, retval: number): void =>
  tellNumbers(kernel, PROG_END, 2, prog, run, retval);

/** `id`: of the timer, or of what would have become one. */
export const tellTimerInit = (kernel: Kernel, id: string, clock: Timer["clock"], retval: number): void =>
  tellWords(kernel, TIMER_INIT, 2, kernel.log.text(id), CLOCKS.indexOf(clock), retval);

export const tellTimerCallbackSet = (kernel: Kernel, timer: Timer, callback: Callback): void =>
  tellWords(kernel, TIMER_CALLBACK_SET, 2, timer.number, callback.program, callback.nameNumber);

export const tellTimerArm = (
  kernel: Kernel,
  timer: Timer,
  expires: number | null,
  was: number | null,
  onCpu: number,
): void => tellNumbers(kernel, TIMER_ARM, 3, timer.number, onCpu, expires ?? -1, was ?? -1);

export const tellTimerCancel = (kernel: Kernel, timer: Timer, wasQueued: boolean): void =>
  tellWords(kernel, TIMER_CANCEL, 1, timer.number, wasQueued ? 1 : 0);

/** `functionName`: its number in the log. */
export function tellTimerFire(kernel: Kernel, timer: Timer, run: number, functionName: number, late: number): void {
  if (kernel.silent) {
    kernel.state.seq++;
    return;
  }
  const { log } = kernel;
  const slot = log.begin(3);
  log.ints[2 * slot] = timer.number;
  log.ints[2 * slot + 1] = functionName;
  log.ints[2 * slot + 2] = run;
  log.ints[2 * slot + 3] = 0;
  log.words[slot + 2] = late;
  kernel.happened(TIMER_FIRE, 3);
}

export const tellTimerReturn = (kernel: Kernel, timer: Timer, run: number, retval: number): void =>
  tellNumbers(kernel, TIMER_RETURN, 2, timer.number, run, retval);

export const tellTimerDrop = (kernel: Kernel, timer: Timer, why: DropReason): void =>
  tellWords(kernel, TIMER_DROP, 1, timer.number, kernel.log.text(why));

export const tellTimerFree = (kernel: Kernel, timer: Timer): void =>
  tellWords(kernel, TIMER_FREE, 1, timer.number, 0, 0, 0, false);

const PROG = OBJECTS.indexOf("prog");

function tellReference(
  kernel: Kernel,
  kind: number,
  holder: number,
  target: FileTarget,
  user: boolean,
  value: number,
): void {
  const object = (target.kind === "prog" ? PROG : OBJECTS.indexOf(target.kind)) << 1;
  tellWords(kernel, kind, 2, holder, user ? object | 1 : object, target.id, value);
}

/** A reference (`user`: a user reference) was taken by the holder of that number in the log; `value`: the count now. */
export const tellHold = (kernel: Kernel, holder: number, target: FileTarget, user: boolean, value: number): void =>
  tellReference(kernel, HOLD, holder, target, user, value);

export const tellRelease = (kernel: Kernel, holder: number, target: FileTarget, user: boolean, value: number): void =>
  tellReference(kernel, RELEASE, holder, target, user, value);

export const tellRcuWait = (kernel: Kernel, what: string): void =>
  tellWords(kernel, RCU_WAIT, 1, kernel.log.text(what), 0);

export const tellRcuDone = (kernel: Kernel, what: string): void =>
  tellWords(kernel, RCU_DONE, 1, kernel.log.text(what), 0, 0, 0, false);
