import type { EventPlace, KernelEvent, KernelEventBody } from "../kernel/event-types.ts";

/** Events in order, made when they are asked for: asking twice gives two objects that are equal. */
export interface EventList extends Iterable<KernelEvent> {
  readonly length: number;
  /** From the end when negative; undefined outside. */
  at(index: number): KernelEvent | undefined;
  /** Virtual time of an event, ns; `seq` must be that of one. */
  timeOf(seq: number): number;
  slice(from?: number, to?: number): KernelEvent[];
}

/** Packed events on their way elsewhere, and what they name. Plain data. */
export interface EventPack {
  /** The receiver's events from this one on are replaced. */
  readonly from: number;
  readonly words: readonly Float64Array[];
  /** The receiver's strings from `stringsFrom` on are these; and so on. */
  readonly stringsFrom: number;
  readonly strings: readonly string[];
  readonly placesFrom: number;
  readonly places: readonly EventPlace[];
  readonly othersFrom: number;
  readonly others: readonly KernelEventBody[];
}
