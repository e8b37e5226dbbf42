import { BPF_F_SLEEPABLE, PROG_TYPES } from "../../../src/engine/abi/types.ts";
import { Builder } from "./builder.ts";
import type { GeneratedProgram } from "./generate-program.ts";
import type { Draft } from "./operands.ts";
import type { TYPES } from "./program-shaper.ts";
import { FUNCTION_TYPES } from "./universe.ts";

/** A program that keeps its context in r9, does `body`, and returns 0. */
export function program(
  typeName: (typeof TYPES)[number],
  serial: number,
  body: (draft: Draft) => void,
): GeneratedProgram {
  const b = new Builder();
  const draft: Draft = { b, typeName, out: b.label(), callback: b.label(), usesCallback: false, kfuncs: new Map() };
  b.mov(9, 1);
  body(draft);
  b.place(draft.out);
  draft.atEnd?.();
  b.movImm(0, 0);
  b.exit();
  const functions = [{ insn: 0, name: "main", type: FUNCTION_TYPES.main }];
  if (draft.usesCallback) {
    b.place(draft.callback);
    functions.push({ insn: b.length, name: "c0", type: FUNCTION_TYPES.callback[0] ?? 0 });
    draft.insideCallback?.();
    b.movImm(0, 0);
    b.exit();
  }
  return {
    seed: serial,
    type: PROG_TYPES[typeName],
    typeName,
    flags: typeName === "syscall" ? BPF_F_SLEEPABLE : 0,
    insns: b.finish(),
    functions,
    kfuncs: draft.kfuncs,
  };
}
