import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { errnoName } from "../../src/engine/abi/errno.ts";
import { decodeInstructions, encodeInstructions } from "../../src/engine/isa/instruction.ts";
import type { VerifyResult } from "../../src/engine/verifier/types.ts";
import { errorLineOf } from "./case-compare.ts";
import type { GeneratedProgram } from "./generator/generate-program.ts";
import type { KernelJudge, KernelVerdict } from "./kernel-judge.ts";
import { comparableLines, judgedBoth, messageKind, ourVerdict, processedOf } from "./oracle-compare.ts";

/**
 * Generated programs with the live kernel's answers: one of each kind of answer, and every minimised program that ever was judged otherwise here
 * than there. They live in the universe of `generator/universe.ts`; their instructions are stored, so the generator may change.
 */
export interface GeneratedCase {
  readonly name: string;
  readonly seed: number;
  readonly typeName: GeneratedProgram["typeName"];
  readonly type: number;
  readonly flags: number;
  readonly functions: GeneratedProgram["functions"];
  /** Instruction and name of each kfunc called. */
  readonly kfuncs?: readonly (readonly [insn: number, name: string])[];
  /** hex */
  readonly insns: string;
  readonly answer: Answer;
}

/** What both sides are asked for. */
export interface Answer {
  readonly verdict: string;
  /** Name, or "0". */
  readonly errno: string;
  readonly message: string;
  readonly processed: number;
  /** SHA-256 of the level-2 log in the normalised form; null where it is too long to be asked for. */
  readonly log: string | null;
}

const PLACE = new URL("./cases/generated.json", import.meta.url);

export function readGeneratedCases(): GeneratedCase[] {
  return JSON.parse(readFileSync(PLACE, "utf8")) as GeneratedCase[];
}

/** A line for each case, by name. */
function writeGeneratedCases(cases: readonly GeneratedCase[]): void {
  const sorted = [...cases].sort((a, b) => (a.name < b.name ? -1 : 1));
  writeFileSync(PLACE, `[\n${sorted.map((c) => JSON.stringify(c)).join(",\n")}\n]\n`);
}

export function programOf(recorded: GeneratedCase): GeneratedProgram {
  const { seed, type, typeName, flags, functions } = recorded;
  const insns = decodeInstructions(Uint8Array.from(Buffer.from(recorded.insns, "hex")));
  return { seed, type, typeName, flags, functions, insns, kfuncs: new Map(recorded.kfuncs ?? []) };
}

const hash = (log: string): string => createHash("sha256").update(comparableLines(log).join("\n")).digest("hex");

export function ourAnswer(result: VerifyResult | Error, logged: boolean): Answer {
  if (result instanceof Error)
    return { verdict: "throws", errno: "", message: result.message, processed: 0, log: null };
  if (result.verdict === "cancelled") return { verdict: "cancelled", errno: "", message: "", processed: 0, log: null };
  const rejected = result.verdict === "reject";
  return {
    verdict: result.verdict,
    errno: rejected ? result.rejection.errno : "0",
    message: rejected ? errorLineOf(result.log) : "",
    processed: result.stats.insnsProcessed,
    log: logged ? hash(result.log) : null,
  };
}

function linuxAnswer({ failed, errno, log }: KernelVerdict, logged: boolean): Answer {
  return {
    verdict: failed === null ? "accept" : "reject",
    errno: failed === null ? "0" : (errnoName(errno) ?? String(errno)),
    message: failed === null ? "" : errorLineOf(log),
    processed: processedOf(log),
    log: logged ? hash(log) : null,
  };
}

/** Our answer to a recorded case, with a log if one was recorded. */
export function answerAgain(recorded: GeneratedCase): Answer {
  const program = programOf(recorded);
  const logged = recorded.answer.log !== null;
  return ourAnswer(ourVerdict(program, program.insns, logged ? 2 : 4), logged);
}

async function asked(judge: KernelJudge, program: GeneratedProgram, name: string): Promise<GeneratedCase> {
  const { theirs, logLevel } = await judgedBoth(judge, program, program.insns, 2);
  return {
    name,
    seed: program.seed,
    typeName: program.typeName,
    type: program.type,
    flags: program.flags,
    functions: program.functions,
    ...(program.kfuncs?.size ? { kfuncs: [...program.kfuncs] } : {}),
    insns: Buffer.from(encodeInstructions(program.insns)).toString("hex"),
    answer: linuxAnswer(theirs, logLevel === 2),
  };
}

/** Records what Linux says of one program. */
export async function recordCase(judge: KernelJudge, program: GeneratedProgram, name: string): Promise<void> {
  const made = await asked(judge, program, name);
  writeGeneratedCases([...readGeneratedCases().filter((c) => c.name !== name), made]);
}

const kindOfCase = ({ answer, typeName }: GeneratedCase): string =>
  answer.verdict === "accept" ? `accepted ${typeName}` : messageKind(answer.message);

/**
 * Records the first program of each kind of answer that has no case yet, of those that are modelled here; says how many kinds
 * there are then.
 */
export async function recordKinds(
  judge: KernelJudge,
  programs: Iterable<GeneratedProgram>,
  of: string,
): Promise<number> {
  const cases = readGeneratedCases();
  const known = new Set(cases.map(kindOfCase));
  for (const program of programs) {
    const ours = ourVerdict(program, program.insns, 0);
    if (!(ours instanceof Error) && ours.verdict === "unsupported") continue;
    const made = await asked(judge, program, `kind-${of}${program.seed}`);
    const kind = kindOfCase(made);
    if (known.has(kind)) continue;
    known.add(kind);
    cases.push(made);
  }
  writeGeneratedCases(cases);
  return known.size;
}
