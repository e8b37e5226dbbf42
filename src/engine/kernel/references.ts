import type { NodeId } from "./event-types.ts";
import type { Kernel } from "./kernel.ts";
import type { FileTarget, Holders, Task } from "./state.ts";
import { op, startWorker } from "./tasks.ts";
import { tellHold, tellRelease } from "./tell.ts";

/** Number of references, as the kernel's refcnt. */
export const refcnt = (holders: Holders): number => holders.size;

/** Number of user references (fds and pins), as the kernel's usercnt. */
export function usercnt(holders: Holders): number {
  let n = 0;
  for (const holder of holders.values()) if (holder.user) n++;
  return n;
}

export const nodeOf = (target: FileTarget): NodeId => `${target.kind}:${target.id}`;

function holdersOf(kernel: Kernel, target: FileTarget): Holders | null {
  const { maps, programs, links } = kernel.state;
  switch (target.kind) {
    case "map":
      return maps.get(target.id)?.holders ?? null;
    case "prog":
      return programs.get(target.id)?.holders ?? null;
    case "link":
      return links.get(target.id)?.holders ?? null;
  }
}

/** How an object is held; the same two objects for all holders. */
const AS_USER = { user: true } as const;
const PLAINLY = { user: false } as const;

/**
 * Takes a reference in the name of `holder`, whose number in the log is `number`. A user reference (bpf_map_inc_with_uref) counts in
 * both counts.
 */
export function hold(
  kernel: Kernel,
  target: FileTarget,
  holder: NodeId,
  user = false,
  number = kernel.log.text(holder),
): void {
  const holders = holdersOf(kernel, target);
  if (holders === null) return;
  const before = holders.size;
  // A holder always holds the same way: to set what is there already changes nothing.
  holders.set(holder, user ? AS_USER : PLAINLY);
  if (holders.size === before) return;
  tellHold(kernel, number, target, false, refcnt(holders));
  if (user && target.kind === "map") tellHold(kernel, number, target, true, usercnt(holders));
}

/**
 * Gives a reference back; the last one starts what follows (bpf_map_put_with_uref, bpf_prog_put). What the last user
 * reference of a map causes is done by `task` before it goes on; what the last reference causes, by a worker.
 */
export function release(
  kernel: Kernel,
  task: Task | null,
  target: FileTarget,
  holder: NodeId,
  number = kernel.log.text(holder),
): void {
  const holders = holdersOf(kernel, target);
  const asUser = target.kind === "map" && holders?.get(holder)?.user === true;
  if (holders?.delete(holder) !== true) return;
  kernel.releasedSome = true;
  if (asUser) {
    const users = usercnt(holders);
    tellRelease(kernel, number, target, true, users);
    if (users === 0) lastUserReference(kernel, task, target.id);
  }
  tellRelease(kernel, number, target, false, refcnt(holders));
  if (refcnt(holders) === 0) unreferenced(kernel, target);
}

function lastUserReference(kernel: Kernel, task: Task | null, mapId: number): void {
  const map = kernel.map(mapId);
  const timers =
    map.storage.kind === "slots" && map.storage.of === "prog"
      ? op("clear-slots", { map: mapId, why: "last-user-reference" })
      : kernel.policy.onLastUserReference(kernel, map);
  const works = map.wqAt < 0 ? null : op("drop-works", { map: mapId, why: "last-user-reference", at: 0 });
  for (const work of [works, timers]) {
    if (work === null) continue;
    if (task === null) startWorker(kernel, work, `last user reference of ${map.name}`);
    else task.frames.push(work);
  }
}

function unreferenced(kernel: Kernel, target: FileTarget): void {
  if (target.kind === "map") {
    startWorker(kernel, op("map-free", { map: target.id }), `free of map ${kernel.map(target.id).name}`);
  } else if (target.kind === "prog") {
    const program = kernel.program(target.id);
    program.state = "dying";
    kernel.emit({ kind: "prog-free", prog: program.id, name: program.name, phase: "dying" });
    startWorker(kernel, op("prog-free", { prog: target.id }), `free of program ${program.name}`);
  } else {
    startWorker(kernel, op("link-free", { link: target.id }), "free of a link");
  }
}
