import type { VmFrame } from "../../vm/frame.ts";
import type { Kernel } from "../kernel.ts";
import { indexOfValue } from "../maps/values.ts";
import type { Task } from "../state.ts";
import { kernelStackKey, setPointer } from "../tasks.ts";

/** r1..r3 of a callback of Linux's dialect: map, key, value. An array's key lies on the kernel's own stack. */
export function setCallbackArguments(kernel: Kernel, task: Task, frame: VmFrame, mapId: number, valueAt: number): void {
  setPointer(frame, 3, valueAt);
  const map = kernel.state.maps.get(mapId);
  if (map === undefined) return;
  const { storage } = map;
  setPointer(frame, 1, map.address);
  const key =
    storage.kind === "hash"
      ? valueAt - storage.valueOffset + storage.keyOffset
      : kernelStackKey(kernel, task, indexOfValue(map, valueAt));
  setPointer(frame, 2, key);
}
