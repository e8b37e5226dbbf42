import type { PlaygroundState } from "../../store/types.ts";
import { usePlayground } from "../shell/context.tsx";

const CONCURRENT = /^[ \t]*(?:process\s+\S+\s*:\s*)?cpu\s+(\d+)\s*:\s*(.*?)\s*(?:\s#.*)?$/;

/** What runs side by side: the blocks of a script, each as lines by CPU. */
export function blocksOf(script: string): readonly ReadonlyMap<number, readonly string[]>[] {
  const blocks: Map<number, string[]>[] = [];
  let block: Map<number, string[]> | null = null;
  for (const line of script.split(/\r\n|\n|\r/)) {
    const found = CONCURRENT.exec(line);
    if (found === null) {
      // A comment or an empty line does not end a block.
      if (/^\s*(?:#|$)/.test(line)) continue;
      block = null;
      continue;
    }
    if (block === null) {
      block = new Map();
      blocks.push(block);
    }
    const cpu = Number(found[1]);
    block.set(cpu, [...(block.get(cpu) ?? []), found[2] as string]);
  }
  return blocks.map((lines) => new Map([...lines].sort(([a], [b]) => a - b)));
}

/** What a search would begin with: nothing that may run, a script without lines that run side by side, or all that it needs. */
export type Readiness = "building" | "refused" | "no-block" | "ready";

export function readinessOf({ build, source }: PlaygroundState): Readiness {
  const { report } = build;
  if (report !== null && (build.runningOlder || !report.ok || !report.runnable)) return "refused";
  if (report === null) return "building";
  return source.script.split(/\r\n|\n|\r/).some((line) => CONCURRENT.test(line)) ? "ready" : "no-block";
}

export const useReadiness = (): Readiness => usePlayground(readinessOf);
