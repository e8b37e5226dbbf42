import { progTypeName } from "../../abi/types.ts";
import { negative } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { hexOf } from "../maps/values.ts";
import type { BpfMap, LoadedProgram } from "../state.ts";
import { tellTimerInit } from "../tell.ts";
import { addTimer, armTimer, CONTROL_BYTES, setCallback } from "./timer-object.ts";

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
  const { memory } = kernel;
  const { storage } = map;
  if (storage.kind !== "timers" || progTypeName(program.type) !== "timer") return negative("EINVAL");
  if (storage.timers.size >= map.maxEntries) return negative("E2BIG");
  const id = storage.nextTimerId;
  const key = hexOf(Uint8Array.of(id & 255, (id >> 8) & 255, (id >> 16) & 255, id >>> 24));
  const label = `${map.name}[${id}]`;
  const control = kernel.allocate(CONTROL_BYTES, "timer", `timer of ${label}`, `timer:${map.id}:${key}`);
  if (control === null) return negative("ENOMEM");
  storage.nextTimerId++;
  memory.expose(control, 8);
  const timer = addTimer(kernel, {
    map,
    key,
    label,
    control,
    field: control,
    valueAt: control,
    dialect: "timer-map",
    clock: "jiffies",
  });
  storage.timers.set(id, control);
  memory.view.setUint32(control, id, true);
  tellTimerInit(kernel, timer.id, "jiffies", 0);
  setCallback(kernel, timer, program.id, 0);
  armTimer(kernel, timer, cpu, kernel.jiffies + expires);
  return id;
}
