import type { DecodedValue, KernelEvent, MapSnapshot, Snapshot } from "../../protocol/engine-types.ts";

/** What things are called on the page: `hmap`, `hmap[0]`, `arm`. Built from a moment and what happened before it. */
export interface Names {
  map(id: number): string;
  program(id: number): string;
  /** Element ids, timer ids and graph nodes of either. */
  element(id: string): string;
  node(id: string): string;
}

/** Map id and key of `2:00000000`, `element:2:00000000`, `t:2:00000000` or `timer:2:00000000`. */
export function parseElementId(id: string): { readonly map: number; readonly keyHex: string } {
  const [map = "0", keyHex = ""] = id.replace(/^(element|timer|t):/, "").split(":");
  return { map: Number(map), keyHex };
}

/** A key as text when no snapshot decodes it: little-endian integer up to 8 bytes, else hex. */
export function keyFromHex(hex: string): string {
  if (hex.length === 0) return "";
  if (hex.length > 16) return `0x${hex.slice(0, 12)}…`;
  const bytes = hex.match(/../g) ?? [];
  return BigInt(`0x${bytes.reverse().join("")}`).toString();
}

/** A value in the script's syntax; what the page shows in a cell and what it sends back in an update. */
export function valueText(value: DecodedValue): string {
  switch (value.kind) {
    case "scalar":
      return value.text;
    case "struct":
      return `{${value.members
        .filter((m) => m.value.kind !== "timer" && m.value.kind !== "spin-lock" && m.value.kind !== "object")
        .map((m) => `${m.name}: ${valueText(m.value)}`)
        .join(", ")}}`;
    case "array":
      return value.text === null ? `[${value.items.map(valueText).join(", ")}]` : JSON.stringify(value.text);
    case "timer":
      return value.state;
    case "spin-lock":
      return value.locked ? "locked" : "free";
    case "object":
      return value.label;
    case "bytes":
      return `hex:${value.hex}`;
  }
}

function keysOf(map: MapSnapshot): ReadonlyMap<string, string> {
  return new Map(map.rows.map((row) => [row.keyHex, valueText(row.key)]));
}

/** A name in at most so many characters; a key in brackets at its end stays whole. */
export function shorten(name: string, most: number): string {
  if (name.length <= most) return name;
  const key = /\[[^\]]*\]$/.exec(name)?.[0] ?? "";
  return `${name.slice(0, Math.max(1, most - key.length - 1))}…${key}`;
}

/** Names at a moment; objects that are gone keep the name that their creation gave them. */
export function namesOf(snapshot: Snapshot | null, events: readonly KernelEvent[]): Names {
  const maps = new Map<number, string>();
  const programs = new Map<number, string>();
  for (const event of events) {
    if (event.kind === "map-create") maps.set(event.map, event.name);
    else if (event.kind === "prog-load") programs.set(event.prog, event.name);
  }
  const tables = new Map<number, MapSnapshot>();
  const keys = new Map<number, ReadonlyMap<string, string>>();
  /** Keys of a map as text, read when first asked for: a map may have a thousand rows. */
  const keysIn = (id: number): ReadonlyMap<string, string> | undefined => {
    const table = tables.get(id);
    if (table && !keys.has(id)) keys.set(id, keysOf(table));
    return keys.get(id);
  };
  const labels = new Map<string, string>();
  for (const map of snapshot?.maps ?? []) {
    maps.set(map.id, map.name);
    tables.set(map.id, map);
  }
  for (const program of snapshot?.programs ?? []) programs.set(program.id, program.name);
  for (const node of snapshot?.graph.nodes ?? []) labels.set(node.id, node.label);
  const names: Names = {
    map: (id) => maps.get(id) ?? `map ${id}`,
    program: (id) => programs.get(id) ?? `program ${id}`,
    element(id) {
      const { map, keyHex } = parseElementId(id);
      return `${names.map(map)}[${keysIn(map)?.get(keyHex) ?? keyFromHex(keyHex)}]`;
    },
    node(id) {
      const [kind, ...rest] = id.split(":");
      if (kind === "element") return names.element(id);
      if (kind === "timer" || kind === "t") return `timer of ${names.element(id)}`;
      if (kind === "map") return names.map(Number(rest[0]));
      if (kind === "prog") return names.program(Number(rest[0]));
      if (kind === "fd") return labels.get(id) ?? `fd ${rest[1] ?? rest[0]}`;
      if (kind === "pin") return rest.join(":");
      return labels.get(id) ?? (kind === "process" ? `process ${rest[0]}` : id);
    },
  };
  return names;
}
