import type { EventPlace } from "./event-types.ts";

/** Where a run is to stop before an instruction. */
export type Breakpoint =
  /** The first instruction of every stretch of code of a line of the source (headers do not count). */
  | { readonly kind: "line"; readonly line: number }
  | { readonly kind: "insn"; readonly program: string; readonly insn: number };

/** What a run is to stop behind a change of. A store of the same value is no change, as in gdb. */
export type Watch =
  /** 0..10, in every function invocation of the program */
  | { readonly kind: "register"; readonly program: string; readonly register: number }
  /** The value under a key (hex), or a member of it; `member` is empty for the whole value. That an element comes or goes is a change. */
  | { readonly kind: "value"; readonly map: string; readonly key: string; readonly member: string };

export interface StopPoints {
  readonly breakpoints: readonly Breakpoint[];
  readonly watches: readonly Watch[];
}

/** Why and where a run has stopped: before the instruction at `place`. */
export interface StopReport {
  readonly reason: "breakpoint" | "watch";
  readonly watch: Watch | null;
  /** For a watch, the value before and after, as text; null when there is no such element. */
  readonly from: string | null;
  readonly to: string | null;
  /** Null when a worker or user space has made the change. */
  readonly cpu: number | null;
  /** Null when no program runs there. */
  readonly place: EventPlace | null;
}
