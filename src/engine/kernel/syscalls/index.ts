import type { Operation } from "../operations.ts";
import { MAP_SYSCALLS } from "./maps.ts";
import { OBJECT_SYSCALLS } from "./objects.ts";
import { PROGRAM_SYSCALLS } from "./programs.ts";

/** The operations that system calls begin with, by `sys:NAME`. */
export const SYSCALL_OPERATIONS: Readonly<Record<string, Operation>> = {
  ...MAP_SYSCALLS,
  ...PROGRAM_SYSCALLS,
  ...OBJECT_SYSCALLS,
};
