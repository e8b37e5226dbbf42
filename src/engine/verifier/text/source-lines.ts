import type { VerifierProgram } from "../types.ts";
import type { Log } from "./log.ts";

/** The source lines that interleave with the instructions in the log. */
export class SourceLines {
  private readonly program: VerifierProgram;
  private readonly lineOf: Int32Array | null;
  private lastPrinted = -1;

  constructor(program: VerifierProgram) {
    this.program = program;
    this.lineOf = lineIndex(program);
  }

  /** A new walk begins: lines are printed anew. */
  forget(): void {
    this.lastPrinted = -1;
  }

  /** Prints the line of the instruction at slot `at`, unless it is the one printed last. */
  print(log: Log, at: number): void {
    if (this.lineOf === null) return;
    const index = this.lineOf[at]!;
    if (index < 0 || index === this.lastPrinted) return;
    const records = this.program.lines!;
    const record = records[index]!;
    const last = this.lastPrinted < 0 ? null : records[this.lastPrinted]!;
    if (last !== null && last.file === record.file && last.line === record.line) return;
    const file = record.file.slice(record.file.lastIndexOf("/") + 1);
    log.write(`; ${record.text.trimStart()} @ ${file}:${record.line}\n`);
    this.lastPrinted = index;
  }
}

/** Index of the line record that covers each slot; null without records. */
function lineIndex(program: VerifierProgram): Int32Array | null {
  const records = program.lines;
  if (records === null || records.length === 0) return null;
  const index = new Int32Array(program.insns.length).fill(-1);
  let k = -1;
  for (let i = 0; i < index.length; i++) {
    while (k + 1 < records.length && records[k + 1]!.insn <= i) k++;
    index[i] = k;
  }
  return index;
}
