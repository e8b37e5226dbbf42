import { errnoName } from "../abi/errno.ts";
import { helperById } from "../abi/helpers.ts";
import type { VmFrame } from "../vm/frame.ts";
import { GUEST_HIGH } from "../vm/memory.ts";
import type { Kernel } from "./kernel.ts";

/** Small events (helper calls, stores) told per program run; the rest of a long run goes untold. */
export const TOLD_PER_RUN = 2000;

/** A helper call under way whose event is told when it is over. Plain data. */
export interface HelperCall {
  readonly id: number;
  readonly name: string;
  readonly args: readonly string[];
}

/** A register in words: small numbers in decimal, pointers by what they point to, other values in hex. */
export function registerText(kernel: Kernel, low: number, high: number): string {
  if (high === GUEST_HIGH) {
    const offset = low >>> 0;
    const map = kernel.mapAt(offset);
    if (map !== null) return `&${map.name}`;
    const object = kernel.memory.objectAt(offset);
    if (object === null) return `0x${hex(high)}${hex(low)}`;
    const into = offset - object.start;
    if (object.kind === "stack") return `stack${into === 0 ? "" : `+${into}`}`;
    return into === 0 ? object.label : `${object.label}+${into}`;
  }
  if (high === 0) return String(low >>> 0);
  if (high === -1 && low < 0) return String(low);
  return `0x${(high >>> 0).toString(16)}${hex(low)}`;
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

/** Notes a call before it runs (its arguments change); null when it is not told. */
export function noteHelper(kernel: Kernel, frame: VmFrame, id: number): HelperCall | null {
  if (!kernel.tells()) return null;
  const helper = helperById(id);
  const count = helper?.args.length ?? 0;
  const args: string[] = [];
  for (let r = 1; r <= count; r++) args.push(registerText(kernel, frame.lo[r] as number, frame.hi[r] as number));
  return { id, name: helper?.name ?? `helper#${id}`, args };
}

export function noteKfunc(kernel: Kernel, frame: VmFrame, name: string): HelperCall | null {
  if (!kernel.tells()) return null;
  return { id: -1, name, args: [registerText(kernel, frame.lo[1] as number, frame.hi[1] as number)] };
}

export function tellHelper(kernel: Kernel, call: HelperCall, frame: VmFrame): void {
  const low = frame.lo[0] as number;
  const high = frame.hi[0] as number;
  const errno = high === -1 && low < 0 ? (errnoName(low) ?? null) : null;
  kernel.emit({
    kind: "helper",
    name: call.name,
    id: call.id,
    args: call.args,
    retval: registerText(kernel, low, high),
    errno,
  });
}
