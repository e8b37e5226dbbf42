import { contextLayout, packetAccess } from "../../abi/contexts.ts";
import type { Instruction } from "../../isa/instruction.ts";
import type { Reg } from "../register.ts";
import {
  btfReg,
  CONST_PTR_TO_MAP,
  DYNPTR_PACKET,
  DYNPTR_SLICE,
  MEM_RCU,
  MEM_RDONLY,
  memReg,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TO_FUNC,
  PTR_TO_MAP_VALUE,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  REG_NOT_INIT,
  REG_UNKNOWN,
  REG_ZERO,
  regTypeName,
  SCALAR_VALUE,
} from "../register.ts";
import type { Walk } from "../state.ts";
import type { VerifierMap } from "../types.ts";
import { pushElementCallback } from "./callbacks.ts";
import type { Kfunc, KfuncArg } from "./kfuncs.ts";
import { isKfuncOffered, isUnmodelledKfunc, kfuncByName } from "./kfuncs.ts";
import { checkMemorySize, withoutNull } from "./memory.ts";
import { refuseUnderLock } from "./references.ts";
import { mayHaveOffset, typeOf } from "./reg-kinds.ts";
import { checkReturnRegister } from "./returns.ts";
import { checkFieldPointer, needsMapUid } from "./special-fields.ts";
import type { DynptrFacts, IteratorPlace } from "./stack-objects.ts";
import { checkDynptr, checkIrqFlag, checkIterator, dynptrOf, isPacketDynptr, setIterator } from "./stack-objects.ts";

interface KfuncCall {
  readonly kfunc: Kfunc;
  readonly at: number;
  map: VerifierMap | null;
  mapUid: number;
  /** Value of the constant size. */
  constant: number;
  dynptr: DynptrFacts | null;
  iterator: IteratorPlace | null;
  callback: number;
  refObjId: number;
  releaseRegno: number;
}

/** The whole of a kfunc call, in the order of Linux 6.18 (linux-verifier-calls, section 16). */
export function checkKfuncCall(walk: Walk, _insn: Instruction, at: number): boolean {
  const name = walk.program.kfuncs.get(at) ?? "";
  const kfunc = kfuncByName(name);
  if (walk.state.activeLocks > 0 && kfunc?.underLock !== true) return refuseUnderLock(walk);
  if (kfunc === undefined) {
    if (isUnmodelledKfunc(name)) return walk.unsupported(`the kfunc ${name}`);
    return walk.reject("EACCES", `calling kernel function ${name} is not allowed`, "kfunc-not-offered");
  }
  if (!isKfuncOffered(kfunc, walk.program.type)) {
    return walk.reject("EACCES", `calling kernel function ${name} is not allowed`, "kfunc-not-offered");
  }
  if (kfunc.sleeps && !walk.state.inSleepable) {
    return walk.reject("EACCES", `program must be sleepable to call sleepable kfunc ${name}`, "kfunc-sleeps");
  }
  const call: KfuncCall = {
    kfunc,
    at,
    map: null,
    mapUid: 0,
    constant: 0,
    dynptr: null,
    iterator: null,
    callback: -1,
    refObjId: 0,
    releaseRegno: 0,
  };
  for (let i = 0; i < kfunc.args.length; i++) {
    if (!checkKfuncArgument(walk, call, i)) return false;
  }
  if (kfunc.releases && call.releaseRegno === 0) {
    return walk.reject(
      "EINVAL",
      `release kernel function ${name} expects refcounted PTR_TO_BTF_ID`,
      "kfunc-release-unreferenced",
    );
  }
  if (name === "bpf_wq_set_callback_impl" && !pushElementCallback(walk, call.callback, at, true)) return false;
  if (!changeSections(walk, kfunc)) return false;
  if (call.releaseRegno !== 0) walk.releaseReference(walk.reg(call.releaseRegno).refObjId);
  if (name === "bpf_throw" && !checkReturnRegister(walk, 1)) return false;
  walk.clobberCallerSaved();
  if (!setKfuncResult(walk, call)) return false;
  if (kfunc.changesPacket) walk.clearPacketPointers();
  return call.iterator === null || kfunc.ret.kind !== "mem" || forkIterator(walk, call.iterator, at);
}

function checkKfuncArgument(walk: Walk, call: KfuncCall, index: number): boolean {
  const { kfunc } = call;
  const arg = kfunc.args[index]!;
  const regno = index + 1;
  if (arg.kind === "ignored" || arg.kind === "size") return true;
  const reg = walk.reg(regno);
  if (arg.kind === "scalar") return checkScalar(walk, arg.constant, reg, regno);
  if ((kfunc.trustedArgs || kfunc.rcu) && (reg.isNullConstant || reg.mayBeNull)) {
    return walk.reject(
      "EACCES",
      `Possibly NULL pointer passed to trusted arg${index}`,
      "kfunc-argument-may-be-null",
      regno,
    );
  }
  if (reg.refObjId !== 0) {
    call.refObjId = reg.refObjId;
    if (kfunc.releases) call.releaseRegno = regno;
  }
  if (!checkPointerType(walk, call, arg, reg, index)) return false;
  if (arg.kind === "map" && !noteMap(walk, call, reg, regno)) return false;
  if (arg.kind === "struct" && !checkTrust(walk, kfunc, reg, regno)) return false;
  return checkOffset(walk, call, reg, regno) && checkPointer(walk, call, arg, reg, index);
}

/** Structure that a register points to, for those that the kernel knows by BTF; null for other registers. */
function structOf(reg: Reg): string | null {
  switch (reg.type) {
    case PTR_TO_BTF_ID:
      return reg.btfName;
    case CONST_PTR_TO_MAP:
      return "bpf_map";
    case PTR_TO_SOCKET:
      return "sock";
    case PTR_TO_SOCK_COMMON:
      return "sock_common";
    case PTR_TO_TCP_SOCK:
      return "tcp_sock";
    default:
      return null;
  }
}

/** What the argument's C type makes of the register, before the register is looked at closely. */
function checkPointerType(walk: Walk, call: KfuncCall, arg: KfuncArg, reg: Reg, index: number): boolean {
  const refuse = (message: string): boolean => walk.reject("EINVAL", message, "kfunc-argument-type", index + 1);
  const notMemory = (type: string): boolean =>
    refuse(`arg#${index} pointer type ${type} must point to scalar, or struct with scalar`);
  const isStruct = structOf(reg) !== null;
  const notStruct = (type: string): boolean =>
    refuse(`kernel function ${call.kfunc.name} args#${index} pointer type ${type} is not supported`);
  switch (arg.kind) {
    case "ctx": {
      const { program } = walk;
      const context = contextLayout(program.type, program.expectedAttachType).type;
      return context === `struct ${arg.struct}` || isStruct || notMemory(`STRUCT ${arg.struct}`);
    }
    case "struct":
      return isStruct || notMemory(`STRUCT ${arg.struct}`);
    case "func":
      return !isStruct || notStruct("FUNC_PROTO ");
    case "mem":
      if (isStruct) return notStruct("UNKNOWN ");
      return walk.reg(index + 2).type === SCALAR_VALUE || notMemory("UNKNOWN ");
    default:
      return true;
  }
}

function checkScalar(walk: Walk, constant: boolean, reg: Reg, regno: number): boolean {
  if (reg.type !== SCALAR_VALUE) {
    return walk.reject("EINVAL", `R${regno} is not a scalar`, "kfunc-argument-scalar", regno);
  }
  if (!constant) return true;
  if (!reg.scalar.isConst) {
    return walk.reject("EINVAL", `R${regno} must be a known constant`, "kfunc-argument-constant", regno);
  }
  return walk.markPrecise(regno);
}

function noteMap(walk: Walk, call: KfuncCall, reg: Reg, regno: number): boolean {
  if (reg.map === null) {
    return walk.reject("EINVAL", `pointer in R${regno} isn't map pointer`, "kfunc-argument-map", regno);
  }
  if (call.map !== null && needsMapUid(walk.program, reg.map)) {
    if (call.map.id !== reg.map.id || call.mapUid !== reg.mapUid) {
      return walk.reject(
        "EINVAL",
        `workqueue pointer in R1 map_uid=${call.mapUid} doesn't match map pointer in R2 map_uid=${reg.mapUid}`,
        "workqueue-other-map",
        regno,
      );
    }
  }
  call.map = reg.map;
  call.mapUid = reg.mapUid;
  return true;
}

/** References and pointers that the kernel vouches for; maps and sockets always. */
function isTrusted(reg: Reg): boolean {
  if (reg.refObjId !== 0) return true;
  if (reg.type !== PTR_TO_BTF_ID) return reg.flags === 0;
  return reg.flags === PTR_TRUSTED;
}

function checkTrust(walk: Walk, kfunc: Kfunc, reg: Reg, regno: number): boolean {
  if (!(kfunc.trustedArgs || kfunc.rcu) || isTrusted(reg)) return true;
  if (!kfunc.rcu) {
    return walk.reject("EINVAL", `R${regno} must be referenced or trusted`, "kfunc-argument-trust", regno);
  }
  if ((reg.flags & MEM_RCU) !== 0) return true;
  return walk.reject("EINVAL", `R${regno} must be a rcu pointer`, "kfunc-argument-rcu", regno);
}

function checkOffset(walk: Walk, call: KfuncCall, reg: Reg, regno: number): boolean {
  if (call.kfunc.releases && reg.refObjId !== 0) {
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
  return mayHaveOffset(reg) || walk.checkUnmodifiedPointer(reg, regno, reg.type === PTR_TO_BTF_ID);
}

function checkPointer(walk: Walk, call: KfuncCall, arg: KfuncArg, reg: Reg, index: number): boolean {
  const regno = index + 1;
  const refuse = (message: string, rule: string): boolean => walk.reject("EINVAL", message, rule, regno);
  switch (arg.kind) {
    case "ctx":
      return (
        reg.type === PTR_TO_CTX ||
        refuse(`arg#${index} expected pointer to ctx, but got ${typeOf(reg)}`, "kfunc-argument-ctx")
      );
    case "map":
      return true;
    case "func":
      if (reg.type !== PTR_TO_FUNC) return refuse(`arg${index} expected pointer to func`, "kfunc-argument-func");
      call.callback = reg.index;
      return true;
    case "wq":
      if (reg.type !== PTR_TO_MAP_VALUE || reg.mayBeNull) {
        return refuse(`arg#${index} doesn't point to a map value`, "workqueue-arg-type");
      }
      if (!checkFieldPointer(walk, regno, "bpf_wq")) return false;
      call.map = reg.map;
      call.mapUid = reg.mapUid;
      return true;
    case "irq":
      return checkIrqFlag(walk, regno, call.kfunc.name === "bpf_local_irq_save", call.at);
    case "iter":
      call.iterator = checkIterator(walk, regno, arg.iter, arg.role, call.at);
      return call.iterator !== null;
    case "dynptr":
      return checkDynptrArgument(walk, call, arg, regno);
    case "mem":
      return checkMemoryPair(walk, call, arg.optional, reg, index);
    case "struct":
      return checkStruct(walk, call, arg.struct, reg, index);
    case "scalar":
    case "ignored":
    case "size":
      return true;
  }
}

function checkDynptrArgument(walk: Walk, call: KfuncCall, arg: KfuncArg & { kind: "dynptr" }, regno: number): boolean {
  if (arg.role === "new") {
    const clone = arg.dynptr === "same" ? call.dynptr : null;
    const kind = clone?.kind ?? arg.dynptr;
    return checkDynptr(walk, regno, regno - 1, { role: "new", kind, cloneOf: clone }, call.at);
  }
  if (!checkDynptr(walk, regno, regno - 1, { role: "use", kind: "any", mutates: false }, call.at)) return false;
  call.dynptr = dynptrOf(walk, walk.reg(regno));
  return true;
}

/** Memory that a kfunc may read and write, with its size in the next register. */
function checkMemoryPair(walk: Walk, call: KfuncCall, optional: boolean, reg: Reg, index: number): boolean {
  const sizeRegno = index + 2;
  if (!(reg.isNullConstant && optional)) {
    const fits = withoutNull(walk, index + 1, () => {
      return checkMemorySize(walk, sizeRegno, false, true, null) && checkMemorySize(walk, sizeRegno, true, true, null);
    });
    if (!fits) {
      return walk.rejectFurther(
        null,
        `arg#${index} arg#${index + 1} memory, len pair leads to invalid memory access`,
        "kfunc-memory-pair",
      );
    }
  }
  const sizeArg = call.kfunc.args[index + 1];
  const size = walk.reg(sizeRegno);
  if (sizeArg?.kind === "size" && sizeArg.constant) {
    if (!size.scalar.isConst) {
      return walk.reject("EINVAL", `R${sizeRegno} must be a known constant`, "kfunc-argument-constant", sizeRegno);
    }
    call.constant = size.scalar.value;
  }
  return true;
}

function checkStruct(walk: Walk, call: KfuncCall, struct: string, reg: Reg, index: number): boolean {
  const regno = index + 1;
  const unsafe = (reg.flags & ~PTR_TRUSTED) !== 0 && reg.flags !== MEM_RCU;
  if (reg.type === PTR_TO_BTF_ID && unsafe) {
    const expected = regTypeName(reg.type, reg.flags & PTR_TRUSTED);
    return walk.reject(
      "EINVAL",
      `arg#${index} is ${typeOf(reg)} expected ${expected} or socket`,
      "kfunc-argument-struct",
      regno,
    );
  }
  const found = structOf(reg)!;
  if (found !== struct || reg.off !== 0) {
    return walk.reject(
      "EINVAL",
      `kernel function ${call.kfunc.name} args#${index} expected pointer to STRUCT ${struct} but R${regno} has a pointer to STRUCT ${found}`,
      "kfunc-argument-other-struct",
      regno,
    );
  }
  return true;
}

/** RCU, preemption and interrupt sections: opened, closed, and what may not sleep inside. */
function changeSections(walk: Walk, kfunc: Kfunc): boolean {
  const { state } = walk;
  const { name } = kfunc;
  const sleeps = (region: string): boolean =>
    walk.reject("EACCES", `kernel func ${name} is sleepable within ${region}`, "kfunc-sleeps-in-region");
  if (state.activeRcuLock) {
    if (name === "bpf_rcu_read_lock") {
      return walk.reject("EINVAL", `nested rcu read lock (kernel function ${name})`, "rcu-nested");
    }
    if (name === "bpf_rcu_read_unlock") {
      state.mapRegs(afterRcu);
      state.activeRcuLock = false;
    } else if (kfunc.sleeps) {
      return sleeps("rcu_read_lock region");
    }
  } else if (name === "bpf_rcu_read_lock") {
    state.activeRcuLock = true;
  } else if (name === "bpf_rcu_read_unlock") {
    return walk.reject("EINVAL", `unmatched rcu read unlock (kernel function ${name})`, "rcu-unmatched");
  }
  if (state.activePreemptLocks > 0) {
    if (name === "bpf_preempt_disable") state.activePreemptLocks++;
    else if (name === "bpf_preempt_enable") state.activePreemptLocks--;
    else if (kfunc.sleeps) return sleeps("non-preemptible region");
  } else if (name === "bpf_preempt_disable") {
    state.activePreemptLocks++;
  } else if (name === "bpf_preempt_enable") {
    return walk.reject(
      "EINVAL",
      `unmatched attempt to enable preemption (kernel function ${name})`,
      "preempt-unmatched",
    );
  }
  return !(state.activeIrqId !== 0 && kfunc.sleeps) || sleeps("IRQ-disabled region");
}

/** Pointers that RCU protected lose the kernel's word at the end of the section. */
function afterRcu(reg: Reg): Reg {
  if ((reg.flags & MEM_RCU) === 0) return reg;
  const loose = reg.copy();
  loose.flags = (loose.flags & ~(MEM_RCU | PTR_MAYBE_NULL)) | PTR_UNTRUSTED;
  return loose;
}

function setKfuncResult(walk: Walk, call: KfuncCall): boolean {
  const { kfunc } = call;
  const { ret } = kfunc;
  let reg: Reg;
  switch (ret.kind) {
    case "int":
      reg = REG_UNKNOWN;
      break;
    case "void":
      reg = REG_NOT_INIT;
      break;
    case "mem":
      reg = memReg(MEM_RDONLY, ret.size);
      reg.refObjId = call.refObjId !== 0 ? call.refObjId : (call.iterator?.refId ?? 0);
      break;
    case "slice":
    case "slice_rdwr": {
      const dynptr = call.dynptr!;
      if (ret.kind === "slice_rdwr" && packetAccess(walk.program.type) !== "write") {
        return walk.reject("EINVAL", "the prog does not allow writes to packet data", "slice-read-only-packet");
      }
      const slice = isPacketDynptr(dynptr.kind) ? DYNPTR_PACKET : DYNPTR_SLICE;
      const flags = (ret.kind === "slice" ? MEM_RDONLY : 0) | slice;
      reg = memReg(flags, call.constant);
      reg.dynptrId = dynptr.id;
      break;
    }
    case "struct":
      reg = btfReg(0, ret.struct);
      break;
  }
  if (kfunc.nullable) {
    reg = reg.copy();
    reg.flags |= PTR_MAYBE_NULL;
    reg.id = walk.newId();
  }
  if (kfunc.acquires) {
    const id = walk.state.acquire({ kind: "pointer", id: walk.newId(), insn: call.at, lock: null });
    reg = reg.copy();
    if (kfunc.nullable) reg.id = id;
    reg.refObjId = id;
  }
  walk.setReg(0, reg);
  return true;
}

/** An iterator that is not drained forks: this path takes the end, a pending one the element. */
function forkIterator(walk: Walk, place: IteratorPlace, at: number): boolean {
  const { state } = walk;
  const frame = state.frames[place.frameno]!;
  const object = frame.slot(place.slot).object;
  if (object?.kind !== "iter") return true;
  if (object.state === "active") {
    const older = walk.previousAt(state.parent ?? state, at);
    const pending = walk.pushPending(at + 1, at, "iterator");
    if (pending === null) return false;
    setIterator(pending.frames[place.frameno]!, place.slot, { depth: object.depth + 1 });
    if (older !== null) walk.widenImprecise(older, pending);
    const element = pending.frame.regs[0]!.copy();
    element.flags &= ~PTR_MAYBE_NULL;
    pending.frame.regs[0] = element;
  }
  setIterator(frame, place.slot, { state: "drained" });
  walk.setReg(0, REG_ZERO);
  return true;
}
