import type { Lesson } from "./lesson.ts";
import { lesson } from "./lesson.ts";

/** The program as a whole: its shape, size, loops, and what it brings along. */
export const PROGRAM_LESSONS: readonly Lesson[] = [
  {
    pattern: /^BPF program is too large\. Processed (\d+) insn$/,
    title: () => "Too much to verify",
    why: (m) =>
      `Linux walks every path, and gave up after ${m[1]} instructions. A loop counts once for each round, and each branch in it may double the work.`,
    fix: () =>
      "Bound the loop by a small constant, use bpf_loop or an open-coded iterator, or move the body into a global function.",
  },
  lesson(
    /^(?:infinite loop detected at insn \d+|(?:old|cur) state: .*)$/,
    "This loop never ends",
    "The verifier came back to the same instruction with exactly the same state, so nothing can end the loop.",
    "Let every round change what the loop's condition tests; a timer callback that wants to run again re-arms itself.",
  ),
  {
    pattern: /^the call stack of (\d+) frames is too deep/,
    title: () => "Calls are nested too deep",
    why: () =>
      "At most 8 functions may be active at once. A function that calls itself, directly or through others, ends here.",
    fix: () => "Replace the recursion by a loop.",
  },
  {
    pattern: /^combined stack size of (\d+) calls is (\d+)\. Too large$/,
    title: () => "The functions need too much stack together",
    why: (m) =>
      `${m[1]} nested functions use ${m[2]} bytes of stack, and all together may use 512. A timer callback starts with a stack of its own.`,
    fix: () => "Use smaller local variables, or keep large data in a map.",
  },
  lesson(
    /^tail_calls are not allowed when call stack of previous frames is (\d+) bytes\. Too large$/,
    "Too much stack above a tail call",
    "The frames of the callers stay while the next program runs, and may hold less than 256 bytes.",
    "Use less stack in the functions that lead to the tail call.",
  ),
  {
    pattern: /^unreachable insn (\d+)$/,
    title: () => "Some code can never run",
    why: (m) => `No path leads to instruction ${m[1]}; often an endless loop stands before it.`,
    fix: () => "Remove the dead code, or let the loop end.",
  },
  {
    pattern: /^jump out of range from insn (\d+) to (-?\d+)$/,
    title: () => "A jump leaves its function",
    why: () => "Jumps must stay inside the function; other functions are called.",
    fix: () => "Use a call.",
  },
  lesson(
    /^last insn is not an exit or jmp$/,
    "A function runs off its end",
    "The last instruction of every function must be an exit or a jump; otherwise control would fall into the next function. The address of a callback must be that of its first instruction.",
    "End the function with a return.",
  ),
  lesson(
    /^number of funcs in func_info doesn't match number of subprogs$/,
    "The function records do not match the program",
    "The object names more or fewer functions than the program calls or refers to.",
    "Build the object with one compiler run, and remove functions that nobody calls.",
  ),
  lesson(
    /^Only fentry\/fexit\/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable$/,
    "This program type cannot sleep",
    "The program is marked as sleepable, and its type runs where nothing may wait.",
    "Remove the `.s` from the section's name.",
  ),
  lesson(
    /^Syscall programs can only be sleepable$/,
    "A syscall program must be sleepable",
    "It was loaded without BPF_F_SLEEPABLE.",
    'Use `SEC("syscall")`, for which the loader sets the flag.',
  ),
  lesson(
    /^Sleepable programs can only use array, hash, ringbuf and local storage maps$/,
    "This map type is not for sleepable programs",
    "A program that may wait could hold on to an entry for long; only some map types allow for that.",
    "Use an array, hash, queue or ring buffer.",
  ),
  lesson(
    /^(?:fd -?\d+ is not pointing to valid bpf_map|fd_idx without fd_array is invalid)/,
    "The program names a map that does not exist",
    "The file descriptor in the instruction is not that of an open map.",
    "Create the map first, and keep its descriptor open while the program is loaded.",
  ),
  lesson(
    /^The total number of maps per program has reached the limit of \d+$/,
    "Too many maps",
    "A program may name 64 maps.",
    "Put data into fewer maps.",
  ),
  lesson(
    /^(?:no direct value access support for this map type|invalid access to map value pointer, value_size=.*|direct value offset of .* is not allowed)$/,
    "The address of an element cannot be taken directly",
    "Only the value of an array with one element, such as global data, has a fixed address.",
    "Look the element up.",
  ),
  lesson(
    /^div by zero$/,
    "Division by the constant 0",
    "The divisor is written as 0 in the instruction.",
    "Divide by something else. (Division by a variable that is 0 at run time gives 0 on BPF.)",
  ),
  {
    pattern: /^invalid shift (-?\d+)$/,
    title: () => "The shift is too wide",
    why: (m) => `Shifting by ${m[1]} is not defined; the value has 32 or 64 bits.`,
    fix: () => "Shift by less than the width.",
  },
  {
    pattern:
      /^(?:unknown opcode (\w+)|(BPF_\S+) uses reserved fields|invalid BPF_LD_IMM insn|invalid bpf_ld_imm64 insn|unrecognized bpf_ld_imm64 insn)$/,
    title: () => "The instruction is not valid",
    why: () => "Its encoding is not one that Linux 6.18 knows.",
    fix: () => "Compile for a CPU version that the kernel has (`-mcpu=v3` or `v4`).",
  },
  lesson(
    /^addr_space_cast insn can only .*$/,
    "There is no arena to cast to",
    "This move turns a pointer of the program into one of an arena, or back, and the program has no arena map.",
    null,
  ),
  lesson(
    /^(?:kernel btf_id \d+ is not a function|failed to find BTF for kernel function)$/,
    "There is no such kernel function",
    "The call names a function of the kernel, or of a module, by the number of its type; this kernel has none under that number.",
    "Declare it with `__ksym`, so that the loader looks it up by name.",
  ),
  lesson(/^R(\d+) is invalid$/, "There is no such register", "BPF has r0 to r10.", null),
  lesson(
    /^(?:call to invalid destination|jump into the middle of ldimm64 insn \d+)$/,
    "The target is no instruction",
    "A call or jump leads outside of the program, or into the second half of a two-slot load.",
    null,
  ),
  lesson(
    /^bpf_throw kfunc \(insn \d+\) cannot be called from callback subprog \d+$/,
    "No exceptions in callbacks",
    "bpf_throw unwinds the program's stack, and a callback does not run on it.",
    "Return an error from the callback instead.",
  ),
  lesson(
    /^same insn cannot be used with different pointers$/,
    "One access, two kinds of pointers",
    "On different paths the same load or store goes through the context and through other memory, which need different machine code.",
    "Keep the accesses apart, for example in two branches.",
  ),
  lesson(
    /^too many subprograms$/,
    "Too many functions",
    "A program may have 256 functions.",
    "Let the compiler inline small functions.",
  ),
  lesson(
    /^(?:BPF_LD_\[ABS\|IND\] instructions not allowed for this program type|at the time of BPF_LD_ABS\|IND R6 != pointer to skb|LD_ABS is (?:not allowed in subprogs without BTF|only allowed in functions that return 'int'\.))$/,
    "The old packet load is not possible here",
    "These instructions read the packet of a classic socket filter: r6 must hold the context, and the function must return an int, since a packet that is too short ends the program.",
    "Use bpf_skb_load_bytes or direct packet access.",
  ),
];
