/** Bits of the log level. */
export const LOG_BRANCHES = 1;
export const LOG_INSTRUCTIONS = 2;
export const LOG_STATISTICS = 4;

/** The verifier's log as it grows; it can be cut back to an earlier length, as happens when a pending path is taken up. */
export class Log {
  private chunks: string[] = [];
  private total = 0;

  /** Characters written. */
  get length(): number {
    return this.total;
  }

  write(text: string): void {
    if (text === "") return;
    this.chunks.push(text);
    this.total += text.length;
  }

  /** Cuts the log back to `length` characters. */
  truncate(length: number): void {
    while (this.total > length) {
      const last = this.chunks.pop()!;
      this.total -= last.length;
      if (this.total < length) {
        const kept = last.slice(0, length - this.total);
        this.chunks.push(kept);
        this.total += kept.length;
      }
    }
  }

  toString(): string {
    const text = this.chunks.join("");
    this.chunks = text === "" ? [] : [text];
    return text;
  }
}

/** Blanks between an instruction of `length` characters and the `;` of its state. */
export function commentPadding(length: number): string {
  const column = Math.max(Math.ceil(Math.max(length + 1 + 4, 40) / 8) * 8, 40);
  return " ".repeat(column - 2 - length);
}
