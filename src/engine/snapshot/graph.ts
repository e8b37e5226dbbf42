import { progTypeName } from "../abi/types.ts";
import { type Kernel, leakedLoops, referenceEdges } from "../kernel/api.ts";
import { decodedText } from "../script/decode-value.ts";
import {
  GRAPH_TIMERS_SHOWN,
  type GraphNode,
  type GraphSnapshot,
  type MapSnapshot,
  type NodeKind,
  TIMERS_SHOWN,
  type TimerSnapshot,
} from "./types.ts";

/** Who holds whom: every process, fd, pin, link, program and map; elements and timers where timers are. */
export function takeGraph(
  kernel: Kernel,
  maps: readonly MapSnapshot[],
  timers: readonly TimerSnapshot[],
): GraphSnapshot {
  const { state } = kernel;
  // Many timers are looked through for leaks only once a leak is known.
  const leaks = timers.length < TIMERS_SHOWN || state.leaksReported.size > 0 ? leakedLoops(kernel) : [];
  const leaked = new Set(leaks.flat());
  const nodes = new Map<string, GraphNode>();
  const add = (id: string, kind: NodeKind, node: Partial<GraphNode> & Pick<GraphNode, "label">): void => {
    const state = leaked.has(id) ? "leaked" : (node.state ?? "live");
    nodes.set(id, { detail: "", refs: null, users: null, ...node, id, kind, state });
  };
  for (const process of state.processes.values()) {
    if (process.exited && process.fds.size === 0) continue;
    const id = `process:${process.id}`;
    add(id, "process", { label: process.name, detail: `${process.fds.size} fds` });
    for (const fd of process.fds.keys()) add(`fd:${process.id}:${fd}`, "fd", { label: `fd ${fd}`, parent: id });
  }
  for (const path of state.pins.keys()) add(`pin:${path}`, "pin", { label: path });
  for (const link of state.links.values()) {
    if (!link.gone) add(`link:${link.id}`, "link", { label: `link ${link.id}`, refs: link.holders.size });
  }
  for (const program of state.programs.values()) {
    add(`prog:${program.id}`, "program", {
      label: program.name,
      detail: progTypeName(program.type) ?? "",
      refs: program.holders.size,
      state: program.state,
    });
  }
  const keys = new Map<string, string>();
  for (const map of maps) {
    add(`map:${map.id}`, "map", {
      label: map.name,
      detail: map.type,
      refs: map.refcnt,
      users: map.usercnt,
      state: map.freed ? "freed" : "live",
    });
    for (const row of map.rows) keys.set(row.node, decodedText(row.key));
  }
  const edges = shownEdges(kernel, timers, leaks);
  for (const timer of timers.slice(0, GRAPH_TIMERS_SHOWN)) {
    add(timerNode(timer.id), timer.kind, {
      label: timer.label,
      detail: timer.callback?.functionName ?? "",
      state: timer.state === "freed" ? "freed" : timer.state === "firing" ? "firing" : "live",
      timerState: timer.state,
    });
  }
  // Elements appear where something is drawn to or from them.
  for (const edge of edges) {
    for (const id of [edge.from, edge.to]) {
      if (nodes.has(id)) continue;
      const kind = KINDS[id.slice(0, id.indexOf(":"))];
      if (kind === undefined) continue;
      const map = kind === "element" ? maps.find((m) => id.startsWith(`element:${m.id}:`)) : undefined;
      const label =
        kind === "element" ? `${map?.name ?? ""}[${keys.get(id) ?? id.slice(id.lastIndexOf(":") + 1)}]` : id;
      add(id, kind, { label });
    }
  }
  return { nodes: [...nodes.values()], edges, leaks };
}

/** Edges between what the graph shows: of many timers the first ones, with their elements, and all that are part of a leak. */
function shownEdges(
  kernel: Kernel,
  timers: readonly TimerSnapshot[],
  leaks: GraphSnapshot["leaks"],
): GraphSnapshot["edges"] {
  const all = referenceEdges(kernel);
  const many = timers.length > GRAPH_TIMERS_SHOWN || all.length > 4 * GRAPH_TIMERS_SHOWN;
  const shown = new Set(leaks.flat());
  if (many) {
    for (const timer of timers.slice(0, GRAPH_TIMERS_SHOWN)) {
      shown.add(timerNode(timer.id));
      shown.add(timer.element);
    }
    for (const edge of all) {
      if (shown.size >= 4 * GRAPH_TIMERS_SHOWN) break;
      if (edge.to.startsWith("element:") && edge.kind !== "owns") shown.add(edge.to);
    }
  }
  const isShown = (node: string): boolean => !/^(element|timer|work):/.test(node) || shown.has(node);
  return all
    .filter((edge) => !many || (isShown(edge.from) && isShown(edge.to)))
    .map((edge) => ({ ...edge, id: `${edge.from}>${edge.to}:${edge.kind}` }));
}

const KINDS: Readonly<Record<string, NodeKind>> = {
  process: "process",
  fd: "fd",
  pin: "pin",
  link: "link",
  prog: "program",
  map: "map",
  element: "element",
  timer: "timer",
  work: "work",
};

/** Node of a timer or work queue in the reference graph. */
const timerNode = (id: string): string => `${id.startsWith("w:") ? "work" : "timer"}:${id.slice(id.indexOf(":") + 1)}`;
