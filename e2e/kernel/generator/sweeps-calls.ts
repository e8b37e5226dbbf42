import { helperById, LAST_HELPER } from "../../../src/engine/abi/helpers.ts";
import * as op from "../../../src/engine/isa/opcodes.ts";
import { kfuncByName } from "../../../src/engine/verifier/calls/kfuncs.ts";
import type { GeneratedProgram } from "./generate-program.ts";
import { callKfunc, type Draft, operandsOf } from "./operands.ts";
import { program } from "./swept-program.ts";
import { HASH, RB, TMR } from "./universe.ts";

/** Arguments that suit a helper's prototype, as far as the universe has them. */
function usual(draft: Draft, id: number, position: number): void {
  const { b } = draft;
  const r = position + 1;
  const spec = helperById(id)?.args[position];
  switch (spec?.arg.kind) {
    case "map":
      b.map(r, id >= 169 && id <= 172 ? TMR : id === 130 || id === 131 ? RB : HASH);
      break;
    case "ctx":
      b.mov(r, 9);
      break;
    case "key":
    case "value":
    case "mem":
    case "str":
      b.mov(r, 10);
      b.alu(op.BPF_ADD, r, -64);
      break;
    case "func":
      b.functionAddress(r, draft.callback);
      draft.usesCallback = true;
      break;
    case "size":
    case "alloc":
      b.movImm(r, 8);
      break;
    default:
      b.movImm(r, 0);
  }
}

/** Every kind of operand as each argument of every helper, the other arguments as they should be. */
export function* helpers(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp", "sched_cls", "syscall", "kprobe"] as const)
    for (let id = 0; id <= LAST_HELPER + 1; id++) {
      const count = helperById(id)?.args.length ?? 0;
      for (let position = 0; position < Math.max(1, count); position++)
        for (const [, operand] of operandsOf(typeName))
          yield program(typeName, serial++, (draft) => {
            for (let at = -64; at < 0; at += 8) draft.b.storeImm(op.BPF_DW, 10, at, 0);
            operand(draft, 6);
            for (let i = 0; i < count; i++) if (i !== position) usual(draft, id, i);
            draft.b.mov(position + 1, 6);
            draft.b.helper(id);
            draft.b.mov(7, 0);
          });
    }
}

/** Those that are modelled, but for the work queue's: `bpf_wq_init` with a map that has none can crash 6.18. */
const KFUNCS = [
  "iter_num_new iter_num_next iter_num_destroy rcu_read_lock rcu_read_unlock preempt_disable preempt_enable local_irq_save",
  "local_irq_restore dynptr_adjust dynptr_is_null dynptr_is_rdonly dynptr_size dynptr_clone dynptr_slice dynptr_slice_rdwr dynptr_copy",
  "dynptr_memset dynptr_from_skb dynptr_from_xdp dynptr_from_skb_meta xdp_pull_data task_from_pid task_acquire task_release throw",
  "map_sum_elem_count copy_from_user_str strcmp strlen strnlen strchr strspn strstr",
].flatMap((line) => line.split(" ").map((name) => `bpf_${name}`));

function usualOfKfunc(draft: Draft, name: string, position: number): void {
  const { b } = draft;
  const r = position + 1;
  const arg = kfuncByName(name)?.args[position];
  switch (arg?.kind) {
    case "ctx":
      b.mov(r, 9);
      break;
    case "iter":
      b.mov(r, 10);
      b.alu(op.BPF_ADD, r, arg.role === "new" ? -216 : -144);
      break;
    case "dynptr":
      b.mov(r, 10);
      b.alu(op.BPF_ADD, r, arg.role === "new" ? -240 : -168);
      break;
    case "mem":
    case "irq":
    case "ignored":
      b.mov(r, 10);
      b.alu(op.BPF_ADD, r, -64);
      break;
    case "size":
      b.movImm(r, 8);
      break;
    default:
      b.movImm(r, 1);
  }
}

/** Ends the iterator that the operand of this name begins. */
function destroyIterator(draft: Draft): void {
  draft.b.mov(1, 10);
  draft.b.alu(op.BPF_ADD, 1, -144);
  callKfunc(draft, "bpf_iter_num_destroy");
}

/** Every kind of operand as each argument of every kfunc, the other arguments as they should be. */
export function* kfuncs(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp", "sched_cls", "syscall"] as const) {
    const operands = operandsOf(typeName);
    for (const name of KFUNCS) {
      const args = kfuncByName(name)?.args ?? [];
      const count = args.length;
      const iterates = args.some((arg) => arg.kind === "iter" && arg.role !== "new");
      for (let position = 0; position < Math.max(1, count); position++)
        for (const [, operand] of operands)
          yield program(typeName, serial++, (draft) => {
            const { b } = draft;
            for (let at = -64; at < 0; at += 8) b.storeImm(op.BPF_DW, 10, at, 0);
            // What the usual arguments need is there.
            if (iterates) operands.get("iterator")?.(draft, 6);
            if (iterates && name !== "bpf_iter_num_destroy") draft.atEnd = () => destroyIterator(draft);
            if (args.some((arg) => arg.kind === "dynptr")) operands.get("dynptr of a value")?.(draft, 6);
            operand(draft, 6);
            for (let i = 0; i < count; i++) if (i !== position) usualOfKfunc(draft, name, i);
            b.mov(position + 1, 6);
            callKfunc(draft, name);
            const result = kfuncByName(name)?.ret.kind;
            if (result === "void") return;
            b.mov(7, 0);
            b.branch(op.BPF_JEQ, 7, 0, draft.out);
            if (result !== "int") b.load(op.BPF_B, 8, 7, 0);
          });
    }
  }
}

/** Where things are done: under a lock, in an RCU section, with preemption or interrupts off, in a callback, with a record held. */
type Section = (draft: Draft, inside: () => void) => void;

const SPIN_LOCK = 93;
const SPIN_UNLOCK = 94;
const RINGBUF_DISCARD = 133;
const LOOP = 181;

const SECTIONS: Readonly<Record<string, Section>> = {
  lock: (draft, inside) => {
    const { b } = draft;
    operandsOf("xdp").get("lock")?.(draft, 7);
    b.mov(1, 7);
    b.helper(SPIN_LOCK);
    inside();
    b.mov(1, 7);
    b.helper(SPIN_UNLOCK);
  },
  rcu: (draft, inside) => {
    callKfunc(draft, "bpf_rcu_read_lock");
    inside();
    callKfunc(draft, "bpf_rcu_read_unlock");
  },
  preempt: (draft, inside) => {
    callKfunc(draft, "bpf_preempt_disable");
    inside();
    callKfunc(draft, "bpf_preempt_enable");
  },
  irq: (draft, inside) => {
    const { b } = draft;
    b.mov(1, 10);
    b.alu(op.BPF_ADD, 1, -72);
    callKfunc(draft, "bpf_local_irq_save");
    inside();
    b.mov(1, 10);
    b.alu(op.BPF_ADD, 1, -72);
    callKfunc(draft, "bpf_local_irq_restore");
  },
  iterator: (draft, inside) => {
    operandsOf("xdp").get("iterator")?.(draft, 7);
    inside();
    destroyIterator(draft);
  },
  record: (draft, inside) => {
    const { b } = draft;
    operandsOf("xdp").get("record")?.(draft, 7);
    inside();
    b.mov(1, 7);
    b.movImm(2, 0);
    b.helper(RINGBUF_DISCARD);
  },
  callback: (draft, inside) => {
    const { b } = draft;
    b.movImm(1, 3);
    b.functionAddress(2, draft.callback);
    b.movImm(3, 0);
    b.movImm(4, 0);
    b.helper(LOOP);
    draft.usesCallback = true;
    draft.insideCallback = inside;
  },
};

/** Every helper and kfunc in every section, and every way out of it. */
export function* sections(): Iterable<GeneratedProgram> {
  let serial = 0;
  for (const typeName of ["xdp", "sched_cls", "syscall", "kprobe"] as const)
    for (const section of Object.values(SECTIONS)) {
      const within = (inside: (draft: Draft) => void): GeneratedProgram =>
        program(typeName, serial++, (draft) =>
          section(draft, () => {
            for (let at = -64; at < 0; at += 8) draft.b.storeImm(op.BPF_DW, 10, at, 0);
            inside(draft);
          }),
        );
      for (let id = 0; id <= LAST_HELPER; id++)
        yield within((draft) => {
          const count = helperById(id)?.args.length ?? 0;
          for (let i = 0; i < count; i++) usual(draft, id, i);
          draft.b.helper(id);
          draft.b.movImm(0, 0);
        });
      for (const name of KFUNCS)
        yield within((draft) => {
          const count = kfuncByName(name)?.args.length ?? 0;
          for (let i = 0; i < count; i++) usualOfKfunc(draft, name, i);
          callKfunc(draft, name);
          draft.b.movImm(0, 0);
        });
      yield within(({ b }) => b.exit());
      yield within((draft) => {
        draft.b.movImm(1, 0);
        callKfunc(draft, "bpf_throw");
      });
      yield within((draft) => {
        draft.b.helper(7);
        draft.b.branch(op.BPF_JEQ, 0, 0, draft.out);
      });
      if (section !== SECTIONS.callback) yield within((draft) => section(draft, () => draft.b.movImm(0, 0)));
    }
}
