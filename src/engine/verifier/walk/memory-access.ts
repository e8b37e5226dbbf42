import { BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG, type MapTypeName, mapTypeName } from "../../abi/types.ts";
import { calls } from "../calls-half.ts";
import {
  AT_PKT_END,
  BEYOND_PKT_END,
  CONST_PTR_TO_MAP,
  MEM_RDONLY,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_TP_BUFFER,
  PTR_TO_XDP_SOCK,
  REG_UNKNOWN,
  type Reg,
  regTypeName,
  SCALAR_VALUE,
  scalarReg,
} from "../register.ts";
import { SCALAR_U8, SCALAR_U16, SCALAR_U32, Scalar } from "../scalar.ts";
import { bitsInMessage, hexWord, unsignedText } from "../text/number-text.ts";
import { checkStackBounds, loadFixed, loadVariable, storeFixed, storeVariable } from "./stack-access.ts";
import type { Walker } from "./walker.ts";

const MAX_VARIABLE_OFFSET = 2 ** 29;
const IS_NARROW: Readonly<Record<number, Scalar>> = { 1: SCALAR_U8, 2: SCALAR_U16, 4: SCALAR_U32 };

export function typeName(reg: Reg): string {
  return regTypeName(reg.type, reg.flags, "");
}

/** A known-bits text in messages: the number when constant. */
function variableText(s: Scalar): string {
  return bitsInMessage(s);
}

/** Natural alignment of the whole address, always for the stack and where `strict`, else under BPF_F_STRICT_ALIGNMENT. */
export function checkAlignment(w: Walker, reg: Reg, off: number, size: number, strict: boolean): boolean {
  const forced = strict || w.strictAlignment;
  if (reg.type === PTR_TO_PACKET || reg.type === PTR_TO_PACKET_META) {
    if (!forced || size === 1) return true;
    // Packets start two bytes off the boundary that their headers ask for.
    const ipAlign = 2;
    if (isAligned(reg.scalar, reg.off + ipAlign + off, size)) return true;
    return w.reject(
      "EACCES",
      `misaligned packet access off ${ipAlign}+${variableText(reg.scalar)}+${reg.off}+${off} size ${size}`,
      "misaligned-access",
    );
  }
  if ((!forced && reg.type !== PTR_TO_STACK) || size === 1) return true;
  // Of a scalar, which is no address at all, its distance from its copies is looked at.
  const fixed = reg.type === SCALAR_VALUE ? reg.delta : reg.off;
  if (isAligned(reg.scalar, fixed + off, size)) return true;
  return w.reject(
    "EACCES",
    `misaligned ${alignmentName(reg)}access off ${variableText(reg.scalar)}+${fixed}+${off} size ${size}`,
    "misaligned-access",
  );
}

function isAligned(s: Scalar, off: number, size: number): boolean {
  const mask = size - 1;
  // Known bits of the sum: an unknown bit below the size may be set.
  const low = (s.vLo + off) | 0;
  return ((low | s.mLo) & mask) === 0;
}

/** Linux has names for the plain pointer types only. */
function alignmentName(reg: Reg): string {
  switch (reg.flags === 0 ? reg.type : SCALAR_VALUE) {
    case PTR_TO_FLOW_KEYS:
      return "flow keys ";
    case PTR_TO_MAP_KEY:
      return "key ";
    case PTR_TO_MAP_VALUE:
      return "value ";
    case PTR_TO_CTX:
      return "context ";
    case PTR_TO_STACK:
      return "stack ";
    case PTR_TO_SOCKET:
      return "sock ";
    case PTR_TO_SOCK_COMMON:
      return "sock_common ";
    case PTR_TO_TCP_SOCK:
      return "tcp_sock ";
    case PTR_TO_XDP_SOCK:
      return "xdp_sock ";
    case PTR_TO_ARENA:
      return "arena ";
    default:
      return "";
  }
}

/**
 * A memory access through register `regno`, `off` beyond it. For loads the result has the width of the load applied (`signed`:
 * sign-extended); `wants` 0: the value goes to a register, -1: nowhere. Null when rejected.
 */
export function accessMemory(
  w: Walker,
  regno: number,
  insnOff: number,
  size: number,
  write: boolean,
  value: number,
  strict: boolean,
  signed: boolean,
  wants: number,
): Reg | null {
  const reg = w.reg(regno);
  if (!checkAlignment(w, reg, insnOff, size, strict)) return null;
  const off = insnOff + reg.off;
  let loaded: Reg = REG_UNKNOWN;
  switch (reg.type) {
    case PTR_TO_STACK: {
      if (!checkStackBounds(w, regno, off, size, write)) return null;
      const frame = w.frameOf(reg);
      if (reg.scalar.isConst) {
        const at = off + reg.scalar.value;
        if (write) return storeFixed(w, frame, at, size, value) ? REG_UNKNOWN : null;
        const found = loadFixed(w, frame, at, size, wants >= 0);
        if (found === null) return null;
        loaded = found;
      } else {
        if (write) return storeVariable(w, regno, off, size, value) ? REG_UNKNOWN : null;
        if (wants < 0) {
          w.reject(
            "EACCES",
            `variable offset stack pointer cannot be passed into helper function; var_off=${bitsInMessage(reg.scalar)} off=${off} size=${size}`,
            "stack-variable-helper",
            regno,
          );
          return null;
        }
        const found = loadVariable(w, regno, off, size);
        if (found === null) return null;
        loaded = found;
      }
      break;
    }
    case PTR_TO_MAP_VALUE:
      if (reg.mayBeNull) return refuseType(w, reg, regno);
      if (!checkMapAccessRights(w, regno, insnOff, size, write)) return null;
      if (!checkMapRegion(w, regno, insnOff, size, false, false)) return null;
      if (!write) loaded = constantOfMap(reg, off, size) ?? REG_UNKNOWN;
      break;
    case PTR_TO_MAP_KEY:
      if (reg.mayBeNull) return refuseType(w, reg, regno);
      if (write) {
        w.reject("EACCES", `write to change key R${regno} not allowed`, "map-key-write", regno);
        return null;
      }
      if (!checkMemRegion(w, regno, insnOff, size, reg.map!.keySize, false)) return null;
      break;
    case PTR_TO_MEM:
      if (reg.mayBeNull) return refuseType(w, reg, regno);
      if (write && (reg.flags & MEM_RDONLY) !== 0) {
        w.reject("EACCES", `R${regno} cannot write into ${typeName(reg)}`, "write-read-only-memory", regno);
        return null;
      }
      if (!checkMemRegion(w, regno, insnOff, size, reg.memSize, false)) return null;
      break;
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
      if (write && !calls.canWritePacket(w.program)) {
        w.reject("EACCES", "cannot write into packet", "packet-read-only", regno);
        return null;
      }
      if (!checkPacketRegion(w, regno, insnOff, size, false)) return null;
      break;
    case PTR_TO_CTX: {
      if (reg.mayBeNull) return refuseType(w, reg, regno);
      const found = calls.checkContextAccess(w, regno, insnOff, size, write, signed);
      if (found === null) return null;
      loaded = found;
      break;
    }
    case CONST_PTR_TO_MAP:
      if (reg.mayBeNull) return refuseType(w, reg, regno);
      if (!checkMapStructure(w, regno, insnOff, size, write)) return null;
      break;
    case PTR_TO_SOCKET:
    case PTR_TO_SOCK_COMMON:
    case PTR_TO_TCP_SOCK:
    case PTR_TO_XDP_SOCK:
    case PTR_TO_FLOW_KEYS:
    case PTR_TO_BTF_ID:
    case PTR_TO_TP_BUFFER:
    case PTR_TO_BUF: {
      if (reg.mayBeNull && reg.type !== PTR_TO_BTF_ID) return refuseType(w, reg, regno);
      const found = calls.checkTypedAccess(w, regno, insnOff, size, write);
      if (found === null) return null;
      loaded = found;
      break;
    }
    default:
      return refuseType(w, reg, regno);
  }
  if (write) return REG_UNKNOWN;
  if (size === 8 || loaded.type !== SCALAR_VALUE) return loaded;
  return signed ? signExtended(loaded, size) : truncated(loaded, size);
}

function refuseType(w: Walker, reg: Reg, regno: number): null {
  w.reject("EACCES", `R${regno} invalid mem access '${typeName(reg)}'`, "memory-base-type", regno);
  return null;
}

const NARROW_REGS = new Map<number, Reg>([1, 2, 4].map((size) => [size, scalarReg(IS_NARROW[size]!)] as const));

function truncated(reg: Reg, size: number): Reg {
  if (reg === REG_UNKNOWN) return NARROW_REGS.get(size)!;
  const s = reg.scalar;
  // Nothing above the width may be set: the value is what it was.
  if (s.isConst && s.vHi === 0 && (size === 4 || s.vLo >>> 0 < 2 ** (8 * size))) return reg;
  return reg.withScalar(s.copy().truncate(size));
}

function signExtended(reg: Reg, size: number): Reg {
  return reg.withScalar(reg.scalar.copy().signExtend64(size));
}

/** Bytes of a frozen read-only array as the constant that they are. */
function constantOfMap(reg: Reg, off: number, size: number): Reg | null {
  const map = reg.map!;
  if (!reg.scalar.isConst || !map.frozen || (map.flags & BPF_F_RDONLY_PROG) === 0) return null;
  if (mapTypeName(map.type) !== "array") return null;
  const bytes = map.readConstant(off + reg.scalar.value, size);
  if (bytes === null) return null;
  let lo = 0;
  let hi = 0;
  for (let i = 0; i < size; i++) {
    if (i < 4) lo |= (bytes[i] ?? 0) << (8 * i);
    else hi |= (bytes[i] ?? 0) << (8 * (i - 4));
  }
  return scalarReg(Scalar.constant(hi, lo));
}

export function checkMapAccessRights(w: Walker, regno: number, off: number, size: number, write: boolean): boolean {
  const reg = w.reg(regno);
  const map = reg.map!;
  const at = `value_size=${map.valueSize} off=${reg.off + off} size=${size}`;
  if (write && (map.flags & BPF_F_RDONLY_PROG) !== 0)
    return w.reject("EACCES", `write into map forbidden, ${at}`, "map-read-only", regno);
  if (!write && (map.flags & BPF_F_WRONLY_PROG) !== 0)
    return w.reject("EACCES", `read from map forbidden, ${at}`, "map-write-only", regno);
  return true;
}

/** [off, off+size) lies inside `memSize` bytes; prints the message for the register's kind of memory. */
function checkInside(w: Walker, regno: number, off: number, size: number, memSize: number, zeroSize: boolean): boolean {
  if (off >= 0 && (size > 0 || (size === 0 && zeroSize)) && off + size <= memSize >>> 0) return true;
  const reg = w.reg(regno);
  // Memory that may be null is not named by its kind.
  switch (reg.mayBeNull ? PTR_TO_MEM : reg.type) {
    case PTR_TO_MAP_KEY:
      w.line(`invalid access to map key, key_size=${memSize} off=${off} size=${size}`);
      break;
    case PTR_TO_MAP_VALUE:
      w.line(`invalid access to map value, value_size=${memSize} off=${off} size=${size}`);
      break;
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
      w.line(`invalid access to packet, off=${off} size=${size}, R${regno}(id=${reg.id},off=${off},r=${memSize})`);
      break;
    default:
      w.line(`invalid access to memory, mem_size=${memSize >>> 0} off=${off} size=${size}`);
  }
  return false;
}

/** Access to a region of known size with a variable part: both ends are tried. `off` counts from the register. */
export function checkMemRegion(
  w: Walker,
  regno: number,
  insnOff: number,
  size: number,
  memSize: number,
  zeroSize: boolean,
): boolean {
  const reg = w.reg(regno);
  const s = reg.scalar;
  const off = insnOff + reg.off;
  if (s.sminHi < 0 && (s.sminIsLowest || s.smin + off < 0 || s.smin + off !== ((s.smin + off) | 0)))
    return w.reject(
      "EACCES",
      `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`,
      "offset-negative",
      regno,
    );
  if (!checkInside(w, regno, s.smin + off, size, memSize, zeroSize))
    return w.reject("EACCES", `R${regno} min value is outside of the allowed memory range`, "out-of-bounds", regno);
  if (s.umax >= MAX_VARIABLE_OFFSET)
    return w.reject(
      "EACCES",
      `R${regno} unbounded memory access, make sure to bounds check any such access`,
      "offset-unbounded",
      regno,
    );
  if (!checkInside(w, regno, s.umax + off, size, memSize, zeroSize))
    return w.reject("EACCES", `R${regno} max value is outside of the allowed memory range`, "out-of-bounds", regno);
  return true;
}

export function checkMapRegion(
  w: Walker,
  regno: number,
  insnOff: number,
  size: number,
  zeroSize: boolean,
  _helper: boolean,
): boolean {
  const reg = w.reg(regno);
  const map = reg.map!;
  if (!checkMemRegion(w, regno, insnOff, size, map.valueSize, zeroSize)) return false;
  if (map.btf === null) return true;
  const off = insnOff + reg.off;
  const field = calls.specialFieldIn(w.program, map, reg.scalar.smin + off, reg.scalar.umax + off + size);
  if (field === null) return true;
  return w.reject("EACCES", `${field} cannot be accessed directly by load/store`, "special-field-access", regno);
}

export function checkPacketRegion(w: Walker, regno: number, insnOff: number, size: number, zeroSize: boolean): boolean {
  const reg = w.reg(regno);
  if (reg.scalar.sminHi < 0)
    return w.reject(
      "EACCES",
      `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`,
      "offset-negative",
      regno,
    );
  const outside = `R${regno} offset is outside of the packet`;
  if (reg.range === AT_PKT_END || reg.range === BEYOND_PKT_END)
    return w.reject("EINVAL", outside, "packet-out-of-bounds", regno);
  const off = insnOff + reg.off;
  if (!checkInside(w, regno, off, size, reg.range, zeroSize))
    return w.reject("EACCES", outside, "packet-out-of-bounds", regno);
  return true;
}

/**
 * Fields of the head of every map that are plain numbers, as [start, end): hash of the map's contents, excl, type, key_size, value_size,
 * max_entries, map_extra, map_flags, id, numa_node, three BTF ids (measured on Linux 6.18). The others are pointers and locks.
 */
const MAP_NUMBERS: readonly (readonly [number, number])[] = [
  [0, 32],
  [32, 36],
  [64, 68],
  [68, 72],
  [72, 76],
  [76, 80],
  [80, 88],
  [88, 92],
  [92, 96],
  [104, 108],
  [108, 112],
  [112, 116],
  [116, 120],
];

/** The kernel's structure of a map type, as its messages name it (measured on 6.18.44); `bpf_array` for those that are not here. */
const MAP_STRUCTURES: Readonly<Partial<Record<MapTypeName, string>>> = {
  hash: "bpf_htab",
  percpu_hash: "bpf_htab",
  lru_hash: "bpf_htab",
  lru_percpu_hash: "bpf_htab",
  hash_of_maps: "bpf_htab",
  stack_trace: "bpf_stack_map",
  lpm_trie: "lpm_trie",
  devmap: "bpf_dtab",
  devmap_hash: "bpf_dtab",
  sockmap: "bpf_stab",
  sockhash: "bpf_shtab",
  cpumap: "bpf_cpu_map",
  xskmap: "xsk_map",
  cgroup_storage: "bpf_cgroup_storage_map",
  percpu_cgroup_storage: "bpf_cgroup_storage_map",
  reuseport_sockarray: "reuseport_array",
  queue: "bpf_queue_stack",
  stack: "bpf_queue_stack",
  ringbuf: "bpf_ringbuf_map",
  user_ringbuf: "bpf_ringbuf_map",
  bloom_filter: "bpf_bloom_filter",
};

/** Loads from the kernel's own map structure, of which the playground models the plain part. */
function checkMapStructure(w: Walker, regno: number, insnOff: number, size: number, write: boolean): boolean {
  const reg = w.reg(regno);
  const structure = MAP_STRUCTURES[mapTypeName(reg.map!.type) ?? "array"] ?? "bpf_array";
  const off = insnOff + reg.off;
  if (off < 0)
    return w.reject(
      "EACCES",
      `R${regno} is ${structure} invalid negative access: off=${off}`,
      "map-structure-off",
      regno,
    );
  if (write) return w.reject("EACCES", `only read from ${structure} is supported`, "map-structure-write", regno);
  if (MAP_NUMBERS.some(([start, end]) => off >= start && off + size <= end)) return true;
  return w.unsupported(`reading the kernel's map structure at offset ${off}`);
}

export function checkUnmodifiedPointer(w: Walker, reg: Reg, regno: number, fixedOffsetAllowed: boolean): boolean {
  const name = typeName(reg);
  if (reg.off < 0)
    return w.reject(
      "EACCES",
      `negative offset ${name} ptr R${regno} off=${reg.off} disallowed`,
      "pointer-modified",
      regno,
    );
  if (!fixedOffsetAllowed && reg.off !== 0)
    return w.reject(
      "EACCES",
      `dereference of modified ${name} ptr R${regno} off=${reg.off} disallowed`,
      "pointer-modified",
      regno,
    );
  const s = reg.scalar;
  if (!s.isConst || s.value !== 0)
    return w.reject(
      "EACCES",
      `variable ${name} access var_off=${bitsInMessage(s)} disallowed`,
      "pointer-modified",
      regno,
    );
  return true;
}

/** Ranges that contradict each other are reported and forgotten; the walk goes on. Returns the register to keep. */
export function checkInvariants(w: Walker, reg: Reg, where: string): Reg {
  if (reg.type !== SCALAR_VALUE && !reg.isPointer) return reg;
  const s = reg.scalar;
  const what = s.contradiction();
  if (what === null) return reg;
  const h = (hi: number, lo: number): string => hexWord(hi, lo);
  w.line(
    `verifier bug: REG INVARIANTS VIOLATION (${where}): ${what} u64=[${h(s.uminHi, s.uminLo)}, ${h(s.umaxHi, s.umaxLo)}] ` +
      `s64=[${h(s.sminHi, s.sminLo)}, ${h(s.smaxHi, s.smaxLo)}] u32=[${h(0, s.u32min)}, ${h(0, s.u32max)}] ` +
      `s32=[${h(0, s.s32min)}, ${h(0, s.s32max)}] var_off=(${h(s.vHi, s.vLo)}, ${h(s.mHi, s.mLo)})`,
  );
  const free = s.copy();
  free.fullRanges();
  return reg.withScalar(free);
}

void unsignedText;
