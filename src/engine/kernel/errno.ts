import { ERRNO, type Errno } from "../abi/errno.ts";

/** A negative error number, as kernel functions return it. */
export const negative = (errno: Errno): number => -ERRNO[errno];
