import { progTypeName } from "../../abi/types.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { hexOf } from "../maps/values.ts";
import type { BpfMap, LoadedProgram, Timer } from "../state.ts";
import { armTimer, setCallback } from "./timer-object.ts";

/**
 * Dialect `timer-map`: an entry of a timer map is a timer with an ID of its own, whose callback is a program of type `timer`, held
 * by the entry. `expires` is in jiffies from now. The new ID, or a negative errno.
 */
export function createMapTimer(
  kernel: Kernel,
  map: BpfMap,
  program: LoadedProgram,
  cpu: number,
  expires: number,
): number {
  const { state, memory } = kernel;
  const { storage } = map;
  if (storage.kind !== "timers" || progTypeName(program.type) !== "timer") return negative("EINVAL");
  if (storage.timers.size >= map.maxEntries) return negative("E2BIG");
  const id = storage.nextTimerId;
  const key = hexOf(Uint8Array.of(id & 255, (id >> 8) & 255, (id >> 16) & 255, id >>> 24));
  const label = `${map.name}[${id}]`;
  const control = kernel.allocate(144, "timer", `timer of ${label}`, `timer:${map.id}:${key}`);
  if (control === null) return negative("ENOMEM");
  storage.nextTimerId++;
  memory.expose(control, 8);
  const index = state.freeTimerIndexes.pop() ?? state.timerControls.length;
  state.timerControls[index] = control;
  const timer: Timer = {
    id: `t:${map.id}:${key}`,
    label,
    node: `timer:${map.id}:${key}`,
    index,
    control,
    field: control,
    mapId: map.id,
    valueAt: control,
    key,
    dialect: "timer-map",
    clock: "jiffies",
    callback: null,
    holds: null,
    expires: 0,
    armedAt: null,
    queuedOn: -1,
    runningOn: -1,
    fired: 0,
    detached: false,
    freed: false,
    cancelling: 0,
  };
  state.timers.set(control, timer);
  storage.timers.set(id, control);
  memory.view.setUint32(control, id, true);
  kernel.emit({ kind: "timer-init", timer: timer.id, clock: "jiffies", retval: 0, errno: null });
  setCallback(kernel, timer, program.id, 0);
  armTimer(kernel, timer, cpu, kernel.jiffies + expires);
  return id;
}
