import type { Dialect } from "../abi/types.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { checkCoreRelocations } from "./core-relocations.ts";
import { DEFAULT_KERNEL_CONFIG, type KernelConfig, resolveExterns } from "./externs.ts";
import { fixBtf } from "./fix-btf.ts";
import { type ObjectFunction, readFunctions, TEXT } from "./functions.ts";
import { globalDataMaps } from "./global-data.ts";
import { indexFunctions, linkProgram } from "./link.ts";
import { readDeclaredMaps } from "./maps.ts";
import { findSection, type ObjectFile, openObject, Problems, sectionText } from "./object-file.ts";
import { sectionMeaning } from "./section-names.ts";
import type { CollectionSpec, ProgramSpec } from "./spec.ts";

/** Section by which an object names the dialect of the timer API that it was written for. */
export const DIALECT_SECTION = ".bpf_timer_dialect";

export interface LoadOptions {
  /** Values of `.kconfig` externs that differ from, or add to, the playground's own. */
  readonly kernelConfig?: KernelConfig;
}

/**
 * Reads a BPF object as libbpf does, up to the moment where it would ask the kernel. `name` is the file's name: maps of
 * global data are named after it. The error names every fault of the first stage
 * (declarations, then code) that has any.
 */
export function loadObject(
  bytes: Uint8Array,
  name: string,
  options: LoadOptions = {},
): Result<CollectionSpec, readonly Diagnostic[]> {
  // A copy: what the caller does with its buffer afterwards must not reach the maps.
  const opened = openObject(Uint8Array.from(bytes), name);
  if (!opened.ok) return err([{ severity: "error", message: `${name}: ${opened.error}` }]);
  const object = opened.value;
  const problems = new Problems();

  const externs = resolveExterns(object, { ...DEFAULT_KERNEL_CONFIG, ...options.kernelConfig }, problems);
  const kconfigOffsets = new Map(
    [...externs.byName].flatMap(([n, e]) => (e.kind === "kconfig" ? [[n, e.offset] as const] : [])),
  );
  const btf = fixBtf(object, kconfigOffsets, problems);
  const declared = readDeclaredMaps(object, btf, problems);
  // What code refers to is known only when maps and externs are; complaints about it would repeat these.
  if (problems.list.length > 0) return err(problems.list);
  const data = globalDataMaps(object);
  const functions = readFunctions(
    object,
    {
      declared: new Map(declared.map((m) => [m.offset, m.spec.name])),
      mapsSection: findSection(object.elf, ".maps")?.index ?? -1,
      data: new Map([...data].map(([section, map]) => [section, map.name])),
      kconfigMap: externs.kconfigMap?.name ?? null,
    },
    externs,
    problems,
  );
  checkCoreRelocations(object, problems);
  const programs = linkPrograms(object, functions, problems);
  const dialect = readDialect(object, problems);
  for (const section of object.elf.sections) {
    if (section.name.startsWith(".struct_ops") && section.size > 0) {
      problems.error(
        `section ${section.name}: struct_ops needs the running kernel's types, which the playground does not have`,
      );
    }
  }
  if (problems.list.length > 0) return err(problems.list);
  const kconfig = externs.kconfigMap === null ? [] : [externs.kconfigMap];
  return ok({
    dialect,
    license: sectionText(object.elf, "license") ?? "",
    btf,
    maps: [...declared.map((m) => m.spec), ...data.values(), ...kconfig],
    programs,
  });
}

function linkPrograms(object: ObjectFile, functions: readonly ObjectFunction[], problems: Problems): ProgramSpec[] {
  const index = indexFunctions(functions);
  const license = sectionText(object.elf, "license") ?? "";
  const programs: ProgramSpec[] = [];
  // Without any function in a section of its own, a lone function in .text is a program that lacks SEC().
  const entries = functions.filter((f) => f.section.name !== TEXT || functions.length === 1);
  for (const entry of entries) {
    const section = entry.section.name;
    // `?` in front: loaded only when user space asks for it.
    if (section.startsWith("?")) continue;
    const meaning = sectionMeaning(section);
    if (meaning === null) {
      problems.error(`program '${entry.name}': missing BPF prog type, check ELF section name '${section}'`);
      continue;
    }
    programs.push({
      name: entry.name,
      section,
      type: meaning.type,
      expectedAttachType: meaning.attachType,
      flags: meaning.flags,
      license,
      ...linkProgram(object, entry, index, problems),
    });
  }
  return programs;
}

function readDialect(object: ObjectFile, problems: Problems): Dialect {
  const marker = sectionText(object.elf, DIALECT_SECTION);
  if (marker === null) return "linux";
  if (marker === "rfc" || marker === "timer-map" || marker === "linux") return marker;
  problems.error(`section ${DIALECT_SECTION}: dialect '${marker}' is not known`);
  return "linux";
}
