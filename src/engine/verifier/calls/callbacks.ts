import type { Helper } from "../../abi/helpers.ts";
import { RFC_TIMER_INIT } from "../../abi/helpers.ts";
import { MAP_TYPES } from "../../abi/types.ts";
import {
  btfReg,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  mapReg,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  pointerReg,
  REG_NOT_INIT,
  REG_UNKNOWN,
} from "../register.ts";
import type { Frame, ReturnRange, Walk } from "../state.ts";
import { noteStaticCallArgs } from "./global-functions.ts";
import type { HelperCall } from "./helper-arguments.ts";

/** Fills r1..r5 of a callback's frame from the caller's registers. */
type Setup = (caller: Frame, callee: Frame) => boolean;

const ZERO_OR_ONE: ReturnRange = { min: 0, max: 1 };
const ZERO: ReturnRange = { min: 0, max: 0 };

const FOR_EACH_TYPES: ReadonlySet<number> = new Set([
  MAP_TYPES.array,
  MAP_TYPES.percpu_array,
  MAP_TYPES.hash,
  MAP_TYPES.percpu_hash,
  MAP_TYPES.lru_hash,
  MAP_TYPES.lru_percpu_hash,
]);

export function helperCallbackKind(helper: Helper | undefined): "sync" | "async" | null {
  switch (helper?.name) {
    case "bpf_for_each_map_elem":
    case "bpf_loop":
    case "bpf_find_vma":
    case "bpf_user_ringbuf_drain":
      return "sync";
    case "bpf_timer_set_callback":
      return "async";
    case "bpf_timer_init":
      return helper.id === RFC_TIMER_INIT ? "async" : null;
    default:
      return null;
  }
}

/**
 * Queues a callback that runs before the call returns: the path goes on after the call, the callback is walked later and then
 * returns to the call itself.
 */
function pushSync(walk: Walk, subprog: number, at: number, setup: Setup): boolean {
  const target = walk.subprograms[subprog]!;
  noteStaticCallArgs(walk, target);
  const pending = walk.pushPending(target.start, at, "sync-callback");
  if (pending === null) return false;
  const callee = walk.pushFrame(pending, subprog, at, (caller, frame) => {
    if (!setup(caller, frame)) return false;
    frame.inCallback = true;
    frame.callbackRange = ZERO_OR_ONE;
    return true;
  });
  if (callee === null) return false;
  target.isCallback = true;
  const caller = pending.frames[pending.frames.length - 2]!;
  caller.callbackDepth++;
  walk.frame.callbackDepth = 0;
  walk.facts[at]!.callback = subprog;
  return true;
}

/**
 * Queues a callback that a timer or work queue runs: a path of its own, with an empty frame 0. `range` null: what it returns is
 * ignored.
 */
export function pushAsync(
  walk: Walk,
  subprog: number,
  at: number,
  sleepable: boolean,
  range: ReturnRange | null,
  setup: (callee: Frame) => void,
): boolean {
  const target = walk.subprograms[subprog]!;
  noteStaticCallArgs(walk, target);
  target.isCallback = true;
  target.isAsyncCallback = true;
  const caller = walk.frame;
  const pending = walk.pushAsyncCallback(subprog, target.start, at, sleepable);
  if (pending === null) return false;
  const callee = pending.frame;
  setup(callee);
  callee.asyncEntries = caller.asyncEntries + 1;
  callee.inAsyncCallback = true;
  callee.callbackRange = range;
  walk.facts[at]!.callback = subprog;
  return true;
}

/** Callback of a timer or work queue of Linux: (map, key, value), returns 0. */
export function pushElementCallback(walk: Walk, subprog: number, at: number, sleepable: boolean): boolean {
  const map = walk.reg(1).map!;
  return pushAsync(walk, subprog, at, sleepable, ZERO, (callee) => {
    callee.regs[1] = mapReg(CONST_PTR_TO_MAP, 0, map);
    callee.regs[2] = mapReg(PTR_TO_MAP_KEY, 0, map);
    callee.regs[3] = mapReg(PTR_TO_MAP_VALUE, 0, map);
  });
}

/** Callback of the RFC's timer: (element), and what it returns is ignored. */
export function pushRfcCallback(walk: Walk, subprog: number, at: number): boolean {
  const map = walk.reg(1).map!;
  return pushAsync(walk, subprog, at, false, null, (callee) => {
    callee.regs[1] = mapReg(PTR_TO_MAP_VALUE, 0, map);
  });
}

export function pushForEach(walk: Walk, call: HelperCall): boolean {
  const map = call.map!;
  if (!FOR_EACH_TYPES.has(map.type)) {
    return walk.reject("ENOTSUPP", "callback function not allowed for map", "for-each-map-type");
  }
  return pushSync(walk, call.callback, call.at, (caller, callee) => {
    callee.regs[1] = caller.regs[1]!;
    callee.regs[2] = mapReg(PTR_TO_MAP_KEY, 0, map);
    callee.regs[3] = mapReg(PTR_TO_MAP_VALUE, 0, map);
    callee.regs[4] = caller.regs[3]!;
    callee.regs[5] = REG_NOT_INIT;
    return true;
  });
}

export function pushFindVma(walk: Walk, call: HelperCall): boolean {
  return pushSync(walk, call.callback, call.at, (caller, callee) => {
    callee.regs[1] = caller.regs[1]!;
    callee.regs[2] = btfReg(0, "vm_area_struct");
    callee.regs[3] = caller.regs[4]!;
    callee.regs[4] = callee.regs[5] = REG_NOT_INIT;
    return true;
  });
}

export function pushRingbufDrain(walk: Walk, call: HelperCall): boolean {
  return pushSync(walk, call.callback, call.at, (caller, callee) => {
    const dynptr = pointerReg(CONST_PTR_TO_DYNPTR);
    dynptr.id = walk.newId();
    dynptr.btfName = "local";
    callee.regs[1] = dynptr;
    callee.regs[2] = caller.regs[3]!;
    callee.regs[3] = callee.regs[4] = callee.regs[5] = REG_NOT_INIT;
    return true;
  });
}

/** bpf_loop: while this path has run the callback fewer times than the count allows, it may run again. */
export function pushLoop(walk: Walk, call: HelperCall): boolean {
  if (!noteLoopInline(walk, call)) return false;
  if (!walk.markPrecise(1)) return false;
  if (walk.frame.callbackDepth < walk.reg(1).scalar.umax) {
    return pushSync(walk, call.callback, call.at, (caller, callee) => {
      callee.regs[1] = REG_UNKNOWN;
      callee.regs[2] = caller.regs[3]!;
      callee.regs[3] = callee.regs[4] = callee.regs[5] = REG_NOT_INIT;
      return true;
    });
  }
  walk.frame.callbackDepth = 0;
  walk.facts[call.at]!.callback = call.callback;
  walk.detail(`frame${walk.frame.frameno} bpf_loop iteration limit reached`);
  return true;
}

/** A loop is inlined when its flags are always the constant 0 and its callback is always the same. */
function noteLoopInline(walk: Walk, call: HelperCall): boolean {
  const fact = walk.facts[call.at]!;
  if (fact.loopInline !== null && !fact.loopInline.fits) return true;
  const zero = walk.reg(4).isNullConstant;
  if (zero && !walk.markPrecise(4)) return false;
  if (fact.loopInline === null) {
    fact.loopInline = { fits: zero, subprog: call.callback };
  } else {
    fact.loopInline.fits = zero && fact.loopInline.subprog === call.callback;
  }
  return true;
}
