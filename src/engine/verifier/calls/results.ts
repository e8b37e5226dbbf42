import type { Helper } from "../../abi/helpers.ts";
import { MAP_TYPES } from "../../abi/types.ts";
import type { Reg } from "../register.ts";
import {
  btfReg,
  MEM_RINGBUF,
  mapReg,
  memReg,
  PTR_MAYBE_NULL,
  PTR_TO_MAP_VALUE,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  PTR_TRUSTED,
  pointerReg,
  REG_NOT_INIT,
  REG_UNKNOWN,
  scalarReg,
} from "../register.ts";
import { Scalar } from "../scalar.ts";
import type { Walk } from "../state.ts";
import type { HelperCall } from "./helper-arguments.ts";
import { isSockMap } from "./helper-arguments.ts";
import { hasSpinLock } from "./special-fields.ts";

/** Errors lie in [-4095, -1]. */
const MAX_ERRNO = 4095;

const BOUNDED_BY_SIZE: ReadonlySet<string> = new Set([
  "bpf_get_stack",
  "bpf_get_task_stack",
  "bpf_probe_read_str",
  "bpf_probe_read_kernel_str",
  "bpf_probe_read_user_str",
]);

/** Bytes written, or an error: at most the size that was given. */
function errorOrSize(size: number): Reg {
  const s = new Scalar();
  s.sminHi = -1;
  s.sminLo = s.s32min = -MAX_ERRNO;
  s.smaxHi = 0;
  s.smaxLo = s.s32max = size | 0;
  return scalarReg(s.sync());
}

/** 0 <= r0 < count, known in all readings. */
function belowCount(count: number): Reg {
  const s = new Scalar();
  s.sminHi = s.sminLo = s.smaxHi = s.uminHi = s.uminLo = s.umaxHi = 0;
  s.u32min = s.s32min = 0;
  s.smaxLo = s.umaxLo = s.u32max = s.s32max = count - 1;
  return scalarReg(s.sync());
}

function integerResult(walk: Walk, call: HelperCall): Reg {
  const { name } = call.helper;
  if (BOUNDED_BY_SIZE.has(name)) return errorOrSize(call.largestSize);
  if (name === "bpf_get_smp_processor_id") return belowCount(walk.env.cpus);
  return REG_UNKNOWN;
}

/** An array element with a key known to exist is not null. */
function isPresent(call: HelperCall): boolean {
  return (
    call.helper.name === "bpf_map_lookup_elem" &&
    call.constantKey >= 0 &&
    call.map !== null &&
    call.constantKey < call.map.maxEntries
  );
}

function mapValueResult(walk: Walk, call: HelperCall, nullable: boolean): Reg {
  const map = call.map!;
  const mayBeNull = nullable && !isPresent(call);
  if (!mayBeNull && nullable) walk.facts[call.at]!.nonNullLookup = true;
  const reg = mapReg(PTR_TO_MAP_VALUE, mayBeNull ? PTR_MAYBE_NULL : 0, map);
  reg.mapUid = call.mapUid;
  if (!mayBeNull && hasSpinLock(map)) reg.id = walk.newId();
  return reg;
}

/** The kind of register that the helper leaves in r0, before ids and references. */
function resultShape(walk: Walk, call: HelperCall): Reg | null {
  const { ret } = call.helper;
  const flags = ret.nullable ? PTR_MAYBE_NULL : 0;
  switch (ret.kind) {
    case "int":
      return integerResult(walk, call);
    case "void":
      return REG_NOT_INIT;
    case "map_value":
      return mapValueResult(walk, call, ret.nullable);
    case "record":
      return memReg(flags | MEM_RINGBUF, call.memSize);
    case "mem":
      return memReg(flags, call.memSize);
    case "sock":
      return pointerReg(PTR_TO_SOCKET, flags);
    case "tcp_sock":
      return pointerReg(PTR_TO_TCP_SOCK, flags);
    case "sock_common":
      return pointerReg(PTR_TO_SOCK_COMMON, flags);
    case "btf":
      return btfReg(flags | (ret.trusted ? PTR_TRUSTED : 0), ret.struct);
    case "percpu":
    case "kptr":
      walk.unsupported(`result of ${call.helper.name}`);
      return null;
  }
}

function acquiresReference(helper: Helper, call: HelperCall): boolean {
  if (helper.acquires) return true;
  return helper.name === "bpf_map_lookup_elem" && call.map !== null && isSockMap(call.map);
}

/** What dynptr_data hands out belongs to its dynptr. */
export interface SliceOwner {
  readonly id: number;
  readonly refId: number;
}

/** Sets r0 after the call; r0..r5 were made unreadable before. */
export function setHelperResult(walk: Walk, call: HelperCall, slice: SliceOwner | null): boolean {
  const { helper } = call;
  const shape = resultShape(walk, call);
  if (shape === null) return false;
  let reg = shape;
  if (reg.mayBeNull) reg = reg.withId(walk.newId());
  if (slice !== null) {
    reg = reg.copy();
    reg.dynptrId = slice.id;
    reg.refObjId = slice.refId;
  } else if (helper.keepsReference) {
    reg = reg.copy();
    reg.refObjId = call.refObjId;
  } else if (acquiresReference(helper, call)) {
    const id = walk.state.acquire({ kind: "pointer", id: walk.newId(), insn: call.at, lock: null });
    reg = reg.copy();
    reg.id = reg.refObjId = id;
  }
  walk.setReg(0, reg);
  return true;
}

/** Map types whose entries are something else than their bytes once known to be there. */
export function isOuterMap(type: number): boolean {
  return type === MAP_TYPES.array_of_maps || type === MAP_TYPES.hash_of_maps;
}
