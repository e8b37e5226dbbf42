import { InternalError } from "../base/errors.ts";
import { SCALAR_UNKNOWN, SCALAR_ZERO, Scalar } from "./scalar.ts";
import type { VerifierMap } from "./types.ts";

/** Base types of a register. `SCALAR_VALUE` to `DYNPTR_PTR` print by {@link REG_TYPE_NAMES}. */
export const NOT_INIT = 0;
export const SCALAR_VALUE = 1;
export const PTR_TO_CTX = 2;
export const CONST_PTR_TO_MAP = 3;
export const PTR_TO_MAP_VALUE = 4;
export const PTR_TO_MAP_KEY = 5;
export const PTR_TO_STACK = 6;
export const PTR_TO_PACKET_META = 7;
export const PTR_TO_PACKET = 8;
export const PTR_TO_PACKET_END = 9;
export const PTR_TO_FLOW_KEYS = 10;
export const PTR_TO_SOCKET = 11;
export const PTR_TO_SOCK_COMMON = 12;
export const PTR_TO_TCP_SOCK = 13;
export const PTR_TO_TP_BUFFER = 14;
export const PTR_TO_XDP_SOCK = 15;
export const PTR_TO_BTF_ID = 16;
export const PTR_TO_MEM = 17;
export const PTR_TO_ARENA = 18;
export const PTR_TO_BUF = 19;
export const PTR_TO_FUNC = 20;
export const CONST_PTR_TO_DYNPTR = 21;
export type RegType = number;

export const REG_TYPE_NAMES: readonly string[] = [
  "?",
  "scalar",
  "ctx",
  "map_ptr",
  "map_value",
  "map_key",
  "fp",
  "pkt_meta",
  "pkt",
  "pkt_end",
  "flow_keys",
  "sock",
  "sock_common",
  "tcp_sock",
  "tp_buffer",
  "xdp_sock",
  "ptr_",
  "mem",
  "arena",
  "buf",
  "func",
  "dynptr_ptr",
];

/** Flags beside the base type. */
export const PTR_MAYBE_NULL = 1;
export const MEM_RDONLY = 2;
export const MEM_RINGBUF = 4;
export const MEM_USER = 8;
export const MEM_PERCPU = 16;
export const MEM_RCU = 32;
export const PTR_UNTRUSTED = 64;
export const PTR_TRUSTED = 128;
/** Slice of a packet's dynptr: dies with the packet. */
export const DYNPTR_PACKET = 256;
/** Slice of another dynptr that a kfunc handed out: no longer plain memory to helpers. */
export const DYNPTR_SLICE = 512;
export type RegFlags = number;

/** How a scalar's `delta` came about: not at all, by a 64-bit or by a 32-bit addition. */
export const LINK_NONE = 0;
export const LINK_64 = 1;
export const LINK_32 = 2;

/**
 * Contents of a register or of a spilled slot. Immutable once stored in a state: states share registers, so a change
 * is a new `Reg` (see the `with…` methods). Whether a scalar is precise is kept by the frame, not here.
 */
export class Reg {
  type: RegType;
  flags: RegFlags;
  /** The value of a scalar; the variable part of a pointer (constant 0 at first). */
  scalar: Scalar;
  /** Fixed offset of a pointer. */
  off: number;
  /** Joins copies: scalars that are equal (up to `delta`), nullable pointers, packet pointers of one base. 0: none. */
  id: number;
  /** The reference that keeps this pointer alive, 0: none. */
  refObjId = 0;
  /** `LINK_…`; with `delta`, signed 32 bits, the constant distance from the group `id`. */
  link = LINK_NONE;
  delta = 0;
  /** map_ptr, map_key, map_value */
  map: VerifierMap | null = null;
  /** Id of the outer lookup, for pointers that stem from an inner map. */
  mapUid = 0;
  /** pkt, pkt_meta: bytes from the base that are proved to exist; -1 and -2: {@link AT_PKT_END}, {@link BEYOND_PKT_END}. */
  range = 0;
  /** mem, buf: bytes; the size of a kernel structure's region. */
  memSize = 0;
  /** fp: the frame it points into; func: the subprogram. */
  index = 0;
  /** ptr_: name of the kernel structure; dynptr_ptr: its kind. */
  btfName = "";
  /** mem from a dynptr: the dynptr's id. */
  dynptrId = 0;

  constructor(type: RegType, flags: RegFlags, scalar: Scalar, off: number, id: number) {
    this.type = type;
    this.flags = flags;
    this.scalar = scalar;
    this.off = off;
    this.id = id;
  }

  /** A copy that may be changed until it is stored. */
  copy(): Reg {
    const r = new Reg(this.type, this.flags, this.scalar, this.off, this.id);
    r.refObjId = this.refObjId;
    r.link = this.link;
    r.delta = this.delta;
    r.map = this.map;
    r.mapUid = this.mapUid;
    r.range = this.range;
    r.memSize = this.memSize;
    r.index = this.index;
    r.btfName = this.btfName;
    r.dynptrId = this.dynptrId;
    return r;
  }

  get isPointer(): boolean {
    return this.type > SCALAR_VALUE;
  }

  get mayBeNull(): boolean {
    return (this.flags & PTR_MAYBE_NULL) !== 0;
  }

  /** A scalar known to be 0. */
  get isNullConstant(): boolean {
    return this.type === SCALAR_VALUE && this.scalar.isConst && this.scalar.vLo === 0 && this.scalar.vHi === 0;
  }

  withScalar(scalar: Scalar): Reg {
    const r = this.copy();
    r.scalar = scalar;
    return r;
  }

  withId(id: number): Reg {
    const r = this.copy();
    r.id = id;
    return r;
  }
}

export const AT_PKT_END = -1;
export const BEYOND_PKT_END = -2;

/** Never written, or clobbered by a call. */
export const REG_NOT_INIT = new Reg(NOT_INIT, 0, SCALAR_UNKNOWN, 0, 0);
/** A scalar of which nothing is known. */
export const REG_UNKNOWN = new Reg(SCALAR_VALUE, 0, SCALAR_UNKNOWN, 0, 0);
export const REG_ZERO = new Reg(SCALAR_VALUE, 0, SCALAR_ZERO, 0, 0);

export function scalarReg(scalar: Scalar): Reg {
  return new Reg(SCALAR_VALUE, 0, scalar, 0, 0);
}

/** The known constant `value`, a whole number in the exact range of a double, sign-extended to 64 bits. */
export function constReg(value: number): Reg {
  return value === 0 ? REG_ZERO : scalarReg(Scalar.fromNumber(value));
}

/** A pointer at offset 0 without id. */
export function pointerReg(type: RegType, flags: RegFlags = 0): Reg {
  return new Reg(type, flags, SCALAR_ZERO, 0, 0);
}

export function mapReg(type: RegType, flags: RegFlags, map: VerifierMap): Reg {
  const r = pointerReg(type, flags);
  r.map = map;
  return r;
}

export function memReg(flags: RegFlags, size: number): Reg {
  const r = pointerReg(PTR_TO_MEM, flags);
  r.memSize = size;
  return r;
}

/** `ptr_NAME`, with flags such as PTR_TRUSTED. */
export function btfReg(flags: RegFlags, name: string): Reg {
  const r = pointerReg(PTR_TO_BTF_ID, flags);
  r.btfName = name;
  return r;
}

export function stackReg(frame: number, off: number): Reg {
  const r = pointerReg(PTR_TO_STACK);
  r.index = frame;
  r.off = off;
  return r;
}

/** As messages write a type: `rdonly_mem_or_null`, `trusted_ptr_`, `?` for a register never written. */
export function regTypeName(type: RegType, flags: RegFlags, btfName = ""): string {
  const base = REG_TYPE_NAMES[type];
  if (base === undefined) throw new InternalError(`register type ${type}`);
  const orNull = (flags & PTR_MAYBE_NULL) !== 0 ? (type === PTR_TO_BTF_ID ? "or_null_" : "_or_null") : "";
  let prefix = "";
  if (flags & MEM_RDONLY) prefix += "rdonly_";
  if (flags & MEM_RINGBUF) prefix += "ringbuf_";
  if (flags & MEM_USER) prefix += "user_";
  if (flags & MEM_PERCPU) prefix += "percpu_";
  if (flags & MEM_RCU) prefix += "rcu_";
  if (flags & PTR_UNTRUSTED) prefix += "untrusted_";
  if (flags & PTR_TRUSTED) prefix += "trusted_";
  return `${prefix}${base}${orNull}${btfName}`;
}
