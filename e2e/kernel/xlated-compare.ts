/** Lines of a translated program with what depends on the machine left out: map ids, addresses, symbol offsets and tags. */
export function normaliseXlated(line: string): string {
  return line
    .trim()
    .replace(/#(OFF|0xADDR|0x0|bpf_prog_\w+|-?\d+)$/, "")
    .replace(/map\[id:\w+\]/, "map[id:ID]")
    .replace(/(\(18\) r\d+ = )(0xADDR|prog|jiffies|0xffff[0-9a-f]{12})$/, "$1ADDRESS")
    .replace(/bpf_tail_call#12/, "bpf_tail_call");
}

export interface XlatedDifference {
  readonly at: number;
  readonly ours: string;
  readonly theirs: string;
}

/** The first line in which two dumps differ; null when none does. */
export function firstDifference(ours: readonly string[], theirs: readonly string[]): XlatedDifference | null {
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const [a, b] = [normaliseXlated(ours[i] ?? "(end)"), normaliseXlated(theirs[i] ?? "(end)")];
    if (a !== b) return { at: i, ours: a, theirs: b };
  }
  return null;
}
