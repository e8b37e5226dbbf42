import { InternalError } from "../base/errors.ts";
import { makeVmFrame, type VmFrame } from "../vm/frame.ts";
import { GUEST_HIGH } from "../vm/memory.ts";
import { type HelperCall, tellHelper } from "./helper-events.ts";
import type { Kernel } from "./kernel.ts";
import type { Frame, OpFrame, SyscallResult, Task } from "./state.ts";
import { tellRcuWait } from "./tell.ts";

/** Function invocations on one task: eight of a program, as many of callbacks. */
const STACK_FRAMES = 16;
export const STACK_FRAME_BYTES = 512;
/** A frame's stack and the red zone above it. */
export const STACK_FRAME_STRIDE = STACK_FRAME_BYTES + 32;
/** Before the frames: room for what the kernel keeps on its own stack (the key that an array's callback is given). */
const KERNEL_STACK = 64;

/** Bytes of a task's block of stacks. */
export const STACK_BLOCK = KERNEL_STACK + STACK_FRAMES * STACK_FRAME_STRIDE;

/** Stacks that rest after use. */
const RESTING_STACKS = 3;

export function newTask(kernel: Kernel, cpu: number, kind: Task["kind"], label: string, process = 0): Task {
  const { state, memory } = kernel;
  let stackBlock = 0;
  if (kind !== "worker") {
    // A stack rests before it serves again, so that a pointer into a dead one is found at its use.
    const rested = state.stacks.length > RESTING_STACKS ? state.stacks.shift() : undefined;
    const block = rested ?? memory.allocate(STACK_BLOCK, "stack", "BPF stack", null);
    if (block === null) throw new InternalError("no memory for a stack");
    stackBlock = block;
    // A frame that ends closes its part again.
    if (rested === undefined) memory.poison(stackBlock, STACK_BLOCK);
  }
  const task: Task = {
    id: state.nextTask++,
    cpu,
    kind,
    frames: [],
    time: state.now,
    wait: null,
    stackBlock,
    context: null,
    result: null,
    runId: 0,
    spent: 0,
    spentBy: 0,
    timer: 0,
    work: 0,
    label,
    writer: -1,
    process,
    rcu: 0,
    tailCalls: 0,
    told: 0,
  };
  state.tasks.set(task.id, task);
  if (cpu >= 0) state.cpus[cpu]?.stack.push(task.id);
  return task;
}

/** Starts work that no task waits for. */
export function startWorker(kernel: Kernel, op: OpFrame, label: string): Task {
  const task = newTask(kernel, -1, "worker", label);
  task.frames.push(op);
  return task;
}

export function endTask(kernel: Kernel, task: Task): void {
  const { state } = kernel;
  state.tasks.delete(task.id);
  if (task.cpu >= 0) {
    const stack = state.cpus[task.cpu]?.stack;
    const at = stack?.indexOf(task.id) ?? -1;
    if (stack !== undefined && at >= 0) stack.splice(at, 1);
  }
  if (task.stackBlock !== 0) {
    state.stacks.push(task.stackBlock);
  }
  task.rcu = 0;
  quiescent(kernel, task);
}

export const op = (name: string, data: OpFrame["data"] = {}): OpFrame => ({ kind: "op", name, step: 0, data });

const isVm = (frame: Frame | undefined): frame is VmFrame => frame?.kind === "vm";

/** Begins a function of a program on a task: a fresh stack frame, r10 behind it. Null (and an oops) when the stack is used up. */
export function pushFunction(kernel: Kernel, task: Task, program: number, entry: number): VmFrame | null {
  let depth = 0;
  for (const frame of task.frames) if (frame.kind === "vm") depth += frame.span;
  if (depth >= STACK_FRAMES) {
    kernel.oops({ what: "stack-overflow", message: `kernel stack overflow: ${depth} frames`, address: null });
    return null;
  }
  const stack = task.stackBlock + KERNEL_STACK + depth * STACK_FRAME_STRIDE;
  kernel.memory.expose(stack, STACK_FRAME_BYTES);
  const frame = makeVmFrame(program, entry, stack);
  frame.lo[10] = stack + STACK_FRAME_BYTES;
  frame.hi[10] = GUEST_HIGH;
  task.frames.push(frame);
  return frame;
}

/** Sets an argument to a guest pointer. */
export function setPointer(frame: VmFrame, register: number, offset: number): void {
  frame.lo[register] = offset;
  frame.hi[register] = offset === 0 ? 0 : GUEST_HIGH;
}

/** Sets a register to a JavaScript number in the range of s64 that is exact. */
export function setNumber(frame: VmFrame, register: number, value: number): void {
  frame.lo[register] = value | 0;
  frame.hi[register] = value === (value | 0) ? value >> 31 : Math.floor(value / 0x1_0000_0000) | 0;
}

/** Ends the innermost function: its result goes to its caller or to the operation that began it. */
export function popFunction(kernel: Kernel, task: Task): void {
  const frame = task.frames.pop() as VmFrame;
  kernel.memory.poison(frame.stack, STACK_FRAME_BYTES);
  const parent = task.frames[task.frames.length - 1];
  if (parent === undefined) throw new InternalError("a program without an operation that began it");
  if (isVm(parent)) {
    parent.lo[0] = frame.lo[0] as number;
    parent.hi[0] = frame.hi[0] as number;
  } else {
    parent.data["lo"] = frame.lo[0];
    parent.data["hi"] = frame.hi[0];
  }
}

/** Ends an operation. A number goes to r0 of the program that called it, or to `data.result` of the operation below. */
export function finish(kernel: Kernel, task: Task, value: number | null = null): void {
  const ended = task.frames.pop() as OpFrame;
  const parent = task.frames[task.frames.length - 1];
  if (parent === undefined) {
    endTask(kernel, task);
    return;
  }
  if (isVm(parent)) {
    if (value !== null) setNumber(parent, 0, value);
    const call = ended.data["call"] as HelperCall | undefined;
    if (call !== undefined) tellHelper(kernel, call, parent);
  } else if (value !== null) {
    parent.data["result"] = value;
  }
}

/** Ends a system call. */
export function finishSyscall(kernel: Kernel, task: Task, result: SyscallResult): void {
  task.result = result;
  task.frames.pop();
  endTask(kernel, task);
}

/** A place for a 4-byte key on the kernel's own stack of this task; programs may read it. */
export function kernelStackKey(kernel: Kernel, task: Task, value: number): number {
  const at = task.stackBlock;
  kernel.memory.expose(at, 4);
  kernel.memory.view.setUint32(at, value, true);
  return at;
}

/** Bytes from a function's stack to the end of the stacks of those that it may call. */
export const stackLeft = (task: Task, frame: VmFrame): number => task.stackBlock + STACK_BLOCK - frame.stack;

/** True when an offset lies in the stack of the task. */
export const inOwnStack = (task: Task, offset: number): boolean =>
  offset >= task.stackBlock && offset < task.stackBlock + STACK_BLOCK;

/** Leaves a read-side section: grace periods that waited for this task wait no longer. */
export function quiescent(kernel: Kernel, task: Task): void {
  if (task.rcu > 0) return;
  for (const callback of kernel.state.rcu) {
    const at = callback.waitFor.indexOf(task.id);
    if (at >= 0) callback.waitFor.splice(at, 1);
  }
}

/** What runs once every task that is in a read-side section now has left it (call_rcu). Returns a ticket to wait on. */
export function callRcu(
  kernel: Kernel,
  what: string,
  later: { readonly free?: readonly number[]; readonly timers?: readonly number[]; readonly op?: OpFrame },
): number {
  const { state } = kernel;
  const waitFor: number[] = [];
  for (const task of state.tasks.values()) if (task.rcu > 0) waitFor.push(task.id);
  const ticket = state.nextTicket++;
  tellRcuWait(kernel, what);
  state.rcu.push({ ticket, waitFor, what, free: later.free ?? [], timers: later.timers ?? [], op: later.op ?? null });
  return ticket;
}

export const rcuPending = (kernel: Kernel, ticket: number): boolean =>
  kernel.state.rcu.some((callback) => callback.ticket === ticket);
