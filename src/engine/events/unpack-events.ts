import type { EventPlace, KernelEvent, KernelEventBody } from "../kernel/event-types.ts";
import { HEADER_SLOTS, SLOTS_SHIFT } from "./layout.ts";
import { readEvent } from "./read-event.ts";
import type { EventPack } from "./types.ts";

/** Makes events of what `EventLog.pack` sends, piece by piece and in the order in which it was sent. */
export class EventUnpacker {
  readonly #strings: string[] = [];
  readonly #places: EventPlace[] = [];
  readonly #others: KernelEventBody[] = [];

  /** The events from `pack.from` on. */
  unpack(pack: EventPack): KernelEvent[] {
    replaceFrom(this.#strings, pack.stringsFrom, pack.strings);
    replaceFrom(this.#places, pack.placesFrom, pack.places);
    replaceFrom(this.#others, pack.othersFrom, pack.others);
    const tables = {
      strings: this.#strings,
      places: this.#places,
      other: (index: number) => this.#others[index] as KernelEventBody,
    };
    const events: KernelEvent[] = [];
    for (const words of pack.words) {
      const ints = new Int32Array(words.buffer, words.byteOffset, 2 * words.length);
      for (let at = 0; at < words.length; at += HEADER_SLOTS + ((ints[2 * at] as number) >>> SLOTS_SHIFT))
        events.push(readEvent(words, ints, at, pack.from + events.length, tables));
    }
    return events;
  }
}

function replaceFrom<T>(list: T[], from: number, items: readonly T[]): void {
  list.length = from;
  for (const item of items) list.push(item);
}
