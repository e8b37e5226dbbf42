import type { Lesson } from "./lesson.ts";
import { describeType, lesson, nullCheckAfter } from "./lesson.ts";

/** Loads, stores and pointer arithmetic. */
export const MEMORY_LESSONS: readonly Lesson[] = [
  {
    pattern: /^R(\d+) invalid mem access '(\w*or_null)'$/,
    title: () => "The pointer may be NULL",
    why: (m) =>
      `r${m[1]} is ${describeType(m[2]!)}. On this path nothing has tested it, and following NULL would crash the kernel.`,
    fix: (_m, f) => `Test ${f.variable === "" ? "the pointer" : `\`${f.variable}\``} before its first use.`,
    edit: (_m, f) => nullCheckAfter(f.origin, f.variable),
  },
  {
    pattern: /^R(\d+) invalid mem access 'scalar'$/,
    title: () => "This is a number, not a pointer",
    why: (m) =>
      `To Linux r${m[1]} is only a number. NULL is one; so is a pointer that was released, whose packet was changed by a helper, or that was taken apart by arithmetic.`,
    fix: () => "Use the pointer before it is given back, or get it anew after the call that may change the packet.",
  },
  {
    pattern: /^R(\d+) invalid mem access '(.+)'$/,
    title: () => "Nothing can be read or written through this",
    why: (m) => `r${m[1]} is ${describeType(m[2]!)}, and leads to no memory that a program may touch.`,
    fix: () => null,
  },
  {
    pattern: /^R(\d+) (min|max) value is outside of the allowed memory range$/,
    title: () => "The access goes beyond the memory",
    why: (m) =>
      `The ${m[2] === "min" ? "lowest" : "highest"} address that r${m[1]} may have on this path, with the size of the access, does not lie inside the memory it belongs to. The line before tells the size and the offset.`,
    fix: () => "Compare the index with the size first, or correct the offset.",
  },
  {
    pattern: /^R(\d+) unbounded memory access, make sure to bounds check any such access$/,
    title: () => "The index has no upper limit",
    why: (m) => `A number without useful maximum was added to r${m[1]}.`,
    fix: () => "Compare the index with the array's size before using it, and keep it unsigned.",
  },
  {
    pattern: /^R(\d+) min value is negative, either use unsigned index or do a if \(index >=0\) check\.$/,
    title: () => "The index might be negative",
    why: (m) => `A number that may be negative was added to r${m[1]}.`,
    fix: () => "Use an unsigned index, or test that it is not negative.",
  },
  {
    pattern: /^R(\d+) offset is outside of the packet$/,
    title: () => "The packet may end before this",
    why: () => "On this path the program has not proved that the packet holds so many bytes.",
    fix: () => "Compare `data + needed` with `data_end` first, and read only what was compared.",
  },
  lesson(
    /^cannot write into packet$/,
    "The packet is read-only here",
    "Programs of this type may look at packets and not change them.",
    "Use tc, XDP or another type that may write.",
  ),
  {
    pattern: /^invalid bpf_context access off=(-?\d+) size=(\d+)$/,
    title: () => "This field of the context is not accessible",
    why: (m) =>
      `${m[2]} bytes at offset ${m[1]} of the context: this program type has no such field, may not write it, or wants it read with another size.`,
    fix: () => "Use the context structure of the program's own type, and its fields in their declared size.",
  },
  {
    pattern: /^(dereference of modified|negative offset) (\w+) ptr R(\d+) off=(-?\d+) disallowed$/,
    title: () => "This pointer must not be moved",
    why: (m) => `${m[4]} was added to ${describeType(m[2]!)}. Such a pointer may be used only as it was received.`,
    fix: () => "Keep the original pointer, and put the offset into the access itself.",
  },
  {
    pattern: /^R(\d+) is (\S+) invalid (negative access|variable offset): off=(-?\d+)/,
    title: () => "Outside of a structure of the kernel",
    why: (m) =>
      m[3] === "negative access"
        ? `The access lies ${-Number(m[4])} bytes in front of the \`${m[2]!.replace(/^ptr_/, "")}\`.`
        : `A number known only at run time was added to the pointer to \`${m[2]!.replace(/^ptr_/, "")}\`, whose members have fixed offsets.`,
    fix: () => "Name the member that is to be read.",
  },
  {
    pattern: /^variable (\S+) access var_off=(.*) disallowed$/,
    title: () => "This pointer must not be moved by an unknown number",
    why: (m) =>
      m[1] === "?"
        ? "The register was never written."
        : `A number known only at run time was added to ${describeType(m[1]!)}.`,
    fix: () => "Use constant offsets with this pointer.",
  },
  {
    pattern: /^invalid (read from|write to) stack R(\d+) off=(-?\d+) size=(\d+)$/,
    title: () => "Outside of the stack",
    why: (m) =>
      `The program has 512 bytes of stack, at offsets -512 to -1; this ${m[1] === "write to" ? "write" : "read"} of ${m[4]} bytes at ${m[3]} leaves them.`,
    fix: () => "Use smaller local variables, or keep large data in a map (a per-CPU array serves as scratch space).",
  },
  {
    pattern: /^invalid (?:unbounded )?variable-offset (read from|write to) stack/,
    title: () => "The stack is indexed without limits",
    why: () => "The index into a local array may leave the stack.",
    fix: () => "Compare the index with the array's size first.",
  },
  {
    pattern: /^invalid read from stack (?:R\d+ )?off (-?\d+)\+(-?\d+) size (\d+)$/,
    title: () => "These bytes of the stack cannot be read",
    why: () => "They hold an object of the verifier, such as a dynptr or an iterator, or were never written.",
    fix: () => "Go through the object's helpers, or initialise the variable.",
  },
  {
    pattern: /^(?:write into map forbidden|read from map forbidden), value_size=/,
    title: (m) =>
      m[0].startsWith("write") ? "The map is read-only for programs" : "The map is write-only for programs",
    why: () => "It was created with a flag that forbids this to programs.",
    fix: () => "Create the map without that flag. `const` data lies in a read-only map.",
  },
  {
    pattern: /^R(\d+) cannot write into (\w+)$/,
    title: () => "This memory is read-only",
    why: (m) => `r${m[1]} is ${describeType(m[2]!)}.`,
    fix: () => "Copy the value, and change the copy.",
  },
  lesson(
    /^write to change key R\d+ not allowed$/,
    "A key cannot be changed in place",
    "The callback may read the key that it was handed. Changing it would put the element into the wrong place of the map.",
    "Delete the element and insert it under the new key.",
  ),
  {
    pattern: /^R(\d+) pointer arithmetic on (\w+) prohibited, null-check it first$/,
    title: () => "Test the pointer before moving it",
    why: (m) => `r${m[1]} is ${describeType(m[2]!)}; a NULL with something added would no longer look like NULL.`,
    fix: (_m, f) => `Test ${f.variable === "" ? "the pointer" : `\`${f.variable}\``} first.`,
    edit: (_m, f) => nullCheckAfter(f.origin, f.variable),
  },
  {
    pattern: /^R(\d+) pointer arithmetic on (\w+) prohibited$/,
    title: () => "This pointer must not be moved",
    why: (m) => `Nothing may be added to ${describeType(m[2]!)}.`,
    fix: () => null,
  },
  {
    pattern: /^math between (\w+) pointer and register with unbounded min value is not allowed$/,
    title: () => "The number added to a pointer is unknown",
    why: (m) =>
      `Nothing is known of the number that is added to ${describeType(m[1]!)}; the result could point anywhere.`,
    fix: () => "Bound the number first: compare it, or mask it with `&`.",
  },
  lesson(
    /^(?:math between \w+ pointer and -?\w+ is not allowed|\w+ pointer offset -?\d+ is not allowed|value -?\w+ makes \w+ pointer be out of bounds)$/,
    "The offset is far too large",
    "Pointers may be moved by less than 512 MiB.",
    "Check the constant.",
  ),
  lesson(
    /^R\d+ (?:bitwise operator \S+ on pointer prohibited|pointer arithmetic with \S+ operator prohibited|32-bit pointer arithmetic prohibited|tried to subtract pointer from scalar|subtraction from stack pointer prohibited)$/,
    "This arithmetic turns a pointer into nonsense",
    "Pointers take addition and, with limits, subtraction of numbers, in 64 bits. Linux could not follow anything else.",
    "Compute with numbers, and add the result to the pointer.",
  ),
  lesson(
    /^R\d+ pointer \S+ pointer prohibited$/,
    "Two pointers cannot be combined like this",
    "Only the difference of two pointers makes sense.",
    "Add a number instead.",
  ),
  lesson(
    /^frame pointer is read only$/,
    "r10 cannot be changed",
    "It is the frame pointer for the whole life of the function.",
    "Copy it to another register and change the copy.",
  ),
  lesson(
    /^invalid size of register (?:spill|fill)$/,
    "Only part of a pointer is stored or loaded",
    "A pointer on the stack is saved and loaded as 8 bytes at an aligned place.",
    "Use a 64-bit access.",
  ),
  lesson(
    /^misaligned (?:stack|value|packet|\w+) access off/,
    "The access is not aligned",
    "Stack accesses and atomic operations, and with strict alignment all of them, must lie at a multiple of their size.",
    "Align the variable, or use smaller accesses.",
  ),
  lesson(
    /^BPF_ATOMIC (?:stores into|loads from) R\d+ \w+ is not allowed$/,
    "No atomic operation on this memory",
    "Atomic operations work on map elements and the stack.",
    "Use an ordinary load or store.",
  ),
  lesson(
    /^only read (?:from \w+ )?is supported$/,
    "Kernel structures are read-only",
    "The store goes into a structure of the kernel.",
    "Use the helper that makes this change.",
  ),
  lesson(
    /^R\d+ invalid sock\w* access off=-?\d+ size=\d+$/,
    "This field of the socket is not accessible",
    "Only some fields of `struct bpf_sock` can be read through this pointer, in their declared size.",
    "Use bpf_sk_fullsock for the fields that only full sockets have.",
  ),
  lesson(
    /^cannot spill pointers to stack into stack frame of the caller$/,
    "A pointer to a dead frame would stay behind",
    "The function stores the address of its own local variable in its caller's stack; after the return it would lead nowhere.",
    "Let the caller provide the memory.",
  ),
  lesson(
    /^(?:invalid atomic operand size|BPF_ATOMIC uses invalid atomic opcode [0-9a-f]+)$/,
    "There is no such atomic operation",
    "Atomic operations work on 4 or 8 bytes: add, and, or, xor, exchange and compare-and-exchange.",
    "Use a `__u32` or `__u64` variable.",
  ),
];
