import { ERRNO, type Errno, errnoName } from "../../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import { hold, release } from "../references.ts";
import type { FileTarget, SyscallResult, Task } from "../state.ts";
import { finishSyscall } from "../tasks.ts";

/** Ends a system call and tells it. `text` says what was asked, as a person would. */
export function done(
  kernel: Kernel,
  task: Task,
  text: string,
  retval: number,
  more: Omit<SyscallResult, "retval" | "errno"> = {},
): void {
  kernel.emit({ kind: "syscall", process: kernel.process(task.process).name, text, retval, errno: null }, true);
  finishSyscall(kernel, task, { retval, errno: null, ...more });
}

export function failed(kernel: Kernel, task: Task, text: string, errno: Errno): void {
  const retval = -ERRNO[errno];
  kernel.emit({ kind: "syscall", process: kernel.process(task.process).name, text, retval, errno }, true);
  finishSyscall(kernel, task, { retval: -1, errno });
}

/** Ends a call with what a kernel function returned: 0 or more, or a negative errno. */
export function doneOrFailed(kernel: Kernel, task: Task, text: string, value: number): void {
  if (value >= 0) done(kernel, task, text, value);
  else failed(kernel, task, text, errnoName(value) ?? "EINVAL");
}

/** Gives a process a new fd for an object. A map's fd is a user reference. */
export function openFd(kernel: Kernel, task: Task, target: FileTarget): number {
  const process = kernel.process(task.process);
  const fd = process.nextFd++;
  process.fds.set(fd, target);
  hold(kernel, target, `fd:${process.id}:${fd}`, true);
  return fd;
}

/** Closes an fd; false when it is not open. What the last reference causes is done by the task next. */
export function closeFd(kernel: Kernel, task: Task, fd: number): boolean {
  const process = kernel.process(task.process);
  const target = process.fds.get(fd);
  if (target === undefined) return false;
  process.fds.delete(fd);
  release(kernel, task, target, `fd:${process.id}:${fd}`);
  return true;
}

/** What an fd of the calling process stands for: EBADF when it is not open, EINVAL when it is of another kind. */
export function fdTarget(kernel: Kernel, task: Task, fd: number, kind: FileTarget["kind"]): number | Errno {
  const target = kernel.process(task.process).fds.get(fd);
  if (target === undefined) return "EBADF";
  return target.kind === kind ? target.id : "EINVAL";
}
