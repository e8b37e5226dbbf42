import type { Kernel } from "../kernel.ts";
import type { BpfMap } from "../state.ts";

/** Steps that a copy takes at most, however large the value. */
const MAX_PIECES = 8;
const WORD = 8;

/**
 * Where a copy over a value in place can be seen half done: the ends (bytes from the value's start) of its pieces, a word or more each.
 * What the kernel's own fields take is not copied. One piece: nobody sees it half done.
 */
export function copyPieces(map: BpfMap): number[] {
  const piece = Math.max(WORD, WORD * Math.ceil(map.valueSize / (WORD * MAX_PIECES)));
  const ends: number[] = [];
  for (let from = 0; from < map.valueSize; from += piece) {
    const end = Math.min(map.valueSize, from + piece);
    if (plainRanges(map, from, end).length > 0) ends.push(end);
  }
  return ends;
}

/** The parts of [from, end) that are no field of the kernel's own. */
function plainRanges(map: BpfMap, from: number, end: number): (readonly [number, number])[] {
  const ranges: (readonly [number, number])[] = [];
  let at = from;
  for (const field of map.special.valid ? map.special.fields : []) {
    const stop = Math.min(field.offset, end);
    if (stop > at) ranges.push([at, stop]);
    at = Math.max(at, field.offset + field.size);
  }
  if (end > at) ranges.push([at, end]);
  return ranges;
}

/** Copies one piece of `value`, up to `end`, over the value at `valueAt`. */
export function copyPiece(kernel: Kernel, map: BpfMap, valueAt: number, value: Uint8Array, end: number): void {
  const ends = copyPieces(map);
  const from = ends[ends.indexOf(end) - 1] ?? 0;
  for (const [a, b] of plainRanges(map, from, end)) kernel.memory.bytes.set(value.subarray(a, b), valueAt + a);
}
