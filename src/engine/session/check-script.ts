import type { Diagnostic } from "../base/diagnostic.ts";
import { typeAt } from "../btf/layout.ts";
import type { CollectionSpec } from "../loader/spec.ts";
import { encodeValue, type ValueFault } from "../script/encode-value.ts";
import { SCRIPT_FILE } from "../script/parse-script.ts";
import type { Expectation, ScriptLine, ValueExpression } from "../script/types.ts";
import { typedMapNamed } from "./commands.ts";
import { contextBytes } from "./context-bytes.ts";
import { encodeMapValue, keyTypeOf, type TypedMap } from "./typed-map.ts";

/** What can be known to be wrong with a script before it runs: names that the object lacks, values that do not fit their types. */
export function checkScript(lines: readonly ScriptLine[], collection: CollectionSpec, cpus: number): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const line of lines) {
    const fault = checkLine(line, collection, cpus);
    if (fault === null) continue;
    const { message, column } = fault;
    const span = { file: SCRIPT_FILE, line: line.line, column, endLine: line.line, endColumn: column + 1 };
    diagnostics.push({ severity: "error", message, span });
  }
  return diagnostics;
}

function checkLine(line: ScriptLine, collection: CollectionSpec, cpus: number): ValueFault | null {
  const { command } = line;
  const resolve = (of: "map" | "prog", name: string) =>
    (of === "map" ? typedMapNamed(collection, name) : program(name)) === null ? null : 3;
  const map = (name: string, then: (map: TypedMap) => ValueFault | null = () => null) => {
    const found = typedMapNamed(collection, name);
    return found === null ? missing("map", name, collection.maps) : then(found);
  };
  function program(name: string) {
    return collection.programs.find((p) => p.name === name) ?? null;
  }
  const key = (found: TypedMap, expression: ValueExpression) =>
    fault(encodeValue(expression, keyTypeOf(found), resolve));
  const value = (found: TypedMap, expression: ValueExpression) =>
    fault(encodeMapValue(found, expression, cpus, resolve));

  if (line.cpu !== null && line.cpu >= cpus) return noCpu(line.cpu, cpus);
  switch (command.kind) {
    case "prog-run": {
      const spec = program(command.prog);
      if (spec === null) return missing("program", command.prog, collection.programs);
      if (command.cpu !== null && command.cpu >= cpus) return noCpu(command.cpu, cpus);
      return fault(contextBytes(spec, command.context, command.data?.length ?? 0));
    }
    case "map-update":
      return map(command.map, (m) => key(m, command.key) ?? value(m, command.value));
    case "map-lookup":
    case "map-delete":
      return map(command.map, (m) => key(m, command.key));
    case "map-push":
      return map(command.map, (m) => value(m, command.value));
    case "map-dump":
    case "map-pop":
    case "ringbuf-read":
    case "map-close":
    case "map-open":
    case "map-pin":
      return map(command.map);
    case "prog-attach":
    case "prog-detach":
    case "prog-close":
    case "prog-open":
    case "prog-pin":
      return program(command.prog) === null ? missing("program", command.prog, collection.programs) : null;
    case "timer-create":
      return (
        map(command.map) ??
        (program(command.prog) === null ? missing("program", command.prog, collection.programs) : null)
      );
    case "expect":
      return checkExpectation(command.expectation);
    case "advance":
    case "unpin":
    case "object-load":
    case "exit":
    case "fail-next-alloc":
    case "rcu-settle":
      return null;
  }

  function checkExpectation(expectation: Expectation): ValueFault | null {
    switch (expectation.kind) {
      case "map":
      case "map-missing":
        return map(expectation.map, (m) => key(m, expectation.key));
      case "freed":
        return expectation.of === "map"
          ? map(expectation.name)
          : program(expectation.name) === null
            ? missing("program", expectation.name, collection.programs)
            : null;
      case "global":
        return globals(collection).includes(expectation.name)
          ? null
          : missing(
              "global variable",
              expectation.name,
              globals(collection).map((name) => ({ name })),
            );
      default:
        return null;
    }
  }
}

function fault(result: { readonly ok: true } | { readonly ok: false; readonly error: ValueFault }): ValueFault | null {
  return result.ok ? null : result.error;
}

function noCpu(cpu: number, cpus: number): ValueFault {
  return { message: `there is no CPU ${cpu}: the machine has ${cpus === 1 ? "one" : cpus}`, column: 1 };
}

function missing(what: string, name: string, known: readonly { readonly name: string }[]): ValueFault {
  const names = known.slice(0, 8).map((k) => k.name);
  const has = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  return { message: `the object has no ${what} '${name}' (${has})`, column: 1 };
}

/** Names of the global variables that BTF describes. */
export function globals(collection: CollectionSpec): string[] {
  const { btf } = collection;
  if (btf === null) return [];
  return collection.maps.flatMap((spec) => {
    const section = spec.globalData === null ? null : typeAt(btf, spec.declaredValueType ?? spec.valueType);
    if (section?.kind !== "datasec") return [];
    return section.vars.flatMap((v) => {
      const variable = typeAt(btf, v.type);
      return "name" in variable ? [variable.name] : [];
    });
  });
}
