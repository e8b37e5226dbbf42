import { typeAt } from "../btf/layout.ts";
import { type Kernel, mapEntries } from "../kernel/api.ts";
import { compareValue, holds, partOf, type ValuePart } from "../script/compare-value.ts";
import { decodedText, decodeValue, hexOf, PLAIN } from "../script/decode-value.ts";
import { encodeValue, variableType } from "../script/encode-value.ts";
import type { Comparison, Expectation, PathStep, ValueExpression } from "../script/types.ts";
import { type CommandWorld, type Outcome, resolver, typedMapNamed } from "./commands.ts";
import { idOf } from "./names.ts";
import { keyTypeOf, typedMap } from "./typed-map.ts";

export interface Judgement {
  readonly ok: boolean;
  /** What was found, in the script's syntax; or why the expectation makes no sense here. */
  readonly actual: string;
}

/** True and false as the script's user sees the kernel at this moment. `last` is the outcome of the command before. */
export function judge(
  expectation: Expectation,
  last: Outcome & { readonly ofRun: boolean },
  world: CommandWorld,
): Judgement {
  const { kernel } = world;
  switch (expectation.kind) {
    case "retval": {
      // A program returns 32 bits: -1 and 4294967295 are the same to it.
      const actual = BigInt(last.retval);
      const shown = last.ofRun && expectation.value < 0n ? BigInt.asIntN(32, actual) : actual;
      return { ok: holds(shown, expectation.comparison, expectation.value), actual: shown.toString() };
    }
    case "errno": {
      const same = last.errno === expectation.errno;
      return { ok: same === (expectation.comparison === "=="), actual: last.errno ?? "0" };
    }
    case "map":
      return judgeMap(expectation, world);
    case "map-missing": {
      const found = findValue(expectation.map, expectation.key, world);
      if (typeof found === "string") return { ok: false, actual: found };
      return { ok: found === null, actual: found === null ? "missing" : "there" };
    }
    case "global":
      return judgeGlobal(expectation, world);
    case "timers-pending": {
      const pending = pendingTimers(kernel);
      return { ok: holds(pending, expectation.comparison, expectation.count), actual: String(pending) };
    }
    case "works-pending": {
      const pending = [...kernel.state.works.values()].filter((work) => work.queuedOn >= 0).length;
      return { ok: holds(pending, expectation.comparison, expectation.count), actual: String(pending) };
    }
    case "freed": {
      const state = lifeOf(world, expectation.of, expectation.name);
      return { ok: state === "freed", actual: state };
    }
    case "trace": {
      const text = kernel.state.trace.join("\n");
      return { ok: text.includes(expectation.text), actual: JSON.stringify(text.slice(-200)) };
    }
    case "no-oops":
    case "oops": {
      const { oops } = kernel.state;
      const actual = oops === null ? "no oops" : `${oops.what}: ${oops.message}`;
      if (expectation.kind === "no-oops") return { ok: oops === null, actual };
      return { ok: oops !== null && (expectation.what === null || expectation.what === oops.what), actual };
    }
  }
}

export function pendingTimers(kernel: Kernel): number {
  let pending = 0;
  for (const timer of kernel.state.timers.values()) if (timer.queuedOn >= 0) pending++;
  return pending;
}

function lifeOf(world: CommandWorld, of: "prog" | "map", name: string): string {
  const real = of === "map" ? (typedMapNamed(world.collection, name)?.spec.name ?? name) : name;
  const id = idOf(world.names, of, real);
  if (id === null) return "never loaded";
  if (of === "prog") return world.kernel.state.programs.get(id)?.state ?? "freed";
  const map = world.kernel.state.maps.get(id);
  return map === undefined || map.freed ? "freed" : "live";
}

/** Values of an element (one per CPU); null when it is missing; a text when the question makes no sense. */
function findValue(name: string, key: ValueExpression, world: CommandWorld): readonly Uint8Array[] | null | string {
  const map = typedMapNamed(world.collection, name);
  if (map === null) return `the object has no map '${name}'`;
  const encoded = encodeValue(key, keyTypeOf(map), resolver(world));
  if (!encoded.ok) return encoded.error.message;
  const id = idOf(world.names, "map", map.spec.name);
  const live = id === null ? undefined : world.kernel.state.maps.get(id);
  if (id === null || live === undefined || live.freed) return `map '${name}' is freed`;
  const keyHex = hexOf(encoded.value);
  const entry = mapEntries(world.kernel, id, Number.POSITIVE_INFINITY).find((e) => e.keyHex === keyHex);
  return entry?.values ?? null;
}

function judgeMap(expectation: Expectation & { readonly kind: "map" }, world: CommandWorld): Judgement {
  const map = typedMapNamed(world.collection, expectation.map);
  const found = findValue(expectation.map, expectation.key, world);
  if (map === null || typeof found === "string") return { ok: false, actual: String(found) };
  if (found === null) return { ok: false, actual: "missing" };
  const type = { btf: map.btf, type: map.valueType, bits: null, special: map.special, offset: 0 };
  if (!map.perCpu) {
    return judgePart({ ...type, bytes: found[0] ?? new Uint8Array() }, expectation, world);
  }
  const [first, ...rest] = expectation.path;
  if (first?.kind === "index") {
    const bytes = found[first.index];
    if (bytes === undefined) return { ok: false, actual: `there is no CPU ${first.index}` };
    return judgePart({ ...type, bytes }, { ...expectation, path: rest }, world);
  }
  const { value } = expectation;
  const results = found.map((bytes, cpu) => {
    const item = value.kind === "list" ? value.items[cpu] : value;
    return judgePart({ ...type, bytes }, { ...expectation, value: item ?? { ...ZERO, column: value.column } }, world);
  });
  return { ok: results.every((r) => r.ok), actual: `[${results.map((r) => r.actual).join(", ")}]` };
}

const ZERO = { kind: "number", value: 0n } as const;

function judgeGlobal(expectation: Expectation & { readonly kind: "global" }, world: CommandWorld): Judgement {
  const found = findGlobal(expectation.name, world);
  return found === null
    ? { ok: false, actual: `the object has no global variable '${expectation.name}' with BTF` }
    : judgePart(found, expectation, world);
}

/** A global variable in its section's map, by the BTF of the section. */
function findGlobal(name: string, world: CommandWorld): ValuePart | null {
  const { collection, kernel, names } = world;
  for (const spec of collection.maps) {
    if (spec.globalData === null || collection.btf === null) continue;
    const { btf, valueType, special } = typedMap(collection, spec);
    const section = btf === null ? null : typeAt(btf, valueType);
    if (btf === null || section?.kind !== "datasec") continue;
    for (const place of section.vars) {
      const variable = typeAt(btf, place.type);
      if (!("name" in variable) || variable.name !== name) continue;
      const id = idOf(names, "map", spec.name);
      const live = id === null ? undefined : kernel.state.maps.get(id);
      const value =
        id === null || live === undefined || live.freed ? undefined : mapEntries(kernel, id, 1)[0]?.values[0];
      if (value === undefined) return null;
      const bytes = value.subarray(place.offset, place.offset + place.size);
      return { btf, type: variableType(btf, place.type), bytes, bits: null, special, offset: place.offset };
    }
  }
  return null;
}

function judgePart(
  whole: ValuePart,
  wanted: { readonly path: readonly PathStep[]; readonly comparison: Comparison; readonly value: ValueExpression },
  world: CommandWorld,
): Judgement {
  const part = partOf(whole, wanted.path);
  if (!part.ok) return { ok: false, actual: part.error.message };
  const result = compareValue(part.value, wanted.comparison, wanted.value, resolver(world));
  if (!result.ok) return { ok: false, actual: result.error.message };
  return { ok: result.value, actual: textOf(part.value) };
}

function textOf(part: ValuePart): string {
  if (part.bits !== null) return part.bits.toString();
  return decodedText(decodeValue(part.bytes, part.type, { ...PLAIN, btf: part.btf }));
}
