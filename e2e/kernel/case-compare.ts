import { verify } from "../../src/engine/verifier/verify.ts";
import { loadCase, type RecordedCase } from "./case-program.ts";

/** How our answer to a case differs from the kernel's. `throws`: the engine failed. */
export type CaseDifference = "verdict" | "errno" | "error-line" | "processed" | "log" | "throws";

/** A case that takes longer counts as cancelled. */
const CASE_TIME_MS = 200_000;

export interface CaseResult {
  readonly name: string;
  readonly skipped: boolean;
  readonly differences: readonly CaseDifference[];
  /** First log line that differs, ours and theirs; null when there is none. */
  readonly firstLine: { readonly line: number; readonly ours: string; readonly theirs: string } | null;
  /** Which of the comparisons the record has data for. */
  readonly compared: readonly CaseDifference[];
  readonly log: string;
  readonly note: string;
}

/** Kernel addresses, BTF ids of kfuncs and times differ from machine to machine. */
export function normaliseLogLine(line: string): string {
  return line
    .replace(/\(18\) (r\d+) = 0xffff8881[0-9a-f]{8}\b/, "(18) $1 = 0xADDR")
    .replace(/\(18\) (r\d+) = 0xffff[89a-f][0-9a-f]{11}\b/, "(18) $1 = 0xADDR")
    .replace(/verification time \w+ usec/, "verification time T usec")
    .replace(/(call \w+)#\d{4,}/g, "$1#ID")
    .trimEnd();
}

/** Some records hide the addresses of functions too. */
function sameLine(expected: string, ours: string | undefined): boolean {
  if (expected === ours) return true;
  if (ours === undefined || !expected.includes("0xADDR")) return false;
  const pattern = expected.split("0xADDR").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${pattern.join("0x(?:[0-9a-f]+|ADDR)")}$`).test(ours);
}

/** The last line of the message before the statistics, also when both share a line. */
export function errorLineOf(log: string): string {
  const lines = log.split("\n").filter((l) => l !== "");
  while (lines.length > 0) {
    const last = lines.pop()!;
    // One message of Linux does not end its line.
    const cut = last.search(/processed \d+ insns \(limit|verification time \d+ usec/);
    if (cut > 0) return last.slice(0, cut);
    if (cut === 0 || /^(verification time|stack depth) /.test(last)) continue;
    return last;
  }
  return "";
}

export function compareCase(recorded: RecordedCase, all: ReadonlyMap<string, RecordedCase>): CaseResult {
  const base = { name: recorded.name, firstLine: null, compared: [], differences: [], log: "", note: "" };
  const load = loadCase(recorded, all);
  if (load === null) return { ...base, skipped: true };
  let result: ReturnType<typeof verify>;
  try {
    const until = Date.now() + CASE_TIME_MS;
    result = verify(load.program, load.env, {
      logLevel: load.logLevel,
      trace: false,
      cancelled: () => Date.now() > until,
    });
  } catch (error) {
    const note = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ...base, skipped: false, compared: ["verdict"], differences: ["throws", "verdict"], note };
  }
  const differences: CaseDifference[] = [];
  const compared: CaseDifference[] = ["verdict", "errno"];
  const log = result.verdict === "cancelled" ? "" : result.log;
  const note = result.verdict === "unsupported" ? `not modelled here: ${result.message}` : "";
  if (result.verdict !== recorded.verdict) differences.push("verdict");
  const errno = result.verdict === "reject" ? result.rejection.errno : "0";
  if (errno !== recorded.errno.replace(/\(.*/, "")) differences.push("errno");

  const lines = log.split("\n").map(normaliseLogLine);
  while (lines.at(-1) === "") lines.pop();
  let firstLine: CaseResult["firstLine"] = null;
  const expected = (recorded.log ?? recorded.log_tail)?.map(normaliseLogLine);
  if (recorded.error_line !== undefined) {
    compared.push("error-line");
    const ours = result.verdict === "reject" ? result.rejection.message : "";
    if (ours.trimEnd() !== recorded.error_line.trimEnd() && recorded.verdict === "reject")
      differences.push("error-line");
  } else if (recorded.first_error_line !== undefined && recorded.verdict === "reject") {
    compared.push("error-line");
    if (!lines.some((l) => l.includes(recorded.first_error_line!.trimEnd()))) differences.push("error-line");
  }
  if (typeof recorded.insns_processed === "number") {
    compared.push("processed");
    if (result.stats.insnsProcessed !== recorded.insns_processed) differences.push("processed");
  }
  if (expected) {
    compared.push("log");
    const whole = recorded.log !== undefined;
    while (expected.at(-1) === "") expected.pop();
    const ours = whole ? lines : lines.slice(-expected.length);
    const at = expected.findIndex((l, i) => !sameLine(l, ours[i]));
    if (at >= 0 || ours.length !== expected.length) {
      differences.push("log");
      const line = at >= 0 ? at : expected.length;
      firstLine = { line: line + 1, ours: ours[line] ?? "(end)", theirs: expected[line] ?? "(end)" };
    }
  }
  return { name: recorded.name, skipped: false, differences, compared, firstLine, log: lines.join("\n"), note };
}
