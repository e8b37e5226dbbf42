import * as half from "./calls/index.ts";
import type { CallsHalf } from "./calls-contract.ts";

/** The rules of helpers, kfuncs, contexts and objects, as the walk and the passes call them. */
export const calls: CallsHalf = half as unknown as CallsHalf;
