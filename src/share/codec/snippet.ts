import * as v from "valibot";
import type { SessionSettings } from "../../protocol/engine-types.ts";

/** Version of the shape below. An older one is migrated when it is read; a newer one is refused in words. */
export const SNIPPET_VERSION = 1;

/** Characters of a source or script that a snippet may hold. */
export const MAX_TEXT = 1_000_000;
/** Bytes of an object that a snippet may hold. */
const MAX_OBJECT_BASE64 = 1_400_000;

/** Everything that a run depends on, so that it is the same elsewhere: what a link and a snippet file hold. */
export interface Snippet {
  readonly version: typeof SNIPPET_VERSION;
  readonly sources: readonly { readonly name: string; readonly text: string }[];
  readonly script: string;
  readonly settings: SessionSettings;
  readonly versions: { readonly engine: string; readonly compiler: string };
  /** Demo that it began as, unchanged or not. */
  readonly demo?: string;
  /** An uploaded object in place of C. */
  readonly object?: { readonly name: string; readonly base64: string };
  /** A moment of the run: that after so many events. */
  readonly moment?: { readonly event: number };
  /** A schedule of the explorer, step by step. */
  readonly schedule?: readonly { readonly cpu: number; readonly step: string; readonly at: number }[];
}

const settings = v.object({
  policy: v.picklist(["uref", "uref-5.15", "rfc", "rfc-sync", "refcount", "unprotected", "timer-map"]),
  cpus: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8)),
  hz: v.picklist([100, 250, 1000]),
  seed: v.pipe(v.number(), v.integer(), v.minValue(-(2 ** 53)), v.maxValue(2 ** 53)),
  insnCost: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e9)),
  unverified: v.boolean(),
  engine: v.picklist(["jit", "interpreter"]),
  cpuVersion: v.picklist(["v1", "v2", "v3", "v4"]),
  optimization: v.picklist(["O0", "O1", "O2"]),
});

const text = v.pipe(v.string(), v.maxLength(MAX_TEXT));
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e9));

/** Virtual ns. */
const time = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 53));

const snippet = v.object({
  version: v.literal(SNIPPET_VERSION),
  sources: v.pipe(v.array(v.object({ name, text })), v.maxLength(8)),
  script: text,
  settings,
  versions: v.object({ engine: v.pipe(v.string(), v.maxLength(64)), compiler: v.pipe(v.string(), v.maxLength(64)) }),
  demo: v.optional(name),
  object: v.optional(
    v.object({
      name,
      base64: v.pipe(v.string(), v.maxLength(MAX_OBJECT_BASE64), v.regex(/^[A-Za-z0-9+/]*={0,2}$/)),
    }),
  ),
  moment: v.optional(v.object({ event: count })),
  schedule: v.optional(
    v.pipe(
      v.array(v.object({ cpu: v.pipe(v.number(), v.integer()), step: v.pipe(v.string(), v.maxLength(200)), at: time })),
      v.maxLength(10_000),
    ),
  ),
});

/** Reads what should be a snippet's JSON; the error is a sentence for the visitor. */
export function readSnippet(
  json: string,
): { readonly ok: true; readonly value: Snippet } | { readonly ok: false; readonly error: string } {
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch {
    return { ok: false, error: "It is damaged: its text is not JSON." };
  }
  const version = typeof data === "object" && data !== null && "version" in data ? data.version : undefined;
  if (typeof version === "number" && version > SNIPPET_VERSION) {
    return {
      ok: false,
      error: `It was made by a newer playground (format ${version}; this one reads up to ${SNIPPET_VERSION}).`,
    };
  }
  const parsed = v.safeParse(snippet, data);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const path = v.getDotPath(issue);
    return { ok: false, error: `It is not a snippet of the playground${path === null ? "" : ` (at ${path})`}.` };
  }
  return { ok: true, value: parsed.output as Snippet };
}

/** A snippet as a file: readable, one line per member. */
export function writeSnippet(value: Snippet): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
