/** Engine data that travels between threads, as types only: what the page may know of the engine. */
export type { Errno } from "../engine/abi/errno.ts";
export type { Dialect, PolicyName } from "../engine/abi/types.ts";
export type { Diagnostic, Severity, SourceSpan } from "../engine/base/diagnostic.ts";
export type { TableVariable, VariablePlace, VariableRange } from "../engine/btf/variable-table.ts";
export type { EventPack } from "../engine/events/types.ts";
export type * from "../engine/explore/types.ts";
export type * from "../engine/kernel/event-types.ts";
export type * from "../engine/kernel/stop-points.ts";
export type { ProgramVariable } from "../engine/loader/spec.ts";
export type * from "../engine/session/types.ts";
export type * from "../engine/snapshot/types.ts";
export type {
  Rejection,
  TracePath,
  TraceStep,
  VerifiedFunction,
  VerifierStats,
  XlatedLine,
} from "../engine/verifier/types.ts";
