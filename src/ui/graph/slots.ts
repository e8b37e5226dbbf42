import type { GraphNode, GraphSnapshot, NodeId } from "../../protocol/engine-types.ts";

export const COLUMNS = ["Processes, pins", "Links", "Programs", "Maps", "Elements", "Timers, work"] as const;

const COLUMN_OF: Record<GraphNode["kind"], number> = {
  process: 0,
  fd: 0,
  pin: 0,
  link: 1,
  program: 2,
  map: 3,
  element: 4,
  timer: 5,
  work: 5,
};

export const columnOf = (node: GraphNode): number => COLUMN_OF[node.kind];

/** Where each node stands: rows by age. A node keeps its row while it lives; a row that became free is given again. */
export class SlotKeeper {
  readonly #slots = new Map<NodeId, number>();

  update(graph: GraphSnapshot): ReadonlyMap<NodeId, number> {
    const alive = new Set(graph.nodes.map((n) => n.id));
    for (const id of this.#slots.keys()) if (!alive.has(id)) this.#slots.delete(id);
    const used = COLUMNS.map(() => new Set<number>());
    for (const node of graph.nodes) {
      const slot = this.#slots.get(node.id);
      if (slot !== undefined) used[columnOf(node)]?.add(slot);
    }
    const elementOf = new Map<NodeId, NodeId>();
    for (const edge of graph.edges) if (edge.kind === "owns") elementOf.set(edge.to, edge.from);
    for (const node of graph.nodes) {
      if (this.#slots.has(node.id) || node.parent !== undefined) continue;
      const taken = used[columnOf(node)] ?? new Set<number>();
      const owner = columnOf(node) === COLUMN_OF.timer ? this.#slots.get(elementOf.get(node.id) ?? "") : undefined;
      let slot = owner ?? 0;
      while (taken.has(slot)) slot++;
      taken.add(slot);
      this.#slots.set(node.id, slot);
    }
    return this.#slots;
  }
}
