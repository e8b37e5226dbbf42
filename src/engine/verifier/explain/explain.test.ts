import { describe, expect, it } from "vitest";
import type { ProgramVariable } from "../../loader/spec.ts";
import type { Rejection, VerifierProgram } from "../types.ts";
import { explain, hasLesson } from "./explain.ts";

const INIT = { opcode: 0x85, dst: 0, src: 0, off: 0, imm: 169 };
const LOOKUP = { opcode: 0x85, dst: 0, src: 0, off: 0, imm: 1 };
const JEQ = { opcode: 0x15, dst: 0, src: 0, off: 1, imm: 0 };
const EXIT = { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 };

const line = (insn: number, number: number, text: string) => ({ insn, file: "t.bpf.c", line: number, column: 1, text });

function program(insns: VerifierProgram["insns"], lines: VerifierProgram["lines"]): VerifierProgram {
  return {
    name: "t",
    type: 3,
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    insns,
    btf: null,
    functions: null,
    lines,
    kfuncs: new Map(),
    dialect: "linux",
  };
}

function rejection(message: string, facts: Partial<Rejection> = {}): Rejection {
  return { errno: "EACCES", message, insn: 0, rule: "", register: 1, path: [], origin: null, ...facts };
}

describe("explain", () => {
  it("tells why a timer cannot live on the stack", () => {
    const told = explain(
      rejection("R1 type=fp expected=map_value"),
      program([INIT], [line(0, 7, "    bpf_timer_init(&t, cb, 0);")]),
    );
    expect(told.title).toBe("A timer cannot live on the stack");
    expect(told.causes).toHaveLength(1);
    expect(told.causes[0]).toMatchObject({ insn: 0, line: 7 });
    expect(told.fix?.text).toContain("struct bpf_timer");
  });

  it("names what a register holds by the compiler's table, where the line says something else", () => {
    const made = (name: string, register: number): ProgramVariable => ({
      function: "t",
      name,
      type: "struct elem *",
      size: 64,
      encoding: "pointer",
      parameter: false,
      file: "t.bpf.c",
      line: 12,
      scope: [10, 20],
      inlined: null,
      ranges: [
        { first: 1, last: 1, place: { kind: "register", register, add: 0n }, bits: 64, signed: false, part: null },
      ],
    });
    const lines = [line(0, 12, "    last = use(val = find(&key));"), line(1, 13, "    bpf_timer_init(&val->timer);")];
    const told = explain(
      rejection("R1 type=map_value_or_null expected=map_value", { insn: 1, origin: 0, path: [0, 1] }),
      program([LOOKUP, INIT], lines),
      [made("val", 0), made("other", 6)],
    );
    expect(told.causes[0]?.text).toContain("`val` (r1)");
    expect(told.fix?.text).toContain("`val`");
  });

  it("leaves a loop's own turns out, and what was decided before a callback was set", () => {
    const SET = { ...INIT, imm: 170 };
    const told = explain(
      rejection("At async callback return the register R0 has smin=1 smax=1 should have been in [0, 0]", {
        insn: 5,
        register: 0,
        path: [0, 1, 3, 4, 4, 5],
      }),
      program(
        [JEQ, SET, EXIT, { ...JEQ, off: 1 }, { ...JEQ, off: -1 }, EXIT],
        [
          line(0, 20, "    if (!e)"),
          line(1, 22, "    bpf_timer_set_callback(&e->timer, expired);"),
          line(3, 8, "    if (value->hits > 3)"),
          line(4, 9, "        while (again) again--;"),
          line(5, 10, "    return 1;"),
        ],
      ),
    );
    expect(told.causes.map((c) => c.line)).toEqual([8, 9, 10]);
    expect(told.causes[1]?.text).toContain("goes on with `return 1;`");
  });

  it("keeps the same message apart from calls that have nothing to do with timers", () => {
    const told = explain(rejection("R1 type=fp expected=map_value"), program([LOOKUP], null));
    expect(told.title).toBe("This field must be part of a map element");
  });

  it("offers a null check behind the lookup, named and indented as the source is", () => {
    const told = explain(
      rejection("R1 type=map_value_or_null expected=map_value", { insn: 1, origin: 0, path: [0, 1] }),
      program(
        [LOOKUP, INIT],
        [
          line(0, 12, "\tstruct elem *val = bpf_map_lookup_elem(&hmap, &key);"),
          line(1, 13, "\tbpf_timer_init(&val->timer, &hmap, 0);"),
        ],
      ),
    );
    expect(told.fix).toEqual({
      text: "Test `val` before its first use.",
      edit: { line: 13, insert: "\tif (!val)\n\t\treturn 0;\n" },
    });
    expect(told.causes.map((c) => c.line)).toEqual([12, 13]);
    expect(told.causes[0]!.text).toContain("`val` (r1) got its value here");
  });

  it("names the branches between the value and the fault, and which side the path took", () => {
    const told = explain(
      rejection("R0 invalid mem access 'map_value_or_null'", { insn: 3, register: 0, origin: 0, path: [0, 1, 3] }),
      program([LOOKUP, JEQ, EXIT, EXIT], [line(0, 5, "v = f();"), line(1, 6, "if (x)"), line(3, 9, "return *v;")]),
    );
    expect(told.causes.map((c) => [c.insn, c.line])).toEqual([
      [0, 5],
      [1, 6],
      [3, 9],
    ]);
    expect(told.causes[1]!.text).toBe("at `if (x)` the failing path goes on with `return *v;`");
  });

  it("follows a value back over copies to the call that made it", () => {
    const told = explain(
      rejection("R1 type=map_value_or_null expected=map_value", { insn: 3, origin: 2, path: [0, 1, 2, 3] }),
      program(
        [
          LOOKUP,
          { opcode: 0xbf, dst: 6, src: 0, off: 0, imm: 0 },
          { opcode: 0xbf, dst: 1, src: 6, off: 0, imm: 0 },
          INIT,
        ],
        [line(0, 4, "  v = bpf_map_lookup_elem(&m, &k);"), line(2, 5, "  bpf_timer_init(v, &m, 0);")],
      ),
    );
    expect(told.causes[0]).toMatchObject({ insn: 0, line: 4 });
    expect(told.fix?.edit).toEqual({ line: 5, insert: "  if (!v)\n      return 0;\n" });
  });

  it("shows where a leaked record was taken", () => {
    const reserve = { ...LOOKUP, imm: 131 };
    const told = explain(
      rejection("BPF_EXIT instruction in main prog would lead to reference leak", {
        register: null,
        insn: 1,
        path: [0, 1],
      }),
      program([reserve, EXIT], [line(0, 7, "r = bpf_ringbuf_reserve(&rb, 8, 0);"), line(1, 9, "}")]),
    );
    expect(told.causes[0]).toEqual({ text: "taken here: `r = bpf_ringbuf_reserve(&rb, 8, 0);`", insn: 0, line: 7 });
  });

  it("gives an unknown message its place and the kernel's words", () => {
    const told = explain(rejection("something new"), program([EXIT], [line(0, 3, "return 0;")]));
    expect(told.causes).toEqual([{ text: "Linux says: something new", insn: 0, line: 3 }]);
    expect(told.fix).toBeNull();
  });

  it("says what a callback returns instead of 0", () => {
    const told = explain(
      rejection("At async callback return the register R0 has smin=1 smax=1 should have been in [0, 0]", {
        register: 0,
      }),
      program([EXIT], null),
    );
    expect(told.title).toBe("A timer callback must return 0");
    expect(told.causes.at(-1)!.text).toContain("returns 1.");
  });
});

/** Messages as Linux 6.18 prints them, with the headline that must come out. */
const HEADLINES: readonly (readonly [string, string])[] = [
  ["bpf_timer cannot be accessed directly by load/store", "The bytes of a timer are not yours to touch"],
  ["bpf_spin_lock cannot be accessed directly by load/store", "The bytes of a spin lock are not yours to touch"],
  ["R1 type=fp expected=map_value, ptr_", "A spin lock cannot live on the stack"],
  ["R1 type=ctx expected=map_value, ptr_", "This field must be part of a map element"],
  ["map 'm' has no valid bpf_timer", "The values of map `m` hold no usable timer"],
  ["map 'm' has to have BTF in order to use bpf_timer", "Map `m` does not tell what its values are made of"],
  ["off 8 doesn't point to 'struct bpf_timer' that is at 0", "The pointer misses the timer"],
  [
    "R1 doesn't have constant offset. bpf_timer has to be at the constant offset",
    "Which timer this is must be known in advance",
  ],
  [
    "timer pointer in R1 map_uid=1 doesn't match map pointer in R2 map_uid=2",
    "The timer lies in another map than the one named",
  ],
  ["R2 type=scalar expected=func", "The callback must be a function of this program"],
  ["callback function not static", "A callback must be static"],
  ["missing btf func_info", "The program does not tell where its functions begin"],
  ["At async callback return the register R0 is not a known value (map_value)", "A timer callback must return 0"],
  ["tracing progs cannot use bpf_timer yet", "Tracing programs cannot use maps with timers"],
  ["tracing progs cannot use bpf_wq yet", "Tracing programs cannot use maps with work queues"],
  ["socket filter progs cannot use bpf_spin_lock yet", "This program type cannot use maps with spin locks"],
  ["BPF_EXIT instruction in main prog would lead to reference leak", "Something that was taken is not given back"],
  [
    "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region",
    "The lock is still held at the end",
  ],
  [
    "BPF_EXIT instruction in main prog cannot be used inside bpf_rcu_read_lock-ed region",
    "The RCU section is still open at the end",
  ],
  [
    "BPF_EXIT instruction in main prog cannot be used inside bpf_preempt_disable-ed region",
    "Preemption is still disabled at the end",
  ],
  [
    "BPF_EXIT instruction in main prog cannot be used inside bpf_local_irq_save-ed region",
    "Interrupts are still off at the end",
  ],
  ["function calls are not allowed while holding a lock", "No helper may be called under a spin lock"],
  ["use static function instead", "No global function may be called under a spin lock"],
  ["a non-sleepable BPF program context", "A function that may sleep is called where sleeping is forbidden"],
  ["bpf_spin_unlock without taking a lock", "Nothing is locked here"],
  ["bpf_spin_unlock of different lock", "This unlocks another lock than the one held"],
  ["R1 must be referenced when passed to release function", "This pointer is not yours to release"],
  ["arg 1 is an unacquired reference", "This dynptr was not reserved"],
  ["Expected an initialized dynptr as arg #0", "There is no dynptr in this variable"],
  ["Dynptr has to be an uninitialized dynptr", "A dynptr cannot be made here"],
  ["cannot overwrite referenced dynptr", "This would lose a reserved record"],
  ["expected an initialized iter_num as arg #0", "There is no iterator in this variable"],
  ["expected uninitialized iter_num as arg #0", "An iterator cannot be started here"],
  ["nested rcu read lock (kernel function bpf_rcu_read_lock)", "RCU sections do not nest"],
  ["unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)", "No RCU section is open here"],
  ["helper call might sleep in a non-sleepable prog", "This function may sleep, and here nothing may"],
  ["sleepable helper bpf_copy_from_user#148 in rcu_read_lock region", "Nothing may sleep inside this section"],
  ["R2 type=map_value_or_null expected=map_ptr", "The argument may be NULL"],
  ["R1 type=map_ptr expected=ctx", "The first argument must be the context"],
  ["R1 type=scalar expected=map_ptr", "A map is expected"],
  ["R3 type=fp expected=scalar", "A number is expected"],
  ["R1 type=scalar expected=ringbuf_mem", "A reserved record is expected"],
  [
    "R2 type=scalar expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_",
    "Memory is expected, a number was given",
  ],
  [
    "R2 type=ctx expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_",
    "This argument has the wrong kind",
  ],
  ["addr_space_cast insn can only be used in a program that has an associated arena", "There is no arena to cast to"],
  ["kernel btf_id 4294967295 is not a function", "There is no such kernel function"],
  ["failed to find BTF for kernel function", "There is no such kernel function"],
  ["R6 is ptr_task_struct invalid negative access: off=-521", "Outside of a structure of the kernel"],
  ["R1 is ptr_task_struct invalid variable offset: off=0, var_off=(0x0; 0x7)", "Outside of a structure of the kernel"],
  ["R6 is bpf_array invalid negative access: off=-8", "Outside of a structure of the kernel"],
  ["R6 !read_ok", "This value was never set, or is gone"],
  ["R0 !read_ok", "Nothing is returned"],
  ["invalid func unknown#212", "There is no such helper"],
  ["program of this type cannot use helper bpf_timer_init#169", "bpf_timer_init is not for this program type"],
  ["calling kernel function bpf_dynptr_from_skb is not allowed", "bpf_dynptr_from_skb is not for this program type"],
  [
    "cannot call GPL-restricted function from non-GPL compatible program",
    "The program's licence does not allow this call",
  ],
  ["helper access to the packet is not allowed", "This helper does not take packet memory"],
  ["R2 min value is negative, either use unsigned or 'var &= const'", "The size might be negative"],
  ["R2 unbounded memory access, use 'var &= const' or 'if (var < const)'", "The size has no upper limit"],
  ["R2 invalid zero-sized read: u64=[0,4]", "The size might be zero"],
  ["invalid zero-sized read", "The size might be zero"],
  ["R2 is not a known constant'", "The size must be a constant"],
  ["cannot pass map_type 22 into func bpf_map_lookup_elem#1", "bpf_map_lookup_elem does not work on this type of map"],
  ["callback function not allowed for map", "This map type cannot be walked"],
  ["expected prog array map for tail call", "A tail call needs a program array"],
  ["Caller passes invalid args into func#1 ('sub')", "The arguments do not fit `sub`"],
  [
    "At callback return the register R0 has smin=2 smax=2 should have been in [0, 1]",
    "This callback must return 0 or 1",
  ],
  ["At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]", "The program must return 0 to 1"],
  ["At program exit the register R0 is not a known value (ctx)", "A pointer is returned"],
  ["cannot return stack pointer to the caller", "A pointer to a dead stack frame would be returned"],
  ["R0 invalid mem access 'map_value_or_null'", "The pointer may be NULL"],
  ["R0 invalid mem access 'scalar'", "This is a number, not a pointer"],
  ["R7 invalid mem access 'pkt_end'", "Nothing can be read or written through this"],
  ["R0 min value is outside of the allowed memory range", "The access goes beyond the memory"],
  ["R0 unbounded memory access, make sure to bounds check any such access", "The index has no upper limit"],
  ["R0 min value is negative, either use unsigned index or do a if (index >=0) check.", "The index might be negative"],
  ["R6 offset is outside of the packet", "The packet may end before this"],
  ["cannot write into packet", "The packet is read-only here"],
  ["invalid bpf_context access off=76 size=4", "This field of the context is not accessible"],
  ["dereference of modified ctx ptr R1 off=8 disallowed", "This pointer must not be moved"],
  ["variable ctx access var_off=(0x0; 0x7) disallowed", "This pointer must not be moved by an unknown number"],
  ["invalid write to stack R10 off=-520 size=8", "Outside of the stack"],
  ["write into map forbidden, value_size=8 off=0 size=8", "The map is read-only for programs"],
  ["write to change key R2 not allowed", "A key cannot be changed in place"],
  ["R0 pointer arithmetic on map_value_or_null prohibited, null-check it first", "Test the pointer before moving it"],
  ["R7 pointer arithmetic on map_ptr prohibited", "This pointer must not be moved"],
  [
    "math between map_value pointer and register with unbounded min value is not allowed",
    "The number added to a pointer is unknown",
  ],
  ["BPF program is too large. Processed 1000001 insn", "Too much to verify"],
  ["infinite loop detected at insn 24", "This loop never ends"],
  ["the call stack of 9 frames is too deep", "Calls are nested too deep"],
  ["combined stack size of 2 calls is 608. Too large", "The functions need too much stack together"],
  ["unreachable insn 24", "Some code can never run"],
  ["jump out of range from insn 24 to 21", "A jump leaves its function"],
  ["last insn is not an exit or jmp", "A function runs off its end"],
  ["Syscall programs can only be sleepable", "A syscall program must be sleepable"],
  [
    "Sleepable programs can only use array, hash, ringbuf and local storage maps",
    "This map type is not for sleepable programs",
  ],
  ["fd 7 is not pointing to valid bpf_map", "The program names a map that does not exist"],
  ["arg#0 doesn't point to a map value", "A work queue must be part of a map element"],
  ["arg#0 expected pointer to ctx, but got fp", "The context is expected"],
  ["R1 is of type task_struct but sock_common is expected", "Another structure of the kernel is expected"],
  ["R4 must be a known constant", "The size must be a constant"],
  ["arg#2 arg#3 memory, len pair leads to invalid memory access", "The buffer is smaller than its size says"],
  ["the prog does not allow writes to packet data", "The packet is read-only here"],
  ["R1 must have zero offset when passed to release func or trusted arg to kfunc", "Give back exactly what was taken"],
  ["more than one arg with ref_obj_id R3 4 2", "Only one acquired pointer per call"],
  ["invalid atomic operand size", "There is no such atomic operation"],
  ["div by zero", "Division by the constant 0"],
  ["invalid shift 64", "The shift is too wide"],
];

describe("headlines", () => {
  it.each(HEADLINES)("%s", (message, title) => {
    expect(hasLesson(message)).toBe(true);
    const told = explain(rejection(message), program([EXIT], null));
    expect(told.title).toBe(title);
    expect(told.causes.at(-1)!.text.length).toBeGreaterThan(20);
  });
});
