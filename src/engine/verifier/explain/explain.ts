import type { Rejection, VerifierProgram } from "../types.ts";
import type { Facts } from "./facts.ts";
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

/** Every rejection has an explanation; one without a lesson of its own gets the place and the kernel's words. */
export function explain(rejection: Rejection, program: VerifierProgram): Explanation {
  const facts = factsOf(rejection, program);
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
    causes: [...history(facts), faultCause(facts, lesson.why(match, facts))],
    fix: text === null ? null : { text, edit: lesson.edit?.(match, facts) ?? null },
  };
}

function faultCause(facts: Facts, text: string): Cause {
  return { text, insn: facts.rejection.insn, line: facts.line?.line ?? null };
}

/** Where the value came from, and the last decisions on the way to the fault. */
function history(facts: Facts): Cause[] {
  const { rejection, program } = facts;
  const causes: Cause[] = [];
  const { origin, register } = rejection;
  if (origin !== null && register !== null) {
    const line = lineAt(program, origin);
    const subject = facts.variable === "" ? `r${register}` : `\`${facts.variable}\` (r${register})`;
    const said = line === null ? "" : `: \`${line.text.trim()}\``;
    causes.push({ text: `${subject} got its value here${said}`, insn: origin, line: line?.line ?? null });
  }
  for (const branch of branchesOf(facts).slice(-BRANCHES_SHOWN)) {
    if (origin !== null && branch.insn < origin) continue;
    const line = lineAt(program, branch.insn);
    const said = line === null ? `the jump at ${branch.insn}` : `\`${line.text.trim()}\``;
    causes.push({
      text: `the failing path ${branch.taken ? "takes the jump of" : "goes straight on at"} ${said}`,
      insn: branch.insn,
      line: line?.line ?? null,
    });
  }
  return causes;
}
