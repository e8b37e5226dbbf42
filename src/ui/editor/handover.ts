/** Where the visitor was typing when one editor made way for another, as offsets into the text. */
export interface Cursor {
  readonly start: number;
  readonly end: number;
}

/** Longer ago than this, the visitor has gone on to something else, ms. */
const FRESH = 1000;
let left: { readonly cursor: Cursor; readonly at: number } | null = null;

export function leaveCursor(cursor: Cursor): void {
  left = { cursor, at: performance.now() };
}

/** The cursor that the editor before left just now; null when it had no focus. */
export function takeCursor(): Cursor | null {
  const cursor = left && performance.now() - left.at < FRESH ? left.cursor : null;
  left = null;
  return cursor;
}
