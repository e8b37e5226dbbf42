import { existsSync, readFileSync } from "node:fs";
import { POLICIES, type PolicyName } from "../engine/abi/types.ts";
import { DEFAULT_SETTINGS, type SessionSettings } from "../engine/session/types.ts";
import { ANY, type OptionSpec, type Options } from "./options.ts";

/** Options of what a run depends on besides its program. */
export const SCENARIO_OPTIONS = {
  "--script": ANY,
  "--policy": POLICIES,
  "--cpus": { pattern: /^[1-8]$/, what: "1 to 8" },
  "--hz": ["100", "250", "1000"],
  "--seed": { pattern: /^-?\d+$/, what: "a whole number" },
  "--mcpu": ["v1", "v2", "v3", "v4"],
} satisfies OptionSpec["values"];

export function settingsOf({ flags, values }: Options): SessionSettings {
  return {
    ...DEFAULT_SETTINGS,
    policy: (values.get("--policy") ?? DEFAULT_SETTINGS.policy) as PolicyName,
    cpus: Number(values.get("--cpus") ?? DEFAULT_SETTINGS.cpus),
    hz: Number(values.get("--hz") ?? DEFAULT_SETTINGS.hz) as SessionSettings["hz"],
    seed: Number(values.get("--seed") ?? DEFAULT_SETTINGS.seed),
    insnCost: Number(values.get("--insn-cost") ?? DEFAULT_SETTINGS.insnCost),
    unverified: flags.has("--unverified"),
    engine: (values.get("--engine") ?? DEFAULT_SETTINGS.engine) as SessionSettings["engine"],
    cpuVersion: (values.get("--mcpu") ?? DEFAULT_SETTINGS.cpuVersion) as SessionSettings["cpuVersion"],
  };
}

export type ScriptFile =
  | { readonly ok: true; readonly name: string; readonly text: string }
  | { readonly ok: false; readonly message: string };

/** The script that is given; else one of the same name as the program that ends in `.user`, when there is one; else an empty one. */
export function readScript(file: string, given: string | undefined): ScriptFile {
  const stem = file.replace(/\.[^./]+$/, "");
  const beside = [`${stem}.user`, `${stem.replace(/\.bpf$/, "")}.user`];
  const name = given ?? beside.find((candidate) => existsSync(candidate));
  if (name === undefined) return { ok: true, name: "", text: "" };
  try {
    return { ok: true, name, text: readFileSync(name, "utf8") };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
