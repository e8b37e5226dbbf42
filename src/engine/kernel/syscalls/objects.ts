import type { Syscall } from "../calls.ts";
import type { Kernel } from "../kernel.ts";
import type { Operation } from "../operations.ts";
import { hold, release } from "../references.ts";
import type { FileTarget, OpFrame, Task } from "../state.ts";
import { createMapTimer } from "../timers/map-timer.ts";
import { closeFd, done, doneOrFailed, failed, fdTarget, openFd } from "./result.ts";

function nameOf(kernel: Kernel, target: FileTarget): string {
  if (target.kind === "map") return `map ${kernel.map(target.id).name}`;
  if (target.kind === "prog") return `prog ${kernel.program(target.id).name}`;
  return `link ${target.id}`;
}

function close(kernel: Kernel, task: Task, frame: OpFrame): void {
  const fd: number = frame.data["fd"];
  if (frame.step === 1) return done(kernel, task, frame.data["text"], 0);
  const target = kernel.process(task.process).fds.get(fd);
  if (target === undefined) return failed(kernel, task, `close ${fd}`, "EBADF");
  frame.step = 1;
  frame.data["text"] = `close ${nameOf(kernel, target)}`;
  closeFd(kernel, task, fd);
}

/** True while an object can be had by its id: it has a reference. */
function isLive(kernel: Kernel, target: FileTarget): boolean {
  const { maps, programs, links } = kernel.state;
  switch (target.kind) {
    case "map":
      return (maps.get(target.id)?.holders.size ?? 0) > 0;
    case "prog":
      return (programs.get(target.id)?.holders.size ?? 0) > 0;
    case "link":
      return (links.get(target.id)?.holders.size ?? 0) > 0;
  }
}

function openById(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { kind, id } = frame.data as unknown as Extract<Syscall, { name: "open-by-id" }>;
  const target = { kind, id };
  if (!isLive(kernel, target)) return failed(kernel, task, `open ${kind} ${id}`, "ENOENT");
  done(kernel, task, `open ${nameOf(kernel, target)}`, openFd(kernel, task, target));
}

function pin(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, path } = frame.data as unknown as Extract<Syscall, { name: "pin" }>;
  const target = kernel.process(task.process).fds.get(fd);
  if (target === undefined) return failed(kernel, task, `pin ${path}`, "EBADF");
  const text = `pin ${nameOf(kernel, target)} ${path}`;
  if (kernel.state.pins.has(path)) return failed(kernel, task, text, "EEXIST");
  kernel.state.pins.set(path, target);
  hold(kernel, target, `pin:${path}`, true);
  done(kernel, task, text, 0);
}

function openPinned(kernel: Kernel, task: Task, frame: OpFrame): void {
  const path: string = frame.data["path"];
  const target = kernel.state.pins.get(path);
  if (target === undefined) return failed(kernel, task, `open ${path}`, "ENOENT");
  done(kernel, task, `open ${path}`, openFd(kernel, task, target));
}

function unpin(kernel: Kernel, task: Task, frame: OpFrame): void {
  const path: string = frame.data["path"];
  if (frame.step === 1) return done(kernel, task, `unpin ${path}`, 0);
  const target = kernel.state.pins.get(path);
  if (target === undefined) return failed(kernel, task, `unpin ${path}`, "ENOENT");
  frame.step = 1;
  kernel.state.pins.delete(path);
  release(kernel, task, target, `pin:${path}`);
}

/** Closes one fd a step, in order, as do_exit does. */
function exit(kernel: Kernel, task: Task, frame: OpFrame): void {
  const process = kernel.process(task.process);
  const fd = process.fds.keys().next().value;
  if (fd !== undefined) {
    frame.step = 1;
    closeFd(kernel, task, fd);
    return;
  }
  process.exited = true;
  done(kernel, task, "exit", 0);
}

/** Waits for the newest grace period; again until none is left (what they free may begin others). */
function rcuSettle(kernel: Kernel, task: Task): void {
  const newest = kernel.state.rcu.at(-1);
  if (newest !== undefined) {
    task.wait = { on: "rcu", ticket: newest.ticket, what: "grace periods" };
    return;
  }
  const working = [...kernel.state.tasks.values()].some((other) => other.kind === "worker");
  if (!working) return done(kernel, task, "rcu settle", 0);
  task.wait = { on: "workers", what: "kernel workers" };
}

function timerCreate(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { mapFd, progFd, expires } = frame.data as unknown as Extract<Syscall, { name: "timer-create" }>;
  const map = fdTarget(kernel, task, mapFd, "map");
  const prog = fdTarget(kernel, task, progFd, "prog");
  if (typeof map === "string") return failed(kernel, task, "timer create", map);
  if (typeof prog === "string") return failed(kernel, task, "timer create", prog);
  const text = `timer create ${kernel.map(map).name} ${kernel.program(prog).name}`;
  doneOrFailed(kernel, task, text, createMapTimer(kernel, kernel.map(map), kernel.program(prog), task.cpu, expires));
}

function noSuchCpu(kernel: Kernel, task: Task, frame: OpFrame): void {
  failed(kernel, task, `${task.label} on CPU ${frame.data["cpu"]}`, "EINVAL");
}

export const OBJECT_SYSCALLS: Readonly<Record<string, Operation>> = {
  "sys:no-such-cpu": noSuchCpu,
  "sys:close": close,
  "sys:open-by-id": openById,
  "sys:pin": pin,
  "sys:open-pinned": openPinned,
  "sys:unpin": unpin,
  "sys:exit": exit,
  "sys:rcu-settle": rcuSettle,
  "sys:timer-create": timerCreate,
};
