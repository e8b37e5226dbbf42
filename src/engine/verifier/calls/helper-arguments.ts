import type { Helper, HelperArgSpec } from "../../abi/helpers.ts";
import { MAP_TYPES } from "../../abi/types.ts";
import type { Reg } from "../register.ts";
import { PTR_TO_BTF_ID, PTR_TO_STACK } from "../register.ts";
import { STACK_SPILL, STACK_ZERO } from "../stack.ts";
import type { Walk } from "../state.ts";
import type { VerifierMap } from "../types.ts";
import { checkConstantString } from "./constant-strings.ts";
import type { RawMemory } from "./memory.ts";
import { checkHelperMemory, checkMemorySize, helperMayAccessPacket } from "./memory.ts";
import { dropLock, takeLock } from "./references.ts";
import type { Accepted } from "./reg-kinds.ts";
import * as kinds from "./reg-kinds.ts";
import { checkFieldPointer } from "./special-fields.ts";
import { checkDynptr, checkDynptrReleasable } from "./stack-objects.ts";

const SLOT_BYTES = 8;
const SLOT_TOP = 7;

/** What the arguments of one helper call have told so far. */
export interface HelperCall {
  readonly helper: Helper;
  readonly at: number;
  map: VerifierMap | null;
  mapUid: number;
  /** Constant key of a lookup in an array, -1: not known. */
  constantKey: number;
  raw: RawMemory;
  refObjId: number;
  /** Register whose reference the call gives back, 0: none. */
  releaseRegno: number;
  /** Largest value of the last memory size, for results that it bounds. */
  largestSize: number;
  /** Size of the memory that the call hands out. */
  memSize: number;
  /** Subprogram of the callback argument, -1: none. */
  callback: number;
}

export function newHelperCall(helper: Helper, at: number): HelperCall {
  return {
    helper,
    at,
    map: null,
    mapUid: 0,
    constantKey: -1,
    raw: { active: false, written: 0, regno: 0 },
    refObjId: 0,
    releaseRegno: 0,
    largestSize: 0,
    memSize: 0,
    callback: -1,
  };
}

export function isSockMap(map: VerifierMap): boolean {
  return map.type === MAP_TYPES.sockmap || map.type === MAP_TYPES.sockhash;
}

/** The map value argument of socket maps is a socket; peeking into a bloom filter reads the value. */
function resolveArgument(walk: Walk, call: HelperCall, spec: HelperArgSpec): HelperArgSpec | null {
  if (spec.arg.kind !== "value" || call.map === null) return spec;
  if (isSockMap(call.map)) {
    if (!spec.uninit && !spec.nullOk) return { ...spec, arg: { kind: "anysock" } };
    walk.reject("EINVAL", "invalid arg_type for sockmap/sockhash", "sockmap-argument");
    return null;
  }
  if (call.map.type === MAP_TYPES.bloom_filter && call.helper.name === "bpf_map_peek_elem") {
    return { ...spec, uninit: false };
  }
  return spec;
}

function acceptedTypes(spec: HelperArgSpec): readonly Accepted[] {
  switch (spec.arg.kind) {
    case "any":
      return [];
    case "map":
      return kinds.MAP_POINTER;
    case "ctx":
      return kinds.CONTEXT;
    case "func":
      return kinds.FUNCTION;
    case "stack":
      return kinds.STACK;
    case "timer":
    case "str":
      return kinds.MAP_VALUE;
    case "lock":
    case "kptr":
      return kinds.VALUE_OR_ALLOCATED;
    case "record":
      return kinds.RINGBUF_RECORD;
    case "percpu":
      return kinds.PERCPU_STRUCT;
    case "key":
    case "value":
    case "mem":
      return kinds.MEMORY;
    case "size":
    case "alloc":
      return kinds.SCALAR;
    case "sock":
      return kinds.SOCKETS;
    case "anysock":
      return kinds.ANY_SOCKET;
    case "fullsock":
      return kinds.FULL_SOCKET;
    case "btf":
      return kinds.KERNEL_STRUCT;
    case "dynptr":
      return kinds.DYNPTR;
  }
}

/** The argument gives a reference back. */
function isReleased(helper: Helper, spec: HelperArgSpec): boolean {
  if (!helper.releases) return false;
  switch (spec.arg.kind) {
    case "record":
    case "anysock":
    case "btf":
      return true;
    case "dynptr":
      return spec.arg.role === "end";
    default:
      return false;
  }
}

/** The whole check of argument `index` (from 0), in the order of linux-verifier rules "one argument". */
export function checkHelperArgument(walk: Walk, call: HelperCall, index: number): boolean {
  const { helper } = call;
  const regno = index + 1;
  const declared = helper.args[index]!;
  if (!walk.checkReadable(regno)) return false;
  if (declared.arg.kind === "any") return true;
  const reg = walk.reg(regno);
  if (kinds.isPacketPointer(reg) && !helperMayAccessPacket(walk.program, helper)) {
    return walk.reject("EACCES", "helper access to the packet is not allowed", "argument-packet", regno);
  }
  const spec = resolveArgument(walk, call, declared);
  if (spec === null) return false;
  const released = isReleased(helper, spec);
  const skipTypes = reg.isNullConstant && spec.nullOk;
  if (
    !skipTypes &&
    !(checkType(walk, helper, spec, reg, regno, released) && checkOffset(walk, spec, reg, regno, released))
  )
    return false;
  if (released) {
    if (!checkReleased(walk, spec, reg, regno)) return false;
    call.releaseRegno = regno;
  }
  if (reg.refObjId !== 0 && spec.arg.kind !== "kptr") {
    if (call.refObjId !== 0) {
      return walk.rejectUnended(
        "EACCES",
        `more than one arg with ref_obj_id R${regno} ${reg.refObjId} ${call.refObjId}`,
        "argument-two-references",
        regno,
      );
    }
    call.refObjId = reg.refObjId;
  }
  return checkByKind(walk, call, spec, reg, regno);
}

/** Structures of the kernel that begin with a sock_common. */
const SOCKET_STRUCTS: ReadonlySet<string> = new Set([
  "sock_common",
  "sock",
  "inet_sock",
  "tcp_sock",
  "tcp6_sock",
  "tcp_timewait_sock",
  "tcp_request_sock",
  "udp6_sock",
  "unix_sock",
  "mptcp_sock",
]);

/** A pointer to the structure itself: its start, not a place inside it. */
function isStruct(reg: Reg, struct: string): boolean {
  if (reg.off !== 0) return false;
  return reg.btfName === struct || (struct === "sock_common" && SOCKET_STRUCTS.has(reg.btfName));
}

function checkType(
  walk: Walk,
  helper: Helper,
  spec: HelperArgSpec,
  reg: Reg,
  regno: number,
  released: boolean,
): boolean {
  const { arg } = spec;
  const accepted = acceptedTypes(spec);
  const readsMemory = arg.kind === "mem" && arg.access === "read";
  // Structures of the kernel may be null by type; what that means is said below.
  const struct = accepted === kinds.KERNEL_STRUCT || accepted === kinds.ANY_SOCKET;
  const lenient = {
    rdonly: readsMemory,
    nullable: spec.nullOk || (struct && reg.type === PTR_TO_BTF_ID && arg.kind === "btf"),
    slices: arg.kind === "mem",
  };
  if (!kinds.matches(reg, accepted, lenient)) {
    return walk.reject(
      "EACCES",
      `R${regno} type=${kinds.typeOf(reg)} expected=${kinds.expectedTypes(accepted)}`,
      arg.kind === "timer" ? "timer-arg-type" : "argument-type",
      regno,
    );
  }
  if (reg.type !== PTR_TO_BTF_ID) return true;
  if (accepted === kinds.MEMORY) {
    if (readsMemory) return true;
    return walk.reject(
      "EACCES",
      `${helper.name}() may write into memory pointed by R${regno} type=${kinds.typeOf(reg)}`,
      "argument-writes-kernel-memory",
      regno,
    );
  }
  if (reg.mayBeNull && (!spec.nullOk || released)) {
    return walk.reject("EACCES", `Possibly NULL pointer passed to helper arg${regno}`, "argument-may-be-null", regno);
  }
  const wanted = arg.kind === "btf" ? arg.struct : "sock_common";
  if (wanted !== "any" && !isStruct(reg, wanted)) {
    return walk.reject(
      "EACCES",
      `R${regno} is of type ${reg.btfName} but ${wanted} is expected`,
      "argument-other-struct",
      regno,
    );
  }
  return true;
}

function checkOffset(walk: Walk, spec: HelperArgSpec, reg: Reg, regno: number, released: boolean): boolean {
  if (released) {
    // A dynptr only leads to what is released, so it may lie anywhere.
    if (spec.arg.kind === "dynptr" && reg.type === PTR_TO_STACK) return true;
    if (reg.off !== 0) {
      return walk.reject(
        "EINVAL",
        `R${regno} must have zero offset when passed to release func or trusted arg to kfunc`,
        "release-offset",
        regno,
      );
    }
    return walk.checkUnmodifiedPointer(reg, regno, false);
  }
  return kinds.mayHaveOffset(reg) || walk.checkUnmodifiedPointer(reg, regno, reg.type === PTR_TO_BTF_ID);
}

function checkReleased(walk: Walk, spec: HelperArgSpec, reg: Reg, regno: number): boolean {
  if (spec.arg.kind === "dynptr") return checkDynptrReleasable(walk, regno);
  if (reg.refObjId !== 0 || reg.isNullConstant) return true;
  return walk.reject(
    "EINVAL",
    `R${regno} must be referenced when passed to release function`,
    "release-unreferenced",
    regno,
  );
}

function checkByKind(walk: Walk, call: HelperCall, spec: HelperArgSpec, reg: Reg, regno: number): boolean {
  const { arg } = spec;
  switch (arg.kind) {
    case "map":
      return noteMap(walk, call, reg, regno);
    case "key":
      return checkKey(walk, call, reg, regno);
    case "value": {
      if (reg.isNullConstant && spec.nullOk) return true;
      call.raw.active = spec.uninit;
      const ok = checkHelperMemory(walk, regno, call.map!.valueSize, spec.uninit, false, call.raw);
      call.raw.active = false;
      return ok;
    }
    case "mem":
      call.raw.active = spec.uninit;
      if (arg.size === "next") return true;
      return (
        checkHelperMemory(walk, regno, arg.size, arg.access === "write", false, call.raw) &&
        // Results of a fixed size are written as one word.
        (arg.access === "read" || walk.checkAlignment(reg, 0, arg.size, true))
      );
    case "size": {
      call.largestSize = reg.scalar.umax;
      const before = call.helper.args[regno - 2]!.arg;
      const writes = before.kind === "mem" && before.access === "write";
      return checkMemorySize(walk, regno, writes, arg.zero, call.raw);
    }
    case "alloc":
      if (!reg.scalar.isConst) {
        return walk.reject("EACCES", `R${regno} is not a known constant'`, "size-not-constant", regno);
      }
      // Linux keeps 32 bits of it.
      call.memSize = reg.scalar.value >>> 0;
      return walk.markPrecise(regno);
    case "func":
      call.callback = reg.index;
      return true;
    case "timer":
      if (!checkFieldPointer(walk, regno, "bpf_timer")) return false;
      call.map = reg.map;
      call.mapUid = reg.mapUid;
      return true;
    case "lock":
      if (!checkFieldPointer(walk, regno, "bpf_spin_lock")) return false;
      return call.helper.name === "bpf_spin_lock" ? takeLock(walk, regno, call.at) : dropLock(walk, regno);
    case "dynptr":
      return checkDynptr(
        walk,
        regno,
        regno - 1,
        arg.role === "new"
          ? { role: "new", kind: arg.dynptr, cloneOf: null }
          : { role: "use", kind: arg.dynptr, mutates: arg.role === "end" },
        call.at,
      );
    case "str":
      return checkConstantString(walk, regno);
    case "kptr":
      if (reg.map !== null && reg.map.btf === null) {
        return walk.reject(
          "EINVAL",
          `map '${reg.map.name}' has to have BTF in order to use bpf_kptr_xchg`,
          "kptr-without-btf",
          regno,
        );
      }
      return walk.unsupported("kernel pointers in map values (bpf_kptr_xchg)");
    case "any":
    case "ctx":
    case "stack":
    case "record":
    case "percpu":
    case "sock":
    case "anysock":
    case "fullsock":
    case "btf":
      return true;
  }
}

/** A map pointer beside a timer must be that timer's map, reached by the same outer lookup. */
function noteMap(walk: Walk, call: HelperCall, reg: Reg, regno: number): boolean {
  if (call.map !== null && (call.map.id !== reg.map?.id || call.mapUid !== reg.mapUid)) {
    return walk.reject(
      "EINVAL",
      `timer pointer in R1 map_uid=${call.mapUid} doesn't match map pointer in R2 map_uid=${reg.mapUid}`,
      "timer-other-map",
      regno,
    );
  }
  call.map = reg.map;
  call.mapUid = reg.mapUid;
  return true;
}

function checkKey(walk: Walk, call: HelperCall, reg: Reg, regno: number): boolean {
  const map = call.map!;
  if (!checkHelperMemory(walk, regno, map.keySize, false, false, null)) return false;
  if (map.type !== MAP_TYPES.array && map.type !== MAP_TYPES.percpu_array) return true;
  return findConstantKey(walk, call, reg, map.keySize);
}

/** A key that is known from the stack: zero bytes, or exactly one spilled constant. It becomes precise. */
function findConstantKey(walk: Walk, call: HelperCall, reg: Reg, keySize: number): boolean {
  if (reg.type !== PTR_TO_STACK || !reg.scalar.isConst) return true;
  const off = reg.off + reg.scalar.value;
  const frame = walk.frameOf(reg);
  const slotno = Math.floor((-off - 1) / SLOT_BYTES);
  const slot = frame.slot(slotno);
  const lowest = SLOT_TOP - ((-off - 1) % SLOT_BYTES);
  const run = (kind: number): number => {
    let n = 0;
    while (lowest + n <= SLOT_TOP && slot.byte(lowest + n) === kind) n++;
    return n;
  };
  if (run(STACK_ZERO) >= keySize) {
    call.constantKey = 0;
    return true;
  }
  if (!slot.isScalarSpill || run(STACK_SPILL) !== keySize || !slot.spill!.scalar.isConst) return true;
  if (!walk.markPreciseSlot(frame, slotno)) return false;
  call.constantKey = Number(slot.spill!.scalar.bigValue);
  return true;
}
