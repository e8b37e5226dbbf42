import type { GraphEdge, GraphNode, GraphSnapshot, NodeId } from "../../protocol/engine-types.ts";
import { formatNumber } from "../text/format.ts";
import { countOf } from "./collapse.ts";
import { COLUMNS, columnOf } from "./slots.ts";

export interface Box {
  readonly node: GraphNode;
  readonly column: number;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  /** Rows of a process: its fds. */
  readonly fds: readonly GraphNode[];
  /** What each of them names. */
  readonly fdTargets: readonly string[];
}

export interface Route {
  readonly id: string;
  readonly kind: GraphEdge["kind"] | "followed";
  readonly from: readonly NodeId[];
  readonly to: NodeId;
  readonly path: string;
  readonly arrow: { readonly x: number; readonly y: number; readonly towards: "right" | "left" | "up" | "down" };
  readonly label: { readonly text: string; readonly x: number; readonly y: number } | null;
  readonly leaked: boolean;
}

export interface GraphLayout {
  readonly width: number;
  readonly height: number;
  readonly columns: readonly { readonly title: string; readonly x: number }[];
  readonly boxes: readonly Box[];
  readonly routes: readonly Route[];
}

const TOP = 50;
const PITCH = 52;
const HEIGHT = 39;
const FD_ROW = 20;
const LEFT = 18;
const CORNER = 6;

type Point = readonly [number, number];

/** Orthogonal line with rounded corners. */
export function roundedPath(points: readonly Point[]): string {
  const clean = points.filter((p, i) => i === 0 || p[0] !== points[i - 1]?.[0] || p[1] !== points[i - 1]?.[1]);
  let d = "";
  for (let i = 0; i < clean.length; i++) {
    const p = clean[i] as Point;
    const before = clean[i - 1];
    const after = clean[i + 1];
    if (!before) d += `M${p[0]} ${p[1]}`;
    else if (!after) d += `L${p[0]} ${p[1]}`;
    else {
      const inLength = Math.hypot(p[0] - before[0], p[1] - before[1]);
      const outLength = Math.hypot(after[0] - p[0], after[1] - p[1]);
      const r = Math.min(CORNER, inLength / 2, outLength / 2);
      const ax = p[0] + (Math.sign(before[0] - p[0]) || 0) * r;
      const ay = p[1] + (Math.sign(before[1] - p[1]) || 0) * r;
      const bx = p[0] + (Math.sign(after[0] - p[0]) || 0) * r;
      const by = p[1] + (Math.sign(after[1] - p[1]) || 0) * r;
      d += `L${ax} ${ay}Q${p[0]} ${p[1]} ${bx} ${by}`;
    }
  }
  return d;
}

function placeBoxes(
  graph: GraphSnapshot,
  slots: ReadonlyMap<NodeId, number>,
  x: (column: number) => number,
  w: (column: number) => number,
  top: number,
): Box[] {
  const fds = new Map<NodeId, GraphNode[]>();
  for (const node of graph.nodes)
    if (node.parent !== undefined) fds.set(node.parent, [...(fds.get(node.parent) ?? []), node]);
  const labels = new Map(graph.nodes.map((n) => [n.id, n.kind === "link" ? "link" : n.label]));
  const targets = new Map(graph.edges.map((e) => [e.from, labels.get(e.to) ?? ""]));
  const placed: Box[] = [];
  const rest = graph.nodes
    .filter((n) => n.parent === undefined)
    .sort((a, b) => (slots.get(a.id) ?? 0) - (slots.get(b.id) ?? 0));
  let row = 0;
  for (const node of rest) {
    const column = columnOf(node);
    const slot = slots.get(node.id) ?? 0;
    if (column === 0) {
      const own = fds.get(node.id) ?? [];
      const h = own.length > 0 ? 34 + FD_ROW * own.length : HEIGHT;
      placed.push({
        node,
        column,
        x: x(0),
        y: top + row * PITCH,
        w: w(0),
        h,
        fds: own,
        fdTargets: own.map((fd) => targets.get(fd.id) ?? ""),
      });
      row += Math.ceil((h + 13) / PITCH);
    } else {
      const y = column === 1 ? top + 84 + slot * PITCH : column <= 3 ? top + 24 + slot * 60 : top + slot * PITCH;
      placed.push({ node, column, x: x(column), y, w: w(column), h: HEIGHT, fds: [], fdTargets: [] });
    }
  }
  return placed;
}

/** Room of each column at least, px: names of programs are the longest. */
const WIDTHS = [108, 92, 142, 118, 112, 100] as const;
const LEAST_GAP = 32;
const MOST_GAP = 60;
const GROWTH = 1.25;
/** Narrower columns cut names; from there on the picture is scrolled. */
const SHRINKAGE = 0.9;

/** Columns keep their places whatever stands in them: they depend on the room alone. */
function columnPlaces(available: number): { x: (column: number) => number; w: (column: number) => number } {
  const sum = WIDTHS.reduce<number>((a, b) => a + b, 0);
  const gaps = WIDTHS.length - 1;
  const scaleWith = (gap: number) => (available - LEFT - 22 - gaps * gap) / sum;
  const scale = Math.max(SHRINKAGE, Math.min(GROWTH, Math.max(scaleWith(40), Math.min(1, scaleWith(LEAST_GAP)))));
  const gap = Math.max(LEAST_GAP, Math.min(MOST_GAP, (available - LEFT - 22 - sum * scale) / gaps));
  const w = (column: number) => Math.round((WIDTHS[column] ?? 100) * scale);
  const x = (column: number) => {
    let at = LEFT;
    for (let i = 0; i < column; i++) at += w(i) + gap;
    return Math.round(at) + 0.5;
  };
  return { x, w };
}

interface Port {
  readonly box: Box;
  readonly y: number;
}

/** Places nodes in columns by kind and routes what holds them; pure, so that a picture depends on the moment alone. */
export function layoutGraph(
  graph: GraphSnapshot,
  slots: ReadonlyMap<NodeId, number>,
  available: number,
  followed: { readonly from: NodeId; readonly to: NodeId } | null,
): GraphLayout {
  const { x, w } = columnPlaces(available);
  const kindOf = new Map(graph.nodes.map((n) => [n.id, n]));
  const col = (id: NodeId) => {
    const node = kindOf.get(id);
    return node ? columnOf(node) : 0;
  };
  const backward = (e: { from: NodeId; to: NodeId; kind: string }) => col(e.to) < col(e.from) && e.kind !== "points";
  const groups = new Map<string, { edges: GraphEdge[]; to: NodeId; kind: GraphEdge["kind"] | "followed" }>();
  for (const edge of graph.edges)
    if (backward(edge)) {
      const key = `${edge.to}|${edge.kind}|${col(edge.from)}`;
      const group = groups.get(key);
      if (group) group.edges.push(edge);
      else groups.set(key, { edges: [edge], to: edge.to, kind: edge.kind });
    }
  if (followed && kindOf.has(followed.from) && kindOf.has(followed.to))
    groups.set("followed", {
      edges: [{ id: "followed", from: followed.from, to: followed.to, kind: "points", label: "" }],
      to: followed.to,
      kind: "followed",
    });
  const top = TOP + 0.5 + Math.max(0, groups.size - 1) * 16;
  const boxes = placeBoxes(graph, slots, x, w, top);
  const boxOf = new Map(boxes.map((b) => [b.node.id, b]));
  const leaked = new Set(graph.leaks.flat());
  const inLeak = (from: NodeId, to: NodeId) => leaked.has(from) && leaked.has(to);

  const source = (id: NodeId): Port | null => {
    const own = boxOf.get(id);
    if (own) return { box: own, y: own.y + own.h / 2 };
    const parent = boxOf.get(kindOf.get(id)?.parent ?? "");
    if (!parent) return null;
    const i = parent.fds.findIndex((fd) => fd.id === id);
    return { box: parent, y: parent.y + 34 + FD_ROW * i + FD_ROW / 2 };
  };

  const forward = graph.edges.filter((e) => !backward(e));
  const incoming = new Map<NodeId, GraphEdge[]>();
  for (const e of forward)
    if (e.kind !== "points" && e.kind !== "user") incoming.set(e.to, [...(incoming.get(e.to) ?? []), e]);
  const entry = (edge: GraphEdge, target: Box): number => {
    const all = (incoming.get(edge.to) ?? []).sort((a, b) => (source(a.from)?.y ?? 0) - (source(b.from)?.y ?? 0));
    const i = Math.max(0, all.indexOf(edge));
    const cy = target.y + target.h / 2;
    if (all.length <= 1) return cy;
    if (all.length === 2) return cy + i * 12;
    return cy - 13 + (26 * i) / (all.length - 1);
  };

  const tracks = COLUMNS.map(() => new Map<string, number>());
  const track = (channel: number, key: string): number => {
    const used = tracks[channel] as Map<string, number>;
    if (!used.has(key)) used.set(key, used.size);
    return x(channel) + w(channel) + 10 + 6 * ((used.get(key) ?? 0) % 4);
  };
  const bottomOf = (from: number, to: number) =>
    Math.max(top + HEIGHT, ...boxes.filter((b) => b.column >= from && b.column <= to).map((b) => b.y + b.h));
  const blocked = (from: number, to: number, y: number) =>
    boxes.some((b) => b.column >= from && b.column <= to && y > b.y - 5 && y < b.y + b.h + 5);
  const lowest = (box: Box) => boxes.every((b) => b.column !== box.column || b.y <= box.y);
  let lowTrack = 0;
  const under = new Map<NodeId, number>();

  const routes: Route[] = [];
  for (const edge of forward) {
    const from = source(edge.from);
    const target = boxOf.get(edge.to);
    if (!from || !target) continue;
    const base = {
      id: edge.id,
      kind: edge.kind,
      from: [edge.from],
      to: edge.to,
      label: null,
      leaked: inLeak(edge.from, edge.to),
    };
    const right = from.box.x + from.box.w;
    const gap = target.column - from.box.column;
    if (edge.kind === "points") {
      if (gap === -1) {
        const y = from.y + 6.5;
        const end = target.x + target.w;
        routes.push({ ...base, path: `M${from.box.x} ${y}H${end}`, arrow: { x: end, y, towards: "left" } });
      }
      continue;
    }
    if (gap === 0) {
      const ty = target.y + target.h / 2 + 8;
      const tx = track(target.column, `self${edge.from}`);
      const end = target.x + target.w;
      routes.push({
        ...base,
        path: roundedPath([
          [right, from.y],
          [tx, from.y],
          [tx, ty],
          [end, ty],
        ]),
        arrow: { x: end, y: ty, towards: "left" },
      });
      continue;
    }
    if (edge.kind === "owns" && target.column === 5) {
      const y = target.y + target.h / 2 - 6.5;
      routes.push({
        ...base,
        path:
          Math.abs(from.y - target.y - target.h / 2) < 1
            ? `M${right} ${y}H${target.x}`
            : roundedPath([
                [right, from.y],
                [track(4, edge.from), from.y],
                [track(4, edge.from), y],
                [target.x, y],
              ]),
        arrow: { x: target.x, y, towards: "right" },
      });
      continue;
    }
    const crossing = gap > 1 && blocked(from.box.column + 1, target.column - 1, from.y);
    if (edge.kind === "user" && lowest(target)) {
      const n = under.get(edge.to) ?? 0;
      under.set(edge.to, n + 1);
      const ex = Math.round(target.x + 41 + n * 30 - 30 * Math.floor(n / 3) * 3) + 0.5;
      const below = target.y + target.h;
      const free = !crossing && from.y > below + 14 && !blocked(from.box.column + 1, target.column, from.y);
      const y = free ? from.y : bottomOf(from.box.column + 1, target.column) + 20 + 9 * lowTrack++;
      const tx = track(from.box.column, edge.id);
      const points: Point[] = free
        ? [
            [right, y],
            [ex, y],
            [ex, below + 7],
          ]
        : [
            [right, from.y],
            [tx, from.y],
            [tx, y],
            [ex, y],
            [ex, below + 7],
          ];
      routes.push({ ...base, path: roundedPath(points), arrow: { x: ex, y: below, towards: "up" } });
      continue;
    }
    const y = entry(edge, target);
    if (!crossing && Math.abs(from.y - y) < 1) {
      routes.push({
        ...base,
        path: `M${right} ${from.y}H${target.x}`,
        arrow: { x: target.x, y: from.y, towards: "right" },
      });
      continue;
    }
    const last = track(target.column - 1, edge.kind === "owns" ? edge.from : edge.id);
    if (!crossing)
      routes.push({
        ...base,
        path: roundedPath([
          [right, from.y],
          [last, from.y],
          [last, y],
          [target.x, y],
        ]),
        arrow: { x: target.x, y, towards: "right" },
      });
    else {
      const first = track(from.box.column, edge.id);
      const low = bottomOf(from.box.column + 1, target.column - 1) + 16 + 9 * lowTrack++;
      routes.push({
        ...base,
        path: roundedPath([
          [right, from.y],
          [first, from.y],
          [first, low],
          [last, low],
          [last, y],
          [target.x, y],
        ]),
        arrow: { x: target.x, y, towards: "right" },
      });
    }
  }

  let level = 0;
  for (const [key, group] of groups) {
    const target = boxOf.get(group.to);
    const sources = group.edges.map((e) => source(e.from)).filter((p): p is Port => p !== null);
    const first = sources[0];
    if (!target || !first) continue;
    const y = 34 + 16 * (groups.size - 1 - level);
    const busX = first.box.x + first.box.w + 10 + 6 * level;
    const topmost = boxes.every((b) => b.column !== target.column || b.y >= target.y);
    const ex = topmost ? Math.round(target.x + target.w / 2 + 14 * level) : track(target.column - 1, key) - 4;
    const end: Point[] = topmost
      ? [[ex, target.y - 7]]
      : [
          [ex, target.y + target.h / 2 - 8],
          [target.x, target.y + target.h / 2 - 8],
        ];
    const lowestPort = sources.reduce((a, b) => (a.y > b.y ? a : b));
    const stubs = sources
      .filter((p) => p !== lowestPort)
      .map((p) => `M${p.box.x + p.box.w} ${p.y}H${busX}`)
      .join("");
    const name = target.node.label;
    const counts = new Map<string, number>();
    for (const edge of group.edges) {
      const kind = kindOf.get(edge.from)?.kind ?? "node";
      counts.set(kind, (counts.get(kind) ?? 0) + countOf(edge));
    }
    const holders = [...counts].map(
      ([kind, n]) => `${formatNumber(n)} ${kind === "work" ? "work queue" : kind}${n === 1 ? "" : "s"}`,
    );
    const single = group.edges.reduce((n, e) => n + countOf(e), 0) === 1;
    const text =
      group.kind === "followed"
        ? "followed into freed memory"
        : `${holders.join(" and ")} ${single ? "holds" : "hold"} ${name}`;
    routes.push({
      id: key,
      kind: group.kind,
      from: group.edges.map((e) => e.from),
      to: group.to,
      path:
        stubs +
        roundedPath([
          [lowestPort.box.x + lowestPort.box.w, lowestPort.y],
          [busX, lowestPort.y],
          [busX, y],
          [ex, y],
          ...end,
        ]),
      arrow: topmost
        ? { x: ex, y: target.y, towards: "down" }
        : { x: target.x, y: target.y + target.h / 2 - 8, towards: "right" },
      label: { text, x: (busX + ex) / 2, y },
      leaked: group.edges.some((e) => inLeak(e.from, e.to)),
    });
    level++;
  }

  const height = Math.max(top + 4 * PITCH, ...boxes.map((b) => b.y + b.h)) + 24 + (lowTrack > 0 ? 12 : 0);
  const width = x(5) + w(5) + 22 + 6 * Math.max(0, level - 1);
  return { width, height, columns: COLUMNS.map((title, i) => ({ title, x: x(i) })), boxes, routes };
}
