import type { PolicyName } from "../../protocol/engine-types.ts";

/** Lifetime policies with one plain hint each, in the order of the picker. */
export const POLICY_HINTS: readonly { readonly name: PolicyName; readonly hint: string; readonly about: string }[] = [
  {
    name: "uref",
    hint: "Linux 6.18",
    about: "A timer holds its program; the last user reference of the map frees every timer.",
  },
  { name: "uref-5.15", hint: "Linux 5.15", about: "As first released: a cancel always waits for the callback." },
  { name: "rfc", hint: "the thread", about: "Freeing a program walks its maps and deletes every timer." },
  {
    name: "rfc-sync",
    hint: "the thread, repaired",
    about: "Marks the program dying, waits, then walks and deletes synchronously.",
  },
  { name: "refcount", hint: "for contrast", about: "A timer holds its program and nothing breaks the circle." },
  { name: "unprotected", hint: "for contrast", about: "Nothing keeps a program alive for its timers." },
  {
    name: "timer-map",
    hint: "the other patch",
    about: "Timers are entries of a map of their own, callbacks are programs.",
  },
];

export const policyHint = (name: PolicyName): string => POLICY_HINTS.find((p) => p.name === name)?.hint ?? "";
