import type { Reg, RegFlags, RegType } from "../register.ts";
import {
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  DYNPTR_PACKET,
  DYNPTR_SLICE,
  MEM_PERCPU,
  MEM_RCU,
  MEM_RDONLY,
  MEM_RINGBUF,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  PTR_TRUSTED,
  regTypeName,
  SCALAR_VALUE,
} from "../register.ts";

/** A register type that an argument accepts. `-1` flags match nothing here: memory that programs allocate is not modelled. */
export interface Accepted {
  readonly type: RegType;
  readonly flags: RegFlags;
}

const plain = (...types: RegType[]): Accepted[] => types.map((type) => ({ type, flags: 0 }));
const ALLOCATED: Accepted = { type: PTR_TO_BTF_ID, flags: -1 };

/** Lists in the order in which `expected=` prints them. */
export const MEMORY: readonly Accepted[] = [
  ...plain(PTR_TO_STACK, PTR_TO_PACKET, PTR_TO_PACKET_META, PTR_TO_MAP_KEY, PTR_TO_MAP_VALUE, PTR_TO_MEM),
  { type: PTR_TO_MEM, flags: MEM_RINGBUF },
  ...plain(PTR_TO_BUF),
  { type: PTR_TO_BTF_ID, flags: PTR_TRUSTED },
];
export const SCALAR = plain(SCALAR_VALUE);
export const MAP_POINTER = plain(CONST_PTR_TO_MAP);
export const CONTEXT = plain(PTR_TO_CTX);
export const FUNCTION = plain(PTR_TO_FUNC);
export const STACK = plain(PTR_TO_STACK);
export const MAP_VALUE = plain(PTR_TO_MAP_VALUE);
export const VALUE_OR_ALLOCATED: readonly Accepted[] = [...MAP_VALUE, ALLOCATED];
export const RINGBUF_RECORD: readonly Accepted[] = [{ type: PTR_TO_MEM, flags: MEM_RINGBUF }];
export const DYNPTR = plain(PTR_TO_STACK, CONST_PTR_TO_DYNPTR);
export const SOCKETS = plain(PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK);
export const FULL_SOCKET = plain(PTR_TO_SOCKET);
export const ANY_SOCKET: readonly Accepted[] = [
  ...SOCKETS,
  { type: PTR_TO_BTF_ID, flags: 0 },
  { type: PTR_TO_BTF_ID, flags: PTR_TRUSTED },
];
export const KERNEL_STRUCT: readonly Accepted[] = [
  { type: PTR_TO_BTF_ID, flags: 0 },
  { type: PTR_TO_BTF_ID, flags: PTR_TRUSTED },
  { type: PTR_TO_BTF_ID, flags: MEM_RCU },
];
export const PERCPU_STRUCT: readonly Accepted[] = [
  { type: PTR_TO_BTF_ID, flags: MEM_PERCPU },
  { type: PTR_TO_BTF_ID, flags: MEM_PERCPU | MEM_RCU },
  { type: PTR_TO_BTF_ID, flags: MEM_PERCPU | PTR_TRUSTED },
];

/** Flags set aside when a register is compared with a list. */
export interface Leniency {
  readonly rdonly: boolean;
  readonly nullable: boolean;
  readonly slices: boolean;
}

export function matches(reg: Reg, accepted: readonly Accepted[], lenient: Leniency): boolean {
  let flags = reg.flags;
  if (lenient.rdonly) flags &= ~MEM_RDONLY;
  if (lenient.nullable) flags &= ~PTR_MAYBE_NULL;
  if (lenient.slices) flags &= ~(DYNPTR_PACKET | DYNPTR_SLICE);
  return accepted.some((a) => a.type === reg.type && a.flags === flags);
}

export function typeOf(reg: Reg): string {
  return regTypeName(reg.type, reg.flags);
}

/** `R1 type=fp expected=map_value` */
export function expectedTypes(accepted: readonly Accepted[]): string {
  return accepted.map((a) => regTypeName(a.type, a.flags === -1 ? 0 : a.flags)).join(", ");
}

export function isPacketPointer(reg: Reg): boolean {
  return reg.type === PTR_TO_PACKET || reg.type === PTR_TO_PACKET_META;
}

/** Pointers of these types may carry any offset into a call; others must be unmodified. */
export function mayHaveOffset(reg: Reg): boolean {
  switch (reg.type) {
    case PTR_TO_STACK:
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
    case PTR_TO_MAP_KEY:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_BUF:
    case SCALAR_VALUE:
      return (reg.flags & PTR_MAYBE_NULL) === 0;
    case PTR_TO_MEM:
      return reg.flags === 0 || reg.flags === MEM_RDONLY || reg.flags === MEM_RINGBUF;
    default:
      return false;
  }
}
