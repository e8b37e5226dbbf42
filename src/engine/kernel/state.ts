import type { Errno } from "../abi/errno.ts";
import type { Dialect, PolicyName } from "../abi/types.ts";
import type { Prng } from "../base/prng.ts";
import type { SpecialFields } from "../btf/special-fields.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import type { VmFrame } from "../vm/frame.ts";
import type { NodeId, Oops, TimerId, WorkId } from "./event-types.ts";
import type { LastWrites } from "./last-writes.ts";

/** What a kernel is booted with. Times are ns. */
export interface KernelSettings {
  readonly policy: PolicyName;
  /** 1..8 */
  readonly cpus: number;
  readonly hz: 100 | 250 | 1000;
  readonly seed: number;
  /** Virtual ns that an instruction takes. */
  readonly insnCost: number;
  /** Report helper calls and stores to map values. Off: a run costs less and only its larger events are told. */
  readonly watch: boolean;
}

/** Who holds an object: each entry is one reference, `user` when it is a user reference too. The counts are the number of entries. */
export type Holders = Map<NodeId, { readonly user: boolean }>;

/**
 * Where the entries of a map lie in guest memory. A value is named by its offset (of CPU 0's copy in a per-CPU map);
 * the other CPUs' copies follow at `cpuStride`.
 */
export type MapStorage =
  | { readonly kind: "array"; readonly base: number; readonly stride: number; readonly cpuStride: number }
  | HashStorage
  /** Program or map ids by key (hex). */
  | { readonly kind: "slots"; readonly slots: Map<string, number>; readonly of: "prog" | "map"; readonly hash: boolean }
  /** Queue and stack: offsets of values, oldest first. */
  | { readonly kind: "list"; readonly values: number[]; readonly lifo: boolean }
  | { readonly kind: "ringbuf"; readonly ring: Ring }
  /** Dialect `timer-map`: control blocks by ID. */
  | { readonly kind: "timers"; readonly timers: Map<number, number>; nextTimerId: number };

/** A hash table in guest memory; layout in maps/hash-layout.ts. */
export interface HashStorage {
  readonly kind: "hash";
  /** Offset of the table of bucket heads, `mask + 1` words. */
  readonly buckets: number;
  readonly mask: number;
  /** Bytes of one element. */
  readonly elementSize: number;
  /** Offset of the key and of the value within an element. */
  readonly keyOffset: number;
  readonly valueOffset: number;
  /** Distance of the CPUs' copies of a value; 0 when there is one. */
  readonly cpuStride: number;
  readonly lru: boolean;
  /** Block of the preallocated elements, 0 when each is allocated on its own. */
  readonly pool: number;
  /** Elements of the pool never used so far begin here. */
  carved: number;
  readonly poolSize: number;
  /** Returned elements of the pool, last in, first out. */
  readonly free: number[];
  /** Preallocated maps: the spare element that an update of an existing key takes, per CPU. */
  readonly spare: number[];
  count: number;
  /** LRU list: most and least recently added; 0 when empty. */
  newest: number;
  oldest: number;
}

export interface Ring {
  /** Bytes taken by records that user space has not read, each with its 8-byte header. */
  used: number;
  /** Ever produced, and ever consumed: positions as BPF_RB_PROD_POS and BPF_RB_CONS_POS tell. */
  produced: number;
  consumed: number;
  /** Reserved or submitted records, oldest first. `at` is the offset of the data. */
  readonly records: { readonly at: number; readonly size: number; state: "busy" | "ready" | "discarded" }[];
}

export interface BpfMap {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly btf: Btf | null;
  /** Types that the kernel was told; 0 when there are none. */
  readonly keyType: BtfId;
  readonly valueType: BtfId;
  /** Types for showing entries, also where the kernel is not told. */
  readonly shownKeyType: BtfId;
  readonly shownValueType: BtfId;
  readonly special: SpecialFields;
  /** Offset of `struct bpf_timer` in the value, or -1. */
  readonly timerAt: number;
  readonly timerSize: number;
  /** Offset of `struct bpf_wq` in the value, or -1. */
  readonly wqAt: number;
  /** Offset of `struct bpf_spin_lock`, or -1. */
  readonly lockAt: number;
  readonly dialect: Dialect;
  /** What inner maps must look like; null for other maps. */
  readonly inner: InnerTemplate | null;
  /** Guest object that stands for `struct bpf_map`. */
  readonly address: number;
  readonly holders: Holders;
  readonly storage: MapStorage;
  /** When and by whom the values were written last. Kept with `watch` only. */
  readonly lastWrites: LastWrites;
  /** What is known of the members that programs store to; see watch.ts. Shared among all copies. */
  readonly members: Map<number, number>;
  frozen: boolean;
  freed: boolean;
}

export interface InnerTemplate {
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly btf: Btf | null;
  readonly keyType: BtfId;
  readonly valueType: BtfId;
  readonly special: SpecialFields;
}

export interface LoadedProgram {
  readonly id: number;
  readonly name: string;
  readonly section: string;
  readonly type: number;
  readonly dialect: Dialect;
  readonly expectedAttachType: number;
  readonly holders: Holders;
  /** Maps that it uses, by id. */
  readonly maps: readonly number[];
  /** Guest object that stands for the program's text; function pointers point into it. */
  readonly image: number;
  /** False for a program that no verifier passed. */
  readonly verified: boolean;
  /** live; dying: no reference is left; freed: its memory is gone. */
  state: "live" | "dying" | "freed";
  freedAt: number | null;
  runs: number;
}

/** A function of a program that the kernel calls; made once for each by `timers/callback.ts`. */
export interface Callback {
  readonly program: number;
  readonly entry: number;
  readonly name: string;
  /** What runs while it runs, in words. */
  readonly label: string;
  /** Numbers of name and label in the log. */
  readonly nameNumber: number;
  readonly labelNumber: number;
}

/** A timer's control block: what `struct bpf_timer` points to. */
export interface Timer {
  readonly id: TimerId;
  /** Number of `id` in the log. */
  readonly number: number;
  readonly label: string;
  /** Node of the reference graph, and its number in the log. */
  readonly node: NodeId;
  readonly nodeNumber: number;
  /** Dense number, reused; names it in the queues. */
  readonly index: number;
  /** Offset of the control block in guest memory; the key of `KernelState.timers`. */
  readonly control: number;
  /** Offset of `struct bpf_timer`. */
  readonly field: number;
  /** -1 for a timer outside every map (unverified programs). */
  readonly mapId: number;
  /** Offset of the value that it lies in; of the timer itself outside a map. */
  readonly valueAt: number;
  /** Key of its element, hex. */
  readonly key: string;
  readonly dialect: Dialect;
  readonly clock: "realtime" | "monotonic" | "boottime" | "jiffies";
  callback: Callback | null;
  /** The program whose reference it holds; null when it holds none. */
  holds: number | null;
  /** Due time: ns of its clock's base for an hrtimer, jiffies for a wheel timer; Infinity when it will never come. Meaningful while queued. */
  expires: number;
  armedAt: number | null;
  /** CPU in whose queue it is, or -1. */
  queuedOn: number;
  /** CPU that runs its callback, or -1. */
  runningOn: number;
  fired: number;
  /** Dropped: the field no longer points here. */
  detached: boolean;
  freed: boolean;
  /** Callbacks that are at this moment cancelling it. */
  cancelling: number;
}

/** A work item: what `struct bpf_wq` points to. */
export interface Work {
  readonly id: WorkId;
  readonly label: string;
  /** Node of the reference graph, and its number in the log. */
  readonly node: NodeId;
  readonly nodeNumber: number;
  /** Offset of its control block in guest memory; the key of `KernelState.works`. */
  readonly control: number;
  /** Offset of `struct bpf_wq`. */
  readonly field: number;
  /** -1 outside every map (unverified programs). */
  readonly mapId: number;
  /** Offset of the value that it lies in; of the field itself outside a map. */
  readonly valueAt: number;
  /** Key of its element, hex. */
  readonly key: string;
  callback: Callback | null;
  /** The program whose reference it holds; null when it holds none. */
  holds: number | null;
  /** CPU in whose list it waits for the worker, or -1. */
  queuedOn: number;
  /** When it was queued, and when the worker has woken up for it, ns. Meaningful while queued. */
  queuedAt: number;
  due: number;
  /** CPU whose worker runs its callback, or -1. */
  runningOn: number;
  ran: number;
  /** Dropped: the field no longer points here. */
  detached: boolean;
  freed: boolean;
}

/** Min-heap over dense timer numbers; see timers/hrtimer-queue.ts. */
export interface HrtimerQueue {
  /** Entries in the heap, and those of them that stand for a queued timer. */
  size: number;
  live: number;
  heap: Float64Array;
  /** By timer number: the tag of its entry, or -1. */
  current: Float64Array;
}

/** See timers/wheel.ts. */
export interface Wheel {
  /** The jiffy that is to be processed next. */
  clk: number;
  count: number;
  /** By bucket: first timer number, or -1. */
  readonly heads: Int32Array;
  /** One bit per bucket, two words per level. */
  readonly occupied: Int32Array;
  /** By timer number: neighbours in the bucket, the bucket (-1 when not queued), due jiffy. */
  next: Int32Array;
  previous: Int32Array;
  buckets: Int16Array;
  due: Float64Array;
}

export interface Cpu {
  readonly id: number;
  /** Ids of its tasks; the last one runs, those below are interrupted. */
  readonly stack: number[];
  readonly hrtimers: { readonly monotonic: HrtimerQueue; readonly boottime: HrtimerQueue };
  readonly wheel: Wheel;
  /** Control blocks of the work items that wait for the worker of this CPU, oldest first. */
  readonly works: number[];
  /** Time of the last timer interrupt, ns; -1 before the first. */
  served: number;
  /** Timers queued before this order were armed by then, those after it since. */
  servedOrder: number;
  /** Spin locks held: interrupts are off. */
  locksHeld: number;
}

/** A kernel operation in progress: `step` says where it is. Rules live in the table of operations, so that this clones. */
export interface OpFrame {
  readonly kind: "op";
  readonly name: string;
  step: number;
  // biome-ignore lint/suspicious/noExplicitAny: each operation owns the shape of its data.
  readonly data: Record<string, any>;
}

export type Frame = VmFrame | OpFrame;

/**
 * Something that executes: a system call, a softirq, a worker of the kernel for its own work, or (kworker) the worker of a CPU that
 * runs work items of programs.
 */
export interface Task {
  readonly id: number;
  /** -1 for kernel workers, which run beside the CPUs. */
  readonly cpu: number;
  readonly kind: "syscall" | "softirq" | "worker" | "kworker";
  readonly frames: Frame[];
  /** Local time, ns. */
  time: number;
  /** What it waits for; re-asked before each step. */
  wait: Wait | null;
  readonly stackBlock: number;
  /** Context of the program that it runs. */
  context: ContextDescriptor | null;
  /** Outcome of a system call, once the task is over. */
  result: SyscallResult | null;
  /** Id of the program run under way (`run` of events); 0 when none. */
  runId: number;
  /** Control block of the timer whose callback it runs, or 0. */
  timer: number;
  /** Control block of the work item whose callback it runs, or 0. */
  work: number;
  /** What runs, in words: `prog arm`, `callback timer_cb`, `map update`. */
  label: string;
  /** Number of `label` in the log; -1 until it is needed. */
  writer: number;
  /** Process that made the system call; 0 for none. */
  readonly process: number;
  /** Instructions (about) that compiled code has used in the run `spentBy`. */
  spent: number;
  spentBy: number;
  /** Depth of read-side critical sections (a running program is one). */
  rcu: number;
  /** Tail calls made by the running program. */
  tailCalls: number;
  /** Events that the running program has caused; beyond a limit the small ones are not told. */
  told: number;
}

export type Wait =
  | { readonly on: "callback"; readonly control: number; readonly what: string }
  | { readonly on: "rcu"; readonly ticket: number; readonly what: string }
  | { readonly on: "lock"; readonly at: number; readonly what: string }
  /** Until no worker is left. */
  | { readonly on: "workers"; readonly what: string };

/** What `ctx` points to, and where its fields come from. Offsets into guest memory; 0 when absent. */
export interface ContextDescriptor {
  /** The allocation that holds the context. */
  readonly block: number;
  /** Offset of the context. */
  readonly at: number;
  readonly size: number;
  readonly programType: number;
  readonly expectedAttachType: number;
  /** Packet data [data, end). */
  data: number;
  end: number;
  /** Block that holds the packet with its headroom and tailroom. */
  packetBlock: number;
  packetBlockSize: number;
  meta: number;
}

export interface RcuCallback {
  readonly ticket: number;
  /** Tasks that were in a read-side section when the grace period began. */
  readonly waitFor: number[];
  readonly what: string;
  /** Guest memory to give back. */
  readonly free: readonly number[];
  /** Control blocks of timers and work items to forget. */
  readonly timers: readonly number[];
  /** Started as a worker when the period ends. */
  readonly op: OpFrame | null;
}

export interface Process {
  readonly id: number;
  readonly name: string;
  readonly fds: Map<number, FileTarget>;
  nextFd: number;
  exited: boolean;
}

export interface FileTarget {
  readonly kind: "map" | "prog" | "link";
  readonly id: number;
}

export interface Link {
  readonly id: number;
  readonly program: number;
  readonly holders: Holders;
  gone: boolean;
}

/** Everything that changes, as plain data. Guest memory and executables lie beside it. */
export interface KernelState {
  /** Virtual CLOCK_MONOTONIC, ns. */
  now: number;
  /** Events emitted so far. */
  seq: number;
  nextMapId: number;
  nextProgId: number;
  nextLinkId: number;
  nextTask: number;
  nextRun: number;
  nextOrder: number;
  nextTicket: number;
  readonly prng: Prng;
  /** Freed maps and programs stay, marked, so that an older moment can be told. */
  readonly maps: Map<number, BpfMap>;
  readonly programs: Map<number, LoadedProgram>;
  readonly links: Map<number, Link>;
  readonly pins: Map<string, FileTarget>;
  readonly processes: Map<number, Process>;
  /** By control block. */
  readonly timers: Map<number, Timer>;
  /** By dense number: control block, 0 when free. */
  readonly timerControls: number[];
  readonly freeTimerIndexes: number[];
  /** By control block. */
  readonly works: Map<number, Work>;
  readonly cpus: readonly Cpu[];
  readonly tasks: Map<number, Task>;
  readonly rcu: RcuCallback[];
  /** Lines of bpf_trace_printk. */
  readonly trace: string[];
  readonly leaksReported: Set<string>;
  /** Blocks of stacks that are free for the next task. */
  readonly stacks: number[];
  failAllocations: number;
  oops: Oops | null;
}

/** The outcome of a system call. `retval` is -1 with an errno, as the C library tells it. */
export interface SyscallResult {
  readonly retval: number;
  readonly errno: Errno | null;
  /** Value or record that was read; all CPUs' values one after another (each padded to 8 bytes) for per-CPU maps. */
  readonly value?: Uint8Array;
  /** Key of map-next-key, lookup-and-delete. */
  readonly key?: Uint8Array;
  /** What BPF_PROG_TEST_RUN tells: the program's return value (u32), the packet and context afterwards. */
  readonly run?: { readonly retval: number; readonly data: Uint8Array; readonly context: Uint8Array };
}
