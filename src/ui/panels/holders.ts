import type { GraphEdge, GraphSnapshot, NodeId } from "../../protocol/engine-types.ts";
import type { Names } from "../text/names.ts";

export interface Holder {
  readonly kind: GraphEdge["kind"];
  readonly name: string;
  readonly why: string;
  readonly node: NodeId;
}

function wordsFor(graph: GraphSnapshot, id: NodeId, names: Names): { name: string; why: string } {
  const node = graph.nodes.find((n) => n.id === id);
  const kind = node?.kind ?? id.split(":")[0];
  switch (kind) {
    case "fd": {
      const owner = node?.parent ? graph.nodes.find((n) => n.id === node.parent) : null;
      return {
        name: `fd ${node?.label.replace(/^fd /, "") ?? "?"}`,
        why: `${owner?.label ?? "a process"}, until it closes or exits`,
      };
    }
    case "process":
      return { name: node?.label ?? "process", why: "until it closes or exits" };
    case "pin":
      return { name: "pin", why: `${node?.detail ?? ""}, until unlinked` };
    case "link":
      return { name: `${node?.label ?? "link"} ${node?.detail ?? ""}`.trim(), why: "link, until detached" };
    case "program":
      return { name: names.node(id), why: "a program that uses it" };
    case "map":
      return { name: names.node(id), why: "the map that stores it" };
    case "element":
      return { name: names.node(id), why: "the element that contains it" };
    case "timer":
      return { name: names.node(id), why: "since its init, armed or idle" };
    case "work":
      return { name: names.node(id), why: "since its init, queued or not" };
    default:
      return { name: names.node(id), why: "" };
  }
}

/** Who holds an object, timers of one target joined into one line. */
export function holdersOf(graph: GraphSnapshot, target: NodeId, names: Names): readonly Holder[] {
  const edges = graph.edges.filter((e) => e.to === target && e.kind !== "points");
  const timers = edges.filter((e) => graph.nodes.find((n) => n.id === e.from)?.kind === "timer");
  const others = edges.filter((e) => !timers.includes(e));
  const holders = others.map((e) => ({ kind: e.kind, node: e.from, ...wordsFor(graph, e.from, names) }));
  const first = timers[0];
  if (timers.length === 1 && first)
    holders.push({ kind: first.kind, node: first.from, ...wordsFor(graph, first.from, names) });
  else if (first)
    holders.push({
      kind: first.kind,
      node: first.from,
      name: `${timers.length} timers`,
      why: "each since its init, armed or idle",
    });
  return holders;
}
