import type { Kernel } from "./kernel.ts";
import type { BpfMap } from "./state.ts";

const CACHED = 256;
const RANGES = 4;

/**
 * What guest pointers point to, for telling. The same few are asked for again and again: they are remembered until memory is next
 * handed out or given back.
 */
export class Pointers {
  readonly #kernel: Kernel;
  #generation = -1;
  readonly #offsets = new Float64Array(CACHED).fill(-1);
  /** Number of the label; -1 for a pointer to nothing that is known. */
  readonly #labels = new Int32Array(CACHED);
  readonly #into = new Int32Array(CACHED);
  readonly #from = new Float64Array(RANGES);
  readonly #to = new Float64Array(RANGES);
  readonly #maps: (BpfMap | null)[] = new Array<BpfMap | null>(RANGES).fill(null);
  #next = 0;
  /** Of the pointer that {@link find} found last: the label's number in the log, and the distance from the object's start. */
  label = 0;
  into = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  #refresh(): void {
    const { generation } = this.#kernel.memory;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#offsets.fill(-1);
    this.#to.fill(0);
  }

  /** Looks for the object behind an offset; false when there is none. */
  find(offset: number): boolean {
    this.#refresh();
    const slot = (offset ^ (offset >>> 8)) & (CACHED - 1);
    if (this.#offsets[slot] !== offset) this.#look(offset, slot);
    this.label = this.#labels[slot] as number;
    this.into = this.#into[slot] as number;
    return this.label >= 0;
  }

  #look(offset: number, slot: number): void {
    const { memory, log } = this.#kernel;
    this.#offsets[slot] = offset;
    this.#into[slot] = 0;
    const map = this.#kernel.mapAt(offset);
    if (map !== null) {
      this.#labels[slot] = log.text(`&${map.name}`);
      return;
    }
    const object = memory.objectAt(offset);
    this.#labels[slot] = object === null ? -1 : log.text(object.kind === "stack" ? "stack" : object.label);
    if (object !== null) this.#into[slot] = offset - object.start;
  }

  /** The map in whose values an offset lies; null for none. */
  mapOfValue(offset: number): BpfMap | null {
    this.#refresh();
    for (let i = 0; i < RANGES; i++) {
      if (offset >= (this.#from[i] as number) && offset < (this.#to[i] as number))
        return this.#maps[i] as BpfMap | null;
    }
    const object = this.#kernel.memory.objectAt(offset);
    if (object === null) return null;
    const owner =
      object.kind !== "map-value" || object.node === null
        ? undefined
        : this.#kernel.state.maps.get(Number(object.node.slice(4)));
    const map = owner === undefined || owner.freed ? null : owner;
    const i = this.#next;
    this.#next = (i + 1) % RANGES;
    this.#from[i] = object.start;
    this.#to[i] = object.start + object.block;
    this.#maps[i] = map;
    return map;
  }
}
