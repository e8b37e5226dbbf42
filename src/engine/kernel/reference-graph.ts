import type { NodeId } from "./event-types.ts";
import type { Kernel } from "./kernel.ts";

/** holds: counts in refcnt. user: counts in usercnt too. points: keeps nothing alive. owns: part of its container. */
export interface ReferenceEdge {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly kind: "holds" | "user" | "points" | "owns";
  readonly label: string;
}

/** Who holds whom, and who points to whom: every edge between living things. */
export function referenceEdges(kernel: Kernel): ReferenceEdge[] {
  const { state } = kernel;
  const edges: ReferenceEdge[] = [];
  const add = (from: NodeId, to: NodeId, kind: ReferenceEdge["kind"], label: string): void => {
    edges.push({ from, to, kind, label });
  };
  for (const process of state.processes.values()) {
    for (const [fd, target] of process.fds) {
      const node = `fd:${process.id}:${fd}`;
      add(`process:${process.id}`, node, "owns", `fd ${fd}`);
      if (target.kind === "link") add(node, `link:${target.id}`, "holds", "fd");
    }
  }
  for (const map of state.maps.values()) {
    for (const [holder, { user }] of map.holders)
      add(holder, `map:${map.id}`, user ? "user" : "holds", labelOf(holder));
    const { storage } = map;
    if (storage.kind === "slots") {
      for (const key of storage.slots.keys()) add(`map:${map.id}`, `element:${map.id}:${key}`, "owns", "element");
    }
  }
  for (const program of state.programs.values()) {
    for (const [holder] of program.holders) add(holder, `prog:${program.id}`, "holds", labelOf(holder));
  }
  for (const timer of state.timers.values()) {
    const node = timer.node;
    if (timer.mapId >= 0 && !timer.detached) {
      add(`map:${timer.mapId}`, `element:${timer.mapId}:${timer.key}`, "owns", "element");
      add(`element:${timer.mapId}:${timer.key}`, node, "owns", "timer");
    }
    if (timer.callback !== null && timer.holds !== timer.callback.program) {
      add(node, `prog:${timer.callback.program}`, "points", "callback");
    }
  }
  for (const { node, mapId, key, detached } of state.works.values()) {
    if (mapId < 0 || detached) continue;
    const element = `element:${mapId}:${key}`;
    // An element with a timer too has been told of already.
    const known = edges.some((edge) => edge.kind === "owns" && edge.to === element);
    if (!known) add(`map:${mapId}`, element, "owns", "element");
    add(element, node, "owns", "work queue");
  }
  return edges;
}

function labelOf(holder: NodeId): string {
  const kind = holder.slice(0, holder.indexOf(":"));
  return kind === "prog"
    ? "uses"
    : kind === "timer" || kind === "work"
      ? "callback"
      : kind === "element"
        ? "entry"
        : kind;
}

/** Nodes that keep things alive by themselves: processes and their fds, pins, and what is being worked on. */
function isRoot(kernel: Kernel, node: NodeId): boolean {
  const [kind, id] = node.split(":", 2) as [string, string];
  if (kind === "process" || kind === "pin" || kind === "fd") return true;
  if (kind === "prog") {
    const program = kernel.state.programs.get(Number(id));
    return program !== undefined && program.state !== "live";
  }
  if (kind === "map") {
    const map = kernel.state.maps.get(Number(id));
    return map !== undefined && map.holders.size === 0;
  }
  return false;
}

/** Loops of references that nothing outside holds any more: what is in them is never freed. */
export function leakedLoops(kernel: Kernel): NodeId[][] {
  const { state } = kernel;
  const next = new Map<NodeId, NodeId[]>();
  const nodes = new Set<NodeId>();
  for (const edge of referenceEdges(kernel)) {
    if (edge.kind === "points") continue;
    nodes.add(edge.from);
    nodes.add(edge.to);
    const list = next.get(edge.from);
    if (list) list.push(edge.to);
    else next.set(edge.from, [edge.to]);
  }
  const reached = new Set<NodeId>();
  const stack = [...nodes].filter((node) => isRoot(kernel, node));
  for (const task of state.tasks.values()) {
    for (const frame of task.frames) if (frame.kind === "vm") stack.push(`prog:${frame.program}`);
  }
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (reached.has(node)) continue;
    reached.add(node);
    stack.push(...(next.get(node) ?? []));
  }
  const loops: NodeId[][] = [];
  const used = new Set<NodeId>();
  for (const node of nodes) {
    if (reached.has(node) || used.has(node) || !node.startsWith("prog:")) continue;
    const loop = findLoop(next, node);
    if (loop === null) continue;
    for (const member of loop) used.add(member);
    loops.push(loop);
  }
  return loops;
}

/** The shortest way from a node back to itself; null when there is none. */
function findLoop(next: ReadonlyMap<NodeId, readonly NodeId[]>, start: NodeId): NodeId[] | null {
  const from = new Map<NodeId, NodeId>();
  const queue: NodeId[] = [start];
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at] as NodeId;
    for (const to of next.get(node) ?? []) {
      if (to === start) {
        const loop: NodeId[] = [];
        for (let back: NodeId | undefined = node; back !== undefined; back = from.get(back)) loop.unshift(back);
        return loop;
      }
      if (!from.has(to)) {
        from.set(to, node);
        queue.push(to);
      }
    }
  }
  return null;
}

/** Fds, pins and links hold from outside: what they hold cannot be lost. */
const OUTSIDE = /^(?:fd|pin|link):/;

function isHeldFromOutside(holders: ReadonlyMap<NodeId, unknown>): boolean {
  for (const holder of holders.keys()) if (OUTSIDE.test(holder)) return true;
  return false;
}

/** False when a look at every object's holders shows that nothing can be lost. */
export function mayLeak(kernel: Kernel): boolean {
  for (const program of kernel.state.programs.values()) {
    if (program.state === "live" && !isHeldFromOutside(program.holders)) return true;
  }
  return false;
}

/** Tells of new leaks, once each; looked for when a reference was given back and the kernel is at rest. */
export function checkLeaks(kernel: Kernel): void {
  if (!kernel.releasedSome) return;
  kernel.releasedSome = false;
  if (!mayLeak(kernel)) return;
  for (const loop of leakedLoops(kernel)) {
    const name = [...loop].sort().join(" ");
    if (kernel.state.leaksReported.has(name)) continue;
    kernel.state.leaksReported.add(name);
    kernel.emit({ kind: "leak", loop }, true);
  }
}
