/**
 * How an event is packed: a row of 8-byte slots, read as a double or as two 32-bit words (`a`, `b`).
 *
 *     slot 0   a: kind | (cpu + 1) << 6 | slots of the payload << 10     b: number of the place, 0 for none
 *     slot 1   virtual time, ns
 *     slot 2.. payload
 *
 * Strings and places are told once and named by number from then on. What is rare (system calls, lines of trace, an oops) is kept
 * as it is, under `OTHER`.
 */
export const HEADER_SLOTS = 2;
export const KIND_BITS = 6;
export const CPU_BITS = 4;
export const SLOTS_SHIFT = KIND_BITS + CPU_BITS;

/** a: index of the body */
export const OTHER = 0;
/** (name, id) (labelled registers, arguments) then a register for each argument and the result */
export const HELPER = 1;
/** element, then (member << 1 | signed, bytes), old, new */
export const VALUE_WRITE = 2;
/** element, then (writer, created) */
export const ELEMENT_UPDATE = 3;
/** element, then (writer, 0) */
export const ELEMENT_DELETE = 4;
/** (program, run) (source, 0) */
export const PROG_START = 5;
/** (program, run) retval */
export const PROG_END = 6;
/** (timer, clock) (retval, 0) */
export const TIMER_INIT = 7;
/** (timer, program) (function, 0) */
export const TIMER_CALLBACK_SET = 8;
/** (timer, CPU) expires was; -1 for null */
export const TIMER_ARM = 9;
/** (timer, was queued) */
export const TIMER_CANCEL = 10;
/** (timer, function) (run, 0) late */
export const TIMER_FIRE = 11;
/** (timer, run) retval */
export const TIMER_RETURN = 12;
/** (holder, object's kind << 1 | user) (object's id, value) */
export const HOLD = 13;
export const RELEASE = 14;
/** (timer, reason) */
export const TIMER_DROP = 15;
/** (timer, 0) */
export const TIMER_FREE = 16;
/** (what, 0) */
export const RCU_WAIT = 17;
export const RCU_DONE = 18;

/** Kinds after which it may be others that hold each other, or elements and timers that are there. */
const CHANGE_SHAPE: readonly number[] = [
  OTHER,
  ELEMENT_DELETE,
  TIMER_INIT,
  TIMER_CALLBACK_SET,
  HOLD,
  RELEASE,
  TIMER_DROP,
  TIMER_FREE,
];
/** 1 for those kinds. */
export const CHANGES_SHAPE = Uint8Array.from({ length: 1 << KIND_BITS }, (_, kind) =>
  Number(CHANGE_SHAPE.includes(kind)),
);

export const WRITERS = ["program", "user", "eviction", "kernel"] as const;
export const SOURCES = ["test-run", "timer", "attach"] as const;
export const CLOCKS = ["realtime", "monotonic", "boottime", "jiffies"] as const;
export const OBJECTS = ["map", "prog", "link"] as const;
/** Bit of the mask of labelled registers that stands for the result of a helper. */
export const RESULT_BIT = 15;

/** An element takes (map, bytes of the key), then the key, padded with zeros. */
export const elementSlots = (keySize: number): number => 1 + ((keySize + 7) >>> 3);
