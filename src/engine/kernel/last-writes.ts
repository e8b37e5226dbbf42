const FEW = 16;

export interface LastWrite {
  /** virtual ns */
  readonly at: number;
  /** Number of the writer's name in the log. */
  readonly by: number;
  readonly seq: number;
}

/** When and by whom the values of a map were written last: a hash table by their offsets, in typed arrays. */
export class LastWrites {
  #keys: Uint32Array;
  #by: Int32Array;
  #at: Float64Array;
  #seq: Float64Array;
  #count: number;
  /** The arrays belong to a copy, too: they are copied before they are written to. */
  #shared = false;

  constructor(from: LastWrites | null = null) {
    this.#keys = from === null ? new Uint32Array(FEW) : from.#keys;
    this.#by = from === null ? new Int32Array(FEW) : from.#by;
    this.#at = from === null ? new Float64Array(FEW) : from.#at;
    this.#seq = from === null ? new Float64Array(FEW) : from.#seq;
    this.#count = from === null ? 0 : from.#count;
    if (from === null) return;
    this.#shared = true;
    from.#shared = true;
  }

  clone(): LastWrites {
    return new LastWrites(this);
  }

  /** Where a value is, or the free place where it would be. */
  #find(valueAt: number): number {
    const mask = this.#keys.length - 1;
    let slot = (Math.imul(valueAt >>> 3, 0x9e3779b1) >>> 7) & mask;
    for (let key = this.#keys[slot]; key !== valueAt && key !== 0; key = this.#keys[slot]) slot = (slot + 1) & mask;
    return slot;
  }

  note(valueAt: number, at: number, by: number, seq: number): void {
    this.#own();
    let slot = this.#find(valueAt);
    if (this.#keys[slot] === 0) {
      if (2 * ++this.#count > this.#keys.length) {
        this.#grow();
        slot = this.#find(valueAt);
      }
      this.#keys[slot] = valueAt;
    }
    this.#at[slot] = at;
    this.#by[slot] = by;
    this.#seq[slot] = seq;
  }

  /** The value at this place is another's now. */
  forget(valueAt: number): void {
    const slot = this.#find(valueAt);
    if (this.#keys[slot] === 0 || this.#seq[slot] === -1) return;
    this.#own();
    this.#seq[slot] = -1;
  }

  get(valueAt: number): LastWrite | null {
    const slot = this.#find(valueAt);
    const seq = this.#seq[slot] as number;
    if (this.#keys[slot] === 0 || seq < 0) return null;
    return { at: this.#at[slot] as number, by: this.#by[slot] as number, seq };
  }

  /** Number of the event that told of the last write; -1 when none did. */
  seqOf(valueAt: number): number {
    const slot = this.#find(valueAt);
    return this.#keys[slot] === 0 ? -1 : (this.#seq[slot] as number);
  }

  #own(): void {
    if (!this.#shared) return;
    this.#shared = false;
    this.#keys = this.#keys.slice();
    this.#by = this.#by.slice();
    this.#at = this.#at.slice();
    this.#seq = this.#seq.slice();
  }

  #grow(): void {
    const keys = this.#keys;
    const by = this.#by;
    const at = this.#at;
    const seq = this.#seq;
    const size = 2 * keys.length;
    this.#keys = new Uint32Array(size);
    this.#by = new Int32Array(size);
    this.#at = new Float64Array(size);
    this.#seq = new Float64Array(size);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number;
      if (key === 0) continue;
      const slot = this.#find(key);
      this.#keys[slot] = key;
      this.#by[slot] = by[i] as number;
      this.#at[slot] = at[i] as number;
      this.#seq[slot] = seq[i] as number;
    }
  }
}
