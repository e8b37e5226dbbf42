import type { GraphEdge, GraphNode, GraphSnapshot } from "../../protocol/engine-types.ts";
import { formatNumber } from "../text/format.ts";

/** Beyond this many nodes the picture shows one node per map in place of its elements and timers. */
export const NODES_SHOWN = 200;

const joined = (count: number): string => `×${count}`;

/** How many edges of the moment an edge of the picture stands for. */
export const countOf = (edge: GraphEdge): number => Number(/^×(\d+)$/.exec(edge.label)?.[1] ?? 1);

const WORDS: { readonly [kind: string]: string } = { timer: "timers", work: "work queues" };

/** One node for all elements of a map and one for all their timers, with counts; edges joined. */
export function collapseGraph(graph: GraphSnapshot): GraphSnapshot {
  if (graph.nodes.length <= NODES_SHOWN) return graph;
  const stand = (id: string): string => {
    const [kind, map] = id.split(":");
    return kind === "element" || kind === "timer" || kind === "work" ? `${kind}:${map}:*` : id;
  };
  const groups = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    const id = stand(node.id);
    const group = groups.get(id);
    if (group) group.push(node);
    else groups.set(id, [node]);
  }
  const leaked = new Set(graph.leaks.flat().map(stand));
  const nodes = [...groups].map(([id, members]): GraphNode => {
    const first = members[0] as GraphNode;
    if (members.length === 1 && first.id === id) return first;
    const armed = members.filter((m) => m.timerState === "armed").length;
    const firing = members.filter((m) => m.timerState === "firing").length;
    return {
      id,
      kind: first.kind,
      label: formatNumber(members.length),
      detail:
        first.kind === "element"
          ? "elements"
          : firing > 0
            ? `${WORDS[first.kind]}, ${firing} run`
            : (WORDS[first.kind] ?? ""),
      refs: null,
      users: null,
      state: leaked.has(id) ? "leaked" : firing > 0 ? "firing" : "live",
      ...(first.timerState !== undefined ? { timerState: firing > 0 ? "firing" : armed > 0 ? "armed" : "idle" } : {}),
    };
  });
  const edges = new Map<string, GraphEdge>();
  for (const edge of graph.edges) {
    const from = stand(edge.from);
    const to = stand(edge.to);
    const id = `${from}>${to}>${edge.kind}`;
    const known = edges.get(id);
    edges.set(id, { ...edge, id, from, to, label: joined(known ? countOf(known) + 1 : 1) });
  }
  return { nodes, edges: [...edges.values()], leaks: graph.leaks.map((loop) => [...new Set(loop.map(stand))]) };
}

/** Nothing in the picture of one differs from the picture of the other. */
export function sameGraph(a: GraphSnapshot, b: GraphSnapshot): boolean {
  if (a === b) return true;
  if (a.nodes.length !== b.nodes.length || a.edges.length !== b.edges.length || a.leaks.length !== b.leaks.length)
    return false;
  for (let i = 0; i < a.nodes.length; i++) {
    const x = a.nodes[i] as GraphNode;
    const y = b.nodes[i] as GraphNode;
    if (
      x.id !== y.id ||
      x.state !== y.state ||
      x.refs !== y.refs ||
      x.users !== y.users ||
      x.label !== y.label ||
      x.detail !== y.detail ||
      x.timerState !== y.timerState ||
      x.parent !== y.parent
    )
      return false;
  }
  for (let i = 0; i < a.edges.length; i++) {
    const x = a.edges[i] as GraphEdge;
    const y = b.edges[i] as GraphEdge;
    if (x.id !== y.id || x.kind !== y.kind || x.from !== y.from || x.to !== y.to) return false;
  }
  return a.leaks.every((loop, i) => loop.join() === b.leaks[i]?.join());
}
