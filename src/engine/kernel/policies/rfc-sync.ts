import { op } from "../tasks.ts";
import type { TimerPolicy } from "./policy.ts";
import { rfc } from "./rfc.ts";
import { cancelAndFree } from "./uref.ts";

/**
 * The RFC repaired: a dying program can arm nothing more; after a grace period every callback that could re-arm has been seen
 * or prevented; then the walk deletes synchronously, and another grace period passes before the memory goes.
 */
export const rfcSync: TimerPolicy = {
  ...rfc,
  name: "rfc-sync",
  refuseArm: (program) => (program.state === "live" ? 0 : "EINVAL"),
  onDrop: cancelAndFree,
  onProgramUnreferenced: (_kernel, program) => op("walk-after-grace-period", { prog: program.id }),
};
