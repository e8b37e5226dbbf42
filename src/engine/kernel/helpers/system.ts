import { mapTypeName } from "../../abi/types.ts";
import { negative } from "../errno.ts";
import { type HelperImplementation, mapArgument, memoryArgument, setU64, u64Of } from "./implementation.ts";

/** Wall clock at boot: the day of the thread, 2021-04-12 00:00 UTC, ns. */
export const BOOT_REALTIME = 1_618_185_600_000_000_000n;
/** CLOCK_TAI runs this much ahead of CLOCK_REALTIME (2021), ns. */
const TAI_OFFSET = 37_000_000_000n;
/** The process that user space's calls come from; softirqs interrupt the idle task, kworkers are threads of the kernel. */
const PID = 1000;
const KWORKER_PID = 20;
const COMM = "playground";

const now: HelperImplementation = (kernel, _task, frame) => setU64(frame, 0, BigInt(Math.floor(kernel.state.now)));

/** The coarse clock stands still between ticks. */
const coarse: HelperImplementation = (kernel, _task, frame) =>
  setU64(frame, 0, BigInt(kernel.jiffies * kernel.nsPerJiffy));

const tai: HelperImplementation = (kernel, _task, frame) =>
  setU64(frame, 0, BOOT_REALTIME + TAI_OFFSET + BigInt(Math.floor(kernel.state.now)));

const jiffies: HelperImplementation = (kernel, _task, frame) => setU64(frame, 0, BigInt(kernel.jiffies));

const random: HelperImplementation = (kernel, _task, frame) => {
  frame.lo[0] = kernel.random() | 0;
  frame.hi[0] = 0;
  return undefined;
};

const processor: HelperImplementation = (_kernel, task) => Math.max(task.cpu, 0);
const zero: HelperImplementation = () => 0;

const pidTgid: HelperImplementation = (_kernel, task, frame) => {
  const pid = task.kind === "softirq" ? 0 : task.kind === "kworker" ? KWORKER_PID + task.cpu : PID + task.process;
  frame.lo[0] = pid;
  frame.hi[0] = pid;
  return undefined;
};

const comm: HelperImplementation = (kernel, task, frame) => {
  const size = u64Of(frame, 2);
  const at = memoryArgument(kernel, frame, 1, size, true);
  if (at < 0) return 0;
  if (size === 0) return negative("EINVAL");
  const names = { softirq: `swapper/${task.cpu}`, kworker: `kworker/${task.cpu}:1`, syscall: COMM, worker: COMM };
  const name = names[task.kind];
  const { bytes } = kernel.memory;
  bytes.fill(0, at, at + size);
  for (let i = 0; i < Math.min(name.length, size - 1); i++) bytes[at + i] = name.charCodeAt(i);
  return 0;
};

/** perf_event_output and its like: nobody listens on a perf buffer here. */
const perfOutput: HelperImplementation = (kernel, _task, frame) => {
  const map = mapArgument(kernel, frame, 2);
  if (map === null) return 0;
  return mapTypeName(map.type) === "perf_event_array" ? negative("ENOENT") : negative("EINVAL");
};

export const SYSTEM_HELPERS: readonly (readonly [number, HelperImplementation])[] = [
  [5, now],
  [125, now],
  [160, coarse],
  [208, tai],
  [118, jiffies],
  [7, random],
  [8, processor],
  [42, zero],
  [14, pidTgid],
  [15, zero],
  [16, comm],
  [25, perfOutput],
];
