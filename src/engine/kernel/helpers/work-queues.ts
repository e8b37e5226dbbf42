import { errnoName } from "../../abi/errno.ts";
import { negative } from "../errno.ts";
import { usercnt } from "../references.ts";
import { initWork, queueWork, setWorkCallback, workAtField } from "../works/work-object.ts";
import { functionArgument, type HelperImplementation, memoryArgument, u32Of } from "./implementation.ts";

/** Bytes of `struct bpf_wq`. */
const WQ_BYTES = 16;

const wqInit: HelperImplementation = (kernel, _task, frame) => {
  const field = memoryArgument(kernel, frame, 1, WQ_BYTES, true);
  if (field < 0) return 0;
  if (u32Of(frame, 3) !== 0) return negative("EINVAL");
  const { retval, work } = initWork(kernel, field);
  if (kernel.state.oops !== null) return 0;
  const id = work?.id ?? `w:-:${field.toString(16).padStart(8, "0")}`;
  kernel.emit({ kind: "wq-init", work: id, retval, errno: retval < 0 ? (errnoName(retval) ?? null) : null });
  return retval;
};

const wqSetCallback: HelperImplementation = (kernel, _task, frame) => {
  const field = memoryArgument(kernel, frame, 1, WQ_BYTES, true);
  const entry = field < 0 ? -1 : functionArgument(kernel, frame, 2);
  if (entry < 0) return 0;
  if (u32Of(frame, 3) !== 0) return negative("EINVAL");
  const work = workAtField(kernel, field);
  if (work === "bad") return 0;
  if (work === null) return negative("EINVAL");
  const map = kernel.state.maps.get(work.mapId);
  if (map !== undefined && usercnt(map.holders) === 0) return negative("EPERM");
  // The program is being freed: no reference can be had any more.
  if (kernel.program(frame.program).holders.size === 0) return negative("ENOENT");
  setWorkCallback(kernel, work, frame.program, entry);
  return 0;
};

const wqStart: HelperImplementation = (kernel, task, frame) => {
  const field = memoryArgument(kernel, frame, 1, WQ_BYTES, true);
  if (field < 0) return 0;
  if (u32Of(frame, 2) !== 0) return negative("EINVAL");
  const work = workAtField(kernel, field);
  if (work === "bad") return 0;
  if (work === null || work.callback === null) return negative("EINVAL");
  queueWork(kernel, work, Math.max(task.cpu, 0));
  return 0;
};

/** Errnos of each, in their order, as measured on Linux 6.18. */
export const WORK_QUEUE_KFUNCS: readonly (readonly [string, HelperImplementation])[] = [
  ["bpf_wq_init", wqInit],
  ["bpf_wq_set_callback_impl", wqSetCallback],
  ["bpf_wq_start", wqStart],
];
