/** Error numbers of Linux/x86-64 that BPF hands out, by name. ENOTSUPP (524) is kernel-internal, yet user space sees it. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ERANGE: 34,
  EDEADLK: 35,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  ENOTSUPP: 524,
} as const;

export type Errno = keyof typeof ERRNO;

const NAMES = new Map<number, Errno>(Object.entries(ERRNO).map(([name, value]) => [value, name as Errno]));

/** The name of a positive or negative error number, if it is one that we know. */
export function errnoName(value: number): Errno | undefined {
  return NAMES.get(Math.abs(value));
}
