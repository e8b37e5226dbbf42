import { helperById } from "../abi/helpers.ts";
import { HELPER, RESULT_BIT } from "../events/layout.ts";
import type { VmFrame } from "../vm/frame.ts";
import { GUEST_HIGH } from "../vm/memory.ts";
import type { Kernel } from "./kernel.ts";

/** Small events (helper calls, stores) told per program run; the rest of a long run goes untold. */
export const TOLD_PER_RUN = 2000;

/** A helper call under way whose event is told when it is over. Plain data. */
export interface HelperCall {
  id: number;
  /** Number of its name in the log. */
  name: number;
  /** Bit n: argument n points to something that has a label; its words are the label's number and the distance. */
  labelled: number;
  count: number;
  /** Two words for each argument. */
  words: Int32Array;
}

export const newHelperCall = (): HelperCall => ({ id: 0, name: 0, labelled: 0, count: 0, words: new Int32Array(10) });

/** A call that lasts: what is noted next does not write over it. */
export const keptHelperCall = (call: HelperCall): HelperCall => ({ ...call, words: call.words.slice() });

/** Writes a register as it will be shown: what it points to is named now, for memory changes hands. 1 when it has a label. */
function putRegister(kernel: Kernel, words: Int32Array, at: number, low: number, high: number): number {
  if (high === GUEST_HIGH && kernel.pointers.find(low >>> 0)) {
    words[at] = kernel.pointers.into;
    words[at + 1] = kernel.pointers.label;
    return 1;
  }
  words[at] = low;
  words[at + 1] = high;
  return 0;
}

interface Prototype {
  /** Number of the name in the log. */
  readonly name: number;
  readonly count: number;
}

/** What is told of the helpers that a kernel's programs have called, by their ids. */
export class Prototypes {
  readonly #kernel: Kernel;
  readonly #few: (Prototype | undefined)[] = new Array<Prototype | undefined>(256).fill(undefined);
  readonly #others = new Map<number, Prototype>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  of(id: number): Prototype {
    return (id >= 0 && id < 256 ? this.#few[id] : this.#others.get(id)) ?? this.#make(id);
  }

  #make(id: number): Prototype {
    const helper = helperById(id);
    const made = { name: this.#kernel.log.text(helper?.name ?? `helper#${id}`), count: helper?.args.length ?? 0 };
    if (id >= 0 && id < 256) this.#few[id] = made;
    else this.#others.set(id, made);
    return made;
  }
}

function note(kernel: Kernel, frame: VmFrame, id: number, name: number, count: number): HelperCall {
  const call = kernel.helperCall;
  call.id = id;
  call.name = name;
  call.count = count;
  call.labelled = 0;
  for (let i = 0; i < count; i++) {
    const low = frame.lo[i + 1] as number;
    const high = frame.hi[i + 1] as number;
    call.labelled |= putRegister(kernel, call.words, 2 * i, low, high) << i;
  }
  return call;
}

/** Notes a call before it runs (its arguments change); null when it is not told. Valid until the next is noted. */
export function noteHelper(kernel: Kernel, frame: VmFrame, id: number): HelperCall | null {
  if (!kernel.tells()) return null;
  const { name, count } = kernel.prototypes.of(id);
  return note(kernel, frame, id, name, count);
}

export function noteKfunc(kernel: Kernel, frame: VmFrame, name: string): HelperCall | null {
  return kernel.tells() ? note(kernel, frame, -1, kernel.log.text(name), 1) : null;
}

const MAP_LOOKUP = 1;

/** A lookup that is over, by the guest offsets of the map and its key; `value` 0: there is none. Told as by {@link tellHelper}. */
export function tellLookup(kernel: Kernel, map: number, key: number, value: number): void {
  if (!kernel.tells()) return;
  if (kernel.silent) {
    kernel.state.seq++;
    return;
  }
  const { log } = kernel;
  const { name } = kernel.prototypes.of(MAP_LOOKUP);
  const slot = log.begin(5);
  const { ints } = log;
  const at = 2 * slot;
  let labelled = putRegister(kernel, ints, at + 4, map, GUEST_HIGH);
  labelled |= putRegister(kernel, ints, at + 6, key, GUEST_HIGH) << 1;
  labelled |= putRegister(kernel, ints, at + 8, value, value === 0 ? 0 : GUEST_HIGH) << RESULT_BIT;
  ints[at] = name;
  ints[at + 1] = MAP_LOOKUP;
  ints[at + 2] = labelled;
  ints[at + 3] = 2;
  kernel.happened(HELPER, 5);
}

export function tellHelper(kernel: Kernel, call: HelperCall, frame: VmFrame): void {
  if (kernel.silent) {
    kernel.state.seq++;
    return;
  }
  const { log } = kernel;
  const { count, words } = call;
  const slots = 3 + count;
  const slot = log.begin(slots);
  const { ints } = log;
  const at = 2 * slot;
  for (let i = 0; i < 2 * count; i++) ints[at + 4 + i] = words[i] as number;
  const result = putRegister(kernel, ints, at + 4 + 2 * count, frame.lo[0] as number, frame.hi[0] as number);
  ints[at] = call.name;
  ints[at + 1] = call.id;
  ints[at + 2] = call.labelled | (result << RESULT_BIT);
  ints[at + 3] = count;
  kernel.happened(HELPER, slots);
}
