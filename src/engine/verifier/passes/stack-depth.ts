import { progTypeName } from "../../abi/types.ts";
import type { Subprogram } from "../state.ts";
import type { VerifierProgram } from "../types.ts";
import { failure, type PassFailure } from "./outcome.ts";
import { isPseudoCall, isPseudoFunc } from "./subprograms.ts";

const MAX_STACK = 512;
const MAX_FRAMES = 8;
/** Bytes of callers' frames from which a function may not make a tail call. */
const TAIL_CALL_LIMIT = 256;
/** Functions that use less keep to the common stack even where private stacks exist. */
const PRIVATE_STACK_MIN = 64;

const rounded = (depth: number): number => Math.ceil(depth / 16) * 16;

/** Program types whose functions get a stack of their own for each CPU, unless a tail call is involved. */
const PRIVATE_STACK_TYPES = new Set(["kprobe", "tracepoint", "raw_tracepoint", "perf_event"]);

type Mode = "undecided" | "common" | "private";

/** The stack that whole chains of calls use, from main and from every asynchronous callback (pass 12). */
export function checkStackDepth(
  program: VerifierProgram,
  subprograms: readonly Subprogram[],
  subprogramOf: Int32Array,
): PassFailure | null {
  const mayBePrivate =
    PRIVATE_STACK_TYPES.has(progTypeName(program.type) ?? "") && !subprograms.some((s) => s.hasTailCall);
  const modes: Mode[] = subprograms.map(() => "undecided");
  for (let i = subprograms.length - 1; i >= 0; i--) {
    if (i !== 0 && !subprograms[i]!.isAsyncCallback) continue;
    const refused = checkFrom(program, subprograms, subprogramOf, modes, i, i === 0 && mayBePrivate);
    if (refused !== null) return refused;
  }
  return null;
}

function checkFrom(
  program: VerifierProgram,
  subprograms: readonly Subprogram[],
  subprogramOf: Int32Array,
  modes: Mode[],
  root: number,
  mayBePrivate: boolean,
): PassFailure | null {
  const { insns } = program;
  const returns: { at: number; index: number }[] = [];
  let index = root;
  let at = subprograms[root]!.start;
  let depth = 0;
  let entering = true;
  for (;;) {
    const own = subprograms[index]!;
    if (entering) {
      entering = false;
      if (!mayBePrivate) modes[index] = "common";
      if (index !== 0 && own.hasTailCall && depth >= TAIL_CALL_LIMIT)
        return failure(
          "EACCES",
          `tail_calls are not allowed when call stack of previous frames is ${depth} bytes. Too large`,
          "tail-call-stack",
          at,
        );
      const bytes = rounded(own.stackDepth);
      if (mayBePrivate && modes[index] === "undecided" && bytes >= PRIVATE_STACK_MIN) modes[index] = "private";
      if (modes[index] === "private") {
        if (bytes > MAX_STACK)
          return failure("EACCES", `stack size of subprog ${index} is ${bytes}. Too large`, "stack-too-large", at);
      } else {
        depth += bytes;
        if (depth > MAX_STACK)
          return failure(
            "EACCES",
            `combined stack size of ${returns.length + 1} calls is ${depth}. Too large`,
            "stack-too-large",
            at,
          );
      }
    }
    let called = -1;
    for (; at < own.end; at++) {
      const insn = insns[at]!;
      if (program.kfuncs.get(at) === "bpf_throw") {
        const chain = [...returns.map((r) => r.index), index];
        const callback = chain.find((i) => subprograms[i]!.isCallback);
        if (callback !== undefined)
          return failure(
            "EINVAL",
            `bpf_throw kfunc (insn ${at}) cannot be called from callback subprog ${callback}`,
            "throw-in-callback",
            at,
          );
        continue;
      }
      const direct = isPseudoCall(insn);
      if (!direct && !isPseudoFunc(insn)) continue;
      const target = subprogramOf[at + insn.imm + 1]!;
      if (subprograms[target]!.isAsyncCallback && subprograms[target]!.hasTailCall)
        return failure("EFAULT", "verifier bug: subprog has tail_call and async cb", "tail-call-in-async-callback", at);
      if (subprograms[target]!.isAsyncCallback && !direct) continue;
      called = target;
      break;
    }
    if (called >= 0) {
      returns.push({ at: at + 1, index });
      if (returns.length >= MAX_FRAMES)
        return failure("E2BIG", `the call stack of ${returns.length} frames is too deep !`, "call-stack-too-deep", at);
      index = called;
      at = subprograms[called]!.start;
      entering = true;
      continue;
    }
    const back = returns.pop();
    if (back === undefined) return null;
    if (modes[index] !== "private") depth -= rounded(own.stackDepth);
    at = back.at;
    index = back.index;
  }
}
