import { packetAccess } from "../../abi/contexts.ts";
import type { Helper } from "../../abi/helpers.ts";
import { progTypeName } from "../../abi/types.ts";
import type { Reg } from "../register.ts";
import {
  MEM_RDONLY,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
} from "../register.ts";
import type { Walk } from "../state.ts";
import type { VerifierProgram } from "../types.ts";
import { afterNullCheck } from "./null-checks.ts";
import { typeOf } from "./reg-kinds.ts";
import { readsPlainNumber } from "./typed-access.ts";

/** Larger sizes count as unbounded. */
const MAX_VARIABLE_SIZE = 2 ** 29;

/** Stack memory that a helper fills: how many bytes, and through which register. `active` only while such an argument is checked. */
export interface RawMemory {
  active: boolean;
  written: number;
  regno: number;
}

/** Program types whose context is memory as it is, so that accesses are not rewritten. */
export function contextIsPlain(program: VerifierProgram): boolean {
  switch (progTypeName(program.type)) {
    case "syscall":
    case "kprobe":
    case "tracepoint":
    case "raw_tracepoint":
    case "raw_tracepoint_writable":
    case "netfilter":
    case "timer":
      return true;
    default:
      return false;
  }
}

/** Whether the helper takes packet pointers as memory in a program of this type. */
export function helperMayAccessPacket(program: VerifierProgram, helper: Helper): boolean {
  const type = progTypeName(program.type);
  if (type === "cgroup_sockopt") return true;
  if (type === "sock_ops" || packetAccess(program.type) === "none") return false;
  return helper.args.some((a) => a.packetOk);
}

/** `size` bytes through register `regno` are read or written by a helper. */
export function checkHelperMemory(
  walk: Walk,
  regno: number,
  size: number,
  write: boolean,
  zeroAllowed: boolean,
  raw: RawMemory | null,
): boolean {
  const reg = walk.reg(regno);
  // An argument that may be null takes nullable memory as it is.
  switch (reg.type) {
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
      return walk.checkPacketRegion(regno, 0, size, zeroAllowed);
    case PTR_TO_MAP_KEY:
      if (write) return refuseWrite(walk, reg, regno);
      return walk.checkMemRegion(regno, 0, size, reg.map?.keySize ?? 0, zeroAllowed);
    case PTR_TO_MAP_VALUE:
      return walk.checkMapAccessRights(regno, 0, size, write) && walk.checkMapRegion(regno, 0, size, zeroAllowed, true);
    case PTR_TO_MEM:
      if ((reg.flags & MEM_RDONLY) !== 0 && write) return refuseWrite(walk, reg, regno);
      return walk.checkMemRegion(regno, 0, size, reg.memSize, zeroAllowed);
    case PTR_TO_STACK:
      return checkStackMemory(walk, regno, size, write, zeroAllowed, raw);
    case PTR_TO_BUF:
      return walk.unsupported("buffers of iterator programs");
    case PTR_TO_BTF_ID:
      return (
        (!write && readsPlainNumber(reg.btfName, reg.off, size)) ||
        walk.unsupported(`memory of the kernel structure ${reg.btfName} as a helper's argument`)
      );
    case PTR_TO_CTX:
      if (!contextIsPlain(walk.program)) break;
      if (size === 0) {
        return zeroAllowed || walk.reject("EACCES", "", "context-memory-empty", regno);
      }
      return walk.accessMemory(regno, size - 1, 1, write, -1, false) !== null;
    default:
      break;
  }
  if (zeroAllowed && size === 0 && reg.isNullConstant) return true;
  return walk.reject("EACCES", `R${regno} type=${typeOf(reg)} expected=fp`, "argument-type", regno);
}

function checkStackMemory(
  walk: Walk,
  regno: number,
  size: number,
  write: boolean,
  zeroAllowed: boolean,
  raw: RawMemory | null,
): boolean {
  if (raw === null || !raw.active) return walk.checkStackRange(regno, 0, size, zeroAllowed, write, null);
  const out = { written: 0 };
  if (!walk.checkStackRange(regno, 0, size, zeroAllowed, write, out)) return false;
  if (out.written > 0) {
    raw.written = out.written;
    raw.regno = regno;
  }
  return true;
}

function refuseWrite(walk: Walk, reg: Reg, regno: number): boolean {
  return walk.reject("EACCES", `R${regno} cannot write into ${typeOf(reg)}`, "write-read-only-memory", regno);
}

/** The size register `sizeRegno` of the memory in the register before it. The size becomes precise. */
export function checkMemorySize(
  walk: Walk,
  sizeRegno: number,
  write: boolean,
  zeroAllowed: boolean,
  raw: RawMemory | null,
): boolean {
  const size = walk.reg(sizeRegno).scalar;
  if (size.sminHi < 0) {
    return walk.reject(
      "EACCES",
      `R${sizeRegno} min value is negative, either use unsigned or 'var &= const'`,
      "size-negative",
      sizeRegno,
    );
  }
  if (size.umin === 0 && !zeroAllowed) {
    return walk.reject(
      "EACCES",
      `R${sizeRegno} invalid zero-sized read: u64=[${size.bigUmin},${size.bigUmax}]`,
      "size-zero",
      sizeRegno,
    );
  }
  if (size.umax >= MAX_VARIABLE_SIZE) {
    return walk.reject(
      "EACCES",
      `R${sizeRegno} unbounded memory access, use 'var &= const' or 'if (var < const)'`,
      "size-unbounded",
      sizeRegno,
    );
  }
  // With a size that is not known, what the helper leaves unwritten stays readable, so nothing counts as freshly filled.
  const filled = size.isConst ? raw : null;
  return checkHelperMemory(walk, sizeRegno - 1, size.umax, write, zeroAllowed, filled) && walk.markPrecise(sizeRegno);
}

/** Memory of a fixed size that a function both reads and writes; the constant 0 and nullable memory pass. */
export function checkReadWriteMemory(walk: Walk, regno: number, size: number): boolean {
  if (walk.reg(regno).isNullConstant) return true;
  return withoutNull(walk, regno, () => {
    return (
      checkHelperMemory(walk, regno, size, false, true, null) && checkHelperMemory(walk, regno, size, true, true, null)
    );
  });
}

/** Runs `check` with register `regno` taken as not null, and puts the register back. */
export function withoutNull(walk: Walk, regno: number, check: () => boolean): boolean {
  const reg = walk.reg(regno);
  if (!reg.mayBeNull) return check();
  const regs = walk.frame.regs;
  regs[regno] = afterNullCheck(walk, walk.state, reg);
  const ok = check();
  regs[regno] = reg;
  return ok;
}
