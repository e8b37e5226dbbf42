import { BPF_JMP, BPF_LD, BPF_LDX, BPF_ST, BPF_STX } from "../isa/opcodes.ts";
import type { VmFrame } from "../vm/frame.ts";
import { CALL_FUNCTION, FUEL, HELPER, interpret, KFUNC, PACKET_LOAD, RETURN, TRAP } from "../vm/interpreter.ts";
import { GUEST_HIGH } from "../vm/memory.ts";
import type { CompiledPrograms } from "./compiled.ts";
import { callHelper, callKfunc } from "./helpers/call.ts";
import { legacyPacketLoad } from "./helpers/packet.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./state.ts";
import { inOwnStack, popFunction, pushFunction } from "./tasks.ts";

/** Whoever asks for less wants to see the steps: the interpreter makes them. */
const LEAST_COMPILED = 1000;
/** Instructions that one run of an unverified program may take before the watchdog stops everything. */
const RUNAWAY = 200_000_000;

/**
 * Runs the innermost function of a task: at most `fuel` instructions, across its calls, until an operation begins, it ends or
 * something stops it (`Kernel.stops`). What it used; 0 only for a stop.
 */
export function executeProgram(kernel: Kernel, task: Task, first: VmFrame, fuel: number): number {
  const { machine, stops } = kernel;
  const cost = kernel.settings.insnCost;
  const start = task.time;
  const single = cost > 0 || stops !== null;
  let frame = first;
  let used = 0;
  while (used < fuel) {
    if (stops !== null) {
      if (stops.before(kernel, task, frame)) return used;
    } else if (fuel - used >= LEAST_COMPILED && isForCompiled(kernel, frame)) {
      const compiled = kernel.compiled as CompiledPrograms;
      used += compiled.run(task, frame);
      if (compiled.suspended) return used;
      if (kernel.state.oops !== null || kernel.unsupported !== null) break;
      popFunction(kernel, task);
      const caller = task.frames[task.frames.length - 1];
      if (caller === undefined || caller.kind !== "vm") break;
      frame = caller;
      continue;
    }
    const before = frame.executed;
    machine.trap = null;
    // Where instructions take time, whatever one of them tells or asks carries its own time, however the run is sliced.
    if (cost > 0) kernel.state.now = Math.max(kernel.state.now, start + used * cost);
    const reason = interpret(machine, kernel.executable(frame.program), frame, single ? 1 : fuel - used);
    used += frame.executed - before;
    switch (reason) {
      case FUEL:
        if (frame.executed > RUNAWAY) {
          kernel.oops({ what: "runaway", message: "watchdog: soft lockup: the program does not end", address: null });
        } else if (single) {
          break;
        }
        return Math.max(1, used);
      case HELPER:
        callHelper(kernel, task, frame, machine.callee);
        break;
      case KFUNC:
        callKfunc(kernel, task, frame, machine.callee);
        break;
      case CALL_FUNCTION: {
        const callee = pushFunction(kernel, task, frame.program, machine.callee);
        if (callee === null) return used;
        for (let r = 1; r <= 5; r++) {
          callee.lo[r] = frame.lo[r] as number;
          callee.hi[r] = frame.hi[r] as number;
        }
        break;
      }
      case RETURN:
        popFunction(kernel, task);
        break;
      case PACKET_LOAD:
        legacyPacketLoad(kernel, task, frame);
        break;
      case TRAP:
        if (machine.trap !== null) kernel.oops(machine.trap);
        return Math.max(1, used);
    }
    if (kernel.state.oops !== null || kernel.unsupported !== null) break;
    // A call may have armed a timer or started a worker that is due before the next instruction.
    if (cost > 0 && (reason === HELPER || reason === KFUNC)) break;
    const next = task.frames[task.frames.length - 1];
    if (next === undefined || next.kind !== "vm") break;
    frame = next;
  }
  return Math.max(1, used);
}

const isForCompiled = (kernel: Kernel, frame: VmFrame): boolean =>
  kernel.compiled !== null && kernel.inOneGo && kernel.compiled.takes(frame);

/**
 * True when the next step of a task can be seen by others: an operation's step, a helper, or an access to memory that is not its
 * own stack. The explorer runs what lies between in one go.
 */
export function isVisibleNext(kernel: Kernel, task: Task): boolean {
  const frame = task.frames[task.frames.length - 1];
  if (frame === undefined || frame.kind !== "vm") return true;
  const executable = kernel.executable(frame.program);
  const op = executable.op[frame.pc] as number;
  switch (op & 7) {
    case BPF_LDX:
      return isShared(task, frame, executable.src[frame.pc] as number, executable.off[frame.pc] as number);
    case BPF_ST:
    case BPF_STX:
      return isShared(task, frame, executable.dst[frame.pc] as number, executable.off[frame.pc] as number);
    case BPF_JMP:
      return op === 0x85 ? executable.src[frame.pc] !== 1 : op === 0x95;
    case BPF_LD:
      return op >> 5 !== 0;
    default:
      return false;
  }
}

function isShared(task: Task, frame: VmFrame, register: number, off: number): boolean {
  if (frame.hi[register] !== GUEST_HIGH) return true;
  const at = ((frame.lo[register] as number) >>> 0) + off;
  if (inOwnStack(task, at)) return false;
  const context = task.context;
  return context === null || at < context.at || at >= context.at + Math.max(context.size, 1);
}
