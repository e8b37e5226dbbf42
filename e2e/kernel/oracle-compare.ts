import { errnoName } from "../../src/engine/abi/errno.ts";
import { writeBtf } from "../../src/engine/btf/write.ts";
import { encodeInstructions, type Instruction } from "../../src/engine/isa/instruction.ts";
import { BPF_PSEUDO_KFUNC_CALL, CALL } from "../../src/engine/isa/opcodes.ts";
import type {
  VerifierEnvironment,
  VerifierMap,
  VerifierProgram,
  VerifyResult,
} from "../../src/engine/verifier/types.ts";
import { verify } from "../../src/engine/verifier/verify.ts";
import { errorLineOf, normaliseLogLine } from "./case-compare.ts";
import type { GeneratedProgram } from "./generator/generate-program.ts";
import { UNIVERSE_BTF, UNIVERSE_MAPS, type UniverseMap } from "./generator/universe.ts";
import type { KernelJudge, KernelLoad, KernelMap, KernelVerdict } from "./kernel-judge.ts";
import { liveKfuncIds } from "./live-case.ts";

/** How one generated program came out on both sides. */
export interface Agreement {
  readonly ours: "accept" | "reject" | "unsupported" | "cancelled" | "throws";
  readonly theirs: "accept" | "reject";
  readonly errno: boolean;
  readonly errorLine: boolean;
  readonly processed: boolean;
  /** Null when the logs were too long to be compared. */
  readonly log: boolean | null;
  /** The kernel's message, with numbers blanked: one kind of rejection. */
  readonly message: string;
  /** First differing line of the logs, or what failed. */
  readonly detail: string;
}

const UNIVERSE_BYTES = writeBtf(UNIVERSE_BTF);

/** The program's world as the live kernel creates it. */
function kernelMap(map: UniverseMap | VerifierMap): KernelMap {
  const contents = "contents" in map ? map.contents : null;
  return {
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    name: map.name,
    ...(map.btf ? { btf: { index: 0, keyType: map.keyType, valueType: map.valueType } } : {}),
    ...(map.inner ? { inner: kernelMap(map.inner) } : {}),
    ...(contents ? { entries: [{ key: new Uint8Array(map.keySize), value: contents }] } : {}),
    freeze: map.frozen,
  };
}

const KERNEL_MAPS = UNIVERSE_MAPS.map(kernelMap);
/** As the verifier sees them: templates of inner maps have no name. */
const OUR_MAPS: readonly VerifierMap[] = UNIVERSE_MAPS.map((m) =>
  m.inner === null ? m : { ...m, inner: { ...m.inner, name: "" } },
);

/** fds are indices into the maps; those beyond are closed. */
const ENVIRONMENT: VerifierEnvironment = { mapByFd: (fd) => OUR_MAPS[fd] ?? "EBADF", cpus: 2 };

export function kernelLoad(program: GeneratedProgram, insns: readonly Instruction[], logLevel: number): KernelLoad {
  const funcInfo = new Uint8Array(program.functions.length * 8);
  const view = new DataView(funcInfo.buffer);
  program.functions.forEach((f, i) => {
    view.setUint32(i * 8, f.insn, true);
    view.setUint32(i * 8 + 4, f.type, true);
  });
  return {
    // A program array belongs to the type of the first program that names it.
    worldKey: `universe-${program.type}`,
    btfs: [UNIVERSE_BYTES],
    maps: KERNEL_MAPS,
    type: program.type,
    insns: encodeInstructions(withLiveIds(program, insns)),
    license: "GPL",
    name: "generated",
    flags: program.flags,
    expectedAttachType: 0,
    logLevel,
    btf: 0,
    funcInfo,
  };
}

/** Kernels number their kfuncs differently. */
function withLiveIds({ kfuncs }: GeneratedProgram, insns: readonly Instruction[]): readonly Instruction[] {
  if (kfuncs === undefined) return insns;
  const ids = liveKfuncIds();
  return insns.map((insn, at) => {
    const name = insn.opcode === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL ? kfuncs.get(at) : undefined;
    return name === undefined ? insn : { ...insn, imm: ids.get(name) ?? insn.imm };
  });
}

/** A program that needs longer here counts as cancelled. */
const TIME_MS = 60_000;

export function ourVerdict(
  program: GeneratedProgram,
  insns: readonly Instruction[],
  logLevel: number,
  cancelled?: (insns: number) => boolean,
): VerifyResult | Error {
  const load: VerifierProgram = {
    name: "generated",
    type: program.type,
    expectedAttachType: 0,
    flags: program.flags,
    license: "GPL",
    insns,
    btf: UNIVERSE_BTF,
    functions: program.functions,
    lines: null,
    kfuncs: program.kfuncs ?? new Map(),
    dialect: "linux",
  };
  const until = Date.now() + TIME_MS;
  try {
    return verify(load, ENVIRONMENT, { logLevel, trace: false, cancelled: cancelled ?? (() => Date.now() > until) });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Our verifier needs more than about `insns` processed instructions for the program. */
export function isLong(program: GeneratedProgram, insns: number): boolean {
  const ours = ourVerdict(program, program.insns, 0, (processed) => processed > insns);
  return !(ours instanceof Error) && ours.verdict === "cancelled";
}

/** ENOSPC: the log did not fit. */
const LOG_TOO_LONG = 28;
/** Processed instructions beyond which a level-2 log is not asked for: the kernel writes the longest for minutes. */
const LOGGED_INSNS = 20_000;
/** BPF_LOG_STATS: the message of a rejection and the statistics. */
export const STATISTICS = 4;

/** Both verdicts with their logs, as far as `logLevel`; where a log would be very long, with the statistics alone. */
export async function judgedBoth(
  judge: KernelJudge,
  program: GeneratedProgram,
  insns: readonly Instruction[],
  logLevel: number,
): Promise<{ readonly ours: VerifyResult | Error; readonly theirs: KernelVerdict; readonly logLevel: number }> {
  let ours = ourVerdict(program, insns, logLevel, (processed) => processed > LOGGED_INSNS);
  if (ours instanceof Error || ours.verdict !== "cancelled") {
    const theirs = await judge.judge(kernelLoad(program, insns, logLevel));
    if (theirs.failed !== "prog" || theirs.errno !== LOG_TOO_LONG) return { ours, theirs, logLevel };
  }
  ours = ourVerdict(program, insns, STATISTICS);
  return { ours, theirs: await judge.judge(kernelLoad(program, insns, STATISTICS)), logLevel: STATISTICS };
}

/** Both verdicts; where the log would be very long, only the logs stay uncompared. */
export async function judgeBoth(
  judge: KernelJudge,
  program: GeneratedProgram,
  insns: readonly Instruction[],
  logLevel: number,
): Promise<Agreement> {
  const both = await judgedBoth(judge, program, insns, logLevel);
  return compareVerdicts(both.ours, both.theirs, both.logLevel === 2);
}

export type Disagreement = "verdict" | "errno" | "error-line" | "processed" | "log";

/** The gravest difference; null when there is none, or when we say that the program is not modelled. */
export function disagreementOf(a: Agreement): Disagreement | null {
  if (a.ours === "unsupported") return null;
  if (a.ours !== a.theirs) return "verdict";
  if (!a.errno) return "errno";
  if (a.theirs === "reject" && !a.errorLine) return "error-line";
  if (!a.processed) return "processed";
  return a.log === false ? "log" : null;
}

export const processedOf = (log: string): number => Number(/processed (\d+) insns/.exec(log)?.[1] ?? -1);

/** Lines of a kernel's log in the normalised form. */
export function comparableLines(log: string): string[] {
  const out = log
    .split("\n")
    .map((l) => normaliseLogLine(l.replace(/(\(18\) r\d+ = )0xffff[0-9a-f]{12}\b/, "$10xADDR")));
  while (out.at(-1) === "") out.pop();
  return out;
}

/** One kind of message: numbers, names and types blanked. */
export function messageKind(line: string): string {
  return line
    .replace(/0x[0-9a-f]+/g, "N")
    .replace(/R\d+/g, "R")
    .replace(/-?\d+/g, "N")
    .replace(/(type=)\S+( expected=).*/, "$1T$2T");
}

export function compareVerdicts(ours: VerifyResult | Error, theirs: KernelVerdict, logs: boolean): Agreement {
  const accepted = theirs.failed === null;
  const theirLine = accepted ? "" : errorLineOf(theirs.log);
  const base = { theirs: accepted ? "accept" : "reject", message: messageKind(theirLine) } as const;
  if (ours instanceof Error) {
    return {
      ...base,
      ours: "throws",
      errno: false,
      errorLine: false,
      processed: false,
      log: null,
      detail: ours.stack ?? ours.message,
    };
  }
  if (ours.verdict === "cancelled")
    return {
      ...base,
      ours: "cancelled",
      errno: false,
      errorLine: false,
      processed: false,
      log: null,
      detail: "too slow",
    };
  const errno = ours.verdict === "reject" ? ours.rejection.errno : "0";
  const theirErrno = accepted ? "0" : (errnoName(theirs.errno) ?? String(theirs.errno));
  const a = comparableLines(ours.log);
  const b = comparableLines(theirs.log);
  const at = b.findIndex((l, i) => l !== a[i]);
  const sameLog = at < 0 && a.length === b.length;
  const line = at < 0 ? b.length : at;
  const ourLine = ours.verdict === "reject" ? errorLineOf(ours.log) : "";
  return {
    ...base,
    ours: ours.verdict,
    errno: errno === theirErrno,
    errorLine: ourLine === theirLine,
    processed: ours.stats.insnsProcessed === processedOf(theirs.log),
    log: logs ? sameLog : null,
    detail:
      ours.verdict === "unsupported"
        ? `not modelled here: ${ours.message}`
        : sameLog && ours.verdict === base.theirs && errno === theirErrno
          ? ""
          : `line ${line + 1}\n  ours   ${a[line] ?? "(end)"}\n  theirs ${b[line] ?? "(end)"}\n  verdicts ${ours.verdict} ${errno} "${ourLine}" | ${base.theirs} ${theirErrno} "${theirLine}"`,
  };
}
