import type { Facts } from "./facts.ts";
import { callsOnPath, lineAt } from "./facts.ts";
import type { Lesson } from "./lesson.ts";
import { lesson } from "./lesson.ts";

/** Places on the failing path where a call of this kind stands, told as `verb here: C line`. */
function told(facts: Facts, verb: string, wanted: (name: string) => boolean): { text: string; insn: number }[] {
  return callsOnPath(facts, wanted).map((insn) => {
    const line = lineAt(facts.program, insn);
    return { text: line === null ? `${verb} here` : `${verb} here: \`${line.text.trim()}\``, insn };
  });
}

const TAKES =
  /^bpf_(?:ringbuf_reserve(?:_dynptr)?|sk_lookup_\w+|skc_lookup_tcp|iter_\w+_new|task_(?:acquire|from_v?pid))$/;
const GIVES = /^bpf_(?:ringbuf_(?:submit|discard)(?:_dynptr)?|sk_release|iter_\w+_destroy|task_release)$/;

/** Things that a program takes and must give back: references, locks, sections, dynptrs, iterators. */
export const OBJECT_LESSONS: readonly Lesson[] = [
  {
    pattern:
      /^(BPF_EXIT instruction in main prog|tail_call|bpf_throw|BPF_LD_\[ABS\|IND\]) would lead to reference leak$/,
    title: () => "Something that was taken is not given back",
    why: (m) =>
      `The program can reach ${m[1] === "tail_call" ? "the tail call" : "its end"} with a reference in hand: a ring buffer record, a socket, a task or an iterator that was acquired on this path and neither submitted, released nor destroyed.`,
    fix: (_m, f) => {
      const takes = callsOnPath(f, (name) => TAKES.test(name)).length;
      if (takes > 0 && takes === callsOnPath(f, (name) => name === "bpf_ringbuf_reserve").length) {
        return "Call `bpf_ringbuf_submit(record, 0)` or `bpf_ringbuf_discard(record, 0)` on every path on which the record is not NULL.";
      }
      return "Release it on every path: submit or discard records, release sockets and tasks, destroy iterators.";
    },
    earlier: (f) => [
      ...told(f, "taken", (name) => TAKES.test(name)),
      ...told(f, "given back", (name) => GIVES.test(name)),
    ],
  },
  {
    pattern: /cannot be used inside bpf_spin_lock-ed region$/,
    title: () => "The lock is still held at the end",
    why: () =>
      "A path leaves the program between bpf_spin_lock and bpf_spin_unlock; the next one to lock would wait forever.",
    fix: () => "Unlock on every path, early returns included.",
    earlier: (f) => told(f, "locked", (name) => name === "bpf_spin_lock").slice(-1),
  },
  {
    pattern: /cannot be used inside bpf_rcu_read_lock-ed region$/,
    title: () => "The RCU section is still open at the end",
    why: () => "A path leaves the program without bpf_rcu_read_unlock.",
    fix: () => "Call bpf_rcu_read_unlock() on every path.",
    earlier: (f) => told(f, "opened", (name) => name === "bpf_rcu_read_lock").slice(-1),
  },
  {
    pattern: /cannot be used inside bpf_preempt_disable-ed region$/,
    title: () => "Preemption is still disabled at the end",
    why: () => "A path leaves the program with more bpf_preempt_disable than bpf_preempt_enable.",
    fix: () => "Enable preemption as often as it was disabled, on every path.",
  },
  {
    pattern: /cannot be used inside bpf_local_irq_save-ed region$/,
    title: () => "Interrupts are still off at the end",
    why: () => "A path leaves the program without bpf_local_irq_restore.",
    fix: () => "Restore the saved flags on every path.",
  },
  {
    pattern: /^function calls are not allowed while holding a lock$/,
    title: () => "No helper may be called under a spin lock",
    why: (_m, f) =>
      `${f.callee || "This call"} could take long, sleep or want a lock of its own; between lock and unlock only plain reads, writes and static functions are allowed.`,
    fix: () => "Do the call before locking or after unlocking.",
    earlier: (f) => told(f, "locked", (name) => name === "bpf_spin_lock").slice(-1),
  },
  lesson(
    /^use static function instead$/,
    "No global function may be called under a spin lock",
    "Global functions are verified by themselves, without knowing that a lock is held.",
    "Make the function static, or call it outside of the locked part.",
  ),
  lesson(
    /^a non-sleepable BPF program context$/,
    "A function that may sleep is called where sleeping is forbidden",
    "The called global function contains a sleeping helper. Here the program may not sleep: it never may, or it is inside an RCU, preemption or interrupt section.",
    "Move the call outside of the section, or remove the sleeping helper.",
  ),
  lesson(
    /^bpf_spin_unlock without taking a lock$/,
    "Nothing is locked here",
    "On this path bpf_spin_lock was not called before.",
    "Pair every unlock with a lock on the same path.",
  ),
  lesson(
    /^bpf_spin_unlock of different lock$/,
    "This unlocks another lock than the one held",
    "Linux goes by the pointer, not by the element: a second lookup of the same key counts as another lock.",
    "Keep the pointer that was locked, and unlock through it.",
  ),
  lesson(
    /^Locking two bpf_spin_locks are not allowed$/,
    "Only one lock at a time",
    "Two programs taking two locks in different order would wait for each other forever, so a program may hold one lock only.",
    "Unlock the first before locking the second.",
  ),
  lesson(
    /^R(\d+) must be referenced when passed to release function$/,
    "This pointer is not yours to release",
    "The call gives a reference back, but the pointer did not come from a call that takes one.",
    "Release only what was acquired by this program.",
  ),
  lesson(
    /^arg (\d+) is an unacquired reference$/,
    "This dynptr was not reserved",
    "Submit and discard give a reserved ring buffer record back; this place of the stack holds none.",
    "Call bpf_ringbuf_reserve_dynptr first, on every path, and submit or discard exactly once.",
  ),
  lesson(
    /^Expected an initialized dynptr as arg #(\d+)$/,
    "There is no dynptr in this variable",
    "On this path the variable was never initialised as a dynptr, was released already, or was overwritten by an ordinary store.",
    "Initialise the dynptr first, and write to it through helpers only.",
  ),
  lesson(
    /^Dynptr has to be an uninitialized dynptr$/,
    "A dynptr cannot be made here",
    "It needs 16 bytes of stack at a fixed place that is aligned to 8 and holds no other object.",
    "Declare `struct bpf_dynptr` as a local variable of its own.",
  ),
  lesson(
    /^cannot overwrite referenced dynptr$/,
    "This would lose a reserved record",
    "The dynptr holds a ring buffer record that was neither submitted nor discarded; overwriting it would leak the record.",
    "Submit or discard it first.",
  ),
  lesson(
    /^potential write to dynptr at off=(-?\d+) disallowed$/,
    "The helper would write over a dynptr",
    "The output memory given to the helper overlaps a dynptr on the stack.",
    "Give the helper a buffer of its own.",
  ),
  lesson(
    /^(?:cannot pass pointer to const bpf_dynptr, the helper mutates it|cannot release unowned const bpf_dynptr)$/,
    "This dynptr is only lent",
    "A callback may read the dynptr that it was handed, but neither change nor release it.",
    "Only read through it, for example with bpf_dynptr_read.",
  ),
  lesson(
    /^expected an initialized iter_(\w+) as arg #(\d+)$/,
    "There is no iterator in this variable",
    "On this path the iterator was never started, was destroyed already, or was overwritten.",
    "Call the iterator's `_new` first and `_destroy` once at the end.",
  ),
  lesson(
    /^expected uninitialized iter_(\w+) as arg #(\d+)$/,
    "An iterator cannot be started here",
    "The variable holds a live iterator already, or its place on the stack is not aligned to 8.",
    "Destroy the old iterator first, or use a second variable.",
  ),
  lesson(
    /^arg#(\d+) expected pointer to an iterator on stack$/,
    "An iterator lives on the stack",
    "The argument is no pointer to a local variable.",
    "Declare the iterator as a local variable and pass its address.",
  ),
  lesson(
    /^expected (?:an initialized|uninitialized) irq flag as arg#(\d+)$/,
    "Saved interrupt flags do not match",
    "The variable must be empty when flags are saved into it, and hold saved flags when they are restored.",
    "Save into a variable of its own, and restore the same variable exactly once.",
  ),
  lesson(
    /^cannot restore irq state out of order/,
    "Interrupt flags must be restored in reverse order",
    "Sections nest: the one that was opened last is closed first.",
    "Restore the flags that were saved last before the earlier ones.",
  ),
  lesson(
    /^nested rcu read lock/,
    "RCU sections do not nest",
    "bpf_rcu_read_lock is called on a path that is inside such a section already.",
    "Remove the inner pair.",
  ),
  lesson(
    /^unmatched rcu read unlock/,
    "No RCU section is open here",
    "On this path bpf_rcu_read_lock was not called before.",
    "Pair every unlock with a lock on the same path.",
  ),
  lesson(
    /^unmatched attempt to enable preemption/,
    "Preemption is not disabled here",
    "On this path there are more bpf_preempt_enable than bpf_preempt_disable.",
    "Pair them on every path.",
  ),
  lesson(
    /^(?:helper call might sleep in a non-sleepable prog|program must be sleepable to call sleepable kfunc \w+)$/,
    "This function may sleep, and here nothing may",
    'It may wait, for example for a page of user memory. Timer callbacks and most programs run where the kernel cannot wait; only sleepable programs (`SEC("….s")`, syscall) may, and never inside their timer callbacks.',
    "Call it from a sleepable program, or use a variant that does not wait (bpf_probe_read_user for bpf_copy_from_user).",
  ),
  lesson(
    /(?:^sleepable helper \w+#\d+ in (?:rcu_read_lock|non-preemptible|IRQ-disabled) region$|^kernel func \w+ is sleepable within)/,
    "Nothing may sleep inside this section",
    "Between the section's begin and end the kernel cannot wait, and this function may.",
    "Do the call before the section or after it.",
  ),
  lesson(
    /^release kernel function (\w+) expects refcounted PTR_TO_BTF_ID$/,
    "This pointer is not yours to release",
    "The function gives a reference back, but the pointer did not come from a function that takes one.",
    "Release only what was acquired by this program.",
  ),
];
