import type { BuildReport } from "../../protocol/engine-types.ts";

/** Names whose colour is their kind, wherever they appear. */
export interface ObjectNames {
  readonly maps: ReadonlySet<string>;
  /** Programs, their functions and callbacks. */
  readonly programs: ReadonlySet<string>;
  /** Members of type `struct bpf_timer`. */
  readonly timers: ReadonlySet<string>;
}

function matches(source: string, pattern: RegExp): string[] {
  return [...source.matchAll(pattern)].map((match) => match[1] ?? "").filter((name) => name !== "");
}

/** From the build report, and from the text itself for what is not built (yet). */
export function objectNames(source: string, report: BuildReport | null): ObjectNames {
  const maps = new Set([
    ...matches(source, /\}\s*(\w+)\s+SEC\("\.?maps"\)/g),
    ...matches(source, /^\s*map\s+(\w+)\s*\{/gm),
  ]);
  const programs = new Set([
    ...matches(source, /SEC\("[^".][^"]*"\)\s*(?:\w+\s+)+\**(\w+)\s*\(/g),
    // A function of assembly: its line ends in a colon.
    ...matches(source, /^(?:static\s+|weak\s+)*\w[\w\s]*?(\w+)\s*\([^()]*\)\s*:\s*$/gm),
    ...matches(source, /bpf_timer_set_callback\([^;]*,\s*&?(\w+)\s*\)/g),
    ...matches(source, /bpf_timer_init\([^;]*,\s*&?(\w+)\s*,\s*\w+\s*\)/g),
  ]);
  const timers = new Set(matches(source, /struct\s+bpf_(?:timer|wq)\s+(\w+)/g));
  if (report?.ok) {
    for (const map of report.maps) maps.add(map.name);
    for (const program of report.programs) {
      programs.add(program.name);
      for (const fn of program.functions) programs.add(fn.name);
    }
  }
  for (const name of maps) programs.delete(name);
  return { maps, programs, timers };
}

export function sameNames(a: ObjectNames, b: ObjectNames): boolean {
  const same = (x: ReadonlySet<string>, y: ReadonlySet<string>) => x.size === y.size && [...x].every((n) => y.has(n));
  return same(a.maps, b.maps) && same(a.programs, b.programs) && same(a.timers, b.timers);
}
