import type { PolicyName } from "../abi/types.ts";
import type { NodeId, Oops, TimerId, WorkId } from "../kernel/event-types.ts";

/**
 * The kernel at one moment, read only, decoded through BTF. Plain data without bigint: what panels draw and what the CLI prints.
 * Times are ns of virtual CLOCK_MONOTONIC, exact up to 2^53 (104 days); an expiry beyond that is null ("never").
 */
export interface Snapshot {
  /** Events that happened before this moment. */
  readonly seq: number;
  readonly now: number;
  readonly jiffies: number;
  readonly hz: 100 | 250 | 1000;
  readonly policy: PolicyName;
  readonly cpus: readonly CpuSnapshot[];
  readonly programs: readonly ProgramSnapshot[];
  readonly maps: readonly MapSnapshot[];
  /** Timers, then work queues. Of either at most {@link TIMERS_SHOWN}: those that run and those that are due first. */
  readonly timers: readonly TimerSnapshot[];
  /** Timers in all, when not all of them are in `timers`. */
  readonly timerCount?: number;
  readonly queues: readonly QueueSnapshot[];
  readonly graph: GraphSnapshot;
  readonly oops: Oops | null;
}

export interface CpuSnapshot {
  readonly id: number;
  readonly state: "idle" | "program" | "callback" | "kernel";
  /** What it runs, innermost; null when idle. */
  readonly running: {
    readonly programId: number;
    readonly program: string;
    readonly functionName: string;
    readonly insn: number;
    readonly line: number;
    readonly timer: TimerId | WorkId | null;
    /** Registers r0..r10 in hex. */
    readonly registers: readonly string[];
  } | null;
}

export interface ProgramSnapshot {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly refcnt: number;
  readonly runs: number;
  readonly state: "live" | "dying" | "freed";
}

export interface MapSnapshot {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly count: number;
  readonly refcnt: number;
  readonly usercnt: number;
  /** Columns for tables: members of the value struct (or one unnamed column). */
  readonly columns: readonly { readonly name: string; readonly typeName: string }[];
  readonly keyTypeName: string;
  /** The first {@link MAP_ROWS_SHOWN} entries in iteration order. */
  readonly rows: readonly MapRow[];
  readonly freed: boolean;
}

export const MAP_ROWS_SHOWN = 1000;
export const TIMERS_SHOWN = 1000;
/** Timers with their elements that the reference graph shows. */
export const GRAPH_TIMERS_SHOWN = 250;

export interface MapRow {
  /** `element:MAPID:KEYHEX` */
  readonly node: NodeId;
  readonly key: DecodedValue;
  readonly keyHex: string;
  readonly value: DecodedValue;
  /** Per-CPU maps: one value per CPU instead (then `value` is that of CPU 0). */
  readonly perCpu: readonly DecodedValue[] | null;
  readonly lastWrite: { readonly at: number; readonly by: string; readonly seq: number } | null;
}

export type DecodedValue =
  /** int, enum, pointer, bool, char, float and bit-fields: text as the script writes it */
  | { readonly kind: "scalar"; readonly text: string; readonly typeName: string; readonly symbol?: string }
  | {
      readonly kind: "struct";
      readonly typeName: string;
      readonly members: readonly { readonly name: string; readonly offset: number; readonly value: DecodedValue }[];
    }
  | {
      readonly kind: "array";
      readonly typeName: string;
      readonly items: readonly DecodedValue[];
      readonly text: string | null;
    }
  | { readonly kind: "timer"; readonly timer: TimerId | null; readonly state: TimerState }
  | { readonly kind: "work"; readonly work: WorkId | null; readonly state: TimerState }
  | { readonly kind: "spin-lock"; readonly locked: boolean }
  | { readonly kind: "object"; readonly node: NodeId; readonly label: string }
  | { readonly kind: "bytes"; readonly hex: string };

export type TimerState = "none" | "idle" | "armed" | "firing" | "freed";

/** A timer, or a work queue: what has a callback and will call it. */
export interface TimerSnapshot {
  readonly kind: "timer" | "work";
  readonly id: TimerId | WorkId;
  readonly label: string;
  readonly mapId: number;
  readonly element: NodeId;
  readonly state: TimerState;
  /** `worker` for a work queue. */
  readonly clock: string;
  /** For a work queue: when the worker has woken up. null when idle, or beyond every recording. */
  readonly expires: number | null;
  readonly armedAt: number | null;
  readonly cpu: number | null;
  readonly callback: { readonly programId: number; readonly program: string; readonly functionName: string } | null;
  readonly fired: number;
  /** Timer wheel position, for timer_list timers. */
  readonly wheel: { readonly level: number; readonly bucket: number; readonly expiresJiffies: number } | null;
}

/** What one CPU's base will run next, in order: an hrtimer strip or a timer wheel. */
export interface QueueSnapshot {
  readonly cpu: number;
  readonly base: "monotonic" | "boottime" | "wheel";
  readonly timers: readonly TimerId[];
  /** Occupied buckets of a wheel. */
  readonly buckets: readonly { readonly level: number; readonly bucket: number; readonly timers: readonly TimerId[] }[];
}

export type NodeKind = "process" | "fd" | "pin" | "link" | "program" | "map" | "element" | "timer" | "work";

export interface GraphSnapshot {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** Nodes of loops that nothing outside holds any more. */
  readonly leaks: readonly (readonly NodeId[])[];
}

export interface GraphNode {
  readonly id: NodeId;
  readonly kind: NodeKind;
  readonly label: string;
  readonly detail: string;
  /** refcnt, for programs and maps */
  readonly refs: number | null;
  /** usercnt, for maps */
  readonly users: number | null;
  readonly state: "live" | "firing" | "dying" | "freed" | "leaked";
  readonly timerState?: TimerState;
  /** fds belong to their process node. */
  readonly parent?: NodeId;
}

export interface GraphEdge {
  readonly id: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** holds: counts in refcnt. user: counts in usercnt too. points: keeps nothing alive. owns: part of its container (map -> element -> timer). */
  readonly kind: "holds" | "user" | "points" | "owns";
  readonly label: string;
}
