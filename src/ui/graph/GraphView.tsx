import { type KeyboardEvent, memo, useMemo, useRef, useState } from "react";
import type { GraphNode, GraphSnapshot, Snapshot, TimerSnapshot } from "../../protocol/engine-types.ts";
import { NodeShape, TimerShape } from "../controls/glyphs.tsx";
import { Empty, IconButton } from "../controls/Panel.tsx";
import { holdersOf } from "../panels/holders.ts";
import { shareLeft } from "../panels/timer-order.ts";
import { HolderList } from "../panels/WhyAlivePanel.tsx";
import { useActions, useNames, usePlayground, useSize } from "../shell/context.tsx";
import { formatSpan } from "../text/format.ts";
import { valueText } from "../text/names.ts";
import { timerKey } from "../time-axis/timeline.ts";
import { collapseGraph, NODES_SHOWN, sameGraph } from "./collapse.ts";
import { type Box, type GraphLayout, layoutGraph, type Route } from "./layout.ts";
import { SlotKeeper } from "./slots.ts";

/** A timer that ran into freed memory, and what it ran into. */
function followedEdge(snapshot: Snapshot): { from: string; to: string } | null {
  const oops = snapshot.oops;
  const to = oops?.object?.node;
  if (!oops || !to) return null;
  const timer = snapshot.timers.find((t) => t.state === "firing" && (t.cpu === null || t.cpu === oops.cpu));
  return timer
    ? { from: snapshot.graph.nodes.find((n) => n.kind === timer.kind && sameTimer(n.id, timer.id))?.id ?? "", to }
    : null;
}

const sameTimer = (node: string, timer: string): boolean => node === timer || timerKey(node) === timerKey(timer);

function timerOf(snapshot: Snapshot, node: GraphNode): TimerSnapshot | null {
  return node.kind === "timer" || node.kind === "work"
    ? (snapshot.timers.find((t) => sameTimer(node.id, t.id)) ?? null)
    : null;
}

/** First line and second line of a node. */
export function nodeWords(
  node: GraphNode,
  timer: TimerSnapshot | null,
  now: number,
  value?: string,
): readonly [string, string] {
  if (node.kind === "timer" && node.timerState && !node.id.endsWith(":*")) {
    if (node.timerState === "armed")
      return [
        "armed",
        timer?.expires == null ? node.detail : timer.expires <= now ? "due" : formatSpan(timer.expires - now),
      ];
    if (node.timerState === "firing") return ["firing", timer?.cpu == null ? "" : `on CPU ${timer.cpu}`];
    if (node.timerState === "idle") return ["idle", "not queued"];
    return [node.timerState, ""];
  }
  if (node.kind === "work" && node.timerState && !node.id.endsWith(":*")) {
    if (node.timerState === "armed")
      return ["work queued", timer?.expires == null || timer.expires <= now ? "due" : formatSpan(timer.expires - now)];
    if (node.timerState === "firing") return ["work runs", timer?.cpu == null ? "" : `on CPU ${timer.cpu}`];
    return ["work queue", node.timerState === "idle" ? "not queued" : node.timerState];
  }
  if (node.kind === "timer" && node.label === node.id) return ["timer", "outside every map"];
  if (node.kind === "pin") return ["pin", node.detail.replace(/^\/sys\/fs/, "/…")];
  return [node.label, node.detail || (value ?? "")];
}

/** What an element holds, in a few characters: its first plain member. */
function elementValues(snapshot: Snapshot): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const map of snapshot.maps)
    for (const row of map.rows.slice(0, NODES_SHOWN)) {
      const member = row.value.kind === "struct" ? row.value.members.find((m) => m.value.kind === "scalar") : undefined;
      if (member) values.set(row.node, `${member.name} ${valueText(member.value)}`);
      else if (row.value.kind === "scalar") values.set(row.node, valueText(row.value));
    }
  return values;
}

function speech(box: Box, words: readonly [string, string]): string {
  const { node } = box;
  const counts = [
    ...(node.refs === null ? [] : [`${node.refs} references`]),
    ...(node.users === null ? [] : [`${node.users} user references`]),
  ];
  const fds = box.fds.map((fd, i) => `fd ${fd.label.replace(/^fd /, "")} ${fd.detail || (box.fdTargets[i] ?? "")}`);
  return [node.kind, ...words, ...counts, ...fds, ...(node.state === "live" ? [] : [node.state])]
    .filter((s) => s !== "")
    .join(", ");
}

/** The graph of a moment; the same object as before while nothing in it has changed. */
function useSameGraph(graph: GraphSnapshot | null): GraphSnapshot | null {
  const kept = useRef<GraphSnapshot | null>(null);
  if (!graph || !kept.current || !sameGraph(kept.current, graph)) kept.current = graph;
  return kept.current;
}

export function GraphView() {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const [ref, size] = useSize<HTMLDivElement>();
  const [keeper] = useState(() => new SlotKeeper());
  const graph = useSameGraph(snapshot?.graph ?? null);
  const followed = snapshot ? followedEdge(snapshot) : null;
  const from = followed?.from ?? "";
  const to = followed?.to ?? "";
  const layout = useMemo<GraphLayout | null>(() => {
    if (!graph || graph.nodes.length === 0 || size.width === 0) return null;
    const drawn = collapseGraph(graph);
    return layoutGraph(drawn, keeper.update(drawn), size.width, to === "" ? null : { from, to });
  }, [graph, keeper, size.width, from, to]);
  if (!snapshot || snapshot.graph.nodes.length === 0)
    return (
      <Empty title="Nobody holds anything">
        <p>
          Load a program to see who holds it: processes, pins, links, programs, maps and timers, and every reference
          between them.
        </p>
      </Empty>
    );
  return (
    <div className="gscroll scroll" ref={ref}>
      {layout ? <Drawing layout={layout} snapshot={snapshot} height={size.height} /> : null}
    </div>
  );
}

function Drawing({
  layout,
  snapshot,
  height,
}: {
  readonly layout: GraphLayout;
  readonly snapshot: Snapshot;
  /** Of what is in view, px. */
  readonly height: number;
}) {
  const actions = useActions();
  const selected = usePlayground((s) => s.view.selectedNode);
  const [hover, setHover] = useState<string | null>(null);
  /** The node whose holders are listed beside it. */
  const [asked, setAsked] = useState<string | null>(null);
  const ask = (node: string) => {
    setAsked(asked === node ? null : node);
    actions.setView({ selectedNode: node });
  };
  const near = useMemo(() => {
    if (hover === null) return null;
    const box = layout.boxes.find((b) => b.node.id === hover);
    const ids = new Set([hover, ...(box?.fds.map((f) => f.id) ?? [])]);
    const routes = new Set<string>();
    const nodes = new Set<string>([hover]);
    const owner = new Map(layout.boxes.flatMap((b) => b.fds.map((f) => [f.id, b.node.id] as const)));
    for (const route of layout.routes)
      if (ids.has(route.to) || route.from.some((f) => ids.has(f))) {
        routes.add(route.id);
        nodes.add(route.to);
        for (const f of route.from) nodes.add(owner.get(f) ?? f);
      }
    return { routes, nodes };
  }, [hover, layout]);
  const values = useMemo(() => elementValues(snapshot), [snapshot]);
  const focusable = layout.boxes.some((b) => b.node.id === selected) ? selected : layout.boxes[0]?.node.id;
  const askedBox = layout.boxes.find((b) => b.node.id === asked) ?? null;
  const onKeyDown = (event: KeyboardEvent<SVGGElement>, box: Box) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      ask(box.node.id);
      return;
    }
    if (event.key === "Escape" && asked !== null) {
      event.preventDefault();
      setAsked(null);
      return;
    }
    const next = neighbour(layout, box, event.key);
    if (!next) return;
    event.preventDefault();
    actions.setView({ selectedNode: next.node.id });
    const svg = event.currentTarget.ownerSVGElement;
    requestAnimationFrame(() => svg?.querySelector<SVGGElement>(`[data-node="${CSS.escape(next.node.id)}"]`)?.focus());
  };
  return (
    <div className="gwrap" style={{ width: layout.width, minHeight: "100%" }}>
      <div className="ghead" aria-hidden="true">
        {layout.columns.map((column) => (
          <span key={column.title} style={{ left: column.x }}>
            {column.title}
          </span>
        ))}
      </div>
      <svg
        className={near ? "graph dim" : "graph"}
        role="group"
        aria-label={`Reference graph, ${layout.boxes.length} objects. Arrow keys move between them.`}
        width={layout.width}
        height={layout.height}
        viewBox={`0 0 ${layout.width} ${layout.height}`}
      >
        {layout.routes.map((route) => (
          <RouteLine key={route.id} route={route} near={near?.routes.has(route.id) ?? false} />
        ))}
        {layout.routes.map((route) =>
          route.label ? <RouteLabel key={route.id} route={route} near={near?.routes.has(route.id) ?? false} /> : null,
        )}
        {layout.boxes.map((box) => {
          const timer = timerOf(snapshot, box.node);
          const words = nodeWords(box.node, timer, snapshot.now, values.get(box.node.id));
          return (
            <g
              key={box.node.id}
              data-node={box.node.id}
              role="button"
              tabIndex={box.node.id === focusable ? 0 : -1}
              aria-pressed={box.node.id === selected}
              aria-label={speech(box, words)}
              className={`n ${classOf(box.node, selected)}${near?.nodes.has(box.node.id) ? " near" : ""}`}
              onClick={() => ask(box.node.id)}
              onKeyDown={(event) => onKeyDown(event, box)}
              onPointerEnter={() => setHover(box.node.id)}
              onPointerLeave={() => setHover(null)}
            >
              <NodeBox
                box={box}
                first={words[0]}
                second={words[1]}
                share={timer ? Math.round(shareLeft(timer, snapshot.now) * 200) / 200 : 1}
              />
            </g>
          );
        })}
      </svg>
      {askedBox ? (
        <HolderCard box={askedBox} layout={layout} height={height} snapshot={snapshot} onClose={() => setAsked(null)} />
      ) : null}
    </div>
  );
}

const CARD = 330;
/** Of a card with some holders, px. */
const CARD_HEIGHT = 150;
/** The column heads, which the drawing reaches under. */
const HEAD = 24;

/** Why a node is alive, floating beside it. */
function HolderCard(props: {
  readonly box: Box;
  readonly layout: GraphLayout;
  readonly height: number;
  readonly snapshot: Snapshot;
  readonly onClose: () => void;
}) {
  const { box, layout, snapshot } = props;
  const names = useNames();
  // Above the node where there is no room below it.
  const above = box.y + box.h + CARD_HEIGHT > Math.max(props.height, layout.height) && box.y > CARD_HEIGHT;
  const left = Math.max(4, Math.min(box.x - 40, layout.width - CARD - 4));
  return (
    <section
      className="whycard"
      aria-label={`Why is ${names.node(box.node.id)} alive?`}
      style={{
        left,
        width: CARD,
        top: (above ? box.y - 8 : box.y + box.h + 8) - HEAD,
        ...(above ? { transform: "translateY(-100%)" } : {}),
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        props.onClose();
      }}
    >
      <header>
        <h3>
          Why is <code>{names.node(box.node.id)}</code> alive?
        </h3>
        <IconButton icon="cross" label="Close" onClick={props.onClose} />
      </header>
      {holdersOf(snapshot.graph, box.node.id, names).length === 0 ? (
        <p className="t2">
          {box.node.state === "freed"
            ? "It is not: it is freed."
            : box.node.kind === "process"
              ? "A process lives until it exits; it holds what its fds name."
              : box.node.kind === "pin"
                ? "A pin lives until it is unlinked."
                : "Nobody holds it."}
        </p>
      ) : (
        <div className="why">
          <HolderList snapshot={snapshot} subject={box.node.id} />
        </div>
      )}
    </section>
  );
}

function classOf(node: GraphNode, selected: string | null): string {
  const state = { live: "", firing: "n-fire", dying: "n-wait", freed: "n-dead", leaked: "n-leak" }[node.state];
  return node.id === selected && node.state === "live" ? "n-on" : node.id === selected ? `${state} n-sel` : state;
}

function neighbour(layout: GraphLayout, box: Box, key: string): Box | null {
  const steps: Record<string, readonly [number, number]> = {
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
  };
  const step = steps[key];
  if (!step) return null;
  const [dx, dy] = step;
  const candidates = layout.boxes.filter((b) =>
    dx === 0 ? b.column === box.column && Math.sign(b.y - box.y) === dy : Math.sign(b.column - box.column) === dx,
  );
  const distance = (b: Box) => Math.abs(b.y - box.y) + 400 * Math.abs(b.column - box.column);
  return candidates.sort((a, b) => distance(a) - distance(b))[0] ?? null;
}

const ARROWS = { right: "l-7-3.6v7.2z", left: "l7-3.6v7.2z", up: "l-3.6 7h7.2z", down: "l-3.6-7h7.2z" } as const;

const RouteLine = memo(function RouteLine({ route, near }: { readonly route: Route; readonly near: boolean }) {
  const bad = route.leaked && route.kind !== "points";
  const arrow = `M${route.arrow.x} ${route.arrow.y}${ARROWS[route.arrow.towards]}`;
  return (
    <g className={near ? "r near" : "r"}>
      {bad ? <path className="e-halo" d={route.path} /> : null}
      {route.kind === "followed" ? (
        <path className="e-uaf" d={route.path} />
      ) : bad ? (
        <path className="e-leak" d={route.path} />
      ) : route.kind === "user" ? (
        <>
          <path className="e-d" d={route.path} />
          <path className="e-di" d={route.path} />
        </>
      ) : (
        <path className={route.kind === "points" ? "e-p" : route.kind === "owns" ? "e-o" : "e"} d={route.path} />
      )}
      <path className={bad || route.kind === "followed" ? "ah-b" : "ah"} d={arrow} />
    </g>
  );
});

function RouteLabel({ route, near }: { readonly route: Route; readonly near: boolean }) {
  if (!route.label) return null;
  const { text, x, y } = route.label;
  const bad = route.leaked || route.kind === "followed";
  const width = text.length * (bad ? 6.2 : 5.8) + (bad ? 22 : 16);
  return (
    <g className={near ? "near" : ""}>
      <rect
        x={x - width / 2}
        y={bad ? y - 10 : y - 8}
        width={width}
        height={bad ? 20 : 16}
        rx={bad ? 10 : 0}
        className={bad ? "lab-bad" : "lab"}
      />
      <text className={bad ? "labt-bad" : "sb"} x={x} y={y + 4} textAnchor="middle">
        {text}
      </text>
    </g>
  );
}

/** Width of a character of a name, px, and how much smaller a long name may be set. */
const NAME = 7.25;
const SMALLEST = 0.88;

const clip = (text: string, chars: number): string =>
  text.length > chars ? `${text.slice(0, Math.max(1, chars - 1))}…` : text;

/** Box, glyph, two lines and counts; the same drawing serves the specimens. */
export const NodeBox = memo(function NodeBox({
  box,
  first,
  second,
  share,
}: {
  readonly box: Box;
  readonly first: string;
  readonly second: string;
  readonly share: number;
}) {
  const { node, x, y, w, h } = box;
  const pills = node.refs !== null || node.users !== null;
  // A name too long to stand beside its count stands above it.
  const below = node.refs !== null && node.users === null && first.length > Math.floor((w - 32 - 28) / NAME);
  const room = w - 32 - (pills && !below ? 28 : 4);
  const size = Math.max(SMALLEST, Math.min(1, room / (first.length * NAME)));
  const nameChars = Math.floor(room / (NAME * size));
  const subChars = Math.floor((w - 32 - (node.users !== null || below ? 28 : 2)) / 5.6);
  const title = `${first} ${second}`.trim();
  return (
    <>
      <title>{title}</title>
      {node.state === "firing" ? <circle className="pulse" cx={x + 14.5} cy={y + 14.5} r="7" /> : null}
      <rect className="n-box" x={x} y={y} width={w} height={h} rx="5" />
      {node.kind === "timer" || node.kind === "work" ? (
        <g transform={`translate(${x + 7.5} ${y + 7.5})`}>
          <TimerShape state={node.timerState ?? "none"} share={share} />
        </g>
      ) : (
        <g className={`k-${node.kind}`} transform={`translate(${x + 7.5} ${y + 5.5})`}>
          <NodeShape kind={node.kind} />
        </g>
      )}
      <text className="nm" x={x + 27.5} y={y + 16.5} style={size < 1 ? { fontSize: 12 * size } : {}}>
        {clip(first, nameChars)}
      </text>
      <text className="sb" x={x + 27.5} y={y + 30.5}>
        {clip(second, subChars)}
      </text>
      {node.refs !== null ? <Pill x={x + w - 27} y={y + (below ? 21.5 : 5)} count={node.refs} /> : null}
      {node.users !== null ? <Pill x={x + w - 27} y={y + 21.5} count={node.users} double /> : null}
      {box.fds.map((fd, i) => {
        const top = y + 34 + 20 * i;
        return (
          <g key={fd.id} className={fd.state === "freed" ? "fd-closed" : ""}>
            <line x1={x} x2={x + w} y1={top} y2={top} stroke="var(--line)" />
            <text className="sb mono" x={x + 9.5} y={top + 13.5}>
              fd {fd.label.replace(/^fd /, "")}
            </text>
            <text className="mono" x={x + 47.5} y={top + 13.5}>
              {clip(fd.detail || (box.fdTargets[i] ?? ""), Math.floor((w - 52) / 6.7))}
            </text>
          </g>
        );
      })}
    </>
  );
});

function Pill({
  x,
  y,
  count,
  double,
}: {
  readonly x: number;
  readonly y: number;
  readonly count: number;
  readonly double?: boolean;
}) {
  const text = count > 999 ? `${Math.floor(count / 1000)}k` : String(count);
  const w = Math.max(21, text.length * 7 + 8);
  const left = x + 21 - w;
  return (
    <>
      <rect className="pill" x={left} y={y} width={w} height="15" rx="7.5" />
      {double ? <rect className="pill in" x={left + 2} y={y + 2} width={w - 4} height="11" rx="5.5" /> : null}
      <text className="pillt" x={left + w / 2} y={y + 11.5} style={double ? { fontSize: 10 } : {}}>
        {text}
      </text>
    </>
  );
}
