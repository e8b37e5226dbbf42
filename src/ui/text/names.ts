import type { DecodedValue, KernelEvent, Snapshot } from "../../protocol/engine-types.ts";

/** What things are called on the page: `hmap`, `hmap[0]`, `arm`. Built from a moment and what happened before it. */
export interface Names {
  map(id: number): string;
  program(id: number): string;
  /** Function of the callback that a run is of; null when it is none. */
  callback(run: number): string | null;
  /** Element ids, timer ids and graph nodes of either. */
  element(id: string): string;
  node(id: string): string;
}

/** Map id and key of `2:00000000`, `element:2:00000000`, `t:2:00000000` or `timer:2:00000000`, and of work queues (`w:`, `work:`). */
export function parseElementId(id: string): { readonly map: number; readonly keyHex: string } {
  const [map = "0", keyHex = ""] = id.replace(/^(element|timer|t|work|w):/, "").split(":");
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
        .filter(
          (m) =>
            m.value.kind !== "timer" &&
            m.value.kind !== "work" &&
            m.value.kind !== "spin-lock" &&
            m.value.kind !== "object",
        )
        .map((m) => `${m.name}: ${valueText(m.value)}`)
        .join(", ")}}`;
    case "array":
      return value.text === null ? `[${value.items.map(valueText).join(", ")}]` : JSON.stringify(value.text);
    case "timer":
    case "work":
      return value.state;
    case "spin-lock":
      return value.locked ? "locked" : "free";
    case "object":
      return value.label;
    case "bytes":
      return `hex:${value.hex}`;
  }
}

/** A name in at most so many characters; a key in brackets at its end stays whole. */
export function shorten(name: string, most: number): string {
  if (name.length <= most) return name;
  const key = /\[[^\]]*\]$/.exec(name)?.[0] ?? "";
  return `${name.slice(0, Math.max(1, most - key.length - 1))}…${key}`;
}

/** What the events of a recording name, grown as they arrive. */
interface Recorded {
  count: number;
  readonly maps: Map<number, string>;
  readonly programs: Map<number, string>;
  /** Callback that a run is of. */
  readonly runs: Map<number, string>;
  /** Keys as text by element id, as the snapshots showed them while the elements lived. */
  readonly keys: Map<string, string>;
  /** Maps whose keys are structs: their bytes mean nothing as one number. */
  readonly structKeys: Set<number>;
}

const recordings = new WeakMap<KernelEvent, Recorded>();

function recordedIn(events: readonly KernelEvent[]): Recorded {
  const first = events[0];
  const known = (first && recordings.get(first)) ?? {
    count: 0,
    maps: new Map<number, string>(),
    programs: new Map<number, string>(),
    runs: new Map<number, string>(),
    keys: new Map<string, string>(),
    structKeys: new Set<number>(),
  };
  if (first) recordings.set(first, known);
  for (let i = known.count; i < events.length; i++) {
    const event = events[i] as KernelEvent;
    if (event.kind === "map-create") known.maps.set(event.map, event.name);
    else if (event.kind === "prog-load") known.programs.set(event.prog, event.name);
    else if (event.kind === "timer-fire" || event.kind === "wq-run") known.runs.set(event.run, event.functionName);
  }
  known.count = Math.max(known.count, events.length);
  return known;
}

/** A timer that no map contains, as unverified programs make. */
const OUTSIDE = "timer outside every map";

/** Names at a moment; objects that are gone keep the name that their creation, or a snapshot of their life, gave them. */
export function namesOf(snapshot: Snapshot | null, events: readonly KernelEvent[]): Names {
  const recorded = recordedIn(events);
  const maps = new Map(recorded.maps);
  const programs = new Map(recorded.programs);
  const labels = new Map<string, string>();
  for (const map of snapshot?.maps ?? []) {
    maps.set(map.id, map.name);
    if (map.keyTypeName.startsWith("struct")) recorded.structKeys.add(map.id);
    for (const row of map.rows) {
      const id = `${map.id}:${row.keyHex}`;
      if (!recorded.keys.has(id)) recorded.keys.set(id, valueText(row.key));
    }
  }
  for (const program of snapshot?.programs ?? []) programs.set(program.id, program.name);
  for (const node of snapshot?.graph.nodes ?? []) labels.set(node.id, node.label);
  const names: Names = {
    map: (id) => maps.get(id) ?? `map ${id}`,
    program: (id) => programs.get(id) ?? `program ${id}`,
    callback: (run) => recorded.runs.get(run) ?? null,
    element(id) {
      const { map, keyHex } = parseElementId(id);
      if (map < 0) return OUTSIDE;
      const key =
        recorded.keys.get(`${map}:${keyHex}`) ??
        (recorded.structKeys.has(map) ? `0x${keyHex.slice(0, 16)}` : keyFromHex(keyHex));
      return `${names.map(map)}[${key}]`;
    },
    node(id) {
      const [kind, ...rest] = id.split(":");
      if (kind === "element") return names.element(id);
      if (kind === "timer" || kind === "t")
        return names.element(id) === OUTSIDE ? OUTSIDE : `timer of ${names.element(id)}`;
      if (kind === "work" || kind === "w") return `work queue of ${names.element(id)}`;
      if (kind === "map") return names.map(Number(rest[0]));
      if (kind === "prog") return names.program(Number(rest[0]));
      if (kind === "fd") return labels.get(id) ?? `fd ${rest[1] ?? rest[0]}`;
      if (kind === "pin") return rest.join(":");
      return labels.get(id) ?? (kind === "process" ? `process ${rest[0]}` : id);
    },
  };
  return names;
}
