/** Bits of the log level. */
export const LOG_BRANCHES = 1;
export const LOG_INSTRUCTIONS = 2;
export const LOG_STATISTICS = 4;

/** Characters kept: of a longer log the beginning is dropped, as the kernel's rolling log does. */
const MAX_LENGTH = 32 << 20;
/** Pieces that are joined into one block. */
const BLOCK_PIECES = 4096;

/** The verifier's log as it grows; it can be cut back to an earlier length, as happens when a pending path is taken up. */
export class Log {
  /** Finished parts, flat strings. */
  private blocks: string[] = [];
  private pieces: string[] = [];
  private total = 0;
  private dropped = 0;

  /** Characters written, those dropped from the beginning included. */
  get length(): number {
    return this.total;
  }

  write(text: string): void {
    if (text === "") return;
    this.pieces.push(text);
    this.total += text.length;
    if (this.pieces.length >= BLOCK_PIECES) this.seal();
  }

  private seal(): void {
    this.blocks.push(this.pieces.join(""));
    this.pieces = [];
    while (this.total - this.dropped > MAX_LENGTH && this.blocks.length > 1)
      this.dropped += this.blocks.shift()!.length;
  }

  /** Cuts the log back to `length` characters. */
  truncate(length: number): void {
    while (this.total > length) {
      let last = this.pieces.pop();
      if (last === undefined) {
        last = this.blocks.pop();
        if (last === undefined) {
          // All that is left lies before the part that was kept.
          this.dropped = this.total = length;
          return;
        }
      }
      this.total -= last.length;
      if (this.total < length) {
        const kept = last.slice(0, length - this.total);
        this.pieces.push(kept);
        this.total += kept.length;
      }
    }
  }

  toString(): string {
    const text = this.blocks.join("") + this.pieces.join("");
    this.blocks = text === "" ? [] : [text];
    this.pieces = [];
    return text;
  }
}

/** Blanks between an instruction of `length` characters and the `;` of its state. */
export function commentPadding(length: number): string {
  const column = Math.max(Math.ceil(Math.max(length + 1 + 4, 40) / 8) * 8, 40);
  return " ".repeat(column - 2 - length);
}
