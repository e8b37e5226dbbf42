/**
 * Layout of hash maps in guest memory, shared by the kernel's code and by what compiled programs do for themselves: a table of
 * bucket heads (u32 offsets of elements, 0 for none), and elements that begin with these fields, followed by the key (padded to
 * 8 bytes) and the value.
 */
export const ELEMENT_NEXT = 0;
export const ELEMENT_HASH = 4;
/** LRU maps: the neighbours in order of age, and whether the element was used since it was last passed over. */
export const ELEMENT_NEWER = 8;
export const ELEMENT_OLDER = 12;
export const ELEMENT_USED = 16;
/** Where the key begins. */
export const ELEMENT_HEADER = 24;

/** Constants of {@link hashKey}. */
export const HASH_SEED = 0x9e3779b9;
export const HASH_WORD = 0x85ebca6b;
export const HASH_WORD_SHIFT = 15;
export const HASH_BYTE = 0x01000193;
export const HASH_END = 0xc2b2ae35;

/** Hash of `size` bytes at `at`: whole little-endian words first, then single bytes. Signed 32 bits. */
export function hashKey(bytes: Uint8Array, at: number, size: number): number {
  let h = HASH_SEED ^ size;
  let i = 0;
  for (; i + 4 <= size; i += 4) {
    const p = at + i;
    const word =
      (bytes[p] as number) |
      ((bytes[p + 1] as number) << 8) |
      ((bytes[p + 2] as number) << 16) |
      ((bytes[p + 3] as number) << 24);
    h = Math.imul(h ^ word, HASH_WORD);
    h ^= h >>> HASH_WORD_SHIFT;
  }
  for (; i < size; i++) h = Math.imul(h ^ (bytes[at + i] as number), HASH_BYTE);
  h = Math.imul(h ^ (h >>> 13), HASH_END);
  return (h ^ (h >>> 16)) | 0;
}
