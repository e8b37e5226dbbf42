import { InternalError } from "../base/errors.ts";
import type { EventPlace, KernelEvent, KernelEventBody } from "../kernel/event-types.ts";
import { HEADER_SLOTS, KIND_BITS, OTHER, SLOTS_SHIFT } from "./layout.ts";
import { readEvent } from "./read-event.ts";
import type { EventList, EventPack } from "./types.ts";

/** Slots of a chunk: 64 KiB, which allocators hand out again without asking the system. No event lies across two. */
const CHUNK_BITS = 13;
const CHUNK_SLOTS = 1 << CHUNK_BITS;

interface Chunk {
  readonly words: Float64Array;
  readonly ints: Int32Array;
  readonly bytes: Uint8Array;
}

function makeChunk(): Chunk {
  const words = new Float64Array(CHUNK_SLOTS);
  return { words, ints: new Int32Array(words.buffer), bytes: new Uint8Array(words.buffer) };
}

/** A body that is kept as it is. */
interface Other {
  readonly seq: number;
  readonly body: KernelEventBody;
}

/**
 * The events of a run, packed (see `layout.ts`): some 50 bytes each, of which nothing is made but numbers until somebody reads one.
 *
 * Writing: {@link begin}, then the payload into `words`, `ints`, `bytes` from there on, then {@link end}. An event whose number is
 * known already (a replay) must be, bit for bit, the one that is known; this is checked.
 */
export class EventLog implements EventList {
  length = 0;
  /** The chunk that is being written, three times. */
  words: Float64Array;
  ints: Int32Array;
  bytes: Uint8Array;
  /** The first free slot in it. */
  #top = 0;
  readonly #chunks: Chunk[] = [];
  #starts = new Uint32Array(1024);
  readonly #strings: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #places: EventPlace[] = [];
  readonly #placeNumbers = new Map<string, number>();
  #others: Other[] = [];
  /** What happens past the end of the log is not kept: somebody looks for an earlier moment. */
  frozen = false;
  /** Takes every event in the place of this log, which then keeps none. */
  readonly #listener: ((event: KernelEvent) => void) | null;

  constructor(listener: ((event: KernelEvent) => void) | null = null) {
    this.#listener = listener;
    const chunk = makeChunk();
    this.#chunks.push(chunk);
    this.words = chunk.words;
    this.ints = chunk.ints;
    this.bytes = chunk.bytes;
  }

  // Writing.

  /** The number of a string. */
  text(string: string): number {
    const known = this.#numbers.get(string);
    if (known !== undefined) return known;
    const number = this.#strings.length;
    this.#strings.push(string);
    this.#numbers.set(string, number);
    return number;
  }

  /** The string of a number. */
  string(number: number): string {
    return this.#strings[number] as string;
  }

  /** The number of a place, from 1. */
  place(place: EventPlace): number {
    const name = `${place.programId} ${place.insn} ${place.line} ${place.functionName} ${place.program}`;
    const known = this.#placeNumbers.get(name);
    if (known !== undefined) return known;
    const number = this.#places.push(place);
    this.#placeNumbers.set(name, number);
    return number;
  }

  /** Where the payload of the next event goes: room for `slots`. */
  begin(slots: number): number {
    if (this.#top + HEADER_SLOTS + slots > CHUNK_SLOTS) this.#open(this.#chunks.length << CHUNK_BITS);
    return this.#top + HEADER_SLOTS;
  }

  /** The event whose payload has been written happens. `cpu` is -1 for none, `place` 0. */
  end(kind: number, slots: number, cpu: number, place: number, at: number, seq: number): void {
    const top = this.#top;
    this.ints[2 * top] = kind | ((cpu + 1) << KIND_BITS) | (slots << SLOTS_SHIFT);
    this.ints[2 * top + 1] = place;
    this.words[top + 1] = at;
    if (this.#listener !== null) this.#listener(this.#readAt(this.words, this.ints, top, seq));
    else if (seq !== this.length) this.#again(seq, slots);
    else if (!this.frozen) this.#keep(top + HEADER_SLOTS + slots);
  }

  /** An event that is kept as it is. */
  other(body: KernelEventBody, cpu: number, place: number, at: number, seq: number): void {
    const slot = this.begin(1);
    const known = this.#othersBefore(seq);
    if (seq < this.length) {
      const before = this.at(seq);
      if (before?.kind !== body.kind || JSON.stringify(this.#others[known]?.body) !== JSON.stringify(body))
        throw new InternalError(`replay differs at event ${seq}: ${body.kind} instead of ${before?.kind}`);
    } else if (!this.frozen) {
      this.#others[known] = { seq, body };
    }
    this.ints[2 * slot] = known;
    this.ints[2 * slot + 1] = 0;
    this.end(OTHER, 1, cpu, place, at, seq);
    if (this.#listener !== null) this.#others.length = 0;
  }

  #keep(top: number): void {
    if (this.length === this.#starts.length) {
      const starts = new Uint32Array(2 * this.length);
      starts.set(this.#starts);
      this.#starts = starts;
    }
    this.#starts[this.length++] = ((this.#chunks.length - 1) << CHUNK_BITS) | this.#top;
    this.#top = top;
  }

  /** A replay comes by: what was written past the end is what is known, or the engine is not deterministic. */
  #again(seq: number, slots: number): void {
    if (seq > this.length) {
      if (this.frozen) return;
      throw new InternalError(`event ${seq} leaves a gap`);
    }
    const start = this.#starts[seq] as number;
    const { ints } = this.#chunks[start >>> CHUNK_BITS] as Chunk;
    const from = 2 * (start & (CHUNK_SLOTS - 1));
    const own = 2 * this.#top;
    for (let i = 0; i < 2 * (HEADER_SLOTS + slots); i++) {
      if (ints[from + i] !== this.ints[own + i]) {
        const now = JSON.stringify(this.#readAt(this.words, this.ints, this.#top, seq));
        throw new InternalError(`replay differs at event ${seq}: ${now} instead of ${JSON.stringify(this.at(seq))}`);
      }
    }
  }

  /** Goes on writing at a slot of the whole log. */
  #open(slot: number): void {
    const index = slot >>> CHUNK_BITS;
    if (index === this.#chunks.length) this.#chunks.push(makeChunk());
    const chunk = this.#chunks[index] as Chunk;
    this.words = chunk.words;
    this.ints = chunk.ints;
    this.bytes = chunk.bytes;
    this.#top = slot & (CHUNK_SLOTS - 1);
  }

  /** Forgets what happened from `seq` on: the run takes another way there. */
  truncate(seq: number): void {
    if (seq >= this.length) return;
    const slot = this.#starts[seq] as number;
    this.length = seq;
    this.#others.length = this.#othersBefore(seq);
    this.#chunks.length = (slot >>> CHUNK_BITS) + 1;
    this.#open(slot);
  }

  // Reading.

  at(index: number): KernelEvent | undefined {
    const seq = index < 0 ? this.length + index : index;
    if (seq < 0 || seq >= this.length) return undefined;
    const start = this.#starts[seq] as number;
    const { words, ints } = this.#chunks[start >>> CHUNK_BITS] as Chunk;
    return this.#readAt(words, ints, start & (CHUNK_SLOTS - 1), seq);
  }

  #readAt(words: Float64Array, ints: Int32Array, top: number, seq: number): KernelEvent {
    return readEvent(words, ints, top, seq, {
      strings: this.#strings,
      places: this.#places,
      other: (index) => (this.#others[index] as Other).body,
    });
  }

  /** Virtual time of an event, ns, without reading the rest of it. */
  timeOf(seq: number): number {
    const start = this.#starts[seq] as number;
    return (this.#chunks[start >>> CHUNK_BITS] as Chunk).words[(start & (CHUNK_SLOTS - 1)) + 1] as number;
  }

  slice(from = 0, to = this.length): KernelEvent[] {
    const events: KernelEvent[] = [];
    for (let seq = from; seq < Math.min(to, this.length); seq++) events.push(this.at(seq) as KernelEvent);
    return events;
  }

  *[Symbol.iterator](): IterableIterator<KernelEvent> {
    for (let seq = 0; seq < this.length; seq++) yield this.at(seq) as KernelEvent;
  }

  toJSON(): KernelEvent[] {
    return this.slice();
  }

  #othersBefore(seq: number): number {
    let low = 0;
    let high = this.#others.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#others[middle] as Other).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Travelling: see `unpack-events.ts`.

  /** What somebody lacks who has the first `events` of these events, and so many of the strings and places. */
  pack(events: number, strings: number, places: number): EventPack {
    const from = Math.min(events, this.length);
    const words: Float64Array[] = [];
    if (from < this.length) {
      let slot = this.#starts[from] as number;
      const last = this.#chunks.length - 1;
      for (let index = slot >>> CHUNK_BITS; index <= last; index++) {
        const chunk = this.#chunks[index] as Chunk;
        words.push(chunk.words.slice(slot & (CHUNK_SLOTS - 1), index === last ? this.#top : this.#endOf(index)));
        slot = (index + 1) << CHUNK_BITS;
      }
    }
    const othersFrom = this.#othersBefore(from);
    return {
      from,
      words,
      stringsFrom: strings,
      strings: this.#strings.slice(strings),
      placesFrom: places,
      places: this.#places.slice(places),
      othersFrom,
      others: this.#others.slice(othersFrom).map((other) => other.body),
    };
  }

  /** Slots of a full chunk that are in use. */
  #endOf(index: number): number {
    const { ints } = this.#chunks[index] as Chunk;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) >>> CHUNK_BITS <= index) low = middle + 1;
      else high = middle;
    }
    const start = (this.#starts[low - 1] as number) & (CHUNK_SLOTS - 1);
    return start + HEADER_SLOTS + ((ints[2 * start] as number) >>> SLOTS_SHIFT);
  }

  /** Strings and places that this log knows, for {@link pack}. */
  get known(): { readonly strings: number; readonly places: number } {
    return { strings: this.#strings.length, places: this.#places.length };
  }

  /** Bytes that the packed events take. */
  get size(): number {
    return 8 * (((this.#chunks.length - 1) << CHUNK_BITS) + this.#top) + 4 * this.length;
  }
}
