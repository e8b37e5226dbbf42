import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GraphEdge, GraphNode, GraphSnapshot, NodeKind } from "../../protocol/engine-types.ts";
import { SNAPSHOT } from "../dev/fixture.ts";
import { collapseGraph, countOf, NODES_SHOWN } from "./collapse.ts";
import { layoutGraph, roundedPath } from "./layout.ts";
import { columnOf, SlotKeeper } from "./slots.ts";

const node = (id: string, kind: NodeKind, more: Partial<GraphNode> = {}): GraphNode => ({
  id,
  kind,
  label: id,
  detail: "",
  refs: null,
  users: null,
  state: "live",
  ...more,
});
const edge = (from: string, to: string, kind: GraphEdge["kind"]): GraphEdge => ({
  id: `${from}>${to}`,
  from,
  to,
  kind,
  label: "",
});
const graph = (nodes: readonly GraphNode[], edges: readonly GraphEdge[] = [], leaks: readonly string[][] = []) =>
  ({ nodes, edges, leaks }) satisfies GraphSnapshot;

/** A map with n elements that each own a timer which holds the program. */
function flows(n: number): GraphSnapshot {
  const keys = Array.from({ length: n }, (_, i) => i.toString(16).padStart(8, "0"));
  return graph(
    [
      node("prog:1", "program"),
      node("map:2", "map"),
      ...keys.map((k) => node(`element:2:${k}`, "element")),
      ...keys.map((k) => node(`timer:2:${k}`, "timer", { timerState: "armed" })),
    ],
    [
      edge("prog:1", "map:2", "holds"),
      ...keys.flatMap((k) => [
        edge("map:2", `element:2:${k}`, "owns"),
        edge(`element:2:${k}`, `timer:2:${k}`, "owns"),
        edge(`timer:2:${k}`, "prog:1", "holds"),
      ]),
    ],
  );
}

describe("slots", () => {
  it("keeps a node where it stands while others come and go (seeded)", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.nat(12), { maxLength: 8 }), { minLength: 2, maxLength: 12 }),
        (moments) => {
          const keeper = new SlotKeeper();
          let before = new Map<string, number>();
          for (const alive of moments) {
            const now = new Map(keeper.update(graph(alive.map((i) => node(`map:${i}`, "map")))));
            for (const i of alive) {
              const id = `map:${i}`;
              if (before.has(id)) expect(now.get(id)).toBe(before.get(id));
            }
            expect(new Set(now.values()).size).toBe(alive.length);
            before = now;
          }
        },
      ),
      { seed: 7 },
    );
  });

  it("stands a timer beside its element", () => {
    const slots = new SlotKeeper().update(flows(3));
    for (const key of ["00000000", "00000001", "00000002"])
      expect(slots.get(`timer:2:${key}`)).toBe(slots.get(`element:2:${key}`));
  });
});

describe("layout", () => {
  const lay = (g: GraphSnapshot, width = 880) => layoutGraph(g, new SlotKeeper().update(g), width, null);

  it("places every node once, in its column, without overlap", () => {
    const { boxes } = lay(SNAPSHOT.graph);
    expect(boxes.map((b) => b.node.id).sort()).toEqual(
      SNAPSHOT.graph.nodes
        .filter((n) => n.parent === undefined)
        .map((n) => n.id)
        .sort(),
    );
    for (const a of boxes) {
      expect(a.column).toBe(columnOf(a.node));
      for (const b of boxes)
        if (a !== b && a.column === b.column)
          expect(a.y + a.h <= b.y || b.y + b.h <= a.y, `${a.node.id} ${b.node.id}`).toBe(true);
    }
  });

  it("joins the timers that hold one program into a bus with their number", () => {
    const labels = lay(flows(4)).routes.flatMap((r) => (r.label ? [r.label.text] : []));
    expect(labels).toEqual(["4 timers hold prog:1"]);
  });

  it("draws the same picture for the same moment", () => {
    expect(lay(SNAPSHOT.graph)).toEqual(lay(SNAPSHOT.graph));
  });

  it("marks what lies on a loop that leaks, and nothing else", () => {
    const g = flows(2);
    const loop = ["prog:1", "map:2", "element:2:00000000", "timer:2:00000000"];
    const { routes } = lay({ ...g, leaks: [loop] });
    const leaked = routes.filter((r) => r.leaked).map((r) => r.to);
    expect(leaked).toContain("prog:1");
    expect(leaked).toContain("map:2");
    expect(leaked).not.toContain("timer:2:00000001");
  });

  it("draws what was followed into freed memory when both ends are there", () => {
    const g = flows(1);
    const slots = new SlotKeeper().update(g);
    const with_ = layoutGraph(g, slots, 880, { from: "timer:2:00000000", to: "prog:1" });
    expect(with_.routes.filter((r) => r.kind === "followed")).toHaveLength(1);
    const without = layoutGraph(g, slots, 880, { from: "timer:2:00000000", to: "prog:9" });
    expect(without.routes.filter((r) => r.kind === "followed")).toHaveLength(0);
  });

  it("rounds corners and drops repeated points", () => {
    expect(
      roundedPath([
        [0, 0],
        [0, 0],
        [10, 0],
      ]),
    ).toBe("M0 0L10 0");
    expect(
      roundedPath([
        [0, 0],
        [20, 0],
        [20, 20],
      ]),
    ).toContain("Q20 0");
  });
});

describe("collapse", () => {
  it("leaves a graph alone that fits", () => {
    const g = flows(20);
    expect(collapseGraph(g)).toBe(g);
  });

  it("keeps counts when it does not", () => {
    const n = NODES_SHOWN;
    const small = collapseGraph(flows(n));
    expect(small.nodes).toHaveLength(4);
    expect(small.nodes.find((x) => x.kind === "timer")).toMatchObject({
      label: `${n}`,
      detail: "timers",
      timerState: "armed",
    });
    const holding = small.edges.find((e) => e.to === "prog:1");
    expect(holding && countOf(holding)).toBe(n);
    const { routes } = layoutGraph(small, new SlotKeeper().update(small), 880, null);
    expect(routes.some((r) => r.label?.text === `${n} timers hold prog:1`)).toBe(true);
  });
});
