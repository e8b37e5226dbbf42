/** Lines of a translated program with what depends on the machine left out: map ids, addresses, symbol offsets and tags. */
export function normaliseXlated(line: string): string {
  return line
    .trim()
    .replace(/#(OFF|0xADDR|0x[0-9a-f]+|bpf_prog_\w+|-?\d+)$/, "")
    .replace(/map\[id:\w+\]/, "map[id:ID]")
    .replace(/(\(18\) r\d+ = )(0xADDR|prog|jiffies|0xffff[0-9a-f]{12})$/, "$1ADDRESS")
    .replace(/bpf_tail_call#12/, "bpf_tail_call");
}

/**
 * A line of ours in the words of a bpftool that knows no instruction newer than v3, as the one of Debian 12: it prints other ones
 * for them, or the opcode that it does not know.
 */
export function inOldWords(line: string): string {
  const jump = /^(.*\(06\)) gotol pc([+-]\d+)$/.exec(line);
  if (jump) return `${jump[1]} if w0 jmp 0x${(Number(jump[2]) >>> 0).toString(16)} goto pc+0`;
  const opcode = /\(([0-9a-f]{2})\)/.exec(line)?.[1] ?? "";
  if (/ = \*\(s(8|16|32) /.test(line)) return line.replace(/\([0-9a-f]{2}\).*/, `BUG_ldx_${opcode}`);
  if (/ = bswap/.test(line)) return line.replace(/\(d7\).*/, "BUG_alu64_d7");
  if (/(load_acquire|store_release)\(/.test(line)) return line.replace(/\([0-9a-f]{2}\).*/, `BUG_${opcode}`);
  return line.replace(/ s([/%]=) /, " $1 ").replace(/ = \(s(8|16|32)\)([rw]\d+)$/, " = $2");
}

export interface XlatedDifference {
  readonly at: number;
  readonly ours: string;
  readonly theirs: string;
}

/** The first line in which two dumps differ; null when none does. Old words are taken for the newer ones that they stand for. */
export function firstDifference(ours: readonly string[], theirs: readonly string[]): XlatedDifference | null {
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const [a, b] = [normaliseXlated(ours[i] ?? "(end)"), normaliseXlated(theirs[i] ?? "(end)")];
    if (a !== b && normaliseXlated(inOldWords(a)) !== b) return { at: i, ours: a, theirs: b };
  }
  return null;
}
