import type { Reg } from "../register.ts";
import {
  NOT_INIT,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_FLOW_KEYS,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  PTR_TO_TP_BUFFER,
  PTR_TO_XDP_SOCK,
} from "../register.ts";
import type { Walk } from "../state.ts";
import { bitsInMessage } from "../text/number-text.ts";
import { unknownOfSize } from "./context-access.ts";
import { typeOf } from "./reg-kinds.ts";

/** bytes of struct bpf_sock, bpf_tcp_sock, bpf_xdp_sock, bpf_flow_keys */
const SOCK_BYTES = 80;
const TCP_SOCK_BYTES = 112;
const XDP_SOCK_BYTES = 4;
const FLOW_KEYS_BYTES = 56;
/** Fields of bpf_sock that may be read in part: family, type, protocol (first bytes only is no rule here), addresses, ports, state. */
const NARROW_SOCK: readonly (readonly [number, number])[] = [
  [24, 44],
  [52, 72],
];
const NARROW_AT_START: ReadonlySet<number> = new Set([4, 8, 12, 44, 72, 76]);
const DST_PORT = 48;
const PORT_BYTES = 2;
/** The part of bpf_sock that a sock_common has not: type to priority. */
const NOT_COMMON_START = 8;
const NOT_COMMON_END = 24;
/** The two 8-byte counters of bpf_tcp_sock. */
const TCP_COUNTERS: ReadonlySet<number> = new Set([80, 88]);

/**
 * Kernel structures of which accesses are modelled, with the fields that are plain numbers, as [start, end). Others depend on the
 * kernel's build and lead to further structures.
 */
const PLAIN_NUMBERS: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  task_struct: [
    [0, 8],
    [8, 16],
    [16, 20],
    [20, 24],
  ],
  sk_buff: [
    [112, 116],
    [116, 120],
    [120, 122],
    [122, 124],
    [124, 126],
  ],
  pt_regs: Array.from({ length: 17 }, (_, n) => [8 * n, 8 * n + 8] as const),
};

/** Whether a read of these bytes of a kernel structure is known to yield a number. */
export function readsPlainNumber(struct: string, off: number, size: number): boolean {
  return PLAIN_NUMBERS[struct]?.some(([start, end]) => off >= start && off + size <= end) ?? false;
}

function sockAllows(off: number, size: number): boolean {
  if (off < 0 || off >= SOCK_BYTES || off % size !== 0) return false;
  if (NARROW_SOCK.some(([start, end]) => off >= start && off < end)) return size <= 4;
  if (NARROW_AT_START.has(off)) return size <= 4;
  if (off >= DST_PORT && off < DST_PORT + PORT_BYTES) return size <= PORT_BYTES || (off === DST_PORT && size === 4);
  if (off >= DST_PORT + PORT_BYTES && off < DST_PORT + 4) return false;
  return size === 4 && off % 4 === 0;
}

function socketAllows(type: number, off: number, size: number): boolean {
  switch (type) {
    case PTR_TO_SOCK_COMMON:
      return !(off >= NOT_COMMON_START && off < NOT_COMMON_END) && sockAllows(off, size);
    case PTR_TO_SOCKET:
      return sockAllows(off, size);
    case PTR_TO_TCP_SOCK:
      if (off < 0 || off >= TCP_SOCK_BYTES || off % size !== 0) return false;
      return TCP_COUNTERS.has(off) ? size === 8 : size === 4;
    case PTR_TO_XDP_SOCK:
      return off >= 0 && off < XDP_SOCK_BYTES && off % size === 0 && size === 4;
    default:
      return false;
  }
}

function accessSocket(walk: Walk, reg: Reg, regno: number, off: number, size: number, write: boolean): Reg | null {
  if (write) {
    walk.reject("EACCES", `R${regno} cannot write into ${typeOf(reg)}`, "write-read-only-memory", regno);
    return null;
  }
  if (socketAllows(reg.type, off, size)) return unknownOfSize(size);
  walk.reject("EACCES", `R${regno} invalid ${typeOf(reg)} access off=${off} size=${size}`, "socket-access", regno);
  return null;
}

function accessFlowKeys(walk: Walk, reg: Reg, regno: number, off: number, size: number): Reg | null {
  const at = off + reg.off;
  if (at >= 0 && at + size <= FLOW_KEYS_BYTES) return unknownOfSize(size);
  walk.reject("EACCES", `invalid access to flow keys off=${at} size=${size}`, "flow-keys-access", regno);
  return null;
}

function accessTracepointBuffer(walk: Walk, reg: Reg, regno: number, off: number, size: number): Reg | null {
  const at = off + reg.off;
  if (at < 0) {
    walk.reject(
      "EACCES",
      `R${regno} invalid tracepoint buffer access: off=${at}, size=${size}`,
      "tracepoint-buffer-access",
      regno,
    );
    return null;
  }
  return unknownOfSize(size);
}

function accessStruct(walk: Walk, reg: Reg, regno: number, off: number, size: number, write: boolean): Reg | null {
  const at = off + reg.off;
  const what = `R${regno} is ptr_${reg.btfName} invalid`;
  if (at < 0) {
    walk.reject("EACCES", `${what} negative access: off=${at}`, "kernel-structure-off", regno);
    return null;
  }
  if (!reg.scalar.isConst || reg.scalar.value !== 0) {
    const bits = bitsInMessage(reg.scalar);
    walk.reject("EACCES", `${what} variable offset: off=${at}, var_off=${bits}`, "kernel-structure-off", regno);
    return null;
  }
  if (write) {
    walk.reject("EACCES", "only read is supported", "write-kernel-structure", regno);
    return null;
  }
  if (readsPlainNumber(reg.btfName, at, size)) return unknownOfSize(size);
  walk.unsupported(`loads from the kernel structure ${reg.btfName}`);
  return null;
}

/** Loads and stores through pointers that have a table or size of their own. */
export function checkTypedAccess(walk: Walk, regno: number, off: number, size: number, write: boolean): Reg | null {
  const reg = walk.reg(regno);
  switch (reg.mayBeNull ? NOT_INIT : reg.type) {
    case PTR_TO_SOCK_COMMON:
    case PTR_TO_SOCKET:
    case PTR_TO_TCP_SOCK:
    case PTR_TO_XDP_SOCK:
      return accessSocket(walk, reg, regno, off + reg.off, size, write);
    case PTR_TO_FLOW_KEYS:
      return accessFlowKeys(walk, reg, regno, off, size);
    case PTR_TO_TP_BUFFER:
      return accessTracepointBuffer(walk, reg, regno, off, size);
    case PTR_TO_BTF_ID:
      return accessStruct(walk, reg, regno, off, size, write);
    case PTR_TO_BUF:
      walk.unsupported("buffers of iterator programs");
      return null;
    default:
      walk.reject("EACCES", `R${regno} invalid mem access '${typeOf(reg)}'`, "memory-access-type", regno);
      return null;
  }
}
