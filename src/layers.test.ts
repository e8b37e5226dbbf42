import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

/** The direction of imports, as docs/ARCHITECTURE.md draws it. A folder may import itself and what stands in its row. */
const SRC = path.dirname(new URL(import.meta.url).pathname);

const ENGINE_ORDER = [
  "base",
  "isa",
  "abi",
  "btf",
  "elf",
  "ir",
  "assembler",
  "codegen",
  "loader",
  "verifier",
  "vm",
  "events",
  "kernel",
  "script",
  "snapshot",
  "recording",
  "explore",
  "session",
] as const;
/** From `loader` on, only `session` may know that there is a compiler. */
const COMPILER_LAYERS = ["ir", "codegen", "assembler"];

const MAY_IMPORT: Record<string, readonly string[]> = {
  toolchain: ["engine/base", "engine/ir", "engine/assembler", "engine/codegen"],
  protocol: ["engine"],
  host: ["engine"],
  worker: ["engine", "toolchain", "protocol", "host"],
  cli: ["engine", "toolchain", "protocol", "host", "demos"],
  client: ["protocol"],
  share: ["protocol"],
  demos: ["protocol"],
  // Events travel packed: to unpack them is the one thing of the engine that the page does itself.
  store: ["protocol", "client", "share", "demos", "engine/events"],
  ui: ["protocol", "store"],
};

/** Words that would let the host's time or chance into the engine. */
const FORBIDDEN_IN_ENGINE = /\b(Date\.now|new Date|Math\.random|performance\.now|setTimeout|setInterval|console\.)/;

interface Source {
  /** Path below src, with slashes. */
  readonly file: string;
  readonly text: string;
}

function sources(folder: string): Source[] {
  return readdirSync(folder).flatMap((name) => {
    const full = path.join(folder, name);
    if (statSync(full).isDirectory()) return sources(full);
    return /\.(ts|tsx|mts)$/.test(name) && !/\.test\.tsx?$/.test(name)
      ? [{ file: path.relative(SRC, full).split(path.sep).join("/"), text: readFileSync(full, "utf8") }]
      : [];
  });
}

const ALL = sources(SRC).filter(({ file }) => !file.includes("/testing/") && !file.startsWith("ui/dev/"));

/** Imports within src: the file imported, and whether only types travel. */
function imports({ file, text }: Source): { target: string; typeOnly: boolean }[] {
  const found: { target: string; typeOnly: boolean }[] = [];
  for (const match of text.matchAll(
    /^\s*(?:import|export)\s+(type\s)?[^;"']*?from\s+["'](\.[^"']+)["']|import\(\s*["'](\.[^"']+)["']\s*\)/gm,
  )) {
    const specifier = (match[2] ?? match[3])!.replace(/\?.*$/, "");
    found.push({
      target: path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)),
      typeOnly: match[1] !== undefined,
    });
  }
  return found;
}

const layerOf = (file: string): string =>
  file.startsWith("engine/") ? file.split("/").slice(0, 2).join("/") : (file.split("/")[0] ?? "");

describe("direction of imports", () => {
  it("lets each engine layer import leftward only", () => {
    const wrong: string[] = [];
    for (const source of ALL.filter((s) => s.file.startsWith("engine/"))) {
      const from = source.file.split("/")[1] as (typeof ENGINE_ORDER)[number];
      for (const { target, typeOnly } of imports(source)) {
        const to = target.split("/")[1] as (typeof ENGINE_ORDER)[number];
        // Types of events, snapshots and reports may be named from the left: they are data, not code.
        const dataTypes = typeOnly && /types\.ts$/.test(target);
        if (!target.startsWith("engine/")) wrong.push(`${source.file} -> ${target} (leaves the engine)`);
        else if (from !== to && ENGINE_ORDER.indexOf(to) > ENGINE_ORDER.indexOf(from) && !dataTypes)
          wrong.push(`${source.file} -> ${target} (rightward)`);
        else if (
          COMPILER_LAYERS.includes(to) &&
          ENGINE_ORDER.indexOf(from) >= ENGINE_ORDER.indexOf("loader") &&
          from !== "session"
        )
          wrong.push(`${source.file} -> ${target} (knows the compiler)`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("keeps every other folder to its row", () => {
    const wrong: string[] = [];
    for (const source of ALL) {
      const from = source.file.split("/")[0]!;
      const allowed = MAY_IMPORT[from];
      if (!allowed) continue;
      for (const { target, typeOnly } of imports(source)) {
        const layer = layerOf(target);
        // Benches that compare with Linux ask the judge that the kernel tests ask.
        if (source.file.startsWith("cli/bench/") && target.startsWith("../e2e/kernel/")) continue;
        if (target.startsWith(`${from}/`) || allowed.includes(layer) || allowed.includes(target.split("/")[0]!)) {
          if (from === "protocol" && layer.startsWith("engine/") && !typeOnly)
            wrong.push(`${source.file} -> ${target} (types only)`);
          continue;
        }
        wrong.push(`${source.file} -> ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("keeps the host's time and chance out of the engine", () => {
    const wrong = ALL.filter((s) => s.file.startsWith("engine/")).flatMap(({ file, text }) =>
      text
        .split("\n")
        .map((line, index) => ({ line: line.replace(/\/\/.*$|^\s*\*.*$/, ""), index }))
        .filter(({ line }) => FORBIDDEN_IN_ENGINE.test(line))
        .map(({ index }) => `${file}:${index + 1}`),
    );
    expect(wrong).toEqual([]);
  });

  it("sees imports at all", () => {
    expect(
      imports({
        file: "ui/a.ts",
        text: 'import { x } from "../engine/base/result.ts";\nimport type { Y } from "./b.ts";',
      }),
    ).toEqual([
      { target: "engine/base/result.ts", typeOnly: false },
      { target: "ui/b.ts", typeOnly: true },
    ]);
  });
});
