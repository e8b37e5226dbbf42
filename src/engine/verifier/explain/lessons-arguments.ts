import type { Lesson } from "./lesson.ts";
import { describeType, lesson, nullCheckAfter } from "./lesson.ts";

const callee = (name: string): string => (name === "" ? "this call" : name);

/** Arguments of helpers and functions, and the calls themselves. */
export const ARGUMENT_LESSONS: readonly Lesson[] = [
  {
    pattern: /^R(\d+) type=(\w*or_null) expected=/,
    title: () => "The argument may be NULL",
    why: (m, f) =>
      `Argument ${m[1]} of ${callee(f.callee)} is ${describeType(m[2]!)}, and nothing on this path has ruled NULL out.`,
    fix: (_m, f) => `Test ${f.variable === "" ? "the pointer" : `\`${f.variable}\``} before passing it on.`,
    edit: (_m, f) => nullCheckAfter(f.origin, f.variable),
  },
  {
    pattern: /^R(\d+) type=([\w?]+) expected=ctx$/,
    title: () => "The first argument must be the context",
    why: (m, f) =>
      `${callee(f.callee)} needs the context that the program was started with, and argument ${m[1]} is ${describeType(m[2]!)}. Callbacks of timers have no context: nothing started them.`,
    fix: () => "Pass the program's `ctx`; what a callback needs from it must be stored in the map beforehand.",
  },
  {
    pattern: /^R(\d+) type=([\w?]+) expected=map_ptr$/,
    title: () => "A map is expected",
    why: (m, f) => `Argument ${m[1]} of ${callee(f.callee)} must be a map, and is ${describeType(m[2]!)}.`,
    fix: () => "Pass the address of the map: `&map`.",
  },
  {
    pattern: /^R(\d+) type=([\w?]+) expected=func$/,
    title: () => "A function is expected",
    why: (m, f) =>
      `Argument ${m[1]} of ${callee(f.callee)} must be a static function of this program, and is ${describeType(m[2]!)}.`,
    fix: () => "Pass the function's name directly.",
  },
  {
    pattern: /^R(\d+) type=([\w?]+) expected=scalar$/,
    title: () => "A number is expected",
    why: (m, f) => `Argument ${m[1]} of ${callee(f.callee)} is a size or number, and is ${describeType(m[2]!)}.`,
    fix: () => "Check the order of the arguments.",
  },
  {
    pattern: /^R(\d+) type=([\w?]+) expected=ringbuf_mem$/,
    title: () => "A reserved record is expected",
    why: (m, f) =>
      `${callee(f.callee)} takes the pointer that bpf_ringbuf_reserve returned, and argument ${m[1]} is ${describeType(m[2]!)}. After a submit or discard the pointer is dead.`,
    fix: () => "Pass the record itself, once, without adding to it.",
  },
  {
    pattern: /^R(\d+) type=scalar expected=fp(?:$|, )/,
    title: () => "Memory is expected, a number was given",
    why: (m, f) =>
      `Argument ${m[1]} of ${callee(f.callee)} must point to memory. A number, NULL included, is no address that Linux knows; a pointer that took arithmetic which Linux could not follow is a number too.`,
    fix: () => "Pass the address of a local variable, a map element or packet data.",
  },
  {
    pattern: /^R(\d+) type=([\w?]+) expected=(.+)$/,
    title: () => "This argument has the wrong kind",
    why: (m, f) => `Argument ${m[1]} of ${callee(f.callee)} is ${describeType(m[2]!)}. Linux accepts: ${m[3]}.`,
    fix: () => "Compare the arguments with the helper's prototype.",
  },
  {
    pattern: /^R(\d+) !read_ok$/,
    applies: (f) => f.callee !== "",
    title: () => "An argument was never set",
    why: (m, f) =>
      `${callee(f.callee)} reads r${m[1]}, its argument ${m[1]}, which holds nothing on this path. Every call wipes r1 to r5.`,
    fix: () => "Give the call all its arguments.",
  },
  {
    pattern: /^R0 !read_ok$/,
    title: () => "Nothing is returned",
    why: () => "The path ends without a return value.",
    fix: () => "Return a value on every path.",
  },
  {
    pattern: /^R(\d+) !read_ok$/,
    title: () => "This value was never set, or is gone",
    why: (m) =>
      `r${m[1]} holds nothing here. Either this path never wrote it, or a call came between: calls wipe r1 to r5${Number(m[1]) > 5 ? "" : ", this one too"}.`,
    fix: () => "Initialise the variable on every path.",
  },
  {
    pattern: /^invalid func unknown#(-?\d+)$/,
    title: () => "There is no such helper",
    why: (m) => `No helper of Linux 6.18 has the number ${m[1]}.`,
    fix: () => "Include the header that declares the helper, and call it by name.",
  },
  {
    pattern: /^program of this type cannot use helper (\w+)#\d+$/,
    title: (m) => `${m[1]} is not for this program type`,
    why: (m) => `Linux offers ${m[1]} to other program types only.`,
    fix: () => "Change the program's section, or find a helper with the same purpose for this type.",
  },
  {
    pattern: /^calling kernel function (\w+) is not allowed$/,
    title: (m) => `${m[1]} is not for this program type`,
    why: (m) => `The kernel offers the function ${m[1]} to other program types only, or not at all.`,
    fix: () => "Change the program's section.",
  },
  lesson(
    /^cannot call (?:GPL-restricted|kernel) function from non-GPL compatible program$/,
    "The program's licence does not allow this call",
    "This function is for programs under a GPL-compatible licence only; the timer helpers are among them.",
    'Declare `char LICENSE[] SEC("license") = "GPL";`.',
  ),
  lesson(
    /^helper access to the packet is not allowed$/,
    "This helper does not take packet memory",
    "The argument points into the packet, which may change or go away under the helper.",
    "Copy the bytes to the stack first, and pass the copy.",
  ),
  {
    pattern: /^R(\d+) min value is negative, either use unsigned or 'var &= const'$/,
    title: () => "The size might be negative",
    why: (m) =>
      `On this path nothing is known of r${m[1]} that would keep it from being negative, and the helper takes it as a size.`,
    fix: () => "Use an unsigned variable and compare it with the buffer's size before the call.",
  },
  {
    pattern: /^R(\d+) unbounded memory access, use 'var &= const' or 'if \(var < const\)'$/,
    title: () => "The size has no upper limit",
    why: (m) => `r${m[1]} is a size of which Linux knows no useful maximum.`,
    fix: () => "Compare it with the buffer's size before the call, or mask it.",
  },
  lesson(
    /^(?:R\d+ )?invalid zero-sized read/,
    "The size might be zero",
    "This helper wants at least one byte. (For maps without keys or values, such as queues and ring buffers, lookups and updates end here too.)",
    "Rule out zero before the call; for queues use push, pop and peek.",
  ),
  lesson(
    /^R\d+ is not a known constant'$/,
    "The size must be a constant",
    "The size of the memory that this call hands out has to be known when the program is loaded.",
    "Write the size as a constant.",
  ),
  {
    pattern: /^cannot pass map_type (\d+) into func (\w+)#\d+$/,
    title: (m) => `${m[2]} does not work on this type of map`,
    why: (m) => `Map type ${m[1]} and ${m[2]} do not go together.`,
    fix: () =>
      "Use the operation that the map type offers (push and pop for queues, reserve for ring buffers), or another type.",
  },
  lesson(
    /^callback function not allowed for map$/,
    "This map type cannot be walked",
    "bpf_for_each_map_elem works on arrays and hash maps, per-CPU and LRU ones included.",
    "Use an array or hash map.",
  ),
  lesson(
    /^expected prog array map for tail call$/,
    "A tail call needs a program array",
    "The second argument is a map of another type.",
    "Declare the map as BPF_MAP_TYPE_PROG_ARRAY.",
  ),
  {
    pattern: /^Caller passes invalid args into func#\d+ \('(.*)'\)$/,
    title: (m) => `The arguments do not fit \`${m[1]}\``,
    why: (m) =>
      `\`${m[1]}\` is a global function, so Linux verifies it once for any arguments that its prototype allows, and holds every caller to that prototype: numbers for numbers, the context for the context, memory of the pointed-to size for pointers.`,
    fix: () => "Make the function static, or change its prototype; `void *` has no size and never fits.",
  },
  {
    pattern: /^At callback return the register R0 has (.*) should have been in \[0, 1\]$/,
    title: () => "This callback must return 0 or 1",
    why: () => "0 goes on, 1 stops; the callback may return something else on this path.",
    fix: () => "Return 0 or 1 on every path.",
  },
  {
    pattern: /^At program exit the register R0 has (.*) should have been in \[(-?\d+), (-?\d+)\]$/,
    title: (m) => (m[2] === m[3] ? `The program must return ${m[2]}` : `The program must return ${m[2]} to ${m[3]}`),
    why: (m) =>
      `For this program type the return value is a verdict, and this path may return something else (${m[1]}).`,
    fix: () => "Return one of the allowed values on every path.",
  },
  {
    pattern: /^At (program|subprogram) exit the register R\d+ is not a (?:known|scalar) value \((\w+)\)$/,
    title: () => "A pointer is returned",
    why: (m) =>
      `The ${m[1] === "program" ? "program" : "function"} returns ${describeType(m[2]!)}, where a number is needed.`,
    fix: () => "Return a number.",
  },
  {
    pattern: /^write into map forbidden$/,
    title: () => "The map is read-only for programs",
    why: () => "It was created with BPF_F_RDONLY_PROG.",
    fix: () => "Write it from user space, or create it without that flag.",
  },
  lesson(
    /^cannot return stack pointer to the caller$/,
    "A pointer to a dead stack frame would be returned",
    "The function returns the address of a local variable, which is gone after the return.",
    "Return a value, or let the caller pass the memory in.",
  ),
  lesson(
    /^Possibly NULL pointer passed to (?:trusted|helper) arg\d+$/,
    "The argument may be NULL",
    "The function takes only pointers that are known not to be NULL.",
    "Test the pointer first.",
  ),
  lesson(
    /^R\d+ is not a scalar$/,
    "A number is expected",
    "This parameter is a number, and a pointer or nothing is passed.",
    "Compare the arguments with the prototype.",
  ),
  lesson(
    /^R\d+ does not point to a readonly map'$/,
    "The string must be constant",
    "The format or string has to lie in memory that nobody can change: a read-only, frozen map such as `.rodata`.",
    "Use a string literal or a `static const char[]`.",
  ),
  lesson(
    /^Invalid format string$/,
    "The format does not fit its arguments",
    "The format is read when the program is loaded: a specifier is unknown, or there are more or fewer of them than arguments.",
    "Give one 8-byte argument for each specifier.",
  ),
  lesson(
    /^(?:workqueue pointer in R1 map_uid|pointer in R\d+ isn't map pointer)/,
    "The work queue's own map is expected",
    "The second argument of bpf_wq_init must be the map that holds the element.",
    "Pass the map in which the element was looked up.",
  ),
  lesson(
    /^arg#\d+ doesn't point to a map value$/,
    "A work queue must be part of a map element",
    "The first argument is no pointer into a map element that is known to exist. Like timers, work queues live in map elements, so that deleting the element stops them.",
    "Put `struct bpf_wq` into the map's value type, look the element up, test the result, and pass `&value->field`.",
  ),
  lesson(
    /^arg\d+ expected pointer to func$/,
    "The callback must be a function of this program",
    "Linux has to know at load time which function will run, so that it can verify it.",
    "Pass the name of a static function, directly.",
  ),
  {
    pattern: /^arg#\d+ expected pointer to ctx, but got (\w+)$/,
    title: () => "The context is expected",
    why: (m, f) =>
      `${callee(f.callee)} needs the context that the program was started with, and is given ${describeType(m[1]!)}.`,
    fix: () => "Pass the program's `ctx` as it was received.",
  },
  {
    pattern: /^R(\d+) is of type (\w+) but (\w+) is expected$/,
    title: () => "Another structure of the kernel is expected",
    why: (m) =>
      m[2] === m[3]
        ? `Argument ${m[1]} points somewhere into a ${m[2]}, and must point to its start.`
        : `Argument ${m[1]} points to a ${m[2]}, and must point to a ${m[3]}.`,
    fix: () => null,
  },
  lesson(
    /^R\d+ must be a known constant$/,
    "The size must be a constant",
    "The size of the memory that this call hands out has to be known when the program is loaded.",
    "Write the size as a constant.",
  ),
  lesson(
    /^arg#\d+ arg#\d+ memory, len pair leads to invalid memory access$/,
    "The buffer is smaller than its size says",
    "The function may read and write as many bytes as the size argument says, and the memory given is smaller, read-only or no memory at all. The line before tells which.",
    "Pass a buffer with its own size: `buf, sizeof(buf)`.",
  ),
  lesson(
    /^the prog does not allow writes to packet data$/,
    "The packet is read-only here",
    "A writable slice of the packet is asked for, and programs of this type may only look at packets.",
    "Use bpf_dynptr_slice, or a program type that may write.",
  ),
  lesson(
    /^R\d+ must have zero offset when passed to release func or trusted arg to kfunc$/,
    "Give back exactly what was taken",
    "Something was added to the pointer since it was acquired.",
    "Keep the original pointer, and release that one.",
  ),
  lesson(
    /^more than one arg with ref_obj_id R\d+ \d+ \d+$/,
    "Only one acquired pointer per call",
    "Two arguments hold references, and Linux could not tell which of them the call is about.",
    "Copy one of the two to the stack first.",
  ),
];
