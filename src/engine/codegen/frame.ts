import type { MachineFunction } from "./machine.ts";

/** What the kernel gives a function, bytes. */
const STACK_BYTES = 512;

export const STACK_MESSAGE =
  "Looks like the BPF stack limit is exceeded. Please move large on stack variables into BPF per-cpu array map.";

/** Gives each slot its offset below r10; returns the slot that crosses the limit, or -1. */
export function layOutFrame(fn: MachineFunction): number {
  let used = 0;
  let crossed = -1;
  fn.slots.forEach((slot, index) => {
    // r10 itself is aligned to 8 and no further.
    const align = Math.min(slot.align, Math.max(8, slot.align));
    used = Math.ceil((used + slot.size) / align) * align;
    slot.offset = -used;
    if (used > STACK_BYTES && crossed < 0) crossed = index;
  });
  return crossed;
}
