import type { PlaygroundState } from "../../store/types.ts";
import { usePlayground } from "../shell/context.tsx";

/** What a search would begin with: nothing that may run, a script without lines that run side by side, or all that it needs. */
export type Readiness = "building" | "refused" | "no-block" | "ready";

export function readinessOf({ build, source }: PlaygroundState): Readiness {
  const { report } = build;
  if (report !== null && (build.runningOlder || !report.ok || !report.runnable)) return "refused";
  if (report === null) return "building";
  return /^[ \t]*(?:process\s+\S+\s*:\s*)?cpu\s+\d+\s*:/m.test(source.script) ? "ready" : "no-block";
}

export const useReadiness = (): Readiness => usePlayground(readinessOf);
