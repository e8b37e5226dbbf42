import type { PolicyName } from "../../abi/types.ts";
import type { TimerPolicy } from "./policy.ts";
import { refcount } from "./refcount.ts";
import { rfc } from "./rfc.ts";
import { rfcSync } from "./rfc-sync.ts";
import { timerMap } from "./timer-map.ts";
import { unprotected } from "./unprotected.ts";
import { uref } from "./uref.ts";
import { uref515 } from "./uref-5.15.ts";

export const POLICY_MODULES: Readonly<Record<PolicyName, TimerPolicy>> = {
  uref,
  "uref-5.15": uref515,
  rfc,
  "rfc-sync": rfcSync,
  refcount,
  unprotected,
  "timer-map": timerMap,
};
