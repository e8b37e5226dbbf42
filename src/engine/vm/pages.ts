/** Bytes of a page: what two checkpoints share when it has not changed between them. */
const PAGE = 4096;
const ZERO_PAGE = new Uint8Array(PAGE);

/** Memory kept page by page. Pages are never written to, and shared among all that were kept in a row. */
export interface KeptPages {
  readonly pages: readonly Uint8Array[];
  /** bytes */
  readonly length: number;
}

/** Keeps [0, length) of `bytes`; pages that are the same as in `before` are shared with it. */
export function keepPages(bytes: Uint8Array, length: number, before: KeptPages | null): KeptPages {
  const pages: Uint8Array[] = [];
  for (let at = 0; at < length; at += PAGE) {
    const size = Math.min(PAGE, bytes.length - at);
    const known = before?.pages[pages.length] ?? ZERO_PAGE;
    pages.push(samePage(bytes, at, size, known) ? known : bytes.slice(at, at + size));
  }
  return { pages, length };
}

/** Compared a word at a time where the place allows it. */
function samePage(bytes: Uint8Array, at: number, size: number, page: Uint8Array): boolean {
  if (page.length !== size) return false;
  const here = (bytes.byteOffset + at) % 4;
  if (here !== 0 || size % 4 !== 0 || page.byteOffset % 4 !== 0) {
    for (let i = 0; i < size; i++) if (bytes[at + i] !== page[i]) return false;
    return true;
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, size / 4);
  const others = new Int32Array(page.buffer, page.byteOffset, size / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== others[i]) return false;
  return true;
}

/** Puts kept memory back; what lies behind it, up to `end`, becomes zero. */
export function putPages(kept: KeptPages, bytes: Uint8Array, end: number): void {
  let at = 0;
  for (const page of kept.pages) {
    bytes.set(page.length <= bytes.length - at ? page : page.subarray(0, bytes.length - at), at);
    at += page.length;
  }
  if (at < end) bytes.fill(0, at, end);
}
