import { nothing, type TimerPolicy } from "./policy.ts";
import { uref } from "./uref.ts";

/** The timer holds its program and nothing breaks the circle prog -> map -> element -> timer -> prog. */
export const refcount: TimerPolicy = {
  ...uref,
  name: "refcount",
  needsUser: false,
  onLastUserReference: nothing,
};
