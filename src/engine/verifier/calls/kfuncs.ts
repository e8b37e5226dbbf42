import type { ProgTypeName } from "../../abi/types.ts";
import { progTypeName } from "../../abi/types.ts";

/** One argument of a kfunc. */
export type KfuncArg =
  | { readonly kind: "scalar"; readonly constant: boolean }
  | { readonly kind: "ignored" | "map" | "func" | "wq" | "irq" }
  /** The structure that is the context of some program types. */
  | { readonly kind: "ctx"; readonly struct: string }
  | { readonly kind: "mem"; readonly optional: boolean }
  | { readonly kind: "size"; readonly constant: boolean }
  | { readonly kind: "iter"; readonly iter: string; readonly role: "new" | "use" | "end" }
  | { readonly kind: "dynptr"; readonly role: "new" | "use"; readonly dynptr: string }
  | { readonly kind: "struct"; readonly struct: string };

export type KfuncReturn =
  | { readonly kind: "int" | "void" | "slice" | "slice_rdwr" }
  | { readonly kind: "mem"; readonly size: number }
  | { readonly kind: "struct"; readonly struct: string };

export interface Kfunc {
  readonly name: string;
  /** BTF id in the kernel that the cases were recorded on; the log prints it behind the name. */
  readonly id: number;
  readonly args: readonly KfuncArg[];
  readonly ret: KfuncReturn;
  /** Null is possible for the result. */
  readonly nullable: boolean;
  /** Pointers must be trusted and not null. */
  readonly trustedArgs: boolean;
  /** As `trustedArgs`, but pointers protected by RCU will do. */
  readonly rcu: boolean;
  readonly sleeps: boolean;
  readonly acquires: boolean;
  readonly releases: boolean;
  readonly changesPacket: boolean;
  readonly underLock: boolean;
  readonly offered: (type: ProgTypeName) => boolean;
}

/**
 * Kfuncs of Linux 6.18 that are modelled. Columns: name, id, marks, arguments, result, program types.
 * Marks: n result may be null, t trusted arguments, u protected by RCU is enough, s sleeps, a acquires, r releases, p changes the packet,
 * l allowed under a spin lock. Arguments: `int`, `const` (known constant), `ign` (not looked at), `ctx:STRUCT`, `map`, `func`, `wq`, `irq`; `mem`,
 * `mem?` with `sz` or `szk` (constant) behind it; `iter-new:K`, `iter:K`, `iter-end:K`; `dynptr`, `dynptr-new:K`; `ptr:STRUCT`.
 */
const TABLE = `
bpf_iter_num_new          | 64242 | l  | iter-new:num, int, int              | int              | *
bpf_iter_num_next         | 64245 | nl | iter:num                            | mem:4            | *
bpf_iter_num_destroy      | 64239 | l  | iter-end:num                        | void             | *
bpf_rcu_read_lock         | 65481 | .  |                                     | void             | *
bpf_rcu_read_unlock       | 65483 | .  |                                     | void             | *
bpf_preempt_disable       | 65280 | .  |                                     | void             | *
bpf_preempt_enable        | 65282 | .  |                                     | void             | *
bpf_local_irq_save        | 64474 | .  | irq                                 | void             | *
bpf_local_irq_restore     | 64472 | .  | irq                                 | void             | *
bpf_wq_init               | 66112 | .  | wq, map, int                        | int              | *
bpf_wq_set_callback_impl  | 66115 | .  | wq, func, int, ign                  | int              | *
bpf_wq_start              | 66118 | .  | wq, int                             | int              | *
bpf_dynptr_adjust         | 63851 | .  | dynptr, int, int                    | int              | *
bpf_dynptr_is_null        | 63879 | .  | dynptr                              | int              | *
bpf_dynptr_is_rdonly      | 63881 | .  | dynptr                              | int              | *
bpf_dynptr_size           | 63892 | .  | dynptr                              | int              | *
bpf_dynptr_clone          | 63856 | .  | dynptr, dynptr-new:same             | int              | *
bpf_dynptr_slice          | 63895 | n  | dynptr, int, mem?, szk              | slice            | *
bpf_dynptr_slice_rdwr     | 63897 | n  | dynptr, int, mem?, szk              | slice_rdwr       | *
bpf_dynptr_copy           | 63859 | .  | dynptr, int, dynptr, int, int       | int              | *
bpf_dynptr_memset         | 63884 | .  | dynptr, int, int, int               | int              | *
bpf_dynptr_from_skb       | 63866 | t  | ctx:__sk_buff, int, dynptr-new:skb  | int              | * but xdp syscall raw_tracepoint kprobe flow_dissector sk_lookup
bpf_dynptr_from_xdp       | 63874 | .  | ctx:xdp_md, int, dynptr-new:xdp     | int              | xdp
bpf_dynptr_from_skb_meta  | 63869 | t  | ctx:__sk_buff, int, dynptr-new:skb_meta | int              | sched_cls sched_act
bpf_xdp_pull_data         | 66169 | p  | ctx:xdp_md, int                     | int              | xdp
bpf_task_from_pid         | 65900 | na | int                                 | ptr:task_struct  | * but socket_filter sched_act raw_tracepoint kprobe lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb flow_dissector sk_lookup netfilter
bpf_task_from_vpid        | 65903 | na | int                                 | ptr:task_struct  | * but socket_filter sched_act raw_tracepoint kprobe lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb flow_dissector sk_lookup netfilter
bpf_task_acquire          | 65895 | nau | ptr:task_struct                    | ptr:task_struct  | * but socket_filter sched_act raw_tracepoint kprobe lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb flow_dissector sk_lookup netfilter
bpf_task_release          | 65910 | r  | ptr:task_struct                     | void             | * but socket_filter sched_act raw_tracepoint kprobe lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb flow_dissector sk_lookup netfilter
bpf_throw                 | 65988 | .  | int                                 | void             | * but socket_filter sched_act raw_tracepoint kprobe lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb flow_dissector sk_lookup netfilter
bpf_map_sum_elem_count    | 65091 | t  | ptr:bpf_map                         | int              | *
bpf_copy_from_user_str    | 63622 | s  | mem, sz, ign, int                   | int              | *
bpf_strcmp                | 65794 | .  | ign, ign                            | int              | *
bpf_strcasecmp            | 65787 | .  | ign, ign                            | int              | *
bpf_strlen                | 65816 | .  | ign                                 | int              | *
bpf_strnlen               | 65824 | .  | ign, int                            | int              | *
bpf_strchr                | 65790 | .  | ign, int                            | int              | *
bpf_strchrnul             | 65792 | .  | ign, int                            | int              | *
bpf_strrchr               | 65830 | .  | ign, int                            | int              | *
bpf_strnchr               | 65819 | .  | ign, int, int                       | int              | *
bpf_strspn                | 65833 | .  | ign, ign                            | int              | *
bpf_strcspn               | 65797 | .  | ign, ign                            | int              | *
bpf_strstr                | 65835 | .  | ign, ign                            | int              | *
bpf_strnstr               | 65827 | .  | ign, ign, int                       | int              | *
`;

/** Names of kfuncs that this kernel has and the playground does not model; BTF ids by name. */
const UNMODELLED: ReadonlyMap<string, number> = new Map(
  `bpf_arena_alloc_pages:63511 bpf_arena_free_pages:63514 bpf_arena_reserve_pages:63520 bpf_cast_to_kern_ctx:63548 bpf_cgroup_acquire:63552
bpf_cgroup_ancestor:63555 bpf_cgroup_from_id:63564 bpf_cgroup_release:63579 bpf_copy_from_user_dynptr:63619 bpf_copy_from_user_task_str:63632
bpf_cpumask_acquire:63667 bpf_cpumask_clear:63679 bpf_cpumask_create:63688 bpf_cpumask_first:63696 bpf_cpumask_release:63712
bpf_cpumask_set_cpu:63716 bpf_cpumask_test_cpu:63728 bpf_crypto_ctx_create:63740 bpf_crypto_decrypt:63748 bpf_crypto_encrypt:63750
bpf_ct_release:63789 bpf_get_task_exe_file:64074 bpf_iter_bits_destroy:64128 bpf_iter_bits_new:64131 bpf_iter_bits_next:64134
bpf_iter_css_destroy:64153 bpf_iter_css_new:64156 bpf_iter_css_next:64159 bpf_iter_task_destroy:64258 bpf_iter_task_new:64263
bpf_iter_task_next:64266 bpf_iter_task_vma_destroy:64272 bpf_iter_task_vma_new:64275 bpf_iter_task_vma_next:64278 bpf_list_back:64452
bpf_list_front:64454 bpf_list_pop_back:64458 bpf_list_pop_front:64460 bpf_list_push_back_impl:64463 bpf_list_push_front_impl:64465
bpf_obj_drop_impl:65200 bpf_obj_new_impl:65214 bpf_path_d_path:65243 bpf_percpu_obj_drop_impl:65255 bpf_percpu_obj_new_impl:65257
bpf_put_file:65454 bpf_rbtree_add_impl:65467 bpf_rbtree_first:65470 bpf_rbtree_remove:65475 bpf_rdonly_cast:65486
bpf_refcount_acquire_impl:65496 bpf_res_spin_lock:65506 bpf_res_spin_lock_irqsave:65509 bpf_res_spin_unlock:65512
bpf_res_spin_unlock_irqrestore:65515 bpf_send_signal_task:65561 bpf_session_cookie:65573 bpf_skb_ct_alloc:65666 bpf_skb_ct_lookup:65669
bpf_sock_destroy:65750 bpf_stream_vprintk_impl:65813 bpf_task_get_cgroup1:65906 bpf_task_under_cgroup:65921
bpf_task_work_schedule_resume_impl:65932 bpf_task_work_schedule_signal_impl:65934 bpf_xdp_ct_alloc:66132 bpf_xdp_ct_lookup:66135
bpf_xdp_metadata_rx_hash:66158 bpf_xdp_metadata_rx_timestamp:66161 bpf_xdp_metadata_rx_vlan_tag:66164`
    .split(/\s+/)
    .map((entry) => entry.split(":") as [string, string])
    .map(([name, id]) => [name, Number(id)]),
);

function parseArg(word: string): KfuncArg {
  const [head, tail] = word.split(":") as [string, string | undefined];
  switch (head) {
    case "int":
    case "const":
      return { kind: "scalar", constant: head === "const" };
    case "ign":
      return { kind: "ignored" };
    case "ctx":
      return { kind: "ctx", struct: tail! };
    case "map":
    case "func":
    case "wq":
    case "irq":
      return { kind: head };
    case "mem":
    case "mem?":
      return { kind: "mem", optional: head === "mem?" };
    case "sz":
    case "szk":
      return { kind: "size", constant: head === "szk" };
    case "dynptr":
      return { kind: "dynptr", role: "use", dynptr: "any" };
    case "dynptr-new":
      return { kind: "dynptr", role: "new", dynptr: tail! };
    case "ptr":
      return { kind: "struct", struct: tail! };
    default:
      return {
        kind: "iter",
        iter: tail!,
        role: head === "iter-new" ? "new" : head === "iter-end" ? "end" : "use",
      };
  }
}

function parseReturn(word: string): KfuncReturn {
  const [head, tail] = word.split(":") as [string, string | undefined];
  if (head === "mem") return { kind: "mem", size: Number(tail) };
  if (head === "ptr") return { kind: "struct", struct: tail! };
  return { kind: head as "int" | "void" | "slice" | "slice_rdwr" };
}

function parseTable(): Map<string, Kfunc> {
  const kfuncs = new Map<string, Kfunc>();
  for (const row of TABLE.trim().split("\n")) {
    const [name, id, marks, args, ret, types] = row.split("|").map((cell) => cell.trim()) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const words = types.split(" ");
    const all = words[0] === "*";
    const listed = new Set(words.slice(all ? 2 : 0));
    kfuncs.set(name, {
      name,
      id: Number(id),
      args: args === "" ? [] : args.split(", ").map(parseArg),
      ret: parseReturn(ret),
      nullable: marks.includes("n"),
      trustedArgs: marks.includes("t") || marks.includes("r"),
      rcu: marks.includes("u"),
      sleeps: marks.includes("s"),
      acquires: marks.includes("a"),
      releases: marks.includes("r"),
      changesPacket: marks.includes("p"),
      underLock: marks.includes("l"),
      offered: (type) => all !== listed.has(type),
    });
  }
  return kfuncs;
}

const KFUNCS: ReadonlyMap<string, Kfunc> = parseTable();

export function kfuncByName(name: string): Kfunc | undefined {
  return KFUNCS.get(name);
}

/** The kernel has a kfunc of this name that is not modelled here. */
export function isUnmodelledKfunc(name: string): boolean {
  return UNMODELLED.has(name);
}

/** BTF id of a kfunc for the log; 0 for a name that is none. */
export function kfuncId(name: string): number {
  return KFUNCS.get(name)?.id ?? UNMODELLED.get(name) ?? 0;
}

export function isKfuncOffered(kfunc: Kfunc, progType: number): boolean {
  const name = progTypeName(progType);
  return name !== undefined && kfunc.offered(name);
}
