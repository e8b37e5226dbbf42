import { allow, nothing, type TimerPolicy } from "./policy.ts";

/** Nobody takes care: what a naive implementation does. */
export const unprotected: TimerPolicy = {
  name: "unprotected",
  holdsProgram: false,
  needsUser: false,
  updateFlags: 0,
  dropsBeforeUpdate: false,
  refuseUpdate: allow,
  refuseArm: allow,
  onDrop: nothing,
  onProgramUnreferenced: nothing,
  onLastUserReference: nothing,
};
