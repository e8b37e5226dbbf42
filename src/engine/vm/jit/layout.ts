/** What compiled code and its host agree on: places in low linear memory, imported functions, locals. */

/** u32: fuel left, while no function keeps it in a local. */
export const FUEL_AT = 0x104;
/** u32: iterations that may_goto still grants, when the interpreter takes over. */
export const MAY_GOTO_AT = 0x108;
/** u32: not 0 while small events (helper calls, stores to map values) are told. */
export const TELL_AT = 0x10c;
/** u32: not 0 while compiled code is being left as it stands: whoever sees it behind a call tells where it is, and returns 1. */
export const SUSPENDED_AT = 0x168;
/** u32: calls that the bpf_loop at which the code is left, or entered again, has made. */
export const LOOP_DONE_AT = 0x16c;
/** r0..r10, 8 bytes each. */
export const REGISTERS_AT = 0x110;

/**
 * Imports in the order of their indices, with the number of their (i32) parameters; each returns an i32. All but `enter` and
 * `leave` take the slot of the instruction and the offset of the running function's stack first.
 */
export const IMPORTS = [
  ["helper", 2],
  ["kfunc", 2],
  ["tail", 2],
  ["slow", 2],
  ["resume", 2],
  ["refuel", 2],
  ["halt", 2],
  ["suspend", 2],
  ["unwound", 2],
  ["loop", 4],
  ["enter", 1],
  ["leave", 1],
  ["lookup", 4],
  ["found", 5],
  ["write", 6],
  ["remove", 4],
  ["update", 6],
] as const;
export type ImportName = (typeof IMPORTS)[number][0];

export const importIndex = (name: ImportName): number => IMPORTS.findIndex(([n]) => n === name);

/** What {@link IMPORTS} return where the program may go on, or not. */
export const GO_ON = 0;
export const STOP = 1;
/** The function ends: after `tail` with the r0 in the area, after `slow` with 0. */
export const FINISH = 2;
/** What a function returns while compiled code is being left: not 0, so that a bpf_loop around it ends too. */
export const LEFT = 1;

/** Locals of a compiled function: parameters r1..r5 and the offset of its stack, then the rest. */
export const REGISTER_LOCAL: readonly number[] = [6, 0, 1, 2, 3, 4, 7, 8, 9, 10, 11];
export const STACK_LOCAL = 5;
export const WIDE_LOCAL = 12;
export const WIDE2_LOCAL = 13;
export const ADDRESS_LOCAL = 14;
export const FUEL_LOCAL = 15;
export const MAY_GOTO_LOCAL = 16;
export const NEXT_LOCAL = 17;
/** The shadow byte of a checked access. */
export const MARK_LOCAL = 18;
/** Low halves of r0..r10, where an address is in the making. */
export const LOW_LOCAL = 19;
/** r0, r6..r10 and two more (i64), then the i32 ones. */
export const I64_LOCALS = 8;
export const I32_LOCALS = 16;
/** Values that may be rotated: so many of 64 and of 32 bits, behind the others. */
export const ROTATE_LOCALS = 4;
export const ROTATE64_LOCAL = 30;
export const ROTATE32_LOCAL = ROTATE64_LOCAL + ROTATE_LOCALS;

/** Bytes of a function's stack. */
export const STACK_BYTES = 512;
