import type { Errno } from "../../abi/errno.ts";

/** Why a pass refuses the program. `unended`: the kernel prints the message without a newline. */
export interface PassFailure {
  readonly errno: Errno;
  readonly message: string;
  readonly rule: string;
  readonly insn: number | null;
  readonly unended?: boolean;
  /** A line of the log in front of the message. */
  readonly before?: string;
  readonly register?: number;
}

export function failure(errno: Errno, message: string, rule: string, insn: number | null): PassFailure {
  return { errno, message, rule, insn };
}
