import type { Errno } from "../abi/errno.ts";

/**
 * What happens in the kernel, in order. One flat list per run; `seq` counts from 0 without gaps, so a moment of a run
 * is named by the seq of the event before it. Plain data: structured-clonable, JSON-safe, no bigint (64-bit numbers
 * that a program returns are decimal strings).
 */
export interface EventBase {
  readonly seq: number;
  /** Virtual CLOCK_MONOTONIC, ns. */
  readonly at: number;
  /** CPU that did it; null for user space and for the kernel's own workers. */
  readonly cpu: number | null;
  /** Running program/callback: source place of the call, when known. */
  readonly place?: EventPlace;
}

export interface EventPlace {
  readonly programId: number;
  readonly program: string;
  readonly functionName: string;
  readonly insn: number;
  /** from 1; 0 when unknown */
  readonly line: number;
}

/** Stable ids: maps and programs as the kernel numbers them; elements `MAPID:KEYHEX`; timers `t:MAPID:KEYHEX`. */
export type ElementId = string;
export type TimerId = string;
/** `w:MAPID:KEYHEX` */
export type WorkId = string;
/** A node of the reference graph: `process:1`, `fd:1:3`, `pin:/sys/fs/bpf/x`, `link:1`, `prog:3`, `map:2`, `element:2:00000000`, `timer:2:00000000`, `work:2:00000000`. */
export type NodeId = string;

export type KernelEventBody =
  | {
      readonly kind: "syscall";
      readonly process: string;
      readonly text: string;
      readonly retval: number;
      readonly errno: Errno | null;
    }
  | { readonly kind: "map-create"; readonly map: number; readonly name: string }
  | { readonly kind: "map-free"; readonly map: number; readonly name: string }
  | { readonly kind: "prog-load"; readonly prog: number; readonly name: string }
  | {
      readonly kind: "prog-free";
      readonly prog: number;
      readonly name: string;
      readonly phase: "dying" | "unreachable" | "freed";
    }
  | {
      readonly kind: "element-update";
      readonly map: number;
      readonly element: ElementId;
      readonly by: "program" | "user";
      readonly created: boolean;
    }
  /** A program stored into a value in place: decoded member path, old and new value as text. */
  | {
      readonly kind: "value-write";
      readonly map: number;
      readonly element: ElementId;
      readonly member: string;
      readonly from: string;
      readonly to: string;
    }
  | {
      readonly kind: "element-delete";
      readonly map: number;
      readonly element: ElementId;
      readonly by: "program" | "user" | "eviction" | "kernel";
    }
  | {
      readonly kind: "prog-start";
      readonly prog: number;
      readonly run: number;
      readonly source: "test-run" | "timer" | "attach";
    }
  | { readonly kind: "prog-end"; readonly prog: number; readonly run: number; readonly retval: string }
  | {
      readonly kind: "helper";
      readonly name: string;
      readonly id: number;
      readonly args: readonly string[];
      readonly retval: string;
      readonly errno: Errno | null;
    }
  | {
      readonly kind: "timer-init";
      readonly timer: TimerId;
      readonly clock: "realtime" | "monotonic" | "boottime" | "jiffies";
      readonly retval: number;
      readonly errno: Errno | null;
    }
  | {
      readonly kind: "timer-callback-set";
      readonly timer: TimerId;
      readonly prog: number;
      readonly functionName: string;
    }
  /** Armed or moved; `expires` in the base of `at`, null when it lies beyond every recording. */
  | {
      readonly kind: "timer-arm";
      readonly timer: TimerId;
      readonly expires: number | null;
      readonly was: number | null;
      readonly onCpu: number;
    }
  | { readonly kind: "timer-cancel"; readonly timer: TimerId; readonly wasQueued: boolean }
  | {
      readonly kind: "timer-fire";
      readonly timer: TimerId;
      readonly run: number;
      readonly functionName: string;
      readonly late: number;
    }
  | { readonly kind: "timer-return"; readonly timer: TimerId; readonly run: number; readonly retval: string }
  | {
      readonly kind: "timer-drop";
      readonly timer: TimerId;
      readonly why:
        | "delete"
        | "update"
        | "eviction"
        | "last-user-reference"
        | "program-free"
        | "map-free"
        | "cancel-and-free";
    }
  | { readonly kind: "timer-free"; readonly timer: TimerId }
  | { readonly kind: "wq-init"; readonly work: WorkId; readonly retval: number; readonly errno: Errno | null }
  | { readonly kind: "wq-callback-set"; readonly work: WorkId; readonly prog: number; readonly functionName: string }
  /** `due`: when the worker of the CPU has woken up for it, ns; behind others it waits longer. */
  | { readonly kind: "wq-queue"; readonly work: WorkId; readonly due: number; readonly onCpu: number }
  | { readonly kind: "wq-cancel"; readonly work: WorkId; readonly wasQueued: boolean }
  /** `late`: ns behind `due`. */
  | {
      readonly kind: "wq-run";
      readonly work: WorkId;
      readonly run: number;
      readonly functionName: string;
      readonly late: number;
    }
  | { readonly kind: "wq-return"; readonly work: WorkId; readonly run: number; readonly retval: string }
  | {
      readonly kind: "wq-drop";
      readonly work: WorkId;
      readonly why: "delete" | "update" | "eviction" | "last-user-reference" | "map-free";
    }
  | { readonly kind: "wq-free"; readonly work: WorkId }
  | {
      readonly kind: "hold";
      readonly holder: NodeId;
      readonly target: NodeId;
      readonly count: "ref" | "user";
      readonly value: number;
    }
  | {
      readonly kind: "release";
      readonly holder: NodeId;
      readonly target: NodeId;
      readonly count: "ref" | "user";
      readonly value: number;
    }
  | {
      readonly kind: "walk";
      readonly prog: number;
      readonly map: number;
      readonly element: ElementId;
      readonly found: boolean;
    }
  | { readonly kind: "rcu-wait"; readonly what: string }
  | { readonly kind: "rcu-done"; readonly what: string }
  | { readonly kind: "wait"; readonly what: string; readonly on: TimerId | WorkId | null }
  | { readonly kind: "trace"; readonly text: string }
  | { readonly kind: "ringbuf"; readonly map: number; readonly bytes: number }
  | { readonly kind: "oops"; readonly oops: Oops }
  | { readonly kind: "leak"; readonly loop: readonly NodeId[] };

export type KernelEvent = EventBase & KernelEventBody;

/** A bug that Linux would report with a stack trace, or die of; here it is data and the page lives on. */
export interface Oops {
  readonly what:
    | "use-after-free"
    | "null-dereference"
    | "out-of-bounds"
    | "invalid-address"
    | "write-to-read-only"
    | "dead-stack"
    | "runaway"
    | "deadlock"
    | "invalid-instruction"
    | "stack-overflow"
    | "warn";
  /** One sentence in kernel words. */
  readonly message: string;
  readonly at: number;
  readonly cpu: number;
  readonly place: EventPlace | null;
  /** hex, when memory is concerned */
  readonly address: string | null;
  /** The object that the address belongs or belonged to. */
  readonly object: { readonly node: NodeId | null; readonly label: string; readonly freedAt: number | null } | null;
  /** r0..r10 in hex. */
  readonly registers: readonly string[];
}
