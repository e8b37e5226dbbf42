import { progTypeName } from "../../abi/types.ts";
import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_ATOMIC,
  BPF_B,
  BPF_CALL,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_EXIT,
  BPF_FETCH,
  BPF_H,
  BPF_HELPER_CALL,
  BPF_IMM,
  BPF_JA,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEMSX,
  BPF_OR,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_W,
  BPF_X,
  BPF_XCHG,
  BPF_XOR,
  CLASS_MASK,
  EXIT,
  JA,
  JA32,
  MODE_MASK,
  OP_MASK,
  SIZE_MASK,
  sizeInBytes,
} from "../../isa/opcodes.ts";
import { calls } from "../calls-half.ts";
import {
  CONST_PTR_TO_MAP,
  mapReg,
  NOT_INIT,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_FUNC,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  pointerReg,
  REG_UNKNOWN,
  type Reg,
  SCALAR_VALUE,
  scalarReg,
} from "../register.ts";
import { Scalar } from "../scalar.ts";
import { stepAlu } from "./alu.ts";
import { forkReturn, returnFromFrame, stepProgramCall } from "./calls.ts";
import { stepConditional } from "./jumps.ts";
import { accessMemory, checkInvariants, typeName } from "./memory-access.ts";
import type { Walker } from "./walker.ts";

/** What one instruction did to the path. `returned`: control is in another frame, whose state is to be printed whole. */
export type StepResult = "go-on" | "returned" | "path-end" | "rejected";

const TAIL_CALL = 12;

const reserved = (w: Walker, what: string): "rejected" => {
  w.reject("EINVAL", `${what} uses reserved fields`, "reserved-fields");
  return "rejected";
};
const outcome = (ok: boolean): StepResult => (ok ? "go-on" : "rejected");

/** Processes the instruction at `w.insnIdx`; on "go-on" that is the next one. */
export function step(w: Walker): StepResult {
  const insn = w.insns[w.insnIdx]!;
  switch (insn.opcode & CLASS_MASK) {
    case BPF_ALU:
    case BPF_ALU64:
      return next(w, stepAlu(w, insn), 1);
    case BPF_LDX:
      return next(w, stepLoad(w, insn, (insn.opcode & MODE_MASK) === BPF_MEMSX, false), 1);
    case BPF_STX:
      if ((insn.opcode & MODE_MASK) === BPF_ATOMIC) return next(w, stepAtomic(w, insn), 1);
      if (insn.imm !== 0) return reserved(w, "BPF_STX");
      return next(w, stepStore(w, insn, false), 1);
    case BPF_ST:
      return next(w, stepStoreImmediate(w, insn), 1);
    case BPF_LD:
      return stepLd(w, insn);
    default:
      return stepJump(w, insn);
  }
}

function next(w: Walker, ok: boolean, slots: number): StepResult {
  if (!ok) return "rejected";
  w.insnIdx += slots;
  return "go-on";
}

/** The kind of pointer behind a load or store decides how it is rewritten, so all paths must agree on it. */
function notePointerType(w: Walker, type: number): boolean {
  const facts = w.facts[w.insnIdx]!;
  const before = facts.pointerType;
  if (before === NOT_INIT) {
    facts.pointerType = type;
    return true;
  }
  if (before === type || (isFreelyMixed(before) && isFreelyMixed(type))) return true;
  return w.reject("EINVAL", "same insn cannot be used with different pointers", "pointer-kinds-differ");
}

function isFreelyMixed(type: number): boolean {
  switch (type) {
    case PTR_TO_CTX:
    case PTR_TO_SOCKET:
    case PTR_TO_SOCK_COMMON:
    case PTR_TO_TCP_SOCK:
    case PTR_TO_XDP_SOCK:
    case PTR_TO_BTF_ID:
    case PTR_TO_ARENA:
      return false;
    default:
      return true;
  }
}

function stepLoad(w: Walker, insn: Instruction, signed: boolean, strict: boolean): boolean {
  const { dst, src } = insn;
  if (!w.checkReadable(src) || !w.checkWritable(dst)) return false;
  const type = w.reg(src).type;
  const size = sizeInBytes(insn.opcode);
  const loaded = accessMemory(w, src, insn.off, size, false, -1, strict, signed, dst);
  if (loaded === null) return false;
  w.setReg(dst, loaded);
  if (!notePointerType(w, type)) return false;
  w.setReg(dst, checkInvariants(w, loaded, "ldx"));
  return true;
}

function stepStore(w: Walker, insn: Instruction, strict: boolean): boolean {
  const { dst, src } = insn;
  if (!w.checkReadable(src) || !w.checkReadable(dst)) return false;
  const type = w.reg(dst).type;
  if (accessMemory(w, dst, insn.off, sizeInBytes(insn.opcode), true, src, strict, false, -1) === null) return false;
  return notePointerType(w, type);
}

function stepStoreImmediate(w: Walker, insn: Instruction): boolean {
  const { dst } = insn;
  if (insn.src !== 0) return w.reject("EINVAL", "BPF_ST uses reserved fields", "reserved-fields");
  if (!w.checkReadable(dst)) return false;
  const type = w.reg(dst).type;
  if (accessMemory(w, dst, insn.off, sizeInBytes(insn.opcode), true, -1, false, false, -1) === null) return false;
  return notePointerType(w, type);
}

const RMW = new Set<number>([
  BPF_ADD,
  BPF_ADD | BPF_FETCH,
  BPF_AND,
  BPF_AND | BPF_FETCH,
  BPF_OR,
  BPF_OR | BPF_FETCH,
  BPF_XOR,
  BPF_XOR | BPF_FETCH,
  BPF_XCHG,
  BPF_CMPXCHG,
]);

function refuseAtomicBase(w: Walker, n: number, what: string): boolean {
  const reg = w.reg(n);
  const refused =
    reg.type === PTR_TO_CTX ||
    reg.type === PTR_TO_PACKET ||
    reg.type === PTR_TO_PACKET_META ||
    reg.type === PTR_TO_FLOW_KEYS ||
    reg.type === PTR_TO_SOCKET ||
    reg.type === PTR_TO_SOCK_COMMON ||
    reg.type === PTR_TO_TCP_SOCK ||
    reg.type === PTR_TO_XDP_SOCK;
  if (!refused) return true;
  return w.reject("EACCES", `BPF_ATOMIC ${what} R${n} ${typeName(reg)} is not allowed`, "atomic-base", n);
}

function stepAtomic(w: Walker, insn: Instruction): boolean {
  const { dst, src, imm } = insn;
  if (imm === BPF_LOAD_ACQ) {
    if (!w.checkReadable(src) || !w.checkWritable(dst)) return false;
    // Linux looks at the base after the load: one that was loaded over passes (seen on 6.18.44).
    return stepLoad(w, insn, false, true) && refuseAtomicBase(w, src, "loads from");
  }
  if (imm === BPF_STORE_REL) {
    if (!w.checkReadable(src) || !w.checkReadable(dst)) return false;
    return stepStore(w, insn, true) && refuseAtomicBase(w, dst, "stores into");
  }
  if (!RMW.has(imm))
    return w.reject(
      "EINVAL",
      `BPF_ATOMIC uses invalid atomic opcode ${(imm >>> 0).toString(16).padStart(2, "0")}`,
      "atomic-opcode",
    );
  const sizeBits = insn.opcode & SIZE_MASK;
  if (sizeBits !== BPF_W && sizeBits !== BPF_DW)
    return w.reject("EINVAL", "invalid atomic operand size", "atomic-size");
  const size = sizeInBytes(insn.opcode);
  if (!w.checkReadable(src) || !w.checkReadable(dst)) return false;
  if (imm === BPF_CMPXCHG && !w.checkReadable(0)) return false;
  if (!refuseAtomicBase(w, dst, "stores into")) return false;
  const type = w.reg(dst).type;
  const fetch = (imm & BPF_FETCH) !== 0;
  let into = -1;
  if (fetch) {
    into = imm === BPF_CMPXCHG ? 0 : src;
    if (!w.checkWritable(into)) return false;
    // From here on it has no known value, also where it is the base.
    w.setReg(into, REG_UNKNOWN);
  }
  // Read once for the operation and, where the old value is wanted, once more for the register.
  if (accessMemory(w, dst, insn.off, size, false, -1, true, false, -1) === null) return false;
  if (fetch) {
    const loaded = accessMemory(w, dst, insn.off, size, false, -1, true, false, into);
    if (loaded === null) return false;
    w.setReg(into, loaded);
  }
  if (accessMemory(w, dst, insn.off, size, true, -1, true, false, -1) === null) return false;
  return notePointerType(w, type);
}

function stepLd(w: Walker, insn: Instruction): StepResult {
  const mode = insn.opcode & MODE_MASK;
  if (mode === BPF_IMM) return next(w, stepWide(w, insn), 2);
  return stepPacketLoad(w, insn, mode === BPF_ABS);
}

function stepWide(w: Walker, insn: Instruction): boolean {
  const { dst } = insn;
  const at = w.insnIdx;
  const second = w.insns[at + 1]!;
  if (insn.off !== 0) return w.reject("EINVAL", "BPF_LD_IMM64 uses reserved fields", "reserved-fields");
  if (!w.checkWritable(dst)) return false;
  switch (insn.src) {
    case 0:
      w.setReg(dst, scalarReg(Scalar.constant(second.imm, insn.imm)));
      return true;
    case BPF_PSEUDO_FUNC: {
      const callee = w.subprograms[w.tables.subprogramOf[at + insn.imm + 1]!]!;
      if (w.program.functions === null || w.program.functions.length === 0)
        return w.reject("EINVAL", "missing btf func_info", "callback-func-info");
      if (callee.linkage !== "static") return w.reject("EINVAL", "callback function not static", "callback-not-static");
      const reg = pointerReg(PTR_TO_FUNC);
      reg.index = callee.index;
      w.setReg(dst, reg);
      return true;
    }
    case BPF_PSEUDO_MAP_FD:
      w.setReg(dst, mapReg(CONST_PTR_TO_MAP, 0, w.mapsBySlot[at]!));
      return true;
    case BPF_PSEUDO_MAP_VALUE: {
      const reg = mapReg(PTR_TO_MAP_VALUE, 0, w.mapsBySlot[at]!);
      reg.off = second.imm;
      w.setReg(dst, reg);
      return true;
    }
    default:
      return w.unsupported("addresses of kernel variables");
  }
}

const PACKET_LOADERS = new Set(["socket_filter", "sched_cls", "sched_act"]);

/** LD_ABS and LD_IND: a load from the packet that ends the program when it lies outside. */
function stepPacketLoad(w: Walker, insn: Instruction, absolute: boolean): StepResult {
  if (!PACKET_LOADERS.has(progTypeName(w.program.type) ?? "")) {
    w.reject("EINVAL", "BPF_LD_[ABS|IND] instructions not allowed for this program type", "packet-load-type");
    return "rejected";
  }
  if (insn.dst !== 0 || insn.off !== 0 || (insn.opcode & SIZE_MASK) === BPF_DW || (absolute && insn.src !== 0))
    return reserved(w, "BPF_LD_[ABS|IND]");
  if (!w.checkReadable(6)) return "rejected";
  if (!calls.checkResourceLeaks(w, "BPF_LD_[ABS|IND]")) return "rejected";
  if (w.reg(6).type !== PTR_TO_CTX) {
    w.reject("EINVAL", "at the time of BPF_LD_ABS|IND R6 != pointer to skb", "packet-load-context", 6);
    return "rejected";
  }
  if (!absolute && !w.checkReadable(insn.src)) return "rejected";
  if (!w.checkUnmodifiedPointer(w.reg(6), 6, false)) return "rejected";
  w.clobberCallerSaved();
  w.setReg(0, REG_UNKNOWN);
  if (w.state.frames.length > 1) return forkReturn(w, true) ? "go-on" : "rejected";
  w.insnIdx++;
  return "go-on";
}

function stepJump(w: Walker, insn: Instruction): StepResult {
  w.jumpsProcessed++;
  const op = insn.opcode & OP_MASK;
  if (op === BPF_CALL) return stepCall(w, insn);
  if (op === BPF_JA) {
    const wide = insn.opcode === JA;
    if ((insn.opcode & BPF_X) !== 0 || insn.src !== 0 || insn.dst !== 0 || (wide ? insn.imm : insn.off) !== 0)
      return reserved(w, "BPF_JA");
    w.insnIdx += 1 + (insn.opcode === JA32 ? insn.imm : insn.off);
    return "go-on";
  }
  if (op === BPF_EXIT) return stepExit(w, insn);
  return outcome(stepConditional(w, insn));
}

function stepExit(w: Walker, insn: Instruction): StepResult {
  if (insn.opcode !== EXIT || insn.imm !== 0 || insn.src !== 0 || insn.dst !== 0) return reserved(w, "BPF_EXIT");
  if (w.state.frames.length > 1) return returnFromFrame(w) ? "returned" : "rejected";
  if (!calls.checkResourceLeaks(w, "BPF_EXIT instruction in main prog")) return "rejected";
  return calls.checkProgramReturn(w) ? "path-end" : "rejected";
}

function stepCall(w: Walker, insn: Instruction): StepResult {
  const { src } = insn;
  if (
    (insn.opcode & CLASS_MASK) === BPF_JMP32 ||
    (insn.opcode & BPF_X) !== 0 ||
    insn.dst !== 0 ||
    (src !== BPF_PSEUDO_KFUNC_CALL && insn.off !== 0) ||
    (src !== BPF_HELPER_CALL && src !== BPF_PSEUDO_CALL && src !== BPF_PSEUDO_KFUNC_CALL)
  )
    return reserved(w, "BPF_CALL");
  const at = w.insnIdx;
  if (src === BPF_PSEUDO_CALL) {
    if (!stepProgramCall(w, insn)) return "rejected";
    w.touchedRegs |= 1;
    return "go-on";
  }
  if (src === BPF_PSEUDO_KFUNC_CALL) {
    if (insn.imm === 0 && w.program.kfuncs.get(at) === undefined) {
      // Promised to be dead: refused after the walk if it was not.
      w.touchedRegs |= 1;
      w.insnIdx = at + 1;
      return "go-on";
    }
    if (!calls.checkKfuncCall(w, insn, at)) return "rejected";
    if (w.program.kfuncs.get(at) === "bpf_throw")
      return calls.checkResourceLeaks(w, "bpf_throw") ? "path-end" : "rejected";
  } else {
    if (!calls.checkHelperCall(w, insn, at)) return "rejected";
    if (insn.imm === TAIL_CALL && w.state.frames.length > 1) return forkReturn(w, false) ? "go-on" : "rejected";
  }
  w.touchedRegs |= 1;
  w.insnIdx = at + 1;
  return "go-on";
}

export function readsAsPointer(reg: Reg): boolean {
  return reg.type !== SCALAR_VALUE && reg.type !== PTR_TO_STACK;
}
void BPF_B;
void BPF_H;
void BPF_JMP;
