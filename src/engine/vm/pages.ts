/** Bytes of a page: what two checkpoints share when it has not changed between them. */
const PAGE = 4096;
const PAGE_WORDS = PAGE / 4;

interface Page {
  readonly bytes: Uint8Array;
  /** The same in words; null when it is no whole page. */
  readonly words: Int32Array | null;
}

function pageOf(bytes: Uint8Array): Page {
  return { bytes, words: bytes.length === PAGE ? new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_WORDS) : null };
}

const ZERO_PAGE = pageOf(new Uint8Array(PAGE));

/** Memory kept page by page. Pages are never written to, and shared among all that were kept in a row. */
export interface KeptPages {
  readonly pages: readonly Page[];
  /** bytes */
  readonly length: number;
}

/** Keeps [0, length) of `bytes`; pages that are the same as in `before` are shared with it. */
export function keepPages(bytes: Uint8Array, length: number, before: KeptPages | null): KeptPages {
  const pages: Page[] = [];
  // One view for all pages: most of the cost of looking at a page would be that of making one.
  const words = bytes.byteOffset % 4 === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2) : null;
  for (let at = 0; at < length; at += PAGE) {
    const known = before?.pages[pages.length] ?? ZERO_PAGE;
    const same =
      words !== null && known.words !== null && at + PAGE <= bytes.length
        ? sameWords(words, at >>> 2, known.words)
        : sameBytes(bytes, at, known.bytes);
    pages.push(same ? known : pageOf(bytes.slice(at, at + PAGE)));
  }
  return { pages, length };
}

function sameWords(words: Int32Array, from: number, page: Int32Array): boolean {
  for (let i = 0; i < PAGE_WORDS; i++) if (words[from + i] !== page[i]) return false;
  return true;
}

function sameBytes(bytes: Uint8Array, at: number, page: Uint8Array): boolean {
  if (page.length !== Math.min(PAGE, bytes.length - at)) return false;
  for (let i = 0; i < page.length; i++) if (bytes[at + i] !== page[i]) return false;
  return true;
}

/** Puts kept memory back; what lies behind it, up to `end`, becomes zero. */
export function putPages(kept: KeptPages, bytes: Uint8Array, end: number): void {
  let at = 0;
  for (const { bytes: page } of kept.pages) {
    bytes.set(page.length <= bytes.length - at ? page : page.subarray(0, bytes.length - at), at);
    at += page.length;
  }
  if (at < end) bytes.fill(0, at, end);
}
