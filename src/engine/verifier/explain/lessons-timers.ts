import type { Lesson } from "./lesson.ts";
import { describeType, lesson, nullCheckAfter } from "./lesson.ts";

const isTimerHelper = (name: string): boolean => name.startsWith("bpf_timer_");

/** What the field is called in plain words. */
const FIELD_WORDS: Readonly<Record<string, string>> = {
  bpf_timer: "timer",
  bpf_spin_lock: "spin lock",
  bpf_wq: "work queue",
  bpf_task_work: "task work item",
};
const field = (name: string | undefined): string => FIELD_WORDS[name ?? ""] ?? name ?? "";

/** Timers, and the fields of map values that follow the same rules. */
export const TIMER_LESSONS: readonly Lesson[] = [
  {
    pattern: /^R1 type=fp expected=map_value$/,
    applies: (f) => isTimerHelper(f.callee),
    title: () => "A timer cannot live on the stack",
    why: (_m, f) =>
      `${f.callee} is given a timer on the program's stack. The stack is gone when the program ends, and nobody would be left to stop the timer; so Linux takes a timer only as a field of a map element, where deleting the element deletes the timer.`,
    fix: () => "Put `struct bpf_timer` into the map's value type and pass a pointer to the element's field.",
  },
  {
    pattern: /^R1 type=fp expected=map_value, ptr_$/,
    title: () => "A spin lock cannot live on the stack",
    why: (_m, f) =>
      `${f.callee || "the lock call"} is given a lock on the stack, which only this run of the program can see: it would protect nothing. Locks live in map elements, as timers do.`,
    fix: () => "Put `struct bpf_spin_lock` into the map's value type and lock the element's field.",
  },
  {
    pattern: /^R1 type=(\w*or_null) expected=map_value(?:, ptr_)?$/,
    title: () => "The element may not exist",
    why: (_m, f) =>
      `${f.callee || "The call"} needs an element, but the lookup may have returned NULL: nothing on this path has ruled that out.`,
    fix: (_m, f) => `Test ${f.variable === "" ? "the result" : `\`${f.variable}\``} before its first use.`,
    edit: (_m, f) => nullCheckAfter(f.origin, f.variable),
  },
  {
    pattern: /^R1 type=([\w?]+) expected=map_value(?:, ptr_)?$/,
    title: (_m, f) => `${isTimerHelper(f.callee) ? "A timer" : "This field"} must be part of a map element`,
    why: (m, f) =>
      `The first argument of ${f.callee || "the call"} is ${describeType(m[1]!)}. It has to be a pointer to the field inside a map element.`,
    fix: () => "Look the element up, test the result, and pass `&value->field`.",
  },
  {
    pattern:
      /^(bpf_timer|bpf_spin_lock|bpf_wq|bpf_task_work|bpf_res_spin_lock) cannot be accessed directly by load\/store$/,
    title: (m) => `The bytes of a ${field(m[1])} are not yours to touch`,
    why: (m) =>
      `This access reaches bytes of the element that belong to its \`struct ${m[1]}\`. They hold a pointer or state of the kernel: reading would leak it, writing would let the kernel follow whatever was written. That holds for memory given to helpers too.`,
    fix: (m) => `Read and write the other fields one by one, and leave the ${field(m[1])} to its helper functions.`,
  },
  {
    pattern: /^map '(.*)' has no valid (bpf_timer|bpf_wq|bpf_spin_lock|bpf_task_work)$/,
    title: (m) => `The values of map \`${m[1]}\` hold no usable ${field(m[2])}`,
    why: (m) =>
      `Linux finds the field by the map's BTF: one member of type \`struct ${m[2]}\`, of the size that the kernel knows, aligned, and only once per value. An array of them, a typedef, a second one, or another size makes the whole record invalid.`,
    fix: (m) => `Declare exactly one \`struct ${m[2]}\` member in the value type of \`${m[1]}\`.`,
  },
  {
    pattern: /^map '(.*)' has to have BTF in order to use (\w+)$/,
    title: (m) => `Map \`${m[1]}\` does not tell what its values are made of`,
    why: (m) => `Without BTF nothing says where in the value a \`struct ${m[2]}\` lies.`,
    fix: () => "Declare the map with `__type(key, …)` and `__type(value, …)` in section `.maps`.",
  },
  {
    pattern: /^off (-?\d+) doesn't point to 'struct (\w+)' that is at (\d+)$/,
    title: (m) => `The pointer misses the ${field(m[2])}`,
    why: (m) =>
      `The pointer leads to byte ${m[1]} of the element, but the ${field(m[2])} begins at byte ${m[3]}. The call must be given exactly that address.`,
    fix: () => "Pass the address of the field itself: `&value->field`.",
  },
  {
    pattern: /^R(\d+) doesn't have constant offset\. (\w+) has to be at the constant offset$/,
    title: (m) => `Which ${field(m[2])} this is must be known in advance`,
    why: (m) =>
      `A number that is known only at run time was added to the element's pointer, so Linux cannot tell that it still leads to the ${field(m[2])}.`,
    fix: () => "Take the address of the field from the unmodified element pointer.",
  },
  {
    pattern: /^timer pointer in R1 map_uid=(\d+) doesn't match map pointer in R2 map_uid=(\d+)$/,
    title: () => "The timer lies in another map than the one named",
    why: () =>
      "The second argument must be the map that holds the element, for the map keeps the timer's books. With maps in maps it must even come from the same outer lookup: two lookups could have found two different inner maps.",
    fix: () => "Pass the very map in which the element was looked up.",
  },
  {
    pattern: /^R2 type=([\w?]+) expected=func$/,
    title: () => "The callback must be a function of this program",
    why: (m) =>
      `The second argument is ${describeType(m[1]!)}. Linux has to know at load time which function will run, so that it can verify it.`,
    fix: () => "Pass the name of a static function, directly.",
  },
  {
    pattern: /^R2 type=([\w?]+) expected=map_ptr$/,
    applies: (f) => isTimerHelper(f.callee),
    title: () => "bpf_timer_init needs the timer's map",
    why: (m) => `The second argument is ${describeType(m[1]!)}, but it must be the map that holds the element.`,
    fix: () => "Pass `&map`, the map in which the element was looked up.",
  },
  lesson(
    /^callback function not static$/,
    "A callback must be static",
    "The function whose address is taken is global. Global functions are verified for any arguments by themselves; a callback is verified with what the timer will hand to it, and only static functions are.",
    "Declare the callback `static`.",
  ),
  lesson(
    /^missing btf func_info$/,
    "The program does not tell where its functions begin",
    "To take a function's address Linux needs the object's function records, which come with debug information.",
    "Compile with `-g`.",
  ),
  {
    pattern: /^At async callback return the register R0 has (.*) should have been in \[0, 0\]$/,
    title: () => "A timer callback must return 0",
    why: (m) =>
      `On this path the callback returns ${returned(m[1]!)}. The value is kept for later meanings, so today only 0 is allowed.`,
    fix: () => "End the callback with `return 0;` on every path.",
  },
  {
    pattern: /^At async callback return the register R0 is not a known value \((\w+)\)$/,
    title: () => "A timer callback must return 0",
    why: (m) => `On this path the callback returns ${describeType(m[1]!)}.`,
    fix: () => "End the callback with `return 0;` on every path.",
  },
  lesson(
    /^tracing progs cannot use bpf_timer yet$/,
    "Tracing programs cannot use maps with timers",
    "Programs of this type may run at any moment, even while the kernel holds the locks that a timer needs. Linux 6.18 refuses them every map whose elements hold a timer, also when the timer is never touched.",
    "Use another program type (tc, XDP, cgroup, syscall), or keep the timers in a map of another program.",
  ),
  lesson(
    /^tracing progs cannot use bpf_wq yet$/,
    "Tracing programs cannot use maps with work queues",
    "Programs of this type may run at any moment, even while the kernel holds the locks that a work queue needs.",
    "Use another program type, or keep the work queues in a map of another program.",
  ),
  lesson(
    /^(socket filter|tracing) progs cannot use bpf_spin_lock yet$/,
    "This program type cannot use maps with spin locks",
    "The map's elements hold a spin lock, and programs of this type may run where taking it could deadlock. The map alone is enough: it need not be locked.",
    "Use another program type (tc, XDP, cgroup), or split the lock into a map of its own.",
  ),
];

function returned(range: string): string {
  const bounds = /^smin=(-?\d+) smax=(-?\d+)$/.exec(range);
  if (bounds === null) return range === "unknown scalar value" ? "a number of which nothing is known" : range;
  return bounds[1] === bounds[2] ? bounds[1]! : `something between ${bounds[1]} and ${bounds[2]}`;
}
