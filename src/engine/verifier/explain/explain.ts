import type { ProgramVariable } from "../../loader/spec.ts";
import type { Rejection, VerifierProgram } from "../types.ts";
import type { Branch, Facts } from "./facts.ts";
import { branchesOf, factsOf, lineAt } from "./facts.ts";
import type { Edit, Lesson } from "./lesson.ts";
import { ARGUMENT_LESSONS } from "./lessons-arguments.ts";
import { MEMORY_LESSONS } from "./lessons-memory.ts";
import { OBJECT_LESSONS } from "./lessons-objects.ts";
import { PROGRAM_LESSONS } from "./lessons-program.ts";
import { TIMER_LESSONS } from "./lessons-timers.ts";

/** A step of the chain that ends in the rejection. */
export interface Cause {
  readonly text: string;
  readonly insn: number | null;
  /** C line, from 1 */
  readonly line: number | null;
}

/** A rejection in plain words. The kernel's own line stands beside it. */
export interface Explanation {
  readonly title: string;
  /** Cause chain, oldest first. */
  readonly causes: readonly Cause[];
  readonly fix: { readonly text: string; readonly edit: Edit | null } | null;
}

/** More specific lessons come first: the first whose pattern fits the message explains it. */
const LESSONS: readonly Lesson[] = [
  ...TIMER_LESSONS,
  ...OBJECT_LESSONS,
  ...ARGUMENT_LESSONS,
  ...MEMORY_LESSONS,
  ...PROGRAM_LESSONS,
];

/** Branches named before the fault. */
const BRANCHES_SHOWN = 2;

/**
 * Every rejection has an explanation; one without a lesson of its own gets the place and the kernel's words. `variables` name what
 * registers hold, where the compiler has told.
 */
export function explain(
  rejection: Rejection,
  program: VerifierProgram,
  variables: readonly ProgramVariable[] = [],
): Explanation {
  const facts = factsOf(rejection, program, variables);
  for (const lesson of LESSONS) {
    const match = lesson.pattern.exec(rejection.message);
    if (match === null) continue;
    if (lesson.applies !== undefined && !lesson.applies(facts, match)) continue;
    return build(lesson, match, facts);
  }
  return {
    title: "The verifier refuses this instruction",
    causes: [...history(facts), faultCause(facts, `Linux says: ${rejection.message}`)],
    fix: null,
  };
}

/** Whether a lesson of its own covers this message. */
export function hasLesson(message: string): boolean {
  return LESSONS.some((lesson) => lesson.pattern.test(message));
}

function build(lesson: Lesson, match: RegExpExecArray, facts: Facts): Explanation {
  const text = lesson.fix(match, facts);
  return {
    title: lesson.title(match, facts),
    causes: [...history(facts, lesson), faultCause(facts, lesson.why(match, facts))],
    fix: text === null ? null : { text, edit: lesson.edit?.(match, facts) ?? null },
  };
}

function faultCause(facts: Facts, text: string): Cause {
  return { text, insn: facts.rejection.insn, line: facts.line?.line ?? null };
}

/** A decision, by the C line that it leads to; the compiler may have turned the condition around. */
function branchCause(program: VerifierProgram, branch: Branch): Cause {
  const line = lineAt(program, branch.insn);
  const next = lineAt(program, branch.next);
  if (line === null || next === null) {
    const way = branch.taken ? "takes" : "does not take";
    return { text: `the failing path ${way} the jump at ${branch.insn}`, insn: branch.insn, line: null };
  }
  const decision = `at \`${line.text.trim()}\` the failing path goes on with`;
  return { text: `${decision} \`${next.text.trim()}\``, insn: branch.insn, line: line.line };
}

/** Branches that say something: each decision of the source once, and none that stays on its line as a loop's does. */
function decisions(facts: Facts): Branch[] {
  const said = new Map<string, Branch>();
  for (const branch of branchesOf(facts)) {
    const from = lineAt(facts.program, branch.insn);
    const to = lineAt(facts.program, branch.next);
    if (from !== null && from.line === to?.line && from.file === to.file) continue;
    const key = from === null || to === null ? `${branch.insn}` : `${from.file}:${from.line}:${to.line}`;
    said.delete(key);
    said.set(key, branch);
  }
  return [...said.values()];
}

/** Where the value came from, what happened before, and the last decisions on the way to the fault, in the order of the path. */
function history(facts: Facts, lesson?: Lesson): Cause[] {
  const { rejection, program, source } = facts;
  const causes: Cause[] = [];
  const at = (insn: number): number => rejection.path.lastIndexOf(insn);
  const { register } = rejection;
  const sameLine = facts.origin !== null && facts.origin.line === facts.line?.line;
  if (source !== null && register !== null && !sameLine) {
    const subject = facts.variable === "" ? `r${register}` : `\`${facts.variable}\` (r${register})`;
    const said = facts.origin === null ? "" : `: \`${facts.origin.text.trim()}\``;
    causes.push({ text: `${subject} got its value here${said}`, insn: source, line: facts.origin?.line ?? null });
  }
  for (const { text, insn } of lesson?.earlier?.(facts) ?? []) {
    causes.push({ text, insn, line: lineAt(program, insn)?.line ?? null });
  }
  const first = causes.length === 0 ? -1 : Math.min(...causes.map((c) => at(c.insn!)));
  for (const branch of decisions(facts).slice(-BRANCHES_SHOWN)) {
    if (at(branch.insn) < first) continue;
    causes.push(branchCause(program, branch));
  }
  return causes.sort((a, b) => at(a.insn!) - at(b.insn!));
}
