/**
 * The user-space script as data. Keys and values stay expressions until a map's BTF is at hand. Columns count from 1 and
 * point into the line as written.
 */
export type ValueExpression = { readonly column: number } & (
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly text: string }
  /** An enumerator, `true` or `false`. */
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "struct"; readonly members: readonly MemberExpression[] }
  | { readonly kind: "list"; readonly items: readonly ValueExpression[] }
  | { readonly kind: "hex"; readonly bytes: Uint8Array }
  | { readonly kind: "object"; readonly of: "map" | "prog"; readonly name: string }
);

export interface MemberExpression {
  readonly name: string;
  readonly column: number;
  readonly value: ValueExpression;
}

export type UpdateFlag = "any" | "noexist" | "exist" | "lock" | "busy" | "cancel";

export type Duration =
  | { readonly kind: "ns"; readonly ns: number }
  | { readonly kind: "jiffies"; readonly count: number }
  | { readonly kind: "next" };

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** One step into a value: `.member` or `[index]`. */
export type PathStep = { readonly column: number } & (
  | { readonly kind: "member"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
);

export type Expectation =
  | { readonly kind: "retval"; readonly comparison: Comparison; readonly value: bigint }
  /** `errno` null: 0, that is, success. */
  | { readonly kind: "errno"; readonly comparison: "==" | "!="; readonly errno: string | null }
  | {
      readonly kind: "map";
      readonly map: string;
      readonly key: ValueExpression;
      readonly path: readonly PathStep[];
      readonly comparison: Comparison;
      readonly value: ValueExpression;
    }
  | { readonly kind: "map-missing"; readonly map: string; readonly key: ValueExpression }
  | {
      readonly kind: "global";
      readonly name: string;
      readonly path: readonly PathStep[];
      readonly comparison: Comparison;
      readonly value: ValueExpression;
    }
  | { readonly kind: "works-pending"; readonly comparison: Comparison; readonly count: number }
  | { readonly kind: "timers-pending"; readonly comparison: Comparison; readonly count: number }
  | { readonly kind: "freed"; readonly of: "prog" | "map"; readonly name: string }
  | { readonly kind: "trace"; readonly text: string }
  | { readonly kind: "no-oops" }
  /** `what` null: any oops. */
  | { readonly kind: "oops"; readonly what: string | null };

export type Command =
  | {
      readonly kind: "prog-run";
      readonly prog: string;
      readonly context: readonly { readonly field: string; readonly value: bigint; readonly column: number }[];
      /** Null: 64 zero bytes where the program type has a packet. */
      readonly data: Uint8Array | null;
      readonly repeat: number;
      /** Null: the CPU of a `cpu N:` prefix, else CPU 0. */
      readonly cpu: number | null;
    }
  | { readonly kind: "advance"; readonly by: Duration }
  | {
      readonly kind: "map-update";
      readonly map: string;
      readonly key: ValueExpression;
      readonly value: ValueExpression;
      readonly flag: UpdateFlag;
    }
  | { readonly kind: "map-lookup" | "map-delete"; readonly map: string; readonly key: ValueExpression }
  | { readonly kind: "map-dump" | "map-pop" | "ringbuf-read" | "map-close" | "map-open"; readonly map: string }
  | { readonly kind: "map-push"; readonly map: string; readonly value: ValueExpression }
  | { readonly kind: "map-pin"; readonly map: string; readonly path: string }
  | { readonly kind: "prog-attach" | "prog-detach" | "prog-close" | "prog-open"; readonly prog: string }
  | { readonly kind: "prog-pin"; readonly prog: string; readonly path: string }
  | { readonly kind: "unpin"; readonly path: string }
  | { readonly kind: "object-load" }
  | { readonly kind: "exit" }
  | { readonly kind: "timer-create"; readonly map: string; readonly prog: string; readonly expires: Duration }
  | { readonly kind: "fail-next-alloc" }
  | { readonly kind: "rcu-settle" }
  | { readonly kind: "expect"; readonly expectation: Expectation };

export interface ScriptLine {
  /** from 1 */
  readonly line: number;
  /** As written, without comment and surrounding space. */
  readonly text: string;
  /** Of a `process P:` prefix; null: the process that loaded the object. */
  readonly process: string | null;
  /** Of a `cpu N:` prefix. */
  readonly cpu: number | null;
  readonly command: Command;
}

/** The process that a script speaks for when no line says otherwise. */
export const MAIN_PROCESS = "P1";
