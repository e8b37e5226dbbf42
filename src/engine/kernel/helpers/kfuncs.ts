import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { DYNPTR_KFUNCS } from "./dynptr.ts";
import { type HelperImplementation, mapArgument, memoryArgument, returnPointer } from "./implementation.ts";
import { STRING_KFUNCS } from "./strings.ts";
import { WORK_QUEUE_KFUNCS } from "./work-queues.ts";

/** Elements of a hash map; other maps count none. */
const elementCount: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 1);
  return map?.storage.kind === "hash" ? map.storage.count : 0;
};

/** `struct bpf_iter_num` on the program's stack: current and end, s32 each. */
const iteratorAt = (kernel: Kernel, frame: Parameters<HelperImplementation>[2]): number =>
  memoryArgument(kernel, frame, 1, 8, true);

const BPF_MAX_LOOPS = 8 * 1024 * 1024;

const numNew: HelperImplementation = (kernel, _task, frame) => {
  const at = iteratorAt(kernel, frame);
  if (at < 0) return 0;
  const { view } = kernel.memory;
  const start = frame.lo[2] as number;
  const end = frame.lo[3] as number;
  view.setInt32(at, 0, true);
  view.setInt32(at + 4, 0, true);
  if (start > end) return negative("EINVAL");
  if (end - start > BPF_MAX_LOOPS) return negative("E2BIG");
  view.setInt32(at, start - 1, true);
  view.setInt32(at + 4, end, true);
  return 0;
};

const numNext: HelperImplementation = (kernel, _task, frame) => {
  const at = iteratorAt(kernel, frame);
  if (at < 0) return 0;
  const { view } = kernel.memory;
  const next = (view.getInt32(at, true) + 1) | 0;
  if (next >= view.getInt32(at + 4, true)) {
    view.setInt32(at, 0, true);
    view.setInt32(at + 4, 0, true);
    return returnPointer(frame, 0);
  }
  view.setInt32(at, next, true);
  return returnPointer(frame, at);
};

const numDestroy: HelperImplementation = (kernel, _task, frame) => {
  const at = iteratorAt(kernel, frame);
  if (at >= 0) kernel.memory.bytes.fill(0, at, at + 8);
  return 0;
};

/** A read-side section within the one that every program is. */
const rcuLock: HelperImplementation = (_kernel, task) => {
  task.rcu++;
  return 0;
};

const rcuUnlock: HelperImplementation = (_kernel, task) => {
  if (task.rcu > 1) task.rcu--;
  return 0;
};

const irqOff: HelperImplementation = (kernel, task) => {
  const cpu = kernel.state.cpus[task.cpu];
  if (cpu !== undefined) cpu.locksHeld++;
  return 0;
};

const irqOn: HelperImplementation = (kernel, task) => {
  const cpu = kernel.state.cpus[task.cpu];
  if (cpu !== undefined && cpu.locksHeld > 0) cpu.locksHeld--;
  return 0;
};

/** Every modelled kfunc by name. */
export const KFUNCS: ReadonlyMap<string, HelperImplementation> = new Map([
  ["bpf_iter_num_new", numNew],
  ["bpf_iter_num_next", numNext],
  ["bpf_iter_num_destroy", numDestroy],
  ["bpf_rcu_read_lock", rcuLock],
  ["bpf_rcu_read_unlock", rcuUnlock],
  ["bpf_preempt_disable", rcuLock],
  ["bpf_preempt_enable", rcuUnlock],
  ["bpf_local_irq_save", irqOff],
  ["bpf_map_sum_elem_count", elementCount],
  ["bpf_local_irq_restore", irqOn],
  ...DYNPTR_KFUNCS,
  ...STRING_KFUNCS,
  ...WORK_QUEUE_KFUNCS,
]);
